"""Load a dump into a server over several connections, phase by phase."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from devenv.database.connection import Connection, Work
from devenv.database.progress import Progress
from devenv.database.statements import shortened
from devenv.errors import OperationError
from devenv.events import Event, EventSink, Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from devenv.database.layout import Layout, Phase, Task
    from devenv.database.lookahead import Lookahead
    from devenv.database.stream import Clients, Failure

RESOURCE = "import"


class Loader:
    """Sends a layout's phases to a server; the first error stops every connection."""

    def __init__(
        self, clients: Clients, lookahead: Lookahead, shown: str, connections: int, events: EventSink
    ) -> None:
        self._clients = clients
        self._lookahead = lookahead
        self._script = script = lookahead.script
        self._shown = shown
        self._connections = connections
        self.progress = LoadProgress(len(script), events)
        self._stop = threading.Event()
        self.seconds: dict[str, float] = {}
        """How long each phase took."""

    def load(self, layout: Layout, folder: str | None) -> None:
        """Load all of it, or raise OperationError `import_failed` with file, line and statement.

        `folder` is where the server reads files, None where it reads none.
        """
        work = Work(
            self._clients,
            self._script,
            layout.session,
            folder,
            layout.charset,
            self._lookahead.is_plain,
            self.progress.add,
            self._stop,
        )
        self._lookahead.stop()
        with ThreadPoolExecutor(self._connections) as pool, ExitStack() as stack:
            # They connect while the tables are made.
            shared = [pool.submit(Connection, work, number) for number in range(self._connections)]
            for future in shared:
                stack.callback(_close, future)
            for phase in layout.phases:
                begun = time.monotonic()
                self.progress.phase(phase)
                if phase.has_settings:
                    own = Connection(work, self._connections)
                    stack.callback(own.close)
                    self._check([own.load(iter(phase.tasks))])
                else:
                    connections = [future.result() for future in shared[: len(phase.tasks)]]
                    self._check(self._side_by_side(pool, phase, connections))
                self.seconds[phase.name] = time.monotonic() - begun

    def _side_by_side(
        self, pool: ThreadPoolExecutor, phase: Phase, connections: Sequence[Connection]
    ) -> list[Failure | None]:
        tasks = _Queue(phase.tasks)
        futures = [pool.submit(one.load, tasks) for one in connections]
        try:
            return [future.result() for future in futures]
        except BaseException:
            self._stop.set()
            raise

    def _check(self, outcomes: Sequence[Failure | None]) -> None:
        failures = [one for one in outcomes if one is not None]
        if failures:
            raise self._error(min(failures, key=lambda failure: failure.line))

    def _error(self, failure: Failure) -> OperationError:
        statement = self._statement_at(failure.line)
        return OperationError(
            f"the import failed at line {failure.line}: {failure.message}",
            code="import_failed",
            where=f"{self._shown}:{failure.line}",
            hint=f"the data are as they were; correct line {failure.line} of {self._shown} and import again",
            detail={
                "file": self._shown,
                "line": failure.line,
                "statement": statement,
                "error": failure.message,
            },
            evidence=(f"statement: {statement}",),
        )

    def _statement_at(self, line: int) -> str:
        position = 0
        for _ in range(line - 1):
            position = self._script.find(b"\n", position) + 1
        return shortened(self._script[position : position + 1000].split(b";\n")[0])


def _close(coming: Future[Connection]) -> None:
    if coming.exception() is None:
        coming.result().close()


class _Queue:
    """Tasks for whoever is free."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = iter(tasks)
        self._lock = threading.Lock()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Task:
        with self._lock:
            return next(self._tasks)


class LoadProgress:
    """Tells how much is loaded, how fast, and how long it will go on."""

    def __init__(self, total: int, events: EventSink) -> None:
        self._progress = Progress(total)
        self._events = events
        self.as_files = 0
        """Bytes of the dump that the server read as files."""
        self._lock = threading.Lock()

    def phase(self, phase: Phase) -> None:
        """A phase begins."""
        count = sum(len(task) for task in phase.tasks)
        if phase.name == "data":
            self._progress.begin()
        else:
            self._events.emit(Event(RESOURCE, Status.WORKING, f"{phase.name}: {count} statements"))

    def add(self, size: int, as_file: bool) -> None:
        """So many bytes more went in, or were handed over."""
        with self._lock:
            self.as_files += size if as_file else 0
            detail = self._progress.reach(self._progress.done + size)
        if detail is not None:
            self._events.emit(Event(RESOURCE, Status.WORKING, "loading the data", detail))
