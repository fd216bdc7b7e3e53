"""Where the time of a start went: stretches of time by service and phase. Pure; a waterfall draws itself."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, groupby, repeat
from typing import TYPE_CHECKING

from devenv.events import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COMPOSE = "compose"
"""The row of what Compose does for all services at once."""
ITSELF = "devenv itself"
"""The row of the time in which nothing else was waited for."""
ASCENT = (Phase.START, Phase.PROBE, Phase.HEALTHY)
"""How a service comes up, one after the other."""
WORK = (Phase.WAIT, Phase.IMAGE, Phase.SEED, Phase.BRANCH, Phase.CREATE, Phase.START)
"""What makes one kind of start differ from another, in the order in which it happens."""
CELLS = 32


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, in seconds since the command began; `service` may be another row, as `compose`.

    `critical` are those that, one after the other, decided when the start ended. `count` is how many containers
    of the service came up in it, 1 where that is not known.
    """

    service: str
    phase: Phase
    begin: float
    end: float
    critical: bool = False
    failed: bool = False
    count: int = 1

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.begin


@dataclass(frozen=True)
class Waterfall:
    """One start: its spans row by row, in all `seconds`, of which `overhead` in none of them."""

    environment: str
    kind: str
    """What was done, as `seed, create, start`."""
    seconds: float
    overhead: float
    failed: bool
    spans: tuple[Span, ...]

    @classmethod
    def of(
        cls, environment: str, spans: Iterable[Span], seconds: float, *, failed: bool = False
    ) -> Waterfall:
        """Put together in rows: what begins first comes first, and a row holds what belongs to it."""
        given = tuple(spans)
        begins: dict[str, float] = {}
        for span in given:
            begins[span.service] = min(begins.get(span.service, span.begin), span.begin)
        places = {name: place for place, name in enumerate(sorted(begins, key=begins.__getitem__))}
        rows = tuple(sorted(given, key=lambda span: (places[span.service], span.begin, span.end)))
        done = {_kind_of(span) for span in rows}
        kind = ", ".join(phase for phase in WORK if phase in done) or "nothing to do"
        overhead = round(sum(end - begin for begin, end in _gaps(rows, seconds)), 3)
        return cls(environment, kind, seconds, overhead, failed, rows)

    @property
    def gaps(self) -> tuple[tuple[float, float], ...]:
        """Begin and end of the stretches in which nothing but devenv itself was waited for."""
        return tuple(_gaps(self.spans, self.seconds))

    @property
    def work(self) -> str:
        """What was done to which service, and to how many of it: starts with the same work can be compared."""
        return ", ".join(sorted({f"{span.count} {span.service} {_kind_of(span)}" for span in self.spans}))

    @property
    def path(self) -> tuple[str, ...]:
        """The critical path in words: each row with its phases, in the order in which they were waited for."""
        critical = sorted(
            (span for span in self.spans if span.critical), key=lambda span: (span.end, span.begin)
        )
        return tuple(
            f"{service} {', '.join(span.phase for span in spans)}"
            for service, spans in groupby(critical, key=lambda span: span.service)
        )

    @property
    def title(self) -> str:
        """What this is, in one line."""
        ended = "failed after" if self.failed else "took"
        return f"up of {self.environment} ({self.kind}) {ended} {self.seconds:.2f} s"

    def __str__(self) -> str:
        width = max(len(name) for name in (ITSELF, *(span.service for span in self.spans)))
        scale = f"0 s{f'{self.seconds:.2f} s':>{CELLS - 3}}"
        lines = [
            self.title,
            "",
            f"{'SERVICE':<{width}}  {'PHASE':<12}{'AT':>6}{'TOOK':>8}    {scale}".rstrip(),
        ]
        for service, spans in groupby(self.spans, key=lambda span: span.service):
            names = chain([service], repeat(""))
            lines += [
                f"{name:<{width}}  {_row(span, self.seconds)}"
                for name, span in zip(names, spans, strict=False)
            ]
        itself = _bar(self.gaps, self.seconds, "-")
        lines.append(f"{ITSELF:<{width}}  {'':<18}{self.overhead:>8.2f}   |{itself}|")
        if self.path:
            lines += ["", f"* critical path: {' > '.join(self.path)}"]
        return "\n".join(lines)


def _kind_of(span: Span) -> Phase:
    """Its phase, where to come up counts as one: how it is divided is for the engine to tell."""
    return Phase.START if span.phase in ASCENT else span.phase


def _gaps(spans: Iterable[Span], seconds: float) -> Iterable[tuple[float, float]]:
    """What no span covers."""
    reached = 0.0
    for span in sorted(spans, key=lambda span: span.begin):
        if span.begin > reached:
            yield reached, min(span.begin, seconds)
        reached = max(reached, span.end)
    if reached < seconds:
        yield reached, seconds


def _row(span: Span, seconds: float) -> str:
    mark = "X" if span.failed else "*" if span.critical else " "
    sign = "X" if span.failed else "#" if span.critical else "="
    bar = _bar([(span.begin, span.end)], seconds, sign)
    return f"{span.phase:<12}{span.begin:>6.2f}{span.seconds:>8.2f} {mark} |{bar}|"


def _bar(stretches: Sequence[tuple[float, float]], seconds: float, sign: str) -> str:
    """Each stretch where it lies, a cell at least."""
    cells = [" "] * CELLS
    for begin, end in stretches:
        first = min(round(begin / seconds * CELLS), CELLS - 1) if seconds else 0
        last = max(round(end / seconds * CELLS), first + 1) if seconds else 1
        cells[first:last] = sign * (last - first)
    return "".join(cells[:CELLS])
