"""A pool and the volumes in it: where they are made, how they go, and what a full one says."""

from __future__ import annotations

import pytest

from devenv.database import pool, pool_disk
from devenv.database.branches import (
    BranchRequest,
    Reflink,
    bring_in,
    choose,
    in_pool,
    remove_branch,
    replica_volume,
)
from devenv.database.pool import IN_POOL, Pool, find_pool
from devenv.database.snapshots import KIND_REPLICA, Key, Snapshot, SnapshotStore
from devenv.errors import OperationError, SeedError, UsageError
from devenv.model import Label
from tests.fakes import FakeEngine

IMAGE, TOOLS = "mysql:8.4", "devenv/pool:1"
POOL = Pool("devenv_pool", 20 * 2**30, TOOLS)
SNAPSHOT = Snapshot("0123456789abcdef", 7, "9.7.4-2", "2026-01-02T00:00:00+00:00", "seed")
LABELS = {Label.PROJECT: "shop", Label.KIND: "database"}
BRANCH = "shop_database_1"


@pytest.fixture
def engine() -> FakeEngine:
    engine = FakeEngine()
    engine.add_image(IMAGE)
    engine.add_image(TOOLS)
    return engine


@pytest.fixture
def pooled(engine: FakeEngine) -> FakeEngine:
    pool_disk.build(engine, POOL)
    engine.calls.clear()
    engine.executed.clear()
    return engine


def scripts(engine: FakeEngine) -> list[str]:
    return [one.command[2] for one in engine.executed]


def test_a_pool_counts_once_it_was_used_by_a_container(engine: FakeEngine) -> None:
    engine.when("run devenv_pool-probe", lambda: seen.append(find_pool(engine)))
    seen: list[Pool | None] = []
    pool_disk.build(engine, POOL)
    assert seen == [None]
    assert find_pool(engine) == POOL
    assert engine.volume_options["devenv_pool"]["device"] == "/run/devenv/devenv_pool/volumes"
    assert sorted(engine.volume_labels) == ["devenv_pool", "devenv_pool_disk"]
    making, _ = engine.executed
    assert making.environment["FOLDER"] == f"{engine.root_directory}/volumes/devenv_pool_disk/_data"
    assert making.environment["SIZE"] == str(POOL.size)


@pytest.mark.parametrize("failing", ["run devenv_pool-worker", "run devenv_pool-probe"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OperationError("refused")])
def test_a_pool_that_fails_or_is_interrupted_leaves_nothing(
    engine: FakeEngine, failing: str, error: BaseException
) -> None:
    engine.fail(failing, error)
    engine.when(failing, engine.failures.clear)
    engine.when(failing, lambda: engine.failures.append((failing, error)))
    with pytest.raises(type(error)):
        pool_disk.build(engine, POOL)
    assert find_pool(engine) is None
    engine.mend()
    engine.watchers.clear()
    pool_disk.build(engine, POOL)
    assert find_pool(engine) == POOL


def test_a_pool_in_which_data_live_survives_an_attempt_that_fails(pooled: FakeEngine) -> None:
    pool.create_volume(pooled, POOL, IMAGE, BRANCH, LABELS)
    pooled.remove_volume(POOL.name)  # as `docker volume prune --all` does
    pooled.answer("devenv_pool-probe", "cp: refused", 1)
    with pytest.raises(OperationError):
        pool_disk.build(pooled, POOL)
    assert POOL.disk in pooled.volume_labels
    assert not any("umount" in script for script in scripts(pooled))


@pytest.mark.parametrize(
    ("status", "output", "code"),
    [
        (pool_disk.NO_DAEMON, "", "pool_unsupported"),
        (pool_disk.NO_ROOM, "1073741824", "disk_full"),
        (1, "mount: unknown filesystem type 'xfs'", "pool_failed"),
        (1, "mkfs: No space left on device", "disk_full"),
    ],
)
def test_why_a_pool_cannot_be_made(engine: FakeEngine, status: int, output: str, code: str) -> None:
    engine.answer("flock 9", output, status)
    with pytest.raises(OperationError) as caught:
        pool_disk.build(engine, POOL)
    assert caught.value.code == code
    assert caught.value.hint
    assert engine.volume_labels == {}


def test_a_pool_in_use_is_not_unmounted(pooled: FakeEngine) -> None:
    pooled.answer("umount", "target is busy", pool_disk.BUSY)
    with pytest.raises(OperationError) as caught:
        pool_disk.destroy(pooled, POOL)
    assert caught.value.code == "pool_in_use"
    assert POOL.disk in pooled.volume_labels


def test_new_snapshots_live_in_the_pool(pooled: FakeEngine) -> None:
    name = SnapshotStore(pooled, IMAGE).prepare(SNAPSHOT.key, {})
    assert pooled.volume_labels[name][IN_POOL] == POOL.name
    assert pooled.volume_options[name] == POOL.options(name)
    assert in_pool(pooled, SNAPSHOT) == (POOL, name)


def test_without_a_pool_they_are_plain_volumes(engine: FakeEngine) -> None:
    name = SnapshotStore(engine, IMAGE).prepare(SNAPSHOT.key, {})
    assert engine.volume_options[name] == {}
    assert in_pool(engine, SNAPSHOT) is None
    assert engine.called("run") == []


