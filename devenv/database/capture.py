"""Take the data of an environment as they are into a data directory of a snapshot's own.

A running server is not stopped for it: a second server clones the first over the network (MySQL's CLONE),
whatever the branch's driver is, and what it gets is consistent. CLONE leaves out tables of other engines than
InnoDB; where there are such, its files are copied while it runs, those that were written to meanwhile once more
while it is stopped, and it starts again. The files of a server that does not run are copied as they lie.

In all cases a server of our own then starts on the result, so that recovery is done once and not in every
branch, and shuts down cleanly.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from devenv.database.pool import is_full
from devenv.database.snapshots import DATA, ROOT, SPARE_REDO, refuse_without_room, run_worker, worker
from devenv.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devenv.database.server import Server
    from devenv.engine.api import ContainerRequest, Engine

SOURCE = "/source"
PLUGIN = "clone"
SYSTEM_SCHEMAS = "'mysql', 'sys', 'information_schema', 'performance_schema'"
SECONDS = 600

_SERVE = """
set -eu
quiet="--loose-mysqlx=OFF --skip-log-bin --log-error-verbosity=1 --pid-file=/tmp/devenv.pid"
serve() {
  mysqld --user=mysql --socket=/tmp/devenv.sock $quiet "$@" >/tmp/devenv.log 2>&1 & pid=$!
  tries=0
  until mysql --no-defaults --socket=/tmp/devenv.sock -uroot -e 'DO 1' 2>/dev/null; do
    tries=$((tries + 1))
    kill -0 $pid 2>/dev/null && [ $tries -lt SECONDS0 ] || { tail -n 15 /tmp/devenv.log; exit 1; }
    sleep 0.1
  done
}
ask() { mysql --no-defaults --socket=/tmp/devenv.sock -uroot --batch --skip-column-names -e "$1"; }
""".replace("SECONDS", str(SECONDS))
"""`serve` starts a server that only this container reaches and waits until it answers."""

CLONE_SCRIPT = f"""{_SERVE}
mkdir /tmp/recipient
chown mysql: /tmp/recipient {ROOT}
mysqld --user=mysql --initialize-insecure --datadir=/tmp/recipient "$@" >/tmp/devenv.log 2>&1 || {{
  tail -n 15 /tmp/devenv.log; exit 1; }}
serve "$@" --datadir=/tmp/recipient --skip-networking --plugin-load-add=mysql_clone.so
ask "$CLONE"
kill -9 $pid
"""
"""The recipient is an empty server in the container's own layer; what it clones goes into the snapshot."""

ROOM_SCRIPT = f"du -s --block-size=1 {SOURCE} 2>/dev/null | cut -f 1; df --output=avail --block-size=1 {ROOT} | tail -n 1"
"""A server that runs may remove a file while it is looked at: no word about that."""
SETTLE_ROOM = 128_000_000
"""Bytes that a server takes for files of its own while it settles the copy."""

_COPY = "cp -a --reflink=auto --sparse=always"
COPY_SCRIPT = f"{_COPY} {SOURCE} {ROOT}/{DATA}"

COPY_AHEAD_SCRIPT = f"""
set -eu
date +%s
{COPY_SCRIPT} 2>/tmp/said || {{ grep 'No space left' /tmp/said && exit 1 || :; }}
"""
"""While the server writes and removes files: whatever is torn or missing is copied again. Prints when it began."""

COPY_CHANGED_SCRIPT = f"""
set -eu
export LC_ALL=C
cd {ROOT}/{DATA}
find . >/tmp/copied
cd {SOURCE}
find . >/tmp/present
find . -type f -newermt "@$SINCE" >/tmp/changed
sort -o /tmp/copied /tmp/copied
sort -o /tmp/present /tmp/present
comm -13 /tmp/copied /tmp/present >>/tmp/changed
comm -23 /tmp/copied /tmp/present >/tmp/gone
tr '\\n' '\\0' </tmp/changed | xargs -0 -r {_COPY} --parents --remove-destination -t {ROOT}/{DATA}
cd {ROOT}/{DATA}
tr '\\n' '\\0' </tmp/gone | xargs -0 -r rm -rf
"""
"""What is new and what was written to since; what is no longer there goes. The server writes names without newlines.

By files, not through pipes: of a pipe the shell knows only how its last program ended.
"""
CLOCK_SECONDS = 2
"""A file's time may be that much older than its content: the kernel's clock for files ticks, and some file systems round."""

SETTLE_SCRIPT = f"""{_SERVE}
cd {ROOT}/{DATA}
find . ! -user mysql -exec chown mysql: {{}} +
serve --skip-grant-tables "$@" --datadir={ROOT}/{DATA}
ask "DELETE FROM mysql.plugin WHERE name = '{PLUGIN}' AND $FORGET_PLUGIN"
version=$(ask 'SELECT VERSION()')
kill $pid
wait $pid || {{ tail -n 15 /tmp/devenv.log; exit 1; }}
rm -rf '#clone' {SPARE_REDO}
echo "$version"
"""
"""Without grants nobody but this container gets in, and no password is needed. The last line is the version."""


class Way(StrEnum):
    """How the data are taken."""

    CLONE = "clone"
    STOP_AND_COPY = "stop and copy"
    COPY = "copy"


@dataclass(frozen=True)
class Choice:
    """A way, and why it is this one."""

    way: Way
    reason: str


