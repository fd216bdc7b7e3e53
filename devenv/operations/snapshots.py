"""The snapshots on this engine: list them, bring one back as a new branch, delete one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from devenv.database import capture
from devenv.database.branches import remove_branch
from devenv.database.catalogue import Use, refuse_used, resolve, uses
from devenv.database.snapshots import DATA, ROOT, Snapshot, SnapshotStore
from devenv.database.versions import Fit, fit, version_of_banner
from devenv.environments.registry import Registry
from devenv.errors import OperationError, RefusedError
from devenv.events import Event, Status
from devenv.operations.data import make_branch, remember_branch
from devenv.operations.exclusive import exclusive
from devenv.operations.generations import next_generation
from devenv.operations.images import obtain
from devenv.operations.pool import ready_pool
from devenv.operations.present import Discarded, measure
from devenv.operations.reset_db import project_on
from devenv.operations.retention import forget_older
from devenv.operations.switch import started_successor, switch
from devenv.project import database_volume
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Callable

    from devenv.images.obtain import Obtained
    from devenv.model import Project
    from devenv.operations.session import Session


@dataclass(frozen=True)
class SnapshotRow:
    """One snapshot; `age_seconds` is None where nobody knows when it was made, `parent` where it came from nothing."""

    name: str | None
    key: str
    bytes: int
    created: str
    age_seconds: float | None
    server: str
    origin: str
    parent: str | None
    project: str | None
    used_by: tuple[Use, ...]


@dataclass(frozen=True)
class RestoreResult:
    """What replaced what; `upgraded_from` is the older server's version whose data were upgraded."""

    name: str | None
    key: str
    volume: str
    driver: str
    upgraded_from: str | None
    discarded: Discarded | None
    seconds: float
    running: bool


@dataclass(frozen=True)
class DeleteResult:
    """The snapshot that is gone."""

    name: str | None
    key: str
    bytes: int


def list_snapshots(session: Session) -> tuple[SnapshotRow, ...]:
    """Every complete snapshot on this engine, the oldest first, with the branches that use it."""
    session.engine.info()
    volumes = session.engine.volumes("devenv.kind=database")
    now = datetime.now(UTC)
    return tuple(
        SnapshotRow(
            name=one.name,
            key=one.key,
            bytes=one.bytes,
            created=one.created,
            age_seconds=age(one.created, now),
            server=one.server,
            origin=one.origin,
            parent=one.parent,
            project=one.project,
            used_by=uses(one, volumes),
        )
        for one in _store(session).all()
    )


