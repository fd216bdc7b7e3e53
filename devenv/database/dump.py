"""The structure of a dump: which statement makes what, and what may therefore run beside what."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from devenv.database.server import SYSTEM
from devenv.database.statements import HEADER, SEMICOLON, Statement, shortened, statements
from devenv.errors import OperationError

if TYPE_CHECKING:
    from devenv.database.statements import Script

PIECE = 1 << 20
"""Data of one table are handed on in pieces of about this size, cut between statements."""
UNSAFE_CHARSETS = frozenset({b"big5", b"cp932", b"gbk", b"gb18030", b"sjis"})
"""Character sets in which a quote or backslash may be half of a letter."""
FOOTER = b"-- Dump completed"

NAME = rb"(?:`(?:[^`]|``)+`|[\w$]+)"
TABLE = rb"(?:(?P<db>" + NAME + rb")\s*\.\s*)?(?P<table>" + NAME + rb")"
OPEN = rb"(?:\s|/\*!\d*+|\*/)*+"
IF = rb"(?:/\*!\d+\s*)?(?:IF\s+(?:NOT\s+)?EXISTS\s*)?(?:\*/\s*)?"


class Kind(Enum):
    """What a statement is for."""

    SESSION = auto()
    USE = auto()
    DATABASE = auto()
    TABLE = auto()
    DATA = auto()
    CODE = auto()
    """Views, triggers, routines, events, histograms: they need the tables, and no table needs them."""
    LOCK = auto()
    """Locks and transactions, which only matter to a server that others use."""
    LEFT_OUT = auto()
    """About replication or the server's own accounts."""
    OTHER = auto()


def _rule(kind: Kind, pattern: bytes) -> tuple[Kind, re.Pattern[bytes]]:
    return kind, re.compile(OPEN + pattern, re.IGNORECASE | re.DOTALL)


INSERT = re.compile(
    OPEN + rb"INSERT\s+INTO\s+" + TABLE + rb"\s*(?:\((?:`[^`]*`|[^`)])*\)\s*)?VALUES?\b", re.IGNORECASE
)
RULES = (
    _rule(Kind.LEFT_OUT, rb"SET\b[^;']*(?:GTID_PURGED|SQL_LOG_BIN)"),
    _rule(Kind.LEFT_OUT, rb"SET\s+(?:GLOBAL\b|@@GLOBAL\b|PERSIST\b|@@PERSIST\b)"),
    _rule(Kind.LEFT_OUT, rb"(?:CHANGE\s+(?:MASTER|REPLICATION)|FLUSH)\b"),
    _rule(Kind.SESSION, rb"SET\b(?!\s+(?:PASSWORD|DEFAULT\s+ROLE))"),
    _rule(Kind.USE, rb"USE\s+(?P<db>" + NAME + rb")\s*$"),
    _rule(Kind.LOCK, rb"(?:LOCK|UNLOCK)\s+TABLES?\b|(?:COMMIT|BEGIN|START\s+TRANSACTION)\b"),
    _rule(Kind.LOCK, rb"ALTER\s+TABLE\s+" + TABLE + rb"\s+(?:DISABLE|ENABLE)\s+KEYS"),
    _rule(
        Kind.DATABASE, rb"(?:CREATE|DROP|ALTER)\s+(?:DATABASE|SCHEMA)\s+" + IF + rb"(?P<db>" + NAME + rb")"
    ),
    _rule(Kind.TABLE, rb"(?P<verb>CREATE|DROP)\s+TABLE\s+" + IF + TABLE),
    _rule(Kind.CODE, rb"ANALYZE\s+TABLE\b"),
    _rule(
        Kind.CODE,
        rb"(?:CREATE|DROP|ALTER)\b(?:'[^']*'|`[^`]*`|[^'`]){0,300}?\b(?:VIEW|TRIGGER|FUNCTION|PROCEDURE|EVENT)\b",
    ),
)
WORD = re.compile(OPEN + rb"[A-Za-z]+\b")


@dataclass(frozen=True, slots=True)
class Piece:
    """One statement, or several INSERTs into one table behind each other; offsets into the dump's file.

    `database` is the one in use, None where the dump names none; `table` the one that is filled or defined.
    """

    kind: Kind
    statement: Statement
    database: str | None = None
    table: str | None = None

    @property
    def bytes(self) -> int:
        """Its size."""
        return self.statement.end - self.statement.start


@dataclass
class Dump:
    """All pieces in order; `serial` says why they must run one behind the other, None where they need not."""

    pieces: list[Piece] = field(default_factory=list)
    databases: tuple[str, ...] = ()
    """Those that the dump names, in its order; the server's own are not among them."""
    has_nameless: bool = False
    """Whether some statement is for whichever database is in use."""
    serial: str | None = None
    left_out: Counter[str] = field(default_factory=Counter)


def read_dump(script: Script) -> Dump:
    """Read a whole dump; raises OperationError where it is no SQL or ends too early."""
    _check_whole(script)
    reader = _Reader(script)
    for statement in statements(script):
        reader.take(statement)
    if not any(piece.kind not in {Kind.SESSION, Kind.LOCK} for piece in reader.dump.pieces):
        what = "only " + ", ".join(reader.dump.left_out) if reader.dump.left_out else "no statement"
        raise OperationError(
            f"the dump holds nothing to load: {what}", code="dump_empty", hint="look at how it was made"
        )
    reader.dump.databases = tuple(reader.named)
    if reader.dump.serial is None and HEADER.search(script[:2000]) is None:
        reader.dump.serial = "it was not written by mysqldump or mariadb-dump"
    return reader.dump


