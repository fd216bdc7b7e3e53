"""How a backlog drains: readings of a queue, and what several of them say. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WINDOW = 10.0
"""Seconds over which the rate is taken."""
LAST_ERROR = "last_error"
MEANINGS: Mapping[str, tuple[str, ...]] = {
    "backlog": ("backlog", "ready", "queued", "waiting", "pending", "new", "enqueued"),
    "running": ("running", "started", "active", "processing", "reserved", "in_progress"),
    "failed": ("failed", "failure", "error", "dead"),
    "done": ("done", "successful", "succeeded", "success", "finished", "complete", "completed"),
}
"""The names under which queues count their jobs, in any case; what has another name is shown as it is."""


class UnreadableQueueError(Exception):
    """What was read is no list of names and numbers; the message says what was expected and found."""


@dataclass(frozen=True)
class Reading:
    """What a queue holds at one moment; `at` is in seconds of a clock that never goes back.

    `done` is None where the queue does not count what it has done.
    """

    at: float
    backlog: int
    running: int = 0
    failed: int = 0
    done: int | None = None
    last_error: str | None = None
    other: Mapping[str, int] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """Jobs that have not ended."""
        return self.backlog + self.running

    @property
    def ended(self) -> int | None:
        """Jobs that have ended, one way or the other."""
        return None if self.done is None else self.done + self.failed


@dataclass(frozen=True)
class Pace:
    """`rate` in jobs ended per second, None where it is unknown; `drain_seconds` until nothing is left.

    None means that at this pace that will never be.
    """

    rate: float | None
    drain_seconds: float | None


def reading_of(counts: Mapping[str, Any], at: float) -> Reading:
    """Names and numbers as a reading; raises UnreadableQueueError."""
    known: dict[str, int] = {}
    other: dict[str, int] = {}
    for name, value in counts.items():
        if name == LAST_ERROR:
            continue
        if isinstance(value, bool) or not isinstance(value, int):
            raise UnreadableQueueError(f'expected a whole number for "{name}", got {json.dumps(value)}')
        meaning = next((known for known, names in MEANINGS.items() if name.lower() in names), None)
        target = other if meaning is None else known
        target[meaning or name] = target.get(meaning or name, 0) + value
    if counts and not known:
        found = ", ".join(f'"{name}"' for name in counts)
        raise UnreadableQueueError(f"expected one of {', '.join(MEANINGS)} among the names, got {found}")
    error = counts.get(LAST_ERROR)
    return Reading(
        at,
        known.get("backlog", 0),
        known.get("running", 0),
        known.get("failed", 0),
        known.get("done"),
        str(error) if error else None,
        other,
    )


def counts_of_rows(text: str) -> dict[str, Any]:
    """Rows of a name and a value, with a tab between them; numbers of the same name are added up.

    Raises UnreadableQueueError for other rows.
    """
    counts: dict[str, Any] = {}
    for line in text.splitlines():
        name, tab, value = line.partition("\t")
        if not tab or "\t" in value:
            raise UnreadableQueueError(f'expected rows of a name and a number, got "{line}"')
        known = counts.get(name, 0)
        countable = value.isdecimal() and name != LAST_ERROR
        counts[name] = known + int(value) if countable and isinstance(known, int) else value
    return counts


def counts_of_json(text: str) -> dict[str, Any]:
    """One JSON object; raises UnreadableQueueError for anything else."""
    try:
        counts = json.loads(text)
    except ValueError:
        counts = None
    if not isinstance(counts, dict):
        raise UnreadableQueueError(f'expected one JSON object such as {{"backlog": 3}}, got "{text.strip()}"')
    return counts


def pace(readings: Sequence[Reading]) -> Pace:
    """What the readings of the last `WINDOW` seconds say of the last one; oldest first, at least one."""
    last = readings[-1]
    first = next(reading for reading in readings if last.at - reading.at <= WINDOW)
    seconds = last.at - first.at
    if seconds <= 0:
        return Pace(None, 0 if last.left == 0 else None)
    fewer = first.left - last.left
    # Without a count of what has ended, a backlog that shrinks is all there is to go by.
    ended = fewer if first.ended is None or last.ended is None else last.ended - first.ended
    drain = 0 if last.left == 0 else last.left / fewer * seconds if fewer > 0 else None
    # Fewer than before have ended only where somebody cleaned up.
    return Pace(ended / seconds if ended >= 0 else None, drain)
