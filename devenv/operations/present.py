"""What an environment's running database holds, before something else takes its place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from devenv.database.server import SYSTEM, Server
from devenv.errors import OperationError
from devenv.project import database_volume
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from devenv.engine.observed import ObservedState
    from devenv.environments.workspace import Memory
    from devenv.operations.session import Session

_NAMES = ", ".join(f"'{name}'" for name in sorted(SYSTEM - {"devenv"}))
SIZES = (
    "SELECT table_schema, COUNT(*), COALESCE(SUM(data_length + index_length), 0) "
    f"FROM information_schema.tables WHERE table_schema NOT IN ({_NAMES}) GROUP BY table_schema"
)
"""Tables and bytes by database; without the server's own, whose views take it 0.13 s.

Ours is among them, so that a server without data says something too.

From the server's statistics: to ask for the sizes of files (`innodb_tablespaces`) opens every table, and where a
branch is a layer over its snapshot a table that is opened is copied, all of it.
"""
COLUMNS = 3
CONTENTS = (
    f"{SIZES} UNION ALL "
    "SELECT DISTINCT routine_schema, 0, 0 FROM information_schema.routines UNION ALL "
    "SELECT DISTINCT event_schema, 0, 0 FROM information_schema.events"
)
"""The same, and databases that have no table but code."""


@dataclass(frozen=True)
class Discarded:
    """The data that were there before: how much as far as known, and the volume that keeps them for `undo`."""

    volume: str
    tables: int | None
    bytes: int | None


@dataclass(frozen=True)
class Present:
    """The data that are to be replaced: the databases with something in them, and how much there is.

    Their files take `at_most` so many bytes, what they share with a snapshot included; None where nobody asked.
    """

    databases: tuple[str, ...] = ()
    discarded: Discarded | None = None
    at_most: int | None = None


def running_server(session: Session, observed: ObservedState) -> Server | None:
    """The environment's database, None where it does not run."""
    found = observed.running(mysql.NAME)
    password = session.settings.database.root_password
    return None if found is None else Server(session.engine, found.id, password)


def put_aside(observed: ObservedState, memory: Memory) -> Discarded | None:
    """Where the present data are, without asking how much; None where there are none."""
    container = next(iter(observed.of(mysql.NAME)), None)
    if container is None or memory.generation == 0:
        return None
    return Discarded(container.volumes.get(mysql.DATA_DIRECTORY, ""), None, None)


def measure(session: Session, observed: ObservedState, memory: Memory) -> Present:
    """How much the present data are, as far as their server says so; which databases is not asked."""
    known = put_aside(observed, memory)
    server = running_server(session, observed)
    if known is None or server is None:
        return Present((), known)
    result = server.query_and_measure(SIZES, mysql.DATA_DIRECTORY)
    lines = _rows(result.output)
    rows = [line for line in lines if len(line) == COLUMNS]
    found = [int(line[0]) for line in lines if line[1:] == [mysql.DATA_DIRECTORY]]
    # After a switch that was killed the server may be on other data than those in use.
    is_current = known.volume == database_volume(session.identity.project, memory.generation)
    size = found[0] if found and is_current else None
    if result.exit_status != 0 or not rows:
        return Present((), known, size)
    return Present((), _totalled(known, rows, session.settings.database.databases), size)


def present_data(session: Session, observed: ObservedState, memory: Memory) -> Present:
    """All about the data, in one question; of a server that does not run nothing is known but their volume."""
    known = put_aside(observed, memory)
    server = running_server(session, observed)
    if known is None or server is None:
        return Present((), known)
    result = server.query(CONTENTS)
    if result.exit_status != 0:
        raise OperationError(
            "the database did not say which databases it has",
            code="import_failed",
            evidence=tuple(result.output.strip().splitlines()),
            hint="`devenv status` shows whether it is healthy",
        )
    rows = _rows(result.output)
    names = dict.fromkeys(row[0] for row in rows if row[0].lower() not in SYSTEM)
    return Present(tuple(names), _totalled(known, rows, session.settings.database.databases))


def _rows(output: str) -> list[list[str]]:
    return [line.split("\t") for line in output.splitlines()]


def _totalled(known: Discarded, rows: Sequence[Sequence[str]], databases: Collection[str]) -> Discarded:
    """With how many tables those databases have, and how many bytes."""
    own = [row for row in rows if row[0] in databases]
    return replace(
        known, tables=sum(int(row[1]) for row in own), bytes=sum(int(float(row[2])) for row in own)
    )
