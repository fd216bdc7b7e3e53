"""Dumps on the real engine: what goes in is there, what fails changes nothing, what comes out goes in again."""

from __future__ import annotations

import bz2
import gzip
import http.server
import lzma
import random
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import docker.errors
import pytest
import zstandard

from devenv.project import successor_name
from tests.e2e.conftest import SMALL_SEED
from tests.e2e.support import LIVE, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.support import Stack

MARIADB = """\
/*M!999999\\- enable the sandbox mode */
-- MariaDB dump 10.19-11.8.2-MariaDB, for debian-linux-gnu (x86_64)
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES utf8mb4 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
/*M!100616 SET @OLD_NOTE_VERBOSITY=@@NOTE_VERBOSITY, NOTE_VERBOSITY=0 */;
DROP TABLE IF EXISTS `child`;
CREATE TABLE `child` (
  `id` int(11) NOT NULL,
  `parent` int(11) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `by_parent` (`parent`),
  CONSTRAINT `f` FOREIGN KEY (`parent`) REFERENCES `parent` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_uca1400_ai_ci;
LOCK TABLES `child` WRITE;
/*!40000 ALTER TABLE `child` DISABLE KEYS */;
INSERT INTO `child` VALUES (1,7),(2,0);
/*!40000 ALTER TABLE `child` ENABLE KEYS */;
UNLOCK TABLES;
DROP TABLE IF EXISTS `parent`;
CREATE TABLE `parent` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `text` varchar(90) COLLATE utf8mb4_uca1400_swedish_ai_ci DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=8 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_uca1400_ai_ci;
LOCK TABLES `parent` WRITE;
INSERT INTO `parent` VALUES (0,'😀 DEFINER=`a`@`b` COLLATE utf8mb4_uca1400_ai_ci; /*M! x */'),
(7,'it\\'s;\\n');
UNLOCK TABLES;
/*!50003 SET @saved_sql_mode = @@sql_mode */ ;
/*!50003 SET sql_mode = 'STRICT_TRANS_TABLES,NO_AUTO_CREATE_USER' */ ;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`gone`@`10.%`*/ /*!50003 TRIGGER counted BEFORE INSERT ON child FOR EACH ROW
BEGIN SET NEW.id = NEW.id + 1; END */;;
CREATE DEFINER=`gone`@`%` PROCEDURE `called`() BEGIN SELECT ';' ; SELECT COUNT(*) FROM parent; END ;;
DELIMITER ;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=`gone`@`%` SQL SECURITY DEFINER */
/*!50001 VIEW `seen` AS select `parent`.`text` AS `text` from `parent` */;
-- Dump completed on 2026-11-23 10:00:00
"""


ROWS_OF_KINDS = 2000
KIND_VALUES = (
    "-128,18446744073709551615,-99999999.99,3.40282e38,-1.7976931348623157e308,0.1,NULL,'',"
    "'it\\'s \\\"here\\\" \\\\ (),;\\n\\r\\0\\Z\t\n😀 NULL','NULL','Ärger','b','a,c',"
    '\'{\\"a\\": [1, \\"\\\\n\\", null, \\"😀\\"]}\','
    "'0000-00-00','2020-02-29','2020-01-01 12:34:56.123456','2020-06-01 00:00:00','-838:59:59'"
)
"""Of every type that can be in a file, with what has a meaning there."""


def row_of(table: str, values: str = KIND_VALUES) -> str:
    """An INSERT of a dump's, with a number of four digits to come."""
    return f"INSERT INTO `{table}` VALUES (%04d,{values});\n"


def inserts(table: str, values: str = KIND_VALUES) -> str:
    """Rows enough for a file."""
    return "".join(row_of(table, values) % number for number in range(ROWS_OF_KINDS))


