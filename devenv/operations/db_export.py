"""Write the data out as a dump: consistent, compressed, whole or not at all."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from devenv.database.atomic import replacing
from devenv.database.progress import Progress
from devenv.database.server import Server
from devenv.database.sink import compressed, kind_of
from devenv.errors import OperationError
from devenv.events import Event, Status
from devenv.operations.inside import running_container
from devenv.services import mysql

if TYPE_CHECKING:
    from pathlib import Path

    from devenv.operations.session import Session

RESOURCE = "export"


@dataclass(frozen=True)
class ExportOptions:
    """What is written: of `database` (all of the environment's if None), without the data if asked."""

    database: str | None = None
    no_data: bool = False
    exclude: tuple[str, ...] = ()
    """Tables, as `table` or `database.table`."""


@dataclass(frozen=True)
class ExportResult:
    """The file, None for standard output; `bytes` are those of the SQL, `written` those of the file."""

    file: str | None
    databases: tuple[str, ...]
    bytes: int
    written: int
    compression: str
    seconds: float


def db_export(session: Session, file: Path, options: ExportOptions) -> ExportResult:
    """Write a dump into a file, compressed as its ending says; it is there complete, or as it was before."""
    with replacing(file, "file_unwritable") as stream:
        result = export_to(session, stream, kind_of(file), options)
    return ExportResult(
        str(file), result.databases, result.bytes, file.stat().st_size, result.compression, result.seconds
    )


def export_to(session: Session, stream: IO[bytes], compression: str, options: ExportOptions) -> ExportResult:
    """Write a dump to a stream."""
    progress = Progress(None)
    databases = (options.database,) if options.database else session.settings.database.databases
    container = running_container(session, mysql.NAME)
    server = Server(session.engine, container.id, session.settings.database.root_password)
    try:
        with compressed(stream, compression) as output:
            for piece in server.dump(_arguments(databases, options)):
                output.write(piece)
                detail = progress.reach(progress.done + len(piece))
                if detail is not None:
                    session.events.emit(Event(RESOURCE, Status.WORKING, "writing the dump", detail))
    except OperationError as error:
        raise OperationError(
            f"the dump of {', '.join(databases)} failed",
            code="export_failed",
            evidence=error.evidence,
            hint="`devenv db shell -- -e 'SHOW DATABASES'` shows which databases there are",
        ) from error
    size, seconds = progress.done, round(time.monotonic() - progress.begun, 2)
    session.events.emit(Event(RESOURCE, Status.DONE, f"{size / 1e6:.1f} MB written in {seconds:.1f} s"))
    return ExportResult(None, databases, size, size, compression, seconds)


def _arguments(databases: tuple[str, ...], options: ExportOptions) -> tuple[str, ...]:
    """A single database without its name, so that it can be loaded into another; several with theirs."""
    ignored = tuple(
        f"--ignore-table={table if '.' in table else f'{database}.{table}'}"
        for table in options.exclude
        for database in (databases if "." not in table else databases[:1])
    )
    names = databases if len(databases) == 1 else ("--databases", *databases)
    return (*(("--no-data",) if options.no_data else ()), *ignored, *names)
