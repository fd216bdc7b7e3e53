"""Whether a start was slower than others like it, and where. Pure; what is found prints itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.waterfall import ITSELF

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from devenv.waterfall import Span, Waterfall

FEWEST = 5
"""Of fewer starts a median says little."""
FACTOR = 1.5
LEAST_SECONDS = 1.0
"""A difference that nobody notices is not worth a word."""


@dataclass(frozen=True)
class Slowdown:
    """A start that took `seconds` where the median of `alike` others is `median`; `part` grew most of
    all that decided when it ended.
    """

    seconds: float
    median: float
    alike: int
    part: str
    part_seconds: float
    part_median: float

    def __str__(self) -> str:
        return (
            f"this start took {self.seconds:.1f} s, the median of the last {self.alike} like it {self.median:.1f} s; "
            f"what grew most is {self.part}: {self.part_seconds:.1f} s, usually {self.part_median:.1f} s"
        )


def is_slow(seconds: float, others: Sequence[float]) -> bool:
    """Whether it took longer by half, and by a second, than the median of the others, of which there are enough."""
    if len(others) < FEWEST:
        return False
    median = _median(others)
    return seconds >= FACTOR * median and seconds - median >= LEAST_SECONDS


def slowdown(now: Waterfall, earlier: Sequence[Waterfall]) -> Slowdown | None:
    """Where a start was slow, measured by those that had the same to do; None where it was not."""
    alike = [one for one in earlier if not one.failed and one.work == now.work]
    if now.failed or not is_slow(now.seconds, [one.seconds for one in alike]):
        return None
    before = [_parts(one.spans, one.overhead) for one in alike]
    # What nobody waited for may have grown as well, and has slowed nothing down.
    parts = _parts([span for span in now.spans if span.critical], now.overhead)
    usual = {name: _median([one.get(name, 0.0) for one in before]) for name in parts}
    grown = max(parts, key=lambda name: parts[name] - usual[name])
    median = _median([one.seconds for one in alike])
    return Slowdown(now.seconds, median, len(alike), grown, parts[grown], usual[grown])


def _parts(spans: Iterable[Span], overhead: float) -> dict[str, float]:
    """Seconds by service and phase, and devenv's own."""
    parts = {ITSELF: overhead}
    for span in spans:
        name = f"{span.service}, {span.phase}"
        parts[name] = parts.get(name, 0.0) + span.seconds
    return parts


def _median(values: Sequence[float]) -> float:
    """The middle one; the module `statistics` takes longer to import than all else here to run."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
