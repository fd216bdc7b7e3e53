"""A server that fills a new branch, faster than safe until all of it is in and written out."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from devenv.database.branches import remove_branch
from devenv.database.pool import name_full
from devenv.database.rewrite import Names
from devenv.database.server import DEAD, Server, quoted
from devenv.database.stream import Clients
from devenv.engine.api import ContainerRequest, last_words
from devenv.errors import DevenvError, OperationError
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from devenv.database.stream import Stream
    from devenv.engine.api import Engine
    from devenv.engine.observed import EngineInfo

SHUTDOWN_SECONDS = 600
CONNECTIONS = 5
LOG_LINES = 20
LOAD_VARIABLES = {
    "innodb_ddl_buffer_size": 128 << 20,
    "innodb_ddl_threads": 4,
    "innodb_io_capacity": 2000,
    "max_allowed_packet": 1 << 30,
}
"""For loading much at once: set while the server runs, and set back."""
REDO_LOG = "Innodb_redo_log_enabled"


class Site(Protocol):
    """Where a branch is filled: the container of a server on it."""

    @property
    def name(self) -> str:
        """The container's name."""

    @property
    def volume(self) -> str:
        """The branch."""

    @property
    def root_password(self) -> str:
        """What the server asks for."""

    def start(self, engine: Engine) -> None:
        """Start the server."""

    def finish(self, engine: Engine) -> None:
        """Do with the container what is to be done when all is in and written out."""


@dataclass(frozen=True)
class Builder:
    """A container of its own, which reaches nobody, shuts down cleanly and goes."""

    name: str
    image: str
    volume: str
    flags: Sequence[str]
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    root_password: str

    def start(self, engine: Engine) -> None:
        """Start the server."""
        engine.run_container(
            ContainerRequest(
                name=self.name,
                image=self.image,
                entrypoint=("sh", "-c", mysql.START_SCRIPT, "mysqld"),
                command=self.flags,
                environment=self.environment,
                volumes={self.volume: mysql.DATA_DIRECTORY},
                labels=self.labels,
            )
        )

    def finish(self, engine: Engine) -> None:
        """Shut the server down, so that whoever starts on the branch next has nothing to recover."""
        status = engine.stop_container(self.name, SHUTDOWN_SECONDS)
        if status != 0:
            raise OperationError(
                f"the database server ended with exit status {status}",
                code="import_failed",
                evidence=last_words(engine, self.name, LOG_LINES),
                hint="the data are as they were; look at the last lines of its log above",
            )
        engine.remove_container(self.name)


@dataclass(frozen=True)
class StandIn:
    """A copy of the database's container on the branch, which takes that one's place afterwards.

    `original` is the database's container, `replaced` the volume that it has where this has the branch.
    """

    name: str
    volume: str
    original: str
    replaced: str
    root_password: str

    def start(self, engine: Engine) -> None:
        """Start the server."""
        engine.duplicate_container(self.original, self.name, {self.replaced: self.volume})

    def finish(self, engine: Engine) -> None:
        """It runs on."""


@dataclass(frozen=True)
class Filling:
    """A server that is to be filled, and a session on it for whatever is no data."""

    clients: Clients
    control: Stream

    def ask(self, sql: str, doing: str) -> list[str]:
        """What statements give; raises OperationError `import_failed` where one fails."""
        answer = self.control.ask(sql)
        if answer is None:
            raise _failed(doing, (self.control.failure().message,))
        return answer


@contextmanager
def filling(engine: Engine, site: Site, clients: int) -> Iterator[Filling]:
    """A server on the branch, ready, and so many clients for its data started.

    Server and branch are removed unless the block and all that comes after it go well.
    """
    engine.remove_container(site.name)
    try:
        site.start(engine)
        with Clients(Server(engine, site.name, site.root_password)) as started:
            started.start(clients + 1)
            found = Filling(started, started.stream())
            former = _hasten(found)
            yield found
            _settle(found, former)
        site.finish(engine)
    except BaseException as error:
        if isinstance(error, DevenvError):
            _explain(engine, site, error)
        engine.remove_container(site.name)
        remove_branch(engine, site.volume)
        raise


