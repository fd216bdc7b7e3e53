"""What is kept for `undo`: so many branches, and so many bytes, the last one whatever it takes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from devenv.errors import OperationError
from devenv.operations.lifecycle import down
from devenv.operations.reset_db import reset_db, undo

if TYPE_CHECKING:
    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")

LOOK = "newermt"
"""What only the worker that measures is told."""


@pytest.fixture
def small(shop: Shop) -> Shop:
    """With room for 1000 bytes, of data whose files take 600."""
    shop.configure("database: {", "database: {undo: {keep: 4, size: 1000}, ")
    files_take(shop, 600)
    shop.up()
    return shop


def files_take(shop: Shop, size: int) -> None:
    """What the server's files take in all."""
    shop.engine.answer("information_schema.tables", f"{size}\t/var/lib/mysql\napp\t1\t16384\n")


def branches_take(shop: Shop, size: int) -> None:
    """What each branch turns out to take of its own."""
    shop.engine.answer(LOOK, "".join(f"shop_database_{number}\t{size}\n" for number in range(1, 10)))


def reset(shop: Shop) -> None:
    shop.engine.executed.clear()
    reset_db(shop.session())


def former(shop: Shop) -> dict[int, int | None]:
    """What `undo` has, the last first, and how much each takes at most."""
    return {one.generation: one.at_most for one in shop.project.session().workspace.recall().former}


def kept(shop: Shop) -> set[str]:
    return {name for name in shop.engine.volume_labels if "_database_" in name}


def looked(shop: Shop) -> bool:
    return any(LOOK in one.text for one in shop.engine.executed)


def test_nobody_looks_as_long_as_it_cannot_be_too_much(small: Shop) -> None:
    files_take(small, 500)
    for expected in ({1: 500}, {2: 500, 1: 500}):
        reset(small)
        assert former(small) == expected
        assert not looked(small)


def test_data_that_take_less_of_their_own_stay_and_are_looked_at_once(small: Shop) -> None:
    branches_take(small, 100)
    reset(small)
    assert not looked(small), "the last one stays anyway"
    reset(small)
    assert looked(small)
    assert former(small) == {2: 100, 1: 100}
    reset(small)
    assert not looked(small)
    assert former(small) == {3: 600, 2: 100, 1: 100}
    assert kept(small) == {f"shop_database_{number}" for number in (1, 2, 3, 4)}


def test_the_oldest_go_as_soon_as_all_take_too_much_and_it_is_said(small: Shop) -> None:
    branches_take(small, 501)
    reset(small)
    reset(small)
    assert former(small) == {2: 501}
    assert kept(small) == {"shop_database_2", "shop_database_3"}
    said = [event.text for event in small.sink.events if event.resource == "shop_database_1"]
    assert said == ["removed: kept for undo, beyond 0 MB"]


def test_the_last_one_stays_whatever_it_takes(small: Shop) -> None:
    branches_take(small, 5000)
    for number in (1, 2, 3):
        reset(small)
        assert kept(small) == {f"shop_database_{number}", f"shop_database_{number + 1}"}
    undo(small.session())
    assert former(small) == {4: None}, "what it takes may change while it is in use"


def test_data_at_which_nobody_can_look_stay(small: Shop) -> None:
    small.engine.answer("information_schema.tables", "", 1)
    for _ in range(3):
        reset(small)
    assert looked(small)
    assert former(small) == {3: None, 2: None, 1: None}


def test_a_reset_counts_though_nobody_can_look(small: Shop) -> None:
    reset(small)
    small.engine.fail("run shop-database-measure", OperationError("no space left on device"))
    reset(small)
    assert small.project.session().workspace.recall().generation == 3
    assert former(small) == {2: None, 1: None}, "nothing goes because its files took much in all"
    told = [event.text for event in small.sink.events if event.resource == "undo"]
    assert told == ["it is not known how much the data kept for it take: no space left on device"]


def test_data_that_somebody_else_uses_stay_until_the_next_time(small: Shop) -> None:
    branches_take(small, 501)
    reset(small)
    small.engine.fail("remove volume shop_database_1", OperationError("volume is in use"))
    reset(small)
    told = [event.text for event in small.sink.events if event.resource == "shop_database_1"]
    assert told == ["stays: volume is in use"]
    assert former(small) == {2: 501, 1: 501}
    small.engine.mend()
    reset(small)
    assert former(small) == {3: 501}
    assert kept(small) == {"shop_database_3", "shop_database_4"}


def test_while_a_seed_runs_the_old_data_may_grow(small: Shop) -> None:
    small.project.write("seed.sql", small.project.read("seed.sql") + "-- changed\n")
    reset(small)
    assert former(small) == {1: None}


@pytest.mark.parametrize(("version", "counts_all"), [("20.10.24", True), ("23.0.0", False)])
def test_the_time_of_a_volume_is_believed_of_an_engine_that_keeps_it(
    small: Shop, version: str, *, counts_all: bool
) -> None:
    small.engine.version = version
    small.engine.answer("information_schema.tables", "", 1)
    reset(small)
    reset(small)
    script = next(one.text for one in small.engine.executed if LOOK in one.text)
    assert ("show shop_database_2 0" in script.splitlines()) is counts_all


def test_what_was_asked_of_a_server_on_other_data_says_nothing(small: Shop) -> None:
    """A switch that was killed just after it was remembered leaves the old server running."""
    small.session().workspace.remember(generation=2)
    reset(small)
    assert former(small) == {2: None}


def test_what_a_server_that_is_down_had_is_looked_at(small: Shop) -> None:
    reset(small)
    branches_take(small, 700)
    down(small.session(), volumes=True, confirmed=True)
    assert former(small) == {2: 700}
    assert kept(small) == {"shop_database_2"}


def test_data_that_were_found_again_go_by_gc_only(small: Shop) -> None:
    branches_take(small, 100)
    reset(small)
    reset(small)
    shutil.rmtree(small.root / ".devenv")
    branches_take(small, 5000)
    reset(small)
    assert kept(small) == {f"shop_database_{number}" for number in (1, 2, 3, 4)}
    items = small.run("gc", "--dry-run", "--json").ok().data["items"]
    offered = [item["name"] for item in items if item["kind"] == "branch"]
    assert offered == ["shop_database_2", "shop_database_1"], "the last one stays"
