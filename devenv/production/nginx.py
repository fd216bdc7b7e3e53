"""Nginx's configuration as a list of directives, each with the blocks around it and its place. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.config.document import Position
from devenv.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILE = re.compile(r"^# configuration file (?P<file>.+):$", re.MULTILINE)
_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<comment>\#[^\n]*)|(?P<end>[;{}])"""
    r"""|(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<word>(?:\\.|\$\{[^}]*\}|[^\s;{}"'\\])(?:\\.|\$\{[^}]*\}|[^\s;{}\\])*)"""
)
_MAIN = "main"


@dataclass(frozen=True, slots=True)
class Directive:
    """`name` with its arguments, inside of `blocks` from the outermost on."""

    blocks: tuple[str, ...]
    name: str
    arguments: tuple[str, ...]
    at: Position

    @property
    def path(self) -> str:
        """Where it stands, for people: `http > server > location /static`."""
        return " > ".join((*self.blocks, self.name))

    @property
    def value(self) -> str:
        """The arguments on one line."""
        return " ".join(self.arguments)


def files(text: str) -> dict[str, str]:
    """Every file that `nginx -T` prints, by its path; a plain configuration is called `main`."""
    marks = list(_FILE.finditer(text))
    if not marks:
        return {_MAIN: text}
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    return {
        _MAIN if number == 0 else mark["file"]: "\n" * text[: mark.end()].count("\n") + text[mark.end() : end]
        for number, (mark, end) in enumerate(zip(marks, ends, strict=True))
    }


def directives(file: str, text: str, problems: list[Problem]) -> list[Directive]:
    """All directives of a configuration, blocks too, in their order."""
    found: list[Directive] = []
    blocks: list[str] = []
    words: list[tuple[str, Position]] = []
    for piece, at, is_mark in _pieces(file, text, problems):
        if not is_mark:
            words.append((piece, at))
            continue
        if piece == "}":
            if words or not blocks:
                problems.append(Problem(str(at), "", "expected ; before }" if words else "expected no }"))
            del blocks[-1:]
        elif not words:
            problems.append(Problem(str(at), "", f"expected a directive before {piece}"))
        else:
            (name, place), *arguments = words
            values = tuple(word for word, _ in arguments)
            found.append(Directive(tuple(blocks), name, values, place))
            if piece == "{":
                blocks.append(" ".join((name, *values)))
        words = []
    if words or blocks:
        problems.append(
            Problem(
                f"{file}:{text.count(chr(10)) + 1}:1",
                "",
                f"expected {'}' if blocks else ';'}, got the end of the file",
            )
        )
    return found


def _pieces(file: str, text: str, problems: list[Problem]) -> Iterator[tuple[str, Position, bool]]:
    """Words and the marks ; { } that are not quoted, with their places."""
    at = 0
    line, begin = 1, 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        place = Position(file, line, at - begin + 1)
        if match is None:
            problems.append(Problem(str(place), "", "expected a closing quote"))
            return
        piece = match[0]
        if match.lastgroup in {"word", "end"}:
            yield piece, place, match.lastgroup == "end"
        elif match.lastgroup == "quoted":
            yield piece[1:-1], place, False
        if breaks := piece.count("\n"):
            line += breaks
            begin = at + piece.rfind("\n") + 1
        at = match.end()
