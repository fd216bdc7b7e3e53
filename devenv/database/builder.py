"""A server of its own that fills a new branch, faster than safe: it writes out everything once, at its end."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.database.branches import remove_branch
from devenv.database.rewrite import Names
from devenv.database.server import Server, quoted
from devenv.engine.api import ContainerRequest
from devenv.errors import OperationError
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from devenv.engine.api import Engine
    from devenv.engine.observed import EngineInfo

READY_SECONDS = 60
SHUTDOWN_SECONDS = 600
MEMORY_SHARE = 8
SMALLEST_POOL = 128 << 20
LARGEST_POOL = 2 << 30
CONNECTIONS = 4
LOG_LINES = 20


@dataclass(frozen=True)
class Builder:
    """The server's container: it works on the branch in `volume` and reaches nobody."""

    name: str
    image: str
    volume: str
    flags: Sequence[str]
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    root_password: str


def connections(info: EngineInfo) -> int:
    """How many connections are worth it on the engine."""
    return max(1, min(CONNECTIONS, info.cpus or 1))


def load_flags(info: EngineInfo) -> tuple[str, ...]:
    """Options for loading much at once; what they cost in safety only lasts until the clean shutdown."""
    pool = min(LARGEST_POOL, max(SMALLEST_POOL, info.memory_bytes // MEMORY_SHARE))
    return (
        "--innodb-flush-log-at-trx-commit=0",
        f"--innodb-buffer-pool-size={pool}",
        "--innodb-log-buffer-size=67108864",
        "--loose-innodb-ddl-threads=4",
        "--loose-innodb-ddl-buffer-size=134217728",
        "--max-allowed-packet=1073741824",
        "--innodb-io-capacity=2000",
    )


@contextmanager
def running(engine: Engine, builder: Builder) -> Iterator[Server]:
    """The server, ready; the branch is removed unless the block and the shutdown after it go well."""
    engine.remove_container(builder.name)
    try:
        engine.run_container(
            ContainerRequest(
                name=builder.name,
                image=builder.image,
                entrypoint=("sh", "-c", mysql.START_SCRIPT, "mysqld"),
                command=builder.flags,
                environment=builder.environment,
                volumes={builder.volume: mysql.DATA_DIRECTORY},
                labels=builder.labels,
            )
        )
        server = Server(engine, builder.name, builder.root_password)
        server.wait_ready(READY_SECONDS)
        # A server that does not know it logs as ever.
        server.query("ALTER INSTANCE DISABLE INNODB REDO_LOG")
        yield server
        server.query("ALTER INSTANCE ENABLE INNODB REDO_LOG")
        _shut_down(engine, builder)
        engine.remove_container(builder.name)
    except BaseException:
        engine.remove_container(builder.name)
        remove_branch(engine, builder.volume)
        raise


def _shut_down(engine: Engine, builder: Builder) -> None:
    status = engine.stop_container(builder.name, SHUTDOWN_SECONDS)
    if status != 0:
        raise OperationError(
            f"the database server ended with exit status {status}",
            code="import_failed",
            evidence=engine.container_logs(builder.name, LOG_LINES),
            hint="the data are as they were; look at the last lines of its log above",
        )


def known_names(server: Server) -> Names:
    """The collations and character sets that a server knows."""
    result = server.query(
        "SELECT 'c', COLLATION_NAME FROM information_schema.COLLATIONS UNION ALL "
        "SELECT 's', CHARACTER_SET_NAME FROM information_schema.CHARACTER_SETS"
    )
    _check(result.exit_status, result.output, "list its collations")
    rows = [line.split("\t") for line in result.output.splitlines() if "\t" in line]
    return Names(
        frozenset(name.lower() for kind, name in rows if kind == "c"),
        frozenset(name.lower() for kind, name in rows if kind == "s"),
    )


def prepare_databases(server: Server, removed: Sequence[str], made: Sequence[str]) -> None:
    """Remove databases, and make those of them that nobody else makes."""
    statements = [f"DROP DATABASE IF EXISTS {quoted(name)}" for name in removed]
    statements += [f"CREATE DATABASE {quoted(name)}" for name in made]
    if statements:
        result = server.query("; ".join(statements))
        _check(result.exit_status, result.output, "make the databases")


def carry_over(source: Server, target: Server, names: Sequence[str]) -> None:
    """Copy databases from one server into another, as they are at one moment."""
    if not names:
        return
    prepare_databases(target, names, ())
    result = target.load(None, source.dump(("--databases", *names)))
    _check(result.exit_status, result.output, f"take over {', '.join(names)}")


def _check(status: int, output: str, doing: str) -> None:
    if status != 0:
        raise OperationError(
            f"the database server could not {doing}",
            code="import_failed",
            evidence=tuple(output.strip().splitlines()[-LOG_LINES:]),
            hint="the data are as they were",
        )
