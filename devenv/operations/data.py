"""The database's data: the seed's snapshot, and branches of it."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from devenv.database.branches import (
    SERVER_ROOM,
    BranchRequest,
    Choice,
    Driver,
    bring_in,
    choose,
    driver_named,
    in_pool,
    remove_branch,
)
from devenv.database.pool import find_pool
from devenv.database.seed import LoadFile, RunCommand, SeedStep, seed_inputs, seed_key
from devenv.database.snapshots import Key, Snapshot, SnapshotStore, nearest
from devenv.environments.registry import Registry
from devenv.environments.workspace import Former
from devenv.errors import OperationError
from devenv.events import Event, Phase, Status
from devenv.model import Label
from devenv.operations.ahead import nothing
from devenv.operations.room import check_room
from devenv.project import labels
from devenv.render.compose import MARK, network_labels, network_name, volume_labels
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from devenv.database.pool import Pool
    from devenv.images.obtain import Obtained
    from devenv.model import Project
    from devenv.operations.session import Session

DRIVER_VOLUME = "devenv_branch_driver"
"""An empty volume whose labels remember which driver works on this engine: trying costs a second."""


@dataclass(frozen=True)
class Data:
    """A branch that was made: its volume is the project's."""

    generation: int
    volume: str
    snapshot: Snapshot
    driver: str
    reason: str
    steps: tuple[SeedStep, ...]
    built: bool
    seconds: float


def branch_seed(
    session: Session,
    project: Project,
    images: Mapping[str, Obtained],
    ahead: Callable[[], None] = nothing,
) -> Data:
    """Make the project's database volume a branch of the seed's snapshot, which is built if it is missing.

    `ahead` waits for what goes on meanwhile: no step of the seed runs before that is over, and neither is the
    branch made, since Compose makes volumes too. The environment has the data it had before until the caller
    remembers the branch.
    """
    begun = time.monotonic()
    volume = project.volume(mysql.VOLUME)
    steps = session.seed_steps()
    inputs = session.seed_inputs(steps, images["database"].content)
    store = SnapshotStore(session.engine, images["database"].reference)
    try:
        with session.seed_located():
            snapshot, built = _Sowing(session, store, project, images, steps, inputs, ahead).snapshot()
        ahead()
    except BaseException:
        with suppress(Exception):  # the first error counts
            ahead()
        # Compose makes all volumes of the project for a command of the seed, the one to come too.
        remove_branch(session.engine, volume.name)
        raise
    text = f"branching off snapshot {snapshot.key}"
    session.events.emit(Event("database", Status.WORKING, text, phase=Phase.BRANCH))
    choice = make_branch(session, store, project, snapshot)
    seconds = time.monotonic() - begun
    what = "seeded" if built else f"branched off snapshot {snapshot.key}"
    session.events.emit(Event("database", Status.DONE, f"{what} in {seconds:.1f} s ({choice.driver.name})"))
    generation = int(volume.labels[Label.GENERATION])
    return Data(generation, volume.name, snapshot, choice.driver.name, choice.reason, steps, built, seconds)


def empty_snapshot(
    session: Session, store: SnapshotStore, project: Project, images: Mapping[str, Obtained]
) -> Snapshot:
    """The snapshot of a server that was initialised and has no data but empty databases; built if missing."""
    database = session.settings.database
    options = (*mysql.server_flags(session.settings), database.root_password, *database.databases)
    inputs = seed_inputs((), (), images["database"].content, options)
    return _Sowing(session, store, project, images, (), inputs).snapshot()[0]


def is_prepared(session: Session, images: Mapping[str, Obtained]) -> bool:
    """Whether the seed's snapshot is there: then its data are a branch away."""
    database = images[mysql.IMAGE]
    key = seed_key(session.seed_inputs(session.seed_steps(), database.content))
    return SnapshotStore(session.engine, database.reference).find(key) is not None


def initialise_ahead(session: Session, project: Project, database: Obtained) -> None:
    """Make the empty server's snapshot if the seed's will go on from it: while other images still come."""
    # One that lives in a pool waits until the pool is ready.
    if find_pool(session.engine) is not None:
        return
    store = SnapshotStore(session.engine, database.reference)
    with session.seed_located():
        if nearest(store.all(), session.seed_inputs(session.seed_steps(), database.content)) is None:
            empty_snapshot(session, store, project, {mysql.IMAGE: database})


def make_branch(session: Session, store: SnapshotStore, project: Project, snapshot: Snapshot) -> Choice:
    """Make the project's database volume a branch of a snapshot, by the best driver that works here.

    Meanwhile nobody deletes the snapshot: whoever wants to finds the branch, and leaves it.
    """
    volume = project.volume(mysql.VOLUME)
    home = _pool_of(session, store, snapshot)
    choice = branch_driver(session, store, snapshot, home)
    marks = {Label.DRIVER: choice.driver.name, Label.REASON: choice.reason, Key.KEY: snapshot.key}
    request = BranchRequest(volume.name, volume_labels(project, volume) | marks, snapshot)
    with _stays(home), Registry().locked(f"snapshot-{snapshot.key}"):
        _refuse_gone(store, snapshot)
        remove_branch(session.engine, volume.name)
        if home is None:
            check_room(_folder(session, snapshot), choice.driver.room(snapshot.bytes), "a branch")
        choice.driver.create(session.engine, store.image, request)
    return choice


