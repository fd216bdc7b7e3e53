"""A server as its own clients reach it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from devenv.database.server import Server, quoted
from devenv.engine.api import ContainerRequest
from devenv.engine.observed import ExecResult
from devenv.errors import OperationError
from tests.fakes import FakeEngine, Turn, exited

if TYPE_CHECKING:
    from tests.clock import Clock


def server(*turns: Turn) -> tuple[FakeEngine, Server]:
    """A running server, and what looks at its container show."""
    engine = FakeEngine(scripts={"db": list(turns)} if turns else {})
    engine.add_image("mysql:8.4")
    engine.run_container(ContainerRequest("db", "mysql:8.4"))
    return engine, Server(engine, "db", "s3cret")


def test_a_query_goes_over_tcp_with_the_password_in_the_environment() -> None:
    engine, found = server()
    engine.answer("SELECT 1", "1\n")
    assert found.query("SELECT 1") == ExecResult(0, "1\n")
    execution = engine.executed[0]
    assert execution.text == (
        "db: mysql --protocol=tcp -h127.0.0.1 -uroot --default-character-set=utf8mb4 "
        "--batch --skip-column-names --execute SELECT 1"
    )
    assert execution.environment == {"MYSQL_PWD": "s3cret"}


def test_a_file_is_streamed_into_a_database() -> None:
    engine, found = server()
    found.load("shop", iter([b"one;", b"two;"]))
    assert engine.executed[0].command[-1] == "shop"
    assert engine.executed[0].stdin == b"one;two;"


def test_a_ready_server_is_not_waited_for(clock: Clock) -> None:
    _, found = server()
    found.wait_ready(5)
    assert clock.waits == 0


def test_it_is_asked_until_it_answers(clock: Clock) -> None:
    engine, found = server()
    engine.answers = [("SELECT 1", ExecResult(1, "not yet"))]
    clock.after[3] = engine.answers.clear
    found.wait_ready(5)
    assert clock.waits == 3


@pytest.mark.parametrize("turn", [exited(1), Turn(None, "dead"), Turn(None, "removing")])
def test_a_server_that_ends_is_not_waited_for(clock: Clock, turn: Turn) -> None:
    engine, found = server(Turn(None), turn)
    engine.answer("SELECT 1", "down", exit_status=1)
    engine.written = [("db", f"line {number}") for number in range(30)]
    with pytest.raises(OperationError, match="the database server ended") as caught:
        found.wait_ready(1000)
    assert caught.value.code == "database_failed"
    assert caught.value.evidence == tuple(f"line {number}" for number in range(10, 30))
    assert clock.waits == 1


def test_a_server_that_is_gone_has_no_log(clock: Clock) -> None:
    engine, found = server()
    engine.remove_container("db")
    with pytest.raises(OperationError, match="the database server ended") as caught:
        found.wait_ready(1000)
    assert caught.value.evidence == ()
    assert clock.waits == 0


def test_a_server_that_does_not_answer_in_time(clock: Clock) -> None:
    engine, found = server()
    engine.answer("SELECT 1", "down", exit_status=1)
    begun = clock.now
    with pytest.raises(OperationError, match="the database server did not answer within 5 s"):
        found.wait_ready(5)
    assert 5 < clock.now - begun < 5.5


@pytest.mark.parametrize(("name", "text"), [("app", "`app`"), ("a-b", "`a-b`"), ("a`; DROP", "`a``; DROP`")])
def test_a_name_is_quoted(name: str, text: str) -> None:
    assert quoted(name) == text
