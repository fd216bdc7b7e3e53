"""The database as it was seeded: new data beside the old, one switch, and nothing lost by a seed that fails."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from devenv.environments.workspace import Former
from devenv.errors import OperationError, RefusedError, SeedError, ServiceFailedError
from devenv.operations import reset_db as reset_module
from devenv.operations.present import Discarded
from devenv.operations.reset_db import ResetResult, UndoResult, reset_db, undo
from devenv.operations.snapshots import restore
from tests.fakes import Turn, unhealthy

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clock import Clock
    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")

DATABASE = "shop-databasemaster-1"
SUCCESSOR = "shop-database-successor"
SWITCHED = [
    f"duplicate {DATABASE} as {SUCCESSOR}",
    f"start {SUCCESSOR}",
    f"substitute {DATABASE} by {SUCCESSOR}",
]


def reset(shop: Shop) -> ResetResult:
    return reset_db(shop.session())


def back(shop: Shop) -> UndoResult:
    return undo(shop.session())


def change_seed(shop: Shop) -> None:
    """So that its snapshot has to be built."""
    shop.project.write("seed.sql", shop.project.read("seed.sql") + "-- changed\n")


def volumes(shop: Shop) -> set[str]:
    return {name for name in shop.engine.volume_labels if "_database_" in name}


def snapshots(shop: Shop) -> int:
    return len(shop.engine.volumes("devenv.snapshot.origin=seed"))


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
    assert [call for call in shop.changes if not call.startswith("remove")] == [
        "create volume shop_database_2",
        *SWITCHED,
    ]
    assert not result.seeded
    assert (result.driver, result.snapshot) == ("reflink", shop.project.memory["snapshot"])


def test_a_changed_seed_is_built_beside_the_running_database(shop: Shop) -> None:
    shop.up()
    before = shop.ids
    running: list[bool] = []
    change_seed(shop)
    shop.engine.when(
        "run once", lambda: running.append(shop.engine.containers[DATABASE].id == before[DATABASE])
    )
    result = reset(shop)
    assert result.seeded
    assert running == [True]
    assert snapshots(shop) == 2


def test_former_data_are_kept_up_to_the_limit(shop: Shop) -> None:
    shop.configure("database: {", "database: {undo: {keep: 2}, ")
    shop.up()
    for generation in (2, 3, 4, 5):
        result = reset(shop)
        assert result.discarded is not None
        assert result.discarded.volume == f"shop_database_{generation - 1}"
        kept = range(max(generation - 2, 1), generation + 1)
        assert volumes(shop) == {f"shop_database_{number}" for number in kept}
        assert [one["generation"] for one in shop.project.memory["former"]] == [*reversed(kept)][1:]
    assert "shop_generated" in shop.engine.volume_labels
    assert snapshots(shop) == 1


def test_up_after_it_has_nothing_to_do(shop: Shop) -> None:
    shop.up()
    reset(shop)
    result = shop.up()
    assert result.plan.steps == ()
    assert shop.engine.changes == []
    assert result.status.database.branch == "shop_database_2"


def test_what_was_discarded_is_measured(shop: Shop) -> None:
    shop.up()
    own = shop.session().settings.database.databases[0]
    told = f"{own}\t12\t1048576.0\nother\t7\t99\n"
    shop.engine.answer("information_schema.tables", told)
    assert reset(shop).discarded == Discarded("shop_database_1", 12, 1048576)


@pytest.mark.parametrize(("output", "status"), [("ERROR 2002", 1), ("", 0)])
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
    change_seed(shop)
    shop.engine.answer(pattern, "ERROR 1146 (42S02) at line 2: no table", 1)
    with pytest.raises(SeedError):
        reset(shop)
    assert shop.ids == before
    assert volumes(shop) == {"shop_database_1"}
    assert shop.project.memory["generation"] == 1
    assert shop.project.read(".devenv/compose.yaml") == file
    assert shop.engine.called(f"remove {DATABASE}") == shop.engine.called("replace") == []
    assert snapshots(shop) == 1
    assert len(shop.engine.volumes("devenv.kind=snapshot-data")) == 2  # with the empty server's
    shop.engine.answers.clear()
    assert shop.up().plan.steps == ()


def test_a_seed_that_fails_does_not_cost_the_former_generation(shop: Shop) -> None:
    shop.up()
    reset(shop)
    change_seed(shop)
    shop.engine.answer("migrate", "Traceback", 1)
    with pytest.raises(SeedError):
        reset(shop)
    assert volumes(shop) == {"shop_database_1", "shop_database_2"}


def test_a_reset_whose_server_does_not_start_leaves_the_old_one_with_its_data(shop: Shop) -> None:
    shop.up()
    before, memory = shop.ids, shop.project.memory
    shop.engine.fail("duplicate", OperationError("no room", code="disk_full"))
    with pytest.raises(OperationError):
        reset(shop)
    assert (shop.ids, shop.project.memory) == (before, memory)
    shop.engine.mend()
    assert shop.up().plan.steps == ()
    assert reset(shop).volume == "shop_database_2"


def test_a_server_that_a_killed_reset_left_beside_the_old_one_goes_with_the_next_up(shop: Shop) -> None:
    shop.up()
    shop.up()  # from now on there is nothing to do
    before = shop.ids
    shop.engine.fail(f"start {SUCCESSOR}", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        reset(shop)
    shop.engine.mend()
    assert SUCCESSOR in shop.ids
    assert shop.project.run("up").ok()
    assert shop.ids == before


def test_a_reset_that_was_killed_after_the_seed_is_finished_by_up(shop: Shop) -> None:
    shop.up()
    shop.engine.fail("substitute", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        reset(shop)
    shop.engine.mend()
    assert branch(shop) == "shop_database_1"
    assert str(shop.up().plan).splitlines() == [
        "[1] compose file: write, its content changed",
        "[2] databasemaster: recreate and start, it has other data",
    ]
    assert branch(shop) == "shop_database_2"
    assert shop.up().plan.steps == ()


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
    assert len([call for call in shop.engine.executed if call.command[-1] == "app"]) == 1, "seeded again"


def test_after_down_former_data_are_kept_up_to_the_limit_too(shop: Shop) -> None:
    shop.configure("database: {", "database: {undo: {keep: 1}, ")
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
    shop.engine.when("substitute", lambda: clock.sleep(3))
    assert reset(shop).seconds == pytest.approx(3)
    assert back(shop).seconds == pytest.approx(3)


def test_undo_brings_the_former_data_back_and_changes_nothing_else(shop: Shop) -> None:
    shop.up()
    first = shop.project.memory["snapshot"]
    change_seed(shop)
    reset(shop)
    second, before = shop.project.memory["snapshot"], shop.ids
    result = back(shop)
    assert (result.volume, result.put_aside, result.running) == ("shop_database_1", "shop_database_2", True)
    assert branch(shop) == "shop_database_1"
    memory = shop.project.memory
    assert (memory["generation"], memory["snapshot"]) == (1, first)
    assert shop.project.session().workspace.recall().former == (Former(2, second),)
    assert {name for name, identity in shop.ids.items() if before[name] != identity} == {DATABASE}
    assert shop.engine.changes == SWITCHED
    assert shop.up().plan.steps == ()


def test_undo_of_an_undo_is_a_redo(shop: Shop) -> None:
    shop.up()
    reset(shop)
    reset(shop)
    found = [back(shop).volume for _ in range(4)]
    assert found == ["shop_database_2", "shop_database_3", "shop_database_2", "shop_database_3"]
    assert [one["generation"] for one in shop.project.memory["former"]] == [2, 1]
    assert volumes(shop) == {"shop_database_1", "shop_database_2", "shop_database_3"}


def test_a_reset_after_an_undo_takes_a_number_that_no_data_have(shop: Shop) -> None:
    shop.up()
    reset(shop)
    back(shop)
    assert reset(shop).volume == "shop_database_3"
    assert [one["generation"] for one in shop.project.memory["former"]] == [1, 2]


def test_a_reset_needs_the_images_of_the_seed_only(shop: Shop) -> None:
    shop.up()
    del shop.engine.present["shop/frontend:1"]
    shop.engine.registry = set()
    shop.engine.calls.clear()
    reset(shop)
    back(shop)
    assert shop.engine.called("pull") == []


def nothing_to_undo(shop: Shop) -> OperationError:
    with pytest.raises(OperationError) as caught:
        back(shop)
    assert caught.value.code == "nothing_to_undo"
    assert shop.engine.changes == []
    return caught.value


def test_nothing_to_undo(shop: Shop) -> None:
    assert nothing_to_undo(shop).message == "there is nothing to undo"
    shop.up()
    assert nothing_to_undo(shop).hint == "`devenv reset-db` puts data aside"


def test_data_put_aside_that_somebody_removed_cannot_be_undone(shop: Shop) -> None:
    shop.up()
    reset(shop)
    shop.engine.remove_volume("shop_database_1")
    before = shop.project.memory
    assert "volume shop_database_1 was removed" in nothing_to_undo(shop).message
    assert shop.project.memory == before
    assert branch(shop) == "shop_database_2"


def test_an_undo_that_was_killed_is_finished_by_up(shop: Shop) -> None:
    shop.up()
    reset(shop)
    shop.engine.fail("substitute", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        back(shop)
    shop.engine.mend()
    assert branch(shop) == "shop_database_2"
    assert shop.up().status.database.branch == "shop_database_1"


def test_undo_of_a_database_that_does_not_run(shop: Shop) -> None:
    shop.up()
    reset(shop)
    shop.project.run("stop", "databasemaster").ok()
    assert not back(shop).running
    assert branch(shop) == "shop_database_1"
    assert shop.engine.called("start") == []


def lose_memory(shop: Shop) -> None:
    """As `git clean` does, while no container tells which data were in use."""
    shop.project.run("down").ok()
    shutil.rmtree(shop.root / ".devenv")
    shop.engine.calls.clear()


@pytest.mark.parametrize("way", ["reset", "restore", "up"])
def test_where_the_memory_was_lost_all_data_stay_and_undo_knows_them(shop: Shop, way: str) -> None:
    shop.engine.answer(r"SELECT VERSION\(\)", "8.4.3\n")
    shop.up()
    reset(shop)
    reset(shop)
    key = shop.project.memory["snapshot"]
    lose_memory(shop)
    if way == "reset":
        assert reset(shop).volume == "shop_database_4"
    elif way == "restore":
        assert restore(shop.session(), key).volume == "shop_database_4"
    shop.up()
    assert branch(shop) == "shop_database_4"
    assert volumes(shop) == {f"shop_database_{number}" for number in (1, 2, 3, 4)}
    former = shop.project.session().workspace.recall().former
    assert [(one.generation, one.snapshot) for one in former] == [(3, key), (2, key), (1, key)]
    assert back(shop).volume == "shop_database_3"


def test_data_that_were_found_again_go_by_gc_only_however_many_they_are(shop: Shop) -> None:
    """The highest number is not the last in use, once somebody went back."""
    shop.up()
    for _ in range(3):
        reset(shop)
        back(shop)
    assert branch(shop) == "shop_database_1"
    lose_memory(shop)
    shop.run("down", "--volumes", "--yes").ok()
    assert volumes(shop) == {f"shop_database_{number}" for number in (1, 2, 3, 4)}
    for _ in range(4):
        reset(shop)
    assert volumes(shop) >= {f"shop_database_{number}" for number in (1, 2, 3, 4)}
    # Those that came since are as many as `undo` is to bring back.
    assert len(volumes(shop)) == 4 + 4


@pytest.mark.parametrize("runs", [True, False])
def test_where_it_was_lost_scale_does_not_take_the_rest_for_whole(shop: Shop, runs: bool) -> None:
    shop.up()
    reset(shop)
    back(shop)
    if not runs:
        shop.project.run("down").ok()
    shutil.rmtree(shop.root / ".devenv")
    shop.run("scale", "taskrunner=2").ok()
    reset(shop)
    assert volumes(shop) >= {"shop_database_1", "shop_database_2", "shop_database_3"}


def test_where_it_was_lost_beside_a_running_database_nothing_is_built_over(shop: Shop) -> None:
    shop.up()
    reset(shop)
    back(shop)
    (shop.root / ".devenv/environment.json").write_text("{", encoding="utf-8")
    assert reset(shop).volume == "shop_database_3"
    assert [one["generation"] for one in shop.project.memory["former"]] == [1, 2]
    assert volumes(shop) == {"shop_database_1", "shop_database_2", "shop_database_3"}


def test_a_volume_that_nobody_knows_is_left_for_gc(shop: Shop) -> None:
    shop.configure("database: {", "database: {undo: {keep: 1}, ")
    shop.up()
    shop.engine.create_volume("shop_database_9", shop.engine.volume_labels["shop_database_1"])
    reset(shop)
    reset(shop)
    assert volumes(shop) == {"shop_database_2", "shop_database_3", "shop_database_9"}


def test_former_data_that_a_killed_reset_did_not_remove_go_with_the_next(shop: Shop) -> None:
    shop.configure("database: {", "database: {undo: {keep: 1}, ")
    shop.up()
    reset(shop)
    shop.engine.failures.append(("remove volume shop_database_1", KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        reset(shop)
    shop.engine.failures.clear()
    reset(shop)
    assert volumes(shop) == {"shop_database_3", "shop_database_4"}


@pytest.mark.parametrize("way", [reset, back])
def test_a_server_that_ends_at_once_changes_nothing(
    shop: Shop, way: Callable[[Shop], ResetResult | UndoResult]
) -> None:
    shop.up()
    reset(shop)
    before, memory = shop.ids, shop.project.memory
    shop.engine.scripts["databasemaster"] = [Turn("unhealthy", "restarting", 1)]
    shop.engine.written.append((SUCCESSOR, "[ERROR] chown: No space left on device"))
    with pytest.raises(OperationError) as caught:
        way(shop)
    assert (caught.value.code, caught.value.evidence) == (
        "server_ended",
        ("[ERROR] chown: No space left on device",),
    )
    assert shop.ids == before
    assert shop.project.memory == memory


def test_a_question_that_fails_leaves_no_server_beside_the_other(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OperationError("the server does not answer", code="engine_refused")

    shop.up()
    before = shop.ids
    monkeypatch.setattr(reset_module, "measure", fail)
    with pytest.raises(OperationError):
        reset(shop)
    assert shop.ids == before


@pytest.mark.parametrize("way", [reset, back])
def test_a_compose_file_that_is_not_ours_is_refused_before_anything_is_done(
    shop: Shop, way: Callable[[Shop], ResetResult | UndoResult]
) -> None:
    shop.up()
    reset(shop)
    before, memory = shop.ids, shop.project.memory
    shop.project.write(".devenv/compose.yaml", "services: {}\n")
    shop.engine.calls.clear()
    with pytest.raises(RefusedError):
        way(shop)
    assert (shop.ids, shop.project.memory, shop.engine.changes) == (before, memory, [])


def test_another_image_in_the_settings_is_that_of_the_new_server(shop: Shop) -> None:
    shop.up()
    shop.configure("database: {", "database: {image: 'mysql:9', ")
    shop.engine.add_image("mysql:9")
    reset(shop)
    assert shop.engine.containers[DATABASE].image == "mysql:9"
