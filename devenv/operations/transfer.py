"""Snapshots out of the engine into one file, and back: so that a team shares what one of them made."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.database.archive import (
    Archive,
    Manifest,
    body,
    damaged,
    difference,
    open_archive,
    write_archive,
)
from devenv.database.catalogue import check_name, refuse_taken, resolve
from devenv.database.pool import name_full
from devenv.database.snapshots import DATA, ROOT, Snapshot, SnapshotStore
from devenv.environments.registry import Registry
from devenv.errors import OperationError, RefusedError
from devenv.events import Event, Status
from devenv.operations.generations import recover_memory
from devenv.operations.images import obtain
from devenv.operations.pool import ready_pool
from devenv.operations.reset_db import project_on
from devenv.operations.save import remove_unsealed
from devenv.operations.snapshots import image_version, refuse_unfit
from devenv.project import labels
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from devenv.events import EventSink
    from devenv.images.obtain import Obtained
    from devenv.operations.session import Session

MB = 2**20
TELL_SECONDS = 0.5
PACK = ("tar", "--create", "--sparse", "--numeric-owner", "--sort=name", f"--directory={ROOT}/{DATA}", ".")
UNPACK = (
    "sh",
    "-euc",
    f"mkdir {ROOT}/{DATA} && tar --extract --directory={ROOT}/{DATA} --no-same-owner --file=-",
)
OWN_SCRIPT = (
    f"cd {ROOT}/{DATA} && chown -R mysql: . && "
    'strange=$(find . ! -type f ! -type d) && test -z "$strange" || { echo "not a file: $strange"; exit 1; }'
)
"""The user's number differs between images; and a data directory holds nothing but files and folders."""


@dataclass(frozen=True)
class PushResult:
    """What was written: its size, and that of the data in it.

    `file` is where, or `reference` and the manifest's `digest` in a registry; `sent_bytes` is what had to travel.
    """

    name: str | None
    key: str
    file: str | None
    bytes: int
    file_bytes: int
    seconds: float
    reference: str | None = None
    digest: str | None = None
    sent_bytes: int | None = None


@dataclass(frozen=True)
class PullResult:
    """The snapshot; `present` is whether it was here already, and nothing had to be done.

    It came from `file`, or from `reference` in a registry, whose manifest has `digest`; `received_bytes` is what
    had to travel.
    """

    name: str | None
    key: str
    bytes: int
    server: str
    present: bool
    seconds: float
    file: str | None = None
    reference: str | None = None
    digest: str | None = None
    received_bytes: int | None = None


def push(session: Session, reference: str, file: Path, confirm: Callable[[str], bool]) -> PushResult:
    """Write a snapshot into a file, after its files were compared with their checksums."""
    begun = time.monotonic()
    store, _ = open_store(session)
    snapshot = resolve(store.all(), reference, session.identity.project)
    if file.exists() and not confirm(f"Replace {file}?"):
        raise RefusedError(
            f"{file} exists already",
            code="confirmation_needed",
            hint="choose another file, or say --yes to replace it",
        )
    size = pack(session, store, snapshot, file)
    session.events.emit(Event("snapshot", Status.DONE, f"{file.name}: {size / MB:.1f} MB"))
    return PushResult(snapshot.name, snapshot.key, str(file), snapshot.bytes, size, time.monotonic() - begun)


def pull(session: Session, file: Path, name: str | None) -> PullResult:
    """Make the snapshot that a file holds; it counts once every file in it was compared with its checksum.

    A file that is damaged, cut off, of another format or of a newer server is refused before anything changes.
    """
    begun = time.monotonic()
    archive = examine(session, file)
    if name is not None:
        check_name(name)
    store, image = open_store(session)
    refuse_unfit(archive.manifest.server, image_version(session, image), file.name)
    snapshot, present = admit(session, store, archive, name)
    return PullResult(
        snapshot.name,
        snapshot.key,
        snapshot.bytes,
        snapshot.server,
        present,
        time.monotonic() - begun,
        file=str(file),
    )


def open_store(session: Session) -> tuple[SnapshotStore, Obtained]:
    """The store, whose containers run the database's image; which is fetched or built where it is missing."""
    info = session.engine.info()
    session.workspace.prepare()
    with session.workspace.locked(session.events):
        observed = session.observe()
        memory = recover_memory(session, observed)
        project = project_on(session, info, observed, memory, memory.generation)
        image = obtain(session, project, memory, {mysql.IMAGE})["database"]
        ready_pool(session, observed)
    return SnapshotStore(session.engine, image.reference), image


