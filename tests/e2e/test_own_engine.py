"""An engine is killed, or its disk is full, while data are replaced: they are the old or the new afterwards."""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import pytest

from tests.e2e.conftest import with_small_seed
from tests.e2e.own_engine import OwnEngine, own_engine
from tests.e2e.support import LIVE, Stack, until
from tests.oci import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.long

KILLS = 15
ATTEMPTS = 40
"""Of which about every third cuts a start short."""
SEED = int(os.environ.get("DEVENV_TEST_SEED") or random.randrange(10**6))
"""Set it to the number that a failure names, and the moments are the same again."""
DISK_BYTES = 3 << 30
DUMP = "CREATE TABLE kept (id INT PRIMARY KEY);\nINSERT INTO kept VALUES (7), (8);\n"
SEEDED, IMPORTED = ["1", "2", "3"], ["7", "8"]
EARLIEST = 0.2
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
def place(database_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with own_engine(DISK_BYTES, (database_image,)) as engine, closing(docker.APIClient(engine.host)) as api:
        stack = with_small_seed(Stack(tmp_path_factory.mktemp("project"), api))
        LIVE.append(stack)
        stack.write("dump.sql", DUMP)
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
    whole = {
        words: stack.lasting(*(word.replace("NAME", "measured") for word in words)) for words in operations
    }
    for number, (words, gives) in zip(range(KILLS), itertools.cycle(operations.items()), strict=False):
        stack.run("reset-db").ok()
        stack.run("reset-db").ok()  # so that `undo` has the seed's
        stack.engine.mysql(f"INSERT INTO kept VALUES ({100 + number})")
        old = place.rows()
        moment = chance.uniform(EARLIEST, whole[words])
        where = f"seed {SEED}, kill {number}: {' '.join(words)} after {moment:.2f} of {whole[words]:.2f} s"

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
        plugins = "SELECT plugin_name FROM information_schema.plugins WHERE plugin_name = 'clone'"
        assert stack.engine.mysql(plugins) == []
        # What needs no room works.
        stack.run("undo").ok()
        stack.run("undo").ok()
        assert place.rows() == old

    stack.run("reset-db").ok()
    assert place.rows() == SEEDED
    stack.run("undo").ok()
    assert place.rows() == old
    assert stack.engine.builders() == []


def test_a_full_disk_under_push_and_pull_is_said_and_loses_nothing(place: Place) -> None:
    stack = place.stack
    stack.run("reset-db").ok()
    stack.engine.mysql("INSERT INTO kept VALUES (6)")
    old = place.rows()
    stack.run("snapshot", "save", "pushed").ok()
    folder = place.engine.disk / "files"
    folder.mkdir()
    file = folder / "pushed.snap"
    file.write_bytes(b"what was there")

    with place.engine.filled(1_000_000):
        outcome = stack.run("snapshot", "push", "pushed", str(file), "--yes", "--json")
        assert (outcome.code, outcome.error["code"]) == (1, "disk_full"), outcome
        assert str(file) in outcome.error["message"]
        assert file.read_bytes() == b"what was there"
        assert list(folder.iterdir()) == [file]
    stack.run("snapshot", "push", "pushed", str(file), "--yes").ok()

    stack.run("snapshot", "delete", "pushed", "--yes").ok()
    volumes = stack.engine.volumes()
    with place.engine.filled(20_000_000):
        outcome = stack.run("snapshot", "pull", str(file), "--json")
        assert (outcome.code, outcome.error["code"]) == (1, "disk_full"), outcome
        assert outcome.error["hint"]
        assert place.rows() == old
    assert stack.engine.volumes() == volumes
    stack.run("snapshot", "pull", str(file)).ok()
    stack.run("snapshot", "restore", "pushed").ok()
    assert place.rows() == old


def test_a_disk_that_runs_full_while_a_dump_is_loaded_is_said_and_loses_nothing(place: Place) -> None:
    stack = place.stack
    # The first import makes the snapshot of an empty server, which takes room too.
    stack.run("db", "import", str(stack.root / "dump.sql")).ok()
    old = place.rows()
    indexes = "".join(f"  KEY `k{number}` (`x`),\n" for number in range(12))
    rows = "".join(f"INSERT INTO `wide` VALUES ({n},'{n:08d}{'x' * 690}');\n" for n in range(40_000))
    dump = stack.write(
        "wide.sql",
        "-- MySQL dump 10.13\nCREATE TABLE `wide` (\n  `id` int NOT NULL,\n  `x` varchar(700) NOT NULL,\n"
        f"{indexes}  PRIMARY KEY (`id`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;\n{rows}-- Dump completed\n",
    )
    with place.engine.filled(320_000_000):
        outcome = stack.run("db", "import", str(dump), "--json")
        assert (outcome.code, outcome.error["code"]) == (1, "disk_full"), outcome
        # It was not told beforehand.
        assert "needs about" not in outcome.error["message"]
        assert place.rows() == old
    assert stack.engine.builders() == []
    stack.run("reset-db").ok()
    assert place.rows() == SEEDED


def with_services(place: Place, **services: dict[str, Any]) -> None:
    """The project with services of its own, made of the one image that the engine has."""
    image = place.stack.engine.service("databasemaster")["Config"]["Image"]
    own = {
        name: {"image": image, "entrypoint": ["sh", "-c"], "stop_grace_period": "0s", **one}
        for name, one in services.items()
    }
    place.stack.configure(database={"seed": ["fixtures/small.sql"]}, services=own)


def test_after_a_restart_of_the_engine_up_brings_everything_back(place: Place) -> None:
    stack = place.stack
    stack.run("reset-db").ok()
    stack.engine.mysql("INSERT INTO kept VALUES (5)")
    old = place.rows()
    with_services(
        place,
        beside={
            "command": ["sleep 600"],
            "depends_on": {"job": {"condition": "service_completed_successfully"}},
        },
        job={"command": ["echo done"]},
    )
    stack.up("databasemaster", "beside")
    before = {name: raw["Id"] for name, raw in stack.engine.services().items()}

    place.engine.stop()
    done = stack.call("up", "databasemaster", "beside", "--json")
    assert done.returncode == 3, done
    assert json.loads(done.stdout)["errors"][0]["code"] == "engine_unavailable"
    place.engine.start()
    assert stack.engine.healths()["beside"] == "exited"

    stack.up("databasemaster", "beside")

    # The database has answered; the engine's own probe may be a moment behind.
    whole = {"databasemaster": "healthy", "beside": "running", "job": "exited"}
    until(lambda: stack.engine.healths() == whole, "all as it was", 20)
    assert {name: raw["Id"] for name, raw in stack.engine.services().items()} == before
    assert place.rows() == old


def test_an_engine_that_goes_while_up_waits_is_said(place: Place) -> None:
    stack = place.stack
    check = {"test": "test -e /ready", "interval": "300ms", "start_period": "600s"}
    with_services(place, slow={"command": ["sleep 3; touch /ready; sleep 600"], "healthcheck": check})

    with stack.spawned("up", "slow", "--json") as process:
        process.err.until("slow: starting")
        place.engine.kill()
        outcome = process.wait(ENDS_SECONDS)

    assert (outcome.code, outcome.error["code"]) == (3, "engine_unavailable"), outcome
    assert "Traceback" not in outcome.err
    assert "then `devenv up` goes on with what is there" in outcome.error["hint"]
    place.engine.start()
    stack.up("slow")
    assert stack.engine.settled()["slow"] == "healthy"


def test_a_full_disk_ends_a_start_with_its_name(place: Place) -> None:
    stack = place.stack
    with_services(place, writer={"command": ["dd if=/dev/zero of=/file bs=1M count=500; exit $$?"]})
    stack.up("databasemaster")
    with place.engine.filled(20_000_000):
        outcome = stack.run("up", "writer", "--json")
        assert outcome.error["code"] == "disk_full", outcome
        assert outcome.error["detail"]["service"] == "writer"
        assert "devenv gc" in outcome.error["hint"]


def test_a_full_disk_ends_a_build_with_its_name(place: Place) -> None:
    stack = place.stack
    stack.write("large/Dockerfile", "FROM scratch\nCOPY content /content\n")
    stack.write("large/content", os.urandom(60_000_000))
    own = {"large": {"build": "./large", "command": ["/content"]}}
    stack.configure(database={"seed": ["fixtures/small.sql"]}, services=own)
    with place.engine.filled(30_000_000):
        outcome = stack.run("up", "large", "--json")
        assert outcome.code == 1, outcome
        assert outcome.error["code"] == "disk_full", outcome
        assert outcome.error["detail"]["service"] == "large"
        assert "devenv gc" in outcome.error["hint"]
    stack.configure(database={"seed": ["fixtures/small.sql"]})


def test_a_full_disk_ends_a_pull_with_its_name(place: Place) -> None:
    stack, small = place.stack, {"seed": ["fixtures/small.sql"]}
    with serving() as registry, place.engine.filled(30_000_000):
        image = registry.put_image("large", bytes(60_000_000))
        stack.configure(database=small, services={"large": {"image": image, "command": ["/content"]}})
        outcome = stack.run("up", "large", "--json")
        assert (outcome.code, outcome.error["code"]) == (1, "disk_full"), outcome
        assert outcome.error["detail"]["service"] == "large"
        assert "devenv gc" in outcome.error["hint"]

        stack.configure(database=small, mail={"image": image})
        outcome = stack.run("up", "mailcatcher", "--json")
        assert (outcome.code, outcome.error["code"]) == (1, "disk_full"), outcome
        assert outcome.error["message"] == f"cannot pull {image}: the engine's disk is full"
        assert "devenv gc" in outcome.error["hint"]
    stack.configure(database=small)


def test_a_start_that_the_engine_did_not_survive_is_made_good(place: Place) -> None:
    stack, chance = place.stack, random.Random(SEED)
    stack.up("databasemaster")
    old = place.rows()
    for _ in range(ATTEMPTS):
        stack.run("stop").ok()
        container = stack.engine.service("databasemaster")["Id"]
        start = subprocess.Popen(["docker", "--host", place.engine.host, "start", container])
        with suppress(subprocess.TimeoutExpired):
            start.wait(chance.uniform(0.1, 0.25))
        place.engine.kill()
        start.wait(ENDS_SECONDS)
        place.engine.start()
        try:
            stack.engine.api.start(container)
        except docker.errors.APIError:  # a port, or what runs containers, still has what was begun
            break
    else:
        pytest.fail(f"seed {SEED}: no start was cut short in {ATTEMPTS} attempts")

    stack.up("databasemaster")

    assert stack.engine.service("databasemaster")["Id"] != container
    assert place.rows() == old
