"""The database as it was seeded: new data beside the old, one switch, and nothing lost by a seed that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from devenv.errors import SeedError, ServiceFailedError
from devenv.operations.reset_db import Discarded, ResetResult, reset_db
from tests.fakes import unhealthy

if TYPE_CHECKING:
    from tests.clock import Clock
    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")

DATABASE = "shop-databasemaster-1"


def reset(shop: Shop) -> ResetResult:
    return reset_db(shop.session())


def volumes(shop: Shop) -> set[str]:
    return {name for name in shop.engine.volumes if "database" in name}


def branch(shop: Shop) -> str:
    return shop.engine.containers[DATABASE].volumes["/var/lib/mysql"]


def test_the_switch_replaces_the_database_and_nothing_else(shop: Shop) -> None:
    shop.up()
    before = shop.ids
    result = reset(shop)
    assert result.volume == branch(shop) == "shop_database_2"
    assert result.seed_steps == ("seed.sql", "backend: python manage.py migrate")
    assert result.running
    assert {name for name, identity in shop.ids.items() if before[name] != identity} == {DATABASE}
    assert shop.project.memory["generation"] == 2
    assert [call for call in shop.changes if "build" not in call] == [
        "remove shop-seed-command",
        "remove volume shop_database_2",
        "create network shop_default",
        "create volume shop_database_2",
        f"remove {DATABASE}",
        "create databasemaster",
        f"start {DATABASE}",
    ]


def test_exactly_one_former_generation_is_kept(shop: Shop) -> None:
    shop.up()
    for generation in (2, 3, 4):
        result = reset(shop)
        assert result.discarded is not None
        assert result.discarded.volume == f"shop_database_{generation - 1}"
        assert volumes(shop) == {f"shop_database_{generation - 1}", f"shop_database_{generation}"}
    assert "shop_generated" in shop.engine.volumes


def test_up_after_it_has_nothing_to_do(shop: Shop) -> None:
    shop.up()
    reset(shop)
    result = shop.up()
    assert result.plan.steps == ()
    assert shop.engine.changes == []
    assert result.status.database.branch == "shop_database_2"


def test_what_was_discarded_is_measured(shop: Shop) -> None:
    shop.up()
    shop.engine.answer("information_schema.tables", "12\t1048576.0\n")
    assert reset(shop).discarded == Discarded("shop_database_1", 12, 1048576)


@pytest.mark.parametrize(("output", "status"), [("ERROR 2002", 1), ("", 0), ("one two three", 0)])
def test_what_cannot_be_measured_is_reset_all_the_same(shop: Shop, output: str, status: int) -> None:
    shop.up()
    shop.engine.answer("information_schema.tables", output, status)
    assert reset(shop).discarded == Discarded("shop_database_1", None, None)
    assert branch(shop) == "shop_database_2"


FAILING = ("utf8mb4 app$", "migrate", "INSERT INTO devenv.marker")


@pytest.mark.parametrize("pattern", FAILING)
def test_a_seed_that_fails_leaves_the_old_data_in_place_and_in_use(shop: Shop, pattern: str) -> None:
    shop.up()
    before, file = shop.ids, shop.project.read(".devenv/compose.yaml")
    shop.engine.answer(pattern, "ERROR 1146 (42S02) at line 2: no table", 1)
    with pytest.raises(SeedError):
        reset(shop)
    assert shop.ids == before
    assert volumes(shop) == {"shop_database_1"}
    assert shop.project.memory["generation"] == 1
    assert shop.project.read(".devenv/compose.yaml") == file
    assert shop.engine.called("remove shop-databasemaster") == []
    shop.engine.answers.clear()
    assert shop.up().plan.steps == ()


def test_a_seed_that_fails_does_not_cost_the_former_generation(shop: Shop) -> None:
    shop.up()
    reset(shop)
    shop.engine.answer("migrate", "Traceback", 1)
    with pytest.raises(SeedError):
        reset(shop)
    assert volumes(shop) == {"shop_database_1", "shop_database_2"}


def test_a_reset_that_was_killed_after_the_seed_is_finished_by_up(shop: Shop) -> None:
    shop.up()
    shop.engine.fail("remove shop-databasemaster", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        reset(shop)
    shop.engine.mend()
    assert branch(shop) == "shop_database_1"
    shop.up()
    assert branch(shop) == "shop_database_2"


def test_a_database_that_is_stopped_stays_stopped(shop: Shop) -> None:
    shop.up()
    shop.project.run("stop", "databasemaster").ok()
    result = reset(shop)
    assert not result.running
    assert result.discarded == Discarded("shop_database_1", None, None)
    assert shop.engine.called("start") == []
    assert shop.up().status.database.branch == "shop_database_2"


def test_after_down_it_prepares_the_data_for_the_next_up(shop: Shop) -> None:
    shop.up()
    shop.project.run("down").ok()
    result = reset(shop)
    assert (result.volume, result.running) == ("shop_database_2", False)
    shop.up()
    assert branch(shop) == "shop_database_2"
    assert len([call for call in shop.engine.executed if call.command[-1] == "app"]) == 2, "up seeded again"


def test_after_down_exactly_one_former_generation_is_kept_too(shop: Shop) -> None:
    shop.up()
    reset(shop)
    shop.project.run("down").ok()
    reset(shop)
    assert volumes(shop) == {"shop_database_2", "shop_database_3"}


def test_in_a_folder_that_was_never_up(shop: Shop) -> None:
    result = reset(shop)
    assert (result.volume, result.discarded, result.running) == ("shop_database_1", None, False)
    assert shop.engine.containers == {}
    assert shop.up().status.state == "healthy"


def test_a_database_that_does_not_come_up_on_the_new_data_says_so(shop: Shop) -> None:
    shop.up()
    shop.engine.scripts["databasemaster"] = [unhealthy("ERROR 1146: no marker")]
    with pytest.raises(ServiceFailedError) as caught:
        reset(shop)
    assert "probe: ERROR 1146: no marker" in caught.value.evidence
    assert volumes(shop) == {"shop_database_1", "shop_database_2"}, "the former data are still there"


def test_it_says_how_long_it_took(shop: Shop, clock: Clock) -> None:
    shop.up()
    begun = clock.now
    assert reset(shop).seconds == pytest.approx(clock.now - begun)
    assert clock.now > begun
