"""Free what nothing needs any more; what it is, and how much, is said before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.database.branches import KIND_LAYER, LAYERS, remove_branch
from devenv.database.catalogue import refuse_used
from devenv.database.garbage import Inventory, Item, Kind, plan_gc
from devenv.database.pool import remove_volumes
from devenv.database.snapshots import Key, SnapshotStore, worker_name
from devenv.environments.registry import Registry
from devenv.errors import DevenvError, RefusedError
from devenv.events import Event, Status
from devenv.model import Label
from devenv.operations.generations import recover_memory
from devenv.operations.leftovers import helper_names
from devenv.operations.pool import ready_pool
from devenv.operations.retention import budget_of
from devenv.operations.sizes import measure_volumes
from devenv.project import database_volume

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from devenv.engine.observed import ObservedState
    from devenv.environments.workspace import Memory
    from devenv.operations.session import Session


@dataclass(frozen=True)
class GcResult:
    """What can go, about how much that is, and whether it is gone."""

    items: tuple[Item, ...]
    bytes: int
    freed: bool


def gc(
    session: Session, confirm: Callable[[str], bool], *, dry_run: bool = False, undo_too: bool = False
) -> GcResult:
    """Remove this environment's branches beyond the budget, unused snapshots, and what killed commands left.

    Nothing is touched that lacks devenv's labels, that another command works on, or that has a name.
    """
    session.engine.info()
    with session.workspace.locked(session.events):
        observed = session.observe()
        memory = recover_memory(session, observed)
        ready_pool(session, observed)
        items = plan_gc(_inventory(session, observed, memory), budget_of(session), undo_too=undo_too)
        total = sum(item.bytes or 0 for item in items)
        if dry_run or not items:
            return GcResult(items, total, freed=False)
        for item in items:
            size = "" if item.bytes is None else f", {item.bytes / 2**20:.1f} MB"
            session.events.emit(Event(item.name, Status.WORKING, f"{item.kind}{size}: {item.reason}"))
        if not confirm(f"Free {total / 2**20:.0f} MB by removing {len(items)} of these?"):
            raise RefusedError(
                f"this would remove {len(items)} things for good, {total / 2**20:.0f} MB",
                code="confirmation_needed",
                hint="`devenv gc --dry-run` lists them; say `devenv gc --yes` if you mean it",
            )
        removed = tuple(item for item in items if _remove(session, item))
        names = {item.name for item in removed}
        former = tuple(one for one in memory.former if _volume(session, one.generation) not in names)
        session.workspace.remember(former=former)
    return GcResult(removed, sum(item.bytes or 0 for item in removed), freed=True)


def _inventory(session: Session, observed: ObservedState, memory: Memory) -> Inventory:
    store = SnapshotStore(session.engine, "")
    kinds = {volume.name: volume.labels.get(Label.KIND) for volume in observed.volumes}
    containers = (*observed.containers, *((observed.spare,) if observed.spare else ()))
    mounted = {name for container in containers for name in container.volumes.values()}
    current = {_volume(session, memory.generation), *mounted}
    branches = [name for name, kind in kinds.items() if kind == "database" and name not in current]
    unfinished = {
        volume.labels[Key.KEY]: volume.name for volume in store.unsealed() if _is_free(volume.labels[Key.KEY])
    }
    sizes = measure_volumes(session, observed, [*branches, *unfinished.values()])
    return Inventory(
        branches={name: sizes.get(name) for name in branches},
        former=[_volume(session, one.generation) for one in memory.former],
        databases=session.engine.volumes(f"{Label.KIND}=database"),
        snapshots=store.all(),
        wanted=frozenset({memory.snapshot, *(one.snapshot for one in memory.former)}),
        unfinished={key: sizes.get(name) for key, name in unfinished.items()},
        layers=[name for name, kind in kinds.items() if kind == KIND_LAYER and _is_orphan(name, kinds)],
        containers=[
            *(name for name in helper_names(session.identity.project) if _exists(session, name)),
            *(
                worker_name(one.key)
                for one in store.all()
                if _exists(session, worker_name(one.key)) and _is_free(one.key)
            ),
        ],
    )


def _is_free(key: str) -> bool:
    """Whether no command of this user works on the snapshot of that key."""
    with Registry().free(f"snapshot-{key}") as free:
        return free


def _is_orphan(layer: str, names: Mapping[str, str | None]) -> bool:
    return not any(layer == f"{name}{suffix}" for name in names for suffix in LAYERS)


def _exists(session: Session, container: str) -> bool:
    return session.engine.container_state(container) is not None


def _volume(session: Session, generation: int) -> str:
    return database_volume(session.identity.project, generation)


def _remove(session: Session, item: Item) -> bool:
    """Whether it is gone; what cannot be removed is said, and the rest goes on."""
    store = SnapshotStore(session.engine, "")
    try:
        if item.kind is Kind.BRANCH:
            remove_branch(session.engine, item.name)
        elif item.kind is Kind.CONTAINER:
            session.engine.remove_container(item.name)
        elif item.kind is Kind.LAYER:
            remove_volumes(session.engine, (item.name,))
        else:
            _remove_snapshot(store, item)
    except DevenvError as error:
        session.events.emit(Event(item.name, Status.WARNING, f"stays: {error.message}"))
        return False
    session.events.emit(Event(item.name, Status.DONE, "removed"))
    return True


def _remove_snapshot(store: SnapshotStore, item: Item) -> None:
    """Under the lock under which branches are made, and only if none was made since the plan."""
    with Registry().locked(f"snapshot-{item.name}"):
        snapshot = store.find(item.name)
        if item.kind is Kind.UNFINISHED:
            if snapshot is None:
                store.discard(item.name)
        elif snapshot is not None:
            refuse_used(snapshot, store.engine.volumes(f"{Label.KIND}=database"))
            store.delete(snapshot)
