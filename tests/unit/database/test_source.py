"""A dump from somewhere else is there as a whole, or is refused with what was wrong."""

from __future__ import annotations

import bz2
import gzip
import io
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from devenv.database import progress
from devenv.database.progress import Progress
from devenv.database.source import opened_dump
from devenv.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SQL = b"CREATE TABLE t (id INT PRIMARY KEY);\n" * 100
LOGIN = b"Authorization: Basic dXNlcjpzZUBjcmV0"
"""Of the name and the password in the URL."""
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """The URL of a server that gives this answer to one request, whatever it is, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                request = client.recv(1 << 16)
                client.sendall(answer if LOGIN in request else b"HTTP/1.1 401 Unauthorized\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://user:se%40cret@127.0.0.1:{server.getsockname()[1]}/dump.sql"
        thread.join(5)


def fetched(answer: bytes, folder: Path, told: list[str] | None = None) -> bytes:
    """The plain dump that comes of an answer."""
    heard = [] if told is None else told
    with answering(answer) as url, opened_dump(url, folder, folder, heard.append) as script:
        return bytes(script)


def sized(body: bytes) -> bytes:
    """A whole answer that says how long it is."""
    return OK + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(body: bytes) -> bytes:
    """An answer in one chunk, and what ends it."""
    return OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "body",
    [SQL, gzip.compress(SQL), bz2.compress(SQL), bz2.compress(SQL) + b"\n" * 9],
    ids=["plain", "gz", "bz2", "more behind"],
)
@pytest.mark.parametrize("frame", [sized, chunked])
def test_what_comes_whole_is_taken(tmp_path: Path, body: bytes, frame: Callable[[bytes], bytes]) -> None:
    assert fetched(frame(body), tmp_path) == SQL


@pytest.mark.parametrize(
    ("answer", "code", "text"),
    [
        (sized(SQL)[:-1], "dump_damaged", f"it ended after {len(SQL) - 1} of {len(SQL)} bytes"),
        (chunked(SQL)[:-20], "dump_damaged", "IncompleteRead"),
        (chunked(SQL)[: len(OK) + 60], "dump_unreadable", "IncompleteRead"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "dump_unreadable", "SSH-2.0-OpenSSH_9.2"),
        (b"", "dump_unreadable", "closed"),
        (sized(b""), "dump_empty", "empty"),
    ],
    ids=["short", "short chunk", "short head", "no HTTP", "nothing", "empty"],
)
def test_what_does_not_is_refused(tmp_path: Path, answer: bytes, code: str, text: str) -> None:
    with pytest.raises(OperationError) as caught:
        fetched(answer, tmp_path)
    assert caught.value.code == code
    assert text in caught.value.message
    assert "cret" not in f"{caught.value.message} {caught.value.where}"


def test_who_a_server_redirects_to_is_not_told_the_password(tmp_path: Path) -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as other:

        def serve() -> None:
            client, _ = other.accept()
            with client:
                heard.append(client.recv(1 << 16))
                client.sendall(sized(SQL))

        threading.Thread(target=serve, daemon=True).start()
        there = b"Location: http://localhost:%d/dump\r\nContent-Length: 0\r\n\r\n" % other.getsockname()[1]
        assert fetched(b"HTTP/1.1 302 Found\r\nConnection: close\r\n" + there, tmp_path) == SQL
    assert heard
    assert b"Authorization" not in heard[0]


def test_how_far_the_reading_is_counts_what_is_read_not_what_comes_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0)
    told: list[str] = []
    packed = tmp_path / "dump.sql.gz"
    packed.write_bytes(gzip.compress(bytes(3_000_000)))
    with opened_dump(packed.name, tmp_path, tmp_path, told.append) as script:
        assert len(script) == 3_000_000
    assert len(told) == 3
    assert all(text.startswith("0 of 0 MB, ") and text.endswith(" s left") for text in told)


def test_standard_input_is_read_from_where_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "dump.sql"
    file.write_bytes(b"/*M!999999\\- enable the sandbox mode */\n" + SQL)
    with io.TextIOWrapper(file.open("rb")) as stream, monkeypatch.context() as patch:
        stream.buffer.readline()
        patch.setattr("sys.stdin", stream)
        with opened_dump("-", tmp_path, tmp_path, lambda _: None) as script:
            assert bytes(script) == SQL


def test_rate_and_rest_are_of_the_time_since_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    known, unknown = Progress(50_000_000, begun=now, _told=now), Progress(None, begun=now, _told=now)
    assert known.reach(5_000_000) is None
    now += 2
    known.begin()
    now += 2
    assert known.reach(20_000_000) == "20 of 50 MB, 10.0 MB/s, 3 s left"
    assert unknown.reach(20_000_000) == "20 MB, 5.0 MB/s"
