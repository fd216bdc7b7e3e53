"""An engine on which no branch but a copy works: an environment's data are as safe there, only slower to get."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import docker
import pytest

from devenv.database.snapshots import SnapshotStore
from devenv.engine.docker import DockerEngine
from tests.e2e.conftest import with_small_seed
from tests.e2e.own_engine import own_engine
from tests.e2e.support import LIVE, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.long

DISK_BYTES = 3 << 30
SEEDED, CHANGED, RESTORED = ["1", "2", "3"], ["1", "2", "3", "4"], ["1", "2", "3", "5"]


@pytest.fixture
def copies(database_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A database on such an engine."""
    with (
        own_engine(DISK_BYTES, (database_image,), copies_only=True) as engine,
        closing(docker.APIClient(engine.host)) as api,
    ):
        stack = with_small_seed(Stack(tmp_path_factory.mktemp("project"), api))
        LIVE.append(stack)
        yield stack
        LIVE.remove(stack)
        stack.remove()


def rows(stack: Stack) -> list[str]:
    return [row[0] for row in stack.engine.mysql("SELECT id FROM kept ORDER BY id")]


def test_where_only_copies_work_data_come_and_go_all_the_same(copies: Stack) -> None:
    copies.up("databasemaster")
    database = copies.run("status", "--json").ok().data["database"]
    assert database["driver"] == "copy"
    assert all(f"{name}: " in database["reason"] for name in ("reflink", "overlay"))
    store = SnapshotStore(DockerEngine(), copies.engine.service("databasemaster")["Config"]["Image"])
    seed = store.find(database["snapshot"])
    assert seed is not None

    copies.engine.mysql("INSERT INTO kept VALUES (4)")
    copies.run("reset-db").ok()
    assert rows(copies) == SEEDED
    copies.run("undo").ok()
    assert rows(copies) == CHANGED
    copies.run("undo").ok()
    copies.engine.mysql("INSERT INTO kept VALUES (5)")
    copies.run("snapshot", "save", "five").ok()
    copies.run("reset-db").ok()
    assert rows(copies) == SEEDED
    copies.run("snapshot", "restore", "five").ok()
    assert rows(copies) == RESTORED

    store.verify(seed)
    assert {one["Labels"]["devenv.driver"] for one in branches(copies)} == {"copy"}


def branches(stack: Stack) -> list[dict[str, dict[str, str]]]:
    """The environment's branches, as the engine has them."""
    found = stack.engine.api.volumes(filters={"label": "devenv.kind=database"})["Volumes"]
    return [one for one in found if one["Name"].startswith(stack.name)]
