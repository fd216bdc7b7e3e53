"""In which order, and how much of it side by side, a dump is loaded."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.database.dump import Dump, Kind, Piece
from devenv.database.rewrite import Changes, Names, renamed, rewrite
from devenv.database.server import quoted
from devenv.database.statements import SEMICOLON
from devenv.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from devenv.database.statements import Script

CHUNK = 16 << 20
"""Data of one table that one connection loads in one go, in the order of the dump: neighbours in the
table's tree, away from those of other connections."""
DEFERRED_FROM = 4 << 20
"""From this size on a table's indexes are built after its data: sorting beats inserting at random places."""
KEY = re.compile(rb"^  KEY (?P<name>`(?:[^`]|``)+`) \((?P<first>`(?:[^`]|``)+`).*?,?$", re.MULTILINE)
FOREIGN = re.compile(
    rb"^  CONSTRAINT `(?:[^`]|``)+` FOREIGN KEY \(.*?\) REFERENCES (?:`[^`]+`\.)?(?P<table>`(?:[^`]|``)+`) "
    rb"\((?P<first>`(?:[^`]|``)+`).*?,?$",
    re.MULTILINE,
)
CREATE = re.compile(rb"CREATE TABLE (?:IF NOT EXISTS )?(?P<name>`(?:[^`]|``)+`) \(\n")
OUR_SESSION = b"SET SESSION foreign_key_checks=0, unique_checks=0, autocommit=0"
CREATES_DATABASE = re.compile(rb"\s*(?:/\*!\d+\s*)?CREATE\b", re.IGNORECASE)


@dataclass(frozen=True)
class Item:
    """Something to send: a piece of the file where `text` is None; `line` is where it stands in the dump."""

    line: int
    database: str | None
    start: int = 0
    end: int = 0
    text: bytes | None = None
    delimiter: bytes = SEMICOLON
    is_data: bool = False


Task = tuple[Item, ...]
"""Items that one connection sends one behind the other."""


@dataclass(frozen=True)
class Phase:
    """Tasks that may run side by side, once the phase before is over."""

    name: str
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class Layout:
    """What is sent: every stream begins with the session's settings.

    `databases` are removed before, and of them `missing` made, which the dump itself does not make.
    """

    session: Task
    phases: tuple[Phase, ...]
    databases: tuple[str, ...]
    missing: tuple[str, ...]
    changes: Mapping[str, int]


def lay_out(script: Script, dump: Dump, names: Names, target: str, wanted: str | None) -> Layout:
    """Decide the phases. `target` is filled by what the dump says for no database; `wanted` renames its only one."""
    return _Layouter(script, dump, names, target, wanted).layout()


def target_database(dump: Dump, default: str, wanted: str | None) -> str:
    """The database for what names none; raises OperationError where `wanted` could be several of the dump's."""
    named = dump.databases
    if wanted is not None and len(named) > 1:
        raise OperationError(
            f"--database: expected a dump of one database, found {', '.join(named)}",
            code="dump_databases",
            hint="leave --database out: each goes into the database of its name",
        )
    return wanted or default


