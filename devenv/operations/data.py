"""The database's data: the seed's snapshot, and branches of it."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from devenv.database.branches import (
    BRANCH_DRIVER,
    BranchRequest,
    Choice,
    Driver,
    bring_in,
    choose,
    driver_named,
    in_pool,
    remove_branch,
)
from devenv.database.build import SeedRequest, build_snapshot
from devenv.database.pool import find_pool
from devenv.database.seed import SeedStep, seed_inputs, seed_key
from devenv.database.snapshots import Key, Snapshot, SnapshotStore, nearest
from devenv.environments.registry import Registry
from devenv.errors import OperationError
from devenv.events import Event, Status
from devenv.model import Label
from devenv.operations.leftovers import remove_helpers
from devenv.operations.room import check_room
from devenv.project import labels
from devenv.render.compose import network_labels, volume_labels
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.engine.observed import ObservedState
    from devenv.environments.workspace import Memory
    from devenv.images.obtain import Obtained
    from devenv.model import Project
    from devenv.operations.session import Session

DRIVER_VOLUME = "devenv_branch_driver"
"""An empty volume whose labels remember which driver works on this engine: trying costs a second."""
DRIVER_REASON = "devenv.driver.reason"


@dataclass(frozen=True)
class Data:
    """A branch that was made: its volume is the project's, and remembered as the current data."""

    volume: str
    snapshot: Snapshot
    driver: str
    reason: str
    steps: tuple[SeedStep, ...]
    built: bool
    seconds: float


def branch_seed(session: Session, project: Project, images: Mapping[str, Obtained]) -> Data:
    """Make the project's database volume a branch of the seed's snapshot, which is built if it is missing.

    The memory is the point of no return: until then the environment has the data it had before.
    """
    begun = time.monotonic()
    steps = session.seed_steps()
    inputs = session.seed_inputs(steps, images["database"].content)
    store = SnapshotStore(session.engine, images["database"].reference)
    remove_helpers(session)
    try:
        snapshot, built = _seed_snapshot(session, store, project, images, steps, inputs)
    except BaseException:
        # Compose makes all volumes of the project for a command of the seed, the one to come too.
        remove_branch(session.engine, _volume_name(project))
        raise
    choice = make_branch(session, store, project, snapshot)
    remember_branch(session, _generation(project), snapshot.key)
    seconds = time.monotonic() - begun
    what = "seeded" if built else f"branched off snapshot {snapshot.key}"
    session.events.emit(Event("database", Status.DONE, f"{what} in {seconds:.1f} s ({choice.driver.name})"))
    return Data(_volume_name(project), snapshot, choice.driver.name, choice.reason, steps, built, seconds)


def empty_snapshot(
    session: Session, store: SnapshotStore, project: Project, images: Mapping[str, Obtained]
) -> Snapshot:
    """The snapshot of a server that was initialised and has no data but empty databases; built if missing."""
    database = session.settings.database
    options = (*mysql.server_flags(session.settings), database.root_password, *database.databases)
    inputs = seed_inputs((), (), images["database"].content, options)
    return _seed_snapshot(session, store, project, images, (), inputs)[0]


def make_branch(session: Session, store: SnapshotStore, project: Project, snapshot: Snapshot) -> Choice:
    """Make the project's database volume a branch of a snapshot, by the best driver that works here.

    Meanwhile nobody deletes the snapshot: whoever wants to finds the branch, and leaves it.
    """
    volume = next(volume for volume in project.volumes if volume.key == "database")
    # A killed import's server may still hold the volume that is made now.
    remove_helpers(session)
    _move_into_pool(session, store, snapshot)
    choice = branch_driver(session, store, snapshot)
    marks = {BRANCH_DRIVER: choice.driver.name, Key.KEY: snapshot.key}
    request = BranchRequest(volume.name, volume_labels(project, volume) | marks, snapshot)
    with _pool_stays(session, snapshot), Registry().locked(f"snapshot-{snapshot.key}"):
        _refuse_gone(store, snapshot)
        remove_branch(session.engine, volume.name)
        if in_pool(session.engine, snapshot) is None:
            check_room(_folder(session, snapshot), choice.driver.room(snapshot.bytes), "a branch")
        choice.driver.create(session.engine, store.image, request)
    return choice