KINDS = f"""\
-- MySQL dump 10.13  Distrib 9.7.4, for Linux (x86_64)
/*!50503 SET NAMES utf8mb4 */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
CREATE TABLE `kinds` (
  `id` int NOT NULL AUTO_INCREMENT,
  `tiny` tinyint NOT NULL,
  `big` bigint unsigned NOT NULL,
  `money` decimal(10,2) NOT NULL,
  `f` float NOT NULL,
  `d` double NOT NULL,
  `e` double NOT NULL,
  `n` varchar(10) DEFAULT NULL,
  `empty` varchar(10) NOT NULL,
  `t` longtext NOT NULL,
  `null` char(10) NOT NULL,
  `latin` varchar(10) CHARACTER SET latin1 NOT NULL,
  `one` enum('a','b') NOT NULL,
  `some` set('a','b','c') NOT NULL,
  `j` json NOT NULL,
  `zero` date NOT NULL,
  `day` date NOT NULL,
  `at` datetime(6) NOT NULL,
  `stamp` timestamp NULL DEFAULT NULL,
  `time` time NOT NULL,
  PRIMARY KEY (`id`),
  KEY `by_latin` (`latin`,`day`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
{inserts("kinds")}CREATE TABLE `bytes` (
  `id` int NOT NULL,
  `b` varbinary(400) NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
{inserts("bytes", "_binary '" + "x" * 300 + "'")}CREATE TABLE `edited` (
  `id` int NOT NULL,
  `x` text,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
{inserts("edited", "'" + "x" * 300 + "'").replace("(0007,'", "(0007,UPPER('").replace("x');", "x'));", 8).replace("x'));", "x');", 7)}\
-- Dump completed
"""
"""Rows that can be read from a file, rows of bytes, and rows of which somebody made one a call."""


@pytest.fixture(scope="module")
def database(new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """A project with two databases, of which only the server runs."""
    stack = new_stack()
    stack.write("fixtures/small.sql", SMALL_SEED)
    stack.configure(database={"seed": ["fixtures/small.sql"], "databases": ["app", "other"]})
    stack.up("databasemaster")
    stack.engine.mysql("CREATE TABLE beside (id INT PRIMARY KEY); INSERT INTO beside VALUES (5)", "other")
    yield stack
    stack.remove()
    LIVE.remove(stack)


def state(stack: Stack) -> tuple[object, ...]:
    """What must not change when an import fails."""
    tables = stack.engine.mysql("SHOW TABLES")
    return (tables, stack.memory["generation"], stack.engine.volumes(), stack.engine.starts())


def test_a_dump_of_mariadb_replaces_the_data_and_undo_brings_them_back(database: Stack) -> None:
    before = database.engine.mysql("SHOW TABLES")
    dump = database.write("dumps/maria.sql", MARIADB)

    result = database.run("db", "import", str(dump), "--json").ok().data

    mysql = database.engine.mysql
    assert result["serial"] is None
    assert result["databases"] == ["app"]
    assert result["carried_over"] == ["other"]
    assert mysql("SELECT id, parent FROM child ORDER BY id") == [["1", "7"], ["2", "0"]]
    assert mysql("SELECT COUNT(*) FROM seen") == [["2"]]
    assert mysql("SELECT text FROM parent WHERE id = 0") == [
        ["😀 DEFINER=`a`@`b` COLLATE utf8mb4_uca1400_ai_ci; /*M! x */"]
    ]
    assert mysql("SELECT HEX(text) FROM parent WHERE id = 7") == [[b"it's;\n".hex().upper()]]
    definer = "SELECT definer FROM information_schema.triggers WHERE trigger_name = 'counted'"
    assert mysql(definer)[0][0].startswith("root@")
    assert "utf8mb4_sv_0900_ai_ci" in str(mysql("SHOW CREATE TABLE parent"))
    assert mysql("SELECT id FROM beside", "other") == [["5"]]
    assert database.engine.builders() == []

    database.run("undo").ok()
    assert mysql("SHOW TABLES") == before


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_standard_input_is_read_whatever_its_compression(
    database: Stack, compress: Callable[[bytes], bytes]
) -> None:
    number = str(random.randrange(10**6))
    sql = (
        f"CREATE TABLE given (id INT PRIMARY KEY, t TEXT);\nINSERT INTO given VALUES ({number}, 'a\r\n;b');\n"
    )
    done = database.call("db", "import", "-", stdin=compress(sql.encode()))
    assert done.returncode == 0, done.stderr.decode()
    assert database.engine.mysql("SELECT id, HEX(t) FROM given") == [[number, b"a\r\n;b".hex().upper()]]


def test_a_dump_is_fetched_from_a_url(database: Stack) -> None:
    body = gzip.compress(b"CREATE TABLE fetched (id INT PRIMARY KEY);")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404 if self.path == "/gone" else 200)
            if self.path == "/cut":
                self.send_header("Content-Length", str(len(body) + 1))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        database.run("db", "import", f"{url}/dump").ok()
        before = state(database)
        assert database.run("db", "import", f"{url}/gone", "--json").error["code"] == "dump_unreadable"
        assert database.run("db", "import", f"{url}/cut", "--json").error["code"] == "dump_damaged"
        server.shutdown()
    assert database.engine.mysql("SHOW TABLES") == [["fetched"]]
    assert state(database) == before


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "dump_empty"),
        (b"\x00\x01\x02" * 1000, "dump_no_sql"),
        (b"PK\x03\x04" + b"x" * 1000, "dump_no_sql"),
        (MARIADB.encode()[:-60], "dump_truncated"),
        (gzip.compress(MARIADB.encode())[:-9], "dump_damaged"),
        (zstandard.compress(MARIADB.encode())[:-9], "dump_damaged"),
        (lzma.compress(MARIADB.encode())[:-9], "dump_damaged"),
        (bz2.compress(MARIADB.encode())[:-9], "dump_damaged"),
        (MARIADB.replace("utf8mb4_uca1400_ai_ci;", "klingon_ci;").encode(), "unknown_collation"),
    ],
)
def test_what_cannot_be_loaded_changes_nothing(database: Stack, content: bytes, code: str) -> None:
    dump = database.write("dumps/bad", content)
    before = state(database)
    outcome = database.run("db", "import", str(dump), "--json")
    assert (outcome.code, outcome.error["code"]) == (1, code)
    assert outcome.error["where"]
    assert state(database) == before


