"""What a `.dockerignore` keeps out of a build: its patterns as the builder reads them."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from posixpath import normpath
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

_PIECE = re.compile(r"\*\*/|\*\*|\*|\?|\[[^\]]+\]|\\.|.", re.DOTALL)
_MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True)
class Rule:
    """One pattern, also by the folders that it is written with; an exception takes back what those before keep out."""

    pattern: re.Pattern[str]
    parts: tuple[re.Pattern[str] | None, ...]
    """None is `**`, any folders."""
    is_exception: bool

    @classmethod
    def of(cls, text: str) -> Self:
        """Out of its text; raises `re.error` for one that is none."""
        plain = normpath(text.removeprefix("!").strip()).lstrip("/")
        parts = tuple(None if part == "**" else _compiled(part) for part in plain.split("/"))
        return cls(_compiled(plain), parts, text.startswith("!"))

    def reaches_into(self, folder: Sequence[str]) -> bool:
        """Whether it may be about something below the folder."""
        for mine, part in zip(self.parts, folder, strict=False):
            if mine is None:
                return True
            if not mine.fullmatch(part):
                return False
        return len(self.parts) > len(folder)


@dataclass(frozen=True)
class IgnoreRules:
    """The patterns in their order."""

    rules: tuple[Rule, ...]

    @classmethod
    def of(cls, text: str) -> Self:
        """Out of the file's text; a pattern that is none is passed over, as the builder will say so itself."""
        rules = []
        for line in text.splitlines():
            if line.strip() and not line.startswith("#"):
                with suppress(re.error):
                    rules.append(Rule.of(line.strip()))
        return cls(tuple(rules))

    def may_keep_below(self, folder: str) -> bool:
        """Whether something in a folder that is kept out may be in all the same."""
        parts = folder.split("/")
        return any(rule.is_exception and rule.reaches_into(parts) for rule in self.rules)

    def keeps_out(self, name: str) -> bool:
        """Whether the last pattern that fits the path, or a folder that it is in, keeps it out."""
        parts = name.split("/")
        ways = ["/".join(parts[: number + 1]) for number in range(len(parts))]
        out = False
        for rule in self.rules:
            if out == rule.is_exception and any(rule.pattern.fullmatch(way) for way in ways):
                out = not rule.is_exception
        return out


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(_meaning(piece) for piece in _PIECE.findall(pattern)), re.DOTALL)


def _meaning(piece: str) -> str:
    if piece in _MEANING:
        return _MEANING[piece]
    if piece.startswith("[") and len(piece) > 1:
        inner = piece[1:-1].replace("\\", "\\\\")
        return f"[^{inner[1:]}]" if inner[0] in "!^" else f"[{inner}]"
    return re.escape(piece[1:] if len(piece) > 1 else piece)
