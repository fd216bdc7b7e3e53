"""Which files of a build's folder make its image what it is."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

DOCKERFILE = "Dockerfile"
IGNORE_FILE = ".dockerignore"
IGNORED = frozenset(
    {
        "__pycache__",
        ".git",
        ".devenv",
        ".venv",
        "generated_content",
        ".DS_Store",
        ".pytest_cache",
        ".mypy_cache",
    }
)
"""Never part of an image: what tools leave behind, we among them."""
CONTINUATION = re.compile(r"\\[ \t]*\n(?:[ \t]*#.*\n)*")
COPY = re.compile(r"^\s*(?:COPY|ADD)\s+(?P<words>.+)$", re.IGNORECASE | re.MULTILINE)
MOUNT = re.compile(r"--mount=(?P<options>\S*type=bind\S*)", re.IGNORECASE)
WORD = re.compile(r"[^\s\"'\[\],;=&|()<>]+")
WHOLE = frozenset({"", "."})


def inputs(folder: Path, mapped: Collection[Path], *, ignoring: bool) -> Iterator[Path]:
    """The files that count, in an order that does not depend on the file system; `folder` and `mapped` are resolved.

    Not those in `mapped` folders: code that is mapped over the image is not looked for in it. Where the folder itself
    is mapped, as with `build: .`, those alone that its Dockerfile names, and what is in folders that it copies. With `ignoring` also not those that its
    `.dockerignore` keeps out; without, which is quicker, they are among them.
    """
    if folder in mapped:
        yield from _named(folder)
    elif ignoring and (folder / IGNORE_FILE).is_file():
        yield from _not_ignored(folder, mapped)
    else:
        yield from _below(folder, mapped, skipping=not ignoring)


def _below(folder: Path, mapped: Collection[Path], *, skipping: bool = False) -> Iterator[Path]:
    """All files below; what cannot be read is an OSError, or skipped."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        if not skipping:
            raise
        return
    for path in paths:
        if path.name in IGNORED or path in mapped:
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _below(path, mapped, skipping=skipping)
        elif _is_copied(path):
            yield path


def _is_copied(path: Path) -> bool:
    """A socket or a pipe is not, and reading one would wait."""
    return path.is_symlink() or path.is_file()


def _not_ignored(folder: Path, mapped: Collection[Path]) -> Iterator[Path]:
    from docker.utils.build import exclude_paths  # noqa: PLC0415 - slow to import, and few folders have the file

    lines = (folder / IGNORE_FILE).read_text(encoding="utf-8-sig", errors="replace").splitlines()
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    for name in sorted(exclude_paths(str(folder), patterns, DOCKERFILE)):
        path = folder / name
        parents = path.parents[: len(path.parts) - len(folder.parts)]
        is_out = any(one.name in IGNORED or one in mapped for one in (path, *parents[:-1]))
        if not is_out and _is_copied(path):
            yield path


def _named(folder: Path) -> Iterator[Path]:
    """What the Dockerfile copies or mounts by name, and files that it mentions, as the requirements that it installs.

    Of the folder as a whole, which is the code, a copy counts for nothing.
    """
    text = CONTINUATION.sub(" ", (folder / DOCKERFILE).read_text(encoding="utf-8-sig", errors="replace"))
    mentioned = {folder / word for word in map(_relative, WORD.findall(text)) if word}
    copied = {path for source in _sources(text) for path in folder.glob(source)}
    for path in sorted({folder / DOCKERFILE, *copied} | {path for path in mentioned if path.is_file()}):
        if path.is_dir() and not path.is_symlink():
            yield from () if path == folder else _below(path, ())
        elif _is_copied(path):
            yield path


def _sources(dockerfile: str) -> Iterator[str]:
    """The patterns of what is copied from the folder, without that of all of it."""
    for match in COPY.finditer(dockerfile):
        flags, words = _split(match["words"])
        if not any(flag.startswith("--from=") for flag in flags):
            yield from filter(None, map(_relative, words[:-1]))
    for match in MOUNT.finditer(dockerfile):
        options = dict(option.partition("=")[::2] for option in match["options"].split(","))
        if "from" not in options:
            yield from filter(None, [_relative(options.get("source") or options.get("src") or "")])


def _split(words: str) -> tuple[list[str], list[str]]:
    """The flags of an instruction, and its words, which may be written as JSON."""
    flags: list[str] = []
    rest = words.strip()
    while rest.startswith("--"):
        flag, _, rest = rest.partition(" ")
        flags.append(flag)
        rest = rest.strip()
    if rest.startswith("["):
        try:
            return flags, [str(word) for word in json.loads(rest)]
        except ValueError:
            pass
    return flags, rest.split()


def _relative(source: str) -> str:
    """A source as a pattern below the folder; empty where it is all of that, is not in it or is not known before."""
    plain = source.strip("\"'").lstrip("/").removeprefix("./").rstrip("/")
    is_elsewhere = "://" in source or "$" in source or source.startswith("<<") or ".." in plain.split("/")
    return "" if is_elsewhere or plain in WHOLE else plain
