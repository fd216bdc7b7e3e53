"""Rounds of `up`, `down` and `status` on an environment of the benchmark's own, devenv and Compose in turn.

Both work on the same generated file. While devenv brings the environment up, an independent prober asks every
published port, and the engine's events are recorded: they tell how late devenv was, and what no tool could save.
"""

from __future__ import annotations

import smtplib
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.bench.command import run
from tests.bench.environment import DATABASE
from tests.e2e.support import tried

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

    from tests.bench.devservices import Devservices
    from tests.bench.environment import Environment

ASK_SECONDS = 0.01
"""Between two questions of the prober to the same port."""
SMTP_OK = 250
MANY = 10
"""Task runners, beside one."""


@dataclass
class Times:
    """Seconds by name, one per round."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, seconds: float) -> None:
        """Note one more."""
        self.seconds.setdefault(name, []).append(seconds)

    def of(self, name: str) -> list[float]:
        """Those of that name."""
        return self.seconds.get(name, [])


class Rounds:
    """The environment that is brought up and down, and what was measured."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.times = Times()
        file = str(environment.root / ".devenv/compose.yaml")
        self.compose = ("docker", "compose", "--file", file)

    def nothing_to_do(self) -> None:
        """What is up is brought up again, and looked at."""
        self._time("no-op", *self.environment.command("up"))
        self._time("compose no-op --wait", *self.compose, "up", "-d", "--wait")
        self._time("compose no-op", *self.compose, "up", "-d")
        self._time("status", *self.environment.command("status"))
        self._time("compose ps", *self.compose, "ps")
        self._time("version", *self.environment.command()[:-2], "--version")
        self._time("python", sys.executable, "-c", "pass")

    def up_after_down(self) -> None:
        """From down to up, by the one and by the other."""
        run(*self.environment.command("down"))
        self._time("warm up", *self.environment.command("up"))
        run(*self.environment.command("down"))
        self._time("compose warm up", *self.compose, "up", "-d", "--wait")

    def down(self, moment: float) -> None:
        """From up to down, by the one and by the other.

        MySQL looks once a second whether it is to end, which decides more than all else: both begin at that part of
        its second, and rounds at different ones. Of few rounds it is still chance who waits longer.
        """
        for name, argv in (
            ("down", self.environment.command("down")),
            ("compose down", (*self.compose, "down")),
        ):
            run(*self.environment.command("up"))
            self._await(moment)
            self._time(name, *argv)

    def by_devservices(self, peer: Devservices) -> None:
        """The same by devservices, after which nothing is up.

        devenv stops and starts as well, which is what devservices does by its `down` and the `up` after it.
        """
        self._time("stop", *self.environment.command("stop"))
        self._time("up after stop", *self.environment.command("up"))
        run(*self.environment.command("down"))
        self.times.add("devservices warm up", peer.up().seconds)
        self.times.add("devservices no-op", peer.up().seconds)
        self.times.add("devservices status", peer.status().seconds)
        self.times.add("devservices down", peer.down().seconds)

    def watched_up(self) -> None:
        """From down to up under observation, which takes a good part of a core by itself."""
        run(*self.environment.command("down"))
        with self._watched() as watched:
            begun = time.monotonic()
            command = _Told(*self.environment.command("up"))
            command.finish()
        self.times.add("watched up", command.ended - begun)
        self.times.add("critical path", watched.ready - watched.first_event)
        for service, heard in command.healthy.items():
            if service in watched.answered:
                self.times.add("lag", max(0.0, heard - watched.answered[service]))

    def many_workers(self) -> None:
        """The same with one and with ten task runners."""
        for count, name in ((MANY, "up, 10 workers"), (1, "up, 1 worker")):
            self.environment.configure(taskrunner={"replicas": count})
            run(*self.environment.command("down"))
            self._time(name, *self.environment.command("up"))

    def _await(self, moment: float) -> None:
        """Return at that part of a second since the database's container started."""
        started = datetime.fromisoformat(self.environment.engine.service(DATABASE)["State"]["StartedAt"])
        time.sleep((moment - (datetime.now(UTC) - started).total_seconds()) % 1.0)

    def _time(self, name: str, *argv: str) -> None:
        self.times.add(name, run(*argv).seconds)

    @contextmanager
    def _watched(self) -> Iterator[_Watched]:
        port = self.environment.port
        database, mail, smtp = port("database.port"), port("mail.port"), port("mail.smtp_port")
        backend, frontend = port("backend.port"), port("frontend.port")
        answers: dict[str, Callable[[], bool]] = {
            "databasemaster": lambda: _greets(database),
            "mailcatcher": lambda: _has_page(mail, "/") and _takes_mail(smtp),
            "backend": lambda: _has_page(backend, "/health"),
            "frontend": lambda: _has_page(frontend, "/health"),
        }
        watched = _Watched(self.environment.engine.api, self.environment.name, answers)
        try:
            yield watched
        finally:
            watched.close()


