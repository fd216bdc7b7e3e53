"""Visitors who ask and ask again, until they are told to stop; and the figures of what they met."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

VISITORS = 4
PAUSE = 0.02
"""Seconds between the answer and a visitor's next request."""
MOST = 5000
"""Requests after which a visitor has seen enough."""
SECONDS = 20
WAYS = (("GET", "/"), ("GET", "/static/campaigns/site.css"), ("GET", "/health"), ("POST", "/api/reports/"))


@dataclass(frozen=True)
class Asked:
    """One request: when it began and ended, and its status; None where no whole answer came."""

    method: str
    path: str
    began: float
    ended: float
    status: int | None
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether the visitor did not get what he came for."""
        return self.status is None or self.status >= http.client.BAD_REQUEST

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status or self.error} after {self.ended - self.began:.2f} s"


@dataclass
class Load:
    """What the visitors met so far."""

    port: int
    asked: list[Asked] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def failed(self) -> list[Asked]:
        """The requests that failed."""
        return [one for one in self.asked if one.failed]

    def under_way(self, begin: float, end: float) -> list[Asked]:
        """The requests of which some part fell into this time."""
        return [one for one in self.asked if one.began <= end and one.ended >= begin]

    def __str__(self) -> str:
        took = sorted(one.ended - one.began for one in self.asked)
        span = max(one.ended for one in self.asked) - min(one.began for one in self.asked)
        return (
            f"{len(took)} requests in {span:.1f} s, {len(self.failed())} failed, "
            f"median {took[len(took) // 2] * 1000:.0f} ms, slowest {took[-1] * 1000:.0f} ms"
        )

    def visit(self) -> None:
        """One visitor: every other request on a connection that stays, the rest each on its own."""
        kept = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        for number, (method, path) in enumerate(itertools.islice(itertools.cycle(WAYS), MOST)):
            if self._stop.wait(PAUSE):
                break
            single = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
            self.asked.append(_ask(kept if number % 3 else single, method, path))
            single.close()
        kept.close()

    def stop(self) -> None:
        """No further request begins."""
        self._stop.set()


@contextmanager
def load(port: int) -> Iterator[Load]:
    """Visitors on 127.0.0.1:`port` while the block runs; their last answers have come when it is left."""
    found = Load(port)
    visitors = [threading.Thread(target=found.visit) for _ in range(VISITORS)]
    for visitor in visitors:
        visitor.start()
    try:
        yield found
    finally:
        found.stop()
        for visitor in visitors:
            visitor.join(SECONDS + 5)


def _ask(connection: http.client.HTTPConnection, method: str, path: str) -> Asked:
    began, status, error = time.monotonic(), None, ""
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        answer.read()
        status = answer.status
    except (OSError, http.client.HTTPException) as problem:
        error = f"{type(problem).__name__}: {problem}"
        connection.close()
    return Asked(method, path, began, time.monotonic(), status, error)
