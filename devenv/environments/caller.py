"""Who called us: the developer whose files these are, also when he called us by sudo."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def caller() -> tuple[int, int] | None:
    """User and group id of the developer; None where there are no such ids (Windows)."""
    if not hasattr(os, "getuid"):
        return None
    uid, gid = os.getuid(), os.getgid()
    if uid == 0 and os.environ.get("SUDO_UID", "").isdigit():
        return int(os.environ["SUDO_UID"]), int(os.environ.get("SUDO_GID", gid))
    return uid, gid


def hand_over(path: Path) -> None:
    """Give what we made as root to the developer; nothing happens where it is his already."""
    ids = caller()
    if ids is not None and path.stat().st_uid != ids[0]:
        os.chown(path, *ids)
