"""Wait until services are as a script needs them; nothing is started or changed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.diagnosis import ENDED
from devenv.engine.api import last_words
from devenv.errors import ServiceFailedError, UsageError
from devenv.events import Event, Status
from devenv.operations.session import configured_ports

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from devenv.engine.observed import ObservedContainer
    from devenv.operations.session import Session

POLL_SECONDS = 0.2
LOG_LINES = 20
HEALTHY, RUNNING, STOPPED = "healthy", "running", "stopped"
CONDITIONS = (HEALTHY, RUNNING, STOPPED)
DOWN = frozenset({*ENDED, "restarting"})
"""States of one whose process ended, also where the engine will start it again."""


@dataclass(frozen=True)
class WaitResult:
    """What was waited for, by service, and for how many seconds."""

    services: Mapping[str, str]
    seconds: float


def wait_for(session: Session, asked: Mapping[str, str], timeout: float) -> WaitResult:
    """Return as soon as every service is as asked for; `backend` means every pod's. What it is already counts.

    Raises UsageError for an unknown service, and ServiceFailedError after `timeout` seconds, or at once
    where one that is to run turns unhealthy or ends meanwhile. One that does not run yet may still come.
    """
    replicas = _replicas(session, asked)
    wanted = {name: condition for role, condition in asked.items() for name in replicas[role]}
    count = {name: number for numbers in replicas.values() for name, number in numbers.items()}
    begun = time.monotonic()
    before: dict[str, str] = {}
    left = set(wanted)
    while True:
        observed = session.observe()
        lacking = {name for name in wanted if not _is(wanted[name], observed.of(name), count[name])}
        for name in sorted(left - lacking):
            session.events.emit(Event(name, Status.DONE, wanted[name]))
        left = lacking
        if not left:
            return WaitResult(dict(wanted), time.monotonic() - begun)
        for name in left:
            if wanted[name] != STOPPED:
                _raise_if_lost(session, observed.of(name), before)
        if time.monotonic() - begun >= timeout:
            late = next(name for name in wanted if name in left)
            text = f"is not {wanted[late]} after {timeout:g} s"
            raise _failed(session, late, text, observed.of(late), "timeout")
        before = {container.id: _word(container) for container in observed.containers}
        time.sleep(POLL_SECONDS)


def _replicas(session: Session, names: Iterable[str]) -> dict[str, dict[str, int]]:
    """The services that each name stands for, with how many there are to be of each."""
    memory = session.workspace.recall()
    ports = configured_ports(session.settings, session.shape) | dict(memory.ports)
    project = session.project(ports, memory.generation, session.engine.info())
    for name in names:
        if not project.named(name):
            raise UsageError(
                f'no service is called "{name}"; there are {", ".join(project.service_names)}',
                code="unknown_service",
            )
    return {name: {one.name: one.replicas for one in project.named(name)} for name in names}


def _is(condition: str, containers: Sequence[ObservedContainer], replicas: int) -> bool:
    if condition == STOPPED:
        return not any(container.is_running for container in containers)
    fine = [one.is_healthy if condition == HEALTHY else one.is_running for one in containers]
    return len(fine) >= max(replicas, 1) and all(fine)


def _word(container: ObservedContainer) -> str:
    return "unhealthy" if container.is_unhealthy else container.state


def _raise_if_lost(
    session: Session, containers: Sequence[ObservedContainer], before: Mapping[str, str]
) -> None:
    """Raise for a container that got worse since the last look."""
    for container in containers:
        word = _word(container)
        if word in {"unhealthy", *DOWN} and before.get(container.id, word) not in {word, "created", *DOWN}:
            exited = word in DOWN
            text = f"exited with status {container.exit_status}" if exited else "is unhealthy"
            code = "service_exited" if exited else "service_unhealthy"
            raise _failed(session, container.service, text, (container,), code)


def _failed(
    session: Session, name: str, text: str, containers: Sequence[ObservedContainer], code: str
) -> ServiceFailedError:
    container = next((one for one in containers if not one.is_healthy), None)
    log = last_words(session.engine, container.id, LOG_LINES) if container else ()
    probe = container.probe.output.splitlines() if container and container.probe else []
    return ServiceFailedError(
        f"{name} {text}",
        code=code,
        hint=f"`devenv status` shows how it is, `devenv logs {name}` what it says, `devenv up` brings it up",
        detail={"service": name, "states": [_word(one) for one in containers]},
        evidence=(*(f"probe: {line}" for line in probe), *(f"log: {line}" for line in log)),
    )