def _explain(engine: Engine, site: Site, error: DevenvError) -> None:
    """A client only says that its server is gone: the server's log says why, a full disk perhaps."""
    if engine.container_state(site.name) in DEAD:
        error.evidence = (*error.evidence, *last_words(engine, site.name, LOG_LINES))
    name_full(error)


def _hasten(filling: Filling) -> dict[str, str]:
    """Trade safety for speed; what was how before. What a server does not know it does not list."""
    names = ", ".join(f"'{name}'" for name in LOAD_VARIABLES)
    rows = filling.ask(
        f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names}); SHOW GLOBAL STATUS LIKE '{REDO_LOG}'",
        "tell its settings",
    )
    former = dict(row.split("\t", 1) for row in rows)
    sql = [f"SET GLOBAL {name} = {value}" for name, value in LOAD_VARIABLES.items() if name in former]
    if former.get(REDO_LOG) == "ON":
        sql.append("ALTER INSTANCE DISABLE INNODB REDO_LOG")
    if sql:
        filling.ask("; ".join(sql), "change its settings")
    return former


def _settle(filling: Filling, former: Mapping[str, str]) -> None:
    """Write everything out, and be as safe as before."""
    sql = [f"SET GLOBAL {name} = {value}" for name, value in former.items() if name in LOAD_VARIABLES]
    if former.get(REDO_LOG) == "ON":
        sql.append("ALTER INSTANCE ENABLE INNODB REDO_LOG")
    if sql:
        filling.ask("; ".join(sql), "write everything out")


def connections(info: EngineInfo) -> int:
    """How many connections are worth it on the engine: while one hands its rows over, the others' are taken in."""
    return min(CONNECTIONS, (info.cpus or 1) + 1)


def known_names(filling: Filling) -> Names:
    """The collations and character sets that a server knows."""
    answer = filling.ask(
        "SELECT 'c', COLLATION_NAME FROM information_schema.COLLATIONS UNION ALL "
        "SELECT 's', CHARACTER_SET_NAME FROM information_schema.CHARACTER_SETS",
        "list its collations",
    )
    rows = [line.split("\t") for line in answer]
    return Names(
        frozenset(name.lower() for kind, name in rows if kind == "c"),
        frozenset(name.lower() for kind, name in rows if kind == "s"),
    )


def file_folder(filling: Filling) -> str | None:
    """Where the server reads files of rows from; None where it reads none."""
    (folder,) = filling.ask("SELECT IFNULL(@@GLOBAL.secure_file_priv, 'NULL')", "tell where it reads files")
    return None if folder == "NULL" else folder.rstrip("/") or "/tmp"  # noqa: S108 - in the server's container


def prepare_databases(filling: Filling, removed: Sequence[str], made: Sequence[str]) -> None:
    """Remove databases, and make those of them that nobody else makes."""
    statements = [f"DROP DATABASE IF EXISTS {quoted(name)}" for name in removed]
    statements += [f"CREATE DATABASE {quoted(name)}" for name in made]
    if statements:
        filling.ask("; ".join(statements), "make the databases")


def carry_over(source: Server, target: Filling, names: Sequence[str]) -> None:
    """Copy databases from one server into another, as they are at one moment."""
    if not names:
        return
    prepare_databases(target, names, ())
    result = target.clients.server.load(None, source.dump(("--databases", *names)))
    if result.exit_status != 0:
        raise _failed(f"take over {', '.join(names)}", tuple(result.output.strip().splitlines()))


def _failed(doing: str, said: Sequence[str]) -> OperationError:
    return OperationError(
        f"the database server could not {doing}",
        code="import_failed",
        evidence=tuple(said[-LOG_LINES:]),
        hint="the data are as they were",
    )
