"""Starts containers and hears of what becomes of them at once: nothing waits for an interval.

The engine's events tell of deaths and of the inner probes, threads of our own ask the published ports.
Where the engine tells no events, `Patience` does the same one after the other, and looks again now and then.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

from devenv.beside import Beside
from devenv.operations.answers import answers, asks_for_files, can_be_asked

if TYPE_CHECKING:
    from devenv.engine.api import Engine, News
    from devenv.engine.observed import ObservedContainer
    from devenv.model import Service

POLL_SECONDS = 0.1
ASK_SECONDS = 0.02
"""Between two questions to the same container: a refused connection costs a tenth of a millisecond."""
FILE_SECONDS = 0.1
"""Between two questions about files, whichever container they are in: the engine mounts its volumes for each answer,
which costs 4 ms of a core, and ten workers that start at once need it themselves."""
LONGEST_SECONDS = 0.25
"""Without news the state is read again after this time: some of what is waited for is only time passing."""

Run = tuple[str, str]
"""One run of a container: its id and when it started."""


class Companion(Protocol):
    """How a wait starts containers, and what it hears meanwhile."""

    def start(self, container_id: str) -> None:
        """Start a container, now or soon."""

    def started(self) -> tuple[str, ...]:
        """The containers that were started since the last call; raises what the engine said of one that was not."""

    def has_answered(self, service: Service, container: ObservedContainer) -> bool | None:
        """Whether the container has answered from outside since it is asked; None if it cannot be."""

    def wait(self) -> None:
        """Return when it is time to look again."""

    def close(self) -> None:
        """Stop asking."""


class Patience:
    """One thing after the other, and a look at the engine every now and then."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._started: list[str] = []

    def start(self, container_id: str) -> None:
        """Start a container."""
        self._engine.start_container(container_id)
        self._started.append(container_id)

    def started(self) -> tuple[str, ...]:
        """The containers that were started since the last call."""
        found, self._started = tuple(self._started), []
        return found

    def has_answered(self, service: Service, container: ObservedContainer) -> None:
        """Nobody is asked: the engine's word counts."""

    def wait(self) -> None:
        """Return a little later."""
        time.sleep(POLL_SECONDS)

    def close(self) -> None:
        """There is nothing to stop."""


class Alert:
    """Everything at once: containers start beside each other, and every answer and every event ends a wait."""

    def __init__(self, engine: Engine, news: News) -> None:
        self._engine = engine
        self._news = news
        self._ended: deque[tuple[str, BaseException | None]] = deque()
        """The starts that have ended, and how."""
        self._asked: set[Run] = set()
        self._answered: set[Run] = set()
        self._closed = threading.Event()
        self._files = threading.Lock()
        """Held by whoever asks about a file, and until the next may."""

    def start(self, container_id: str) -> None:
        """Start a container, beside the others that start."""

        def start() -> None:
            outcome: BaseException | None = None
            try:
                self._engine.start_container(container_id)
            except BaseException as error:  # noqa: BLE001 - raised where somebody waits
                outcome = error
            self._ended.append((container_id, outcome))
            self._news.tell()

        Beside(start)

    def started(self) -> tuple[str, ...]:
        """The containers that were started since the last call; raises what the engine said of one that was not."""
        found = []
        while self._ended:
            container_id, error = self._ended.popleft()
            if error is not None:
                raise error
            found.append(container_id)
        return tuple(found)

    def has_answered(self, service: Service, container: ObservedContainer) -> bool | None:
        """Whether the container answered from outside in its present run; the first call begins to ask."""
        if not can_be_asked(self._engine, service, container):
            return None
        run = (container.id, container.started_at)
        if run not in self._asked:
            self._asked.add(run)
            Beside(self._ask, service, container, run)
        return run in self._answered

    def _ask(self, service: Service, container: ObservedContainer, run: Run) -> None:
        turn, pause = (self._files, FILE_SECONDS) if asks_for_files(service) else (nullcontext(), 0.0)
        while not self._closed.is_set():
            with turn:
                if self._closed.is_set():
                    return
                if answers(self._engine, service, container):
                    self._answered.add(run)
                    self._news.tell()
                    return
                self._closed.wait(pause)
            # Also the time in which another takes its turn: a lock is not fair.
            self._closed.wait(ASK_SECONDS)

    def wait(self) -> None:
        """Return as soon as anything happened."""
        self._news.wait(LONGEST_SECONDS)

    def close(self) -> None:
        """Stop asking."""
        self._closed.set()
