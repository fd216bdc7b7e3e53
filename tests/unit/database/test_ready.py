"""Whether a server answers: by its greeting, and by nothing less."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from devenv.database import ready
from devenv.database.ready import PATIENCE_SECONDS, greets, listening_for_the_end, wait_for_greeting
from tests.samples import ADDRESS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clock import Clock

GREETING = b"\x4a\x00\x00\x00\x0a9.7.4-2\x00"
TOO_EARLY = b"\x15\x00\x00\x00\xff\x10\x04Too many connections"


@contextmanager
def server(*packets: bytes, until: threading.Event | None = None) -> Iterator[int]:
    """Sends these pieces to the first client and hangs up, at once or then; its port."""
    with socket.create_server((ADDRESS, 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for packet in packets:
                    connection.sendall(packet)
                if until is not None:
                    until.wait(PATIENCE_SECONDS)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def free_port() -> int:
    with socket.create_server((ADDRESS, 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.mark.parametrize(
    ("packets", "answers"),
    [
        ((GREETING,), True),
        ((GREETING[:2], GREETING[2:4], GREETING[4:]), True),
        ((TOO_EARLY,), False),
        ((GREETING[:4],), False),
        ((), False),
    ],
    ids=["greeting", "in pieces", "error packet", "header only", "hung up"],
)
def test_only_a_greeting_is_an_answer(packets: tuple[bytes, ...], answers: bool) -> None:
    with server(*packets) as port:
        assert greets(ADDRESS, port) is answers


def test_where_nobody_listens_nobody_answers() -> None:
    assert not greets(ADDRESS, free_port())


def test_the_end_of_a_server_is_heard() -> None:
    killed = threading.Event()
    with server(GREETING, until=killed) as port, listening_for_the_end(ADDRESS, port) as ended:
        assert ended is not None
        killed.set()
        assert ended()


def test_a_server_that_does_not_end_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "ENDING_SECONDS", 0.05)
    killed = threading.Event()
    with server(GREETING, until=killed) as port, listening_for_the_end(ADDRESS, port) as ended:
        assert ended is not None
        assert not ended()
        killed.set()


def test_of_a_server_that_does_not_greet_no_end_is_heard() -> None:
    with server(TOO_EARLY) as port, listening_for_the_end(ADDRESS, port) as ended:
        assert ended is None
    with listening_for_the_end(ADDRESS, free_port()) as ended:
        assert ended is None


def answers_after(monkeypatch: pytest.MonkeyPatch, looks: int | None) -> None:
    """The server answers at that look, or never."""
    seen: list[int] = []

    def look(host: str, port: int) -> bool:
        assert (host, port) == (ADDRESS, 3306)
        seen.append(port)
        return len(seen) == looks

    monkeypatch.setattr(ready, "greets", look)


def test_it_waits_for_the_greeting(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    answers_after(monkeypatch, 20)
    assert wait_for_greeting(ADDRESS, 3306, 60, lambda: False)
    assert clock.waits == 19


def test_it_ends_with_its_time(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    answers_after(monkeypatch, None)
    begun = clock.now
    assert not wait_for_greeting(ADDRESS, 3306, 5, lambda: False)
    assert clock.now - begun == pytest.approx(5, abs=0.1)


def test_it_ends_with_the_server_and_seldom_asks_for_it(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers_after(monkeypatch, None)
    asked: list[float] = []
    begun = clock.now
    assert not wait_for_greeting(ADDRESS, 3306, 60, lambda: asked.append(clock.now) or len(asked) == 3)  # type: ignore[func-returns-value]
    assert [at - begun for at in asked] == pytest.approx([1, 2, 3], abs=0.1 * PATIENCE_SECONDS)
