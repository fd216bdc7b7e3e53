"""The engine over its local socket by the standard library alone: an answer costs a millisecond.

It speaks HTTP/1.0: the engine then closes the connection behind each answer, so that neither chunks nor
keep-alive have to be understood, and a new connection to a local socket costs some 50 microseconds.
"""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from devenv.engine.transport import API_TIMEOUT, ApiError, NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCHEME = "unix://"
PIECE = 1 << 16
HEADER_END = b"\r\n\r\n"
FAILURE = 400
UNRESERVED = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/")


class SocketTransport:
    """`devenv.engine.transport.Transport` on a Unix socket, given as `unix:///path`."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._path = endpoint.removeprefix(SCHEME)
        self._api_version = ""

    @property
    def api_version(self) -> str:
        """The version of the interface that the engine speaks, as its last answer said."""
        if not self._api_version:
            self.call("GET", "/_ping")
        return self._api_version

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        timeout: float | None = API_TIMEOUT,
    ) -> Any:
        """The answer as data, None where it is empty; raises ApiError or NoAnswerError."""
        content = self._answer(method, path, query, body, timeout)
        return _document(content) if content.strip() else None

    def read(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> bytes:
        """The answer as it is, however long it takes to come; raises ApiError or NoAnswerError."""
        return self._answer(method, path, query, body, None)

    def _answer(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Any, timeout: float | None
    ) -> bytes:
        with self._asked(method, path, query, body, timeout) as connection:
            head, rest = self._head(connection)
            pieces = [rest]
            while piece := _received(connection):
                pieces.append(piece)
        content = b"".join(pieces)
        if _status(head) >= FAILURE:
            raise ApiError(_status(head), _message(content))
        return content

    def head(self, path: str, *, query: Mapping[str, str] | None = None) -> Mapping[str, str]:
        """An answer's head alone; raises ApiError or NoAnswerError."""
        with self._asked("HEAD", path, query, None, API_TIMEOUT) as connection:
            head, _ = self._head(connection)
        if _status(head) >= FAILURE:
            raise ApiError(_status(head), head.partition(b"\r\n")[0].decode())
        return _fields(head)

    def stream(self, path: str, *, query: Mapping[str, str] | None = None) -> SocketStream:
        """An answer that goes on; it has begun when this returns."""
        connection = self._asked("GET", path, query, None, API_TIMEOUT)
        with ExitStack() as until_it_has_begun:
            until_it_has_begun.enter_context(connection)
            head, rest = self._head(connection)
            if _status(head) >= FAILURE:
                while piece := _received(connection):
                    rest += piece
                raise ApiError(_status(head), _message(rest))
            connection.settimeout(None)
            until_it_has_begun.pop_all()
        return SocketStream(connection, rest)

    def _asked(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Any, timeout: float | None
    ) -> socket.socket:
        """A connection on which the question was sent."""
        content = b"" if body is None else json.dumps(body).encode()
        words = "&".join(f"{name}={_quoted(value)}" for name, value in (query or {}).items())
        target = _quoted(path) + (f"?{words}" if words else "")
        head = f"{method} {target} HTTP/1.0\r\nHost: docker\r\nContent-Length: {len(content)}\r\n"
        if body is not None:
            head += "Content-Type: application/json\r\n"
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(timeout)
            connection.connect(self._path)
            connection.sendall(head.encode() + b"\r\n" + content)
        except BaseException as error:
            connection.close()
            if not isinstance(error, OSError):
                raise
            raise NoAnswerError(f"{self.endpoint}: {error.strerror or error}") from error
        return connection

    def _head(self, connection: socket.socket) -> tuple[bytes, bytes]:
        """The answer's head, and what came of its body with it."""
        received = b""
        while HEADER_END not in received:
            piece = _received(connection)
            if not piece:
                raise NoAnswerError(f"{self.endpoint}: the engine closed the connection without an answer")
            received += piece
        head, _, rest = received.partition(HEADER_END)
        self._api_version = _fields(head).get("api-version", self._api_version)
        return head, rest


class SocketStream:
    """`devenv.engine.transport.Stream` on a connection: a document is a line."""

    def __init__(self, connection: socket.socket, received: bytes) -> None:
        self._connection = connection
        self._received = received

    def __iter__(self) -> Iterator[Any]:
        """Each document once; ends where the answer ends, breaks off or is closed."""
        rest = self._received
        with self._connection, suppress(NoAnswerError):
            while True:
                *lines, rest = rest.split(b"\n")
                for line in lines:
                    if line.strip():
                        yield _document(line)
                piece = _received(self._connection)
                if not piece:
                    return
                rest += piece

    def close(self) -> None:
        """End it: whoever reads at this moment finds its end."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(PIECE)
    except OSError as error:
        raise NoAnswerError(f"the engine stopped answering: {error.strerror or error}") from error


def _fields(head: bytes) -> dict[str, str]:
    """The fields of an answer's head, by their names in small letters."""
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return {name.decode().lower(): value.strip().decode() for name, _, value in lines}


def _status(head: bytes) -> int:
    words = head.split(None, 2)
    if len(words) < 2 or not words[1].isdigit():
        raise NoAnswerError("what answers on the socket is no engine")
    return int(words[1])


def _document(content: bytes) -> Any:
    """JSON as data; anything else, as the OK of a ping, as text."""
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")


def _message(content: bytes) -> str:
    document = _document(content)
    return str(document.get("message", document)) if isinstance(document, dict) else str(document).strip()


def _quoted(text: str) -> str:
    """Percent-encoded; urllib's own function takes 10 ms to import."""
    return "".join(chr(byte) if byte in UNRESERVED else f"%{byte:02X}" for byte in text.encode())
