"""The edge that reads files: bytes in, text out, or a problem with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.config.document import Position
from devenv.config.variables import UNUSABLE
from devenv.errors import ConfigError, Problem

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST_FILE = 1_000_000


def read_text(path: Path, problems: list[Problem], name: str | None = None) -> str:
    """The file's text; empty, with the problem noted, if it cannot be used.

    `name` is what problems call it, by default the last part of its path.
    """
    file = name or path.name
    try:
        return _decoded(file, _content(path, file))
    except ConfigError as error:
        problems += error.problems
        return ""


def _unusable(where: Position, text: str, hint: str | None = None) -> ConfigError:
    return ConfigError((Problem(str(where), "", text, hint),))


def _content(path: Path, file: str) -> bytes:
    start = Position(file, 1, 1)
    try:
        # A FIFO or a device would block or never end.
        if path.exists() and not path.is_file():
            raise _unusable(start, "expected a file, got " + ("a folder" if path.is_dir() else "a device"))
        with path.open("rb") as stream:
            content = stream.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise _unusable(start, f"cannot be read: {error.strerror or error}") from error
    if len(content) > _LARGEST_FILE:
        raise _unusable(start, f"expected at most {_LARGEST_FILE:,} bytes, got more")
    return content


def _decoded(file: str, content: bytes) -> str:
    if content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise _unusable(
            Position(file, 1, 1), "expected UTF-8, got a byte order mark", "save it as UTF-8 without a BOM"
        )
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        at = place(file, before, len(before))
        raise _unusable(at, f"expected UTF-8, got the byte 0x{content[error.start]:02x}") from error
    # Many of them have one cause, a damaged file: the first place is enough.
    if found := UNUSABLE.search(text):
        at = place(file, text, found.start())
        raise _unusable(at, f"expected text, got the control character U+{ord(found[0]):04X}")
    return text


def place(file: str, text: str, offset: int) -> Position:
    """Where in a file an offset of its text lies."""
    before = text[:offset]
    return Position(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
