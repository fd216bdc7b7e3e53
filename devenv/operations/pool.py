"""The pool of this engine: make it, show it, remove it, and put it back before something needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.database import pool_disk
from devenv.database.catalogue import refuse_used
from devenv.database.pool import (
    IN_POOL,
    KIND_DISK,
    SIZE,
    Pool,
    configured_name,
    find_pool,
    inhabitants,
)
from devenv.database.snapshots import KIND_DATA, Key, SnapshotStore
from devenv.environments.registry import Registry
from devenv.errors import DevenvError, OperationError, RefusedError, UsageError
from devenv.events import Event, Status
from devenv.images.obtain import ImageOrder, obtain_all, resolve_all
from devenv.model import Image, Label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from devenv.database.snapshots import Snapshot
    from devenv.engine.observed import ObservedState, ObservedVolume
    from devenv.operations.session import Session

SMALLEST = 1 << 30
TOOLS = "pool"
"""The image with the tools, and its recipe."""


@dataclass(frozen=True)
class PoolReport:
    """A pool: bytes of its size, used and free (None while it is not mounted), and who lives in it.

    `created` is whether this command made it; `name` is None where there is none.
    """

    name: str | None
    size: int = 0
    used: int | None = None
    free: int | None = None
    mounted: bool = False
    created: bool = False
    branches: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()


@dataclass(frozen=True)
class PoolRemoval:
    """The pool that is gone, with the snapshots that lived in it."""

    name: str
    snapshots: tuple[str, ...]


def create_pool(session: Session, size: int) -> PoolReport:
    """Make the pool; one of that size that is there is mounted and stays as it is.

    Snapshots and branches that exist stay where they are: a snapshot is copied into the pool when it is
    next branched. Raises OperationError `disk_full`, `pool_unsupported` or `pool_failed`.
    """
    if size < SMALLEST:
        raise UsageError(f"--size: expected at least 1G, got {size / 2**30:.2f}G")
    session.engine.info()
    name = configured_name()
    with Registry().locked(f"pool-{name}"):
        known = _known(session, name)
        if known is not None and known.size != size:
            raise RefusedError(
                f"there is a pool {name} already, of {known.size / 2**30:.1f} GB",
                code="pool_exists",
                hint="`devenv db pool remove` first; its size cannot be changed",
            )
        pool = Pool(name, size, _tools(session))
        if find_pool(session.engine, name) is not None:
            pool_disk.mount(session.engine, pool)
            return _report(session, pool)
        session.events.emit(Event("pool", Status.WORKING, f"making {name}, {size / 2**30:.1f} GB"))
        pool_disk.build(session.engine, pool)
        session.events.emit(Event("pool", Status.DONE, f"{name} is mounted at {pool.folder}"))
        return _report(session, pool, created=True)


def show_pool(session: Session) -> PoolReport:
    """The pool as it is; nothing is changed, not even mounted."""
    session.engine.info()
    pool = find_pool(session.engine)
    return PoolReport(None) if pool is None else _report(session, pool)


def remove_pool(session: Session, confirm: Callable[[str], bool]) -> PoolRemoval:
    """Remove the pool and the snapshots that live in it, once `confirm` says yes; its disk is free again.

    Refused as long as a branch of any environment lives in it, whatever was confirmed.
    """
    session.engine.info()
    name = configured_name()
    with Registry().locked(f"pool-{name}"):
        pool = _known(session, name)
        if pool is None:
            raise OperationError(
                f"there is no pool {name}", code="no_pool", hint="`devenv db pool create` makes one"
            )
        store = SnapshotStore(session.engine, "")
        doomed = _residents(session, store, pool)
        _confirm_removal(pool, doomed, confirm)
        # Branches in a pool are made under its lock: only while the question stood open could there be one.
        _refuse_inhabited(session, pool)
        for snapshot in doomed:
            with Registry().locked(f"snapshot-{snapshot.key}"):
                refuse_used(snapshot, session.engine.volumes(f"{Label.KIND}=database"))
                session.engine.remove_volume(snapshot.manifest)
        for volume in inhabitants(session.engine, name):
            session.engine.remove_volume(volume.name)
        pool_disk.destroy(session.engine, Pool(name, pool.size, _tools(session)))
    return PoolRemoval(name, tuple(_shown(snapshot) for snapshot in doomed))


def ready_pool(session: Session, observed: ObservedState, *, new_data: bool = True) -> None:
    """Mount the pools that this command may need: a reboot of the engine's machine takes the mounts away.

    That is where this environment's data live and, with `new_data`, where new data would. A pool in which a
    container of ours runs is mounted; others cost a container that looks.
    """
    homes = {volume.name: volume.labels.get(IN_POOL) for volume in observed.volumes}
    running = [one for one in observed.containers if one.is_running]
    in_use = {homes.get(name) for container in running for name in container.volumes.values()}
    wanted = {*filter(None, homes.values()), *((configured_name(),) if new_data else ())}
    for name in sorted(wanted - in_use):
        pool = find_pool(session.engine, name)
        if pool is not None:
            with Registry().locked(f"pool-{name}"):
                pool_disk.mount(session.engine, Pool(name, pool.size, _tools(session)))


def _known(session: Session, name: str) -> Pool | None:
    """The pool, or what a killed command left of it: its disk."""
    found = find_pool(session.engine, name)
    if found is not None:
        return found
    disks = session.engine.volumes(f"{Label.KIND}={KIND_DISK}")
    pools = (Pool(name, int(disk.labels.get(SIZE, 0)), "") for disk in disks)
    return next((pool for pool, disk in zip(pools, disks, strict=True) if disk.name == pool.disk), None)


def _tools(session: Session) -> str:
    """The image with the tools, which is built where it is missing."""
    order = ImageOrder({TOOLS: Image(recipe=TOOLS)}, session.settings.images)
    resolutions = resolve_all(session.engine, order)
    return obtain_all(session.engine, order, resolutions, session.bootstrap, session.events)[TOOLS].reference


def _residents(session: Session, store: SnapshotStore, pool: Pool) -> tuple[Snapshot, ...]:
    """The snapshots that would go with the pool; raises RefusedError where somebody works in it."""
    _refuse_inhabited(session, pool)
    keys = {
        volume.labels.get(Key.KEY) for volume in inhabitants(session.engine, pool.name) if _is_data(volume)
    }
    snapshots = tuple(snapshot for snapshot in store.all() if snapshot.key in keys)
    for snapshot in snapshots:
        refuse_used(snapshot, session.engine.volumes(f"{Label.KIND}=database"))
    return snapshots


def _refuse_inhabited(session: Session, pool: Pool) -> None:
    found = inhabitants(session.engine, pool.name)
    branches = _branches(found)
    whole = {snapshot.key for snapshot in SnapshotStore(session.engine, "").all()}
    building = [volume for volume in found if _is_data(volume) and _is_building(volume, whole)]
    if branches or building:
        names = ", ".join([*branches, *(volume.name for volume in building)])
        raise RefusedError(
            f"the pool {pool.name} is in use by {names}",
            code="pool_in_use",
            hint="`devenv --env NAME down --volumes` and then `devenv --env NAME gc --all` free an environment's; "
            "of one whose folder is gone, `docker volume rm`",
            detail={"pool": pool.name, "branches": list(branches)},
        )


def _is_building(volume: ObservedVolume, whole: set[str]) -> bool:
    """Whether a command makes this snapshot now; what a killed one left is no reason to keep the pool."""
    key = volume.labels.get(Key.KEY, "")
    if key in whole:
        return False
    with Registry().free(f"snapshot-{key}") as free:
        return not free


def _confirm_removal(pool: Pool, doomed: Iterable[Snapshot], confirm: Callable[[str], bool]) -> None:
    shown = ", ".join(_shown(snapshot) for snapshot in doomed)
    what = f" with these snapshots: {shown}" if shown else ""
    if not confirm(f"Remove the pool {pool.name}{what}?"):
        raise RefusedError(
            f"this would remove the pool {pool.name} for good{what}",
            code="confirmation_needed",
            hint="`devenv snapshot push NAME FILE` keeps one; say `devenv db pool remove --yes` if you mean it",
        )


def _shown(snapshot: Snapshot) -> str:
    return f'"{snapshot.name}" ({snapshot.key})' if snapshot.name else snapshot.key


def _is_data(volume: ObservedVolume) -> bool:
    return volume.labels.get(Label.KIND) == KIND_DATA


def _branches(volumes: Iterable[ObservedVolume]) -> tuple[str, ...]:
    return tuple(volume.name for volume in volumes if volume.labels.get(Label.KIND) == "database")


def _report(session: Session, pool: Pool, *, created: bool = False) -> PoolReport:
    found = inhabitants(session.engine, pool.name)
    keys = {volume.labels.get(Key.KEY) for volume in found}
    room = _room(session, pool)
    return PoolReport(
        name=pool.name,
        size=pool.size,
        used=None if room is None else room.used,
        free=None if room is None else room.free,
        mounted=room is not None,
        created=created,
        branches=_branches(found),
        snapshots=tuple(_shown(one) for one in SnapshotStore(session.engine, "").all() if one.key in keys),
    )


def _room(session: Session, pool: Pool) -> pool_disk.Room | None:
    try:
        return pool_disk.room(session.engine, pool)
    except DevenvError:
        return None
