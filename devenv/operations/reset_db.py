"""The database as it was seeded: new data beside the old, then one switch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.database.server import Server
from devenv.model import Label
from devenv.operations.data import Seeded, seed_volume
from devenv.operations.up import DEFAULT_TIMEOUT, next_generation, obtain, recover_generation
from devenv.operations.wait import Ascent
from devenv.project import database_volume
from devenv.render.compose import MARK
from devenv.services import mysql

if TYPE_CHECKING:
    from devenv.engine.api import ObservedState
    from devenv.environments.workspace import Memory
    from devenv.operations.session import Session


@dataclass(frozen=True)
class Discarded:
    """The data that were there before: how much, and the volume that keeps them until the next reset."""

    volume: str
    tables: int | None
    bytes: int | None


@dataclass(frozen=True)
class ResetResult:
    """What replaced what; `seconds` until the database answered again."""

    volume: str
    seed_steps: tuple[str, ...]
    discarded: Discarded | None
    seconds: float
    running: bool


def reset_db(session: Session) -> ResetResult:
    """Seed anew and switch to it; a seed that fails leaves the old data in place and in use.

    Backend and taskrunner keep running and reconnect. The data before are kept until the next reset.
    """
    begun = time.monotonic()
    info = session.engine.info()
    session.workspace.prepare()
    with session.workspace.locked(session.events):
        observed = session.observe()
        memory = recover_generation(session, observed)
        ports = {choice.key: choice.port for choice in session.choose_ports(observed, memory)}
        project = session.project(ports, next_generation(session, observed), info)
        session.workspace.remember(project=session.identity.project, ports=ports)
        images = obtain(session, project, memory)
        text = session.render(project, images, info)
        if not session.workspace.compose_file.exists():
            session.workspace.write_compose_file(text, MARK)
        discarded = _measure(session, observed, memory)
        seeded = seed_volume(session, project, images)
        session.workspace.write_compose_file(text, MARK)
        running = any(container.is_running for container in observed.of(mysql.NAME))
        if running:
            _switch(session, observed)
            service = project.service(mysql.NAME)
            Ascent(session.engine, session.observe, (service,), session.events, DEFAULT_TIMEOUT).run()
        _forget_older(session, observed, keep={seeded.volume, discarded.volume if discarded else ""})
    return _result(seeded, discarded, time.monotonic() - begun, running=running)


def _switch(session: Session, observed: ObservedState) -> None:
    """Kill the old server, whose data nobody will write any more, and create the new one."""
    for container in observed.of(mysql.NAME):
        session.engine.remove_container(container.id)
    session.engine.create(session.workspace.compose_file, [mysql.NAME], lambda _: None)


def _measure(session: Session, observed: ObservedState, memory: Memory) -> Discarded | None:
    """How much the present data are, as far as their server says so."""
    container = next(iter(observed.of(mysql.NAME)), None)
    volume = database_volume(session.identity.project, memory.generation)
    if container is not None:
        volume = container.volumes.get(mysql.DATA_DIRECTORY, volume)
    if volume not in {known.name for known in observed.volumes}:
        return None
    if container is None or not container.is_running:
        return Discarded(volume, None, None)
    names = ", ".join(f"'{name}'" for name in session.settings.database.databases)
    server = Server(session.engine, container.id, session.settings.database.root_password)
    result = server.query(
        "SELECT COUNT(*), COALESCE(SUM(data_length + index_length), 0) "
        f"FROM information_schema.tables WHERE table_schema IN ({names})"
    )
    words = result.output.split()
    if result.exit_status != 0 or len(words) != 2:
        return Discarded(volume, None, None)
    return Discarded(volume, int(words[0]), int(float(words[1])))


def _forget_older(session: Session, observed: ObservedState, keep: set[str]) -> None:
    """Remove the generations before the last; the last one stays, to be taken back."""
    for volume in observed.volumes:
        if volume.labels.get(Label.KIND) == "database" and volume.name not in keep:
            session.engine.remove_volume(volume.name)


def _result(seeded: Seeded, discarded: Discarded | None, seconds: float, *, running: bool) -> ResetResult:
    return ResetResult(
        volume=seeded.volume,
        seed_steps=tuple(str(step) for step in seeded.steps),
        discarded=discarded,
        seconds=seconds,
        running=running,
    )