class _Told:
    """A command whose lines are heard when they are written."""

    def __init__(self, *argv: str) -> None:
        self._process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.healthy: dict[str, float] = {}
        """When each service was said to be healthy."""
        self.ended = 0.0

    def finish(self) -> None:
        """Read to its end; raises RuntimeError where it fails."""
        assert self._process.stderr is not None
        said = []
        with self._process.stderr as lines:
            for line in lines:
                said.append(line)
                words = line.split()
                if words[:1] == ["ok"] and words[-1] == "healthy":
                    self.healthy[words[1].rstrip(":")] = time.monotonic()
        if self._process.wait() != 0:
            raise RuntimeError("".join(said))
        self.ended = time.monotonic()


class _Watched:
    """One start as an observer sees it who belongs to nobody."""

    def __init__(self, api: docker.APIClient, project: str, answers: dict[str, Callable[[], bool]]) -> None:
        self.answered: dict[str, float] = {}
        """When each service was first found to answer."""
        self._events: list[tuple[float, Any]] = []
        self._closed = threading.Event()
        filters = {"label": [f"com.docker.compose.project={project}"]}
        self._stream = api.events(decode=True, filters=filters)
        threads: list[Callable[[], None]] = [self._listen]
        threads += [lambda name=name, has=has: self._ask(name, has) for name, has in answers.items()]  # type: ignore[misc]
        for target in threads:
            threading.Thread(target=target, daemon=True).start()

    @property
    def first_event(self) -> float:
        """When the engine began to make the first container."""
        return min(at for at, event in self._events if event["Action"] == "create")

    @property
    def ready(self) -> float:
        """When the last service was ready: it answered, or where it has no port its probe passed."""
        probed = [
            at
            for at, event in self._events
            if event["Action"] == "health_status: healthy"
            and event["Actor"]["Attributes"].get("com.docker.compose.service") == "taskrunner"
        ]
        return max([*self.answered.values(), *probed[:1]])

    def close(self) -> None:
        """Stop asking and listening."""
        self._closed.set()
        self._stream.close()

    def _listen(self) -> None:
        offset = time.time() - time.monotonic()
        for event in self._stream:
            self._events.append((event["timeNano"] / 1e9 - offset, event))

    def _ask(self, service: str, has_answered: Callable[[], bool]) -> None:
        while not self._closed.is_set():
            if has_answered():
                self.answered[service] = time.monotonic()
                return
            self._closed.wait(ASK_SECONDS)


def _greets(port: int) -> bool:
    from devenv.database.ready import greets  # noqa: PLC0415 - the one way to see a greeting without an account

    return greets("127.0.0.1", port)


def _takes_mail(port: int) -> bool:
    with suppress(OSError), smtplib.SMTP("127.0.0.1", port, timeout=2) as connection:
        return connection.noop()[0] == SMTP_OK
    return False


def _has_page(port: int, path: str) -> bool:
    answer = tried(port, path)
    return answer is not None and answer.status < 400
