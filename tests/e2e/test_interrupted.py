"""Ctrl-C and SIGKILL at the worst moments: nothing half stays in use, and the next `up` completes."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.support import SERVICES, until

if TYPE_CHECKING:
    from tests.e2e.support import Stack
    from tests.harness import Outcome

KEPT = "fixtures/small.sql"
SLOW = "fixtures/slow.sql"
SLOW_SQL = "CREATE TABLE slow (id INT);\nINSERT INTO slow VALUES (1);\nSELECT SLEEP(300);\n"
COMMAND: dict[str, Any] = {"run": "echo working; sleep 300", "service": "backend"}

MOMENTS = {
    "initialising": ([KEPT, SLOW], "initialising"),
    "loading a file": ([KEPT, SLOW], f"seed 2 of 2: {SLOW}"),
    "loading a file before a command": ([KEPT, SLOW, COMMAND], f"seed 2 of 3: {SLOW}"),
    "running a command": ([KEPT, COMMAND], "seed 2 of 2: backend"),
}


def new_parameter() -> dict[str, int]:
    """A parameter that makes the seed another one than any before, so that no snapshot is there to go on from."""
    return {"max_connections": 200 + int.from_bytes(os.urandom(2))}


def assert_clean(outcome: Outcome) -> None:
    assert outcome.code == 130, outcome
    assert "Traceback" not in outcome.err
    assert "left as it is" in outcome.err
    assert "devenv up" in outcome.err


def assert_next_up_completes(stack: Stack) -> None:
    stack.configure(database={"seed": [KEPT]})
    stack.up("databasemaster")
    assert stack.engine.settled() == {"databasemaster": "healthy"}
    assert stack.engine.count("kept") == 3
    assert stack.engine.mysql("SHOW TABLES") == [["kept"]]
    assert stack.engine.builders() == []
    assert len(stack.engine.database_volumes()) == 1


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_while_seeding_is_clean(own: Stack, moment: str) -> None:
    seed, words = MOMENTS[moment]
    own.write(SLOW, SLOW_SQL)
    own.configure(database={"seed": seed, "parameters": new_parameter()})

    with own.spawned("up", "databasemaster") as process:
        process.err.until(words)
        if moment == "running a command":
            until(lambda: len(own.engine.builders()) == 2, "the command's container", 30)
        process.interrupt()
        outcome = process.wait(30)

    assert_clean(outcome)
    assert own.engine.services() == {}
    assert_next_up_completes(own)


def test_ctrl_c_while_waiting_leaves_what_runs(stack: Stack) -> None:
    stack.configure(frontend={"healthcheck": {"command": "exit 1", "start_period": "600s"}})

    with stack.spawned("up") as process:
        process.err.until("frontend: starting")
        until(lambda: stack.engine.healths().get("frontend") == "starting", "the wait", 30)
        process.interrupt()
        outcome = process.wait(30)

    assert_clean(outcome)
    others = dict.fromkeys(SERVICES, "healthy") | {"frontend": "starting"}
    until(lambda: stack.engine.healths() == others, "what runs left as it was", 20)
    stack.configure()
    stack.up()
    assert stack.is_whole()


def test_ctrl_c_while_containers_are_created_is_clean(stack: Stack) -> None:
    stack.run("down").ok()

    with stack.spawned("up") as process:
        process.err.until("containers: creating")
        process.interrupt()
        outcome = process.wait(30)

    assert_clean(outcome)
    stack.up()
    assert stack.is_whole()


def test_a_kill_while_seeding_leaves_nothing_that_counts_as_data(own: Stack) -> None:
    own.write(SLOW, SLOW_SQL)
    own.configure(database={"seed": [KEPT, SLOW], "parameters": new_parameter()})

    with own.spawned("up", "databasemaster") as process:
        process.err.until(f"seed 2 of 2: {SLOW}")
        os.killpg(process.process.pid, signal.SIGKILL)
        process.wait(10)

    assert own.run("status", "--json").ok().data["state"] == "absent"
    assert_next_up_completes(own)


def test_a_command_that_waits_for_its_turn_goes_with_a_killed_devenv(own: Stack) -> None:
    own.write(SLOW, SLOW_SQL)
    own.configure(database={"seed": [KEPT, SLOW, COMMAND], "parameters": new_parameter()})

    with own.spawned("up", "databasemaster") as process:
        process.err.until(f"seed 2 of 3: {SLOW}")
        until(lambda: len(own.engine.builders()) == 2, "the command's container", 30)
        process.process.kill()  # it alone: its clients find that out by themselves
        until(lambda: len(own.engine.builders()) == 1, "only the server, which nobody ends", 30)

    assert_next_up_completes(own)


def test_a_kill_while_resetting_leaves_the_old_data_in_use(own: Stack) -> None:
    own.up("databasemaster")
    own.engine.mysql("INSERT INTO kept VALUES (4)")
    own.write(SLOW, SLOW_SQL)
    own.configure(database={"seed": [KEPT, SLOW]})

    with own.spawned("reset-db") as process:
        process.err.until(f"seed 1 of 1: {SLOW}")
        os.killpg(process.process.pid, signal.SIGKILL)
        process.wait(10)

    assert own.engine.count("kept") == 4
    own.up("databasemaster")
    assert own.engine.count("kept") == 4
    own.configure(database={"seed": [KEPT]})
    own.run("reset-db").ok()
    assert own.engine.count("kept") == 3
    assert own.engine.builders() == []
    assert len(own.engine.database_volumes()) == 2