def unquoted(name: bytes) -> str:
    """An identifier without its quotes."""
    text = name.decode(errors="replace")
    return text[1:-1].replace("``", "`") if text.startswith("`") else text


class _Reader:
    """Takes the statements in order, and remembers what they depend on."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.dump = Dump()
        self.named: dict[str, None] = {}
        self._database: str | None = None
        self._filled: set[tuple[str | None, str | None]] = set()
        self._has_trigger = False
        self._first = True

    def take(self, statement: Statement) -> None:
        """One more statement."""
        if self._first:
            self._first = False
            self._check_begins_as_sql(statement)
        found = INSERT.match(self.script, statement.start, statement.end)
        if found is not None:
            self._data(statement, found)
            return
        text = self.script[statement.start : statement.end]
        for kind, pattern in RULES:
            match = pattern.match(text)
            if match is not None:
                self._other(statement, text, kind, match)
                return
        self._other(statement, text, Kind.OTHER, None)

    def _data(self, statement: Statement, found: re.Match[bytes]) -> None:
        database = unquoted(found["db"]) if found["db"] else self._database
        piece = Piece(Kind.DATA, statement, database, unquoted(found["table"]))
        if self._is_system(piece):
            return
        if (database, piece.table) not in self._filled:
            self._filled.add((database, piece.table))
            if self._has_trigger:
                self._must_be_serial("data follow a trigger", statement)
        last = self.dump.pieces[-1] if self.dump.pieces else None
        if last is not None and _continues(last, piece):
            old = last.statement
            whole = Statement(old.start, statement.end, old.line)
            self.dump.pieces[-1] = Piece(Kind.DATA, whole, database, piece.table)
        else:
            self.dump.pieces.append(piece)
        self.dump.has_nameless |= database is None

    def _other(self, statement: Statement, text: bytes, kind: Kind, found: re.Match[bytes] | None) -> None:
        groups = found.groupdict() if found else {}
        database = unquoted(groups["db"]) if groups.get("db") else self._database
        table = unquoted(groups["table"]) if groups.get("table") else None
        if kind is Kind.USE:
            self._database = database
        piece = Piece(kind, statement, database, table)
        if kind is Kind.LEFT_OUT:
            self.dump.left_out[shortened(text).split("\n")[0][:60]] += 1
            return
        if kind is not Kind.SESSION and self._is_system(piece):
            return
        if kind in {Kind.USE, Kind.DATABASE} and database is not None:
            self.named[database] = None
        elif kind is Kind.SESSION:
            _check_charset(text, statement)
        elif kind is not Kind.LOCK:
            self.dump.has_nameless |= database is None
        if kind is Kind.TABLE and (database, table) in self._filled:
            self._must_be_serial("a table is made anew after it was filled", statement)
        if kind is Kind.OTHER:
            self._must_be_serial(f"`{shortened(text)[:40]}`", statement)
        self._has_trigger |= kind is Kind.CODE and b"TRIGGER" in text[:400].upper()
        self.dump.pieces.append(piece)

    def _is_system(self, piece: Piece) -> bool:
        if piece.database not in SYSTEM:
            return False
        self.dump.left_out[f"database {piece.database}"] += 1
        return True

    def _must_be_serial(self, why: str, statement: Statement) -> None:
        self.dump.serial = self.dump.serial or f"line {statement.line}: {why}"

    def _check_begins_as_sql(self, statement: Statement) -> None:
        text = self.script[statement.start : min(statement.end, statement.start + 200)]
        if WORD.match(text) is None or b"\0" in text:
            raise OperationError(
                f"expected SQL, found {text[:40]!r} at line {statement.line}",
                code="dump_no_sql",
                hint="give the output of mysqldump or mariadb-dump, plain or compressed with gz, bz2, xz or zst",
            )


def _continues(last: Piece, piece: Piece) -> bool:
    return (
        last.kind is Kind.DATA
        and last.bytes < PIECE
        and (last.database, last.table) == (piece.database, piece.table)
        and last.statement.delimiter == piece.statement.delimiter == SEMICOLON
    )


def _check_charset(text: bytes, statement: Statement) -> None:
    found = re.search(rb"\bNAMES\s+['\"]?(\w+)", text, re.IGNORECASE)
    if found is not None and found[1].lower() in UNSAFE_CHARSETS:
        raise OperationError(
            f"line {statement.line}: the dump is in {found[1].decode()}, in which quotes cannot be told apart",
            code="dump_charset",
            hint="dump again with `--default-character-set=utf8mb4`",
        )


def _check_whole(script: Script) -> None:
    """A dump of mysqldump's has its first line and its last; where only the last is missing it was cut."""
    head = script[:2000]
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise OperationError(
            "expected SQL in UTF-8, found UTF-16: PowerShell's `>` converts what it redirects",
            code="dump_no_sql",
            hint="dump with `mysqldump --result-file=FILE` in place of `> FILE`",
        )
    if b"PostgreSQL database dump" in head or head.startswith(b"PGDMP"):
        raise OperationError("expected a MySQL dump, found one of PostgreSQL", code="dump_no_sql")
    if HEADER.search(head) is not None and script.rfind(FOOTER) < 0:
        tail = script[max(0, len(script) - 200) :]
        raise OperationError(
            "the dump ends before mysqldump's last line `-- Dump completed`: it is incomplete",
            code="dump_truncated",
            hint="make or fetch the dump again, and look at mysqldump's exit status",
            evidence=(f"it ends with: {shortened(tail[-120:])}",),
        )
