"""What the file system refuses, as an error that a user can act on: whose the folder is, and the next command."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from devenv.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CODES = {"read": "file_unreadable", "write": "file_unwritable"}
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_DENIED = frozenset({errno.EACCES, errno.EPERM})


@contextmanager
def accessing(path: Path, folder: Path, doing: Literal["read", "write"] = "write") -> Iterator[None]:
    """The block reads or writes `path`, which is devenv's own `folder` or lies in it.

    Raises OperationError `disk_full`, `file_unwritable` or `file_unreadable` in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise _refused(error, path, folder, doing) from error


def _refused(error: OSError, path: Path, folder: Path, doing: str) -> OperationError:
    message = f"cannot {doing} {path}: {error.strerror or error}"
    if error.errno in _FULL:
        hint = f"free some room on the disk that holds {folder}, then run the command again"
        return OperationError(message, code="disk_full", hint=hint, detail={"path": str(path)})
    hint = f"`ls -ld {folder}` shows what is there: it has to be a folder that you can write to"
    detail = {"path": str(path)}
    foreign = _foreign(path) if error.errno in _DENIED else None
    if foreign is not None:
        place, owner = foreign
        message += f"; {'it' if place == path else place} belongs to {owner}"
        hint = (
            f"`{_gift(folder)}` makes it yours"
            if place.is_relative_to(folder)
            else f"make {place} writable for you, or use a folder that is yours"
        )
        detail["owner"] = owner
    return OperationError(message, code=_CODES[doing], hint=hint, detail=detail)


def _gift(folder: Path) -> str:
    import shlex  # noqa: PLC0415 - only a refusal needs it

    return f"sudo chown -R $USER {shlex.quote(str(folder))}"


def _foreign(path: Path) -> tuple[Path, str] | None:
    """The path, or else the folder that holds it, with its owner's name; None where neither is somebody else's."""
    if not hasattr(os, "getuid") or os.getuid() == 0:
        return None  # whoever a file belongs to, that is not what stops root
    holder = next((one for one in path.parents if _owner(one) is not None), None)
    for place in (path, holder):
        uid = None if place is None else _owner(place)
        if place is not None and uid not in (None, os.getuid()):
            return place, _name(uid)
    return None


def _owner(path: Path) -> int | None:
    try:
        return path.stat().st_uid
    except OSError:
        return None


def _name(uid: int) -> str:
    import pwd  # noqa: PLC0415 - likewise

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
