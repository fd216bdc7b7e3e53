"""What on the engine can go: decided from what there is, printed before it is done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from devenv.database.catalogue import uses
from devenv.database.snapshots import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devenv.database.snapshots import Snapshot
    from devenv.engine.observed import ObservedVolume


class Kind(StrEnum):
    """What an item is, and so how it is removed."""

    BRANCH = "branch"
    SNAPSHOT = "snapshot"
    UNFINISHED = "unfinished snapshot"
    LAYER = "layer"
    CONTAINER = "container"


@dataclass(frozen=True)
class Item:
    """One thing that can go: its name, about how many bytes that frees (None where nobody knows), and why."""

    kind: Kind
    name: str
    bytes: int | None
    reason: str


@dataclass(frozen=True)
class Budget:
    """How much is kept for `undo`: branches, and bytes of all of them."""

    keep: int
    size: int

    @property
    def shown_size(self) -> str:
        """The bytes as people write them."""
        gigabytes = self.size / 2**30
        return f"{gigabytes:.1f} GB" if gigabytes >= 1 else f"{self.size / 2**20:.0f} MB"


@dataclass(frozen=True)
class Inventory:
    """What there is of one environment, and of the snapshots that all share.

    `branches` are the bytes of each of its branches but the current; `former` those that `undo` knows, the
    last first. `databases` are the branches of all environments, for the question what a snapshot is for.
    `wanted` are keys of snapshots that the environment would use next.
    """

    branches: Mapping[str, int | None]
    former: Sequence[str]
    databases: Sequence[ObservedVolume]
    snapshots: Sequence[Snapshot]
    wanted: frozenset[str]
    unfinished: Mapping[str, int | None]
    layers: Sequence[str]
    containers: Sequence[str]


def plan_gc(found: Inventory, budget: Budget, *, undo_too: bool) -> tuple[Item, ...]:
    """What can go, in the order in which it has to; with `undo_too` also what `undo` would bring back."""
    branches = _branches(found, budget, undo_too=undo_too)
    gone = {item.name for item in branches}
    left = [volume for volume in found.databases if volume.name not in gone]
    return (
        *(Item(Kind.CONTAINER, name, None, "left by a command that was killed") for name in found.containers),
        *branches,
        *_snapshots(found, left),
        *(
            Item(Kind.UNFINISHED, key, size, "left by a command that was killed")
            for key, size in found.unfinished.items()
        ),
        *(Item(Kind.LAYER, name, None, "its branch is gone") for name in found.layers),
    )


def beyond(sizes: Sequence[int | None], budget: Budget) -> tuple[str | None, ...]:
    """Why there is no room for data that are kept for `undo`; None where there is. The last put aside come first.

    For those there always is, whatever they take.
    """
    reasons: list[str | None] = []
    total = 0
    for number, size in enumerate(sizes):
        total += size or 0
        if number >= budget.keep:
            reasons.append(f"more than {budget.keep}")
        elif number > 0 and total > budget.size:
            reasons.append(f"beyond {budget.shown_size}")
        else:
            reasons.append(None)
    return tuple(reasons)


def _branches(found: Inventory, budget: Budget, *, undo_too: bool) -> tuple[Item, ...]:
    items = [
        Item(Kind.BRANCH, name, size, "no command knows it any more")
        for name, size in found.branches.items()
        if name not in found.former
    ]
    former = [name for name in found.former if name in found.branches]
    for name, reason in zip(former, beyond([found.branches[name] for name in former], budget), strict=True):
        if undo_too or reason is not None:
            why = "kept for undo" if undo_too else f"kept for undo, {reason}"
            items.append(Item(Kind.BRANCH, name, found.branches[name], why))
    return tuple(items)


def _snapshots(found: Inventory, databases: Sequence[ObservedVolume]) -> tuple[Item, ...]:
    """Snapshots without a name that no branch uses; the newest seed stays, and what is wanted next."""
    seeds = [one for one in found.snapshots if one.origin == Origin.SEED]
    kept = {*found.wanted, *(one.key for one in seeds[-1:])}
    return tuple(
        Item(Kind.SNAPSHOT, one.key, one.bytes, f"no branch uses it ({one.origin} of {one.created})")
        for one in found.snapshots
        if one.name is None and one.key not in kept and not uses(one, databases)
    )
