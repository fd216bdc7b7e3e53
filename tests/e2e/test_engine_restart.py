"""An engine is killed under all five services: the next `up` brings back every one of them, with the data."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import docker
import pytest

from tests.e2e.own_engine import OwnEngine, own_engine
from tests.e2e.support import LIVE, SERVICES, Stack, copy_sources, order_report, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.long

DISK_BYTES = 8 << 30


@pytest.fixture
def engine(born_stack: Stack) -> Iterator[OwnEngine]:
    """One to kill, with the images of the shared environment."""
    images = {raw["Config"]["Image"] for raw in born_stack.engine.services().values()}
    with own_engine(DISK_BYTES, tuple(images)) as found:
        yield found


@pytest.fixture
def whole(engine: OwnEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The reference environment on it."""
    with closing(docker.APIClient(engine.host)) as api:
        root = tmp_path_factory.mktemp("project")
        copy_sources(root)
        stack = Stack(root, api)
        LIVE.append(stack)
        stack.up()
        yield stack
        LIVE.remove(stack)
        stack.remove()


def test_after_an_engine_was_killed_up_brings_all_five_back_with_their_data(
    engine: OwnEngine, whole: Stack
) -> None:
    whole.engine.mysql("CREATE TABLE outlives (id INT PRIMARY KEY)")
    whole.engine.mysql("INSERT INTO outlives VALUES (1), (2)")
    data = snapshot(whole.engine)
    containers = {name: raw["Id"] for name, raw in whole.engine.services().items()}
    assert set(containers) == set(SERVICES)

    engine.kill()
    engine.start()
    whole.up()

    assert whole.is_whole()
    assert {name: raw["Id"] for name, raw in whole.engine.services().items()} == containers
    assert snapshot(whole.engine) == data
    assert whole.page().status == 200
    # The worker does its job, and its mail arrives.
    assert order_report(whole)["state"] == "ready"
