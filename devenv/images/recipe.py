"""A recipe is a folder with a Dockerfile; its fingerprint is the image's tag, so same inputs mean no build."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.config.defaults import RESOURCES
from devenv.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BASE = "base"
IGNORED = frozenset({"__pycache__", ".git", "generated_content", ".DS_Store", ".pytest_cache", ".mypy_cache"})
"""Never part of an image: what tools leave behind."""


def folder_of(recipe: str) -> Path:
    """The folder of one of our own recipes (`database`), or of a user's, which is an absolute path."""
    folder = Path(recipe) if Path(recipe).is_absolute() else RESOURCES / "compose" / recipe
    if not (folder / "Dockerfile").is_file():
        raise ImageError(
            f"no Dockerfile in {folder}",
            code="recipe_missing",
            hint="set `build:` to the folder that holds the Dockerfile, or `image:` to an image",
        )
    return folder


def fingerprint(folder: Path, *, without: Iterable[Path] = (), base: str = "") -> str:
    """Hash of names, modes and contents below `folder`, and of the image it builds on.

    Folders in `without` do not count: where the code is mapped over the image, editing it must not
    rebuild anything.
    """
    left_out = {path.resolve() for path in without}
    digest = hashlib.sha256(base.encode())
    for path in _files(folder.resolve(), left_out):
        executable = os.access(path, os.X_OK)
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        name = path.relative_to(folder.resolve()).as_posix()
        digest.update(f"\0{name}\0{executable:d}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def stamp(folders: Iterable[Path], *, without: Iterable[Path] = ()) -> str:
    """Changes whenever a fingerprint of these folders may have, and costs a look at each file, not its content."""
    left_out = {path.resolve() for path in without}
    digest = hashlib.sha256()
    for folder in folders:
        for path in _files(folder.resolve(), left_out):
            stat = path.lstat()
            identity = (stat.st_mode, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
            digest.update(f"{path} {identity}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _files(folder: Path, left_out: set[Path]) -> Iterator[Path]:
    """All files below, in an order that does not depend on the file system."""
    for path in sorted(folder.iterdir()):
        if path.name in IGNORED or path in left_out:
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _files(path, left_out)
        else:
            yield path
