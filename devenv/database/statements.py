"""The statements of an SQL script, told apart as the `mysql` client does: quotes, comments, `DELIMITER`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from devenv.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

    Script = bytes | mmap

BOM = b"\xef\xbb\xbf"
SEMICOLON = b";"
LINE_COMMENT = rb"--(?=[ \t\r\n]|\Z)[^\n]*+|\#[^\n]*+"
COMMENT = rb"/\*(?!!)(?:[^*]++|\*(?!/))*+\*/"
"""`/*!` opens code. `/*M!` is code for MariaDB alone, and a comment for MySQL."""
SANDBOX = rb"/\*M?!999999\\-[^*]*\*/;?"
BETWEEN = re.compile(rb"(?:\s++|" + LINE_COMMENT + b"|" + COMMENT + b"|" + SANDBOX + b")*+")
DELIMITER = re.compile(rb"(?i:DELIMITER)[ \t]+(\S+)[^\n]*(?:\n|\Z)")
HEADER = re.compile(rb"(?:--|/\*)[^\n]{0,20}(?:MySQL dump|MariaDB dump|mysqldump)")
"""The first line of what mysqldump and mariadb-dump write."""
LINE_OF_DATA = b"INSERT INTO `"
AFTER_DATA = re.compile(rb"INSERT INTO `|/\*!\d{5} |UNLOCK TABLES;|commit;|COMMIT;|\n*--[ \n]|\n*\Z")
SQL_MODE = re.compile(rb"(?:/\*!\d*\s*)?SET\b[^;]*\bSQL_MODE\b", re.IGNORECASE)
EXCERPT = 300


@dataclass(frozen=True, slots=True)
class Statement:
    """Where a statement stands: bytes from `start` up to `end`, its delimiter left out; `line` counts from 1."""

    start: int
    end: int
    line: int
    delimiter: bytes = SEMICOLON


def statements(script: Script) -> Iterator[Statement]:
    """Every statement in order; raises OperationError `dump_broken` for a quote that nothing closes."""
    position, line, delimiter, escapes = 0, 1, SEMICOLON, True
    if script[:3] == BOM:
        position = len(BOM)
    size = len(script)
    is_mysqldump = HEADER.search(script[:2000]) is not None
    while True:
        between = _end(BETWEEN, script, position)
        line += script[position:between].count(b"\n")
        position = between
        if position >= size:
            return
        end = _line_of_data(script, position) if is_mysqldump and delimiter == SEMICOLON else -1
        if end > 0:
            yield Statement(position, end, line)
            position = end + 1
            continue
        changed = DELIMITER.match(script, position)
        if changed is not None:
            delimiter, position, line = changed[1], changed.end(), line + 1
            continue
        found = _statement(delimiter, escapes, ended=True).match(script, position)
        end = found.end() - len(delimiter) if found else size
        if found is None and _end(_statement(delimiter, escapes, ended=False), script, position) < size:
            raise _open_quote(script, position, line)
        if end > position:
            yield Statement(position, end, line, delimiter)
        after = end + len(delimiter) if found else size
        # The mode decides whether a backslash escapes, and mysqldump sets it around every routine.
        if after - position < 2000 and SQL_MODE.match(script, position):
            escapes = b"NO_BACKSLASH_ESCAPES" not in script[position:end].upper()
        line += script[position:after].count(b"\n")
        position = after


def _line_of_data(script: Script, position: int) -> int:
    r"""The end of an INSERT of mysqldump's, -1 where this is none.

    It writes each on one line and line breaks in data as `\n`; finding the line's end costs a tenth of
    looking at every quote. What follows has to look like mysqldump's too, lest somebody edited it.
    """
    if script[position : position + len(LINE_OF_DATA)] != LINE_OF_DATA:
        return -1
    end = script.find(b"\n", position)
    if end < 0 or script[end - 2 : end] != b");" or AFTER_DATA.match(script, end + 1) is None:
        return -1
    return end - 1


def shortened(text: bytes) -> str:
    """The beginning of a statement, for people."""
    shown = text.decode(errors="replace").strip()
    return shown if len(shown) <= EXCERPT else shown[:EXCERPT] + " ..."


@cache
def _statement(delimiter: bytes, escapes: bool, *, ended: bool) -> re.Pattern[bytes]:
    """Everything up to the delimiter, none of it inside quotes or comments.

    Possessive throughout: it never goes back, so that its time grows with the length and not beyond.
    """
    body = rb"(?:[^{q}\\]++|\\.)*+" if escapes else rb"[^{q}]*+"
    quoted = b"|".join(b"%b%b%b" % (q, body.replace(b"{q}", q), q) for q in (b"'", b'"'))
    first = re.escape(delimiter[:1])
    end = re.escape(delimiter)
    return re.compile(
        rb"(?:[^'\"`/#\-"
        + first
        + rb"]++|"
        + quoted
        + rb"|`[^`]*+`|"
        + LINE_COMMENT
        + b"|"
        + COMMENT
        # What is left of the special characters, where it begins nothing.
        + rb"|(?!"
        + end
        + rb")(?:[\-/]|"
        + first
        + rb"))*+"
        + (end if ended else b""),
        re.DOTALL,
    )


def _end(pattern: re.Pattern[bytes], script: Script, position: int) -> int:
    found = pattern.match(script, position)
    return found.end() if found else position


def _open_quote(script: Script, position: int, line: int) -> OperationError:
    stopped = _end(_statement(SEMICOLON, escapes=True, ended=False), script, position)
    at = line + script[position:stopped].count(b"\n")
    return OperationError(
        f"a quote or comment opens at line {at} and nothing closes it: the dump is incomplete or no SQL",
        code="dump_broken",
        hint="make the dump anew, and compare its size with the original's",
        detail={"line": at},
        evidence=(f"statement: {shortened(script[position : position + 2 * EXCERPT])}",),
    )
