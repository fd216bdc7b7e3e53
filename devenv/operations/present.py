"""What an environment's running database holds, before something else takes its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.database.dump import SYSTEM
from devenv.database.server import Server
from devenv.errors import OperationError
from devenv.operations.switch import Discarded
from devenv.services import mysql

if TYPE_CHECKING:
    from devenv.engine.observed import ObservedState
    from devenv.environments.workspace import Memory
    from devenv.operations.session import Session

QUESTION = (
    "SELECT table_schema, COUNT(*), COALESCE(SUM(data_length + index_length), 0) "
    "FROM information_schema.tables GROUP BY table_schema UNION ALL "
    "SELECT DISTINCT routine_schema, 0, 0 FROM information_schema.routines UNION ALL "
    "SELECT DISTINCT event_schema, 0, 0 FROM information_schema.events"
)


@dataclass(frozen=True)
class Present:
    """The data that are to be replaced: the databases with something in them, and how much there is."""

    databases: tuple[str, ...] = ()
    discarded: Discarded | None = None


def running_server(session: Session, observed: ObservedState) -> Server | None:
    """The environment's database, None where it does not run."""
    found = next((one for one in observed.of(mysql.NAME) if one.is_running), None)
    password = session.settings.database.root_password
    return None if found is None else Server(session.engine, found.id, password)


def present_data(session: Session, observed: ObservedState, memory: Memory) -> Present:
    """All about the data, in one question; of a server that does not run nothing is known but their volume."""
    container = next(iter(observed.of(mysql.NAME)), None)
    if container is None or memory.generation == 0:
        return Present()
    volume = container.volumes.get(mysql.DATA_DIRECTORY, "")
    server = running_server(session, observed)
    if server is None:
        return Present((), Discarded(volume, None, None))
    result = server.query(QUESTION)
    if result.exit_status != 0:
        raise OperationError(
            "the database did not say which databases it has",
            code="import_failed",
            evidence=tuple(result.output.strip().splitlines()),
            hint="`devenv status` shows whether it is healthy",
        )
    rows = [line.split("\t") for line in result.output.splitlines()]
    own = [row for row in rows if row[0] in session.settings.database.databases]
    tables, size = (sum(int(float(row[column])) for row in own) for column in (1, 2))
    names = dict.fromkeys(row[0] for row in rows if row[0].lower() not in SYSTEM)
    return Present(tuple(names), Discarded(volume, tables, size))
