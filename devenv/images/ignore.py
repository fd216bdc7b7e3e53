"""What a `.dockerignore` keeps out of a build: its patterns as the builder reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from posixpath import normpath
from typing import Self

_PIECE = re.compile(r"\*\*/|\*\*|\*|\?|\[[^\]]+\]|\\.|.", re.DOTALL)
_MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True)
class IgnoreRules:
    """The patterns in their order, each with whether it takes back what those before keep out."""

    rules: tuple[tuple[re.Pattern[str], bool], ...]

    @classmethod
    def of(cls, text: str) -> Self:
        """Out of the file's text; a pattern that is none is passed over, as the builder will say so itself."""
        rules = []
        for line in text.splitlines():
            pattern = line.strip()
            if not pattern or line.startswith("#"):
                continue
            is_exception = pattern.startswith("!")
            pattern = normpath(pattern.removeprefix("!").strip()).lstrip("/")
            try:
                rules.append((re.compile(_translated(pattern), re.DOTALL), is_exception))
            except re.error:
                continue
        return cls(tuple(rules))

    @property
    def has_exceptions(self) -> bool:
        """Whether something in a folder that is kept out may be in all the same."""
        return any(is_exception for _, is_exception in self.rules)

    def keeps_out(self, name: str) -> bool:
        """Whether the last pattern that fits the path, or a folder that it is in, keeps it out."""
        parts = name.split("/")
        ways = ["/".join(parts[: number + 1]) for number in range(len(parts))]
        out = False
        for pattern, is_exception in self.rules:
            if out == is_exception and any(pattern.fullmatch(way) for way in ways):
                out = not is_exception
        return out


def _translated(pattern: str) -> str:
    return "".join(_meaning(piece) for piece in _PIECE.findall(pattern))


def _meaning(piece: str) -> str:
    if piece in _MEANING:
        return _MEANING[piece]
    if piece.startswith("[") and len(piece) > 1:
        inner = piece[1:-1].replace("\\", "\\\\")
        return f"[^{inner[1:]}]" if inner[0] in "!^" else f"[{inner}]"
    return re.escape(piece[1:] if len(piece) > 1 else piece)
