"""The database's data: as seeded after a reset, and untouched by a seed that fails."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from devenv.operations.present import SIZES
from tests.e2e.support import order_report, snapshot, until

if TYPE_CHECKING:
    from tests.e2e.conftest import Born
    from tests.e2e.support import Stack

CHANGES = """
    UPDATE campaigns_customer SET name = CONCAT(name, '!') WHERE id = 3;
    DELETE FROM campaigns_dailyfigure WHERE id <= 500;
    INSERT INTO campaigns_customer (name, email, created_at) VALUES ('e2e', 'e2e@example.com', NOW());
    DELETE FROM campaigns_customer WHERE name = 'e2e';
    ALTER TABLE campaigns_advert AUTO_INCREMENT = 5000, ADD COLUMN e2e INT, DROP COLUMN body;
    ALTER TABLE campaigns_report ADD INDEX e2e (state);
    CREATE TABLE e2e_table (id INT PRIMARY KEY);
    CREATE DATABASE e2e_database;
    CREATE USER e2e IDENTIFIED BY 'e2e';
    CREATE TRIGGER e2e BEFORE INSERT ON e2e_table FOR EACH ROW SET NEW.id = NEW.id + 1;
    CREATE PROCEDURE e2e() SELECT 1;
"""


def test_reset_db_gives_every_row_counter_and_definition_of_a_fresh_seed(born: Born, stack: Stack) -> None:
    order_report(stack)
    stack.engine.mysql(CHANGES)
    changed = snapshot(stack.engine)
    others = {name: stack.engine.starts()[name] for name in ("backend", "taskrunner", "frontend")}
    volume = stack.run("status", "--json").data["database"]["branch"]

    result = stack.run("reset-db", "--json").ok().data

    fresh = snapshot(stack.engine)
    assert fresh == born.data
    assert all(getattr(fresh, part) != getattr(changed, part) for part in ("definitions", "rows", "around"))
    # The processes beside it keep running, and reconnect by themselves.
    assert {name: stack.engine.starts()[name] for name in others} == others
    assert stack.page().status == 200
    assert order_report(stack)["state"] == "ready"
    assert result["discarded"]["volume"] == volume
    assert stack.engine.database_volumes() == {volume, result["volume"]}
    assert stack.engine.builders() == []


def test_resets_keep_as_many_former_data_as_undo_is_to_bring_back(own: Stack) -> None:
    own.configure(database={"seed": ["fixtures/small.sql"], "undo": {"keep": 2}})
    own.up("databasemaster")
    branches = [own.run("status", "--json").data["database"]["branch"]]
    for _ in range(4):
        own.engine.mysql("DROP TABLE kept")
        branches.append(own.run("reset-db", "--json").ok().data["volume"])
        assert own.engine.count("kept") == 3
        assert own.engine.database_volumes() == set(branches[-3:])
    # A copy's container has a number of its own for Compose, which would name the next one by it.
    parameters = {"max_connections": 99}
    own.configure(database={"seed": ["fixtures/small.sql"], "undo": {"keep": 2}, "parameters": parameters})
    own.up("databasemaster")
    assert own.engine.service("databasemaster")["Name"] == f"/{own.name}-databasemaster-1"
    assert own.engine.mysql("SELECT @@max_connections") == [["99"]]
    assert own.engine.count("kept") == 3


def test_resets_keep_no_more_bytes_of_former_data_than_the_budget_has(own: Stack) -> None:
    own.up("databasemaster")
    own.run("reset-db").ok()
    items = own.run("gc", "--all", "--dry-run", "--json").ok().data["items"]
    sizes = [item["bytes"] for item in items if item["kind"] == "branch"]
    assert len(sizes) == 1
    room = {"keep": 9, "size": int(sizes[0] * 2.5)}
    own.configure(database={"seed": ["fixtures/small.sql"], "undo": room})
    first, *_ = own.engine.database_volumes() - {own.run("status", "--json").data["database"]["branch"]}

    second = own.run("reset-db").ok()
    assert first in own.engine.database_volumes()
    assert "removed" not in second.err
    third = own.run("reset-db").ok()
    assert first not in own.engine.database_volumes()
    assert f"{first}: removed: kept for undo, beyond" in third.err
    assert len(own.engine.database_volumes()) == 3
    own.run("undo").ok()
    assert own.engine.count("kept") == 3


def test_what_is_put_aside_is_measured_without_opening_a_table(own: Stack) -> None:
    # A table that a server opens on a layer over its snapshot is copied then, all of it.
    own.configure(database={"seed": ["fixtures/small.sql"]})
    own.up("databasemaster")
    own.run("reset-db").ok()
    file = "/var/lib/mysql/app/kept.ibd"
    database = own.engine.service("databasemaster")["Id"]

    def is_open() -> bool:
        # InnoDB locks each file that it has open.
        script = f'grep ":$(stat -c %i {file}) " /proc/locks'
        return own.engine.execute(database, "sh", "-c", script)[0] == 0

    rows = [row for row in own.engine.mysql(SIZES) if row[0] == "app"]

    assert [row[1] for row in rows] == ["1"]
    assert not is_open()
    assert own.engine.count("kept") == 3
    assert is_open()


@dataclass(frozen=True)
class Broken:
    """A seed that fails: what it is, and what the error must name."""

    files: dict[str, bytes]
    seed: list[Any]
    named: tuple[str, ...]
    detail: dict[str, Any]


FIRST = b"CREATE TABLE first (id INT PRIMARY KEY);\nINSERT INTO first VALUES (1);\n"
SECOND = (
    b"CREATE TABLE second (id INT PRIMARY KEY);\n-- a comment\n\nINSERT INTO nowhere VALUES (1);\nSELECT 1;\n"
)


def broken(kind: str) -> Broken:
    """One of the ways in which a seed can fail."""
    files = {"broken/first.sql": FIRST, "broken/second.sql": SECOND}
    if kind == "statement":
        detail = {
            "file": "broken/second.sql",
            "line": 4,
            "statement": "INSERT INTO nowhere VALUES (1);",
        }
        seed: list[Any] = ["broken/first.sql", "broken/second.sql"]
        return Broken(files, seed, ("broken/second.sql", "line 4", "nowhere"), detail)
    if kind == "command":
        command = "echo e2e-last-words; exit 3"
        detail = {"command": command, "service": "backend", "exit_status": 3}
        seed = ["broken/first.sql", {"run": command, "service": "backend"}]
        return Broken(files, seed, (command, "exit status 3"), detail)
    files["broken/cut.sql.zst"] = cut_short()
    return Broken(files, ["broken/first.sql", "broken/cut.sql.zst"], ("cut.sql.zst",), {})


def cut_short() -> bytes:
    """A compressed file that ends behind a whole statement: only its compression tells that more was to come."""
    compressor = zstandard.ZstdCompressor().compressobj()
    begin = compressor.compress(SECOND.partition(b"\n")[0] + b"\n")
    return begin + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)


@pytest.mark.parametrize("kind", ["statement", "command", "truncated file"])
def test_a_seed_that_fails_leaves_the_old_data_in_use(stack: Stack, kind: str) -> None:
    case = broken(kind)
    for name, content in case.files.items():
        stack.write(name, content)
    stack.configure(database={"seed": case.seed})
    marker = f"kept-{os.urandom(4).hex()}"
    stack.engine.mysql(f"UPDATE campaigns_campaign SET trade = '{marker}' WHERE id = 1")
    starts, volumes = stack.engine.starts(), stack.engine.volumes()

    outcome = stack.run("reset-db", "--json")

    assert (outcome.code, outcome.error["code"]) == (1, "seed_failed"), outcome
    assert all(word in outcome.error["message"] for word in case.named), outcome.error
    assert outcome.error["hint"]
    assert outcome.error["detail"].items() >= case.detail.items()
    assert stack.engine.starts() == starts
    assert stack.engine.volumes() == volumes
    assert stack.engine.builders() == []
    assert stack.engine.mysql("SELECT trade FROM campaigns_campaign WHERE id = 1") == [[marker]]
    assert stack.page().status == 200
    # The next command goes on with the old data too.
    stack.restore()
    assert stack.up().data["plan"]["steps"] == []
    assert stack.engine.mysql("SELECT trade FROM campaigns_campaign WHERE id = 1") == [[marker]]


@pytest.mark.parametrize("kind", ["statement", "command", "truncated file"])
def test_a_seed_that_fails_at_the_first_up_leaves_no_data_and_nothing_that_uses_them(
    own: Stack, kind: str
) -> None:
    case = broken(kind)
    for name, content in case.files.items():
        own.write(name, content)
    own.configure(database={"seed": case.seed})

    outcome = own.run("up", "--json")

    assert (outcome.code, outcome.error["code"]) == (1, "seed_failed"), outcome
    assert all(word in outcome.error["message"] for word in case.named), outcome.error
    assert set(own.engine.services()) == {"mailcatcher"}
    assert own.engine.database_volumes() == set()
    own.run("down", "--volumes", "--yes").ok()
    assert own.engine.volumes() == set()
    assert own.engine.networks() == set()


def test_people_see_file_line_and_statement_of_a_broken_seed(own: Stack) -> None:
    case = broken("statement")
    for name, content in case.files.items():
        own.write(name, content)
    own.configure(database={"seed": case.seed})

    outcome = own.run("up")

    assert outcome.code == 1
    assert "error: broken/second.sql:4: " in outcome.err
    assert "statement: INSERT INTO nowhere VALUES (1);" in outcome.err
    assert "hint: " in outcome.err

    own.write("broken/second.sql", SECOND.replace(b"INTO nowhere", b"INTO second"))
    own.up("databasemaster")
    assert (own.engine.count("first"), own.engine.count("second")) == (1, 1)
    until(lambda: own.engine.builders() == [], "no builder left", 5)


def test_a_migration_that_fails_is_named_with_its_place(stack: Stack) -> None:
    folder = "compose/backend/app/campaigns/migrations"
    before = max((stack.root / folder).glob("0*.py")).stem
    stack.write(
        f"{folder}/0099_twice.py",
        "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n"
        f"    dependencies = [('campaigns', '{before}')]\n"
        "    operations = [migrations.RunSQL('ALTER TABLE nowhere ADD x INT')]\n",
    )
    steps = ["fixtures/*.sql.zst", {"run": "python manage.py migrate", "service": "backend"}]
    stack.configure(database={"seed": steps})
    try:
        error = stack.run("reset-db", "--json").error
    finally:
        (stack.root / folder / "0099_twice.py").unlink()

    assert error["code"] == "migration_failed", error
    assert error["detail"]["migration"] == "campaigns.0099_twice"
    assert "app.nowhere" in error["message"]
    line = int(error["where"].split(":")[1])
    assert '"run": "python manage.py migrate"' in "".join(
        stack.read("devenv.yaml").splitlines()[line - 1 : line + 2]
    )
    assert stack.page().status == 200
