"""Rows that the server reads as a file: LOAD DATA takes half the time of the same INSERT statements. Pure.

The lines of a dump serve as they are. `INSERT INTO ... VALUES ` and what else stands between two rows lies before
a `(`, which is skipped; a row ends at its `)`; values are separated and quoted alike. That holds for what
mysqldump and mariadb-dump write of most types, and is checked for every row: whatever else somebody put
there is left to the statement.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devenv.database.layout import Item
    from devenv.database.statements import Script

TYPES = (
    rb"tinyint|smallint|mediumint|int|bigint|decimal|float|double|char|varchar|tinytext|text|mediumtext|longtext"
    rb"|date|datetime|timestamp|time|enum|set|json"
)
"""Their values are written as numbers or quoted, and mean the same in a file. Others may be bytes."""
COLUMN = re.compile(rb"^  `(?:[^`]|``)+` (?P<type>(?:" + TYPES + rb")\b)?", re.MULTILINE)
OTHERWISE = re.compile(rb"PARTITION BY|GENERATED ALWAYS|\bINVISIBLE\b|\bbinary\b", re.IGNORECASE)
"""Columns that the rows leave out, and texts that are bytes."""

# A quote behind anything but a backslash ends the value: finding it is six times as fast as looking at all.
TEXT = rb"'(?:[^']*+(?<!\\)'|(?:[^'\\]++|\\.)*+')"
VALUE = rb"(?:" + TEXT + rb"|NULL|-?\d[\d.]*+(?:e[+-]?\d+)?)"
ROW = rb"\(" + VALUE + rb"(?:," + VALUE + rb")*+\)"
INSERT = rb"INSERT INTO `[^`(]++` VALUES[ \n]" + ROW + rb"(?:,\n?" + ROW + rb")*+"
INSERTS = re.compile(INSERT + rb"(?:;\n" + INSERT + rb")*+", re.DOTALL)
READ_OTHERWISE = re.compile(rb"\\[%_N]")
"""What a backslash makes of these letters is not the same in a file."""

CHARSET = re.compile(rb"\bSET\s+NAMES\s+'?(\w+)", re.IGNORECASE)
CHARSETS = {b"utf8mb4": "utf8mb4", b"utf8mb3": "utf8mb3", b"utf8": "utf8mb3"}
OTHER_QUOTES = re.compile(rb"NO_BACKSLASH_ESCAPES|ANSI_QUOTES|\bANSI\b", re.IGNORECASE)


def is_table_of_plain_values(create: bytes) -> bool:
    """Whether a table's rows may be read from a file, as far as its CREATE TABLE tells.

    Only where a failed attempt can be taken back, and every column is in every row.
    """
    columns = list(COLUMN.finditer(create))
    known = bool(columns) and all(found["type"] for found in columns)
    return known and b"\n) ENGINE=InnoDB" in create and OTHERWISE.search(create) is None


def charset(head: Iterable[bytes]) -> str | None:
    """The character set of the rows after the settings at a dump's head; None where no file could be of it."""
    found = "utf8mb4"
    for text in head:
        if OTHER_QUOTES.search(text):
            return None
        names = CHARSET.search(text)
        if names is not None:
            known = CHARSETS.get(names[1].lower())
            if known is None:
                return None
            found = known
    return found


def is_plain(script: Script, items: Iterable[Item]) -> bool:
    """Whether a file of these INSERTs means what they mean: nothing in them but plain rows."""
    return all(
        INSERTS.fullmatch(script, item.start, item.end) is not None
        and (
            # Most have none at all, and looking for one letter is much faster.
            script.find(b"\\", item.start, item.end) < 0
            or READ_OTHERWISE.search(script, item.start, item.end) is None
        )
        for item in items
    )


def load_statement(path: str, table: str, names: str) -> str:
    """The statement that reads such a file into a table."""
    return (
        f"LOAD DATA INFILE '{path}' INTO TABLE {table} CHARACTER SET {names} "
        "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\\'' ESCAPED BY '\\\\' "
        "LINES STARTING BY '(' TERMINATED BY ')'"
    )
