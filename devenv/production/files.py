"""The edge that reads a manifest's files: one file, or a folder with several of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.config.text import read_text
from devenv.errors import ConfigError, Problem
from devenv.production.combine import DOCUMENT_SUFFIXES, read_manifest
from devenv.production.systemd import UNIT_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from devenv.production.manifest import Manifest

READ = (*DOCUMENT_SUFFIXES, *UNIT_SUFFIXES, ".env")
MOST_FILES = 500


def load_manifest(root: Path, named: str, where: str) -> Manifest:
    """The manifest that `production.manifest` names, relative to `root`; `where` is where it does so.

    Raises:
        ConfigError: with every problem, each at its place in the manifest.
    """
    path = (root / named).resolve()
    if not path.exists():
        text = f"expected a file or a folder, got {named}, which does not exist"
        raise ConfigError((Problem(where, "production.manifest", text),))
    problems: list[Problem] = []
    texts = {file: read_text(found, problems, file) for found, file in _files(root.resolve(), path)}
    if problems:
        raise ConfigError(tuple(problems))
    return read_manifest(texts, named)


def load_text(root: Path, named: str, where: str, key: str) -> tuple[str, str]:
    """A file's name, as problems show it, and its text; raises ConfigError where it cannot be read."""
    path = (root / named).resolve()
    if not path.is_file():
        raise ConfigError((Problem(where, key, f"expected a file, got {named}, which is none"),))
    problems: list[Problem] = []
    file = _shown(root.resolve(), path)
    text = read_text(path, problems, file)
    if problems:
        raise ConfigError(tuple(problems))
    return file, text


def _files(root: Path, path: Path) -> Iterator[tuple[Path, str]]:
    """The file, with the env files beside it, or all files of the folder that may say something."""
    if path.is_file():
        yield path, _shown(root, path)
        yield from (
            (found, _shown(root, found)) for found in sorted(path.parent.glob("*.env")) if found.is_file()
        )
        return
    found = (one for one in sorted(path.rglob("*")) if one.suffix in READ and one.is_file())
    for number, one in enumerate(found):
        if number >= MOST_FILES:
            text = f"expected at most {MOST_FILES} files below it, got more"
            raise ConfigError((Problem(str(path), "production.manifest", text),))
        yield one, _shown(root, one)


def _shown(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