def pack(session: Session, store: SnapshotStore, snapshot: Snapshot, file: Path) -> int:
    """Write the archive, after the snapshot's files were compared with their checksums; its size in bytes."""
    with Registry().locked(f"snapshot-{snapshot.key}"):
        session.events.emit(Event("snapshot", Status.WORKING, "comparing its files with their checksums"))
        store.verify(snapshot)
        manifest = Manifest(
            key=snapshot.key,
            bytes=snapshot.bytes,
            server=snapshot.server,
            created=snapshot.created,
            origin=snapshot.origin,
            name=snapshot.name,
            inputs=snapshot.inputs or {},
            files=store.checksums(snapshot.key),
        )
        with store.opened(snapshot.key, writable=False) as container:
            tar = session.engine.execute_stream(container, PACK)
            return write_archive(file, manifest, told(tar, "packed", snapshot.bytes, session.events))


def examine(session: Session, file: Path) -> Archive:
    """The archive in a file that was found whole."""
    session.events.emit(Event("snapshot", Status.WORKING, f"comparing {file.name} with its checksum"))
    return open_archive(file)


def admit(
    session: Session, store: SnapshotStore, archive: Archive, name: str | None
) -> tuple[Snapshot, bool]:
    """The snapshot that an archive holds, and whether it was here already: else it is made.

    `name` is what it shall be called in place of the name that it comes with.
    """
    manifest = archive.manifest
    wanted = name if name is not None else manifest.name
    with session.workspace.locked(session.events), Registry().locked(f"snapshot-{manifest.key}"):
        snapshot = store.find(manifest.key)
        present = snapshot is not None
        if snapshot is None:
            if wanted is not None:
                refuse_taken(store.all(), wanted, session.identity.project)
            remove_unsealed(session, store)
            snapshot = _unpack(session, store, archive, wanted)
    tell_admitted(session, snapshot, name, present=present)
    return snapshot, present


def tell_admitted(session: Session, snapshot: Snapshot, name: str | None, *, present: bool) -> None:
    """Say how it ended, and that a snapshot which was here already keeps its name."""
    if name is not None and snapshot.name != name:
        text = f"is here already, as {snapshot.name or snapshot.key}: it keeps that name"
        session.events.emit(Event(name, Status.WARNING, text))
    how = "is here already" if present else f"pulled as {snapshot.key}"
    session.events.emit(Event("snapshot", Status.DONE, f"{snapshot.name or 'the seed'} {how}"))


def _unpack(session: Session, store: SnapshotStore, archive: Archive, name: str | None) -> Snapshot:
    manifest = archive.manifest
    # A seed belongs to nobody: whoever has the same seed finds it by its key.
    own = labels(session.identity, "") if name is not None else {}
    store.prepare(manifest.key, own)
    try:
        store.check_room(manifest.key, manifest.bytes)
        with store.opened(manifest.key, writable=True) as container:
            tar = told(body(archive), "unpacked", manifest.bytes, session.events)
            _run_in(session, container, archive, UNPACK, tar)
            _run_in(session, container, archive, ("sh", "-euc", OWN_SCRIPT))
        session.events.emit(Event("snapshot", Status.WORKING, "comparing its files with their checksums"))
        size = store.measure(manifest.key)
        _compare(archive, store.checksums(manifest.key))
    except BaseException:
        store.discard(manifest.key)
        raise
    return store.seal(
        Snapshot(
            key=manifest.key,
            bytes=size,
            server=manifest.server,
            created=manifest.created,
            origin=manifest.origin,
            name=name,
            project=session.identity.project if name is not None else None,
            inputs=manifest.inputs,
        )
    )


def _run_in(
    session: Session,
    container: str,
    archive: Archive,
    command: tuple[str, ...],
    stdin: Iterable[bytes] | None = None,
) -> None:
    result = session.engine.execute(container, command, stdin=stdin)
    if result.exit_status != 0:
        error = OperationError(
            f"{archive.path.name} could not be unpacked",
            code="unpack_failed",
            where=str(archive.path),
            evidence=tuple(result.output.strip().splitlines()[-5:]),
            hint="`devenv doctor` shows how much room there is",
        )
        name_full(error)
        raise error


def _compare(archive: Archive, found: Mapping[str, str]) -> None:
    changed = difference(archive.manifest.files, found)
    if changed is not None:
        raise damaged(archive.path, changed)


def told(pieces: Iterable[bytes], word: str, total: int, events: EventSink) -> Iterator[bytes]:
    """The same pieces; now and then an event says how many bytes went by."""
    done, told = 0, time.monotonic()
    for piece in pieces:
        done += len(piece)
        if time.monotonic() - told > TELL_SECONDS:
            told = time.monotonic()
            events.emit(
                Event("snapshot", Status.WORKING, f"{word} {done / MB:.0f} of about {total / MB:.0f} MB")
            )
        yield piece
