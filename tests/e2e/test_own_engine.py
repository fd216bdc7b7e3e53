"""An engine is killed, or its disk is full, while data are replaced: they are the old or the new afterwards."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import docker
import pytest

from tests.e2e.conftest import SMALL_SEED
from tests.e2e.own_engine import OwnEngine, own_engine
from tests.e2e.support import LIVE, Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.long

KILLS = 10
SEED = int(os.environ.get("DEVENV_TEST_SEED") or random.randrange(10**6))
"""Set it to the number that a failure names, and the moments are the same again."""
DISK_BYTES = 3 << 30
DUMP = "CREATE TABLE kept (id INT PRIMARY KEY);\nINSERT INTO kept VALUES (7), (8);\n"
SEEDED, IMPORTED = ["1", "2", "3"], ["7", "8"]
LATEST = 3.0
ENDS_SECONDS = 90
"""Within so many seconds a command has to give up on an engine that is gone."""


@dataclass
class Place:
    """An engine to kill and the project that is on it."""

    engine: OwnEngine
    stack: Stack

    def rows(self) -> list[str]:
        """All that is in the database: its one table's rows."""
        assert self.stack.engine.mysql("SHOW TABLES") == [["kept"]]
        return [row[0] for row in self.stack.engine.mysql("SELECT id FROM kept ORDER BY id")]


@pytest.fixture(scope="module")
def image(new_stack: Callable[..., Stack]) -> str:
    """The database's image, which the machine's engine has."""
    stack = new_stack()
    stack.write("fixtures/small.sql", SMALL_SEED)
    stack.configure(database={"seed": ["fixtures/small.sql"]})
    stack.up("databasemaster")
    reference = str(stack.engine.service("databasemaster")["Config"]["Image"])
    stack.remove()
    return reference


@pytest.fixture(scope="module")
def place(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with own_engine(DISK_BYTES, (image,)) as engine, closing(docker.APIClient(engine.host)) as api:
        stack = Stack(tmp_path_factory.mktemp("project"), api)
        LIVE.append(stack)
        stack.write("fixtures/small.sql", SMALL_SEED)
        stack.write("dump.sql", DUMP)
        stack.configure(database={"seed": ["fixtures/small.sql"]})
        stack.up("databasemaster")
        yield Place(engine, stack)
        LIVE.remove(stack)
        stack.remove()


def test_an_engine_that_dies_leaves_the_old_or_the_new_data(place: Place) -> None:
    chance = random.Random(SEED)
    stack = place.stack
    stack.run("snapshot", "save", "base").ok()
    operations: dict[tuple[str, ...], list[str] | None] = {
        ("reset-db",): SEEDED,
        ("db", "import", str(stack.root / "dump.sql")): IMPORTED,
        ("snapshot", "save", "NAME"): None,
        ("snapshot", "restore", "base"): SEEDED,
        ("undo",): SEEDED,
    }
    for number, (words, gives) in zip(range(KILLS), itertools.cycle(operations.items()), strict=False):
        stack.run("reset-db").ok()
        stack.run("reset-db").ok()  # so that `undo` has the seed's
        stack.engine.mysql(f"INSERT INTO kept VALUES ({100 + number})")
        old = place.rows()
        moment = chance.uniform(0.2, LATEST)
        where = f"seed {SEED}, kill {number}: {' '.join(words)} after {moment:.2f} s"

        argv = [word.replace("NAME", f"killed{number}") for word in words]
        with stack.spawned(*argv) as running:
            try:
                running.process.wait(moment)
            except subprocess.TimeoutExpired:
                place.engine.kill()
            outcome = running.wait(ENDS_SECONDS)
        assert "Traceback" not in outcome.err, where
        assert outcome.code == 0 or "error: " in outcome.err, where
        if not place.engine.is_running:
            place.engine.start()

        stack.up("databasemaster")
        assert place.rows() in (old, gives or old), where
    stack.run("reset-db").ok()
    assert place.rows() == SEEDED
    assert stack.engine.builders() == []


@pytest.mark.parametrize("left", [4_000_000, 60_000_000, 150_000_000])
def test_a_full_disk_is_said_and_loses_nothing(place: Place, left: int) -> None:
    stack = place.stack
    stack.run("reset-db").ok()
    stack.engine.mysql("INSERT INTO kept VALUES (4)")
    old = place.rows()
    operations = (("reset-db",), ("db", "import", str(stack.root / "dump.sql")), ("snapshot", "save", "full"))
    with place.engine.filled(left):
        for words in operations:
            outcome = stack.run(*words, "--json")
            assert (outcome.code, outcome.error["code"]) == (1, "disk_full"), (words, outcome)
            assert outcome.error["hint"]
            assert place.rows() == old
        assert "full" not in stack.run("snapshot", "list").ok().out.split()
        # What needs no room works.
        stack.run("undo").ok()
        stack.run("undo").ok()
        assert place.rows() == old

    stack.run("reset-db").ok()
    assert place.rows() == SEEDED
    stack.run("undo").ok()
    assert place.rows() == old
    assert stack.engine.builders() == []
