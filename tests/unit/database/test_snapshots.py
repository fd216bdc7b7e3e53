"""Snapshots as values: which one is meant, what uses it, how it is taken, what fits, what can go."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from devenv.database.capture import Way, choose_way
from devenv.database.catalogue import check_name, refuse_taken, refuse_used, resolve, uses
from devenv.database.garbage import Budget, Inventory, plan_gc
from devenv.database.snapshots import Key, Snapshot
from devenv.database.versions import Fit, fit, version_of_banner
from devenv.engine.observed import ObservedVolume
from devenv.errors import RefusedError, UsageError
from devenv.model import Label
from devenv.operations.snapshots import age


def snapshot(key: str, name: str | None = None, project: str | None = None, origin: str = "save") -> Snapshot:
    return Snapshot(
        key * 8, 100, "9.7.4", f"2026-01-01T00:00:0{int(key[0], 16) % 10}+00:00", origin, name, project
    )


SEED = snapshot("a1", origin="seed")
OWN = snapshot("b2", "clean", "shop")
FOREIGN = snapshot("c3", "clean", "blog")
THEIRS = snapshot("d4", "theirs", "blog")
TWINS = (snapshot("e5", "twin", "one"), snapshot("f6", "twin", "two"))
ALL = (SEED, OWN, FOREIGN, THEIRS, *TWINS)


def branch(name: str, of: Snapshot | None = None, base: str = "") -> ObservedVolume:
    labels = {Label.PROJECT: "shop", Label.DRIVER: "overlay", Label.KIND: "database"}
    if of is not None:
        labels[Key.KEY] = of.key
    return ObservedVolume(name, labels, options={"o": base} if base else {})


@pytest.mark.parametrize(
    ("reference", "meant"),
    [
        ("clean", OWN),
        ("theirs", THEIRS),
        ("a1a1", SEED),
        (SEED.key, SEED),
        (FOREIGN.key, FOREIGN),
    ],
)
def test_a_name_a_key_or_its_beginning_means_one_snapshot(reference: str, meant: Snapshot) -> None:
    assert resolve(ALL, reference, "shop") is meant


def test_a_name_of_several_others_is_not_guessed() -> None:
    with pytest.raises(
        UsageError, match=r"several snapshots: e5e5e5e5e5e5e5e5 of one, f6f6f6f6f6f6f6f6 of two"
    ):
        resolve(ALL, "twin", "shop")


@pytest.mark.parametrize("reference", ["dirty", "a1a", ""])
def test_what_is_not_there_is_answered_with_what_there_is(reference: str) -> None:
    with pytest.raises(UsageError, match=r"there are: a1a1a1a1a1a1a1a1, clean, theirs, twin"):
        resolve(ALL, reference, "shop")


def test_without_snapshots_there_are_none() -> None:
    with pytest.raises(UsageError, match="there are: none"):
        resolve((), "clean", "shop")


@pytest.mark.parametrize("name", ["a", "before-0042", "v1.2_final", "A" * 63])
def test_a_name_is_letters_digits_and_three_signs(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "-x", ".x", "a b", "a/b", "ä", "A" * 64, "0123456789abcdef", "a\n"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_name(name)
    assert caught.value.code == "bad_snapshot_name"


def test_a_name_is_taken_within_its_project_only() -> None:
    with pytest.raises(RefusedError, match='"clean" already'):
        refuse_taken(ALL, "clean", "shop")
    refuse_taken(ALL, "theirs", "shop")


def test_a_branch_uses_the_snapshot_that_its_label_or_its_layers_name() -> None:
    labelled = branch("shop_database_1", OWN)
    stacked = branch("shop_database_2", base=f"lowerdir=/v/{OWN.volume}/_data/data,upperdir=/v/x/_data")
    other = branch("shop_database_3", SEED)

    found = uses(OWN, (labelled, stacked, other))

    assert [use.volume for use in found] == ["shop_database_1", "shop_database_2"]
    with pytest.raises(RefusedError) as caught:
        refuse_used(OWN, (labelled, stacked))
    assert caught.value.exit_status == 6
    assert "shop_database_1 (overlay), shop_database_2 (overlay)" in caught.value.message
    refuse_used(THEIRS, (labelled, stacked, other))


def test_a_running_database_is_cloned_and_serves_meanwhile() -> None:
    assert choose_way(running=True, clones=True, foreign=()).way is Way.CLONE


def test_tables_that_a_clone_leaves_out_are_copied_while_the_server_is_stopped() -> None:
    choice = choose_way(running=True, clones=True, foreign=tuple(f"app.{n} (MyISAM)" for n in "abcd"))
    assert choice.way is Way.STOP_AND_COPY
    assert choice.reason.endswith("app.a (MyISAM), app.b (MyISAM), app.c (MyISAM) ...")


def test_a_server_without_the_plugin_is_stopped() -> None:
    assert choose_way(running=True, clones=False, foreign=()).way is Way.STOP_AND_COPY


def test_files_that_nobody_serves_are_copied() -> None:
    assert choose_way(running=False, clones=False, foreign=()).way is Way.COPY


@pytest.mark.parametrize(
    ("data", "server", "verdict"),
    [
        ("9.7.4-2", "9.7.4-2", Fit.SAME),
        ("9.7.4", "9.7.4-2", Fit.SAME),
        ("8.4.3", "9.7.4-2", Fit.UPGRADE),
        ("8.4.9", "8.4.10", Fit.UPGRADE),
        ("9.7.4", "8.4.3", Fit.TOO_NEW),
        ("8.4.10", "8.4.9", Fit.TOO_NEW),
        ("11.4.2-MariaDB", "9.7.4", Fit.FOREIGN),
        ("8.4.3", "11.4.2-MariaDB", Fit.FOREIGN),
        ("", "9.7.4", Fit.FOREIGN),
        ("9.7.4", "", Fit.FOREIGN),
    ],
)
def test_data_go_to_the_same_server_or_a_later_one(data: str, server: str, verdict: Fit) -> None:
    assert fit(data, server) is verdict


def test_the_version_is_read_out_of_the_banner() -> None:
    assert version_of_banner("/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))") == "9.7.4-2"
    assert version_of_banner("sh: mysqld: not found") == ""


def test_the_age_is_told_in_seconds() -> None:
    now = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    assert age("2026-01-01T00:00:00+00:00", now) == 60
    assert age("2026-01-01T00:02:00+00:00", now) == 0
    assert age("yesterday", now) is None
    assert age("2026-01-01T00:00:00", now) is None


def inventory(**changes: object) -> Inventory:
    nothing: dict[str, object] = {
        "branches": {},
        "former": (),
        "databases": (),
        "snapshots": (),
        "wanted": frozenset(),
        "unfinished": {},
        "layers": (),
        "containers": (),
    }
    return Inventory(**(nothing | changes))  # type: ignore[arg-type]


def planned(found: Inventory, *, keep: int = 3, size: int = 1000, undo_too: bool = False) -> list[str]:
    return [f"{one.name}: {one.reason}" for one in plan_gc(found, Budget(keep, size), undo_too=undo_too)]


def test_where_nothing_is_nothing_can_go() -> None:
    assert planned(inventory()) == []


def test_former_data_within_the_budget_stay() -> None:
    found = inventory(branches={"d3": 500, "d2": 500}, former=("d3", "d2"))
    assert planned(found) == []
    assert planned(found, undo_too=True) == ["d3: kept for undo", "d2: kept for undo"]


def test_the_oldest_go_first_by_number_and_by_bytes() -> None:
    found = inventory(branches={"d1": 10, "d3": 500, "d2": 501}, former=("d3", "d2", "d1"))
    assert planned(found, keep=2) == [
        "d2: kept for undo, beyond 0 MB",
        "d1: kept for undo, more than 2",
    ]


@pytest.mark.parametrize(
    ("size", "shown"), [(2**30, "1.0 GB"), (5 * 2**30, "5.0 GB"), (2**30 - 2**20, "1023 MB"), (2**20, "1 MB")]
)
def test_a_budget_is_shown_as_people_write_it(size: int, shown: str) -> None:
    assert Budget(3, size).shown_size == shown


def test_a_branch_that_nobody_remembers_goes() -> None:
    found = inventory(branches={"d9": None, "d3": 1}, former=("d3", "gone"))
    assert planned(found) == ["d9: no command knows it any more"]


def test_snapshots_without_name_and_use_go_but_not_the_newest_seed_nor_what_is_wanted() -> None:
    old, wanted, new = (snapshot(key, origin="seed") for key in ("11", "22", "33"))
    used = snapshot("44", origin="import")
    loose = snapshot("55", origin="import")
    found = inventory(
        snapshots=(old, wanted, new, OWN, used, loose),
        wanted=frozenset({wanted.key}),
        databases=(branch("shop_database_1", used),),
    )
    assert planned(found) == [
        f"{old.key}: no branch uses it (seed of {old.created})",
        f"{loose.key}: no branch uses it (import of {loose.created})",
    ]


def test_a_snapshot_goes_with_its_last_branch() -> None:
    old, new = snapshot("11", origin="import"), snapshot("33", origin="seed")
    found = inventory(
        branches={"shop_database_1": 5},
        former=("shop_database_1",),
        databases=(branch("shop_database_1", old),),
        snapshots=(old, new),
    )
    assert planned(found) == []
    assert [line.partition(":")[0] for line in planned(found, undo_too=True)] == ["shop_database_1", old.key]


def test_what_killed_commands_left_goes() -> None:
    found = inventory(
        containers=("shop-database-save",), unfinished={"ab" * 8: 7}, layers=("shop_database_9_upper",)
    )
    assert [line.partition(":")[0] for line in planned(found)] == [
        "shop-database-save",
        "ab" * 8,
        "shop_database_9_upper",
    ]
