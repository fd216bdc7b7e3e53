"""Which files of a build's folder make its image what it is."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from os.path import isfile
from typing import TYPE_CHECKING

from devenv.images.ignore import IgnoreRules

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
NO_RULES = IgnoreRules(())


def inputs(folder: Path, mapped: Collection[Path]) -> Iterator[Path]:
    """The files that count, in an order that does not depend on the file system; `folder` and `mapped` are resolved.

    Not those in `mapped` folders: code that is mapped over the image is not looked for in it. Where the folder itself
    is mapped, as with `build: .`, those alone that its Dockerfile names, and what is in folders that it copies. Nor
    what its `.dockerignore` keeps out. What cannot be read is an OSError.
    """
    if folder in mapped:
        return _named(folder)
    return _Below(folder, mapped, _rules(folder)).files(folder)


def _rules(folder: Path) -> IgnoreRules:
    try:
        return IgnoreRules.of((folder / IGNORE_FILE).read_text(encoding="utf-8-sig", errors="replace"))
    except FileNotFoundError:
        return NO_RULES


@dataclass(frozen=True)
class _Below:
    """The files below a folder of the build."""

    context: Path
    mapped: Collection[Path]
    rules: IgnoreRules

    def files(self, folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path.name in IGNORED or path in self.mapped:
                continue
            name = path.relative_to(self.context).as_posix() if self.rules.rules else ""
            # The builder takes the Dockerfile whatever the rules say.
            is_out = name not in {"", DOCKERFILE} and self.rules.keeps_out(name)
            if path.is_symlink() or not path.is_dir():
                if not is_out and _is_copied(path):
                    yield path
            elif not is_out:
                yield from self.files(path)
            elif self.rules.may_keep_below(name):
                with suppress(PermissionError):  # what is kept out need not be read
                    yield from self.files(path)


def _is_copied(path: Path) -> bool:
    """A socket or a pipe is not, and reading one would wait."""
    return path.is_symlink() or path.is_file()


def _named(folder: Path) -> Iterator[Path]:
    """What the Dockerfile copies or mounts by name, and files that it mentions, as the requirements that it installs.

    Of the folder as a whole, which is the code, a copy counts for nothing.
    """
    rules = _rules(folder)
    text = CONTINUATION.sub(" ", (folder / DOCKERFILE).read_text(encoding="utf-8-sig", errors="replace"))
    words = (folder / word for word in map(_relative, WORD.findall(text)) if word)
    mentioned = {path for path in words if isfile(path)}  # noqa: PTH113 - is_file raises for a word that is no path
    copied = {path for source in _sources(text) for path in folder.glob(source)}
    for path in sorted({folder / DOCKERFILE, *copied, *mentioned}):
        if path.is_dir() and not path.is_symlink():
            yield from () if path == folder else _Below(folder, (), rules).files(path)
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
