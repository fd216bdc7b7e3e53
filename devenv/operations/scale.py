"""How many there are of a service: shown, changed, and remembered for every `up` that follows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.errors import UsageError
from devenv.operations.generations import recover_memory
from devenv.operations.session import configured_ports
from devenv.operations.up import UpOptions, up
from devenv.project import is_scalable
from devenv.services import taskrunner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.model import Project, Service
    from devenv.operations.session import Session


@dataclass(frozen=True)
class ScaleRow:
    """One service: how many run, how many there are to be, and who says so."""

    name: str
    running: int
    wanted: int
    origin: str
    """`devenv scale`, or where in the configuration; `default` where nobody says anything."""


@dataclass(frozen=True)
class ScaleReport:
    """All services of which there can be several; `seconds` is how long a change took."""

    project: str
    services: tuple[ScaleRow, ...]
    seconds: float | None = None


def scales(session: Session) -> ScaleReport:
    """The present numbers; nothing is changed."""
    observed = session.observe()
    rows = tuple(
        ScaleRow(
            service.name,
            sum(container.is_running for container in observed.of(service.name)),
            service.replicas,
            "devenv scale" if service.scaled else _origin(session, service),
        )
        for service in _project(session).services
        if is_scalable(service)
    )
    return ScaleReport(session.identity.project, rows)


def scale(session: Session, counts: Mapping[str, int], timeout: float) -> ScaleReport:
    """There are as many as asked for, each healthy, when this returns.

    What is too many is stopped, as `stop` does it: a worker has its grace to finish its job or to give it
    back. The numbers are remembered before anything is changed, so that a killed `scale` is finished by `up`.
    Raises UsageError for a service of which there can be only one.
    """
    begun = time.monotonic()
    defined = _project(session, scale={})
    for name in counts:
        _check(defined, name)
    configured = {service.name: service.replicas for service in defined.services}
    session.workspace.prepare()
    with session.workspace.locked(session.events):
        chosen = {**recover_memory(session, session.observe()).scale, **counts}
        differing = {name: count for name, count in chosen.items() if configured.get(name) != count}
        # An `up` would believe what was kept of the last one, were this one killed before anything changes.
        session.workspace.keep_steady("")
        session.workspace.remember(scale=differing)
    up(session, UpOptions(tuple(counts), timeout=timeout))
    report = scales(session)
    return ScaleReport(report.project, report.services, time.monotonic() - begun)


def _project(session: Session, scale: Mapping[str, int] | None = None) -> Project:
    memory = session.workspace.recall()
    ports = configured_ports(session.settings, session.shape) | dict(memory.ports)
    return session.project(ports, memory.generation, session.engine.info(), scale)


def _check(project: Project, name: str) -> None:
    possible = [service.name for service in project.services if is_scalable(service)]
    if not project.named(name):
        raise UsageError(
            f'no service is called "{name}"; {", ".join(possible)} can be scaled', code="unknown_service"
        )
    if name not in possible:
        raise UsageError(
            f"{name} is there once only: it publishes a port, has a fixed name, belongs to a pod or is a job",
            code="not_scalable",
            hint=f"{', '.join(possible)} can be scaled; `devenv up --production --pods N` runs N pods",
        )


def _origin(session: Session, service: Service) -> str:
    document = session.document
    if service.name == taskrunner.NAME:
        paths: tuple[tuple[str | int, ...], ...] = ((taskrunner.NAME, "replicas"),)
    else:
        here = ("services", service.name)
        paths = ((*here, "deploy", "replicas"), (*here, "scale"))
    return next((str(document.position_of(path)) for path in paths if document.holds(path)), "default")
