"""The spare: a started database on a branch of the seed that nobody has used, so that a reset is a switch.

It is a copy of the database's container on other data and on no network. Its generation is remembered before
the container is made, so that nobody else takes that number; the branch is complete before the container is.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from devenv.database.branches import remove_branch
from devenv.database.seed import seed_key
from devenv.database.snapshots import Key, SnapshotStore
from devenv.errors import DevenvError
from devenv.events import Event, Phase, Status
from devenv.model import Label
from devenv.operations.data import Data, make_branch
from devenv.operations.generations import next_generation
from devenv.project import database_volume, spare_name
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.engine.observed import EngineInfo, ObservedState
    from devenv.environments.workspace import Memory
    from devenv.images.obtain import Obtained
    from devenv.operations.session import Session


def usable_driver(observed: ObservedState, volume: str, snapshot_key: str) -> str | None:
    """The driver of the spare's branch, None unless the spare is what a reset to that snapshot would make.

    It runs on `volume`, which is a branch of the snapshot, and is of the same definition and image as the
    database that it would replace.
    """
    spare = observed.spare
    current = observed.running(mysql.NAME)
    if spare is None or current is None or not spare.is_running:
        return None
    alike = (spare.spec, spare.image_id) == (current.spec, current.image_id)
    if not alike or spare.volumes.get(mysql.DATA_DIRECTORY) != volume:
        return None
    labels = next((one.labels for one in observed.volumes if one.name == volume), {})
    return labels.get(Label.DRIVER) if labels.get(Key.KEY) == snapshot_key else None


def spare_data(session: Session, observed: ObservedState, images: Mapping[str, Obtained]) -> Data | None:
    """The spare's data, if they are what a reset would make now."""
    begun = time.monotonic()
    steps = session.seed_steps()
    key = seed_key(session.seed_inputs(steps, images["database"].content))
    generation = session.workspace.recall().spare
    volume = database_volume(session.identity.project, generation)
    driver = usable_driver(observed, volume, key)
    snapshot = SnapshotStore(session.engine, images["database"].reference).find(key)
    if driver is None or snapshot is None:
        return None
    return Data(
        generation, volume, snapshot, driver, "", steps, built=False, seconds=time.monotonic() - begun
    )


def prepare_spare(session: Session, info: EngineInfo, images: Mapping[str, Obtained]) -> None:
    """See that there is a spare for the next reset; nothing happens where the database does not run.

    What was done before stands: where no spare can be made, as for want of room, that is a warning.
    """
    try:
        _prepare(session, info, images)
    except DevenvError as error:
        session.events.emit(Event("spare", Status.WARNING, f"none was started: {error.message}"))


def _prepare(session: Session, info: EngineInfo, images: Mapping[str, Obtained]) -> None:
    observed = session.observe()
    current = observed.running(mysql.NAME)
    store = SnapshotStore(session.engine, images["database"].reference)
    inputs = session.seed_inputs(session.seed_steps(), images["database"].content)
    snapshot = store.find(seed_key(inputs))
    if current is None or snapshot is None:
        return
    memory = session.workspace.recall()
    if usable_driver(observed, database_volume(session.identity.project, memory.spare), snapshot.key):
        return
    session.events.emit(Event("spare", Status.WORKING, "starting", phase=Phase.SPARE))
    discard_spare(session, observed)
    generation = next_generation(session)
    ports = session.workspace.recall().ports
    project = session.project(ports, generation, info)
    make_branch(session, store, project, snapshot)
    session.workspace.remember(spare=generation)
    old = current.volumes[mysql.DATA_DIRECTORY]
    volumes = {old: database_volume(session.identity.project, generation)}
    name = spare_name(session.identity.project)
    session.engine.duplicate_container(current.id, name, volumes)
    session.events.emit(Event("spare", Status.DONE, "started for the next reset-db"))


def discard_spare(session: Session, observed: ObservedState) -> None:
    """Remove the spare, and its data unless they came into use: as a switch that was killed leaves them."""
    session.engine.remove_container(spare_name(session.identity.project))
    memory = session.workspace.recall()
    if memory.spare:
        volume = database_volume(session.identity.project, memory.spare)
        session.workspace.remember(spare=0)
        if volume in {one.name for one in observed.volumes} and not _is_kept(memory):
            remove_branch(session.engine, volume)


def _is_kept(memory: Memory) -> bool:
    return memory.spare in {memory.generation, *(one.generation for one in memory.former)}