@pytest.mark.parametrize("is_parallel", [True, False])
def test_an_error_on_the_last_line_names_it_and_changes_nothing(database: Stack, is_parallel: bool) -> None:
    head, foot = ("-- MySQL dump 10.13\n", "-- Dump completed\n") if is_parallel else ("", "")
    rows = "".join(f"INSERT INTO `t` VALUES ({n},'{'x' * 1000}\n;');\n" for n in range(5000))
    sql = f"{head}CREATE TABLE `t` (\n  `id` int NOT NULL,\n  `x` text,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB;\n{rows}"
    line = sql.count("\n") + 1
    dump = database.write("dumps/last.sql", f"{sql}INSERT INTO `t` VALUES (4999,'again');\n{foot}")
    before = state(database)

    error = database.run("db", "import", str(dump), "--json").error

    assert error["code"] == "import_failed"
    assert error["where"].endswith(f"last.sql:{line}")
    assert error["detail"]["statement"].startswith("INSERT INTO `t` VALUES (4999,'again')")
    assert state(database) == before


def test_what_is_exported_can_be_imported_again(database: Stack) -> None:
    database.run("db", "import", str(database.write("dumps/maria.sql", MARIADB))).ok()
    file = database.root / "dumps" / "out.sql.zst"
    checksum = "CHECKSUM TABLE parent, child"
    before = database.engine.mysql(checksum)
    result = database.run("db", "export", str(file), "--json").ok().data
    assert result["databases"] == ["app", "other"]
    assert result["compression"] == "zst"
    database.engine.mysql("DELETE FROM child; DROP VIEW seen")
    database.run("db", "import", str(file)).ok()
    assert database.engine.mysql(checksum) == before
    assert database.engine.mysql("SELECT COUNT(*) FROM seen") == [["2"]]
    assert database.engine.mysql("SELECT id FROM beside", "other") == [["5"]]
    assert list(file.parent.glob(".*")) == []


def test_an_export_without_data_or_tables_holds_the_rest(database: Stack) -> None:
    database.run("db", "import", str(database.write("dumps/maria.sql", MARIADB))).ok()
    done = database.call("db", "export", "--no-data", "--database", "app", "--exclude", "child")
    text = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert "CREATE TABLE `parent`" in text
    assert "INSERT INTO" not in text
    assert "`child`" not in text.split("TRIGGER", maxsplit=1)[0]
    missing = database.run("db", "export", str(database.root / "x.sql"), "--database", "nope", "--json")
    assert missing.error["code"] == "export_failed"
    assert not (database.root / "x.sql").exists()


def test_a_killed_import_leaves_the_data_and_the_next_one_works(database: Stack) -> None:
    rows = "".join(f"INSERT INTO t VALUES ({n});\n" for n in range(200_000))
    dump = database.write("dumps/long.sql", f"CREATE TABLE t (id INT PRIMARY KEY);\n{rows}")
    tables = database.engine.mysql("SHOW TABLES")
    with database.spawned("db", "import", str(dump)) as process:
        until(lambda: database.engine.builders() or process.process.poll() is not None, "the builder runs")
        process.kill()
    assert database.engine.mysql("SHOW TABLES") == tables
    database.run("db", "import", str(database.write("dumps/maria.sql", MARIADB))).ok()
    assert database.engine.builders() == []
    assert database.engine.count("parent") == 2


