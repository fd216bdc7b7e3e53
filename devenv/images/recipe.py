"""A recipe is a folder with a Dockerfile; its fingerprint is the image's tag, so same inputs mean no build."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.config.defaults import RESOURCES
from devenv.errors import ImageError
from devenv.images.context import DOCKERFILE, IGNORE_FILE, inputs

if TYPE_CHECKING:
    from collections.abc import Iterable

BASE = "base"


def folder_of(recipe: str) -> Path:
    """The folder of one of our own recipes (`database`), or of a user's, which is an absolute path."""
    folder = Path(recipe) if Path(recipe).is_absolute() else RESOURCES / "compose" / recipe
    if not (folder / DOCKERFILE).is_file():
        raise ImageError(
            f"no Dockerfile in {folder}",
            code="recipe_missing",
            hint="set `build:` to the folder that holds the Dockerfile, or `image:` to an image",
        )
    return folder


def fingerprint(folder: Path, *, without: Iterable[Path] = (), base: str = "") -> str:
    """Hash of names, modes and contents of what makes the image, and of the image it builds on.

    Folders in `without` do not count: where the code is mapped over the image, editing it must not
    rebuild anything.

    Raises:
        ImageError: something in the folder cannot be read; its code is `recipe_unreadable`.
    """
    mapped = {path.resolve() for path in without}
    context = folder.resolve()
    digest = hashlib.sha256(base.encode())
    try:
        for path in inputs(context, mapped):
            executable = os.access(path, os.X_OK)
            content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
            name = path.relative_to(context).as_posix()
            digest.update(f"\0{name}\0{executable:d}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
            digest.update(content)
    except OSError as error:
        raise ImageError(
            f"{error.filename or folder} cannot be read: {error.strerror or error}",
            code="recipe_unreadable",
            hint=f"name it in {folder / IGNORE_FILE} if the image does not need it, or let it be read",
        ) from error
    return digest.hexdigest()[:12]


def stamp(folders: Iterable[Path], *, without: Iterable[Path] = ()) -> str:
    """Changes whenever a fingerprint of these folders may have, and costs a look at each file, not its content."""
    mapped = {path.resolve() for path in without}
    digest = hashlib.sha256()
    for folder in folders:
        try:
            for path in inputs(folder.resolve(), mapped):
                stat = path.lstat()
                identity = (stat.st_mode, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
                digest.update(f"{path} {identity}\n".encode("utf-8", "surrogateescape"))
        except OSError as error:  # the fingerprint will say so
            digest.update(f"{folder}: {error.errno}\n".encode())
    return digest.hexdigest()
