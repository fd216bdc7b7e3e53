"""Who called us: the developer whose files these are, also when he called us by sudo."""

from __future__ import annotations

import os
from contextlib import suppress
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
    """Give what we made as root to the developer who called sudo; nothing happens where it is his already.

    Anybody else has nothing to give away, and root himself takes nothing: what he finds may be a developer's.
    """
    ids = caller()
    if ids is None or ids[0] == os.getuid():
        return
    # Some shared folders know one owner only, who is the developer then.
    with suppress(OSError):
        if path.stat().st_uid != ids[0]:
            os.chown(path, *ids)
