"""Indexes and foreign keys of large tables, made after the data: sorting beats inserting at random places. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devenv.database.layout import Item

DEFERRED_FROM = 64 << 20
"""Bytes of a table's data. The indexes of a smaller one stay in the smallest buffer pool while it is filled, and
reading the table once more to sort them costs as much as that."""
KEY = re.compile(rb"^  KEY (?P<name>`(?:[^`]|``)+`) \((?P<first>`(?:[^`]|``)+`).*?,?$", re.MULTILINE)
FOREIGN = re.compile(
    rb"^  CONSTRAINT `(?:[^`]|``)+` FOREIGN KEY \(.*?\) REFERENCES (?:`[^`]+`\.)?(?P<table>`(?:[^`]|``)+`) "
    rb"\((?P<first>`(?:[^`]|``)+`).*?,?$",
    re.MULTILINE,
)
CREATE = re.compile(rb"CREATE TABLE (?:IF NOT EXISTS )?(?P<name>`(?:[^`]|``)+`) \(\n")
Table = tuple[str, bytes]
"""Its database, and its quoted name."""


@dataclass(frozen=True)
class Deferred:
    """A schema without what can wait, and that: statements that may run side by side, and those behind them."""

    schema: tuple[Item, ...]
    indexes: tuple[Item, ...]
    foreign: tuple[Item, ...]


def defer(schema: Sequence[Item], sizes: Mapping[Table, int]) -> Deferred:
    """Take indexes and foreign keys of large tables out; `sizes` are bytes of the tables' data."""
    referenced = {
        (found["table"], found["first"]) for item in schema for found in FOREIGN.finditer(item.text or b"")
    }
    kept: list[Item] = []
    indexes: list[Item] = []
    foreign: list[Item] = []
    for item in schema:
        kept.append(item)
        table = made_table(item)
        text = item.text or b""
        if table is None or sizes.get(table, 0) < DEFERRED_FROM:
            continue
        if _is_deferrable(text, table[1], referenced):
            rest, keys, constraints = _without_keys(text)
            kept[-1] = replace(item, text=rest)
            indexes += _alter(item, table[1], keys)
            foreign += _alter(item, table[1], constraints)
    return Deferred(tuple(kept), tuple(indexes), tuple(foreign))


def made_table(item: Item) -> Table | None:
    """The table that a statement makes, where it does, in the words of mysqldump."""
    found = CREATE.search(item.text or b"")
    return None if found is None or item.database is None else (item.database, found["name"])


def _is_deferrable(text: bytes, table: bytes, referenced: set[tuple[bytes, bytes]]) -> bool:
    """Whether the data can do without the indexes: none is needed by AUTO_INCREMENT or another table."""
    if b"ENGINE=InnoDB" not in text or b"PARTITION BY" in text:
        return False
    counter = re.search(rb"^  (`(?:[^`]|``)+`) [^\n]*\bAUTO_INCREMENT\b", text, re.MULTILINE)
    firsts = {found["first"] for found in KEY.finditer(text)}
    if not firsts or any((table, first) in referenced for first in firsts):
        return False
    return counter is None or b"\n  PRIMARY KEY (" + counter[1] in text


def _without_keys(text: bytes) -> tuple[bytes, list[bytes], list[bytes]]:
    """A CREATE TABLE without plain indexes and foreign keys, and these; as many lines as before."""
    keys = [found[0].strip().rstrip(b",") for found in KEY.finditer(text)]
    constraints = [found[0].strip().rstrip(b",") for found in FOREIGN.finditer(text)]
    rest = FOREIGN.sub(b"", KEY.sub(b"", text))
    return re.sub(rb",(\s*\n\) )", rb"\1", rest), keys, constraints


def _alter(item: Item, table: bytes, parts: list[bytes]) -> list[Item]:
    if not parts:
        return []
    text = b"ALTER TABLE " + table + b" " + b", ".join(b"ADD " + part for part in parts)
    return [replace(item, text=text)]
