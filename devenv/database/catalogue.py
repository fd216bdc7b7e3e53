"""Which snapshot a user means, and which branches use one: pure questions about what the engine has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.database.snapshots import Key, Snapshot
from devenv.errors import RefusedError, UsageError
from devenv.model import Label

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from devenv.engine.observed import ObservedVolume

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
KEY = re.compile(r"[0-9a-f]{16}")
SHORTEST_KEY = 4


@dataclass(frozen=True)
class Use:
    """A branch of a snapshot: whose it is, its volume, and how it was made."""

    project: str
    volume: str
    driver: str

    def __str__(self) -> str:
        return f"{self.volume} ({self.driver})"


def check_name(name: str) -> str:
    """The name, if a snapshot may be called so; raises UsageError."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f'expected a name of letters, digits, dots, - and _, at most 63, got "{name}"',
            code="bad_snapshot_name",
        )
    if KEY.fullmatch(name):
        raise UsageError(
            f'expected a name, got "{name}", which looks like the key of a snapshot', code="bad_snapshot_name"
        )
    return name


def named(snapshots: Iterable[Snapshot], name: str, project: str) -> Snapshot | None:
    """The project's own snapshot of a name."""
    return next((one for one in snapshots if one.name == name and one.project == project), None)


def refuse_taken(snapshots: Iterable[Snapshot], name: str, project: str) -> None:
    """Raise RefusedError where the project has a snapshot of that name."""
    taken = named(snapshots, name, project)
    if taken is not None:
        raise RefusedError(
            f'there is a snapshot called "{name}" already, of {taken.created}',
            code="snapshot_exists",
            hint=f"choose another name, or delete it first: `devenv snapshot delete {name}`",
            detail={"name": name, "key": taken.key},
        )


def resolve(snapshots: Sequence[Snapshot], reference: str, project: str) -> Snapshot:
    """The snapshot that a name, a key or the beginning of a key means.

    A name means the project's own before another environment's; raises UsageError where it means none or
    several.
    """
    own = named(snapshots, reference, project)
    if own is not None:
        return own
    found = [one for one in snapshots if one.name == reference]
    if not found and len(reference) >= SHORTEST_KEY:
        found = [one for one in snapshots if one.key.startswith(reference)]
    if len(found) == 1:
        return found[0]
    if found:
        keys = ", ".join(f"{one.key} of {one.project or 'a seed'}" for one in found)
        raise UsageError(
            f'"{reference}" means several snapshots: {keys}',
            code="ambiguous_snapshot",
            hint="name it by its key",
        )
    names = ", ".join(sorted({one.name or one.key for one in snapshots})) or "none"
    raise UsageError(
        f'no snapshot is called "{reference}"; there are: {names}',
        code="unknown_snapshot",
        hint="`devenv snapshot list` shows all; `devenv snapshot save NAME` makes one",
    )


def uses(snapshot: Snapshot, volumes: Iterable[ObservedVolume]) -> tuple[Use, ...]:
    """The branches of a snapshot among all volumes of databases, in use or kept for `undo`.

    Told by their label; an overlay of older making has none, and names the snapshot in its options.
    """
    return tuple(
        Use(
            volume.labels.get(Label.PROJECT, "?"),
            volume.name,
            volume.labels.get(Label.DRIVER, "?"),
        )
        for volume in volumes
        if volume.labels.get(Key.KEY) == snapshot.key or f"/{snapshot.volume}/" in volume.options.get("o", "")
    )


def refuse_used(snapshot: Snapshot, volumes: Iterable[ObservedVolume]) -> None:
    """Raise RefusedError where a branch uses the snapshot."""
    found = uses(snapshot, volumes)
    if found:
        users = ", ".join(str(use) for use in found)
        raise RefusedError(
            f'the snapshot "{snapshot.name or snapshot.key}" is in use by {users}',
            code="snapshot_in_use",
            hint="`devenv gc` frees what is only kept for undo; `devenv --env NAME down --volumes` an environment",
            detail={"key": snapshot.key, "used_by": [vars_of(use) for use in found]},
        )


def vars_of(use: Use) -> dict[str, str]:
    """A use as an error's detail carries it."""
    return {"project": use.project, "volume": use.volume, "driver": use.driver}