@pytest.mark.parametrize("moment", ["all is in", "it is taken into use"])
def test_an_import_that_is_killed_in_its_last_phase_leaves_the_old_data_or_the_new(
    database: Stack, moment: str
) -> None:
    database.run("db", "import", str(database.write("dumps/maria.sql", MARIADB))).ok()
    rows = "".join(f"INSERT INTO last VALUES ({n});\n" for n in range(1000))
    dump = database.write("dumps/last.sql", f"CREATE TABLE last (id INT PRIMARY KEY);\n{rows}")
    old, generation = database.engine.mysql("SHOW TABLES"), database.memory["generation"]
    server = successor_name(database.name)
    count = ("mysql", "-uroot", "-ptoor", "-h127.0.0.1", "-N", "-e", "SELECT COUNT(*) FROM app.last")

    def has_come() -> bool:
        if moment == "it is taken into use":
            return bool(database.memory["generation"] != generation)
        with suppress(docker.errors.APIError):
            return "1000\n" in database.engine.execute(server, *count)[1]
        return False

    with database.spawned("db", "import", str(dump)) as process:
        until(lambda: has_come() or process.process.poll() is not None, moment)
        process.kill()

    database.up("databasemaster")
    found = database.engine.mysql("SHOW TABLES")
    assert found in (old, [["last"]])
    assert (found != old) == (database.memory["generation"] != generation)
    assert found == old or database.engine.count("last") == 1000
    assert database.engine.mysql("SELECT id FROM beside", "other") == [["5"]]
    database.run("reset-db").ok()
    assert database.engine.builders() == []
    database.engine.mysql("CREATE TABLE beside (id INT PRIMARY KEY); INSERT INTO beside VALUES (5)", "other")


def test_rows_that_are_read_as_files_are_those_of_the_statements(database: Stack) -> None:
    dump = database.write("dumps/kinds.sql", KINDS)
    checksums = "CHECKSUM TABLE kinds, bytes, edited"
    result = database.run("db", "import", str(dump), "--json").ok().data
    found = database.engine.mysql(checksums)
    assert (
        result["as_files"] == len(row_of("kinds").encode()) * ROWS_OF_KINDS - 2
    )  # the last `;` and its line's end
    assert database.engine.mysql("SELECT COUNT(*), MAX(id), COUNT(DISTINCT HEX(x)) FROM edited") == [
        [str(ROWS_OF_KINDS), str(ROWS_OF_KINDS - 1), "2"]
    ]
    # Without mysqldump's first line every statement runs as it stands.
    plain = database.write("dumps/statements.sql", KINDS.split("\n", 1)[1])
    result = database.run("db", "import", str(plain), "--json").ok().data
    assert result["as_files"] == 0
    assert database.engine.mysql(checksums) == found


def test_branches_and_prompt(database: Stack) -> None:
    rows = database.run("db", "branches", "--json").ok().data["branches"]
    assert rows[0]["state"] == "current"
    assert rows[0]["generation"] == database.memory["generation"]
    assert {row["volume"] for row in rows} <= database.engine.volumes()
    done = database.call("db", "shell", "--", "-N", "-e", "SELECT DATABASE()")
    assert (done.returncode, done.stdout.decode().strip()) == (0, "app")


@pytest.mark.parametrize("section", ["backend", "taskrunner"])
def test_data_of_a_server_elsewhere_are_not_touched(database: Stack, section: str) -> None:
    dump = database.write("dumps/maria.sql", MARIADB)
    before = state(database)
    settings = {"environment": {"DB_HOST": "production.example.com", "DB_USER": "root", "DB_PWD": "toor"}}
    database.configure(
        database={"seed": ["fixtures/small.sql"], "databases": ["app", "other"]}, **{section: settings}
    )
    for command in (("db", "import", str(dump)), ("reset-db",), ("undo",)):
        outcome = database.run(*command, "--json")
        assert outcome.code == 6
        assert f"{section}.environment.DB_HOST" in outcome.error["message"]
        assert "production.example.com" in outcome.error["message"]
    database.configure(database={"seed": ["fixtures/small.sql"], "databases": ["app", "other"]})
    assert state(database) == before
