"""Build a snapshot from a seed: by a server of its own, complete or not at all."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devenv.database.pool import name_full
from devenv.database.seed import MIGRATION, STEP, LoadFile, RunCommand, SeedStep
from devenv.database.server import Server, quoted
from devenv.database.snapshots import DATA, ROOT, SEAL_SCRIPT, SPARE_REDO, Origin, Snapshot, SnapshotStore
from devenv.database.sqlfile import chunks, first_error, statement_at
from devenv.engine.api import ContainerRequest, Engine
from devenv.errors import DevenvError, SeedError
from devenv.events import Event, EventSink, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from devenv.engine.api import ComposeProject, HeldCommand
    from devenv.engine.observed import ExecResult

RESOURCE = "database"
INITIALISE_SECONDS = 120
FINISH_SECONDS = 600
OUTPUT_LINES = 20
UNSAFE_FLAGS = (
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
    "--innodb-use-native-aio=OFF",
)
"""Nothing waits for the disk: what a crash leaves is thrown away, and sealing writes everything out once.
Migrations take a quarter less, and initialising as well. MySQL's manual lists `nosync` as meant for tests.
Threads that wait for the kernel's AIO notice only every 500 ms that they are to end; past the page cache, where
the environment's server writes, they are worth it."""
BASE = "/base"
"""Where the snapshot to go on from is mounted."""
BUILD_SCRIPT = f"""
set -eu
trap 'kill $server' TERM
if [ -d {BASE} ]; then
  cp -a --reflink=auto --sparse=always {BASE}/{DATA} {ROOT}/
  mysqld --user=mysql "$@" &
else
  docker-entrypoint.sh mysqld "$@" &
fi
server=$!
while wait $server && status=0 || status=$?; kill -0 $server 2>/dev/null; do :; done
( exit $status )
rm -f {ROOT}/{DATA}/{SPARE_REDO}
if command -v fallocate >/dev/null; then
  find {ROOT}/{DATA} -name '*.ibd' -size +1M -exec fallocate --dig-holes '{{}}' ';' 2>/dev/null || :
fi
{SEAL_SCRIPT}"""
"""The whole build in one container, since each takes half a second to make and to remove: copy, serve until
it is told to end, dig, seal. A signal ends the first `wait` before the server has.

The server fills what it takes in advance for a table with zeros: 8 of 13 MB where 5 MB are rows. As holes they take no
room, and nobody copies them up when a branch first opens the table. Where that cannot be done they stay."""
APPLYING = re.compile(r"\s*Applying (\S+?)\.\.\.")
"""What Django prints before each migration."""
MARKER_STATEMENTS = (
    "CREATE DATABASE IF NOT EXISTS devenv; "
    "CREATE TABLE IF NOT EXISTS devenv.marker (id VARCHAR(64) PRIMARY KEY); "
    "DELETE FROM devenv.marker; INSERT INTO devenv.marker VALUES ('{key}'); "
    "SELECT VERSION()"
)


@dataclass(frozen=True)
class SeedRequest:
    """A snapshot to build: the server's image and options, the steps, and where they run.

    `base` is a snapshot to go on from, whose steps are done already.
    """

    project: str
    labels: Mapping[str, str]
    network: str
    network_labels: Mapping[str, str]
    image: str
    flags: Sequence[str]
    environment: Mapping[str, str]
    root_password: str
    databases: Sequence[str]
    steps: Sequence[SeedStep]
    inputs: Mapping[str, str]
    key: str
    compose: ComposeProject
    created: str
    base: Snapshot | None = None
    entrypoints: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What is put before a command in a service; for one that is not among these no container is made ahead."""
    ahead: Callable[[], None] = lambda: None
    """Waits for what has to be over before the first step; what it raises ends the build."""

    @property
    def builder(self) -> str:
        """Name of the container that builds, which is its host name too."""
        return f"{self.project}-database-build"

    @property
    def todo(self) -> tuple[SeedStep, ...]:
        """The steps that the base has not done; its commands run again where a migration was added."""
        if self.base is None:
            return tuple(self.steps)
        known = self.base.inputs or {}
        done = sum(name.startswith(STEP) for name in known)
        migrates = any(name.startswith(MIGRATION) for name in self.inputs.keys() - known.keys())
        return tuple(
            step
            for number, step in enumerate(self.steps)
            if number >= done or (migrates and isinstance(step, RunCommand))
        )

    @property
    def is_reached(self) -> bool:
        """Whether commands reach the server, by the network."""
        return any(isinstance(step, RunCommand) for step in self.todo)

    @property
    def command_runner(self) -> str:
        """Name of the container in which a step's command runs."""
        return f"{self.project}-seed-command"


