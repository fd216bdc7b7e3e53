"""Snapshots into an OCI registry and back: the archive of a file, kept where a team keeps its images."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from devenv.database.artifact import (
    EMPTY,
    Artifact,
    Reference,
    digest_of,
    foreign,
    read_manifest,
    write_manifest,
)
from devenv.database.catalogue import check_name, refuse_taken, resolve
from devenv.database.distribution import Repository, Upload
from devenv.database.registry_client import not_found
from devenv.environments.access import accessing
from devenv.environments.registry import Registry
from devenv.errors import DevenvError, OperationError, RefusedError, UsageError
from devenv.events import Event, Status
from devenv.images.secrets import ca_bundle, pip_settings
from devenv.operations.snapshots import image_version, refuse_unfit
from devenv.operations.transfer import (
    MB,
    PullResult,
    PushResult,
    admit,
    examine,
    open_store,
    pack,
    tell_admitted,
    told,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from devenv.database.archive import Archive
    from devenv.database.challenge import LoginOf
    from devenv.database.snapshots import Snapshot
    from devenv.operations.session import Session

FOLDER = "transfer"
"""Below `.devenv/`: an archive on its way. It is there only while a command moves one."""


def push(
    session: Session, reference: str, target: Reference, confirm: Callable[[str], bool], logins: LoginOf
) -> PushResult:
    """Put a snapshot into a registry, after its files were compared with their checksums.

    A tag that means something else already is replaced only once `confirm` says yes to the question.
    """
    begun = time.monotonic()
    store, _ = open_store(session)
    snapshot = resolve(store.all(), reference, session.identity.project)
    target = target.tagged(snapshot.name or snapshot.key)
    with _repository(target, logins, writes=True) as repository, _room(session) as folder:
        _refuse_replaced(repository, target, snapshot, confirm)
        file = folder / "snapshot.snap"
        size = pack(session, store, snapshot, file)
        artifact = Artifact(
            key=snapshot.key,
            name=snapshot.name,
            server=snapshot.server,
            created=snapshot.created,
            origin=snapshot.origin,
            bytes=snapshot.bytes,
            digest=_file_digest(file),
            size=size,
        )
        sent = _send(session, repository, artifact, file)
        manifest = write_manifest(artifact)
        repository.put_manifest(str(target.tag), manifest)
    how = f"{sent / MB:.1f} MB sent" if sent else "its archive was there already"
    session.events.emit(Event("snapshot", Status.DONE, f"{target}: {how}"))
    return PushResult(
        snapshot.name,
        snapshot.key,
        None,
        snapshot.bytes,
        size,
        time.monotonic() - begun,
        reference=str(target),
        digest=digest_of(manifest),
        sent_bytes=sent,
    )


def pull(session: Session, source: Reference, name: str | None, logins: LoginOf) -> PullResult:
    """Make the snapshot that a registry holds; it counts once every file in it was compared with its checksum.

    What the registry's manifest says is enough to refuse, or to find that the snapshot is here already: then
    nothing is fetched. All that counts is compared again in the archive itself.
    """
    begun = time.monotonic()
    if name is not None:
        check_name(name)
    with _repository(source, logins) as repository:
        manifest = _manifest(repository, source)
        artifact = read_manifest(manifest, source)
        store, image = open_store(session)
        refuse_unfit(artifact.server, image_version(session, image), str(source))
        snapshot, received = store.find(artifact.key), 0
        present = snapshot is not None
        if snapshot is not None:
            tell_admitted(session, snapshot, name, present=True)
        else:
            wanted = name if name is not None else artifact.name
            if wanted is not None:
                refuse_taken(store.all(), wanted, session.identity.project)
            with _room(session) as folder, _located(source):
                archive = _fetched(session, repository, artifact, folder)
                received = artifact.size
                _refuse_other(archive, artifact, source)
                snapshot, present = admit(session, store, archive, name)
    return PullResult(
        snapshot.name,
        snapshot.key,
        snapshot.bytes,
        snapshot.server,
        present,
        time.monotonic() - begun,
        reference=str(source),
        digest=digest_of(manifest),
        received_bytes=received,
    )


def _repository(reference: Reference, logins: LoginOf, *, writes: bool = False) -> Repository:
    """The registry, with the CA bundle that this machine trusts."""
    trusted = ca_bundle(os.environ, pip_settings(os.environ))
    return Repository(reference, logins, writes=writes, trusted=str(trusted) if trusted else None)


@contextmanager
def _room(session: Session) -> Iterator[Path]:
    """An empty folder for one command at a time, gone at the end; one that a killed command left is emptied."""
    session.workspace.prepare()
    folder = session.workspace.folder / FOLDER
    with Registry().locked(f"transfer-{session.identity.project}"):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            with accessing(folder, folder):
                folder.mkdir()
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _refuse_replaced(
    repository: Repository, target: Reference, snapshot: Snapshot, confirm: Callable[[str], bool]
) -> None:
    """Also the first word with the registry: who may not use it knows before anything is packed."""
    there = repository.manifest(str(target.tag))
    if there is None:
        return
    try:
        artifact = read_manifest(there, target)
    except DevenvError:
        what = "something that is no snapshot of devenv's"
    else:
        if artifact.key == snapshot.key:
            return
        what = f"the snapshot {artifact.name or 'of a seed'} ({artifact.key})"
    if not confirm(f"Replace {target}, which is {what}?"):
        raise RefusedError(
            f"the tag exists already: it is {what}",
            code="confirmation_needed",
            where=str(target),
            hint="choose another tag, or say --yes to replace it",
        )


def _send(session: Session, repository: Repository, artifact: Artifact, file: Path) -> int:
    """Bring the registry what it lacks; how many bytes of the archive that took."""
    if not repository.has_blob(digest_of(EMPTY)):
        repository.put_blob(digest_of(EMPTY), EMPTY)
    if repository.has_blob(artifact.digest):
        return 0
    watched = partial(told, word="sent", total=artifact.size, events=session.events)
    with file.open("rb") as content:
        repository.put_blob(artifact.digest, Upload(content, artifact.size, watched))
    return artifact.size


def _manifest(repository: Repository, source: Reference) -> bytes:
    """The manifest that a reference means; without tag and digest it means none, and the tags there are named."""
    if source.name is None:
        tags = ", ".join(repository.tags()) or "none"
        raise UsageError(
            f"this does not say which snapshot; its tags are: {tags}",
            code="bad_reference",
            where=str(source),
            hint=f"say `devenv snapshot pull {source}:TAG`",
        )
    manifest = repository.manifest(source.name)
    if manifest is None:
        found = repository.tags()
        raise not_found(source, (f"tags there: {', '.join(found)}",) if found else ())
    return manifest


def _fetched(session: Session, repository: Repository, artifact: Artifact, folder: Path) -> Archive:
    """The archive, compared with its digest on the way and with its own checksums then."""
    free = shutil.disk_usage(folder).free
    if free < artifact.size:
        raise _full(folder, f"{artifact.size / MB:.0f} MB are needed, {free / MB:.0f} MB are left")
    file = folder / f"{artifact.key}.snap"
    pieces = told(repository.blob(artifact.digest, artifact.size), "received", artifact.size, session.events)
    _write(file, pieces)
    return examine(session, file)


def _write(file: Path, pieces: Iterable[bytes]) -> None:
    try:
        with file.open("wb") as target:
            for piece in pieces:
                target.write(piece)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _full(file.parent, str(error.strerror)) from error
        raise OperationError(
            f"cannot write {file}: {error.strerror}", code="archive_unwritable", where=str(file)
        ) from error


def _full(folder: Path, reason: str) -> OperationError:
    return OperationError(
        f"no room for the archive in {folder}: {reason}",
        code="disk_full",
        where=str(folder),
        hint="free some room there; `devenv gc` shows what devenv can free",
    )


def _refuse_other(archive: Archive, artifact: Artifact, source: Reference) -> None:
    """What was decided by the registry's manifest must hold for the archive too."""
    held, said = archive.manifest, artifact
    if (held.key, held.server, held.bytes) != (said.key, said.server, said.bytes):
        reason = f"its archive holds {held.key} of {held.server} in place of {said.key} of {said.server}"
        raise foreign(source, reason)


@contextmanager
def _located(source: Reference) -> Iterator[None]:
    """An error about the file, which is gone by then, is about the reference."""
    try:
        yield
    except DevenvError as error:
        if error.code.startswith("archive_"):
            error.where = str(source)
        raise


def _file_digest(file: Path) -> str:
    with file.open("rb") as content:
        return f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"
