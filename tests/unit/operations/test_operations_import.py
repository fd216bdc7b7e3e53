"""An import: where the dump is loaded, what takes the database's place, and what is left of one that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from devenv.errors import OperationError
from devenv.operations.db_import import ImportResult, db_import
from devenv.operations.present import Discarded
from devenv.operations.reset_db import reset_db, undo
from devenv.operations.status import status
from devenv.project import successor_name

if TYPE_CHECKING:
    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")

DATABASE = "shop-databasemaster-1"
SERVER = successor_name("shop")
DUMP = "-- MySQL dump 10.13\nCREATE TABLE `t` (\n  `id` int\n) ENGINE=InnoDB;\n-- Dump completed\n"
REDO = "Innodb_redo_log_enabled\tON\n"


def run(shop: Shop, text: str = DUMP) -> ImportResult:
    shop.project.write("dump.sql", text)
    return db_import(shop.session(), str(shop.root / "dump.sql"), None)


def branch(shop: Shop) -> str:
    return shop.engine.containers[DATABASE].volumes["/var/lib/mysql"]


def sent(shop: Shop) -> list[str]:
    """What the server of the import was sent."""
    return [
        one.command[1] for one in shop.engine.executed if one.container == SERVER and len(one.command) == 2
    ]


@pytest.fixture
def running(shop: Shop) -> Shop:
    """An environment that is up, with servers that tell what an import asks."""
    shop.up()
    shop.engine.answer(r"SELECT VERSION\(\)", "8.4.3\n")
    shop.engine.answer("secure_file_priv", "/var/lib/mysql-files/\n")
    shop.engine.answer("SHOW GLOBAL VARIABLES", f"max_allowed_packet\t67108864\n{REDO}")
    return shop


def test_a_copy_of_the_database_is_filled_and_takes_its_place(running: Shop) -> None:
    before = dict(running.ids)
    result = run(running)
    assert (result.volume, branch(running), result.running) == ("shop_database_2", "shop_database_2", True)
    assert {name for name in before if before[name] != running.ids.get(name)} == {DATABASE}
    done = [call for call in running.changes if call.startswith(("duplicate", "substitute", "replace"))]
    assert done == [f"duplicate {DATABASE} as {SERVER}", f"substitute {DATABASE} by {SERVER}"]
    assert SERVER not in running.engine.containers
    undo(running.session())
    assert branch(running) == "shop_database_1"


def test_what_is_put_aside_is_told_and_other_databases_are_carried_over(running: Shop) -> None:
    own = running.session().settings.database.databases[0]
    told = f"mysql\t40\t9999\n{own}\t3\t4096\nother\t1\t99\nother\t0\t0\nevents_only\t0\t0\n"
    running.engine.answer("GROUP BY table_schema", told)
    result = run(running)
    assert result.carried_over == ("other", "events_only")
    assert result.discarded == Discarded("shop_database_1", 3, 4096)
    assert any(
        "mysqldump" in one.text and "--databases other events_only" in one.text
        for one in running.engine.executed
    )


def test_it_is_fast_while_it_is_filled_and_as_safe_as_before_afterwards(running: Shop) -> None:
    run(running)
    texts = sent(running)
    hasty = next(number for number, text in enumerate(texts) if "DISABLE INNODB REDO_LOG" in text)
    safe = next(number for number, text in enumerate(texts) if "ENABLE INNODB REDO_LOG" in text)
    create = next(number for number, text in enumerate(texts) if text.startswith("CREATE TABLE"))
    assert hasty < create < safe
    assert "SET GLOBAL max_allowed_packet = 1073741824" in texts[hasty]
    assert "SET GLOBAL max_allowed_packet = 67108864" in texts[safe]
    assert "innodb_ddl_threads" not in texts[hasty]


@pytest.mark.parametrize("why", ["it does not run", "other settings", "another image"])
def test_where_no_copy_would_do_a_server_of_its_own_is_filled(running: Shop, why: str) -> None:
    if why == "it does not run":
        running.engine.stop_container(DATABASE, 1)
    elif why == "other settings":
        running.configure("database: {", "database: {parameters: {max_connections: 9}, ")
    else:
        running.configure("database: {", "database: {image: 'mysql:9', ")
        running.engine.add_image("mysql:9")
    result = run(running)
    (filled,) = running.engine.called(f"stop container {SERVER}")
    until_filled = running.engine.calls[: running.engine.calls.index(filled)]
    assert not any(call.startswith("duplicate") for call in until_filled)
    assert (branch(running), result.running) == ("shop_database_2", why != "it does not run")
    assert SERVER not in running.engine.containers


@pytest.mark.parametrize("at", ["CREATE TABLE `t`", "ENABLE INNODB", "REPLACE INTO devenv.marker"])
def test_one_that_fails_leaves_the_old_data_and_nothing_else(running: Shop, at: str) -> None:
    before = dict(running.ids), set(running.engine.volume_labels)
    kept = running.project.memory
    run_empty = running.engine.answer
    run_empty(at, "ERROR 1114 (HY000) at line 1: The table 't' is full\n", 1)
    with pytest.raises(OperationError) as caught:
        run(running)
    assert caught.value.code == "disk_full"
    assert dict(running.ids) == before[0]
    assert {name for name in running.engine.volume_labels if "_database_" in name} == {
        name for name in before[1] if "_database_" in name
    }
    assert running.project.memory == kept


def test_a_server_that_ended_says_why_in_its_log(running: Shop) -> None:
    running.engine.answer("CREATE TABLE `t`", "ERROR 2013 (HY000) at line 1: Lost connection\n", 1)
    running.engine.written.append((SERVER, "[ERROR] No space left on device"))
    running.engine.when(f"state of {SERVER}", lambda: running.engine.stop_container(SERVER, 1))
    with pytest.raises(OperationError) as caught:
        run(running)
    assert caught.value.code == "disk_full"


def test_what_a_killed_one_left_counts_for_nothing_and_goes(running: Shop) -> None:
    copy = running.engine.duplicate_container(DATABASE, SERVER, {"shop_database_1": "shop_database_2"})
    running.engine.start_container(copy)
    row = next(one for one in status(running.session()).services if one.name == "databasemaster")
    assert row.replicas == 1
    assert running.up().plan.steps == ()
    reset_db(running.session())
    assert SERVER not in running.engine.containers


def test_up_removes_what_a_killed_one_left_before_compose_takes_it_for_a_replica(running: Shop) -> None:
    running.engine.duplicate_container(DATABASE, SERVER, {"shop_database_1": "shop_database_2"})
    running.engine.remove_container(DATABASE)
    running.up("databasemaster")
    calls = running.engine.calls
    removed = next(number for number, call in enumerate(calls) if call.startswith(f"remove {SERVER}"))
    made = next(number for number, call in enumerate(calls) if call.startswith("create "))
    assert removed < made
    assert branch(running) == "shop_database_1"