@dataclass(frozen=True)
class Donor:
    """A running server, as another container of its network reaches it: `host` is its address there.

    `ours` is whether the plugin was put there for this one clone.
    """

    server: Server
    host: str
    network: str
    ours: bool


def choose_way(*, running: bool, clones: bool, foreign: Sequence[str]) -> Choice:
    """How to take the data; `clones` is whether the server has CLONE, `foreign` its tables of other engines."""
    if not running:
        return Choice(Way.COPY, "the database does not run")
    if foreign:
        tables = ", ".join(foreign[:3]) + (" ..." if len(foreign) > 3 else "")
        return Choice(Way.STOP_AND_COPY, f"CLONE would leave out tables that are not InnoDB: {tables}")
    if not clones:
        return Choice(Way.STOP_AND_COPY, "this server has no CLONE plugin")
    return Choice(Way.CLONE, "the database runs on meanwhile")


def foreign_tables(server: Server) -> tuple[str, ...]:
    """The tables that CLONE would leave out, as `schema.table (engine)`."""
    result = server.query(
        "SELECT CONCAT(table_schema, '.', table_name, ' (', engine, ')') FROM information_schema.tables "
        f"WHERE engine <> 'InnoDB' AND table_schema NOT IN ({SYSTEM_SCHEMAS}) ORDER BY 1"
    )
    if result.exit_status != 0:
        raise OperationError(
            "the database does not answer",
            code="database_failed",
            evidence=tuple(result.output.strip().splitlines()[-5:]),
            hint="`devenv status` shows its state, `devenv logs databasemaster` the reason",
        )
    return tuple(result.output.splitlines())


def install_clone(server: Server) -> bool | None:
    """Let the server be cloned; whether that was new to it, None where it has no such plugin."""
    known = server.query(f"SELECT 1 FROM information_schema.plugins WHERE plugin_name = '{PLUGIN}'")
    if known.output.strip():
        return False
    result = server.query(f"INSTALL PLUGIN {PLUGIN} SONAME 'mysql_clone.so'")
    return True if result.exit_status == 0 else None


def clone(engine: Engine, image: str, flags: Sequence[str], donor: Donor, name: str, volume: str) -> None:
    """Fill a snapshot's volume from a running server, which goes on serving; `name` is the container's."""
    sql = (
        f"SET GLOBAL clone_valid_donor_list = {_text(donor.host + ':3306')}; "
        f"CLONE INSTANCE FROM 'root'@{_text(donor.host)}:3306 IDENTIFIED BY {_text(donor.server.password)} "
        f"DATA DIRECTORY = {_text(f'{ROOT}/{DATA}')}"
    )
    try:
        mounts = {volume: ROOT}
        _work(engine, worker(name, image, CLONE_SCRIPT, mounts, flags, {"CLONE": sql}, donor.network))
    finally:
        if donor.ours:
            donor.server.query(f"UNINSTALL PLUGIN {PLUGIN}")


@dataclass(frozen=True)
class Files:
    """A server's files and the snapshot's volume that they go into; `name` is the container's that copies."""

    engine: Engine
    image: str
    name: str
    source: str
    volume: str

    def check_room(self) -> None:
        """Raise OperationError `disk_full` unless there is room for all of them once more, and to settle them."""
        size, free = (int(line) for line in self._run(ROOM_SCRIPT).split())
        refuse_without_room(size + SETTLE_ROOM, free)

    def copy(self) -> None:
        """Copy those of a server that does not run."""
        self._run(COPY_SCRIPT)

    def copy_ahead(self) -> int:
        """Copy those of a server that runs, as a beginning; what `copy_changed` is to be told."""
        return int(self._run(COPY_AHEAD_SCRIPT).split()[0]) - CLOCK_SECONDS

    def copy_changed(self, since: int) -> None:
        """Make the copy that of the server which was stopped in between."""
        self._run(COPY_CHANGED_SCRIPT, {"SINCE": str(since)})

    def _run(self, script: str, environment: Mapping[str, str] | None = None) -> str:
        mounts = {self.source: f"{SOURCE}:ro", self.volume: ROOT}
        return _work(self.engine, worker(self.name, self.image, script, mounts, (), environment))


def settle(
    engine: Engine, image: str, flags: Sequence[str], name: str, mounts: Mapping[str, str], *, forget: bool
) -> str:
    """Let a server recover or upgrade the data below `ROOT` and shut down cleanly; its version.

    With `forget` the data no longer know of the CLONE plugin, which was there for the clone only.
    """
    environment = {"FORGET_PLUGIN": "TRUE" if forget else "FALSE"}
    output = _work(engine, worker(name, image, SETTLE_SCRIPT, mounts, flags, environment))
    return output.strip().splitlines()[-1]


def banner(engine: Engine, image: str, project: str) -> str:
    """What an image's server says of its version."""
    return _work(engine, worker(f"{project}-database-version", image, "mysqld --version", {}))


def _work(engine: Engine, request: ContainerRequest) -> str:
    result = run_worker(engine, request)
    if result.exit_status != 0:
        raise OperationError(
            "the data could not be taken",
            code="disk_full" if is_full(result.output) else "capture_failed",
            evidence=tuple(result.output.strip().splitlines()[-15:]),
            hint="mend what the last lines name; the environment's data are as they were",
        )
    return result.output


def _text(value: str) -> str:
    """A text as MySQL literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