def build_snapshot(engine: Engine, store: SnapshotStore, request: SeedRequest, events: EventSink) -> Snapshot:
    """Fill a new snapshot: initialise, run every step, mark it complete, shut down cleanly, seal.

    Nothing but this snapshot's volume and the builder's container is touched. Whatever goes wrong, both
    are removed and SeedError names the step; what a killed devenv leaves, the next build removes.
    """
    _end_containers(engine, request)
    if request.is_reached:
        engine.create_network(request.network, request.network_labels)
    volume = store.prepare(request.key, {})
    try:
        _run_builder(engine, request, volume)
        server = Server(engine, request.builder, request.root_password)
        _fill(engine, server, request, events)
        version = _mark(server, request)
        events.emit(Event(RESOURCE, Status.WORKING, "sealing the snapshot"))
        size = _finish(engine, request)
        engine.remove_container(request.builder)
    except BaseException as error:
        _end_containers(engine, request)
        store.discard(request.key)
        if isinstance(error, DevenvError):
            name_full(error)
        raise
    return store.seal(
        Snapshot(
            key=request.key,
            bytes=size,
            server=version,
            created=request.created,
            origin=Origin.SEED if request.steps else Origin.EMPTY,
            inputs=request.inputs,
            parent=request.base.key if request.base else None,
        )
    )


def _end_containers(engine: Engine, request: SeedRequest) -> None:
    """Remove the builder and its command's container, as an earlier build may have left them."""
    engine.remove_container(request.command_runner)
    engine.remove_container(request.builder)


def _run_builder(engine: Engine, request: SeedRequest, volume: str) -> None:
    engine.run_container(
        ContainerRequest(
            name=request.builder,
            image=request.image,
            entrypoint=("sh", "-c"),
            command=(BUILD_SCRIPT, "devenv", *request.flags, f"--datadir={ROOT}/{DATA}", *UNSAFE_FLAGS),
            environment=request.environment,
            volumes={volume: ROOT} | ({} if request.base is None else {request.base.volume: f"{BASE}:ro"}),
            network=request.network if request.is_reached else None,
            labels=request.labels,
        )
    )


def _fill(engine: Engine, server: Server, request: SeedRequest, events: EventSink) -> None:
    """Run the steps."""
    start = "initialising an empty data directory"
    if request.base is not None:
        start = f"going on from snapshot {request.base.key}"
    events.emit(Event(RESOURCE, Status.WORKING, start))
    with _commands(engine, request) as run:
        server.wait_ready(INITIALISE_SECONDS)
        request.ahead()
        if request.base is None:
            _create_databases(server, request.databases)
        for number, step in enumerate(request.todo, start=1):
            events.emit(Event(RESOURCE, Status.WORKING, f"seed {number} of {len(request.todo)}: {step}"))
            if isinstance(step, LoadFile):
                _load(server, step)
            else:
                _check(step, run(step))


