"""A seed is an ordered list of SQL files and commands; its key is a hash of all that goes into the data."""

from __future__ import annotations

import glob
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.config.settings import SeedCommand, SeedFile
from devenv.errors import SeedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

FORMAT = 1
"""Part of every key: raised when the same inputs would give other data."""


@dataclass(frozen=True, slots=True)
class LoadFile:
    """Load one SQL file into a database."""

    path: Path
    shown: str
    """How the user knows it: relative to his folder."""
    database: str

    def __str__(self) -> str:
        return self.shown


@dataclass(frozen=True, slots=True)
class RunCommand:
    """Run a command in a service's container."""

    command: str
    service: str

    def __str__(self) -> str:
        return f"{self.service}: {self.command}"


SeedStep = LoadFile | RunCommand


def expand(seed: Sequence[SeedFile | SeedCommand], root: Path, database: str) -> tuple[SeedStep, ...]:
    """The steps in order, each glob's files by name; raises SeedError for a pattern without a file."""
    steps: list[SeedStep] = []
    for item in seed:
        if isinstance(item, SeedCommand):
            steps.append(RunCommand(item.run, item.service))
            continue
        names = glob.glob(item.file, root_dir=root, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        paths = sorted(path for name in names if (path := root / name).is_file())
        if not paths:
            raise SeedError(
                f"no file matches the seed {item.file}",
                code="seed_missing",
                where="devenv.yaml: database.seed",
                hint="correct the path, or leave the entry out",
            )
        steps += [LoadFile(path, _shown(path, root), item.database or database) for path in paths]
    return tuple(steps)


def seed_key(steps: Iterable[SeedStep], code: Iterable[Path], image_id: str, flags: Sequence[str]) -> str:
    """Hash of every file's content, every command, the migrations in `code`, the image and its options."""
    digest = hashlib.sha256(json.dumps([FORMAT, image_id, list(flags)]).encode())
    for step in steps:
        if isinstance(step, LoadFile):
            digest.update(f"\0file\0{step.database}\0".encode() + _hash_of(step.path))
        else:
            digest.update(f"\0run\0{step.service}\0{step.command}".encode())
    for folder in code:
        for path in sorted(folder.glob("**/migrations/*.py")):
            digest.update(f"\0{path.relative_to(folder).as_posix()}\0".encode() + _hash_of(path))
    return digest.hexdigest()[:16]


def _hash_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
