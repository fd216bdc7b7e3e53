"""Note what happens when during a start, keep it, and say so where the start was slower than usual."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from devenv.environments.runs import Runs
from devenv.errors import DevenvError, OperationError
from devenv.events import Event, EventSink, NullSink, Status
from devenv.operations.session import with_events
from devenv.pace import is_slow, slowdown
from devenv.timeline import Life, Mark, Record, waterfall_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from devenv.engine.observed import ObservedState
    from devenv.model import Service
    from devenv.operations.session import Session
    from devenv.waterfall import Waterfall


class Recorder:
    """Takes the events of one start, and passes them on; notes what the engine says of the containers.

    `begun` is when the command began, on `time.monotonic`. `services` are those that are to come up, once
    they are known; `waterfall` is there once the start has ended, well or not.
    """

    def __init__(self, begun: float | None = None) -> None:
        now = time.monotonic()
        self._begun = now if begun is None else begun
        self._begun_at = time.time() - (now - self._begun)
        self._sink: EventSink = NullSink()
        self._marks: list[Mark] = []
        self._containers: dict[str, str] = {}
        """Service by the name of a container."""
        self._runs: dict[str, tuple[str, set[str]]] = {}
        """By the name of a container: when it started last, and the probes seen since."""
        self.services: Sequence[Service] = ()
        self.waterfall: Waterfall | None = None

    @property
    def seconds(self) -> float:
        """Since the command began."""
        return time.monotonic() - self._begun

    def emit(self, event: Event) -> None:
        """Note when it came, and pass it on."""
        self._marks.append(Mark(self.seconds, event))
        self._sink.emit(event)

    def watching(self, observe: Callable[[], ObservedState]) -> Callable[[], ObservedState]:
        """The same reading, of which the times are noted."""

        def observed() -> ObservedState:
            state = observe()
            for one in state.containers:
                self._containers[one.name] = one.service
                if one.started_at:
                    if self._runs.get(one.name, ("",))[0] != one.started_at:
                        self._runs[one.name] = (one.started_at, set())
                    self._runs[one.name][1].update(one.probes)
            return state

        return observed

    @contextmanager
    def recording(self, session: Session) -> Iterator[Session]:
        """The session whose events are noted; what is noted is kept when the block ends."""
        self._sink = session.events
        try:
            yield with_events(session, self)
        except DevenvError:
            self._end(session, failed=True)
            raise
        self._end(session)

    def _end(self, session: Session, *, failed: bool = False) -> None:
        record = Record(
            session.identity.project, self.services, self._marks, self._lives(), self.seconds, failed
        )
        self.waterfall = waterfall_of(record)
        if not self.waterfall.spans:
            return
        runs = Runs(session.workspace.runs_file)
        slow = not failed and is_slow(self.waterfall.seconds, runs.seconds_of(self.waterfall))
        slower = slowdown(self.waterfall, runs.last()) if slow else None
        runs.add(self.waterfall, datetime.fromtimestamp(self._begun_at, UTC).isoformat(timespec="seconds"))
        if slower is not None:
            self._sink.emit(Event("up", Status.WARNING, str(slower)))

    def _lives(self) -> list[Life]:
        return [self._life(name, service) for name, service in self._containers.items()]

    def _life(self, name: str, service: str) -> Life:
        if name not in self._runs:
            return Life(name, service)
        started_at, probes = self._runs[name]
        started = self._since_begun(started_at)
        # The engine remembers the probes of a run before as well.
        times = (self._since_begun(probe) for probe in probes)
        probed = [at for at in times if at is not None and started is not None and at >= started]
        return Life(name, service, started, min(probed, default=None))

    def _since_begun(self, at: str) -> float | None:
        """The engine's word for a time as seconds since the command began; None for one that is no time."""
        try:
            return datetime.fromisoformat(at).timestamp() - self._begun_at
        except ValueError:
            return None


def write_page(waterfall: Waterfall, file: Path) -> None:
    """Write the waterfall as a page that needs nothing else."""
    from devenv.render.waterfall import page  # noqa: PLC0415 - only who asks for it needs it

    try:
        file.write_text(page(waterfall), encoding="utf-8")
    except OSError as error:
        raise OperationError(
            f"the profile cannot be written to {file}: {error.strerror or error}",
            code="file_unwritable",
            hint="name another file: `devenv up --profile=FILE.html`",
        ) from error
