"""Every way in which a start fails, provoked for real: the service, the place, the cause and the next command.

One project with a small service for each way; FAILURES.md, beside this file, lists them for people.
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from devenv.images.obtain import base_tag
from tests.e2e.support import LIVE, free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.conftest import Born
    from tests.e2e.support import Stack
    from tests.harness import Outcome

LITTLE = {"mem_limit": "12m", "memswap_limit": "12m"}
TAKEN, NOWHERE = free_ports(2)
JOB_ENDS = {"condition": "service_completed_successfully"}


@dataclass(frozen=True)
class Case:
    """A service that fails: its definition, and the error's code, key and words; `exit_status` is devenv's."""

    service: dict[str, Any]
    code: str
    key: str
    message: str
    evidence: str = ""
    exit_status: int = 4


def shell(script: str) -> dict[str, Any]:
    """A service that runs a script; Compose takes `$` for its own."""
    return {"command": ["sh", "-c", script.replace("$", "$$")]}


CASES = {
    "unhealthy": Case(
        {
            **shell("echo warming up; sleep 600"),
            "healthcheck": {"test": "echo not yet; exit 9", "interval": "200ms", "retries": 2},
        },
        "service_unhealthy",
        "healthcheck",
        "unhealthy is unhealthy",
        "last probe: exit status 9\nprobe: not yet\nlog: warming up",
    ),
    "exits": Case(
        shell("echo one; echo \"KeyError: 'SECRET_KEY'\"; exit 3"),
        "service_exited",
        "command",
        "exits exited with status 3",
        "likely cause: the environment variable SECRET_KEY is not set\nlog: one",
    ),
    "loops": Case(
        {**shell("echo again; exit 5"), "restart": "always"},
        "service_crash_loop",
        "command",
        "loops ends again and again: 3 restarts in this wait",
        "log: again",
    ),
    "starves": Case(
        {**shell("tail /dev/zero"), **LITTLE},
        "service_oom_killed",
        "mem_limit",
        "starves was killed",
        "out of memory, exit status 137",
    ),
    "foreign": Case(
        {"command": ["/foreign"], "volumes": ["./foreign:/foreign:ro"]},
        "wrong_architecture",
        "image",
        "foreign exited with status 1",
        "likely cause: the program was built for another architecture",
    ),
    "programless": Case(
        {"command": ["nonsense"]},
        "command_not_found",
        "command",
        'programless cannot be started: exec: "nonsense": executable file not found in $PATH',
        exit_status=1,
    ),
    "userless": Case(
        {**shell("sleep 600"), "user": "nobody-knows"},
        "user_unknown",
        "user",
        "userless cannot be started: unable to find user nobody-knows",
        exit_status=1,
    ),
    "portless": Case(
        {**shell("sleep 600"), "ports": [f"127.0.0.1:{TAKEN}:80"]},
        "port_in_use",
        "ports",
        "portless cannot be started: ",
        exit_status=1,
    ),
    "mountless": Case(
        {
            **shell("sleep 600"),
            "volumes": [
                {"type": "bind", "source": "./missing", "target": "/x", "bind": {"create_host_path": False}}
            ],
        },
        "mount_missing",
        "volumes",
        "mountless cannot be started: ",
        exit_status=1,
    ),
    "imageless": Case(
        {"image": "devenv/nobody-has-this:1", "pull_policy": "never"},
        "image_missing",
        "image",
        "imageless cannot be started: ",
        exit_status=1,
    ),
    "unreachable": Case(
        {"image": f"127.0.0.1:{NOWHERE}/none:1"},
        "registry_unreachable",
        "image",
        "unreachable cannot be started: ",
        exit_status=1,
    ),
    "unbuilt": Case(
        {"image": "e2e-unbuilt:1", "build": "./broken"},
        "build_failed",
        "build",
        "unbuilt cannot be started: ",
        "cc: fatal error",
        exit_status=1,
    ),
    "dependent": Case(
        {**shell("sleep 600"), "depends_on": {"job": JOB_ENDS}},
        "service_exited",
        "command",
        "job exited with status 1",
        "log: SyntaxError\ntherefore: dependent was not started: it depends on job",
    ),
    "patient": Case(
        {
            **shell("sleep 600"),
            "healthcheck": {"test": "echo later; exit 1", "start_period": "600s", "interval": "300ms"},
        },
        "timeout",
        "healthcheck",
        "patient is not healthy after 12 s",
        "probe: later",
    ),
    "waiting": Case(
        {**shell("sleep 600"), "depends_on": {"mailcatcher": JOB_ENDS}},
        "timeout",
        "depends_on",
        "waiting was not started within 12 s: it waits for mailcatcher to end with status 0",
    ),
    "endless": Case(shell("sleep 600"), "timeout", "command", "endless has not ended after 12 s"),
}
OTHERS = {
    "job": shell("echo SyntaxError; exit 1"),
    "fine": shell("sleep 600"),
    "after": {**shell("sleep 600"), "depends_on": {"endless": JOB_ENDS}},
}
PATIENCE = {"patient": "12", "waiting": "12", "endless": "12"}


def foreign_program() -> bytes:
    """The smallest ELF file for a machine that this one is not."""
    machine = 183 if os.uname().machine == "x86_64" else 62
    head = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    entry = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return head + entry + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 0x7C, 0x7C, 0x1000) + bytes(4)


@pytest.fixture(scope="module")
def base(born: Born) -> str:
    """A small image that the engine has."""
    del born
    return base_tag()


@pytest.fixture(scope="module")
def street(base: str, new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """The project with a service for each way to fail."""
    stack = new_stack(sources=False)
    services = {
        name: {"image": base, "stop_grace_period": "0s", **case.service} for name, case in CASES.items()
    }
    stack.configure(
        services=services
        | {name: {"image": base, "stop_grace_period": "0s", **one} for name, one in OTHERS.items()}
    )
    stack.write("broken/Dockerfile", f"FROM {base}\nRUN echo 'cc: fatal error'; exit 7\n")
    stack.write("foreign", foreign_program()).chmod(0o755)
    yield stack
    stack.remove()
    LIVE.remove(stack)


def written_at(stack: Stack, where: str) -> str:
    """The line that an error names, from the column on."""
    file, line, column = where.split(":")
    return stack.read(file).splitlines()[int(line) - 1][int(column) - 1 :]


@pytest.mark.parametrize("name", CASES)
def test_a_way_to_fail(street: Stack, name: str) -> None:
    case = CASES[name]
    with closing(socket.create_server(("127.0.0.1", TAKEN))):
        outcome = street.run("up", name, "--json", "--timeout", PATIENCE.get(name, "60"))

    assert outcome.code == case.exit_status, outcome
    error = outcome.error
    assert error["code"] == case.code, error
    assert error["message"].startswith(case.message), error["message"]
    assert written_at(street, error["where"]).startswith(f'"{case.key}"'), error["where"]
    assert error["hint"]
    guilty = "job" if name == "dependent" else name
    assert error["detail"]["service"] == guilty
    evidence = "\n".join(error["detail"].get("evidence", ()))
    assert all(part in evidence for part in case.evidence.splitlines()), evidence


def test_who_holds_a_port_is_said(street: Stack) -> None:
    with closing(socket.create_server(("127.0.0.1", TAKEN))):
        error = street.run("up", "portless", "--json").error
    assert (error["detail"]["port"], error["detail"]["holder"]) == (
        TAKEN,
        f"{process_name()} (process {os.getpid()})",
    )
    assert error["hint"].startswith(f"{TAKEN} is held by {process_name()} (process {os.getpid()}): stop it")


def process_name() -> str:
    """What this process is called."""
    return psutil.Process().name()


def test_people_read_the_same(street: Stack) -> None:
    outcome = street.run("up", "exits")

    lines = outcome.err.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("error: "))
    where, message = re.fullmatch(r"error: (devenv\.yaml:\d+:\d+): (.*)", lines[start]).groups()  # type: ignore[union-attr]
    assert written_at(street, where).startswith('"command"')
    assert message == "exits exited with status 3"
    assert lines[start + 1] == "  likely cause: the environment variable SECRET_KEY is not set"
    assert lines[-1].startswith("hint: set it in the service's `environment`")


def test_what_compose_does_not_understand(street: Stack, base: str) -> None:
    with changed(street, services={"odd": {"image": base, "imag": "x"}}):
        error = failure(street, "odd")
        assert error["code"] == "service_invalid"
        assert "imag is not allowed" in error["message"]
        assert written_at(street, error["where"]).startswith('"odd"')


def test_a_build_of_ours_that_fails(street: Stack) -> None:
    with changed(street, images="build", frontend={"build": "broken"}):
        error = failure(street, "frontend")
        assert (error["code"], error["detail"]["service"]) == ("build_failed", "frontend")
        assert written_at(street, error["where"]).startswith('"build"')
        assert any("cc: fatal error" in line for line in error["detail"]["evidence"])


def test_an_image_that_the_registry_does_not_give(street: Stack, registry_port: int) -> None:
    reference = f"127.0.0.1:{registry_port}/e2e/nothing:1"
    for sections in ({"mail": {"image": reference}}, {"services": {"mailcatcher2": {"image": reference}}}):
        with changed(street, **sections):
            error = failure(street, "mailcatcher" if "mail" in sections else "mailcatcher2")
            assert error["code"] == "pull_denied", error
            assert written_at(street, error["where"]).startswith('"image"')
            assert "docker login" in error["hint"]


def test_a_mapping_of_ours_to_nothing(street: Stack) -> None:
    with changed(street, backend={"mappings": ["./missing:/opt/app"]}):
        error = failure(street, "backend")
        assert error["code"] == "mount_missing"
        assert written_at(street, error["where"]).startswith('"./missing:/opt/app"')


def test_a_folder_that_the_engine_does_not_see(street: Stack, base: str, tmp_path: Path) -> None:
    """As on a machine whose engine runs in a virtual machine: devenv gets a folder that is its alone."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    mount = {
        "type": "bind",
        "source": f"{hidden}/data",
        "target": "/x",
        "bind": {"create_host_path": False},
    }
    with changed(street, services={"unshared": {"image": base, **shell("sleep 600"), "volumes": [mount]}}):
        script = 'mount -t tmpfs none "$0" && mkdir "$0/data" && exec "$@"'
        devenv = [sys.executable, "-m", "devenv", "-C", str(street.root), "up", "unshared", "--json"]
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, str(hidden), *devenv],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, **street.variables},
        )
    assert done.returncode == 1, done
    error = json.loads(done.stdout)["errors"][0]
    assert (error["code"], error["detail"]["service"]) == ("mount_not_shared", "unshared")
    assert "not where the engine runs" in error["hint"]


def test_what_works_is_not_kept_from_it(street: Stack) -> None:
    street.up("fine")
    assert street.engine.healths()["fine"] == "running"


def test_a_paused_service_is_not_waited_for(street: Stack) -> None:
    street.up("fine")
    container = street.engine.service("fine")["Id"]
    street.engine.api.pause(container)
    try:
        error = failure(street, "fine")
    finally:
        street.engine.api.unpause(container)
    assert (error["code"], error["message"]) == ("service_paused", "fine is paused")
    street.up("fine")


class changed:  # noqa: N801 - reads as a word of the sentence
    """Meanwhile the project has these sections in place of its services; then its own again."""

    def __init__(self, stack: Stack, **sections: Any) -> None:
        self.stack, self.sections = stack, sections

    def __enter__(self) -> None:
        self.before = self.stack.read("devenv.yaml")
        self.stack.configure(**self.sections)

    def __exit__(self, *exception: object) -> None:
        self.stack.write("devenv.yaml", self.before)


def failure(stack: Stack, name: str) -> Any:
    """The error of an `up` that must fail."""
    outcome: Outcome = stack.run("up", name, "--json")
    assert outcome.code != 0, outcome
    return outcome.error
