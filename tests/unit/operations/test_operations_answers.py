"""What counts as an answer: small servers on loopback that say what they are told to."""

from __future__ import annotations

import socket
import threading
from contextlib import closing, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from devenv.model import Condition, Healthcheck, PublishedPort, Question, Service
from devenv.operations.answers import answers, believed, can_be_asked
from tests.fakes import FakeEngine
from tests.samples import container, observed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HTTP = Question(8000, "http", "/health")
SMTP = Question(1025, "smtp")
MYSQL = Question(3306, "mysql")
GREETING = b"\x4a\0\0\0\x0a8.4.0\0"


def asked(questions: Sequence[Question], ports: Mapping[int, int], address: str = "127.0.0.1") -> bool:
    """Whether a container with these ports answers."""
    published = tuple(PublishedPort(port, target, address) for target, port in ports.items())
    check = Healthcheck((), questions=tuple(questions))
    service = Service("backend", "backend", ports=published, healthcheck=check)
    return answers(FakeEngine(), service, container("backend", ports=ports))


def test_who_answers_is_healthy_before_the_engine_says_so() -> None:
    starting, failing = container("backend", health="starting"), container("frontend", health="unhealthy")
    state = observed(starting, failing, container("other", health="starting"))
    services = [Service("backend", "backend"), Service("frontend", "frontend")]
    found = believed(state, services, lambda *_: True)
    assert [one.health for one in found.containers] == ["healthy", "unhealthy", "starting"]
    assert believed(state, services, lambda *_: False) == state


def test_who_was_healthy_before_what_it_needs_was_started_is_to_answer_anew() -> None:
    state = observed(
        *(container(name, health="healthy") for name in ("database", "backend", "frontend", "mail"))
    )
    services = [
        Service("database", "database"),
        Service("backend", "backend", depends_on={"database": Condition.HEALTHY}),
        Service("frontend", "frontend", depends_on={"backend": Condition.STARTED}),
        Service("mail", "mail"),
    ]

    def found(answer: bool | None, *started: str) -> list[str | None]:
        ids = {one.id for one in state.containers if one.service in started}
        return [one.health for one in believed(state, services, lambda *_: answer, ids).containers]

    assert found(False, "database") == ["healthy", "starting", "starting", "healthy"]
    assert found(False, "backend") == ["healthy", "healthy", "starting", "healthy"]
    assert found(False, "database", "backend", "frontend") == ["healthy"] * 4
    assert found(True, "database") == ["healthy"] * 4
    assert found(None, "database") == ["healthy"] * 4


@contextmanager
def serving(*words: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A port that says these words to one visitor after the other, and what the visitors said."""
    heard: list[bytes] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            for word in words:
                connection, _ = server.accept()
                with connection:
                    connection.sendall(word)
                    connection.shutdown(socket.SHUT_WR)
                    heard.append(connection.recv(1000))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], heard
        thread.join(10)


@pytest.mark.parametrize(
    ("question", "words", "well"),
    [
        (HTTP, b"HTTP/1.1 200 OK\r\n\r\n", True),
        (HTTP, b"HTTP/1.0 302 Found\r\n\r\n", True),
        (HTTP, b"HTTP/1.1 404 Not Found\r\n\r\n", False),
        (HTTP, b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False),
        (HTTP, b"220 here is mail\r\n", False),
        (HTTP, b"", False),
        (SMTP, b"220 here is mail\r\n", True),
        (SMTP, b"421 too busy\r\n", False),
        (SMTP, b"", False),
        (MYSQL, GREETING, True),
        (MYSQL, b"\x10\0\0\0\xffnot yet", False),
        (MYSQL, b"", False),
    ],
)
def test_what_counts_as_an_answer(question: Question, words: bytes, *, well: bool) -> None:
    with serving(words) as (port, _):
        assert question.target is not None
        assert asked([question], {question.target: port}) is well


def test_the_page_is_asked_for_as_the_probe_inside_does() -> None:
    with serving(b"HTTP/1.1 200 OK\r\n\r\n") as (port, heard):
        assert asked([HTTP], {8000: port}, "0.0.0.0")
    assert heard[0].startswith(b"GET /health HTTP/1.0\r\nHost: 127.0.0.1:8000\r\n")


def test_all_questions_must_be_answered() -> None:
    with serving(b"220 mail\r\n") as (mail, _), serving(b"HTTP/1.1 500 No\r\n\r\n") as (page, _):
        assert not asked([SMTP, HTTP], {1025: mail, 8000: page})


@pytest.mark.parametrize(
    ("written_at", "well"),
    [
        ("2026-05-04T10:00:00.4+00:00", False),
        ("2026-05-04T12:00:00.5+02:00", True),
        ("2026-05-04T10:00:07+00:00", True),
        (None, False),
    ],
)
def test_a_heartbeat_counts_since_the_container_started(written_at: str | None, *, well: bool) -> None:
    """What an earlier run of the same container left is none."""
    engine = FakeEngine()
    worker = container("taskrunner", started_at="2026-05-04T10:00:00.451234567Z")
    if written_at is not None:
        engine.modified_at[worker.id, "/tmp/beat"] = datetime.fromisoformat(written_at).timestamp()
    check = Healthcheck((), questions=(Question(None, "heartbeat", "/tmp/beat"),))
    assert answers(engine, Service("taskrunner", "backend", healthcheck=check), worker) is well


def test_nobody_listens() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    assert not asked([HTTP], {8000: port})


def test_nobody_here_is_asked_for_a_container_of_an_engine_elsewhere() -> None:
    check = Healthcheck((), questions=(HTTP,))
    service = Service("backend", "backend", healthcheck=check)
    here = container("backend", ports={8000: 18000})
    assert can_be_asked(FakeEngine(), service, here)
    assert not can_be_asked(FakeEngine(is_here=False), service, here)
