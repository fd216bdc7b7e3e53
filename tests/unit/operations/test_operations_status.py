"""What the status says of an environment in every state."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from devenv.operations.status import changes, status
from tests.fakes import STARTED_AT, STARTING, Turn, exited, unhealthy
from tests.samples import ADDRESS

if TYPE_CHECKING:
    from devenv.operations.report import StatusReport
    from tests.clock import Clock
    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")


def now(shop: Shop) -> StatusReport:
    return status(shop.session())


def test_the_contracts_words(shop: Shop) -> None:
    shop.up()
    report = asdict(now(shop))
    assert list(report) == ["environment", "project", "state", "services", "database", "authority"]
    assert (report["environment"], report["project"], report["state"]) == ("main", "shop", "healthy")
    assert report["database"] == {
        "branch": "shop_database_1",
        "snapshot": shop.project.memory["snapshot"],
        "driver": "reflink",
        "reason": "reflink works here",
    }
    mail = next(row for row in report["services"] if row["name"] == "mailcatcher")
    assert mail == {
        "name": "mailcatcher",
        "state": "running",
        "health": "healthy",
        "image": "sj26/mailcatcher:v0.10.0",
        "image_source": "pulled",
        "replicas": 1,
        "ports": (
            {"published": 10801, "target": 1080, "url": f"http://{ADDRESS}:10801/"},
            {"published": 10251, "target": 1025, "url": f"smtp://{ADDRESS}:10251"},
        ),
        "since": STARTED_AT,
        "restarts": 0,
    }


def test_asking_changes_nothing(shop: Shop) -> None:
    now(shop)
    assert shop.engine.changes == []
    assert not (shop.root / ".devenv").exists()


def test_an_environment_that_was_never_up(shop: Shop) -> None:
    report = now(shop)
    assert report.state == "absent"
    assert {row.state for row in report.services} == {"absent"}
    assert (report.database.branch, report.database.snapshot) == (None, None)
    assert [port.published for row in report.services for port in row.ports] == [
        33061,
        10801,
        10251,
        18000,
        18080,
    ]


@pytest.mark.parametrize(
    ("turns", "state"),
    [
        ({}, "healthy"),
        ({"backend": STARTING}, "starting"),
        ({"backend": unhealthy()}, "unhealthy"),
        ({"backend": unhealthy(), "frontend": STARTING}, "unhealthy"),
        ({"backend": exited(1)}, "partial"),
        ({"backend": exited(0)}, "partial"),
        ({"backend": Turn(None, "paused")}, "partial"),
        (
            dict.fromkeys(("databasemaster", "mailcatcher", "backend", "taskrunner", "frontend"), exited(0)),
            "stopped",
        ),
    ],
)
def test_one_word_for_the_whole(shop: Shop, turns: dict[str, Turn], state: str) -> None:
    shop.up()
    for service, turn in turns.items():
        shop.engine.turn(f"shop-{service}-1", turn)
    assert now(shop).state == state


def test_a_service_that_is_missing_makes_it_partial(shop: Shop) -> None:
    shop.up()
    del shop.engine.containers["shop-frontend-1"]
    assert now(shop).state == "partial"


def test_a_service_that_nobody_wants_is_not_missed(shop: Shop) -> None:
    shop.add("taskrunner: {replicas: 0}\n")
    assert shop.up().status.state == "healthy"


def test_the_worst_replica_speaks_for_a_service(shop: Shop) -> None:
    shop.add("taskrunner: {replicas: 3}\n")
    shop.up()
    shop.engine.turn("shop-taskrunner-2", unhealthy())
    shop.engine.turn("shop-taskrunner-3", STARTING)
    row = next(row for row in now(shop).services if row.name == "taskrunner")
    assert (row.state, row.health, row.replicas) == ("running", "unhealthy", 3)
    shop.engine.turn("shop-taskrunner-2", exited(1))
    row = next(row for row in now(shop).services if row.name == "taskrunner")
    assert (row.state, row.health, row.replicas) == ("mixed", "starting", 2)


def test_ports_are_those_that_the_container_has(shop: Shop) -> None:
    """Also where the memory that knew them was lost."""
    shop.up()
    shop.engine.containers["shop-mailcatcher-1"].ports = {1080: 40001, 1025: 40002}
    (shop.root / ".devenv/environment.json").unlink()
    row = next(row for row in now(shop).services if row.name == "mailcatcher")
    assert [(port.published, port.url) for port in row.ports] == [
        (40001, f"http://{ADDRESS}:40001/"),
        (40002, f"smtp://{ADDRESS}:40002"),
    ]


def test_ports_of_a_users_own_service(shop: Shop) -> None:
    shop.engine.add_image("redis:7")
    shop.add("services: {cache: {image: 'redis:7', ports: ['16379:6379']}}\n")
    row = shop.up().status.services[-1]
    assert [asdict(port) for port in row.ports] == [{"published": 16379, "target": 6379, "url": None}]


def test_a_watch_tells_what_changed_and_nothing_twice(shop: Shop, clock: Clock) -> None:
    shop.up()
    before = clock.waits
    clock.after[before + 3] = lambda: shop.engine.turn("shop-backend-1", unhealthy())
    clock.after[before + 5] = lambda: shop.engine.turn("shop-backend-1", Turn("healthy"))
    reports = list(islice(changes(shop.session()), 3))
    assert [report.state for report in reports] == ["healthy", "unhealthy", "healthy"]
    assert clock.waits == before + 5
