"""What a start leaves behind: a waterfall, a line for the next ones, and a warning where it was slow."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from devenv.engine.observed import ObservedState
from devenv.environments.runs import Runs
from devenv.errors import DevenvError, OperationError, ServiceFailedError
from devenv.events import Event, Phase, Status
from devenv.operations.recording import Recorder, write_page
from devenv.operations.up import UpOptions, up
from devenv.waterfall import Span, Waterfall
from tests.fakes import exited, unhealthy
from tests.samples import container, project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.clock import Clock
    from tests.shop import Shop

ROWS = ["compose", "databasemaster", "mailcatcher", "backend", "taskrunner", "frontend"]


def kept(shop: Shop) -> list[Waterfall]:
    return list(Runs(shop.root / ".devenv" / "runs.jsonl").last())


def at(clock: Clock, seconds: float) -> str:
    """The engine's word for that time from now."""
    return (
        datetime.fromtimestamp(clock.now + seconds, UTC)
        .isoformat(timespec="microseconds")
        .replace("+00:00", "789Z")
    )


def test_every_start_is_kept(shop: Shop, clock: Clock) -> None:
    del clock
    shop.up()
    shop.engine.turn("shop-taskrunner-1", exited(137))
    shop.up()
    first, second = kept(shop)
    assert sorted({span.service for span in first.spans}) == sorted(ROWS)
    assert first.kind == "image, seed, branch, create, start"
    assert second.work == "1 taskrunner start"


def test_what_has_nothing_to_do_is_no_start(shop: Shop, clock: Clock) -> None:
    del clock
    shop.up()
    before = kept(shop)
    assert shop.up().plan.steps == ()
    assert kept(shop) == before


def test_a_failed_start_has_a_waterfall_too(shop: Shop, clock: Clock) -> None:
    del clock
    shop.engine.scripts["backend"] = [unhealthy()]
    recorder = Recorder()
    with pytest.raises(ServiceFailedError):
        up(shop.session(), UpOptions(), recorder)
    assert recorder.waterfall is not None
    assert recorder.waterfall.failed
    assert [span.service for span in recorder.waterfall.spans if span.failed] == ["backend"]
    assert kept(shop) == [recorder.waterfall]


def test_a_build_that_fails_is_shown_with_the_services_that_wait_for_it(shop: Shop, clock: Clock) -> None:
    del clock
    shop.engine.fail("pull shop/backend:1", OperationError("no room"))
    recorder = Recorder()
    with pytest.raises(DevenvError, match="no room"):
        up(shop.session(), UpOptions(), recorder)
    assert recorder.waterfall is not None
    assert {(span.service, span.phase) for span in recorder.waterfall.spans if span.failed} == {
        ("backend", Phase.IMAGE),
        ("taskrunner", Phase.IMAGE),
    }


def test_the_engines_own_times_divide_a_start(shop: Shop, clock: Clock) -> None:
    """Of its probes only those count that are of the container's present run."""
    recorder = Recorder()
    recorder.services = project().services
    one = container(
        "backend",
        started_at=at(clock, 1.5),
        probes=(at(clock, -60.0), at(clock, 1.75), at(clock, 2.0)),
        health="starting",
    )
    states = iter(
        [
            one,
            replace(one, probes=(at(clock, 2.0), at(clock, 2.25))),
            replace(one, state="exited", started_at=""),
        ]
    )
    observe = recorder.watching(lambda: ObservedState((next(states),)))
    with recorder.recording(shop.session()) as session:
        clock.sleep(1.0)
        session.events.emit(Event("backend", Status.WORKING, "starting", phase=Phase.START))
        clock.sleep(2.0)
        for _ in range(3):
            observe()
        session.events.emit(Event("backend", Status.DONE, "healthy"))
        clock.sleep(0.5)
    assert recorder.waterfall is not None
    assert (recorder.waterfall.seconds, recorder.waterfall.overhead) == (3.5, 1.5)
    assert recorder.waterfall.spans == (
        Span("backend", Phase.START, 1.0, 1.5, critical=True),
        Span("backend", Phase.PROBE, 1.5, 1.75, critical=True),
        Span("backend", Phase.HEALTHY, 1.75, 3.0, critical=True),
    )


def test_a_slow_start_says_so_and_where(shop: Shop, clock: Clock) -> None:
    shop.up()
    for _ in range(5):
        shop.engine.turn("shop-taskrunner-1", exited(1))
        shop.up()
    assert shop.sink.of(Status.WARNING) == []
    shop.engine.turn("shop-taskrunner-1", exited(1))
    shop.engine.when("start shop-taskrunner-1", lambda: clock.sleep(7.0))
    shop.up()
    (said,) = shop.sink.of(Status.WARNING)
    assert said == (
        "up: this start took 7.1 s, the median of the last 5 like it 0.1 s; "
        "what grew most is taskrunner, healthy: 7.1 s, usually 0.1 s"
    )


def test_an_engine_whose_times_nobody_understands_stops_nobody(shop: Shop, clock: Clock) -> None:
    recorder = Recorder()
    one = container("backend", started_at="at noon", probes=("later",))
    with recorder.recording(shop.session()) as session:
        session.events.emit(Event("backend", Status.WORKING, "starting", phase=Phase.START))
        recorder.watching(lambda: ObservedState((one,)))()
        clock.sleep(1.0)
        session.events.emit(Event("backend", Status.DONE, "healthy"))
    assert recorder.waterfall is not None
    assert recorder.waterfall.spans == (Span("backend", Phase.START, 0.0, 1.0, critical=True),)


def test_the_time_before_counts(clock: Clock) -> None:
    """Reading the configuration is part of what a command takes."""
    begun = clock.monotonic()
    clock.sleep(0.4)
    recorder = Recorder(begun)
    clock.sleep(0.1)
    assert recorder.seconds == pytest.approx(0.5)


def test_a_page_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(OperationError) as caught:
        write_page(Waterfall.of("shop", [], 1.0), tmp_path / "missing" / "page.html")
    assert caught.value.code == "file_unwritable"
