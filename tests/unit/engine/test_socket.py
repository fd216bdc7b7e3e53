"""Questions and answers on a socket, with an engine that says what it is told to."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from devenv.engine.socket import SocketTransport
from devenv.engine.transport import ApiError, NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OK = b"HTTP/1.0 200 OK\r\nApi-Version: 1.45\r\n\r\n"


class Answering:
    """A socket that gives each question the next answer, in pieces, and keeps the question."""

    def __init__(self, path: Path) -> None:
        self.answers: list[list[bytes | threading.Event]] = []
        self.asked: list[bytes] = []
        self.transport = SocketTransport(f"unix://{path}")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while self.answers or not self.asked:
            connection, _ = self._listener.accept()
            with connection:
                self.asked.append(connection.recv(1 << 16))
                for piece in self.answers.pop(0):
                    if isinstance(piece, bytes):
                        connection.sendall(piece)
                    else:
                        piece.wait(10)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Answering]:
    answering = Answering(tmp_path / "s")
    with closing(answering._listener):
        yield answering


def test_a_question_and_its_answer_in_pieces(engine: Answering) -> None:
    engine.answers = [[OK[:20], OK[20:] + b'{"a"', b": [1]}\n"]]
    query = {"filters": '{"label": ["a=b c"]}'}
    found = engine.transport.call("POST", "/containers/create", query=query, body={"Image": "x"})
    assert found == {"a": [1]}
    assert engine.asked[0].decode().splitlines() == [
        "POST /containers/create?filters=%7B%22label%22%3A%20%5B%22a%3Db%20c%22%5D%7D HTTP/1.0",
        "Host: docker",
        "Content-Length: 14",
        "Content-Type: application/json",
        "",
        '{"Image": "x"}',
    ]
    assert engine.transport.api_version == "1.45"


def test_an_empty_answer_and_one_in_words(engine: Answering) -> None:
    engine.answers = [[b"HTTP/1.0 204 No Content\r\n\r\n"], [OK + b"OK"]]
    assert engine.transport.call("POST", "/containers/x/start") is None
    assert engine.transport.call("GET", "/_ping") == "OK"


@pytest.mark.parametrize("body", [b'{"message": "no such container: x"}', b"no such container: x\n"])
def test_a_refusal_has_its_status_and_the_engines_words(engine: Answering, body: bytes) -> None:
    engine.answers = [[b"HTTP/1.0 404 Not Found\r\n\r\n" + body]]
    with pytest.raises(ApiError, match=r"^no such container: x$") as caught:
        engine.transport.call("GET", "/containers/x/json")
    assert caught.value.status == 404


def test_documents_of_a_stream_come_one_by_one(engine: Answering) -> None:
    engine.answers = [[OK + b'{"n": 1}\n{"n"', b": 2}\n"]]
    assert list(engine.transport.stream("/events")) == [{"n": 1}, {"n": 2}]


def test_a_stream_is_closed_while_somebody_reads(engine: Answering) -> None:
    closing_time = threading.Event()
    engine.answers = [[OK, b'{"n": 1}\n', closing_time]]
    stream = engine.transport.stream("/events")
    found = []
    for document in stream:
        found.append(document)
        stream.close()
    closing_time.set()
    assert found == [{"n": 1}]


def test_a_stream_that_is_refused(engine: Answering) -> None:
    engine.answers = [[b"HTTP/1.0 400 Bad Request\r\n\r\n", b'{"message": "bad filter"}']]
    with pytest.raises(ApiError, match="bad filter"):
        engine.transport.stream("/events")


@pytest.mark.parametrize("answer", [[], [b"HTTP/1.0 200"], [b"SSH-2.0-OpenSSH\r\n\r\n"]])
def test_what_is_no_answer(engine: Answering, answer: list[bytes | threading.Event]) -> None:
    engine.answers = [answer]
    with pytest.raises(NoAnswerError):
        engine.transport.call("GET", "/info")


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(NoAnswerError, match="No such file"):
        SocketTransport(f"unix://{tmp_path}/s").call("GET", "/info")
