"""Times `devenv reset-db` and `db import` beside what one would do by hand, all in turn in one run.

`make bench-db` measures on environments of its own and removes them; the raw figures go to
`artifacts/bench-db.json`. Nothing passes or fails here. `SIZES=10,100` (MB), `TABLES=1` (or 200, or 1,200),
`ROUNDS=3`, `BIG=1` (5 GB too) and `POOL=20G` (in a pool of that size, made for it and removed afterwards) choose what
is measured. Every time is from the start of a command to the answer that an independent prober gets from outside,
asking every 5 ms.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import machine
from tests.bench.application import measure_application
from tests.bench.command import DEVENV, output, run, started
from tests.bench.dataset import MARK, Dataset, account_sql
from tests.bench.environment import DATABASE, READY_SECONDS, Environment, Peer, awake
from tests.bench.prober import Connection, answers, answers_again, is_unmarked, probing
from tests.bench.report import (
    IMPORTED,
    READ,
    RESET,
    RETURNED,
    SPARE,
    Imports,
    Measured,
    Resets,
    growth,
    report,
)
from tests.e2e.support import client
from tests.harness import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import docker

    from tests.bench.application import Sight

SIZES = (10, 100, 1000)
BIG = 5000
TABLES = (1, 200)
ROUNDS = 7
WARM_UPS = 3
"""Resets that do not count. Their number is that of the branches kept for `undo`: none is removed among them."""
DUMP_ROUNDS = {5000: 1, 1000: 2, 100: 3}
"""Rounds of `mysql < dump` from so many MB on: at a GB one takes a minute."""
HUGE_FROM = 5000
HUGE_ROUNDS = 3
"""Rounds of everything from so many MB on."""
IMPORT_TABLES = 12
IMPORT_ROUNDS = 3
SELECT_MARK = f"SELECT COUNT(*) FROM bench.{MARK}"
SPOIL = f"INSERT IGNORE INTO bench.{MARK} VALUES (1)"


@dataclass
class Subject:
    """Data to measure on: an environment with them, its peer, and what was measured so far."""

    environment: Environment
    peer: Peer
    result: Resets
    rounds: int
    dump_rounds: int

    def touch(self, port: int) -> None:
        """The first SELECT on every table."""
        with Connection(port, READY_SECONDS) as connection:
            for name in self.result.dataset.table_names:
                connection.query(f"SELECT note FROM bench.{name} LIMIT 1")

    def restart(self) -> None:
        """The floor: kill and start the database alone, on unchanged data."""
        name = self.environment.database
        with probing(self.environment.database_port, "SELECT 1", answers_again) as prober:
            begun = time.monotonic()
            run("docker", "kill", name)
            run("docker", "start", name)
            self.result.add("floor", prober.wait(READY_SECONDS) - begun)

    def reset(self, name: str, before: Sequence[str]) -> None:
        """`devenv reset-db`: until it answers with fresh data, until it returns, until every table was read."""
        port = self.environment.database_port
        self.environment.prepare(before)
        self.environment.mark(SPOIL)
        with (
            probing(port, SELECT_MARK, is_unmarked) as prober,
            started(*self.environment.command("reset-db")) as command,
        ):
            ready = prober.wait(READY_SECONDS)
            self.touch(port)
            touched = time.monotonic()
            command.finish()
        self.result.add(name, ready - command.begun)
        self.result.add(RETURNED.format(name), command.seconds)
        self.result.add(READ.format(name), touched - command.begun)

    def copy(self) -> None:
        """The volume copy: `cp -a` into a new volume, a server on it, until every table was read."""
        self.peer.end()
        self.peer.prepare()
        with probing(self.peer.port, SELECT_MARK, answers) as prober:
            begun = time.monotonic()
            self.peer.copy()
            self.peer.start()
            ready = prober.wait(READY_SECONDS)
            self.touch(self.peer.port)
            self.result.add(READ.format("copy"), time.monotonic() - begun)
        self.result.add("copy", ready - begun)

    def copy_and_load(self) -> None:
        """The volume copy, and on its server the import of a dump, which ends ready."""
        self.copy()
        if len(self.result.of("dump")) < self.dump_rounds:
            self.result.add("dump", self.peer.load("bench"))
        self.peer.end()

    def warm_up(self) -> None:
        """One of each that does not count; what a further branch takes on the disk; the dump."""
        used = self.environment.disk_used()
        for _ in range(WARM_UPS):
            self.environment.devenv("reset-db")
            before, used = used, self.environment.disk_used()
            self.result.branch_bytes.append(used - before)
        self.restart()
        self.copy()
        self.peer.settle("bench")
        self.result.times.clear()


def main() -> None:
    """Measure everything, print the tables, keep the raw figures."""
    signal.signal(signal.SIGINT, _end)
    signal.signal(signal.SIGTERM, _end)
    sizes = _numbers("SIZES") or SIZES
    sizes += (BIG,) if os.environ.get("BIG") == "1" else ()
    shapes = _numbers("TABLES") or TABLES
    rounds = int(os.environ.get("ROUNDS") or ROUNDS)
    with ExitStack() as stack:
        # The environments of the benchmark are not for the registry of this machine's user.
        os.environ["XDG_STATE_HOME"] = stack.enter_context(tempfile.TemporaryDirectory())
        api = client()
        stack.callback(api.close)
        try:
            if pool := os.environ.get("POOL"):
                stack.enter_context(_pool(pool))
            _keep(_Run(api, f"bench-db-{uuid.uuid4().hex[:6]}", sizes, shapes, rounds).measure())
        except (RuntimeError, OSError) as error:
            sys.exit(f"error: {error}")


def _numbers(variable: str) -> tuple[int, ...]:
    return tuple(int(number) for number in os.environ.get(variable, "").split(",") if number)


def _keep(measured: Measured) -> None:
    """Print what was measured, and write the raw figures down: before anything that made it possible is removed."""
    sys.stdout.write(report(measured))
    sys.stdout.flush()
    raw = {
        **asdict(measured),
        "growth": {name: asdict(line) for name, line in growth(measured.resets).items()},
    }
    target = REPOSITORY / "artifacts" / "bench-db.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(raw, indent=2) + "\n", encoding="utf-8")


@contextmanager
def _pool(size: str) -> Iterator[None]:
    """A pool for what is measured; one that is there already is refused, and left alone."""
    with tempfile.TemporaryDirectory(prefix="bench-pool-") as folder:
        Path(folder, "devenv.yaml").touch()
        command = (*DEVENV, "-C", folder, "db", "pool")
        run(*command, "create", "--size", size)
        try:
            yield
        finally:
            run(*command, "remove", "--yes")


def _end(number: int, _: object) -> None:
    """Clean up and end; whoever presses Ctrl-C twice does not end the cleaning."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    sys.stderr.write("interrupted: removing what was made\n")
    sys.exit(128 + number)


