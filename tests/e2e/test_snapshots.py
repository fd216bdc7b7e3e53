"""Snapshots on the real engine: what was saved comes back whole, through a file too, and nothing half counts."""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from devenv.database.archive import body, open_archive, write_archive
from devenv.database.snapshots import SnapshotStore
from devenv.engine.docker import DockerEngine
from tests.e2e.conftest import SMALL_SEED
from tests.e2e.support import LIVE, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.support import Engine, Stack

KILLS = 8
TABLES = 200
EVERYTHING = """
    SET sql_mode = '';
    CREATE TABLE parent (id INT PRIMARY KEY, n INT AUTO_INCREMENT UNIQUE, doc JSON, text VARCHAR(50), born DATE DEFAULT '0000-00-00',
      twice INT GENERATED ALWAYS AS (id * 2) STORED, next INT AS (id + 1) VIRTUAL) CHARACTER SET utf8mb4;
    CREATE TABLE child (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES parent (id));
    INSERT INTO parent (id, doc, text) VALUES (0, '{"a": [1, null, "ü"]}', '😀 grüße'), (7, NULL, '');
    INSERT INTO child VALUES (1, 7);
    CREATE VIEW seen AS SELECT text FROM parent;
    CREATE TRIGGER counted BEFORE INSERT ON child FOR EACH ROW SET NEW.id = NEW.id + 1;
    CREATE PROCEDURE called() SELECT COUNT(*) FROM parent;
    CREATE FUNCTION answer() RETURNS INT DETERMINISTIC RETURN 42;
    CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM child;
"""


