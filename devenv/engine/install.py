"""Puts an engine on a bare machine: does the steps that `setup_plan` decided on, without an opinion of its own."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from platformdirs import user_state_path

from devenv.engine.apt import AptSource
from devenv.engine.host import HostCommand, run, tail
from devenv.engine.machine import Machine, ask_engine, inspect_machine, processes
from devenv.engine.setup_plan import (
    LOG_FILE,
    START_SECONDS,
    SetupStep,
    StartEngine,
    WriteFile,
    missing_parts,
    plan_setup,
)
from devenv.errors import EngineUnavailableError, OperationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "AptSource",
    "Machine",
    "SetupReport",
    "SetupStep",
    "StartEngine",
    "WriteFile",
    "execute",
    "inspect_machine",
    "plan_setup",
    "setup_lock",
    "setup_report",
]

PID_FILES = ("/run/docker.pid", "/run/docker/containerd/containerd.pid")
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class SetupReport:
    """What an environment will run on."""

    engine: str
    compose: str
    buildx: str
    endpoint: str


def setup_report(machine: Machine) -> SetupReport:
    """What was found on a machine that needs no steps.

    Raises:
        EngineUnavailableError: something is still missing.
    """
    missing = missing_parts(machine)
    if machine.engine is None or machine.compose is None or machine.buildx is None:
        raise EngineUnavailableError(
            f"this machine cannot run an environment yet: {', '.join(missing) or machine.engine_reason}",
            hint="run `devenv setup`",
        )
    return SetupReport(machine.engine, machine.compose, machine.buildx, machine.endpoint)


@contextmanager
def setup_lock(path: Path | None = None) -> Iterator[bool]:
    """Lets one setup of this user run at a time; gives True where it had to wait for another one."""
    file = path or user_state_path("devenv", ensure_exists=True) / "setup.lock"
    lock = FileLock(file)
    waited = False
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waited = True
        lock.acquire()
    try:
        yield waited
    finally:
        lock.release()


def execute(
    steps: tuple[SetupStep, ...],
    on_step: Callable[[SetupStep], None],
    *,
    lock: Path | None = None,
    replan: Callable[[], tuple[SetupStep, ...]] = lambda: plan_setup(inspect_machine()),
) -> tuple[str, ...]:
    """Announces each step and does it; returns what went wrong in optional ones. Repeating changes nothing.

    Where another setup ran meanwhile, only what it left to do is done.

    Raises:
        OperationError: a command failed; what the optional steps before it said is part of the evidence.
        EngineUnavailableError: the engine did not start; the evidence is the end of its log.
    """
    warnings: list[str] = []
    with setup_lock(lock) as waited:
        for step in replan() if waited else steps:
            on_step(step)
            try:
                _act(step.action)
            except OperationError as exc:
                if not step.optional:
                    exc.evidence = (*warnings, *exc.evidence)
                    raise
                warnings.append(f"{step.title}: {exc.message}: {' | '.join(exc.evidence[-3:])}")
    return tuple(warnings)


def _act(action: HostCommand | WriteFile | StartEngine) -> None:
    if isinstance(action, HostCommand):
        run(action)
    elif isinstance(action, WriteFile):
        _write(action)
    else:
        _start(action)


def _write(file: WriteFile) -> None:
    path = Path(file.path)
    if path.exists() and path.read_text(encoding="utf-8") == file.content:
        return
    # Through tee, because root's rights may have to come from sudo; the mode, because umask may hide it from apt.
    run(HostCommand(("tee", file.path), stdin=file.content.encode(), root=file.root))
    run(HostCommand(("chmod", "644", file.path), root=file.root))


def _start(start: StartEngine) -> None:
    """Starts the engine and waits for its answer; one that already answers is left alone."""
    if ask_engine(root=start.root)[0] is not None:
        return
    # A process without an answer is about to give one, or hangs: either way a second one would not help.
    if start.systemd or not processes("dockerd"):
        try:
            if not start.systemd:
                _remove_stale_pid_files(root=start.root)
            run(start.command)
        except OperationError as exc:
            if exc.code == "need_root":
                raise
            raise _did_not_start(start, exc.message) from exc
    began = time.monotonic()
    while time.monotonic() - began < START_SECONDS:
        version, reason = ask_engine(root=start.root)
        if version is not None:
            return
        if time.monotonic() - began > 2 and not start.systemd and not processes("dockerd"):
            raise _did_not_start(start, "the process ended")
        time.sleep(POLL_SECONDS)
    raise _did_not_start(start, f"no answer within {START_SECONDS:.0f} s: {reason}")


def _remove_stale_pid_files(*, root: bool) -> None:
    """Removes pid files that name no engine: dockerd refuses to start while the number belongs to anyone."""
    engines = processes("containerd")
    for path in PID_FILES:
        # /run/docker is closed to other users: read it with the rights the engine will have.
        result = run(HostCommand(("cat", path), root=root), check=False)
        if result.status == 0 and not (result.output.strip().isdigit() and int(result.output) in engines):
            run(HostCommand(("rm", "-f", path), root=root))


def _did_not_start(start: StartEngine, reason: str) -> EngineUnavailableError:
    if start.systemd:
        log = HostCommand(("journalctl", "--no-pager", "-n", "20", "-u", "docker"), root=start.root)
    else:
        log = HostCommand(("tail", "-n", "20", LOG_FILE), root=start.root)
    try:
        evidence = tail(run(log, check=False).output)
    except OperationError:
        evidence = ()
    where = "journalctl -u docker" if start.systemd else LOG_FILE
    hint = f"read {where}, repair the cause and run `devenv setup` again"
    if start.in_container:
        hint += "; inside a container the engine needs --privileged"
    return EngineUnavailableError(f"the engine did not start: {reason}", hint=hint, evidence=evidence)
