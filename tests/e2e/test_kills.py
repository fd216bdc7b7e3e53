"""SIGKILL at random moments of everything that replaces data: the next command works, and the data are old or new."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import SMALL_SEED
from tests.e2e.support import LIVE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.support import Stack

pytestmark = pytest.mark.long

KILLS = 100
SEED = int(os.environ.get("DEVENV_TEST_SEED") or random.randrange(10**6))
"""Set it to the number that a failure names, and the moments are the same again."""
SEEDED = ["1", "2", "3"]
IMPORTED = ["7", "8"]
DUMP = "CREATE TABLE kept (id INT PRIMARY KEY);\nINSERT INTO kept VALUES (7), (8);\n"
EARLIEST = 0.15


@dataclass(frozen=True)
class Operation:
    """A command, and the data that it leaves: None where they are those it found, else the rows of `kept`."""

    words: tuple[str, ...]
    gives: Callable[[Places], list[str] | None]


@dataclass
class Places:
    """What the rows are where a command may find them."""

    saved: list[str]
    former: list[str]


OPERATIONS = {
    "reset": Operation(("reset-db",), lambda _: SEEDED),
    "reset with spare": Operation(("reset-db", "--spare"), lambda _: SEEDED),
    "import": Operation(("db", "import", "DUMP"), lambda _: IMPORTED),
    "save": Operation(("snapshot", "save", "NAME"), lambda _: None),
    "restore": Operation(("snapshot", "restore", "base"), lambda places: places.saved),
    "undo": Operation(("undo",), lambda places: places.former),
}


@pytest.fixture(scope="module")
def database(new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """A project of which only the database runs."""
    stack = new_stack()
    stack.write("fixtures/small.sql", SMALL_SEED)
    stack.write("dump.sql", DUMP)
    stack.configure(database={"seed": ["fixtures/small.sql"]})
    stack.up("databasemaster")
    yield stack
    stack.remove()
    LIVE.remove(stack)


def rows(stack: Stack, where: str = "") -> list[str]:
    """All that is in the database: its one table's rows."""
    assert stack.engine.mysql("SHOW TABLES") == [["kept"]], where
    return [row[0] for row in stack.engine.mysql("SELECT id FROM kept ORDER BY id")]


def snapshots(stack: Stack) -> dict[str, str]:
    """This project's complete snapshots: key by name."""
    found = stack.run("snapshot", "list", "--json").ok().data
    return {row["name"]: row["key"] for row in found if row["project"] == stack.name}


def command(stack: Stack, operation: Operation, name: str) -> tuple[str, ...]:
    """The operation's words with what they stand for."""
    meant = {"NAME": name, "DUMP": str(stack.root / "dump.sql")}
    return tuple(meant.get(word, word) for word in operation.words)


def test_whatever_is_killed_leaves_the_old_or_the_new_data(database: Stack) -> None:
    chance = random.Random(SEED)
    fresh = (str(number) for number in itertools.count(1000))
    database.run("snapshot", "save", "base").ok()
    places = Places(rows(database), SEEDED)
    whole = {name: database.lasting(*command(database, one, "measured")) for name, one in OPERATIONS.items()}
    landed = dict.fromkeys(OPERATIONS, 0)
    for number, name in zip(range(KILLS), itertools.cycle(OPERATIONS), strict=False):
        operation = OPERATIONS[name]
        if name == "undo":
            places.former = rows(database)
            database.run("reset-db").ok()
        mark = next(fresh)
        database.engine.mysql(f"INSERT INTO kept VALUES ({mark})")
        old = rows(database)
        new = operation.gives(places) or old
        known = snapshots(database) if name == "save" else {}
        moment = chance.uniform(EARLIEST, whole[name])
        where = f"seed {SEED}, kill {number}: {name} after {moment:.2f} of {whole[name]:.2f} s"

        with database.spawned(*command(database, operation, f"killed{number}")) as running:
            try:
                running.process.wait(moment)
            except subprocess.TimeoutExpired:
                running.kill()

        database.up("databasemaster")
        found = rows(database, where)
        assert found in (old, new), where
        landed[name] += found != old
        if name == "save":
            added = snapshots(database).keys() - known.keys()
            assert added <= {f"killed{number}"}, where
            for snapshot in added:
                database.run("snapshot", "restore", snapshot).ok()
                assert rows(database, where) == old, where
                database.run("undo").ok()
    # Some came too late to keep the old data, and some early enough.
    assert 0 < sum(landed.values()) < KILLS, landed
    database.run("reset-db").ok()
    assert rows(database) == SEEDED
    assert database.engine.builders() == []
