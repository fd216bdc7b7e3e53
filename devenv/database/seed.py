"""A seed is an ordered list of SQL files and commands; its key is a hash of all that goes into the data."""

from __future__ import annotations

import glob
import hashlib
import json
import re
from dataclasses import dataclass
from itertools import dropwhile
from typing import TYPE_CHECKING, Any

from devenv.errors import SeedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from devenv.config.settings import SeedCommand, SeedFile

FORMAT = 1
"""Part of every key: raised when the same inputs would give other data."""
STEP = "step "
MIGRATION = "migration:"
FIXTURE = "fixture:"
"""How the names of inputs begin that are a step, with its number, or a file with a migration or a fixture."""
RUN_IN = ": run in "
OPTIONS = r"(?:\s+-[\w=.,:/-]+)*"
MIGRATES = re.compile(
    rf"\s*(?:(?:(?:\S*/)?python[\d.]*\s+)?(?:\S*/)?(?:manage\.py|django-admin)\s+migrate|alembic{OPTIONS}\s+upgrade\s+heads?"
    rf"|flyway{OPTIONS}\s+migrate|liquibase{OPTIONS}\s+update){OPTIONS}\s*"
)
"""Commands that do what is new, nothing twice, and nothing else."""
LOADS_FIXTURES = "loaddata"


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
    item: Any
    for item in seed:
        # Told apart by what they have: settings that were kept from an earlier command are of no class.
        if hasattr(item, "run"):
            steps.append(RunCommand(item.run, item.service))
            continue
        names = glob.glob(item.file, root_dir=root, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        paths = sorted(path for name in names if (path := root / name).is_file())
        if not paths:
            raise SeedError(
                f"no file matches the seed {item.file}",
                code="seed_missing",
                hint="correct the path, or leave the entry out",
                detail={"pattern": item.file},
            )
        steps += [LoadFile(path, _shown(path, root), item.database or database) for path in paths]
    return tuple(steps)


def seed_inputs(
    steps: Collection[SeedStep],
    code: Iterable[Path],
    image: str,
    options: Sequence[str],
    hash_of: Callable[[Path], str] | None = None,
) -> dict[str, str]:
    """All that decides what the seed's data will be, by name: the server, every step, every migration.

    `image` is its content, see `Obtained`. Migrations are the `migrations/*.py` below the folders in `code`, and what
    `loaddata` finds by name are the `fixtures/` there.
    `hash_of` gives the hash of a file's content, `content_hash` unless somebody remembers it.
    """
    hash_of = hash_of or content_hash
    inputs = {"format": str(FORMAT), "image": image, "options": _short(json.dumps(list(options)).encode())}
    for number, step in enumerate(steps):
        if isinstance(step, LoadFile):
            inputs[f"{STEP}{number}: load into {step.database}"] = hash_of(step.path)
        else:
            inputs[f"{STEP}{number}{RUN_IN}{step.service}"] = step.command
    patterns = {MIGRATION: "**/migrations/*.py"}
    if any(isinstance(step, RunCommand) and LOADS_FIXTURES in step.command for step in steps):
        patterns[FIXTURE] = "**/fixtures/**/*"
    for folder in code:
        for kind, pattern in patterns.items():
            for path in sorted(one for one in folder.glob(pattern) if one.is_file()):
                inputs[f"{kind}{path.relative_to(folder).as_posix()}"] = hash_of(path)
    return inputs


def ends_with_migrations(inputs: Mapping[str, str]) -> bool:
    """Whether the steps are files and then nothing but migrations, so that more of these can be added behind them.

    Another command might do twice what it did, or have seen what a later migration makes of it.
    """
    steps = sorted(
        (int(name.removeprefix(STEP).partition(":")[0]), name) for name in inputs if name.startswith(STEP)
    )
    commands = dropwhile(lambda name: RUN_IN not in name, (name for _, name in steps))
    return all(RUN_IN in name and MIGRATES.fullmatch(inputs[name]) for name in commands)


def seed_key(inputs: Mapping[str, str]) -> str:
    """The name of the data that these inputs give."""
    return _short(json.dumps(inputs, sort_keys=True).encode())


def content_hash(path: Path) -> str:
    """A hash of the file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
