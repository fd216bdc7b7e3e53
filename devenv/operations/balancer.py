"""The load balancer of production's shape: its files, and what it is told and asked while it runs."""

from __future__ import annotations

import csv
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from devenv.config.defaults import RESOURCES
from devenv.engine.api import last_words
from devenv.environments.access import accessing
from devenv.environments.authority import PRIVATE, machine_authority, site_pem
from devenv.environments.caller import hand_over
from devenv.environments.files import write_atomically
from devenv.errors import OperationError, ServiceFailedError
from devenv.events import Event, Status
from devenv.operations.session import BALANCER_UID
from devenv.render import haproxy
from devenv.services.loadbalancer import NAME, RELOAD, runtime_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from devenv.engine.observed import ObservedState
    from devenv.model import Project
    from devenv.operations.session import Session

POLL_SECONDS = 0.1
DRAIN_SECONDS = 30.0
"""Requests that take longer than this are cut off when their pod goes."""
IN_SECONDS = 30.0
ANSWER_SECONDS = 5.0
"""A new process that takes over answers in less than one."""


@dataclass(frozen=True, slots=True)
class Server:
    """A pod as the balancer sees it: `UP`, `DOWN`, `DRAIN` ..., and how many requests it has in hand."""

    status: str
    requests: int

    @property
    def is_in(self) -> bool:
        """Whether requests go there."""
        return self.status.startswith("UP")


def write_files(session: Session, project: Project) -> None:
    """Configuration, page, and with HTTPS the key: for the user as whom the balancer runs, and nobody else."""
    folder = session.workspace.balancer_folder
    with accessing(folder, folder):
        folder.mkdir(parents=True, exist_ok=True)
        hand_over(folder)
    page = (RESOURCES / "compose" / NAME / haproxy.PAGE).read_text(encoding="utf-8")
    texts = {haproxy.PAGE: page}
    if session.shape is not None and session.shape.tls:
        texts[haproxy.KEY] = _key(session, folder / haproxy.KEY)
    health = session.settings.frontend.healthcheck.http or "/"
    texts[haproxy.CONFIGURATION] = haproxy.render(project, health, "".join(texts.values()))
    owned = project.service(NAME).user == f"{BALANCER_UID}:{BALANCER_UID}"
    for name, text in texts.items():
        _write(folder / name, text, PRIVATE if name == haproxy.KEY else 0o644, owned=owned)
    if haproxy.KEY not in texts:
        (folder / haproxy.KEY).unlink(missing_ok=True)


def _key(session: Session, file: Path) -> str:
    with accessing(file, file.parent, "read"):
        present = file.read_text(encoding="ascii") if file.exists() else ""
    return site_pem(machine_authority(), present, session.settings.bind, datetime.now(UTC))


def _write(file: Path, text: str, mode: int, *, owned: bool) -> None:
    with accessing(file, file.parent):
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            write_atomically(file, text, mode)
        if owned:
            os.chown(file, BALANCER_UID, BALANCER_UID)
        else:
            hand_over(file)


@dataclass(frozen=True)
class Balancer:
    """The balancer that runs."""

    session: Session
    container: str

    @classmethod
    def of(cls, session: Session, observed: ObservedState) -> Balancer | None:
        """The environment's, None where none runs."""
        running = observed.running(NAME)
        return None if running is None else cls(session, running.id)

    def servers(self) -> Mapping[str, Server]:
        """Every pod that the balancer knows, by its name for it; empty where it gives no answer in `ANSWER_SECONDS`."""
        found: dict[str, Server] = {}

        def answers() -> bool:
            found.update(_servers(self.ask("show stat")))
            return bool(found)

        _within(ANSWER_SECONDS, answers)
        return found

    def make_known(self, *pods: int) -> None:
        """Take up the configuration in its folder where one of the pods is not known.

        A start of more pods that ended before they were healthy leaves some.
        """
        if not self.servers().keys() >= {haproxy.server(pod) for pod in pods}:
            self.reload()

    def drain(self, pod: int) -> None:
        """Send the pod no more requests, and wait until those in hand are answered, `DRAIN_SECONDS` at most."""
        name = haproxy.server(pod)
        if name not in self.servers():
            return
        self.ask(f"set server {haproxy.POOL}/{name} state drain")
        if not _within(DRAIN_SECONDS, lambda: self._has_answered(name)):
            text = f"still has requests in hand after {DRAIN_SECONDS:g} s: they are cut off"
            self.session.events.emit(Event(name, Status.WARNING, text))

    def _has_answered(self, name: str) -> bool:
        server = self.servers().get(name)
        return server is None or server.requests == 0

    def let_in(self, *pods: int) -> None:
        """Send requests to the pods again, whoever drained them, and wait until it does.

        Raises ServiceFailedError for a pod that the balancer finds no answer at, or does not know.
        """
        names = [haproxy.server(pod) for pod in pods]
        for name, server in self._out(names).items():
            if server is not None:
                self.ask(f"set server {haproxy.POOL}/{name} state ready")
        if _within(IN_SECONDS, lambda: not self._out(names)):
            return
        for late, server in self._out(names).items():
            found = "does not know it" if server is None else f"finds it {server.status}"
            raise ServiceFailedError(
                f"the load balancer does not send requests to {late}: it {found}",
                code="pod_out",
                hint=f"read on with `devenv logs {NAME}`",
            )

    def _out(self, names: Iterable[str]) -> dict[str, Server | None]:
        """Those of the pods to which no requests go; None is one that it does not know."""
        known = self.servers()
        found = {name: known.get(name) for name in names}
        return {name: server for name, server in found.items() if server is None or not server.is_in}

    def reload(self) -> None:
        """Take up the configuration in its folder where it has another; no connection is lost."""
        file = self.session.workspace.balancer_folder / haproxy.CONFIGURATION
        digest = haproxy.digest_of(file.read_text(encoding="utf-8"))
        if self._runs(digest):
            return
        self.session.engine.execute(self.container, RELOAD)
        if not _within(IN_SECONDS, lambda: self._runs(digest)):
            raise OperationError(
                "the load balancer does not take up its new configuration",
                code="balancer_reload_failed",
                evidence=last_words(self.session.engine, self.container, 10),
                hint=f"mend what its log names; `devenv restart {NAME}` starts it anew",
            )
        self.session.events.emit(Event(NAME, Status.DONE, "took up its new configuration"))

    def _runs(self, digest: str) -> bool:
        return digest in self.ask("show info desc")

    def ask(self, statement: str) -> str:
        """The answer to a statement; empty while a new process takes over."""
        return self.session.engine.execute(self.container, runtime_command(statement)).output


def _servers(table: str) -> dict[str, Server]:
    """The pods in its table of statistics, in which front and back have rows of their own."""
    return {
        row["svname"]: Server(row["status"], int(row["scur"] or 0))
        for row in csv.DictReader(table.lstrip("# ").splitlines())
        if row.get("pxname") == haproxy.POOL and row["svname"] not in {"FRONTEND", "BACKEND"}
    }


def _within(seconds: float, look: Callable[[], bool]) -> bool:
    """Whether it becomes so in time."""
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
