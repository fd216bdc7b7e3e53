"""The database as it was seeded, and back again: new branches beside the old, then one switch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from devenv.beside import Beside
from devenv.environments.workspace import Former
from devenv.errors import OperationError
from devenv.operations.data import branch_seed, remember_branch
from devenv.operations.exclusive import exclusive
from devenv.operations.generations import next_generation
from devenv.operations.images import obtain, seed_images
from devenv.operations.pool import ready_pool
from devenv.operations.present import Discarded, Present, measure, put_aside
from devenv.operations.retention import forget_older
from devenv.operations.spare import prepare_spare, spare_data
from devenv.operations.switch import gone_on_error, started_successor, switch
from devenv.project import database_volume, spare_name
from devenv.render.compose import MARK
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Callable

    from devenv.engine.observed import EngineInfo, ObservedState
    from devenv.environments.workspace import Memory
    from devenv.model import Project
    from devenv.operations.session import Session


@dataclass(frozen=True)
class ResetResult:
    """What replaced what; `seconds` until the database answered again."""

    volume: str
    snapshot: str
    driver: str
    seed_steps: tuple[str, ...]
    seeded: bool
    discarded: Discarded | None
    seconds: float
    running: bool
    from_spare: bool


@dataclass(frozen=True)
class UndoResult:
    """Which data are back, and which were put aside for another `undo`."""

    volume: str
    put_aside: str | None
    seconds: float
    running: bool


def reset_db(session: Session, *, spare: bool = False) -> ResetResult:
    """Branch off the seed's snapshot and switch to it; a seed that fails leaves the old data in use.

    Backend and taskrunner keep running and reconnect. The data before are kept for `undo`. A spare is used if
    there is one; with `spare`, or where the settings say so, one is started for the next reset.
    """
    begun = time.monotonic()
    with exclusive(session) as turn:
        info, observed, memory = turn.info, turn.observed, turn.memory
        asked = _asking(session, observed, memory)
        project = project_on(session, info, observed, memory, next_generation(session))
        images = obtain(session, project, memory, seed_images(session, project))
        ready_pool(session, observed)
        started = spare_data(session, observed, images)
        if started is not None:
            project = project_on(session, info, observed, memory, memory.spare)

        def write_file() -> None:
            session.workspace.write_compose_file(session.render(project, images, info), MARK)

        if not session.workspace.compose_file.exists():
            write_file()
        data = started or branch_seed(session, project, images)
        spared = started and gone_on_error(session, spare_name(project.name))
        with spared or started_successor(session, observed, project, images[mysql.IMAGE]) as successor:
            present = asked()
            size = None if data.built else present.at_most  # while a seed runs the old data may grow
            remember = partial(remember_branch, session, data.generation, data.snapshot.key, at_most=size)
            # Killed before it is written, the file is of the data before; `up` writes it anew by the memory.
            running = switch(session, observed, project, successor, remember, meanwhile=write_file)
        seconds = time.monotonic() - begun
        forget_older(session, observed)
        if spare or session.settings.database.spare:
            prepare_spare(session, info, images)
    return ResetResult(
        volume=data.volume,
        snapshot=data.snapshot.key,
        driver=data.driver,
        seed_steps=tuple(str(step) for step in data.steps),
        seeded=data.built,
        discarded=present.discarded,
        seconds=seconds,
        running=running,
        from_spare=started is not None,
    )


def _asking(session: Session, observed: ObservedState, memory: Memory) -> Callable[[], Present]:
    """Begin to ask how much the present data are: it takes as long as making a branch, and longer than a switch to a spare."""
    if observed.spare is not None:
        return lambda: Present((), put_aside(observed, memory))
    return Beside(measure, session, observed, memory).result


def undo(session: Session) -> UndoResult:
    """Bring back the data that the last reset, import or restore put aside; a second undo undoes that."""
    begun = time.monotonic()
    with exclusive(session) as turn:
        info, observed, memory = turn.info, turn.observed, turn.memory
        generation, snapshot = _last_former(session, observed, memory)
        project = project_on(session, info, observed, memory, generation)
        images = obtain(session, project, memory, {mysql.IMAGE})
        ready_pool(session, observed, new_data=False)

        def remember() -> None:
            current = (Former(memory.generation, memory.snapshot),) if memory.generation else ()
            former = (*current, *memory.former[1:])
            session.workspace.remember(generation=generation, snapshot=snapshot, former=former)
            session.workspace.write_compose_file(session.render(project, images, info), MARK)

        with started_successor(session, observed, project) as successor:
            running = switch(session, observed, project, successor, remember)
    name = session.identity.project
    return UndoResult(
        volume=database_volume(name, generation),
        put_aside=database_volume(name, memory.generation) if memory.generation else None,
        seconds=time.monotonic() - begun,
        running=running,
    )


def _last_former(session: Session, observed: ObservedState, memory: Memory) -> tuple[int, str]:
    names = {volume.name for volume in observed.volumes}
    if not memory.former:
        raise OperationError(
            "there is nothing to undo", code="nothing_to_undo", hint="`devenv reset-db` puts data aside"
        )
    former = memory.former[0]
    name = database_volume(session.identity.project, former.generation)
    if name not in names:
        raise OperationError(
            f"the data put aside are gone: volume {name} was removed by somebody else",
            code="nothing_to_undo",
            hint="`devenv status` shows which data are in use",
        )
    return former.generation, former.snapshot


def project_on(
    session: Session, info: EngineInfo, observed: ObservedState, memory: Memory, generation: int
) -> Project:
    """The environment on its ports, with the data of that generation."""
    ports = {choice.key: choice.port for choice in session.choose_ports(observed, memory)}
    session.workspace.remember(project=session.identity.project, ports=ports)
    return session.project(ports, generation, info)
