"""A script's wait ends as soon as the answer is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from devenv.errors import OperationError, ServiceFailedError, UsageError
from devenv.operations.wait_for import wait_for
from tests.fakes import HEALTHY, STARTING, Turn, exited, unhealthy

if TYPE_CHECKING:
    from tests.clock import Clock
    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")


def test_what_is_already_so_is_not_waited_for(shop: Shop, clock: Clock) -> None:
    shop.up()
    before = clock.waits
    wanted = {"backend": "healthy", "frontend": "running", "taskrunner": "running"}
    assert wait_for(shop.session(), wanted, 5).services == wanted
    assert clock.waits == before
    assert shop.engine.changes == []


def test_it_waits_for_the_last_of_them(shop: Shop, clock: Clock) -> None:
    shop.up()
    shop.engine.turn("shop-backend-1", STARTING)
    before = clock.waits
    clock.after[before + 4] = lambda: shop.engine.turn("shop-backend-1", HEALTHY)
    result = wait_for(shop.session(), {"backend": "healthy", "frontend": "healthy"}, 5)
    assert result.seconds == pytest.approx(0.8)
    assert shop.sink.lines == ["done frontend: healthy", "done backend: healthy"]


def test_it_waits_for_what_is_not_there_yet(shop: Shop, clock: Clock) -> None:
    clock.after[2] = shop.up
    assert wait_for(shop.session(), {"backend": "healthy"}, 60).services == {"backend": "healthy"}


def test_every_replica_counts(shop: Shop) -> None:
    shop.add("taskrunner: {replicas: 2}\n")
    shop.up()
    del shop.engine.containers["shop-taskrunner-2"]
    with pytest.raises(ServiceFailedError):
        wait_for(shop.session(), {"taskrunner": "healthy"}, 1)


def test_stopped(shop: Shop, clock: Clock) -> None:
    shop.up()
    clock.after[clock.waits + 1] = lambda: shop.engine.turn("shop-backend-1", exited(0))
    assert wait_for(shop.session(), {"backend": "stopped"}, 5).services == {"backend": "stopped"}
    del shop.engine.containers["shop-backend-1"]
    wait_for(shop.session(), {"backend": "stopped"}, 5)


def test_too_long(shop: Shop, clock: Clock) -> None:
    shop.up()
    shop.engine.turn("shop-backend-1", STARTING)
    shop.engine.written.append(("backend", "still loading"))
    begun = clock.now
    with pytest.raises(ServiceFailedError) as caught:
        wait_for(shop.session(), {"backend": "healthy"}, 3)
    error = caught.value
    assert (error.code, error.message) == ("timeout", "backend is not healthy after 3 s")
    assert error.evidence == ("log: still loading",)
    assert clock.now - begun == pytest.approx(3, abs=0.3)


def test_a_log_that_cannot_be_read_hides_no_failure(shop: Shop, clock: Clock) -> None:
    shop.up()
    shop.engine.fail("log of", OperationError("no reader", detail={"reason": "driver does not read"}))
    clock.after[clock.waits + 1] = lambda: shop.engine.turn("shop-backend-1", exited(3))
    shop.engine.turn("shop-backend-1", STARTING)
    with pytest.raises(ServiceFailedError) as caught:
        wait_for(shop.session(), {"backend": "healthy"}, 60)
    assert caught.value.code == "service_exited"
    assert caught.value.evidence == ("log: its log cannot be read: driver does not read",)


@pytest.mark.parametrize(
    ("turn", "code", "message"),
    [
        (unhealthy("no answer"), "service_unhealthy", "backend is unhealthy"),
        (exited(3), "service_exited", "backend exited with status 3"),
        (Turn("unhealthy", "exited", 3), "service_exited", "backend exited with status 3"),
        (Turn("unhealthy", "restarting", 3), "service_exited", "backend exited with status 3"),
    ],
)
def test_one_that_gets_worse_ends_it(shop: Shop, clock: Clock, turn: Turn, code: str, message: str) -> None:
    shop.up()
    shop.engine.turn("shop-backend-1", STARTING)
    before = clock.waits
    clock.after[before + 2] = lambda: shop.engine.turn("shop-backend-1", turn)
    with pytest.raises(ServiceFailedError) as caught:
        wait_for(shop.session(), {"backend": "healthy"}, 60)
    assert (caught.value.code, caught.value.message) == (code, message)
    assert clock.waits == before + 2


@pytest.mark.parametrize("turn", [unhealthy(), exited(1), Turn("unhealthy", "restarting", 1)])
def test_one_that_was_down_before_may_still_come(shop: Shop, clock: Clock, turn: Turn) -> None:
    shop.up()
    shop.engine.turn("shop-backend-1", turn)
    clock.after[clock.waits + 3] = lambda: shop.engine.turn("shop-backend-1", HEALTHY)
    wait_for(shop.session(), {"backend": "healthy"}, 60)


def test_an_unknown_service(shop: Shop) -> None:
    with pytest.raises(UsageError) as caught:
        wait_for(shop.session(), {"bakend": "healthy"}, 1)
    assert caught.value.code == "unknown_service"
