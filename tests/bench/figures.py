"""What is made of measured times: medians, ratios of pairs, how a time grows, and whether a bar is met. Pure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Line:
    """A straight line through measured points: `base + slope * size`."""

    base: float
    slope: float

    @classmethod
    def through(cls, points: Sequence[tuple[float, float]]) -> Line:
        """The line of the least squares; needs points of at least two sizes."""
        fitted = statistics.linear_regression([size for size, _ in points], [time for _, time in points])
        return cls(fitted.intercept, fitted.slope)


@dataclass(frozen=True)
class Bar:
    """What a figure must not exceed, what it aims at, and what was measured; None where nothing was.

    One that was measured on other data than the bar is about is not judged.
    """

    name: str
    must: float
    aim: float | None
    measured: float | None
    unit: str = ""
    is_judged: bool = True

    @property
    def verdict(self) -> str:
        """One word: `aim`, `must`, `missed`, or `-` where nothing was measured; in parentheses if it is not judged."""
        if self.measured is None:
            return "-"
        word = "must" if self.measured <= self.must else "missed"
        if self.aim is not None and self.measured <= self.aim:
            word = "aim"
        return word if self.is_judged else f"({word})"

    @property
    def cells(self) -> tuple[str, ...]:
        """A row: name, must, aim, measured, verdict."""
        numbers = (self.must, self.aim, self.measured)
        texts = ("-" if number is None else f"{_number(number)}{self.unit}" for number in numbers)
        return (self.name, *texts, self.verdict)


def ratio(ours: Sequence[float], peer: Sequence[float]) -> float | None:
    """The median of the ratios of the pairs; None where there is no pair. The shorter side sets their number."""
    pairs = [one / other for one, other in zip(ours, peer, strict=False)]
    return statistics.median(pairs) if pairs else None


def median(times: Sequence[float]) -> float | None:
    """The middle of the times; None where there are none."""
    return statistics.median(times) if times else None


def beside(name: str, ours: Sequence[float], peer: Sequence[float]) -> tuple[str, ...]:
    """A row: name, the median of either side, the ratio; `-` where there is none."""
    figures = ((median(ours), " s"), (median(peer), " s"), (ratio(ours, peer), ""))
    return (name, *("-" if number is None else f"{number:.2f}{unit}" for number, unit in figures))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell: the first to the left, all others to the right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = (
        "  ".join(
            (cell.rjust if column else cell.ljust)(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    )
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
