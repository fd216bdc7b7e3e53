"""Branches: which driver works here and why, what each makes, and that nothing is left of a trial."""

from __future__ import annotations

import pytest

from devenv.database.branches import (
    KIND_LAYER,
    PROBE,
    BranchRequest,
    Choice,
    choose,
    driver_named,
    remove_branch,
)
from devenv.database.snapshots import Snapshot
from devenv.errors import OperationError
from devenv.model import Label
from tests.fakes import FakeEngine

IMAGE = "mysql:8.4"
SNAPSHOT = Snapshot("0123456789abcdef", 7, "9.7.4-2", "2026-01-02T00:00:00+00:00", "seed")
LABELS = {Label.PROJECT: "shop", Label.KIND: "database"}
NO_REFLINK = "cp: failed to clone '/branch/ibdata1': Operation not supported"
NO_OVERLAY = "test: /branch/ibdata1: not there"


@pytest.fixture
def engine() -> FakeEngine:
    engine = FakeEngine()
    engine.add_image(IMAGE)
    engine.create_volume(SNAPSHOT.volume, {})
    return engine


def chosen(engine: FakeEngine) -> Choice:
    return choose(engine, IMAGE, SNAPSHOT, {Label.KIND: "probe"})


def mounted(engine: FakeEngine) -> str:
    """How the probe's volume was made when it was last tried."""
    return engine.volume_options.get(PROBE, {}).get("type", "plain")


def test_the_best_that_works_is_taken(engine: FakeEngine) -> None:
    choice = chosen(engine)
    assert (choice.driver.name, choice.reason) == ("reflink", "reflink works here")
    assert list(engine.volume_labels) == [SNAPSHOT.volume]
    assert engine.containers == {}


def test_without_reflinks_it_is_an_overlay(engine: FakeEngine) -> None:
    engine.answer("--reflink=always", f"{NO_REFLINK}\n", 1)
    choice = chosen(engine)
    assert choice.driver.name == "overlay"
    assert choice.reason == "reflink: Operation not supported; overlay works here"
    assert list(engine.volume_labels) == [SNAPSHOT.volume]


def test_without_an_overlay_it_is_a_copy(engine: FakeEngine) -> None:
    engine.answer("--reflink=always", f"{NO_REFLINK}\n", 1)
    engine.when(
        "run devenv-branch-probe-branch",
        lambda: (
            engine.answer("test -e", NO_OVERLAY, 1)
            if mounted(engine) == "overlay"
            else engine.answer("test -e")
        ),
    )
    choice = chosen(engine)
    assert choice.driver.name == "copy"
    assert choice.reason == "reflink: Operation not supported; overlay: not there; copy works here"
    assert list(engine.volume_labels) == [SNAPSHOT.volume]


def test_an_overlay_that_the_engine_refuses_is_a_copy(engine: FakeEngine) -> None:
    engine.answer("--reflink=always", "", 1)
    engine.fail(f"create volume {PROBE}_upper", OperationError("cannot create volume", evidence=("denied",)))
    assert chosen(engine).reason == (
        "reflink: the snapshot 0123456789abcdef could not be copied; overlay: denied; copy works here"
    )


def test_where_nothing_works_every_reason_is_shown(engine: FakeEngine) -> None:
    engine.answer("test -e", "", 1)
    with pytest.raises(OperationError) as caught:
        chosen(engine)
    assert caught.value.code == "no_branch_driver"
    assert caught.value.evidence == ("reflink: no answer", "overlay: no answer", "copy: no answer")
    assert list(engine.volume_labels) == [SNAPSHOT.volume]


def test_a_trial_that_is_interrupted_leaves_nothing(engine: FakeEngine) -> None:
    engine.fail("run", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        chosen(engine)
    assert list(engine.volume_labels) == [SNAPSHOT.volume]
    assert engine.containers == {}


@pytest.mark.parametrize(
    ("name", "options"),
    [("reflink", "--reflink=always"), ("copy", "--reflink=auto --sparse=always")],
)
def test_a_copy_is_a_plain_volume_of_the_environment(engine: FakeEngine, name: str, options: str) -> None:
    driver = driver_named(name)
    assert driver is not None
    driver.create(engine, IMAGE, BranchRequest("shop_database_1", LABELS, SNAPSHOT))
    assert engine.volume_labels["shop_database_1"] == LABELS
    assert engine.volume_options["shop_database_1"] == {}
    (copying,) = engine.executed
    assert copying.command[2] == f"cp -a {options} /snapshot/data/. /branch/"


def test_an_overlay_is_three_volumes_and_costs_no_container(engine: FakeEngine) -> None:
    driver = driver_named("overlay")
    assert driver is not None
    driver.create(engine, IMAGE, BranchRequest("shop_database_1", LABELS, SNAPSHOT))
    root = f"{engine.root_directory}/volumes"
    assert engine.volume_options["shop_database_1"] == {
        "type": "overlay",
        "device": "overlay",
        "o": (
            f"lowerdir={root}/{SNAPSHOT.volume}/_data/data,upperdir={root}/shop_database_1_upper/_data,"
            f"workdir={root}/shop_database_1_work/_data,index=off,metacopy=off"
        ),
    }
    for layer in ("shop_database_1_upper", "shop_database_1_work"):
        assert engine.volume_labels[layer] == {**LABELS, Label.KIND: KIND_LAYER}
    assert engine.called("run") == []
    remove_branch(engine, "shop_database_1")
    assert list(engine.volume_labels) == [SNAPSHOT.volume]


def test_a_copy_that_fails_says_why(engine: FakeEngine) -> None:
    driver = driver_named("copy")
    assert driver is not None
    engine.answer("cp -a", "cp: error writing: No space left on device\n", 1)
    with pytest.raises(OperationError) as caught:
        driver.create(engine, IMAGE, BranchRequest("shop_database_1", LABELS, SNAPSHOT))
    assert caught.value.code == "disk_full"
    assert caught.value.evidence == ("cp: error writing: No space left on device",)


def test_an_unknown_driver_is_none() -> None:
    assert driver_named("zfs") is None