@dataclass
class _Run:
    api: docker.APIClient
    name: str
    sizes: tuple[int, ...]
    shapes: tuple[int, ...]
    rounds: int
    begun: float = field(default_factory=time.monotonic)

    def measure(self) -> Measured:
        """All of it, one part after the other: each removes what it made before the next begins."""
        facts = {**machine.machine(), **machine.engine()}
        ways = _ways()
        resets = self._measure_resets(ways, facts)
        imports = self._measure_import()
        visits = self._measure_application(ways)
        facts["load at the end"] = machine.machine()["load"]
        facts["took"] = f"{(time.monotonic() - self.begun) / 60:.0f} min"
        return Measured(facts, resets, imports, visits)

    def _measure_resets(self, ways: Mapping[str, Sequence[str]], facts: dict[str, str]) -> list[Resets]:
        with ExitStack() as stack:
            subjects = []
            for size in self.sizes:
                for tables in self.shapes:
                    subject = self._subject(stack, Dataset(size, tables), facts)
                    subjects.append(subject)
                    with awake(subject.environment):
                        subject.warm_up()
            for number in range(self.rounds):
                for subject in subjects:
                    if number < subject.rounds:
                        self._say(f"round {number + 1} of {subject.rounds}: {subject.result.dataset.name}")
                        with awake(subject.environment):
                            _round(subject, ways, number)
            self._say("removing")
            return [subject.result for subject in subjects]

    def _measure_import(self) -> Imports:
        data = Dataset(min(IMPORTED, max(self.sizes)), IMPORT_TABLES)
        with ExitStack() as stack:
            subject = self._subject(stack, data, {})
            subject.copy()
            subject.peer.dump("bench")
            dump = subject.environment.root / "dump.sql"
            subject.peer.fetch_dump(dump)
            devenv: list[float] = []
            loaded: list[float] = []
            for number in range(IMPORT_ROUNDS + 1):
                self._say(f"import {number} of {IMPORT_ROUNDS}: {data.name}")
                os.sync()
                subject.environment.devenv("up", DATABASE)
                devenv.append(subject.environment.devenv("db", "import", str(dump)).seconds)
                self.api.kill(subject.environment.database)
                os.sync()
                loaded.append(subject.peer.load("bench"))
            return Imports(data, dump.stat().st_size, devenv[1:], loaded[1:])

    def _measure_application(self, ways: Mapping[str, Sequence[str]]) -> dict[str, list[Sight]]:
        fixtures = str(REPOSITORY / "fixtures" / "*.sql.zst")
        migrate = {"run": "python manage.py migrate", "service": "backend"}
        seed = {"bench.sql": f"-- {self.name}\n{account_sql()}"}
        with ExitStack() as stack:
            self._say("the application: up")
            environment = Environment(
                self.api, f"{self.name}-app", seed, {"seed": [fixtures, "bench.sql", migrate]}
            )
            stack.callback(environment.remove)
            environment.devenv("up", "frontend", "backend", DATABASE, "mailcatcher")
            found = {}
            for name, before in ways.items():
                self._say(f"the application: {name}")
                found[name] = measure_application(environment, self.rounds, before)
            return found

    def _subject(self, stack: ExitStack, data: Dataset, facts: dict[str, str]) -> Subject:
        """An environment with the data, only its database up."""
        self._say(f"making {data.name}")
        environment = Environment(
            self.api,
            f"{self.name}-{data.slug}",
            {"data.sql": data.sql(self.name)},
            {"databases": ["bench"], "seed": ["data.sql"]},
        )
        stack.callback(environment.remove)
        environment.devenv("up", DATABASE)
        reset = json.loads(output(*environment.command("reset-db", "--json")))["data"]
        peer = Peer(environment, reset["snapshot"])
        stack.callback(peer.remove)
        snapshot = self.api.inspect_volume(f"devenv_snapshot_{reset['snapshot']}")["Labels"]
        facts["MySQL"] = snapshot["devenv.snapshot.server"]
        facts["branch driver"] = reset["driver"]
        facts["file system"] = machine.file_system(peer.image, peer.snapshot)
        rounds = min(self.rounds, HUGE_ROUNDS) if data.megabytes >= HUGE_FROM else self.rounds
        dumps = min(
            rounds, next((few for size, few in DUMP_ROUNDS.items() if data.megabytes >= size), rounds)
        )
        size = int(snapshot["devenv.snapshot.bytes"])
        return Subject(environment, peer, Resets(data, size), rounds, dumps)

    def _say(self, text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - self.begun:6.0f} s  {text}\n")
        sys.stderr.flush()


def _ways() -> dict[str, tuple[str, ...]]:
    """The ways to reset that this devenv has, by name, each with the command that goes before and does not count.

    A reset uses up the spare and makes none, so that the one after it has none.
    """
    ways: dict[str, tuple[str, ...]] = {RESET: ()}
    if "--spare" in output(*DEVENV, "reset-db", "--help"):
        ways[SPARE] = ("reset-db", "--spare")
    return ways


def _round(subject: Subject, ways: Mapping[str, Sequence[str]], number: int) -> None:
    """Every side once; which begins changes from round to round."""
    sides: list[Callable[[], None]] = [subject.restart, subject.copy_and_load]
    sides += [
        lambda name=name, before=before: subject.reset(name, before)  # type: ignore[misc]
        for name, before in ways.items()
    ]
    first = number % len(sides)
    for side in (*sides[first:], *sides[:first]):
        os.sync()
        side()


if __name__ == "__main__":
    main()
