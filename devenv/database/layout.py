"""In which order, and how much of it side by side, a dump is loaded."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from devenv.database.bulk import charset, is_table_of_plain_values
from devenv.database.deferred import defer, made_table
from devenv.database.dump import Dump, Kind, Piece
from devenv.database.rewrite import Changes, Names, renamed, rewrite
from devenv.database.server import quoted
from devenv.database.statements import SEMICOLON
from devenv.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from devenv.database.deferred import Table
    from devenv.database.statements import Script

CHUNK = 16 << 20
"""Data of one table that one connection loads in one go, in the order of the dump: neighbours in the
table's tree, away from those of other connections."""
SMALLEST = 8 << 20
"""Less of a table is not worth another connection."""
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
    table: str | None = None
    """For data whose rows the server may read from a file: the table, quoted and with its database."""


Task = tuple[Item, ...]
"""Items that one connection sends one behind the other."""


@dataclass(frozen=True)
class Phase:
    """Tasks that may run side by side, once the phase before is over."""

    name: str
    tasks: tuple[Task, ...]
    has_settings: bool = False
    """Whether it changes the session's settings on the way, so that nobody else can go on with the session."""


@dataclass(frozen=True)
class Layout:
    """What is sent: every stream begins with the session's settings, in which the rows are of `charset`.

    `charset` is None where no row may be read from a file. `databases` are removed before, and of them `missing` made, which the dump itself does not make.
    """

    session: Task
    phases: tuple[Phase, ...]
    databases: tuple[str, ...]
    missing: tuple[str, ...]
    changes: Mapping[str, int]
    charset: str | None = None


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
        names = charset(item.text or b"" for item in session)
        return Layout(session, phases, databases, missing, self.changes.counts, names)

    def _makes_database(self, piece: Piece) -> bool:
        text = self.script[piece.statement.start : piece.statement.start + 40]
        return piece.kind is Kind.DATABASE and CREATES_DATABASE.match(text) is not None

    def _phases(self) -> tuple[Phase, ...]:
        kinds = {Kind.SESSION, Kind.DATABASE, Kind.TABLE}
        schema = tuple(self._items(piece for piece in self.dump.pieces if piece.kind in kinds))
        data = self._data()
        deferred = defer(
            schema, {table: sum(piece.bytes for piece in pieces) for table, pieces in data.items()}
        )
        code = {Kind.SESSION, Kind.CODE}
        late = tuple(self._items(piece for piece in self.dump.pieces if piece.kind in code))
        has_code = any(piece.kind is Kind.CODE for piece in self.dump.pieces)
        return tuple(
            phase
            for phase in (
                Phase("tables", (deferred.schema,), has_settings=True),
                Phase("data", self._data_tasks(data, schema)),
                Phase("indexes", tuple((item,) for item in deferred.indexes)),
                Phase("foreign keys", (deferred.foreign,) if deferred.foreign else ()),
                Phase("code", (late,) if has_code else (), has_settings=True),
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

    def _data(self) -> dict[Table, list[Piece]]:
        tables: dict[Table, list[Piece]] = {}
        for piece in self.dump.pieces:
            if piece.kind is Kind.DATA:
                key = (self._name(piece.database), quoted(piece.table or "").encode())
                tables.setdefault(key, []).append(piece)
        return tables

    def _data_tasks(self, data: Mapping[Table, list[Piece]], schema: Task) -> tuple[Task, ...]:
        keyed, plain = set(), set()
        for item in schema:
            table, text = made_table(item), item.text or b""
            if table is not None and b"\n  PRIMARY KEY (" in text:
                keyed.add(table)
            if table is not None and is_table_of_plain_values(text):
                plain.add(table)
        tasks: list[Task] = []
        for table, pieces in data.items():
            place = f"{quoted(table[0])}.{table[1].decode()}" if table in plain else None
            items = tuple(replace(item, table=place) for item in self._items(pieces))
            total = sum(piece.bytes for piece in pieces)
            # Without a primary key the order of the rows is all that tells them apart.
            limit = min(CHUNK, max(total // 8, SMALLEST)) if table in keyed else total
            tasks += chunks(items, limit)
        return tuple(sorted(tasks, key=size_of, reverse=True))


def size_of(task: Iterable[Item]) -> int:
    """Bytes of the dump in a task."""
    return sum(item.end - item.start for item in task)


def chunks(items: Iterable[Item], limit: int) -> Iterator[Task]:
    """The items in their order, in groups of a few more bytes than `limit`."""
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
