"""Looking in: logs, exec, shell and doctor."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.e2e.support import SERVICES, until

if TYPE_CHECKING:
    from tests.e2e.support import Stack


def say(stack: Stack, service: str, text: str) -> None:
    """Let a service's first process write a line, as a log knows it."""
    container = stack.engine.service(service)["Id"]
    status, output = stack.engine.execute(container, "sh", "-c", f"echo '{text}' > /proc/1/fd/1", user="root")
    assert status == 0, output
    until(lambda: text in stack.engine.log(service), f"{text} in the log of {service}", 10)


def test_logs_are_merged_in_the_order_of_time(stack: Stack) -> None:
    for number, service in enumerate(("frontend", "backend", "taskrunner", "frontend")):
        say(stack, service, f"e2e-merge-{number}")

    outcome = stack.run("logs", "frontend", "backend", "taskrunner", "--grep", "e2e-merge", "--json").ok()

    rows = [document["data"] for document in outcome.documents]
    assert [row["text"] for row in rows] == [f"e2e-merge-{number}" for number in range(4)]
    assert [row["service"] for row in rows] == ["frontend", "backend", "taskrunner", "frontend"]
    assert {document["schema"] for document in outcome.documents} == {"devenv.log/1"}


def test_logs_of_everything_name_every_service(stack: Stack) -> None:
    lines = stack.run("logs").ok().out.splitlines()

    assert {line.partition("|")[0].strip() for line in lines} == set(SERVICES)


def test_logs_tail_and_since_limit_what_is_shown(stack: Stack) -> None:
    for number in range(3):
        say(stack, "backend", f"e2e-tail-{number}")
    last = stack.run("logs", "backend", "--tail", "2", "--json").ok().documents
    assert [document["data"]["text"] for document in last] == ["e2e-tail-1", "e2e-tail-2"]

    begun = time.monotonic()
    until(lambda: time.monotonic() - begun > 2, "two seconds gone")
    say(stack, "backend", "e2e-young")
    young = stack.run("logs", "backend", "--since", "1s", "--json").ok().documents
    texts = [document["data"]["text"] for document in young]
    assert "e2e-young" in texts
    assert not any("e2e-tail" in text for text in texts)


def test_logs_follow_shows_new_lines_until_ctrl_c(stack: Stack) -> None:
    with stack.spawned("logs", "-f", "--tail", "0", "backend") as process:
        until(lambda: say(stack, "backend", "e2e-follow") or "e2e-follow" in process.out.text, "the line", 20)
        process.interrupt()
        outcome = process.wait(10)

    assert outcome.code == 130
    assert "Traceback" not in outcome.err


def test_exec_passes_the_exit_status_and_both_streams_through(stack: Stack) -> None:
    done = stack.call("exec", "backend", "--", "sh", "-c", "echo to-out; echo to-err >&2; exit 7")

    assert done.returncode == 7
    assert done.stdout == b"to-out\n"
    assert done.stderr == b"to-err\n"


def test_exec_takes_standard_input_from_a_pipe(stack: Stack) -> None:
    content = bytes(range(256)) * 4096

    done = stack.call("exec", "backend", "--", "sha256sum", stdin=content)
    again = stack.call("exec", "backend", "cat", stdin=content)

    assert done.returncode == again.returncode == 0
    assert again.stdout == content
    assert len(done.stdout.split()[0]) == 64


def test_shell_runs_a_script_without_a_terminal(stack: Stack) -> None:
    done = stack.call("shell", "backend", stdin=b"pwd\necho $PROCESS_NAME$DB_HOST\nexit 5\n")

    assert done.returncode == 5
    assert done.stdout.split() == [b"/opt/app", b"database"]


def test_exec_in_what_does_not_run_says_so(stack: Stack) -> None:
    stack.engine.api.stop(stack.engine.service("taskrunner")["Id"], timeout=2)

    stopped = stack.run("exec", "taskrunner", "--json", "--", "true")
    unknown = stack.run("exec", "nobody", "--json", "--", "true")

    assert (stopped.code, stopped.error["code"]) == (1, "not_running")
    assert (unknown.code, unknown.error["code"]) == (2, "unknown_service")


def test_doctor_examines_machine_and_environment(stack: Stack) -> None:
    document = stack.run("doctor", "--json").json

    checks = {check["name"]: check for check in document["data"]["checks"]}
    ports = {f"port {key}" for key in stack.configured}
    parts = {"engine", "compose", "buildx", "disk", "memory", "configuration", "file ownership"}
    assert set(checks) >= parts | ports
    assert all(checks[name]["verdict"] == "ok" for name in (*ports, "engine", "compose", "buildx"))
    assert stack.engine.api.version()["Version"] in checks["engine"]["text"]
    assert all(check["text"] for check in checks.values())