def test_a_branch_of_a_snapshot_in_the_pool_is_a_clone_in_it(pooled: FakeEngine) -> None:
    SnapshotStore(pooled, IMAGE).prepare(SNAPSHOT.key, {})
    pooled.executed.clear()
    Reflink().create(pooled, IMAGE, BranchRequest(BRANCH, LABELS, SNAPSHOT))
    assert pooled.volume_labels[BRANCH] == {**LABELS, IN_POOL: POOL.name}
    assert pooled.volume_options[BRANCH] == POOL.options(BRANCH)
    (cloning,) = pooled.executed
    assert "cp -a --reflink=always" in cloning.command[2]
    assert cloning.command[-2:] == (SNAPSHOT.volume, BRANCH)
    assert choose(pooled, IMAGE, SNAPSHOT, {}).driver.name == "reflink"


def test_a_clone_that_fails_is_no_branch(pooled: FakeEngine) -> None:
    SnapshotStore(pooled, IMAGE).prepare(SNAPSHOT.key, {})
    pooled.answer("--reflink=always", "No space left on device: 7 MB are free, 128 MB are needed", 1)
    with pytest.raises(OperationError) as caught:
        Reflink().create(pooled, IMAGE, BranchRequest(BRANCH, LABELS, SNAPSHOT))
    assert caught.value.code == "disk_full"
    assert caught.value.evidence == ("No space left on device: 7 MB are free, 128 MB are needed",)
    assert BRANCH not in pooled.volume_labels


def test_a_snapshot_from_outside_is_copied_into_the_pool_and_goes_with_it(pooled: FakeEngine) -> None:
    pooled.create_volume(SNAPSHOT.volume, {})
    bring_in(pooled, IMAGE, SNAPSHOT, POOL)
    replica = replica_volume(SNAPSHOT, POOL.name)
    assert pooled.volume_labels[replica] == {
        Label.KIND: KIND_REPLICA,
        Key.KEY: SNAPSHOT.key,
        IN_POOL: POOL.name,
    }
    assert in_pool(pooled, SNAPSHOT) == (POOL, replica)
    SnapshotStore(pooled, IMAGE).discard(SNAPSHOT.key)
    assert sorted(pooled.volume_labels) == ["devenv_pool", "devenv_pool_disk"]


def test_a_removed_branch_takes_its_folder_with_it(pooled: FakeEngine) -> None:
    for name in (BRANCH, "shop_database_2"):
        pool.create_volume(pooled, POOL, IMAGE, name, LABELS)
    pooled.executed.clear()
    remove_branch(pooled, BRANCH)
    (sweeping,) = pooled.executed
    assert sweeping.environment == {"GONE": BRANCH, "KEPT": "shop_database_2"}
    assert BRANCH not in pooled.volume_labels


def test_a_branch_outside_of_the_pool_costs_no_container(pooled: FakeEngine) -> None:
    pooled.create_volume(BRANCH, LABELS)
    remove_branch(pooled, BRANCH)
    assert pooled.executed == []
    assert BRANCH not in pooled.volume_labels


def test_a_branch_goes_while_the_pool_is_not_mounted(pooled: FakeEngine) -> None:
    pool.create_volume(pooled, POOL, IMAGE, BRANCH, LABELS)
    pooled.fail("run devenv_pool-sweep", OperationError("no such file or directory"))
    remove_branch(pooled, BRANCH)
    assert BRANCH not in pooled.volume_labels


def test_how_full_it_is(pooled: FakeEngine) -> None:
    pooled.answer("devenv_pool-room", "100 60 40\n")
    assert pool_disk.room(pooled, POOL) == pool_disk.Room(100, 60, 40)
    pooled.fail("run devenv_pool-room", OperationError("no such file or directory"))
    assert pool_disk.room(pooled, POOL) is None


def test_the_name_is_the_environments(pooled: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVENV_POOL", "another")
    assert find_pool(pooled) is None
    assert find_pool(pooled, "devenv_pool") == POOL
    monkeypatch.setenv("DEVENV_POOL", "../etc")
    with pytest.raises(UsageError):
        pool.configured_name()


@pytest.mark.parametrize(
    "text",
    [
        "cp: error writing 'x': No space left on device",
        "ERROR 3873 (HY000): Clone estimated database size is 9 MiB. Available space 1 MiB is not enough.",
        "ERROR 1114 (HY000) at line 3: The table 'big' is full",
        "InnoDB Database creation was aborted with error Out of disk space.",
        "[InnoDB] Write to file ./undo_002 failed. Operating system error number 28. Check that",
        "[InnoDB] Retry attempts for writing partial data failed.",
    ],
)
def test_a_full_disk_is_recognised(text: str) -> None:
    error = SeedError("the seed failed", evidence=("begun", text))
    pool.name_full(error)
    assert error.code == "disk_full"
    other = SeedError("the seed failed", evidence=("Table 'x' does not exist", "error number 280"))
    pool.name_full(other)
    assert other.code == "seed_failed"
