"""Save the present data of an environment as a snapshot, while it runs."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from devenv.database import capture
from devenv.database.capture import Files, Way, choose_way
from devenv.database.catalogue import check_name, refuse_taken
from devenv.database.server import Server
from devenv.database.snapshots import ROOT, Key, Origin, Snapshot, SnapshotStore
from devenv.environments.registry import Registry
from devenv.errors import OperationError
from devenv.events import Event, Status
from devenv.model import Label
from devenv.operations.generations import recover_memory
from devenv.operations.guard import refuse_foreign_server
from devenv.operations.images import obtain
from devenv.operations.leftovers import without_strays
from devenv.operations.pool import ready_pool
from devenv.operations.reset_db import project_on
from devenv.operations.switch import wait_until_answers
from devenv.project import database_volume, labels
from devenv.render.compose import network_name
from devenv.services import mysql

if TYPE_CHECKING:
    from devenv.engine.observed import ObservedContainer
    from devenv.model import Project
    from devenv.operations.session import Session

STOP_SECONDS = 120


@dataclass(frozen=True)
class SaveResult:
    """The snapshot, how it was taken, and how long the database did not answer for it."""

    snapshot: Snapshot
    way: Way
    reason: str
    stopped_seconds: float
    seconds: float


@dataclass(frozen=True)
class _Source:
    """The data to be taken: the volume, and the container that serves it if there is one."""

    project: Project
    volume: str
    container: ObservedContainer | None
    image: str
    snapshot: str
    """The key of what the data began as."""

    def files(self, session: Session, snapshot_volume: str) -> Files:
        """Its files, to be copied into a snapshot's volume."""
        name = worker_of(session.identity.project)
        return Files(session.engine, self.image, name, self.volume, snapshot_volume)

    @property
    def is_running(self) -> bool:
        return self.container is not None and self.container.is_running


def worker_of(project: str) -> str:
    """The container in which a project's data are taken."""
    return f"{project}-database-save"


def save(session: Session, name: str) -> SaveResult:
    """Make a snapshot of the data as they are; whatever goes wrong, the environment has what it had.

    A snapshot counts once it is sealed. What a killed attempt leaves the next one removes, and a database
    that it had stopped `devenv up` starts.
    """
    begun = time.monotonic()
    check_name(name)
    refuse_foreign_server(session)
    session.workspace.prepare()
    with session.workspace.locked(session.events):
        source = _source(session)
        store = SnapshotStore(session.engine, source.image)
        refuse_taken(store.all(), name, session.identity.project)
        remove_unsealed(session, store)
        # A random key, not one of the content: the volume is named before the content exists and cannot be
        # renamed, and two saves of the same rows never have the same bytes. The checksums are inside.
        key = secrets.token_hex(8)
        with Registry().locked(f"snapshot-{key}"):
            return _save(session, source, store, name, key, begun)


def remove_unsealed(session: Session, store: SnapshotStore) -> None:
    """Remove what killed attempts of this environment left; call it under the environment's lock only."""
    session.engine.remove_container(worker_of(session.identity.project))
    for volume in store.unsealed():
        if volume.labels.get(Label.PROJECT) == session.identity.project:
            store.discard(volume.labels[Key.KEY])


def _source(session: Session) -> _Source:
    info = session.engine.info()
    observed = session.observe()
    memory = recover_memory(session, observed)
    # A server that a killed reset left may be writing to the data that are remembered by now.
    observed = without_strays(session, observed)
    volume = database_volume(session.identity.project, memory.generation)
    if memory.generation == 0 or volume not in {one.name for one in observed.volumes}:
        raise OperationError(
            "this environment has no data yet", code="no_data", hint="`devenv up` seeds the database"
        )
    project = project_on(session, info, observed, memory, memory.generation)
    container = next(
        (one for one in observed.of(mysql.NAME) if one.volumes.get(mysql.DATA_DIRECTORY) == volume), None
    )
    # The server that wrote the data reads them: not the one that `devenv.yaml` names since.
    image = (
        container.image
        if container
        else obtain(session, project, memory, {mysql.IMAGE})["database"].reference
    )
    ready_pool(session, observed)
    return _Source(project, volume, container, image, memory.snapshot)


