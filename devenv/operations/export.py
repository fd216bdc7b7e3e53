"""Write the same model down for production: as systemd units, Swarm stack, Kubernetes objects or Compose file."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from devenv.config.problems import did_you_mean
from devenv.environments.caller import hand_over
from devenv.environments.files import write_atomically
from devenv.errors import OperationError, RefusedError, UsageError
from devenv.images.obtain import reference_of
from devenv.release import OPTIONAL, release
from devenv.render import kubernetes, production_compose, swarm, systemd
from devenv.render.exported import OURS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from devenv.config.settings import Settings
    from devenv.model import Project

TARGETS: Mapping[str, Callable[[Project, Mapping[str, str]], dict[str, str]]] = MappingProxyType(
    {
        "systemd": systemd.render,
        "swarm": swarm.render,
        "kubernetes": kubernetes.render,
        "compose": production_compose.render,
    }
)
COMPOSE_WORDS = ("swarm", "compose")
"""Targets that take a user's own services as he wrote them."""
LOCAL = "devenv/"
"""How the names of images begin that are built here and are in no registry."""


@dataclass(frozen=True)
class ExportOptions:
    """What is exported: `included` beside the application, `images` by key in place of what is used here.

    `output` is a folder or, for a target with one file, that file; None writes nothing.
    """

    target: str
    included: tuple[str, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    output: Path | None = None


@dataclass(frozen=True)
class ExportedFile:
    """One file: its name within the export, its text, and where it was written."""

    name: str
    text: str
    path: str | None = None


@dataclass(frozen=True)
class ExportResult:
    """What was exported, and what whoever deploys it has to know."""

    target: str
    files: tuple[ExportedFile, ...]
    notes: tuple[str, ...]


def export(root: Path, settings: Settings, options: ExportOptions) -> ExportResult:
    """The files of one target; raises UsageError for what is not known, RefusedError before it overwrites others'."""
    _check("a target", options.target, TARGETS)
    for name in options.included:
        _check("a service that `--with` includes", name, OPTIONAL)
    shape = release(settings, str(root), options.included)
    for key in options.images:
        _check("an image", key, shape.project.images)
    images = {
        key: options.images.get(key) or reference_of(key, image, settings.images)
        for key, image in shape.project.images.items()
    }
    texts = TARGETS[options.target](shape.project, images)
    paths = _places(texts, options.output) if options.output is not None else {}
    _write({paths[name]: text for name, text in texts.items() if name in paths})
    files = tuple(
        ExportedFile(name, text, str(paths[name]) if name in paths else None) for name, text in texts.items()
    )
    return ExportResult(options.target, files, (*shape.notes, *_notes(shape.project, images, options.target)))


def _check(what: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        meant = did_you_mean(name, known)
        raise UsageError(
            f'"{name}" is not {what}; there are {", ".join(known)}',
            hint=f'did you mean "{meant}"?' if meant else None,
        )


def _places(texts: Mapping[str, str], output: Path) -> dict[str, Path]:
    """Where each file goes: below a folder, or the only one where `output` says."""
    if len(texts) == 1 and not output.is_dir():
        return dict.fromkeys(texts, output)
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output: expected a folder for {len(texts)} files, got the file {output}")
    return {name: output / name for name in texts}


def _write(files: Mapping[Path, str]) -> None:
    for path in files:
        if path.exists() and not _is_ours(path):
            raise RefusedError(
                f"{path} was not written by `devenv export`: its first line lacks the mark",
                where=str(path),
                hint="move it away, or name another place with --output",
            )
    for path, text in files.items():
        try:
            write_atomically(path, text)
            hand_over(path)
        except OSError as error:
            raise OperationError(
                f"cannot write {path}: {error.strerror or error}",
                code="export_failed",
                where=str(path),
                hint="name a folder with --output that is yours",
            ) from error


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(OURS)) == OURS.encode()


def _notes(project: Project, images: Mapping[str, str], target: str) -> Iterator[str]:
    for key, reference in images.items():
        if reference.startswith(LOCAL):
            yield f"{reference} is only built here: push it, and name it with `--image {key}=REFERENCE`"
    if target == "kubernetes":
        for alias in (alias for service in project.services for alias in service.aliases):
            if not kubernetes.NAME.fullmatch(alias):
                yield f"left out: no Service can be called {alias}"
    own = [service.name for service in project.services if service.raw is not None]
    if own and target not in COMPOSE_WORDS:
        yield f"left out, since they are in Compose's own words: {', '.join(own)}"
