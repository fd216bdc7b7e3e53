"""What was written and where, so that every later message can name file, line and column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_NAME = "devenv.yaml"
LOCAL_NAME = "devenv.local.yaml"
ENV_NAME = ".env"

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Position:
    """A place in a file below the root; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


START = Position(CONFIG_NAME, 1, 1)


@dataclass(frozen=True)
class Document:
    """Plain data (dict, list, str, int, float, bool, None) that remembers its origin.

    `positions` holds the place of every value, `keys` the place of every key, and `texts` how a value
    was written where YAML made a number or a truth value of it, so that `1.10` can still become "1.10".
    """

    data: dict[str, Any]
    positions: Mapping[KeyPath, Position]
    keys: Mapping[KeyPath, Position] = field(default_factory=dict)
    texts: Mapping[KeyPath, str] = field(default_factory=dict)

    def position_of(self, path: KeyPath) -> Position:
        """The place of the value at `path`, or of the nearest thing around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.positions:
                return self.positions[path[:length]]
        return START

    def key_position_of(self, path: KeyPath) -> Position:
        """The place of the key that ends `path`, or of its value, or of the nearest thing around it."""
        return self.keys.get(path) or self.position_of(path)

    def written_position_of(self, path: KeyPath) -> Position:
        """The place of the key, or the entry, at `path` or of the nearest around it that somebody wrote."""
        while path and not self.holds(path):
            path = path[:-1]
        return self.key_position_of(path)

    def holds(self, path: KeyPath) -> bool:
        """Whether somebody wrote the value at `path`, be it as part of a short form."""
        value: Any = self.data
        for part in path:
            if not isinstance(value, dict | list):
                # "fixtures/*.sql" stands for {file: "fixtures/*.sql"}: the text is the origin of all it means.
                return value is not None
            entries: Any = value if isinstance(value, dict) else dict(enumerate(value))
            if part not in entries:
                return False
            value = entries[part]
        return True


def dotted(path: KeyPath) -> str:
    """`("database", "seed", 0, "run")` as people write it: `database.seed[0].run`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else str(part)
    return text
