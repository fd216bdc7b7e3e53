"""Scaling: as many as asked for, remembered, explained, and only where there can be several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from devenv.errors import ServiceFailedError, UsageError
from devenv.operations.lifecycle import down, restart
from devenv.operations.scale import ScaleRow, scale, scales
from tests.fakes import unhealthy

if TYPE_CHECKING:
    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")


def workers(shop: Shop) -> list[str]:
    return sorted(name for name in shop.ids if "taskrunner" in name)


def row(shop: Shop) -> ScaleRow:
    return scales(shop.session()).services[0]


def test_more_workers_and_back(shop: Shop) -> None:
    shop.up()
    report = scale(shop.session(), {"taskrunner": 3}, 10)
    assert report.services == (ScaleRow("taskrunner", 3, 3, "devenv scale"),)
    assert workers(shop) == [f"shop-taskrunner-{number}" for number in (1, 2, 3)]
    assert shop.changes == [
        "create databasemaster mailcatcher taskrunner",
        "start shop-taskrunner-2",
        "start shop-taskrunner-3",
    ]
    assert scale(shop.session(), {"taskrunner": 1}, 10).services[0] == ScaleRow("taskrunner", 1, 1, "default")
    assert len(workers(shop)) == 1


def test_the_number_is_kept_and_explained(shop: Shop) -> None:
    shop.up()
    scale(shop.session(), {"taskrunner": 2}, 10)
    down(shop.session())
    plan = str(shop.dry("taskrunner"))
    assert "taskrunner 1: create and start, it has no container, and `devenv scale` asked for 2" in plan
    assert "taskrunner 2: create and start, it has no container, and `devenv scale` asked for 2" in plan
    shop.up()
    assert len(workers(shop)) == 2
    assert row(shop) == ScaleRow("taskrunner", 2, 2, "devenv scale")


def test_what_the_configuration_says_need_not_be_remembered(shop: Shop) -> None:
    shop.add("taskrunner: {replicas: 2}\n")
    scale(shop.session(), {"taskrunner": 5}, 10)
    assert shop.project.memory["scale"] == {"taskrunner": 5}
    scale(shop.session(), {"taskrunner": 2}, 10)
    assert shop.project.memory["scale"] == {}
    assert row(shop) == ScaleRow("taskrunner", 2, 2, "devenv.yaml:7:24")


def test_a_scale_that_failed_is_finished_by_up(shop: Shop) -> None:
    shop.up()
    shop.engine.scripts["taskrunner"] = [unhealthy("no heartbeat")]
    with pytest.raises(ServiceFailedError):
        scale(shop.session(), {"taskrunner": 2}, 10)
    shop.engine.scripts.clear()
    shop.up("taskrunner")
    assert row(shop) == ScaleRow("taskrunner", 2, 2, "devenv scale")


def test_a_scale_that_was_killed_is_finished_by_up(shop: Shop) -> None:
    shop.up()
    shop.engine.fail("create", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        scale(shop.session(), {"taskrunner": 2}, 10)
    shop.engine.mend()
    assert shop.run("up").ok()
    assert len(workers(shop)) == 2


def test_nobody_is_left(shop: Shop) -> None:
    shop.up()
    assert scale(shop.session(), {"taskrunner": 0}, 10).services[0].running == 0
    assert workers(shop) == []


def test_a_users_own_service_is_scaled(shop: Shop) -> None:
    shop.engine.add_image("x:1")
    shop.add(
        "services: {extra: {image: 'x:1', deploy: {replicas: 2}}, one: {image: 'x:1', ports: ['16379:80']}}\n"
    )
    assert [(one.name, one.wanted, one.origin) for one in scales(shop.session()).services] == [
        ("taskrunner", 1, "default"),
        ("extra", 2, "devenv.yaml:7:53"),
    ]
    report = scale(shop.session(), {"extra": 3}, 10)
    assert report.services[1] == ScaleRow("extra", 3, 3, "devenv scale")


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        (
            "backend",
            "not_scalable",
            "backend is there once only: it publishes a port, has a fixed name, belongs to a pod or is a job",
        ),
        ("bakend", "unknown_service", 'no service is called "bakend"; taskrunner can be scaled'),
    ],
)
def test_what_cannot_be_scaled(shop: Shop, name: str, code: str, message: str) -> None:
    shop.up()
    with pytest.raises(UsageError) as caught:
        scale(shop.session(), {"taskrunner": 2, name: 2}, 10)
    assert (caught.value.code, caught.value.message) == (code, message)
    assert shop.changes == []
    assert shop.project.memory["scale"] == {}


def test_asking_changes_nothing(shop: Shop) -> None:
    assert row(shop) == ScaleRow("taskrunner", 0, 1, "default")
    assert shop.engine.changes == []
    assert not (shop.root / ".devenv").exists()


def test_a_restart_gives_each_the_grace_it_was_made_with(shop: Shop) -> None:
    shop.up()
    restart(shop.session(), ("taskrunner", "frontend"))
    assert shop.engine.patience == {"shop-taskrunner-1": None, "shop-frontend-1": None}
