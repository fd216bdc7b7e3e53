"""Services that die, hang or never become healthy: seen, said why at once, and mended by `devenv up`."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from tests.e2e.support import health, until

if TYPE_CHECKING:
    from tests.e2e.support import Stack

PROMPTLY = 60
"""Far below the 180 s that `up` waits for a service that is merely slow."""


def rows(stack: Stack) -> dict[str, Any]:
    """The services of `devenv status`."""
    return {row["name"]: row for row in stack.run("status", "--json").ok().data["services"]}


def test_a_killed_service_is_seen_and_up_brings_it_back(stack: Stack) -> None:
    before = stack.engine.starts()
    stack.engine.api.kill(before["backend"][0])
    until(lambda: health(stack.engine.service("backend")) == "exited", "the backend dead", 10)

    status = stack.run("status", "--json").ok().data
    assert status["state"] == "partial"
    assert rows(stack)["backend"]["state"] == "exited"

    steps = stack.up().data["plan"]["steps"]

    assert [step["resource"] for step in steps] == ["backend"]
    assert stack.is_whole()
    after = stack.engine.starts()
    assert {name for name in after if after[name] != before[name]} == {"backend"}
    assert stack.page().status == 200


def test_a_service_that_exits_ends_up_at_once_with_its_last_lines(stack: Stack) -> None:
    stack.configure(taskrunner={"command": "sh -c 'for i in $(seq 30); do echo e2e-line-$i.; done; exit 3'"})
    begun = time.monotonic()

    outcome = stack.run("up", "--json")

    assert outcome.code == 4, outcome
    assert time.monotonic() - begun < PROMPTLY
    error = outcome.error
    assert error["code"] == "service_exited"
    assert "taskrunner" in error["message"]
    assert "3" in error["message"]
    assert error["detail"]["exit_status"] == 3
    # It is restarted by policy: the engine may have begun to write the same lines again.
    lines = [line.strip() for line in error["detail"]["log"]]
    assert (len(lines), {line.partition("-line-")[0] for line in lines}) == (20, {"e2e"})
    assert "e2e-line-30." in lines
    assert "devenv logs taskrunner" in error["hint"]
    assert health(stack.engine.service("backend")) in {"healthy", "starting"}  # what runs is left


def test_an_unhealthy_service_ends_up_at_once_with_its_last_probe(stack: Stack) -> None:
    probe = {
        "command": "echo e2e-probe-says-no; exit 9",
        "interval": "1s",
        "retries": 2,
        "start_period": "5s",
    }
    stack.configure(backend={"healthcheck": probe})
    begun = time.monotonic()

    outcome = stack.run("up")

    assert outcome.code == 4, outcome
    assert time.monotonic() - begun < PROMPTLY
    assert health(stack.engine.service("backend")) == "unhealthy"
    assert re.search(r"^error: devenv\.yaml:\d+:\d+: backend is unhealthy$", outcome.err, re.MULTILINE)
    assert "e2e-probe-says-no" in outcome.err
    assert "exit status 9" in outcome.err
    assert "gunicorn" in outcome.err  # its last log lines
    assert "devenv logs backend" in outcome.err

    # `up` again says the same; mended, it goes on.
    assert stack.run("up", "--json").error["code"] == "service_unhealthy"
    stack.configure()
    stack.up()
    assert stack.is_whole()


def test_a_hung_worker_turns_unhealthy_and_up_restarts_it(stack: Stack) -> None:
    stack.configure(taskrunner={"healthcheck": {"stale_after": "3s", "interval": "1s", "retries": 1}})
    stack.up("taskrunner")
    worker = stack.engine.service("taskrunner")["Id"]
    stop = "for p in /proc/[0-9]*; do grep -qs db_worker $p/cmdline && kill -STOP ${p#/proc/}; done; true"
    # Every process that has the word in its command line, but the shell that looks for it and tini, which starts it.
    script = stop.replace("kill", '[ "${p#/proc/}" -gt 1 ] && [ "${p#/proc/}" -ne $$ ] && kill')

    assert stack.engine.execute(worker, "sh", "-c", script)[0] == 0

    until(lambda: stack.engine.healths()["taskrunner"] == "unhealthy", "the hung worker unhealthy", 30)
    assert rows(stack)["taskrunner"]["health"] == "unhealthy"
    stack.up("taskrunner")
    assert stack.engine.settled()["taskrunner"] == "healthy"
    assert stack.engine.service("taskrunner")["Id"] == worker


def test_a_service_that_is_too_slow_ends_with_what_it_waited_for(stack: Stack) -> None:
    probe = {"command": "echo e2e-not-yet; exit 1", "start_period": "600s"}
    stack.configure(frontend={"healthcheck": probe})

    outcome = stack.run("up", "--timeout", "5", "--json")

    assert (outcome.code, outcome.error["code"]) == (4, "timeout"), outcome
    assert outcome.error["detail"]["service"] == "frontend"
    assert "e2e-not-yet" in outcome.error["detail"]["probe"]["output"]
