"""What a Dockerfile takes from its folder by name."""

from __future__ import annotations

import json
import re
from os.path import isfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTINUATION = re.compile(r"\\[ \t]*\n(?:[ \t]*#.*\n)*")
COPY = re.compile(r"^\s*(?:COPY|ADD)\s+(?P<words>.+)$", re.IGNORECASE | re.MULTILINE)
MOUNT = re.compile(r"--mount=(?P<options>\S*type=bind\S*)", re.IGNORECASE)
WORD = re.compile(r"[^\s\"'\[\],;=&|()<>]+")
WHOLE = frozenset({"", "."})


def named(dockerfile: Path) -> set[Path]:
    """What it copies or mounts by name, and files that it mentions, as the requirements that it installs.

    A copy of the folder as a whole names nothing.
    """
    folder = dockerfile.parent
    text = CONTINUATION.sub(" ", dockerfile.read_text(encoding="utf-8-sig", errors="replace"))
    words = (folder / word for word in map(_relative, WORD.findall(text)) if word)
    mentioned = {path for path in words if isfile(path)}  # noqa: PTH113 - is_file raises for a word that is no path
    copied = {path for source in _sources(text) for path in folder.glob(source)}
    return (mentioned | copied) - {folder}


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
