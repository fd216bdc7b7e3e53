"""Which environment a folder is: the main checkout, a linked worktree, or one that was named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.environments.workspace import MAIN
from devenv.errors import UsageError
from devenv.project import Identity

if TYPE_CHECKING:
    from devenv.environments.registry import Registry

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")


def worktree_name(root: Path) -> str | None:
    """Name of the linked git worktree that `root` lies in; None in a main checkout or without git.

    In a linked worktree `.git` is a file that points into `<main>/.git/worktrees/<name>`.
    """
    for folder in (root, *root.parents):
        git = folder / ".git"
        if git.is_dir():
            return None
        if git.is_file():
            pointer = Path(git.read_text(encoding="utf-8").partition(":")[2].strip())
            return valid_name(pointer.name) if pointer.parent.name == "worktrees" else None
    return None


def valid_name(text: str) -> str:
    """The text as a Compose project may be called."""
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")[:40] or "environment"


def identify(
    root: Path, base_name: str, requested: str | None, remembered: str | None, registry: Registry
) -> Identity:
    """Find or claim this folder's environment.

    A requested environment (`--env`) has the base name with its own suffix. Otherwise the project
    that this folder had before stays; a new folder gets the base name, with the worktree's name in a
    linked worktree, and with a number where another folder on this machine has that name.
    """
    worktree = str(root)
    if requested is not None and requested != MAIN:
        if not NAME.fullmatch(requested):
            raise UsageError(f'--env: expected a name such as "feature-x", got "{requested}"')
        return Identity(registry.claim(f"{base_name}-{requested}", worktree), requested, worktree)
    linked = worktree_name(root)
    wanted = base_name if linked is None else f"{base_name}-{linked}"
    if remembered is not None and (
        remembered == wanted or re.fullmatch(rf"{re.escape(wanted)}-\d+", remembered)
    ):
        wanted = remembered
    return Identity(registry.claim(wanted, worktree), linked or MAIN, worktree)
