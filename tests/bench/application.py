"""What a visitor of the application sees of a reset: requests that fail, and when the first fresh page comes."""

from __future__ import annotations

import http.client
import statistics
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.command import started
from tests.e2e.support import request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.environment import Environment

VISITORS = 2
PAUSE_SECONDS = 0.02
WATCHED_SECONDS = 2.0
"""How long visitors go on after the command returned."""
STALE = "Stale"
SPOIL = f"UPDATE app.campaigns_campaign SET name = CONCAT('{STALE} ', name)"


@dataclass(frozen=True)
class Visit:
    """One request, never repeated: when it began and ended, and whether a good page came, with fresh data."""

    begun: float
    ended: float
    good: bool
    fresh: bool


@dataclass(frozen=True)
class Sight:
    """What visitors saw of one reset, told from the moment at which the command returned."""

    failed_after: int
    """Requests begun after it that gave no good page, or one with old data."""
    failed_across: int
    """Requests begun before it that failed after it."""
    first_fresh_ms: float
    """When the first fresh page had come to a request that began after it."""
    away_ms: float
    """From the last old page to the first fresh one."""
    page_ms: float
    """The median time of a page before."""


def sight(visits: Sequence[Visit], arrivals: Sequence[Visit], returned: float) -> Sight:
    """Judge the visits around the time at which the command returned, of which the first saw the old page.

    `arrivals` are those of one who came at that time. Whoever was there before may still wait for an answer
    to a request of his own: a packet that was sent while the database's address was nobody's is sent again a
    second later, and till then he asks nothing. Raises ValueError where no fresh page came after it.
    """
    after = [visit for visit in (*visits, *arrivals) if visit.begun >= returned]
    fresh_after = [visit.ended for visit in after if visit.fresh]
    if not fresh_after:
        raise ValueError("no fresh page came after the reset")
    first = min(visit.ended for visit in visits if visit.fresh)
    old = [visit.ended for visit in visits if visit.good and not visit.fresh and visit.ended < first]
    across = [visit for visit in visits if visit.begun < returned < visit.ended]
    return Sight(
        failed_after=sum(not visit.fresh for visit in after),
        failed_across=sum(not visit.good for visit in across),
        first_fresh_ms=1000 * (min(fresh_after) - returned),
        away_ms=1000 * (first - max(old)),
        page_ms=1000 * statistics.median(visit.ended - visit.begun for visit in visits if visit.ended in old),
    )


def measure_application(environment: Environment, rounds: int, before: Sequence[str]) -> list[Sight]:
    """Reset an environment that is up as a whole, while visitors ask for its first page.

    `before` is a command that goes before and does not count, none where it is empty.
    """
    sights = []
    for _ in range(rounds + 1):
        environment.prepare(before)
        environment.mark(SPOIL)
        visits: list[Visit] = []
        arrivals: list[Visit] = []
        stop = threading.Event()
        port = environment.port("frontend.port")
        visitors = [threading.Thread(target=_visit, args=(port, stop, visits)) for _ in range(VISITORS)]
        for visitor in visitors:
            visitor.start()
        try:
            _await_old_page(visits)
            with started(*environment.command("reset-db")) as command:
                command.finish()
            visitors.append(threading.Thread(target=_visit, args=(port, stop, arrivals)))
            visitors[-1].start()
            time.sleep(WATCHED_SECONDS)
        finally:
            stop.set()
            for visitor in visitors:
                visitor.join()
        sights.append(sight(sorted(visits, key=lambda visit: visit.begun), arrivals, command.ended))
    return sights[1:]


def _await_old_page(visits: Sequence[Visit]) -> None:
    deadline = time.monotonic() + 30
    while not any(visit.good and not visit.fresh for visit in list(visits)):
        if time.monotonic() > deadline:
            raise TimeoutError("the page never showed the changed data")
        time.sleep(PAUSE_SECONDS)


def _visit(port: int, stop: threading.Event, visits: list[Visit]) -> None:
    while not stop.is_set():
        begun = time.monotonic()
        good = fresh = False
        try:
            answer = request(port)
            good = answer.status == http.client.OK
            fresh = good and STALE not in answer.text
        except (OSError, http.client.HTTPException):
            pass
        visits.append(Visit(begun, time.monotonic(), good, fresh))
        stop.wait(PAUSE_SECONDS)
