"""Snapshots on an engine: whole or none, found again, and the nearest one to go on from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devenv.database.snapshots import KIND, Key, Snapshot, SnapshotStore, data_volume, nearest
from devenv.errors import OperationError
from devenv.model import Label
from tests.fake_shell import DATA_BYTES, DISK_BYTES
from tests.fakes import FakeEngine

IMAGE = "mysql:8.4"
SEED = Snapshot(
    "0123456789abcdef", 7, "9.7.4-2", "2026-01-02T00:00:00+00:00", "seed", inputs={"image": "sha256:1"}
)
SAVED = Snapshot("fedcba9876543210", 9, "9.7.4-2", "2026-01-01T00:00:00+00:00", "save", "clean", "shop", {})


@pytest.fixture
def store() -> SnapshotStore:
    engine = FakeEngine()
    engine.add_image(IMAGE)
    return SnapshotStore(engine, IMAGE)


def engine_of(store: SnapshotStore) -> FakeEngine:
    assert isinstance(store.engine, FakeEngine)
    return store.engine


def made(store: SnapshotStore, snapshot: Snapshot) -> Snapshot:
    store.prepare(snapshot.key, {})
    return store.seal(snapshot)


@pytest.mark.parametrize("snapshot", [SEED, SAVED, replace(SAVED, name=None, project=None)])
def test_a_manifest_says_all_of_a_snapshot(store: SnapshotStore, snapshot: Snapshot) -> None:
    made(store, snapshot)
    assert store.all() == (snapshot,)
    assert store.find(snapshot.key) == snapshot
    assert store.find("0" * 16) is None


def test_the_oldest_comes_first(store: SnapshotStore) -> None:
    assert {made(store, SEED).key, made(store, SAVED).key} == {one.key for one in store.all()}
    assert store.all() == (SAVED, SEED)


def test_a_manifest_of_an_older_devenv_is_read_as_far_as_it_goes(store: SnapshotStore) -> None:
    store.engine.create_volume("devenv_snapshot_ab", {Label.KIND: KIND, Key.KEY: "ab"})
    assert store.all() == (Snapshot("ab", 0, "", "", "", inputs={}),)


def test_data_without_a_manifest_are_no_snapshot(store: SnapshotStore) -> None:
    made(store, SAVED)
    volume = store.prepare(SEED.key, {Label.PROJECT: "shop"})
    assert store.all() == (SAVED,)
    (unsealed,) = store.unsealed()
    assert (unsealed.name, unsealed.labels[Label.PROJECT]) == (volume, "shop")


def test_what_a_killed_attempt_left_is_removed_first(store: SnapshotStore) -> None:
    engine = engine_of(store)
    store.prepare(SEED.key, {"left": "over"})
    with store.opened(SEED.key, writable=True):
        engine.fail("remove", KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            store.discard(SEED.key)
        engine.mend()
        store.prepare(SEED.key, {})
        assert engine.containers == {}
    assert "left" not in engine.volume_labels[data_volume(SEED.key)]


def test_the_manifest_goes_before_the_data(store: SnapshotStore) -> None:
    engine = engine_of(store)
    made(store, SEED)
    engine.calls.clear()
    store.delete(SEED)
    assert engine.changes == [f"remove volume {SEED.manifest}", f"remove volume {SEED.volume}"]
    assert engine.volume_labels == {}


def test_measuring_says_the_size_and_verifying_writes_nothing(store: SnapshotStore) -> None:
    made(store, SEED)
    assert store.measure(SEED.key) == DATA_BYTES
    store.verify(SEED)
    assert [one.user for one in engine_of(store).executed] == ["0:0", "0:0"]
    assert engine_of(store).containers == {}


def test_damage_is_named_with_the_files(store: SnapshotStore) -> None:
    made(store, SEED)
    engine_of(store).answer("--check", "./ibdata1: FAILED\nsha256sum: 1 checksum did NOT match\n", 1)
    with pytest.raises(OperationError) as caught:
        store.verify(SEED)
    assert caught.value.code == "snapshot_damaged"
    assert caught.value.evidence[0] == "./ibdata1: FAILED"
    assert engine_of(store).containers == {}


def test_checksums_are_read_by_path(store: SnapshotStore) -> None:
    made(store, SEED)
    engine_of(store).answer("cat ", "ab12  ./ibdata1\ncd34  ./app/two  blanks.ibd\n")
    assert store.checksums(SEED.key) == {"./ibdata1": "ab12", "./app/two  blanks.ibd": "cd34"}


def test_room_is_asked_for_before_it_is_needed(store: SnapshotStore) -> None:
    store.prepare(SEED.key, {})
    store.check_room(SEED.key, DISK_BYTES)
    with pytest.raises(OperationError) as caught:
        store.check_room(SEED.key, DISK_BYTES + 2**20)
    assert caught.value.code == "disk_full"
    assert caught.value.message == (
        "the snapshot needs 1048577 MB, and the engine's disk has 1048576 MB left"
    )


FILE, MIGRATE, LATER = "step 0: load into app", "step 1: run in backend", "step 2: run in backend"
BASE = {"image": "1", FILE: "a", MIGRATE: "python manage.py migrate", "migration:one": "1"}


def of_inputs(inputs: dict[str, str], key: str = "a", origin: str = "seed") -> Snapshot:
    return Snapshot(key * 16, 1, "", "", origin, inputs=inputs)


@pytest.mark.parametrize(
    ("inputs", "fits"),
    [
        (BASE, True),
        ({"image": "1", FILE: "a", MIGRATE: "python manage.py migrate"}, True),
        (BASE | {"migration:one": "changed"}, False),
        (BASE | {"migration:two": "2"}, True),
        (BASE | {"migration:three": "3"}, False),
        (BASE | {"image": "2"}, False),
        (BASE | {FILE: "b"}, False),
        (BASE | {LATER: "b"}, False),
        ({"image": "1", FILE: "a", "migration:one": "1"}, True),
        ({"image": "1", "migration:one": "1"}, True),
        ({"image": "1"}, True),
        ({}, False),
    ],
)
def test_only_added_migrations_and_steps_let_a_seed_go_on(inputs: dict[str, str], fits: bool) -> None:
    snapshot = of_inputs(inputs)
    assert nearest((snapshot,), BASE | {"migration:two": "2"}) is (snapshot if fits else None)


@pytest.mark.parametrize(
    ("steps", "fits"),
    [
        ({LATER: "flyway migrate"}, True),
        ({LATER: "python manage.py loaddata demo"}, False),
        ({"step 2: load into app": "c"}, False),
        ({MIGRATE: "make database"}, False),
        ({MIGRATE: "python manage.py migrate && python manage.py loaddata demo"}, False),
        ({MIGRATE: "python manage.py migrate; python manage.py demo"}, False),
        ({MIGRATE: "./scripts/migrate-and-fill.sh"}, False),
        ({MIGRATE: "python manage.py import_legacy --before migrate"}, False),
        ({MIGRATE: "python3.13 manage.py migrate --noinput --database=app"}, True),
        ({MIGRATE: "/opt/venv/bin/python ./manage.py migrate"}, True),
        ({MIGRATE: "alembic -c db.ini upgrade head"}, False),
        ({MIGRATE: "flyway -url=jdbc:mysql://database/app migrate"}, True),
        ({f"step {number}: run in backend": "alembic upgrade head" for number in range(2, 12)}, True),
    ],
)
def test_a_migration_is_added_only_behind_others(steps: dict[str, str], fits: bool) -> None:
    """A command would do twice what it did, or have seen what the new migration makes of it."""
    old = BASE | steps
    snapshot = of_inputs(old)
    assert nearest((snapshot,), old | {"migration:two": "2"}) is (snapshot if fits else None)
    assert nearest((snapshot,), old | {"step 99: load into app": "d"}) is snapshot


def test_the_one_with_the_most_migrations_is_the_nearest() -> None:
    wanted = BASE | {"migration:two": "2", "migration:three": "3"}
    far, near = of_inputs(BASE, "a"), of_inputs(BASE | {"migration:two": "2"}, "b")
    assert nearest((far, near), wanted) is nearest((near, far), wanted) is near
    assert nearest((), wanted) is None


@pytest.mark.parametrize("origin", ["save", "import"])
def test_only_seeds_and_empty_servers_are_gone_on_from(origin: str) -> None:
    assert nearest((of_inputs(BASE, origin=origin),), BASE) is None
    assert nearest((of_inputs(BASE, origin="empty"),), BASE) is not None
