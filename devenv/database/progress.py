"""How far a long way through bytes is, in words, and when it is time to say so."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

EVERY_SECONDS = 0.5
MEGABYTE = 1e6


@dataclass
class Progress:
    """Bytes done of `total`, since `begun`; None where nobody knows how many there are.

    Not for several threads at once.
    """

    total: int | None
    done: int = 0
    begun: float = field(default_factory=time.monotonic)
    _told: float = field(default_factory=time.monotonic)

    def begin(self) -> None:
        """What takes time begins now: what was before does not count for the rate."""
        self.begun = time.monotonic()

    def reach(self, done: int) -> str | None:
        """So many bytes are done: how far that is, how fast, and how long it will go on; None if told just now."""
        self.done = done
        now = time.monotonic()
        if now - self._told < EVERY_SECONDS:
            return None
        self._told = now
        rate = done / max(now - self.begun, 0.001)
        shown = f"{rate / MEGABYTE:.1f} MB/s"
        if self.total is None:
            return f"{done / MEGABYTE:.0f} MB, {shown}"
        left = max(self.total - done, 0) / max(rate, 1)
        return f"{done / MEGABYTE:.0f} of {self.total / MEGABYTE:.0f} MB, {shown}, {left:.0f} s left"