@pytest.fixture(scope="module")
def database(new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """A project of which only the database runs."""
    stack = new_stack()
    stack.write("fixtures/small.sql", SMALL_SEED)
    stack.configure(database={"seed": ["fixtures/small.sql"]})
    stack.up("databasemaster")
    yield stack
    stack.remove()
    LIVE.remove(stack)


def rows(stack: Stack) -> list[list[str]]:
    return stack.engine.mysql("SELECT id FROM kept ORDER BY id")


def checksums(engine: Engine) -> dict[str, str]:
    """Every table's content, and every other object's definition."""
    tables = [row[0] for row in engine.mysql("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'")]
    names = ", ".join(f"`{name}`" for name in tables)
    found = {row[0]: row[1] for row in engine.mysql(f"CHECKSUM TABLE {names} EXTENDED")}
    for kind, name in (
        ("VIEW", "seen"),
        ("TRIGGER", "counted"),
        ("PROCEDURE", "called"),
        ("FUNCTION", "answer"),
        ("EVENT", "nightly"),
    ):
        found[name] = str([row[:4] for row in engine.mysql(f"SHOW CREATE {kind} {name}")])
    return found


def snapshot_volumes(stack: Stack, key: str = "") -> set[str]:
    """The engine's volumes with snapshots, of that key; others come and go with other environments."""
    found = stack.engine.api.volumes(filters={"name": f"devenv_snapshot_{key}"})["Volumes"] or []
    return {row["Name"] for row in found}


def names(stack: Stack) -> list[str]:
    data = stack.run("snapshot", "list", "--json").ok().data
    return [row["name"] for row in data if row["project"] == stack.name]


def test_saving_does_not_stop_the_database_and_restoring_brings_all_back(database: Stack) -> None:
    started = database.engine.starts()
    saved = database.run("snapshot", "save", "first", "--json").ok().data
    assert database.engine.starts() == started
    assert (saved["way"], saved["stopped_seconds"]) == ("clone", 0)
    assert database.engine.mysql("SELECT 1 FROM information_schema.plugins WHERE plugin_name = 'clone'") == []
    before = rows(database)
    database.engine.mysql("DELETE FROM kept WHERE id = 1; CREATE TABLE since (id INT)")
    changed = rows(database)

    restored = database.run("snapshot", "restore", "first", "--json").ok().data

    assert rows(database) == before
    assert database.engine.mysql("SHOW TABLES") == [["kept"]]
    assert database.engine.mysql("SELECT 1 FROM information_schema.plugins WHERE plugin_name = 'clone'") == []
    assert restored["running"]
    database.run("undo").ok()
    assert rows(database) == changed
    database.run("undo").ok()
    assert rows(database) == before


def test_a_snapshot_in_use_is_not_deleted_and_its_users_are_named(database: Stack) -> None:
    database.run("snapshot", "save", "used", "--json").ok()
    volume = database.run("snapshot", "restore", "used", "--json").ok().data["volume"]
    listed = database.run("snapshot", "list", "--json").ok().data
    assert [use["volume"] for row in listed if row["name"] == "used" for use in row["used_by"]] == [volume]

    refused = database.run("snapshot", "delete", "used", "--yes", "--json")

    assert (refused.code, refused.error["code"]) == (6, "snapshot_in_use")
    assert volume in refused.error["message"]
    assert "used" in names(database)


def relabel(stack: Stack, key: str, server: str) -> None:
    """As if a server of another version had written a snapshot: what its manifest says."""
    manifest = f"devenv_snapshot_{key}"
    labels = stack.engine.api.inspect_volume(manifest)["Labels"]
    stack.engine.api.remove_volume(manifest)
    stack.engine.api.create_volume(manifest, labels={**labels, "devenv.snapshot.server": server})


def test_an_older_servers_snapshot_is_upgraded_in_the_branch_and_a_newer_ones_refused(
    database: Stack,
) -> None:
    key = database.run("snapshot", "save", "old", "--json").ok().data["snapshot"]["key"]
    before = rows(database)
    database.engine.mysql("DELETE FROM kept")

    relabel(database, key, "99.1.0")
    refused = database.run("snapshot", "restore", "old", "--json")
    assert (refused.code, refused.error["code"], rows(database)) == (6, "snapshot_too_new", [])

    relabel(database, key, "8.4.0")
    restored = database.run("snapshot", "restore", "old", "--json").ok().data
    assert (restored["upgraded_from"], rows(database)) == ("8.4.0", before)
    store = SnapshotStore(DockerEngine(), database.engine.service("databasemaster")["Config"]["Image"])
    snapshot = store.find(key)
    assert snapshot is not None
    store.verify(snapshot)
    assert snapshot.server == "8.4.0"


def test_deleting_asks_and_a_name_is_given_once(database: Stack) -> None:
    database.run("snapshot", "save", "doomed").ok()
    again = database.run("snapshot", "save", "doomed", "--json")
    assert (again.code, again.error["code"]) == (6, "snapshot_exists")
    asked = database.run("snapshot", "delete", "doomed", "--json")
    assert (asked.code, asked.error["code"]) == (6, "confirmation_needed")
    volumes = snapshot_volumes(database)

    gone = database.run("snapshot", "delete", "doomed", "--yes", "--json").ok().data

    its_own = {f"devenv_snapshot_{gone['key']}", f"devenv_snapshot_{gone['key']}_data"}
    assert its_own <= volumes
    assert snapshot_volumes(database, gone["key"]) == set()
    unknown = database.run("snapshot", "restore", "doomed", "--json")
    assert (unknown.code, unknown.error["code"]) == (2, "unknown_snapshot")


def test_tables_that_cannot_be_cloned_are_saved_with_what_is_written_meanwhile(database: Stack) -> None:
    database.engine.mysql("CREATE TABLE old (id INT) ENGINE=MyISAM; CREATE TABLE fresh (id INT)")
    written: list[int] = []
    ended = threading.Event()

    def write_until_it_stops() -> None:
        with suppress(AssertionError):
            while not ended.is_set():
                number = len(written)
                database.engine.mysql(
                    f"INSERT INTO old VALUES ({number}); INSERT INTO fresh VALUES ({number})"
                )
                written.append(number)

    writer = threading.Thread(target=write_until_it_stops)
    writer.start()
    try:
        until(lambda: written, "rows are written")
        saved = database.run("snapshot", "save", "with-myisam", "--json").ok().data
    finally:
        ended.set()
        writer.join()
    assert (saved["way"], "app.old (MyISAM)" in saved["reason"]) == ("stop and copy", True)
    assert database.engine.healths()["databasemaster"] in {"starting", "healthy"}
    database.engine.mysql("DROP TABLE old; DROP TABLE fresh")

    database.run("snapshot", "restore", "with-myisam").ok()

    for table in ("old", "fresh"):
        assert [int(row[0]) for row in database.engine.mysql(f"SELECT id FROM {table}")][
            : len(written)
        ] == written
    database.engine.mysql("DROP TABLE old; DROP TABLE fresh")


def fill(engine: Engine) -> dict[str, str]:
    """Many tables and one object of each other kind; their checksums."""
    engine.mysql("DROP TABLE IF EXISTS child, parent; DROP VIEW IF EXISTS seen; DROP EVENT IF EXISTS nightly")
    engine.mysql("DROP PROCEDURE IF EXISTS called; DROP FUNCTION IF EXISTS answer")
    engine.mysql(EVERYTHING)
    engine.mysql(
        "; ".join(
            f"CREATE TABLE IF NOT EXISTS many{n} (id INT PRIMARY KEY); REPLACE INTO many{n} VALUES ({n})"
            for n in range(TABLES)
        )
    )
    return checksums(engine)


def test_everything_survives_save_push_pull_and_restore(database: Stack, tmp_path: Path) -> None:
    before = fill(database.engine)
    file = tmp_path / "all.snap"
    key = database.run("snapshot", "save", "all", "--json").ok().data["snapshot"]["key"]
    pushed = database.run("snapshot", "push", "all", str(file), "--json").ok().data
    assert pushed["file_bytes"] == file.stat().st_size
    assert pushed["file_bytes"] < pushed["bytes"] / 5
    database.run("snapshot", "delete", "all", "--yes").ok()
    database.run("reset-db").ok()

    pulled = database.run("snapshot", "pull", str(file), "--name", "copy", "--json").ok().data
    database.run("snapshot", "restore", "copy").ok()

    assert (pulled["key"], pulled["name"], pulled["present"]) == (key, "copy", False)
    assert checksums(database.engine) == before
    assert [path.name for path in tmp_path.iterdir()] == ["all.snap"]
    again = database.run("snapshot", "pull", str(file), "--json").ok()
    assert again.data["present"]


def test_everything_survives_the_way_through_a_registry(database: Stack, registry_port: int) -> None:
    before = fill(database.engine)
    key = database.run("snapshot", "save", "shared", "--json").ok().data["snapshot"]["key"]
    place = f"oci://127.0.0.1:{registry_port}/e2e/{database.name}"
    pushed = database.run("snapshot", "push", "shared", place, "--json").ok().data
    assert (pushed["reference"], pushed["sent_bytes"]) == (f"{place}:shared", pushed["file_bytes"])
    # The same data are the same bytes: nothing is sent twice.
    again = database.run("snapshot", "push", "shared", f"{place}:too", "--json").ok().data
    assert (again["sent_bytes"], again["digest"]) == (0, pushed["digest"])
    database.run("snapshot", "delete", "shared", "--yes").ok()
    database.run("reset-db").ok()

    pulled = database.run("snapshot", "pull", f"{place}:shared", "--json").ok().data
    database.run("snapshot", "restore", "shared").ok()

    assert (pulled["key"], pulled["name"], pulled["present"]) == (key, "shared", False)
    assert (pulled["digest"], pulled["received_bytes"]) == (pushed["digest"], pushed["file_bytes"])
    assert checksums(database.engine) == before
    by_digest = database.run("snapshot", "pull", f"{place}@{pushed['digest']}", "--json").ok().data
    assert (by_digest["present"], by_digest["received_bytes"]) == (True, 0)
    unknown = database.run("snapshot", "pull", f"{place}:other", "--json")
    assert (unknown.code, unknown.error["code"]) == (1, "artifact_not_found")
    assert not (database.root / ".devenv" / "transfer").exists()


def test_a_file_that_cannot_be_trusted_leaves_nothing(database: Stack, tmp_path: Path) -> None:
    file = tmp_path / "good.snap"
    database.run("snapshot", "save", "good").ok()
    database.run("snapshot", "push", "good", str(file)).ok()
    database.run("snapshot", "delete", "good", "--yes").ok()
    content, archive = file.read_bytes(), open_archive(file)
    newer = replace(archive.manifest, server="99.0.1")
    lying = replace(archive.manifest, files={**archive.manifest.files, "./ibdata1": "0" * 64})
    write_archive(tmp_path / "newer.snap", newer, body(archive))
    write_archive(tmp_path / "lying.snap", lying, body(archive))
    for place in (5, 30, len(content) // 2, len(content) - 50, len(content) - 2):
        flipped = bytearray(content)
        flipped[place] ^= 0x40
        (tmp_path / f"flipped-{place}.snap").write_bytes(flipped)
    (tmp_path / "short.snap").write_bytes(content[:-1000])
    file.unlink()

    for bad in sorted(tmp_path.iterdir()):
        refused = database.run("snapshot", "pull", str(bad), "--json")
        assert refused.code in {1, 6}, bad
        assert refused.error["code"] in {"archive_damaged", "archive_foreign", "snapshot_too_new"}
        assert refused.error["hint"]
        assert snapshot_volumes(database, archive.manifest.key) == set()
        assert database.engine.builders() == []


def test_a_save_killed_at_any_moment_leaves_no_half_snapshot(database: Stack) -> None:
    begun = time.monotonic()
    database.run("snapshot", "save", "measured").ok()
    whole = time.monotonic() - begun
    before = rows(database)
    known = set(names(database))
    for number in range(KILLS):
        moment = random.uniform(0.5, whole)
        with database.spawned("snapshot", "save", f"killed{number}") as process:
            time.sleep(moment)
            process.kill()
        found = set(names(database)) - known
        assert found <= {f"killed{number}"}, moment
        for name in found:
            database.run("snapshot", "delete", name, "--yes").ok()
        assert rows(database) == before

    database.run("snapshot", "save", "after").ok()

    assert database.engine.builders() == []
    keys = {row["key"] for row in database.run("snapshot", "list", "--json").ok().data}
    mine = [
        row
        for row in database.engine.api.volumes()["Volumes"]
        if (row["Labels"] or {}).get("devenv.project") == database.name
    ]
    unsealed = [
        row
        for row in mine
        if row["Labels"].get("devenv.kind") == "snapshot-data"
        and row["Labels"]["devenv.snapshot.key"] not in keys
    ]
    assert unsealed == []


def test_a_killed_save_of_a_stopped_database_is_repaired_by_up(database: Stack) -> None:
    database.engine.mysql("CREATE TABLE old (id INT) ENGINE=MyISAM; INSERT INTO old VALUES (5)")
    with database.spawned("snapshot", "save", "interrupted") as process:
        process.err.until("stopped while")
        until(lambda: database.engine.healths()["databasemaster"] == "exited", "the stop", 30)
        process.kill()
    assert "interrupted" not in names(database)

    database.up("databasemaster")

    # A count tells a row that is gone from an answer that is.
    assert database.engine.mysql("SELECT COUNT(*), MIN(id) FROM old") == [["1", "5"]]
    database.engine.mysql("DROP TABLE old")


def test_the_data_of_a_stopped_database_are_saved(database: Stack) -> None:
    before = rows(database)
    database.run("stop").ok()
    saved = database.run("snapshot", "save", "asleep", "--json").ok().data
    assert saved["way"] == "copy"
    assert database.engine.healths() == {"databasemaster": "exited"}
    database.up("databasemaster")
    database.engine.mysql("DELETE FROM kept")
    database.run("snapshot", "restore", "asleep").ok()
    assert rows(database) == before


def test_down_with_volumes_is_undone_while_nothing_runs(own: Stack) -> None:
    own.up("databasemaster")
    own.engine.mysql("INSERT INTO kept VALUES (99)")
    refused = own.run("down", "--volumes", "--json")
    assert (refused.code, own.engine.settled()) == (6, {"databasemaster": "healthy"})

    result = own.run("down", "--volumes", "--yes", "--json").ok().data

    assert own.engine.containers() == []
    assert result["volumes"] == [f"{own.name}_generated"]
    assert result["put_aside"] in own.engine.database_volumes()
    own.run("undo").ok()
    own.up("databasemaster")
    assert own.engine.count("kept") == 4


def test_after_down_with_volumes_up_seeds_and_gc_frees_what_was_put_aside(own: Stack) -> None:
    own.up("databasemaster")
    own.engine.mysql("INSERT INTO kept VALUES (99)")
    former = own.run("down", "--volumes", "--yes", "--json").ok().data["put_aside"]
    own.up("databasemaster")
    assert own.engine.count("kept") == 3
    items = own.run("gc", "--dry-run", "--json").ok().data["items"]
    assert [item for item in items if own.name in item["name"]] == []

    offered = own.run("gc", "--all", "--dry-run", "--json").ok().data
    assert (offered["items"][0]["name"], offered["freed"]) == (former, False)
    assert offered["items"][0]["bytes"] > 0
    asked = own.run("gc", "--all", "--json")
    assert (asked.code, asked.error["code"]) == (6, "confirmation_needed")
    assert former in own.engine.database_volumes()
    own.run("gc", "--all", "--yes").ok()

    assert former not in own.engine.database_volumes()
    assert own.engine.count("kept") == 3
    nothing = own.run("undo", "--json")
    assert nothing.error["code"] == "nothing_to_undo"