def branch_driver(session: Session, store: SnapshotStore, snapshot: Snapshot) -> Choice:
    """The driver that works where the snapshot lives: remembered from before, else found out by trying.

    Each pool has a memory of its own, which goes with it; the engine's disk keeps its own all the time.
    """
    source = in_pool(session.engine, snapshot)
    memory = DRIVER_VOLUME if source is None else source[0].driver_volume
    for volume in session.engine.volumes(f"{Label.KIND}=driver"):
        driver: Driver | None = driver_named(volume.labels.get(BRANCH_DRIVER, ""))
        if volume.name == memory and driver is not None:
            return Choice(driver, volume.labels.get(DRIVER_REASON, ""))
    choice = choose(session.engine, store.image, snapshot, {Label.KIND: "probe"})
    marks = {Label.KIND: "driver", BRANCH_DRIVER: choice.driver.name, DRIVER_REASON: choice.reason}
    session.engine.create_volume(memory, marks)
    return choice


def _move_into_pool(session: Session, store: SnapshotStore, snapshot: Snapshot) -> None:
    """Copy the snapshot into the pool if there is one and it lives elsewhere: once, for all its branches."""
    pool = find_pool(session.engine)
    if pool is None or in_pool(session.engine, snapshot) is not None:
        return
    with Registry().locked(f"snapshot-{snapshot.key}"):
        _refuse_gone(store, snapshot)
        if in_pool(session.engine, snapshot) is None:
            text = f"copying snapshot {snapshot.key} into the pool, {snapshot.bytes / 2**20:.0f} MB, once"
            session.events.emit(Event("database", Status.WORKING, text))
            bring_in(session.engine, store.image, snapshot, pool)


def _pool_stays(session: Session, snapshot: Snapshot) -> AbstractContextManager[None]:
    """Meanwhile nobody removes the pool in which a snapshot lives."""
    source = in_pool(session.engine, snapshot)
    return nullcontext() if source is None else Registry().locked(f"pool-{source[0].name}")


def _folder(session: Session, snapshot: Snapshot) -> str:
    """Where the engine keeps the snapshot's data, and will keep the branch's."""
    found = session.engine.volumes(f"{Key.KEY}={snapshot.key}")
    return next((volume.mountpoint for volume in found if volume.name == snapshot.volume), "")


def _refuse_gone(store: SnapshotStore, snapshot: Snapshot) -> None:
    if store.find(snapshot.key) is None:
        raise OperationError(
            f"the snapshot {snapshot.key} was deleted by another command just now",
            code="snapshot_gone",
            hint="run the command again",
        )


def remember_branch(session: Session, generation: int, snapshot_key: str) -> Memory:
    """Take a branch into use; the one before is kept for `undo`."""
    memory = session.workspace.recall()
    former = memory.former
    if memory.generation:
        former = ((memory.generation, memory.snapshot), *former)
    spare = 0 if memory.spare == generation else memory.spare
    return session.workspace.remember(
        generation=generation,
        snapshot=snapshot_key,
        former=former[: session.settings.database.undo.keep],
        spare=spare,
    )


def forget_older(session: Session, observed: ObservedState) -> None:
    """Remove the branches that are neither in use nor kept for `undo`, nor the spare's."""
    remove_helpers(session)
    memory = session.workspace.recall()
    kept = {memory.generation, memory.spare, *(generation for generation, _ in memory.former)}
    for volume in observed.volumes:
        generation = volume.labels.get(Label.GENERATION, "")
        if (
            volume.labels.get(Label.KIND) == "database"
            and generation.isdigit()
            and int(generation) not in kept
        ):
            remove_branch(session.engine, volume.name)


def _seed_snapshot(
    session: Session,
    store: SnapshotStore,
    project: Project,
    images: Mapping[str, Obtained],
    steps: tuple[SeedStep, ...],
    inputs: Mapping[str, str],
) -> tuple[Snapshot, bool]:
    """The snapshot of the seed, and whether it had to be built; one command at a time builds a key."""
    key = seed_key(inputs)
    found = store.find(key)
    if found is not None:
        return found, False
    with Registry().locked(f"snapshot-{key}"):
        known = store.all()
        found = next((snapshot for snapshot in known if snapshot.key == key), None)
        if found is not None:
            return found, False
        request = SeedRequest(
            project=project.name,
            labels=labels(session.identity, "database-build"),
            network=f"{project.name}_default",
            network_labels=network_labels(project),
            image=images["database"].reference,
            flags=mysql.server_flags(session.settings),
            environment=project.service(mysql.NAME).environment,
            root_password=session.settings.database.root_password,
            databases=session.settings.database.databases,
            steps=steps,
            inputs=inputs,
            key=key,
            compose_file=session.workspace.compose_file,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            base=nearest(known, inputs),
        )
        return build_snapshot(session.engine, store, request, session.events), True


def _volume_name(project: Project) -> str:
    return next(volume.name for volume in project.volumes if volume.key == "database")


def _generation(project: Project) -> int:
    volume = next(volume for volume in project.volumes if volume.key == "database")
    return int(volume.labels[Label.GENERATION])
