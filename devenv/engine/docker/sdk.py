"""The engine's HTTP interface through the Docker SDK: for endpoints that are no local socket."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from devenv.engine.transport import API_TIMEOUT, ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class SdkTransport:
    """`devenv.engine.transport.Transport` on the SDK's low-level client, which knows SSH, TLS and named pipes."""

    def __init__(self, client: Any) -> None:
        # Any: the published stubs lack much of what the SDK's low-level client offers.
        self._api = client.api

    @property
    def endpoint(self) -> str:
        """Where the engine is reached, as `DOCKER_HOST` would name it."""
        path = getattr(self._api.get_adapter(self._api.base_url), "socket_path", None)
        return f"unix://{path}" if path else str(self._api.base_url)

    @property
    def api_version(self) -> str:
        """The version of the interface that both speak."""
        return str(self._api.api_version)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        timeout: float | None = API_TIMEOUT,
    ) -> Any:
        """The answer as data, None where it is empty; raises ApiError, or what requests raises."""
        content = self._answer(method, path, query, body, timeout)
        if not content.strip():
            return None
        try:
            return json.loads(content)
        except ValueError:
            return content.decode(errors="replace")

    def read(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> bytes:
        """The answer as it is, however long it takes to come; raises ApiError, or what requests raises."""
        return self._answer(method, path, query, body, None)

    def _answer(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Any, timeout: float | None
    ) -> bytes:
        url, params = self._url(path), dict(query or {})
        response = self._api.request(method, url, params=params, json=body, timeout=timeout)
        if not response.ok:
            raise ApiError(response.status_code, _message(response))
        return bytes(response.content)

    def head(self, path: str, *, query: Mapping[str, str] | None = None) -> Mapping[str, str]:
        """An answer's head alone; raises ApiError, or what requests raises."""
        response = self._api.head(self._url(path), params=dict(query or {}), timeout=API_TIMEOUT)
        if not response.ok:
            raise ApiError(response.status_code, str(response.reason))
        return {name.lower(): value for name, value in response.headers.items()}

    def stream(self, path: str, *, query: Mapping[str, str] | None = None) -> SdkStream:
        """An answer that goes on; it has begun when this returns."""
        response = self._api.get(self._url(path), params=dict(query or {}), stream=True, timeout=None)
        if not response.ok:
            with response:
                raise ApiError(response.status_code, _message(response))
        return SdkStream(response)

    def _url(self, path: str) -> str:
        return f"{self._api.base_url}/v{self._api.api_version}{path}"


class SdkStream:
    """`devenv.engine.transport.Stream` on an answer of requests: a document is a line."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def __iter__(self) -> Iterator[Any]:
        """Each document once; ends where the answer ends, breaks off or is closed."""
        # What a library says of a connection that was closed under it is of many kinds, and means the end.
        with self._response, suppress(Exception):
            for line in self._response.iter_lines(chunk_size=1):
                if line.strip():
                    yield json.loads(line)

    def close(self) -> None:
        """End it, once what is being read has come."""
        with suppress(Exception):
            self._response.raw._connection.sock.shutdown(socket.SHUT_RDWR)  # noqa: SLF001 - close() waits for the reader


def _message(response: Any) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return str(response.text).strip() or str(response.reason)
