"""A reset onto a spare: a switch of containers, which the application only notices by fresh data."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.e2e.support import compose, order_report, snapshot, until

if TYPE_CHECKING:
    from tests.e2e.conftest import Born
    from tests.e2e.support import Stack


def is_asked(stack: Stack, words: str) -> bool:
    """Whether a client's statement with those words runs now."""
    return any(words in row[-1] for row in stack.engine.mysql("SHOW FULL PROCESSLIST"))


def test_the_application_goes_on_with_the_data_of_the_spare(born: Born, stack: Stack) -> None:
    stack.run("reset-db", "--spare", "--json").ok()
    others = {name: stack.engine.starts()[name] for name in ("backend", "taskrunner", "frontend")}
    for _ in range(2):
        stack.engine.mysql("DELETE FROM campaigns_dailyfigure; DROP TABLE campaigns_report;")

        result = stack.run("reset-db", "--spare", "--json").ok().data

        assert result["from_spare"]
        assert stack.page().status == 200
        assert snapshot(stack.engine) == born.data
        assert order_report(stack)["state"] == "ready"
    assert {name: stack.engine.starts()[name] for name in others} == others
    assert stack.up().data["plan"]["steps"] == []
    # The last spare is used up by a reset that asks for no other.
    assert stack.run("reset-db", "--json").ok().data["from_spare"]
    assert stack.engine.builders() == []
    assert stack.is_whole()


def test_who_waits_for_an_answer_is_told_that_there_will_be_none(stack: Stack) -> None:
    stack.run("reset-db", "--spare", "--json").ok()
    backend = stack.engine.service("backend")["Id"]
    query = "from django.db import connection; connection.cursor().execute('SELECT SLEEP(100)')"
    command = ("timeout", "30", "python", "manage.py", "shell", "-c", query)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(stack.engine.execute, backend, *command)
        until(lambda: is_asked(stack, "SLEEP(100)"), "the query runs")

        assert stack.run("reset-db", "--json").ok().data["from_spare"]

        status, output = asked.result()
    assert status == 1
    assert "Lost connection" in output


def test_plain_compose_and_a_restarted_container_know_the_substitute(own: Stack) -> None:
    own.configure(database={"seed": ["fixtures/small.sql"], "spare": True})
    own.up("databasemaster")
    own.engine.mysql("DELETE FROM kept")
    assert own.run("reset-db", "--json").ok().data["from_spare"]
    starts = own.engine.starts()

    file = own.root / ".devenv" / "compose.yaml"
    done = compose(file, "up", "-d", "--wait", "databasemaster")

    assert done.returncode == 0, done.stderr
    assert own.engine.starts()["databasemaster"] == starts["databasemaster"]
    own.run("restart", "databasemaster").ok()
    assert own.engine.count("kept") == 3
    own.run("undo").ok()
    assert own.engine.count("kept") == 0
    own.run("down").ok()
    assert own.engine.containers() == []
    own.up("databasemaster")
    assert own.engine.count("kept") == 0
