"""What ends by itself: jobs that are done stay done, services come back by policy and are counted."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from devenv.images.obtain import base_tag
from tests.e2e.support import LIVE, health, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.conftest import Born
    from tests.e2e.support import Stack

JOB_ENDS = {"condition": "service_completed_successfully"}
COUNT = "echo ran >> /count/runs; wc -l < /count/runs"


def row(stack: Stack, name: str) -> Any:
    """A service's row in `devenv status`."""
    rows = stack.run("status", "--json").ok().data["services"]
    return next(one for one in rows if one["name"] == name)


def kill(stack: Stack, name: str) -> None:
    """End a service's first process as a crash does: nobody asked the engine for it."""
    os.kill(stack.engine.service(name)["State"]["Pid"], signal.SIGKILL)


def test_a_killed_service_is_restarted_by_policy_and_counted(stack: Stack) -> None:
    stack.run("restart", "mailcatcher").ok()  # a start by hand begins the count anew
    assert row(stack, "mailcatcher")["restarts"] == 0
    container = stack.engine.service("mailcatcher")["Id"]

    for count in (1, 2):
        kill(stack, "mailcatcher")
        until(lambda count=count: row(stack, "mailcatcher")["restarts"] == count, f"restart {count}", 20)  # type: ignore[misc]
        until(stack.is_whole, "all healthy again", 20)

    assert stack.engine.service("mailcatcher")["Id"] == container
    assert "healthy (2 restarts)" in stack.run("status").ok().out
    assert stack.up().data["plan"]["steps"] == []


@pytest.fixture(scope="module")
def small(born: Born, new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """A project with services of its own only; `count` is where they count how often they ran."""
    del born
    stack = new_stack(sources=False)
    (stack.root / "count").mkdir()
    yield stack
    stack.remove()
    LIVE.remove(stack)


def define(stack: Stack, **services: dict[str, Any]) -> None:
    """The project's services, each on the base image, with `/count` and a script."""
    stack.configure(
        services={
            name: {
                "image": base_tag(),
                "volumes": ["./count:/count"],
                "stop_grace_period": "0s",
                **one,
                "command": ["sh", "-c", one.get("command", "sleep 600").replace("$", "$$")],
            }
            for name, one in services.items()
        }
    )
    stack.write("count/runs", "")


def runs(stack: Stack) -> int:
    """How often a job ran."""
    return len(stack.read("count/runs").splitlines())


def test_a_job_is_awaited_and_not_run_again_while_nothing_changed(small: Stack) -> None:
    define(
        small,
        assets={"command": f"sleep 0.5; {COUNT}"},
        site={"command": "cat /count/runs; sleep 600", "depends_on": {"assets": JOB_ENDS}},
    )
    small.up("site")

    assert small.engine.healths() == {"assets": "exited", "site": "running"}
    assert small.engine.log("site") == "ran\n"  # it began when the job was done
    assert (runs(small), row(small, "assets")["state"]) == (1, "exited")

    assert small.up("site").data["plan"]["steps"] == []
    assert runs(small) == 1

    # What was stopped comes back without it, and what it is defined as decides whether it runs.
    small.run("stop", "site").ok()
    assert [step["resource"] for step in small.up("site").data["plan"]["steps"]] == ["site"]
    assert runs(small) == 1
    define(
        small,
        assets={"command": f"{COUNT}; echo changed"},
        site={"command": "cat /count/runs; sleep 600", "depends_on": {"assets": JOB_ENDS}},
    )
    steps = {step["resource"]: step["cause"] for step in small.up("site").data["plan"]["steps"]}
    assert steps["assets"] == "its definition changed"
    assert runs(small) == 1

    small.run("restart", "assets").ok()  # the way to run it again
    assert runs(small) == 2


def test_a_job_that_says_itself_that_it_ends_is_done_too(small: Stack) -> None:
    define(small, once={"command": COUNT, "restart": "no"})
    small.up("once")
    until(lambda: small.engine.healths()["once"] == "exited", "the job done", 10)

    assert small.up("once").data["plan"]["steps"] == []
    assert runs(small) == 1


def test_a_job_that_fails_says_why_and_is_tried_again(small: Stack) -> None:
    script = f"{COUNT}; test -e /count/input || {{ echo 'no input'; exit 4; }}"
    define(small, job={"command": script}, after={"depends_on": {"job": JOB_ENDS}})

    outcome = small.run("up", "after", "--json")

    assert (outcome.code, outcome.error["code"]) == (4, "service_exited"), outcome
    assert outcome.error["message"] == "job exited with status 4"
    assert outcome.error["detail"]["log"][-1] == "no input"
    assert outcome.error["detail"]["consequences"] == [
        {"service": "after", "code": "dependency_failed", "text": "was not started: it depends on job"}
    ]
    assert health(small.engine.service("after")) == "created"

    small.write("count/input", "")
    small.up("after")
    assert small.engine.healths() | {"site": ""} == {"job": "exited", "after": "running", "site": ""}
    assert runs(small) == 2


def test_a_service_of_ones_own_comes_back_by_its_policy(small: Stack) -> None:
    define(small, steady={"restart": "always"})
    small.up("steady")

    kill(small, "steady")

    until(lambda: row(small, "steady")["restarts"] == 1, "the restart", 10)
    until(lambda: small.engine.healths()["steady"] == "running", "running again", 10)
    assert small.up("steady").data["plan"]["steps"] == []


def test_a_start_that_stopped_half_way_is_completed_by_the_next(small: Stack) -> None:
    """The first of three was started, one was created, one is not there yet."""
    define(
        small,
        first={"healthcheck": {"test": "test -e /count/ready", "interval": "200ms", "start_period": "60s"}},
        second={"depends_on": {"first": {"condition": "service_healthy"}}},
        third={"depends_on": {"second": {"condition": "service_started"}}},
    )
    with small.spawned("up", "third") as process:
        process.err.until("second: waiting for first")
        process.kill()
        process.wait(10)
    small.engine.remove_service("third")
    first = small.engine.service("first")["Id"]
    assert small.engine.healths()["second"] == "created"

    small.write("count/ready", "")
    small.up("third")

    assert small.engine.settled() == {"first": "healthy", "second": "running", "third": "running"}
    assert small.engine.service("first")["Id"] == first
