"""The pool as commands see it: made, used by all environments, put back, refused to go while it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from devenv.environments.registry import Registry
from devenv.errors import OperationError, RefusedError, UsageError
from devenv.operations.data import DRIVER_VOLUME
from devenv.operations.doctor import examine
from devenv.operations.pool import create_pool, remove_pool, show_pool
from devenv.operations.reset_db import reset_db, undo
from devenv.operations.up import UpOptions, up

if TYPE_CHECKING:
    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")

SIZE = 20 * 2**30
WORKER = "run devenv_pool-worker"


@pytest.fixture
def pooled(shop: Shop) -> Shop:
    shop.engine.add_image("devenv/debian:trixie")
    create_pool(shop.session(), SIZE)
    return shop


def driver(shop: Shop) -> str:
    return up(shop.session(), UpOptions()).status.database.driver


def no(question: str) -> bool:
    del question
    return False


def yes(question: str) -> bool:
    del question
    return True


def test_without_a_pool_nobody_pays_for_it(shop: Shop) -> None:
    shop.up()
    assert show_pool(shop.session()).name is None
    assert not any("pool" in call for call in shop.engine.changes)
    assert "devenv/pool" not in str(shop.engine.present)


def test_a_pool_is_made_once(pooled: Shop) -> None:
    again = create_pool(pooled.session(), SIZE)
    assert not again.created
    assert len(pooled.engine.called(WORKER)) == 1
    assert pooled.engine.called("run devenv_pool-probe") == []
    with pytest.raises(RefusedError) as caught:
        create_pool(pooled.session(), 2 * SIZE)
    assert caught.value.code == "pool_exists"


def test_a_pool_has_a_least_size(shop: Shop) -> None:
    with pytest.raises(UsageError):
        create_pool(shop.session(), 2**20)
    assert shop.engine.changes == []


def test_what_a_killed_attempt_left_is_gone_on_from_or_removed(pooled: Shop) -> None:
    pooled.engine.remove_volume("devenv_pool")
    assert show_pool(pooled.session()).name is None
    assert create_pool(pooled.session(), SIZE).created
    pooled.engine.remove_volume("devenv_pool")
    assert remove_pool(pooled.session(), yes).name == "devenv_pool"
    assert not any("pool" in name for name in pooled.engine.volume_labels)


def test_snapshot_and_branch_of_a_new_environment_live_in_it(pooled: Shop) -> None:
    # Only a plain volume lacks reflinks here.
    pooled.engine.answer("/snapshot/data/. /branch/", "cp: Operation not supported", 1)
    assert driver(pooled) == "reflink"
    key = pooled.project.memory["snapshot"]
    for name in (f"devenv_snapshot_{key}_data", "shop_database_1"):
        assert pooled.engine.volume_labels[name]["devenv.pool"] == "devenv_pool"
    report = show_pool(pooled.session())
    (empty,) = pooled.engine.volumes("devenv.snapshot.origin=empty")
    keys = tuple(sorted((key, empty.labels["devenv.snapshot.key"])))
    assert (report.branches, report.snapshots) == (("shop_database_1",), keys)


def test_a_snapshot_from_before_is_copied_in_once(shop: Shop) -> None:
    shop.engine.answer("/snapshot/data/. /branch/", "cp: Operation not supported", 1)
    shop.engine.add_image("devenv/debian:trixie")
    assert driver(shop) == "overlay"
    create_pool(shop.session(), SIZE)
    for _ in range(2):
        assert reset_db(shop.session()).driver == "reflink"
    copies = [one for one in shop.engine.executed if "/snapshot/." in str(one.command)]
    assert len(copies) == 1
    # What was found out about the engine's own disk still holds, for who has no pool.
    assert shop.engine.volume_labels[DRIVER_VOLUME]["devenv.driver"] == "overlay"
    assert shop.engine.volume_labels["devenv_pool_driver"]["devenv.driver"] == "reflink"


def test_a_snapshot_that_does_not_fit_leaves_the_old_data_in_use(shop: Shop) -> None:
    shop.engine.add_image("devenv/debian:trixie")
    shop.up()
    before = shop.project.memory
    create_pool(shop.session(), SIZE)
    shop.engine.answer("/snapshot/.", "cp: No space left on device", 1)
    with pytest.raises(OperationError) as caught:
        reset_db(shop.session())
    assert caught.value.code == "disk_full"
    assert shop.project.memory == before
    assert shop.engine.called("replace") == []


def test_the_pool_is_put_back_before_a_container_that_needs_it_starts(pooled: Shop) -> None:
    pooled.up()
    session = pooled.session()
    up(session, UpOptions())
    assert pooled.engine.called(WORKER) == []  # a container of ours runs in it
    pooled.run("stop").ok()
    up(pooled.session(), UpOptions())
    calls = pooled.engine.calls
    assert calls.index(WORKER) < calls.index("start shop-databasemaster-1")


def test_undo_and_reset_put_it_back_too(pooled: Shop) -> None:
    pooled.up()
    reset_db(pooled.session())
    assert pooled.engine.called(WORKER) == []
    pooled.run("stop").ok()
    undo(pooled.session())
    assert len(pooled.engine.called(WORKER)) == 1
    reset_db(pooled.session())
    assert len(pooled.engine.called(WORKER)) == 1


def test_an_environment_outside_of_the_pool_does_not_wait_for_it(shop: Shop) -> None:
    shop.engine.add_image("devenv/debian:trixie")
    shop.up()
    create_pool(shop.session(), SIZE)
    shop.run("stop").ok()
    up(shop.session(), UpOptions())
    assert shop.engine.called(WORKER) == []


def test_a_pool_in_use_stays_whatever_is_confirmed(pooled: Shop) -> None:
    pooled.up()
    with pytest.raises(RefusedError) as caught:
        remove_pool(pooled.session(), yes)
    assert caught.value.code == "pool_in_use"
    assert caught.value.detail["branches"] == ["shop_database_1"]
    assert pooled.engine.changes == []


def test_a_pool_in_which_somebody_builds_stays(pooled: Shop) -> None:
    pooled.engine.create_volume(
        "devenv_snapshot_ab_data",
        {"devenv.kind": "snapshot-data", "devenv.snapshot.key": "ab", "devenv.pool": "devenv_pool"},
    )
    with Registry().locked("snapshot-ab"), pytest.raises(RefusedError):
        remove_pool(pooled.session(), yes)
    assert remove_pool(pooled.session(), yes).name == "devenv_pool"


def test_a_pool_with_snapshots_goes_once_it_is_confirmed(pooled: Shop) -> None:
    pooled.up()
    key = pooled.project.memory["snapshot"]
    pooled.run("--yes", "down", "--volumes").ok()
    pooled.run("--yes", "gc", "--all").ok()
    with pytest.raises(RefusedError) as caught:
        remove_pool(pooled.session(), no)
    assert caught.value.code == "confirmation_needed"
    assert key in caught.value.message
    assert pooled.engine.changes == []
    assert remove_pool(pooled.session(), yes).snapshots == (key,)
    left = [name for name in pooled.engine.volume_labels if "snapshot" in name or "pool" in name]
    assert left == []
    assert driver(pooled) == "reflink"


def test_a_branch_that_appears_while_the_question_stands_open_is_seen(pooled: Shop) -> None:
    engine = pooled.engine
    pooled.up()
    pooled.run("--yes", "down", "--volumes").ok()
    pooled.run("--yes", "gc", "--all").ok()
    marks = {"devenv.kind": "database", "devenv.pool": "devenv_pool"}
    session = pooled.session()
    with pytest.raises(RefusedError) as caught:
        remove_pool(session, lambda _: bool(engine.create_volume("other_database_1", marks)))
    assert caught.value.code == "pool_in_use"
    assert engine.called("remove") == []


def test_there_is_none_to_remove(shop: Shop) -> None:
    with pytest.raises(OperationError) as caught:
        remove_pool(shop.session(), yes)
    assert caught.value.code == "no_pool"


@pytest.mark.parametrize(
    ("output", "verdict", "text"),
    [
        (
            f"{SIZE} {SIZE // 4} {SIZE // 2}",
            "ok",
            "devenv_pool, 5.0 of 20.0 GB used, driver reflink (reflink works here)",
        ),
        (
            f"{SIZE} {SIZE} {2**20}",
            "warning",
            "devenv_pool, 20.0 of 20.0 GB used, driver reflink (reflink works here)",
        ),
        ("", "warning", "devenv_pool, 20 GB, is not mounted"),
    ],
)
def test_what_the_doctor_says(pooled: Shop, output: str, verdict: str, text: str) -> None:
    pooled.up()
    pooled.engine.answer("devenv_pool-room", output)
    found = examine(pooled.engine, lambda: pooled.setup, pooled.session)
    one = next(one for one in found if one.name == "pool")
    assert (one.verdict, one.text) == (verdict, text)
    assert (one.fix is None) == (verdict == "ok")


def test_the_commands(shop: Shop) -> None:
    shop.engine.add_image("devenv/debian:trixie")
    assert "devenv db pool create" in shop.run("db", "pool", "show").ok().out
    shop.engine.answer("devenv_pool-room", f"{SIZE} {SIZE // 4} {SIZE // 2}")
    made = shop.run("db", "pool", "create", "--size", "20G", "--json").ok().data
    assert (made["created"], made["size"], made["free"]) == (True, SIZE, SIZE // 2)
    assert "20.0 GB, 5.0 GB used, 10.0 GB free" in shop.run("db", "pool", "show").ok().out
    assert shop.run("db", "pool", "remove").code == 6
    assert "devenv_pool is gone" in shop.run("--yes", "db", "pool", "remove").ok().out
    assert shop.run("db", "pool", "create", "--size", "much").code == 2
