"""Load a dump into a server over several connections, each a `mysql` client that reads a stream."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.database.layout import Item, Layout, LineMap, Phase
from devenv.database.server import Server, quoted
from devenv.database.sqlfile import first_error
from devenv.database.statements import SEMICOLON, shortened
from devenv.errors import OperationError
from devenv.events import Event, EventSink, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devenv.database.layout import Task
    from devenv.database.statements import Script

RESOURCE = "import"
EVERY_SECONDS = 0.5
MEGABYTE = 1e6
COMMIT = Item(1, None, text=b"COMMIT")


@dataclass(frozen=True)
class Failure:
    """A stream that ended early: where in the dump, and why."""

    line: int
    message: str


class Loader:
    """Sends a layout's phases to a server; the first error stops every connection."""

    def __init__(
        self, server: Server, script: Script, shown: str, connections: int, events: EventSink
    ) -> None:
        self._server = server
        self._script = script
        self._shown = shown
        self._connections = connections
        self._progress = Progress(len(script), events)
        self._stop = threading.Event()
        self.seconds: dict[str, float] = {}
        """How long each phase took."""

    def load(self, layout: Layout) -> None:
        """Load all of it, or raise OperationError `import_failed` with file, line and statement."""
        for phase in layout.phases:
            begun = time.monotonic()
            self._progress.phase(phase)
            self._run(layout, phase)
            self.seconds[phase.name] = time.monotonic() - begun

    def _run(self, layout: Layout, phase: Phase) -> None:
        queue = _Queue(phase.tasks)
        workers = min(self._connections, len(phase.tasks))
        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(self._stream, layout, queue) for _ in range(workers)]
            try:
                failures = [failure for future in futures if (failure := future.result()) is not None]
            except BaseException:
                self._stop.set()
                raise
        if failures:
            raise self._error(min(failures, key=lambda failure: failure.line))

    def _stream(self, layout: Layout, queue: _Queue) -> Failure | None:
        lines = LineMap()
        result = self._server.load(None, self._bytes(layout, queue, lines), ("--binary-mode",))
        if result.exit_status == 0:
            return None
        self._stop.set()
        error = first_error(result.output)
        if error is None:
            return Failure(0, (result.output.strip().splitlines() or ["the client ended"])[-1])
        return Failure(lines.original(error[0]), error[1])

    def _bytes(self, layout: Layout, queue: _Queue, lines: LineMap) -> Iterator[bytes]:
        database = None
        for item in layout.session:
            yield from self._item(item, b"", lines)
        while not self._stop.is_set() and (task := queue.next()) is not None:
            for item in task:
                if self._stop.is_set():
                    return
                before = b""
                if item.database is not None and item.database != database:
                    database = item.database
                    before = f"USE {quoted(database)};\n".encode()
                yield from self._item(item, before, lines)
                if item.is_data:
                    yield from self._item(COMMIT, b"", lines)
        yield from self._item(COMMIT, b"", lines)

    def _item(self, item: Item, before: bytes, lines: LineMap) -> Iterator[bytes]:
        body = self._script[item.start : item.end] if item.text is None else item.text
        after = b";\n"
        if item.delimiter != SEMICOLON:
            before += b"DELIMITER " + item.delimiter + b"\n"
            after = b"\n" + item.delimiter + b"\nDELIMITER ;\n"
        lines.add(before, body + after if item.text is not None else body, item.line)
        if item.text is None:
            lines.line += after.count(b"\n")
        yield before + body + after
        if item.is_data:
            self._progress.add(item.end - item.start)

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


class _Queue:
    """Tasks for whoever is free."""

    def __init__(self, tasks: tuple[Task, ...]) -> None:
        self._tasks = iter(tasks)
        self._lock = threading.Lock()

    def next(self) -> Task | None:
        """The next task, None where all are taken."""
        with self._lock:
            return next(self._tasks, None)


class Progress:
    """Tells how much is loaded, how fast, and how long it will go on."""

    def __init__(self, total: int, events: EventSink) -> None:
        self._total = total
        self._events = events
        self._done = 0
        self._begun = self._told = time.monotonic()
        self._lock = threading.Lock()

    def phase(self, phase: Phase) -> None:
        """A phase begins."""
        count = sum(len(task) for task in phase.tasks)
        if phase.name == "data":
            self._begun = time.monotonic()
        else:
            self._events.emit(Event(RESOURCE, Status.WORKING, f"{phase.name}: {count} statements"))

    def add(self, size: int) -> None:
        """So many bytes more were handed over."""
        with self._lock:
            self._done += size
            now = time.monotonic()
            if now - self._told < EVERY_SECONDS:
                return
            self._told = now
            rate = self._done / max(now - self._begun, 0.001)
            left = max(self._total - self._done, 0) / rate
            detail = (
                f"{self._done / MEGABYTE:.0f} of {self._total / MEGABYTE:.0f} MB, "
                f"{rate / MEGABYTE:.1f} MB/s, {left:.0f} s left"
            )
        self._events.emit(Event(RESOURCE, Status.WORKING, "loading the data", detail))
