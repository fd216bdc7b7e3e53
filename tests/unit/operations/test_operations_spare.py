"""The spare: a started database on fresh data, which a reset puts in the place of the running one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from devenv.engine.api import ContainerRequest
from devenv.environments.workspace import Former
from devenv.errors import OperationError
from devenv.operations import session as operations_session
from devenv.operations.data import remember_branch
from devenv.operations.gc import gc
from devenv.operations.present import Discarded
from devenv.operations.reset_db import ResetResult, reset_db, undo
from devenv.operations.snapshots import restore
from devenv.project import spare_name, successor_name

if TYPE_CHECKING:
    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")

DATABASE = "shop-databasemaster-1"
SPARE = spare_name("shop")


def reset(shop: Shop, *, spare: bool = False) -> ResetResult:
    return reset_db(shop.session(), spare=spare)


def branch(shop: Shop, container: str = DATABASE) -> str:
    return shop.engine.containers[container].volumes["/var/lib/mysql"]


@pytest.fixture
def spared(shop: Shop) -> Shop:
    """An environment with a spare on the second data."""
    shop.engine.answer(r"SELECT VERSION\(\)", "8.4.3\n")
    shop.configure("database: {", "database: {spare: true, ")
    shop.up()
    assert branch(shop, SPARE) == "shop_database_2"
    shop.engine.calls.clear()
    return shop


def test_a_reset_switches_to_the_spare_and_starts_the_next(spared: Shop) -> None:
    before = dict(spared.ids)
    started = spared.engine.containers[SPARE].id
    result = reset(spared)
    assert (result.from_spare, result.seeded, result.volume) == (True, False, "shop_database_2")
    assert spared.ids[DATABASE] == started
    assert {name for name in before if before[name] != spared.ids.get(name)} == {DATABASE, SPARE}
    assert branch(spared, SPARE) == "shop_database_3"
    memory = spared.project.session().workspace.recall()
    assert memory.former == (Former(1, memory.snapshot),)
    assert (spared.project.memory["generation"], spared.project.memory["spare"]) == (2, 3)
    changes = [call for call in spared.changes if call.startswith(("replace", "substitute"))]
    assert changes == [f"substitute {DATABASE} by {SPARE}"]
    assert reset(spared).volume == "shop_database_3"


def test_to_take_the_spare_is_not_held_up_by_a_question(spared: Shop) -> None:
    spared.engine.answer("information_schema.tables", "app\t12\t1048576\n")
    assert reset(spared).discarded == Discarded("shop_database_1", None, None)
    assert not any("information_schema.tables" in one.text for one in spared.engine.executed)


def test_without_the_setting_a_spare_is_started_when_it_is_asked_for(shop: Shop) -> None:
    shop.up()
    assert not reset(shop, spare=True).from_spare
    assert branch(shop, SPARE) == "shop_database_3"
    assert reset(shop).from_spare
    assert SPARE not in shop.engine.containers
    assert shop.project.memory["spare"] == 0
    assert not reset(shop).from_spare


def test_up_has_nothing_to_do_beside_a_spare_and_status_does_not_count_it(spared: Shop) -> None:
    ids = dict(spared.ids)
    result = spared.up()
    assert result.plan.steps == ()
    assert spared.ids == ids
    row = next(one for one in result.status.services if one.name == "databasemaster")
    assert row.replicas == 1


def test_a_spare_of_another_seed_is_replaced(spared: Shop) -> None:
    spared.project.write("seed.sql", spared.project.read("seed.sql") + "-- changed\n")
    result = reset(spared)
    assert (result.from_spare, result.seeded, result.volume) == (False, True, "shop_database_3")
    assert branch(spared, SPARE) == "shop_database_4"
    assert "shop_database_2" not in spared.engine.volume_labels
    assert reset(spared).from_spare


def test_a_spare_that_has_ended_is_not_used(spared: Shop) -> None:
    spared.engine.remove_container(SPARE)
    assert not reset(spared).from_spare
    assert branch(spared, SPARE) == "shop_database_4"


def test_up_removes_a_spare_before_compose_can_take_it_for_a_replica(spared: Shop) -> None:
    spared.configure("database: {", "database: {aliases: [database, db], ")
    spared.up()
    calls = spared.engine.calls
    removed = next(number for number, call in enumerate(calls) if call.startswith(f"remove {SPARE}"))
    assert removed < next(number for number, call in enumerate(calls) if call.startswith("create "))
    current, spare = spared.engine.containers[DATABASE], spared.engine.containers[SPARE]
    assert spare.labels == current.labels
    assert branch(spared) == "shop_database_1"


def test_restore_and_undo_leave_the_spare_for_the_next_reset(spared: Shop) -> None:
    key = spared.project.memory["snapshot"]
    restore(spared.session(), key)
    assert branch(spared) == "shop_database_3"
    undo(spared.session())
    assert branch(spared) == "shop_database_1"
    result = reset(spared)
    assert (result.from_spare, result.volume) == (True, "shop_database_2")


def test_a_switch_that_was_killed_is_finished_by_up(spared: Shop) -> None:
    """After the old container went: the spare has the data in use, but not yet its place."""
    spared.session().workspace.remember(generation=2, spare=0)
    spared.engine.remove_container(DATABASE)
    spared.up()
    assert branch(spared) == "shop_database_2"
    assert branch(spared, SPARE) == "shop_database_3"


def test_gc_and_down_know_the_spare(spared: Shop) -> None:
    items = gc(spared.session(), lambda _: True, undo_too=True).items
    assert "shop_database_2" not in {item.name for item in items}
    assert branch(spared, SPARE) == "shop_database_2"


def test_a_reset_counts_though_no_spare_can_be_made(spared: Shop) -> None:
    spared.engine.fail(
        f"duplicate shop-databasemaster-1 as {SPARE}",
        OperationError("no more of these", code="engine_refused"),
    )
    result = reset(spared)
    assert (result.from_spare, result.volume) == (True, "shop_database_2")
    assert "warning spare: none was started: no more of these" in spared.sink.lines
    assert SPARE not in spared.engine.containers
    assert not reset(spared).from_spare


def test_a_switch_ends_the_server_of_an_import_that_was_killed(spared: Shop) -> None:
    """It holds the volume that would have been next, which nobody knows."""
    spared.engine.create_volume("shop_database_3", spared.engine.volume_labels["shop_database_1"])
    request = ContainerRequest(
        "shop-database-successor", "mysql:8.4", volumes={"shop_database_3": "/var/lib/mysql"}
    )
    spared.engine.run_container(request)
    assert reset_db(spared.session()).from_spare
    assert "shop-database-successor" not in spared.engine.containers


def test_a_spare_that_a_killed_reset_was_to_switch_to_goes_with_the_next_command(shop: Shop) -> None:
    shop.up()
    reset(shop, spare=True)
    remember_branch(shop.session(), 3, shop.project.memory["snapshot"])
    assert SPARE in shop.engine.containers
    assert reset(shop).volume == "shop_database_4"
    assert SPARE not in shop.engine.containers
    for generation in (5, 6, 7):
        assert reset(shop).volume == f"shop_database_{generation}"


@pytest.mark.parametrize("call", ["substitute", f"state of {SPARE}"])
def test_a_spare_that_cannot_take_the_place_goes(shop: Shop, call: str) -> None:
    shop.up()
    reset(shop, spare=True)
    shop.engine.failures.append((call, OperationError("it does not")))
    with pytest.raises(OperationError):
        reset(shop)
    shop.engine.failures.clear()
    assert SPARE not in shop.engine.containers
    assert shop.engine.containers[DATABASE].now.state == "running"
    assert reset(shop).running


def test_a_port_that_a_killed_reset_gave_to_the_new_server_stays_the_databases(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.up()
    port = shop.engine.containers[DATABASE].ports[3306]
    copy = successor_name("shop")
    shop.engine.duplicate_container(DATABASE, copy, {"shop_database_1": "shop_database_2"})
    shop.engine.remove_container(DATABASE)

    def holder_of(asked: int, *_: object) -> str | None:
        return "docker-proxy" if asked == port and copy in shop.engine.containers else None

    monkeypatch.setattr(operations_session, "holder_of", holder_of)
    result = shop.up()
    assert {choice.port for choice in result.ports if choice.key == "database.port"} == {port}
