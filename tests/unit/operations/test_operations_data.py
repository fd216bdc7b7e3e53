"""Branches of the seed's snapshot: built once, shared by environments, made the way that works here."""

from __future__ import annotations

import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from devenv.database.branches import SERVER_ROOM
from devenv.operations.data import DRIVER_VOLUME
from devenv.operations.reset_db import reset_db
from devenv.operations.up import UpOptions, up

if TYPE_CHECKING:
    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")

MIGRATION = "app/shop/migrations/0001_initial.py"


def snapshots(shop: Shop) -> list[str]:
    """The seeds' snapshots."""
    return [volume.name for volume in shop.engine.volumes("devenv.snapshot.origin=seed")]


def loaded(shop: Shop) -> int:
    """How often the seed's file was loaded."""
    return sum(one.command[-1] == "app" for one in shop.engine.executed)


def migrated(shop: Shop) -> int:
    return sum(one.container == "backend" for one in shop.engine.executed)


def test_a_second_environment_reuses_the_snapshot(shop: Shop) -> None:
    shop.up()
    first = shop.project.memory["snapshot"]
    shop.run("--env", "two", "up").ok()
    assert (loaded(shop), migrated(shop), len(snapshots(shop))) == (1, 1, 1)
    assert shop.engine.called("run shop-two-database-build") == []
    assert shop.engine.volume_labels["shop-two_database_1"]["devenv.snapshot.key"] == first


def test_a_folder_named_by_another_path_is_the_same_environment(shop: Shop) -> None:
    shop.up()
    beside, link = shop.root.parent / "beside", shop.root.parent / "link"
    beside.mkdir()
    link.symlink_to(shop.root)
    for number, path in enumerate((link, beside / ".." / shop.root.name), start=2):
        assert shop.run("-C", str(path), "status", "--json").ok().data["project"] == "shop"
        reset = shop.run("-C", str(path), "reset-db", "--json").ok().data
        assert reset["volume"] == f"shop_database_{number}"


def test_the_driver_is_found_out_once(shop: Shop) -> None:
    shop.up()
    assert shop.engine.volume_labels[DRIVER_VOLUME]["devenv.driver"] == "reflink"
    assert shop.engine.volume_labels[DRIVER_VOLUME]["devenv.driver.reason"] == "reflink works here"
    result = reset_db(shop.session())
    assert result.driver == "reflink"
    assert shop.engine.called("create volume") == ["create volume shop_database_2"]


def test_a_remembered_driver_that_is_unknown_is_found_out_anew(shop: Shop) -> None:
    shop.engine.create_volume(DRIVER_VOLUME, {"devenv.kind": "driver", "devenv.driver": "of the future"})
    assert up(shop.session(), UpOptions()).status.database.driver == "reflink"


def test_without_reflinks_the_database_runs_on_an_overlay(shop: Shop) -> None:
    shop.engine.answer("--reflink=always", "cp: Operation not supported", 1)
    assert up(shop.session(), UpOptions()).status.database.driver == "overlay"
    assert {"shop_database_1", "shop_database_1_upper", "shop_database_1_work"} <= set(
        shop.engine.volume_labels
    )
    reason = shop.engine.volume_labels[DRIVER_VOLUME]["devenv.driver.reason"]
    assert reason == "reflink: Operation not supported; overlay works here"


def test_an_added_migration_goes_on_from_the_snapshot(shop: Shop) -> None:
    shop.project.write(MIGRATION, "one")
    up(shop.session(), UpOptions())
    shop.project.write(MIGRATION.replace("0001_initial", "0002_more"), "two")
    result = reset_db(shop.session())
    assert result.seeded
    assert (loaded(shop), migrated(shop), len(snapshots(shop))) == (1, 2, 2)


def test_a_changed_migration_starts_from_nothing(shop: Shop) -> None:
    shop.project.write(MIGRATION, "one")
    up(shop.session(), UpOptions())
    shop.project.write(MIGRATION, "changed")
    reset_db(shop.session())
    assert (loaded(shop), migrated(shop), len(snapshots(shop))) == (2, 2, 2)


def test_a_branch_that_fails_leaves_the_old_data_in_use_and_the_snapshot_whole(shop: Shop) -> None:
    shop.up()
    before = shop.project.memory
    shop.engine.answer("cp -a", "cp: No space left on device", 1)
    found = shop.run("reset-db")
    assert found.code != 0
    assert "No space left on device" in found.err
    assert shop.project.memory == before
    assert len(snapshots(shop)) == 1
    assert shop.engine.called("replace") == []
    shop.engine.answers.clear()
    assert shop.up().plan.steps == ()


def test_a_branch_carries_the_labels_of_its_environment_snapshot_and_driver(shop: Shop) -> None:
    shop.up()
    labels = shop.engine.volume_labels["shop_database_1"]
    assert labels["devenv.project"] == labels["com.docker.compose.project"] == "shop"
    assert labels["com.docker.compose.volume"] == "database"
    assert labels["devenv.driver"] == "reflink"
    assert labels["devenv.snapshot.key"] == shop.project.memory["snapshot"]


def test_a_seed_without_room_is_not_begun(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.up()
    shop.engine.calls.clear()
    shop.project.write("seed.sql", "x" * 5_000_000)
    (empty,) = shop.engine.volumes("devenv.snapshot.origin=empty")
    needed = SERVER_ROOM + int(empty.labels["devenv.snapshot.bytes"]) + 5_000_000
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed - 1))

    found = shop.run("reset-db", "--json")

    assert (found.code, found.error["code"]) == (1, "disk_full")
    assert found.error["detail"]["needed"] == needed
    assert shop.engine.called("run ") == []
    assert len(snapshots(shop)) == 1


def test_why_a_branch_is_made_so_is_told_to_people(shop: Shop) -> None:
    shop.engine.answer("cp -a --reflink=always", "cp: failed to clone: Operation not supported", 1)
    shop.up()
    assert "(overlay, as reflink: Operation not supported)" in shop.run("status").ok().out
