"""A MySQL server in a container, as its clients inside the container reach it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.engine.api import last_words
from devenv.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from devenv.engine.api import Conversation, Engine
    from devenv.engine.observed import ExecResult

POLL_SECONDS = 0.1
TABBED = ("--batch", "--skip-column-names", "--execute")
CLIENT = ("--protocol=tcp", "-h127.0.0.1", "-uroot", "--default-character-set=utf8mb4")
AWAIT = """
tries=0
until mysql "$@" --execute 'SELECT 1' </dev/null >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ $tries -lt TRIES ] || exit 1
  sleep 0.05
done
"""
"""Asks in the container itself: to get in there takes the engine five times as long as to ask."""
READY = AWAIT.replace("TRIES", "40")
"""For some seconds, between which somebody looks whether the container still runs."""
TALK = f"""
read -r wait || exit 1
if [ -n "$wait" ]; then
{AWAIT.replace("TRIES", "1200")}
fi
exec mysql "$@" --binary-mode --batch --raw --skip-column-names --unbuffered
"""
"""A client once it is told a first line; if that is not empty, as soon as the server answers, for a minute."""
SYSTEM = frozenset({"mysql", "sys", "performance_schema", "information_schema", "devenv"})
"""Databases of the server itself, and ours: another server's would break this one."""
DEAD = frozenset({"exited", "dead", "removing"})


@dataclass(frozen=True)
class Server:
    """One running server; everything goes over TCP inside its own container."""

    engine: Engine
    container: str
    password: str

    def query(self, sql: str) -> ExecResult:
        """Run statements, the result as tab-separated lines."""
        return self._mysql((*TABBED, sql))

    def query_and_measure(self, sql: str, folder: str) -> ExecResult:
        """The same, behind a line of `du` about a folder of its container: to get in there takes longer than both."""
        script = f'du -s --block-size=1 {folder} 2>/dev/null; exec mysql "$@"'
        return self._run(("sh", "-c", script, "mysql", *CLIENT, *TABBED, sql))

    def load(
        self, database: str | None, pieces: Iterable[bytes], options: tuple[str, ...] = ()
    ) -> ExecResult:
        """Run a stream of SQL, in a database if one is named, up to its first error."""
        return self._mysql((*options, *([] if database is None else [database])), stdin=pieces)

    def dump(self, arguments: tuple[str, ...]) -> Iterator[bytes]:
        """Output of mysqldump: as of one moment, with all code, and nothing about replication.

        `loose` options are passed over by programs of other servers.
        """
        return self.engine.execute_stream(
            self.container,
            (
                "mysqldump",
                *CLIENT,
                "--single-transaction",
                "--quick",
                "--routines",
                "--triggers",
                "--events",
                "--hex-blob",
                "--no-tablespaces",
                "--loose-set-gtid-purged=OFF",
                "--max-allowed-packet=1G",
                *arguments,
            ),
            environment={"MYSQL_PWD": self.password},
        )

    def wait_ready(self, timeout: float) -> None:
        """Return once it answers a query; raises OperationError when it ends or `timeout` seconds pass."""
        deadline = time.monotonic() + timeout
        while self._run(("sh", "-c", READY, "mysql", *CLIENT)).exit_status != 0:
            state = self.engine.container_state(self.container)
            if state is None or state in DEAD or time.monotonic() > deadline:
                ended = "ended" if state in DEAD or state is None else f"did not answer within {timeout:g} s"
                raise OperationError(
                    f"the database server {ended}",
                    code="database_failed",
                    evidence=last_words(self.engine, self.container, 20) if state else (),
                    hint="look at the last lines of its log above",
                )
            time.sleep(POLL_SECONDS)

    def converse(self) -> AbstractContextManager[Conversation]:
        """A client that runs the statements behind its first line as they are sent, up to the first error.

        It does not connect before that line; with an empty one the server has to answer already.
        """
        command = ("sh", "-c", TALK, "mysql", *CLIENT)
        return self.engine.converse(self.container, command, environment={"MYSQL_PWD": self.password})

    def put_file(self, path: str, pieces: Iterable[bytes], size: int) -> None:
        """Write a file of so many bytes beside it, where it can read it."""
        self.engine.put_file(self.container, path, pieces, size)

    def _mysql(self, arguments: tuple[str, ...], stdin: Iterable[bytes] | None = None) -> ExecResult:
        return self._run(("mysql", *CLIENT, *arguments), stdin)

    def _run(self, command: tuple[str, ...], stdin: Iterable[bytes] | None = None) -> ExecResult:
        environment = {"MYSQL_PWD": self.password}
        return self.engine.execute(self.container, command, environment=environment, stdin=stdin)


def quoted(name: str) -> str:
    """A name as MySQL identifier."""
    return "`" + name.replace("`", "``") + "`"
