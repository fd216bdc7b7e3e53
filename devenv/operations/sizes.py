"""How much volumes take on the engine's disk: a worker looks, as their folders are root's."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from devenv.database.branches import LAYERS, Reflink
from devenv.database.snapshots import run_worker, worker
from devenv.images.obtain import resolve_all
from devenv.model import Label
from devenv.operations.session import configured_ports
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devenv.engine.observed import ObservedState
    from devenv.operations.session import Session

MIN_VERSION_CREATED = 23
"""An older engine takes for a volume's time that of the last change in its folder."""
MOUNTS = "/volumes"
SHOW = f"""
show() {{
  printf '%s\\t' "$1"
  find {MOUNTS}/"$1" -type f -newermt "@$2" -print0 | du -c --block-size=1 --files0-from=- | tail -n 1 | cut -f 1
}}
"""
"""A volume, and the bytes of those of its files that were written to since a time."""


def measure_volumes(session: Session, observed: ObservedState, names: Sequence[str]) -> dict[str, int]:
    """The bytes that each volume takes of its own; nothing where no image of ours is there to look with.

    Of a branch that is a layer those are the layer's, and of one that shares its blocks with the snapshot the files
    that were written to since it was made: at most so much, as no command tells which blocks of a file are shared.
    """
    image = _image(session, observed) if names else None
    if image is None:
        return {}
    known = {volume.name for volume in observed.volumes}
    layers = {name: f"{name}{LAYERS[0]}" for name in names if f"{name}{LAYERS[0]}" in known}
    is_dated = session.engine.info().major >= MIN_VERSION_CREATED
    shared = {
        one.name: one.created
        for one in observed.volumes
        if is_dated and one.labels.get(Label.DRIVER) == Reflink.name
    }
    mounts = {layers.get(name, name): f"{MOUNTS}/{name}:ro" for name in names}
    script = "\n".join((SHOW, *(f"show {name} {_seconds(shared.get(name, ''))}" for name in names)))
    result = run_worker(
        session.engine, worker(f"{session.identity.project}-database-measure", image, script, mounts)
    )
    rows = [line.split("\t") for line in result.output.splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def _seconds(created: str) -> int:
    """A volume's time as seconds since 1970; 0, since when everything was written, where nobody knows."""
    try:
        return int(datetime.fromisoformat(created).timestamp())
    except ValueError:
        return 0


def _image(session: Session, observed: ObservedState) -> str | None:
    """An image with a shell that is here: of the database's container, or the one for it."""
    for container in observed.of(mysql.NAME):
        return container.image
    ports = configured_ports(session.settings, session.shape)
    memory = session.workspace.recall()
    project = session.project(ports, memory.generation, session.engine.info())
    resolutions = resolve_all(session.engine, session.image_order(project, memory))
    reference = next(one.reference for one in resolutions if one.key == "database")
    return reference if session.engine.images([reference]) else None
