"""Looking in: logs, exec, shell and doctor."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.e2e.support import SERVICES, request, until

if TYPE_CHECKING:
    from tests.e2e.support import Stack


def say(stack: Stack, service: str, word: str) -> None:
    """Let a service write one line with this word: what it was asked for."""
    path = {"frontend": "/static/campaigns/site.css", "backend": "/"}[service]
    answer = request(stack.port(f"{service}.port"), f"{path}?{word}")
    assert answer.status == 200
    until(lambda: word in stack.engine.log(service), f"{word} in the log of {service}", 10)


def test_logs_are_merged_in_the_order_of_time(stack: Stack) -> None:
    order = ["frontend", "backend", "frontend", "backend"]
    for number, service in enumerate(order):
        say(stack, service, f"e2e-merge-{number}")

    outcome = stack.run("logs", "backend", "frontend", "--grep", "e2e-merge-[0-9]", "--json").ok()

    rows = [document["data"] for document in outcome.documents]
    assert [row["service"] for row in rows] == order
    assert all(f"e2e-merge-{number}" in row["text"] for number, row in enumerate(rows))
    assert {document["schema"] for document in outcome.documents} == {"devenv.log/1"}


def test_logs_of_everything_name_every_service(stack: Stack) -> None:
    lines = stack.run("logs").ok().out.splitlines()

    assert {line.partition("|")[0].strip() for line in lines} == set(SERVICES)


def test_logs_tail_and_since_limit_what_is_shown(stack: Stack) -> None:
    for number in range(3):
        say(stack, "backend", f"e2e-tail-{number}")
    last = stack.run("logs", "backend", "--tail", "2", "--json").ok().documents
    words = [
        word
        for document in last
        for word in ("0", "1", "2")
        if f"e2e-tail-{word}" in document["data"]["text"]
    ]
    assert (len(last), words) == (2, ["1", "2"])

    begun = time.monotonic()
    until(lambda: time.monotonic() - begun > 2, "two seconds gone")
    say(stack, "backend", "e2e-young")
    young = stack.run("logs", "backend", "--since", "1s", "--json").ok().documents
    texts = [document["data"]["text"] for document in young]
    assert any("e2e-young" in text for text in texts)
    assert not any("e2e-tail" in text for text in texts)


def test_logs_follow_shows_new_lines_until_ctrl_c(stack: Stack) -> None:
    with stack.spawned("logs", "-f", "--tail", "0", "backend") as process:

        def followed() -> bool:
            say(stack, "backend", "e2e-follow")
            return "e2e-follow" in process.out.text

        until(followed, "the line", 20)
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

    stopped = stack.run("--json", "exec", "taskrunner", "--", "true")
    unknown = stack.run("--json", "exec", "nobody", "--", "true")

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
