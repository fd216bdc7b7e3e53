"""Whether the engine's disk has room for what is about to be made, where that can be told before it is begun."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from devenv.errors import OperationError


def check_room(folder: str, needed: int, what: str) -> None:
    """Raise OperationError `disk_full` where the disk of the engine's folder has less than `needed` bytes left.

    Nothing happens where the folder cannot be seen, as that of an engine on another machine; then its own
    words tell, when it comes to that.
    """
    free = _free_bytes(Path(folder or "/nowhere"))
    if free is not None and free < needed:
        raise OperationError(
            f"{what} needs about {needed / 1e6:.0f} MB, and the disk of {folder} has {free / 1e6:.0f} MB left",
            code="disk_full",
            hint="`devenv gc` shows what can be freed; nothing was changed",
            detail={"needed": needed, "free": free},
        )


def _free_bytes(folder: Path) -> int | None:
    """Only root may look into the engine's folder: others ask the one above that they may see."""
    for path in (folder, *folder.parents):
        with suppress(PermissionError):
            try:
                return shutil.disk_usage(path).free
            except FileNotFoundError:
                return None
    return None
