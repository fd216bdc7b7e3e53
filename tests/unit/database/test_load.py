"""How a dump goes into a server: as files where it can, as statements where it must, and what is said of failures."""

from __future__ import annotations

import pytest

from devenv.database.connection import IN_BULK_FROM
from devenv.database.dump import Kind, read_dump
from devenv.database.layout import CHUNK, Item, lay_out
from devenv.database.load import Loader
from devenv.database.lookahead import Lookahead
from devenv.database.rewrite import Names
from devenv.database.server import Server
from devenv.database.stream import Clients, Failure, LineMap
from devenv.engine.api import ContainerRequest
from devenv.errors import OperationError
from tests.fakes import FakeEngine, RecordingSink

KNOWN = Names(frozenset({"utf8mb4_bin"}), frozenset({"utf8mb4"}))
FILES = "/files"
LOAD = "LOAD DATA INFILE '/files/devenv-import-"
ROWS = "INSERT INTO `t` VALUES " + ",".join(f"({number},'{'x' * 90}')" for number in range(5000)) + ";\n"
assert len(ROWS) > IN_BULK_FROM


def dump(rows: str, types: str = "varchar(90)") -> bytes:
    return (
        "-- MySQL dump 10.13\n/*!50503 SET NAMES utf8mb4 */;\n"
        f"CREATE TABLE `t` (\n  `id` int NOT NULL,\n  `x` {types},\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB;\n"
        f"{rows}CREATE VIEW `v` AS SELECT 1;\n-- Dump completed\n"
    ).encode()


@pytest.fixture
def engine() -> FakeEngine:
    """One with a server that reads files."""
    found = FakeEngine()
    found.add_image("mysql:8.4")
    found.run_container(ContainerRequest("db", "mysql:8.4"))
    found.answer("SHOW COUNT", "0\n")
    return found


def load(engine: FakeEngine, script: bytes, folder: str | None = FILES) -> None:
    layout = lay_out(script, read_dump(script), KNOWN, "app", None)
    with Clients(Server(engine, "db", "toor")) as clients, Lookahead(script, read_dump(script)) as lookahead:
        Loader(clients, lookahead, "dump.sql", 2, RecordingSink()).load(layout, folder)


def sent(engine: FakeEngine) -> list[str]:
    """The statements, in their order, without those of the sessions."""
    texts = [one.command[1] for one in engine.executed if one.command[0] == "mysql"]
    return [text for text in texts if not text.startswith(("SET", "DO", "/*!50503 SET", "COMMIT"))]


def test_rows_go_in_as_a_file_of_which_nothing_is_left(engine: FakeEngine) -> None:
    written: list[bytes] = []
    engine.when("write", lambda: written.extend(engine.files.values()))
    load(engine, dump(ROWS))
    words = [text.split()[0] for text in sent(engine)]
    assert words == ["USE", "CREATE", "LOAD", "USE", "CREATE"]
    assert "`app`.`t` CHARACTER SET utf8mb4" in sent(engine)[2]
    assert written == [ROWS.removesuffix(";\n").encode()]
    assert set(engine.files.values()) == {b""}


@pytest.mark.parametrize(
    ("rows", "types", "folder"),
    [
        (ROWS, "varbinary(90)", FILES),
        (ROWS, "varchar(90)", None),
        (ROWS, "varchar(90)", "/nowhere"),
        (ROWS.replace("(7,", "(3+4,"), "varchar(90)", FILES),
        ("INSERT INTO `t` VALUES (1,'few');\n", "varchar(90)", FILES),
    ],
)
def test_what_is_no_matter_for_a_file_goes_in_as_statements(
    engine: FakeEngine, rows: str, types: str, folder: str | None
) -> None:
    load(engine, dump(rows, types), folder)
    assert not any(text.startswith(LOAD) for text in sent(engine))
    assert sum("INSERT INTO" in text for text in sent(engine)) == 1


