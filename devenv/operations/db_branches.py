"""The branches of an environment's data, and the prompt of the server that runs on the current one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.database.pool import IN_POOL
from devenv.database.snapshots import Key
from devenv.model import Label
from devenv.operations.generations import recover_memory
from devenv.operations.inside import running_container
from devenv.services import mysql

if TYPE_CHECKING:
    from devenv.engine.observed import ObservedVolume
    from devenv.environments.workspace import Memory
    from devenv.operations.session import Session

CLIENT = (
    'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" exec mysql --protocol=tcp -h127.0.0.1 -uroot '
    '--default-character-set=utf8mb4 "$@"'
)
"""The password comes from the container's own environment, and is on no command line."""


@dataclass(frozen=True)
class BranchRow:
    """One branch; `state` is "current", "undo 1" for what the next `undo` brings, or "unused".

    `bytes` are those of its own files, None where looking at them is not cheap.
    """

    volume: str
    generation: int
    state: str
    snapshot: str
    driver: str
    bytes: int | None
    created: str


def branches(session: Session) -> tuple[BranchRow, ...]:
    """All branches, the current first, then in the order in which `undo` brings them."""
    observed = session.observe()
    memory = recover_memory(session, observed)
    rows = [
        _row(volume, memory, observed.volumes)
        for volume in observed.volumes
        if volume.labels.get(Label.KIND) == "database"
    ]
    return tuple(sorted(rows, key=lambda row: (row.state != "current", row.state, row.generation)))


def prompt(session: Session, arguments: tuple[str, ...], *, tty: bool) -> int:
    """A MySQL prompt as root in the first database; `arguments` go to the client. Its exit status."""
    container = running_container(session, mysql.NAME)
    database = f"--database={session.settings.database.databases[0]}"
    command = ("sh", "-c", CLIENT, "mysql", database, *arguments)
    return session.engine.attach(container.id, command, tty=tty)


def _row(volume: ObservedVolume, memory: Memory, volumes: tuple[ObservedVolume, ...]) -> BranchRow:
    raw = volume.labels.get(Label.GENERATION, "")
    generation = int(raw) if raw.isdigit() else 0
    known = {memory.generation: memory.snapshot} | {one.generation: one.snapshot for one in memory.former}
    upper = next((one for one in volumes if one.name == f"{volume.name}_upper"), volume)
    return BranchRow(
        volume=volume.name,
        generation=generation,
        state=_state(generation, memory),
        snapshot=known.get(generation) or volume.labels.get(Key.KEY, ""),
        driver=volume.labels.get(Label.DRIVER, ""),
        bytes=_size(upper.options.get("device", "") if IN_POOL in upper.labels else upper.mountpoint),
        created=volume.created,
    )


def _state(generation: int, memory: Memory) -> str:
    if generation == memory.generation:
        return "current"
    former = [one.generation for one in memory.former]
    return f"undo {former.index(generation) + 1}" if generation in former else "unused"


def _size(folder: str) -> int | None:
    """What its files take, where the engine's folders are this machine's and may be read."""
    if not folder:
        return None
    total = 0
    try:
        for path, _, names in os.walk(folder, onerror=_raise):
            total += sum((Path(path) / name).lstat().st_blocks * 512 for name in names)
    except OSError:
        return None
    return total


def _raise(error: OSError) -> None:
    raise error
