"""Room on the engine's disk: asked for before anything is made, where it can be seen."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from devenv.errors import OperationError
from devenv.operations.reset_db import reset_db
from devenv.operations.room import check_room

if TYPE_CHECKING:
    from tests.shop import Shop

NEEDED = 1000


def disk(monkeypatch: pytest.MonkeyPatch, free: int, *, hidden_below: str = "") -> None:
    """A machine whose disk has so much left; below a folder nobody may look."""

    def usage(path: Path) -> SimpleNamespace:
        if hidden_below and Path(hidden_below) in path.parents:
            raise PermissionError(path)
        return SimpleNamespace(free=free)

    monkeypatch.setattr(shutil, "disk_usage", usage)


def test_too_little_room_is_said_with_both_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, NEEDED - 1)
    with pytest.raises(OperationError) as caught:
        check_room("/engine/volumes/one", NEEDED, "a branch")
    assert caught.value.code == "disk_full"
    assert caught.value.detail == {"needed": NEEDED, "free": NEEDED - 1}
    disk(monkeypatch, NEEDED)
    check_room("/engine/volumes/one", NEEDED, "a branch")


def test_who_may_not_look_into_the_folder_asks_the_one_above(monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, 0, hidden_below="/engine")
    with pytest.raises(OperationError):
        check_room("/engine/volumes/one", NEEDED, "a branch")


def test_a_disk_that_cannot_be_seen_stops_nobody() -> None:
    check_room("/of/an/engine/elsewhere", 2**60, "a branch")
    check_room("", 2**60, "a branch")


@pytest.mark.usefixtures("clock")
def test_a_reset_without_room_changes_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.up()
    before = dict(shop.ids), set(shop.engine.volume_labels), shop.project.memory
    disk(monkeypatch, 1_000_000)
    with pytest.raises(OperationError) as caught:
        reset_db(shop.session())
    assert caught.value.code == "disk_full"
    assert (dict(shop.ids), set(shop.engine.volume_labels), shop.project.memory) == before