def test_rows_of_which_the_server_has_something_to_remark_are_taken_back_and_sent_again(
    engine: FakeEngine,
) -> None:
    engine.answer("SHOW COUNT", "3\n")
    load(engine, dump(ROWS))
    texts = sent(engine)
    first = next(number for number, text in enumerate(texts) if text.startswith(LOAD))
    assert texts[first + 1] == "ROLLBACK"
    assert texts[first + 2] == "USE `app`"
    assert texts[first + 3].startswith("INSERT INTO")


def test_rows_that_fail_as_a_file_are_sent_again_for_the_line_that_is_wrong(engine: FakeEngine) -> None:
    engine.answer("LOAD DATA", "ERROR 1062 (23000) at line 5: Duplicate entry '1' for key 't.PRIMARY'\n", 1)
    load(engine, dump(ROWS))
    assert sum("INSERT INTO" in text for text in sent(engine)) == 1

    # Behind what the session begins with: a question, two settings, the database.
    engine.answer("INSERT INTO", "ERROR 1062 (23000) at line 6: Duplicate entry '1' for key 't.PRIMARY'\n", 1)
    with pytest.raises(OperationError) as caught:
        load(engine, dump(ROWS))
    assert caught.value.code == "import_failed"
    assert caught.value.where == "dump.sql:8"
    assert caught.value.detail["statement"].startswith("INSERT INTO `t` VALUES (0,")
    assert "Duplicate entry" in caught.value.message


def test_a_large_table_goes_in_as_several_files(engine: FakeEngine) -> None:
    count = 3 * CHUNK // len(ROWS)
    script = dump(ROWS * count).replace(b"  PRIMARY KEY (`id`)\n", b"  KEY `no` (`id`)\n")
    load(engine, script)
    assert sum(text.startswith(LOAD) for text in sent(engine)) == 3


def test_a_server_that_does_not_answer_is_an_error(engine: FakeEngine) -> None:
    engine.answer("DO 1", "ERROR 2003 (HY000): Can't connect\n", 1)
    with pytest.raises(OperationError) as caught, Clients(Server(engine, "db", "toor")) as clients:
        clients.stream()
    assert caught.value.code == "database_failed"


def test_an_answer_ends_where_the_question_does(engine: FakeEngine) -> None:
    engine.answer("SELECT 1", "1\n2\n")
    engine.answer("SELECT 3", "ERROR 1064 (42000) at line 7: no\n", 1)
    with Clients(Server(engine, "db", "toor")) as clients:
        stream = clients.stream()
        assert stream.ask("SELECT 1") == ["1", "2"]
        assert stream.ask("DO 2") == []
        assert stream.send(b"ANALYZE TABLE t", 6)
        assert stream.ask("SELECT 3") is None
        assert not stream.send(b"SELECT 4", 7)
        assert stream.failure() == Failure(6, "ERROR 1064 (42000): no")


def test_a_client_that_was_killed_gives_its_last_words(engine: FakeEngine) -> None:
    engine.answer("SELECT 1", "Killed\n", 137)
    with Clients(Server(engine, "db", "toor")) as clients:
        stream = clients.stream()
        assert stream.ask("SELECT 1") is None
        assert stream.failure() == Failure(0, "Killed")


def test_lines_of_a_stream_lead_back_to_the_dump() -> None:
    lines = LineMap()
    lines.add(b"USE a;\n", b"one\ntwo", 40)
    lines.line += 1
    lines.add(b"", b"three", 70)
    assert [lines.original(line) for line in (2, 3, 4)] == [40, 41, 70]


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize(("value", "expected"), [("1", True), ("1+1", False)])
def test_rows_are_judged_alike_ahead_and_when_they_are_wanted(
    begun: bool, value: str, expected: bool
) -> None:
    script = dump(f"INSERT INTO `t` VALUES ({value},'x');\n")
    found = read_dump(script)
    rows = [piece.statement for piece in found.pieces if piece.kind is Kind.DATA]
    lookahead = Lookahead(script, found)
    if begun:
        with lookahead:
            pass
    assert lookahead.is_plain(Item(one.line, "app", one.start, one.end) for one in rows) is expected