@contextmanager
def _commands(engine: Engine, request: SeedRequest) -> Iterator[Callable[[RunCommand], ExecResult]]:
    """How a command is run; the first one's container is made meanwhile, which takes as long as the server's start."""
    first = next((step for step in request.todo if isinstance(step, RunCommand)), None)
    environment = {"DB_HOST": request.builder}
    held: list[HeldCommand] = []

    def run(step: RunCommand) -> ExecResult:
        result = held.pop().release() if held else None
        if result is not None:
            return result
        # There was none, or it ended before its turn, as when the way to the engine broke.
        engine.remove_container(request.command_runner)
        return engine.run_once(
            request.compose, step.service, _shell(step), environment, request.command_runner
        )

    with ExitStack() as stack:
        if first is not None and first.service in request.entrypoints:
            command = (*request.entrypoints[first.service], *_shell(first))
            waiting = engine.hold_once(
                request.compose, first.service, command, environment, request.command_runner
            )
            held.append(stack.enter_context(waiting))
        yield run


def _shell(step: RunCommand) -> tuple[str, ...]:
    return ("sh", "-c", step.command)


def _create_databases(server: Server, databases: Sequence[str]) -> None:
    sql = "; ".join(f"CREATE DATABASE IF NOT EXISTS {quoted(name)}" for name in databases)
    result = server.query(sql)
    if result.exit_status != 0:
        raise SeedError("the databases could not be created", evidence=_last_lines(result.output))


def _load(server: Server, step: LoadFile) -> None:
    result = server.load(step.database, chunks(step.path))
    if result.exit_status == 0:
        return
    error = first_error(result.output)
    if error is None:
        raise SeedError(f"the seed {step} could not be loaded", evidence=_last_lines(result.output))
    line, message = error
    statement = statement_at(step.path, line)
    raise SeedError(
        f"the seed {step} failed at line {line}: {message}",
        where=f"{step}:{line}",
        hint=f"correct the statement at line {line} of {step}, then run the command again",
        detail={"file": str(step), "line": line, "statement": statement, "error": message},
        evidence=(f"statement: {statement}",),
    )


def _check(step: RunCommand, result: ExecResult) -> None:
    if result.exit_status != 0:
        raise _command_failed(step, result)


def _command_failed(step: RunCommand, result: ExecResult) -> SeedError:
    """The error of a command; a migration that fails is named, as Django says which one it applies."""
    lines = result.output.strip().splitlines()
    applying = [match[1] for line in lines if (match := APPLYING.match(line))]
    what = f"the seed command `{step.command}` in {step.service}"
    text = f"{what} ended with exit status {result.exit_status}"
    if applying:
        # Standard output may come behind standard error, which ends with the exception.
        said = [line for line in lines if not APPLYING.match(line)]
        text = f"the migration {applying[-1]} failed: {said[-1] if said else text}"
    return SeedError(
        text,
        code="migration_failed" if applying else None,
        hint="mend what its last lines name, then run the command again: the data are as they were",
        detail={
            "command": step.command,
            "service": step.service,
            "exit_status": result.exit_status,
            "migration": applying[-1] if applying else None,
        },
        evidence=_last_lines(result.output),
    )


def _mark(server: Server, request: SeedRequest) -> str:
    """Mark the data complete; the server's version."""
    result = server.query(MARKER_STATEMENTS.format(key=request.key))
    if result.exit_status != 0:
        raise SeedError("the seeded data could not be marked complete", evidence=_last_lines(result.output))
    return result.output.strip()


def _finish(engine: Engine, request: SeedRequest) -> int:
    """Let the server write everything out and end, and the data be sealed; their size in bytes."""
    started = time.monotonic()
    status = engine.stop_container(request.builder, FINISH_SECONDS)
    log = engine.container_logs(request.builder, OUTPUT_LINES)
    if status != 0 or not log:
        seconds = time.monotonic() - started
        raise SeedError(
            f"the server did not write out the data: it ended with exit status {status} after {seconds:.0f} s",
            evidence=log,
        )
    return int(log[-1])


def _last_lines(output: str) -> tuple[str, ...]:
    return tuple(output.strip().splitlines()[-OUTPUT_LINES:])
