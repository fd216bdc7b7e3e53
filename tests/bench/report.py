"""What `make bench-db` prints of its measured times: the times, how they grow, and the bars. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tests.bench.figures import Bar, Line, median, ratio, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.bench.application import Sight
    from tests.bench.dataset import Dataset

JUDGED = 1000
"""The size in MB at which bars are judged; a run without it shows the largest below, its verdicts in parentheses."""
IMPORTED = 300
"""The size in MB of the import that is judged."""
RESET = "reset"
SPARE = "spare"
RETURNED = "{}, returned"
READ = "{}, read"
COLUMNS = {
    "ready": RESET,
    "returned": RETURNED.format(RESET),
    "all read": READ.format(RESET),
    "spare": SPARE,
    "kill+start": "floor",
    "volume copy": "copy",
    "copy, all read": READ.format("copy"),
    "mysql < dump": "dump",
}
"""The times that are printed, by the column's head."""
LEGEND = (
    "Medians; a ratio is the median of those of the rounds. Times are from the start of a command to the right\n"
    "answer from outside; `returned` is to its end, `all read` to the end of the first SELECT on every table.\n"
    "Bars are those of 1 GB, and of an import of 300 MB; at other sizes the verdict stands in parentheses.\n"
)
TOUCH_BARS = {"overlay": (1.1, 0.9), "reflink": (0.6, 0.4)}


@dataclass(frozen=True)
class Resets:
    """What was measured on one data set: seconds by name, one per round; bytes that further branches took."""

    dataset: Dataset
    snapshot_bytes: int
    times: dict[str, list[float]] = field(default_factory=dict)
    branch_bytes: list[int] = field(default_factory=list)

    def add(self, name: str, seconds: float) -> None:
        """Note one more time."""
        self.times.setdefault(name, []).append(seconds)

    def of(self, name: str) -> Sequence[float]:
        """The times of that name; none where it was not measured."""
        return self.times.get(name, ())


@dataclass(frozen=True)
class Imports:
    """`devenv db import` and `mysql < dump` of the same dump, seconds per round."""

    dataset: Dataset
    dump_bytes: int
    devenv: Sequence[float]
    dump: Sequence[float]


@dataclass(frozen=True)
class Measured:
    """All that one run measured; `visits` are by the way of the reset."""

    facts: Mapping[str, str]
    resets: Sequence[Resets]
    imports: Imports
    visits: Mapping[str, Sequence[Sight]]

    @property
    def driver(self) -> str:
        """The branch driver that was measured."""
        return self.facts["branch driver"]


def report(measured: Measured) -> str:
    """All that is printed."""
    dumps = ", ".join(f"{len(one.of('dump'))} at {one.dataset.name}" for one in measured.resets)
    parts = (
        "".join(f"{name}: {value}\n" for name, value in measured.facts.items()),
        _times(measured.resets),
        _growth(measured.resets),
        table(("", "must", "aim", "measured", "met"), [bar.cells for bar in bars(measured)]),
        "".join(_outage(way, sights) for way, sights in measured.visits.items()),
        f"{LEGEND}Rounds of `mysql < dump`: {dumps}.\n",
    )
    return "\n".join(parts)


def growth(resets: Sequence[Resets]) -> dict[str, Line]:
    """How ready and the first reading of all tables grow with the snapshot's GB, by what and shape of the data."""
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for one in resets:
        ready, read = median(one.of(RESET)), median(one.of(READ.format(RESET)))
        if ready is not None and read is not None:
            gigabytes = one.snapshot_bytes / 1e9
            points[f"ready, {one.dataset.shape}"].append((gigabytes, ready))
            points[f"first reading, {one.dataset.shape}"].append((gigabytes, read - ready))
    return {name: Line.through(found) for name, found in points.items() if len(found) > 1}


def bars(measured: Measured) -> Iterator[Bar]:
    """Every bar with its figure, at the size at which it is judged."""
    resets = measured.resets
    sizes = sorted({one.dataset.megabytes for one in resets})
    shown = max((size for size in sizes if size <= JUDGED), default=sizes[0])
    smallest = {one.dataset.tables: one for one in resets if one.dataset.megabytes == sizes[0]}
    for one in resets:
        if one.dataset.megabytes == shown:
            for bar in _reset_bars(one, smallest[one.dataset.tables], measured.driver):
                yield replace(bar, is_judged=shown == JUDGED)
    imports = measured.imports
    imported = ratio(imports.devenv, imports.dump)
    yield Bar(
        f"db import / mysql < dump, {imports.dataset.name}",
        0.6,
        0.4,
        imported,
        is_judged=imports.dataset.megabytes == IMPORTED,
    )
    for way, sights in measured.visits.items():
        after = [float(sight.failed_after) for sight in sights]
        fresh = [sight.first_fresh_ms for sight in sights]
        yield Bar(f"application, {way}: failed requests after it", 0, None, max(after, default=None))
        yield Bar(f"application, {way}: first fresh page after it", 200, None, median(fresh), " ms")


def _reset_bars(one: Resets, smallest: Resets, driver: str) -> Iterator[Bar]:
    name, reset = one.dataset.name, one.of(RESET)
    if one is not smallest:
        small = smallest.of(RESET)
        yield Bar(f"reset {name} / {smallest.dataset.size}", 1.3, 1.1, ratio(reset, small))
    yield Bar(f"reset / kill+start, {name}", 1.5, 1.1, ratio(reset, one.of("floor")))
    if one.of(SPARE):
        yield Bar(f"reset --spare / kill+start, {name}", 0.5, None, ratio(one.of(SPARE), one.of("floor")))
    yield Bar(f"reset / mysql < dump, {name}", 1 / 15, 1 / 40, ratio(reset, one.of("dump")))
    yield Bar(f"reset / volume copy, {name}", 0.7, 0.4, ratio(reset, one.of("copy")))
    must, aim = TOUCH_BARS.get(driver, TOUCH_BARS["overlay"])
    read = ratio(one.of(READ.format(RESET)), one.of(READ.format("copy")))
    yield Bar(f"the two, all tables read, {name}", must, aim, read)
    room = 120 + 0.02 * one.snapshot_bytes / 1e6 if driver == "reflink" else 200
    used = median(one.branch_bytes)
    yield Bar(f"disk of a branch, {name}", room, None, None if used is None else used / 1e6, " MB")


def _times(resets: Sequence[Resets]) -> str:
    heads = [head for head, name in COLUMNS.items() if any(one.of(name) for one in resets)]
    rows = [
        (
            one.dataset.name,
            f"{one.snapshot_bytes / 1e6:.0f} MB",
            *(_milliseconds(one.of(COLUMNS[head])) for head in heads),
        )
        for one in resets
    ]
    return table(("ms", "snapshot", *heads), rows)


def _outage(way: str, sights: Sequence[Sight]) -> str:
    away = median([sight.away_ms for sight in sights]) or 0
    page = median([sight.page_ms for sight in sights]) or 0
    return f"application, {way}: {away:.0f} ms without a good page, which takes {page:.0f} ms otherwise\n"


def _growth(resets: Sequence[Resets]) -> str:
    rows = [
        (name, f"{1000 * line.base:.0f} ms", f"{1000 * line.slope:+.0f} ms/GB")
        for name, line in growth(resets).items()
    ]
    return table(("growth with the size", "at 0", "slope"), rows)


def _milliseconds(times: Iterable[float]) -> str:
    middle = median(tuple(times))
    return "-" if middle is None else f"{1000 * middle:.0f}"
