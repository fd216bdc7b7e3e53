"""A unit's command line into words, each with its place: quotes, escapes, continuation lines."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from devenv.config.document import Position

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ESCAPES = {
    "n": "\n", "t": "\t", "r": "\r", "s": " ", "a": "\a", "b": "\b", "f": "\f", "v": "\v",
}  # fmt: skip
_REFERENCE = re.compile(r"\$\{(\w+)\}|\A\$(\w+)\Z")


class UnclosedQuoteError(ValueError):
    """A quote is opened at `at` and never closed."""

    def __init__(self, at: Position) -> None:
        super().__init__("a quote is not closed")
        self.at = at


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a command line, without its quotes; it is not known where it refers to an unknown name."""

    text: str
    at: Position
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of text, and where it begins."""

    text: str
    at: Position


def joined(lines: Iterable[Line]) -> tuple[str, tuple[Position, ...]]:
    """Continued lines as one text, and the place of each of its characters."""
    text = ""
    places: list[Position] = []
    for number, line in enumerate(lines):
        piece = (" " if number else "") + line.text
        first = line.at.column - (1 if number else 0)
        places += [
            Position(line.at.file, line.at.line, max(first + offset, 1)) for offset in range(len(piece))
        ]
        text += piece
    return text, tuple(places)


def split(text: str, places: Sequence[Position]) -> tuple[Word, ...]:
    r"""The words, as systemd reads them: '...' and "..." with C's escapes in both; raises UnclosedQuoteError."""
    words: list[Word] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        start, word = at, ""
        while at < len(text) and not text[at].isspace():
            if text[at] in "\"'":
                piece, at = _quoted(text, at, places)
                word += piece
            elif text[at] == "\\" and at + 1 < len(text):
                word += _ESCAPES.get(text[at + 1], text[at + 1])
                at += 2
            else:
                word += text[at]
                at += 1
        words.append(Word(word, places[start]))
    return tuple(words)


def _quoted(text: str, start: int, places: Sequence[Position]) -> tuple[str, int]:
    """What stands between the quote at `start` and the one that closes it, and the offset behind that."""
    quote, at, found = text[start], start + 1, ""
    while at < len(text):
        if text[at] == quote:
            return found, at + 1
        if text[at] == "\\" and at + 1 < len(text):
            found += _ESCAPES.get(text[at + 1], text[at + 1])
            at += 2
        else:
            found += text[at]
            at += 1
    raise UnclosedQuoteError(places[start])


def expanded(word: Word, variables: dict[str, str]) -> Word:
    """The word with `${NAME}` and a whole `$NAME` replaced, as systemd does it; unknown names stay as they are."""
    text = word.text.replace("$$", "\0")
    is_known = all((match[1] or match[2]) in variables for match in _REFERENCE.finditer(text))
    text = _REFERENCE.sub(lambda match: variables.get(match[1] or match[2], match[0]), text)
    return replace(word, text=text.replace("\0", "$"), is_known=is_known)