class _Layouter:
    def __init__(self, script: Script, dump: Dump, names: Names, target: str, wanted: str | None) -> None:
        self.script = script
        self.dump = dump
        self.names = names
        self.target = target
        self.renamed = {dump.databases[0]: wanted} if wanted is not None and dump.databases else {}
        self.changes = Changes()

    def layout(self) -> Layout:
        """The whole of it."""
        used = [self._name(name) for name in self.dump.databases]
        if self.dump.has_nameless:
            used.append(self.target)
        databases = tuple(dict.fromkeys(used))
        made = {self._name(piece.database) for piece in self.dump.pieces if self._makes_database(piece)}
        missing = tuple(name for name in databases if name not in made)
        if self.dump.serial is None:
            session, phases = self._session(), self._phases()
        else:
            session = (Item(1, None, text=OUR_SESSION),)
            phases = (Phase("data", (tuple(self._items(self.dump.pieces)),)),)
        return Layout(session, phases, databases, missing, self.changes.counts)

    def _makes_database(self, piece: Piece) -> bool:
        text = self.script[piece.statement.start : piece.statement.start + 40]
        return piece.kind is Kind.DATABASE and CREATES_DATABASE.match(text) is not None

    def _phases(self) -> tuple[Phase, ...]:
        kinds = {Kind.SESSION, Kind.DATABASE, Kind.TABLE}
        schema = list(self._items(piece for piece in self.dump.pieces if piece.kind in kinds))
        data = [piece for piece in self.dump.pieces if piece.kind is Kind.DATA]
        keyed, indexes, foreign = self._defer(schema, data)
        code = {Kind.SESSION, Kind.CODE}
        late = tuple(self._items(piece for piece in self.dump.pieces if piece.kind in code))
        has_code = any(piece.kind is Kind.CODE for piece in self.dump.pieces)
        return tuple(
            phase
            for phase in (
                Phase("tables", (tuple(schema),)),
                Phase("data", self._data_tasks(data, keyed)),
                Phase("indexes", tuple((item,) for item in indexes)),
                Phase("foreign keys", (tuple(foreign),) if foreign else ()),
                Phase("code", (late,) if has_code else ()),
            )
            if phase.tasks
        )

    def _session(self) -> Task:
        """The settings at the head of the dump, which hold for the data."""
        head = []
        for piece in self.dump.pieces:
            if piece.kind is not Kind.SESSION:
                break
            head.append(piece)
        return (*self._items(head), Item(1, None, text=OUR_SESSION))

    def _items(self, pieces: Iterable[Piece]) -> Iterator[Item]:
        for piece in pieces:
            if piece.kind is Kind.USE:
                continue
            statement = piece.statement
            database = self._name(piece.database)
            # Whether a database is there is decided by us: the one that is made may not be in use yet.
            place = None if piece.kind in {Kind.SESSION, Kind.DATABASE} else database
            if piece.kind is Kind.DATA:
                yield Item(statement.line, place, statement.start, statement.end, is_data=True)
                continue
            try:
                text = rewrite(self.script[statement.start : statement.end], self.names, self.changes)
            except OperationError as error:
                error.where = f"line {statement.line}"
                error.detail["line"] = statement.line
                raise
            if piece.kind is Kind.DATABASE and piece.database in self.renamed:
                text = renamed(text, self.renamed[piece.database])
            # What is left of a comment is nothing, and a server refuses to run nothing.
            if text.strip():
                yield Item(statement.line, place, text=text, delimiter=statement.delimiter)

    def _name(self, database: str | None) -> str:
        return self.target if database is None else self.renamed.get(database, database)

    def _defer(
        self, schema: list[Item], data: list[Piece]
    ) -> tuple[set[tuple[str, bytes]], list[Item], list[Item]]:
        """Take indexes and foreign keys of large tables out of `schema`; tables with a primary key, and both."""
        sizes: dict[tuple[str, bytes], int] = {}
        for piece in data:
            key = (self._name(piece.database), quoted(piece.table or "").encode())
            sizes[key] = sizes.get(key, 0) + piece.bytes
        referenced = {
            (found["table"], found["first"])
            for item in schema
            for found in FOREIGN.finditer(item.text or b"")
        }
        keyed: set[tuple[str, bytes]] = set()
        indexes: list[Item] = []
        foreign: list[Item] = []
        for number, item in enumerate(schema):
            text = item.text or b""
            found = CREATE.search(text)
            if found is None or item.database is None:
                continue
            table = (item.database, found["name"])
            if b"\n  PRIMARY KEY (" in text:
                keyed.add(table)
            if sizes.get(table, 0) < DEFERRED_FROM or not _is_deferrable(text, found["name"], referenced):
                continue
            rest, keys, constraints = _without_keys(text)
            schema[number] = Item(item.line, item.database, text=rest)
            indexes += _alter(item, found["name"], keys)
            foreign += _alter(item, found["name"], constraints)
        return keyed, indexes, foreign

    def _data_tasks(self, data: list[Piece], keyed: set[tuple[str, bytes]]) -> tuple[Task, ...]:
        tables: dict[tuple[str, bytes], list[Piece]] = {}
        for piece in data:
            key = (self._name(piece.database), quoted(piece.table or "").encode())
            tables.setdefault(key, []).append(piece)
        tasks: list[Task] = []
        for table, pieces in tables.items():
            # Without a primary key the order of the rows is all that tells them apart.
            limit = CHUNK if table in keyed else 1 << 62
            total = sum(piece.bytes for piece in pieces)
            tasks += _chunks(
                tuple(self._items(pieces)), min(limit, max(total // 8, 1 << 20)) if table in keyed else limit
            )
        return tuple(sorted(tasks, key=_size, reverse=True))


def _size(task: Task) -> int:
    return sum(item.end - item.start for item in task)


def _chunks(items: Task, limit: int) -> Iterator[Task]:
    chunk: list[Item] = []
    size = 0
    for item in items:
        chunk.append(item)
        size += item.end - item.start
        if size >= limit:
            yield tuple(chunk)
            chunk, size = [], 0
    if chunk:
        yield tuple(chunk)


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
    return [Item(item.line, item.database, text=text)]


class LineMap:
    """Which line of the dump a line of a stream comes from."""

    def __init__(self) -> None:
        self._sent: list[int] = []
        self._original: list[int] = []
        self.line = 1

    def add(self, before: bytes, body: bytes, original: int) -> None:
        """`body`, which begins at line `original` of the dump, is sent behind `before`."""
        self.line += before.count(b"\n")
        self._sent.append(self.line)
        self._original.append(original)
        self.line += body.count(b"\n")

    def original(self, line: int) -> int:
        """The dump's line."""
        at = bisect_right(self._sent, line) - 1
        return self._original[at] + line - self._sent[at] if at >= 0 else line