def branch_driver(session: Session, store: SnapshotStore, snapshot: Snapshot, home: Pool | None) -> Choice:
    """The driver that works where the snapshot lives: remembered from before, else found out by trying.

    Each pool has a memory of its own, which goes with it; the engine's disk keeps its own all the time.
    """
    memory = DRIVER_VOLUME if home is None else home.driver_volume
    for volume in session.engine.volumes(f"{Label.KIND}=driver"):
        driver: Driver | None = driver_named(volume.labels.get(Label.DRIVER, ""))
        if volume.name == memory and driver is not None:
            return Choice(driver, volume.labels.get(Label.REASON, ""))
    choice = choose(session.engine, store.image, snapshot, {Label.KIND: "probe"})
    marks = {Label.KIND: "driver", Label.DRIVER: choice.driver.name, Label.REASON: choice.reason}
    session.engine.create_volume(memory, marks)
    return choice


def _pool_of(session: Session, store: SnapshotStore, snapshot: Snapshot) -> Pool | None:
    """The pool in which the snapshot lives; if there is one it is copied in, once, for all its branches."""
    found = in_pool(session.engine, snapshot)
    pool = find_pool(session.engine)
    if found is not None or pool is None:
        return None if found is None else found[0]
    with Registry().locked(f"snapshot-{snapshot.key}"):
        _refuse_gone(store, snapshot)
        if in_pool(session.engine, snapshot) is None:
            text = f"copying snapshot {snapshot.key} into the pool, {snapshot.bytes / 2**20:.0f} MB, once"
            session.events.emit(Event("database", Status.WORKING, text))
            bring_in(session.engine, store.image, snapshot, pool)
    return pool


def _stays(home: Pool | None) -> AbstractContextManager[None]:
    """Meanwhile nobody removes the pool."""
    return nullcontext() if home is None else Registry().locked(f"pool-{home.name}")


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


def remember_branch(
    session: Session,
    generation: int,
    snapshot_key: str,
    compose_text: str | None = None,
    *,
    at_most: int | None = None,
) -> None:
    """Take a branch into use, from which there is no return, with its Compose file; the one before is kept for `undo`.

    That takes `at_most` so many bytes. Those that are too many by now are kept too: `forget_older` removes them,
    once nothing runs on them any more.
    """
    memory = session.workspace.recall()
    former = memory.former
    if memory.generation:
        former = (Former(memory.generation, memory.snapshot, at_most), *former)
    spare = 0 if memory.spare == generation else memory.spare
    session.workspace.remember(generation=generation, snapshot=snapshot_key, former=former, spare=spare)
    if compose_text is not None:
        session.workspace.write_compose_file(compose_text, MARK)


def _placed(step: SeedStep, project: Project) -> SeedStep:
    """A command runs in the service that its own stands for: of several pods' in the first pod's."""
    if not isinstance(step, RunCommand):
        return step
    return replace(step, service=project.named(step.service)[0].name)


@dataclass(frozen=True)
class _Sowing:
    """All that makes the snapshot of a seed; without steps it is the empty server's."""

    session: Session
    store: SnapshotStore
    project: Project
    images: Mapping[str, Obtained]
    steps: tuple[SeedStep, ...]
    inputs: Mapping[str, str]
    ahead: Callable[[], None] = nothing
    """Waits for what has to be over before the first step."""

    def snapshot(self) -> tuple[Snapshot, bool]:
        """The seed's snapshot, and whether it had to be built; one command at a time builds a key.

        Where there is nothing to go on from, the empty server's snapshot is made first: initialising takes
        longer than most seeds, and every later seed on this server goes on from it.
        """
        session, store, key = self.session, self.store, seed_key(self.inputs)
        known = store.all()
        found = next((one for one in known if one.key == key), None)
        if found is not None:
            return found, False
        base = nearest(known, self.inputs)
        if base is None and self.steps:
            base = empty_snapshot(session, store, self.project, self.images)
        with Registry().locked(f"snapshot-{key}"):
            found = store.find(key)
            if found is not None:
                return found, False
            self._refuse_without_room(base)
            what = "seeding" if self.steps else "preparing an empty server, once for all seeds"
            session.events.emit(Event("database", Status.WORKING, what, phase=Phase.SEED))
            return self._built(key, base), True

    def _refuse_without_room(self, base: Snapshot | None) -> None:
        """By the files as they lie: what more there is in compressed ones shows when it comes to that."""
        if find_pool(self.session.engine) is not None:
            return
        files = sum(step.path.stat().st_size for step in self.steps if isinstance(step, LoadFile))
        needed = SERVER_ROOM + files + (0 if base is None else base.bytes)
        check_room(self.session.engine.info().root_directory, needed, "the seed")

    def _built(self, key: str, base: Snapshot | None) -> Snapshot:
        from devenv.database.build import SeedRequest, build_snapshot  # noqa: PLC0415 - seldom, and slow to import

        session, project = self.session, self.project
        request = SeedRequest(
            project=project.name,
            labels=labels(session.identity, "database-build"),
            network=network_name(project),
            network_labels=network_labels(project),
            image=self.images["database"].reference,
            flags=mysql.server_flags(session.settings),
            environment=project.service(mysql.NAME).environment,
            root_password=session.settings.database.root_password,
            databases=session.settings.database.databases,
            steps=tuple(_placed(step, project) for step in self.steps),
            inputs=self.inputs,
            key=key,
            compose=session.compose,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            base=base,
            entrypoints=self._entrypoints(),
            ahead=self.ahead,
        )
        return build_snapshot(session.engine, self.store, request, session.events)

    def _entrypoints(self) -> dict[str, tuple[str, ...]]:
        """Those of our own services; of a user's own Compose may know another one than its image."""
        services = [one for one in self.project.services if one.raw is None and one.image in self.images]
        references = {one.name: self.images[one.image].reference for one in services}
        present = self.session.engine.images(set(references.values()))
        return {
            one.name: one.entrypoint or present[references[one.name]].entrypoint
            for one in services
            if references[one.name] in present
        }
