"""Take services down, stop and restart them; data stay unless they are asked for by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.errors import OperationError, RefusedError, UsageError
from devenv.events import Event, Status
from devenv.model import Label
from devenv.operations.data import forget_older
from devenv.operations.generations import recover_generation
from devenv.operations.leftovers import remove_helpers
from devenv.operations.session import configured_ports
from devenv.operations.up import DEFAULT_TIMEOUT
from devenv.operations.wait import Ascent
from devenv.project import database_volume
from devenv.services import backend

if TYPE_CHECKING:
    from pathlib import Path

    from devenv.engine.api import LineSink
    from devenv.engine.observed import ObservedState
    from devenv.environments.workspace import Memory
    from devenv.operations.session import Session

RESTART_SECONDS = 10
REMOVED = frozenset({backend.GENERATED})
"""Kinds of volumes that `down --volumes` removes; snapshots and what is kept for `undo` stay."""


@dataclass(frozen=True)
class DownResult:
    """What was taken down: container names, the volumes that were removed, and the one kept for `undo`."""

    project: str
    containers: tuple[str, ...]
    volumes: tuple[str, ...]
    put_aside: str | None


@dataclass(frozen=True)
class ServicesResult:
    """The services that an operation was done to."""

    project: str
    services: tuple[str, ...]


def down(session: Session, *, volumes: bool = False, confirmed: bool = False) -> DownResult:
    """Remove containers and network. With `volumes` the data too, which must be confirmed.

    The database's data are put aside even then: `undo` brings them back, `gc` removes them.
    """
    session.engine.info()
    with session.workspace.locked(session.events):
        observed = session.observe()
        memory = recover_generation(session, observed)
        current = database_volume(session.identity.project, memory.generation)
        data = [volume for volume in observed.volumes if volume.name == current]
        others = [volume for volume in observed.volumes if volume.labels.get(Label.KIND) in REMOVED]
        if volumes and (data or others) and not confirmed:
            names = ", ".join(volume.name for volume in (*data, *others))
            raise RefusedError(
                f"this would leave {session.identity.project} without its data: {names}",
                code="confirmation_needed",
                hint="say `devenv down --volumes --yes` if you mean it",
            )
        remove_helpers(session)
        # Without containers too: an `up` whose seed failed has left its network.
        if observed.containers or session.workspace.compose_file.exists():
            session.engine.down(_compose_file(session), _teller(session, "removing"))
        if observed.containers:
            session.events.emit(Event("containers", Status.DONE, "removed"))
        removed: tuple[str, ...] = ()
        if volumes:
            put_data_aside(session, memory)
            forget_older(session, observed)
            removed = tuple(volume.name for volume in others)
            for name in removed:
                session.engine.remove_volume(name)
    containers = tuple(one.name for one in observed.containers)
    return DownResult(session.identity.project, containers, removed, current if volumes and data else None)


def put_data_aside(session: Session, memory: Memory) -> None:
    """Leave the environment without data; those that it has are the next that `undo` brings back."""
    if memory.generation:
        former = ((memory.generation, memory.snapshot), *memory.former)
        session.workspace.remember(
            generation=0, snapshot="", former=former[: session.settings.database.undo.keep]
        )


def stop(session: Session, names: tuple[str, ...]) -> ServicesResult:
    """Stop services, dependents first; `up` starts them again."""
    session.engine.info()
    with session.workspace.locked(session.events):
        observed = session.observe()
        running = tuple({one.service: None for one in observed.containers if one.is_running})
        chosen = check_names(observed, names) or running
        wanted = tuple(name for name in chosen if name in running)
        if wanted:
            session.engine.stop(_compose_file(session), wanted, _teller(session, "stopping"))
            session.events.emit(Event("containers", Status.DONE, "stopped"))
    return ServicesResult(session.identity.project, wanted)


def restart(session: Session, names: tuple[str, ...]) -> ServicesResult:
    """Restart services and wait until they are healthy again."""
    info = session.engine.info()
    with session.workspace.locked(session.events):
        observed = session.observe()
        chosen = check_names(observed, names)
        memory = session.workspace.recall()
        ports = configured_ports(session.settings) | dict(memory.ports)
        project = session.project(ports, memory.generation, info)
        for name in chosen:
            session.events.emit(Event(name, Status.WORKING, "restarting"))
            for container in observed.of(name):
                session.engine.restart_container(container.id, RESTART_SECONDS)
        services = tuple(service for service in project.services if service.name in chosen)
        Ascent(session.engine, session.observe, services, session.events, DEFAULT_TIMEOUT).run()
    return ServicesResult(session.identity.project, chosen)


def check_names(observed: ObservedState, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, if each is a service that has a container; raises UsageError or OperationError."""
    known = sorted({container.service for container in observed.containers})
    if names and not known:
        raise OperationError("this environment is not up", code="not_up", hint="bring it up with `devenv up`")
    for name in names:
        if name not in known:
            raise UsageError(
                f'no service called "{name}" has a container; there are {", ".join(known)}',
                code="unknown_service",
                hint="`devenv status` shows all services",
            )
    return names


def _compose_file(session: Session) -> Path:
    """The generated file; without it Compose cannot take anything down."""
    file = session.workspace.compose_file
    if not file.exists():
        raise OperationError(
            f"{file.relative_to(session.root)} is missing, but containers of this environment exist",
            code="compose_file_missing",
            hint="run `devenv up` once: it writes the file anew",
        )
    return file


def _teller(session: Session, doing: str) -> LineSink:
    """Passes Compose's own lines on as detail."""
    return lambda line: session.events.emit(Event("containers", Status.WORKING, doing, line))