def age(created: str, now: datetime) -> float | None:
    """Seconds since a time in ISO notation; None where it is none."""
    try:
        return max((now - datetime.fromisoformat(created)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def restore(session: Session, reference: str) -> RestoreResult:
    """Switch the database to a new branch of a snapshot; the data before are kept for `undo`.

    A newer server's data are refused. An older one's are upgraded in the branch, before anything is
    switched: the snapshot stays as it is, and where the upgrade fails the data in use are those before.
    """
    begun = time.monotonic()
    with exclusive(session) as turn:
        info, observed, memory = turn.info, turn.observed, turn.memory
        snapshot = resolve(_store(session).all(), reference, session.identity.project)
        generation = next_generation(session)
        project = project_on(session, info, observed, memory, generation)
        images = obtain(session, project, memory, {mysql.IMAGE})
        ready_pool(session, observed)
        upgrades = _check_version(session, snapshot, images["database"])
        text = session.render(project, images, info)
        present = measure(session, observed, memory)
        driver = _branch(session, project, snapshot, images["database"], upgrades=upgrades)
        remember = partial(remember_branch, session, generation, snapshot.key, text, at_most=present.at_most)
        with started_successor(session, observed, project, images[mysql.IMAGE]) as successor:
            running = switch(session, observed, project, successor, remember)
        seconds = time.monotonic() - begun
        forget_older(session, observed)
    return RestoreResult(
        name=snapshot.name,
        key=snapshot.key,
        volume=database_volume(session.identity.project, generation),
        driver=driver,
        upgraded_from=snapshot.server if upgrades else None,
        discarded=present.discarded,
        seconds=seconds,
        running=running,
    )


def delete(session: Session, reference: str, confirm: Callable[[str], bool]) -> DeleteResult:
    """Remove a snapshot that no branch uses, once `confirm` says yes to the question."""
    session.engine.info()
    snapshot = resolve(_store(session).all(), reference, session.identity.project)
    with Registry().locked(f"snapshot-{snapshot.key}"):
        refuse_used(snapshot, session.engine.volumes("devenv.kind=database"))
        shown = f'"{snapshot.name}" ({snapshot.key})' if snapshot.name else snapshot.key
        if snapshot.project not in {None, session.identity.project}:
            shown += f" of {snapshot.project}"
        if not confirm(f"Delete the snapshot {shown}, {snapshot.bytes / 2**20:.0f} MB?"):
            raise RefusedError(
                f"this would delete the snapshot {shown} for good",
                code="confirmation_needed",
                hint=f"say `devenv snapshot delete {reference} --yes` if you mean it",
            )
        _store(session).delete(snapshot)
    return DeleteResult(snapshot.name, snapshot.key, snapshot.bytes)


def image_version(session: Session, image: Obtained) -> str:
    """The version of an image's server: known from a seed that it made, else asked for."""
    for snapshot in _store(session).all():
        if snapshot.server and (snapshot.inputs or {}).get("image") == image.content:
            return snapshot.server
    return version_of_banner(capture.banner(session.engine, image.reference, session.identity.project))


def refuse_unfit(server: str, ours: str, what: str) -> bool:
    """Whether data of that server's version have to be upgraded; raises RefusedError for those we cannot use."""
    verdict = fit(server, ours)
    if verdict is Fit.TOO_NEW:
        raise RefusedError(
            f"{what} was written by MySQL {server}, and the image has {ours or 'an unknown version'}: "
            "data are never downgraded",
            code="snapshot_too_new",
            hint="set `database.image` in devenv.yaml to that version or a later one",
            detail={"snapshot": server, "image": ours},
        )
    if verdict is Fit.FOREIGN:
        raise RefusedError(
            f"{what} was written by another server, {server or 'of unknown version'}; the image has {ours}",
            code="snapshot_foreign",
            hint="move the data as a dump: `devenv db export` there, `devenv db import` here",
            detail={"snapshot": server, "image": ours},
        )
    return verdict is Fit.UPGRADE


def _check_version(session: Session, snapshot: Snapshot, image: Obtained) -> bool:
    what = f'the snapshot "{snapshot.name or snapshot.key}"'
    return refuse_unfit(snapshot.server, image_version(session, image), what)


def _branch(
    session: Session, project: Project, snapshot: Snapshot, image: Obtained, *, upgrades: bool
) -> str:
    """Make the branch, upgraded where it has to be; the driver that made it."""
    store = SnapshotStore(session.engine, image.reference)
    choice = make_branch(session, store, project, snapshot)
    if not upgrades:
        return choice.driver.name
    volume = project.volume(mysql.VOLUME).name
    session.events.emit(Event("database", Status.WORKING, f"upgrading a branch from MySQL {snapshot.server}"))
    try:
        capture.settle(
            session.engine,
            image.reference,
            mysql.server_flags(session.settings),
            f"{project.name}-database-upgrade",
            {volume: f"{ROOT}/{DATA}"},
            forget=False,
        )
    except OperationError as error:
        remove_branch(session.engine, volume)
        raise OperationError(
            f"the snapshot of MySQL {snapshot.server} could not be upgraded",
            code="upgrade_failed",
            evidence=error.evidence,
            hint="MySQL upgrades from one long-term version to the next only: go through those between",
        ) from error
    except BaseException:
        remove_branch(session.engine, volume)
        raise
    return choice.driver.name


def _store(session: Session) -> SnapshotStore:
    """For questions that need no container."""
    return SnapshotStore(session.engine, "")