def _save(
    session: Session, source: _Source, store: SnapshotStore, name: str, key: str, begun: float
) -> SaveResult:
    flags = mysql.server_flags(session.settings)
    volume = store.prepare(key, labels(session.identity, ""))
    worker = worker_of(session.identity.project)
    try:
        source.files(session, volume).check_room()
        # From here on the server may have a plugin of ours, which only taking the data takes away.
        choice, ours = _choose(session, source)
        session.events.emit(Event("snapshot", Status.WORKING, f"taking the data: {choice.reason}"))
        stopped = _take(session, source, choice.way, volume, ours=ours)
        session.events.emit(Event("snapshot", Status.WORKING, "shutting a copy of the server down cleanly"))
        mounts = {volume: ROOT}
        version = capture.settle(session.engine, source.image, flags, worker, mounts, forget=ours)
        session.events.emit(Event("snapshot", Status.WORKING, "sealing the snapshot"))
        size = store.measure(key)
    except BaseException:
        session.engine.remove_container(worker)
        store.discard(key)
        raise
    snapshot = store.seal(
        Snapshot(
            key=key,
            bytes=size,
            server=version,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            origin=Origin.SAVE,
            name=name,
            project=session.identity.project,
            inputs={},
            parent=source.snapshot or None,
        )
    )
    session.events.emit(Event("snapshot", Status.DONE, f"{name} saved as {key}"))
    return SaveResult(snapshot, choice.way, choice.reason, stopped, time.monotonic() - begun)


def _choose(session: Session, source: _Source) -> tuple[capture.Choice, bool]:
    """How to take the data, and whether the CLONE plugin was put into the server for it."""
    if not source.is_running:
        return choose_way(running=False, clones=False, foreign=()), False
    server = _server(session, source)
    foreign = capture.foreign_tables(server)
    ours = None if foreign else capture.install_clone(server)
    return choose_way(running=True, clones=ours is not None, foreign=foreign), bool(ours)


def _take(session: Session, source: _Source, way: Way, volume: str, *, ours: bool) -> float:
    """Fill the volume; for how long the database was stopped."""
    worker = worker_of(session.identity.project)
    if way is Way.CLONE:
        assert source.container is not None
        network = network_name(source.project)
        # By its address: on an engine that had been killed, its name once led to where nobody listened.
        address = source.container.addresses.get(network)
        if address is None:
            raise OperationError(
                f"{source.container.name} is not on the network {network}",
                code="off_network",
                hint="`devenv up` mends that; take it off the network no more by hand",
            )
        donor = capture.Donor(_server(session, source), address, network, ours)
        flags = mysql.server_flags(session.settings)
        capture.clone(session.engine, source.image, flags, donor, worker, volume)
        return 0.0
    files = source.files(session, volume)
    if way is Way.COPY:
        files.copy()
        return 0.0
    return _stopped_meanwhile(session, source, files)


def _stopped_meanwhile(session: Session, source: _Source, files: Files) -> float:
    """Copy all while the server runs, and again what it wrote to, while it is stopped; for how long it was."""
    assert source.container is not None
    since = files.copy_ahead()
    begun = time.monotonic()
    session.events.emit(Event(mysql.NAME, Status.WORKING, "stopped while what changed meanwhile is copied"))
    session.engine.stop_container(source.container.id, STOP_SECONDS)
    try:
        files.copy_changed(since)
    finally:
        session.engine.start_container(source.container.id)
        wait_until_answers(session, source.project, source.container)
    return time.monotonic() - begun


def _server(session: Session, source: _Source) -> Server:
    assert source.container is not None
    return Server(session.engine, source.container.id, session.settings.database.root_password)
