"""From what was noted during a start to its waterfall: the spans, and which of them decided the end. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from devenv.events import Event, Phase, Status
from devenv.model import Condition
from devenv.services import mysql
from devenv.waterfall import ASCENT, COMPOSE, Span, Waterfall

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from devenv.model import Service

ROWS = {"database": mysql.NAME, "spare": mysql.NAME, "containers": COMPOSE}
"""Where a resource is shown, if not under its own name."""
IMAGE = "image "
TOLERANCE = 0.05
"""What begins so shortly before another thing ends, in seconds, may still have waited for it."""
CREATION = re.compile(r"Container (?P<name>\S+) +(?P<state>Creating|Recreate|Created|Recreated)$")
"""What Compose prints when it begins and when it ends to make a container."""


@dataclass(frozen=True, slots=True)
class Mark:
    """An event, and when it came: seconds since the command began."""

    at: float
    event: Event


@dataclass(frozen=True, slots=True)
class Life:
    """A container, and by the engine's clock when its process started and its first probe began."""

    name: str
    service: str
    started: float | None = None
    probed: float | None = None


@dataclass(frozen=True)
class Record:
    """All that was noted of one start of these services."""

    environment: str
    services: Sequence[Service]
    marks: Sequence[Mark]
    lives: Sequence[Life]
    seconds: float
    failed: bool = False


def waterfall_of(record: Record) -> Waterfall:
    """The start as a waterfall."""
    spans = tuple(_rounded(_spans(record)))
    path = _critical_path(spans, record.services)
    return Waterfall.of(
        record.environment,
        (replace(span, critical=span in path) for span in spans),
        round(record.seconds, 3),
        failed=record.failed,
    )


def _rounded(spans: Iterable[Span]) -> Iterator[Span]:
    return (replace(span, begin=round(span.begin, 3), end=round(span.end, 3)) for span in spans)


def _spans(record: Record) -> Iterator[Span]:
    stretches = _stretches(record)
    for stretch in stretches:
        if stretch.service.startswith(IMAGE):
            key = stretch.service.removeprefix(IMAGE)
            users = [service.name for service in record.services if service.image == key]
            yield from (replace(stretch, service=name) for name in users or [key])
        elif stretch.phase is Phase.START:
            yield from _ascent(stretch, [life for life in record.lives if life.service == stretch.service])
        else:
            yield replace(stretch, service=ROWS.get(stretch.service, stretch.service))
    yield from _creations(record, stretches)


def _stretches(record: Record) -> tuple[Span, ...]:
    """What the events say: a resource is in one phase at a time, until the next one or its end."""
    notes = _Notes()
    for mark in record.marks:
        notes.take(mark)
    open_still = list(notes.open.values())
    if record.failed and open_still and not any(span.failed for span in notes.closed):
        # Nobody said what failed: it was at work on what it had begun last.
        open_still[-1] = replace(open_still[-1], failed=True)
    return (*notes.closed, *(replace(span, end=record.seconds) for span in open_still))


@dataclass
class _Notes:
    """The stretches that have ended, and those that go on."""

    closed: list[Span] = field(default_factory=list)
    open: dict[str, Span] = field(default_factory=dict)

    def take(self, mark: Mark) -> None:
        """Read the next event."""
        event, going_on = mark.event, self.open.get(mark.event.resource)
        if event.status is Status.WORKING:
            if event.phase is None or (going_on is not None and going_on.phase is event.phase):
                return
            self._close(mark)
            self.open[event.resource] = Span(event.resource, event.phase, mark.at, mark.at)
        else:
            self._close(mark)

    def _close(self, mark: Mark) -> None:
        span = self.open.pop(mark.event.resource, None)
        if span is not None:
            self.closed.append(replace(span, end=mark.at, failed=mark.event.status is Status.FAILED))


def _ascent(stretch: Span, lives: Sequence[Life]) -> Iterator[Span]:
    """The start of a service in its parts; the last of several containers speaks for all.

    Times outside are of a run before, or of an engine whose clock is another than ours.
    """
    known = [life.started for life in lives if life.started is not None]
    if not known:
        yield stretch
        return
    began = stretch.begin
    starts = [at for at in known if began <= at <= stretch.end]
    if starts:
        stretch = replace(stretch, count=len(starts))
        yield replace(stretch, end=max(starts), failed=False)
        began = max(starts)
    probes = [at for life in lives if (at := life.probed) is not None and began <= at <= stretch.end]
    if probes:
        yield replace(stretch, phase=Phase.PROBE, begin=began, end=max(probes), failed=False)
        began = max(probes)
    yield replace(stretch, phase=Phase.HEALTHY, begin=began)


def _creations(record: Record, stretches: Sequence[Span]) -> Iterator[Span]:
    """When Compose made the containers of each service, as its own lines say."""
    services = {life.name: life.service for life in record.lives}
    whole = next((span for span in stretches if span.phase is Phase.CREATE), None)
    begun: dict[str, float] = {}
    ended: dict[str, float] = {}
    for mark in record.marks:
        found = CREATION.search(mark.event.detail) if mark.event.phase is Phase.CREATE else None
        service = services.get(found["name"]) if found else None
        if found is None or service is None or whole is None:
            continue
        if found["state"] in {"Creating", "Recreate"}:
            begun.setdefault(service, mark.at)
        else:
            ended[service] = mark.at
            begun.setdefault(service, whole.begin)
    for service, end in ended.items():
        yield Span(service, Phase.CREATE, begun[service], end)


def _critical_path(spans: Sequence[Span], services: Sequence[Service]) -> list[Span]:
    """Back from what ended last, or failed, to what each waited for."""
    path: list[Span] = []
    failed = [span for span in spans if span.failed]
    last = max(failed or spans, key=lambda span: (span.end, span.begin), default=None)
    while last is not None:
        path.append(last)
        last = _waited_for(last, spans, {service.name: service for service in services})
    return path


def _waited_for(span: Span, spans: Sequence[Span], services: dict[str, Service]) -> Span | None:
    """What ended last of all that had to end before the span could begin."""
    before = [
        one
        for one in spans
        if one.end <= span.begin + TOLERANCE and (one.begin, one.end) < (span.begin, span.end)
    ]
    own = [one for one in before if one.service == span.service and one.phase in ASCENT]
    if span.phase in ASCENT and own:
        return max(own, key=_ended)
    # One step after the other: a wait for another command, images, data, containers.
    steps = [one for one in before if one.phase not in ASCENT and _is_step(one)]
    if span.phase in ASCENT:
        needed = services[span.service].depends_on if span.service in services else {}
        others = [one for one in before if one.phase in ASCENT and _is_met_by(one, needed.get(one.service))]
    else:
        others = [one for one in before if one.phase in ASCENT]
    return max([*steps, *others], key=_ended, default=None)


def _is_step(span: Span) -> bool:
    """A service's own creation is a part of what Compose does for all of them."""
    return span.phase is not Phase.CREATE or span.service == COMPOSE


def _is_met_by(span: Span, condition: Condition | None) -> bool:
    if condition is None:
        return False
    return span.phase is Phase.START or condition is not Condition.STARTED


def _ended(span: Span) -> tuple[float, float]:
    return span.end, span.begin
