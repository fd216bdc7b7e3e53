"""Dumps as text: which statements there are, what is rewritten, and what may be loaded side by side."""

from __future__ import annotations

from itertools import pairwise

import pytest

from devenv.database.collations import replacement
from devenv.database.deferred import DEFERRED_FROM
from devenv.database.dump import Kind, read_dump
from devenv.database.layout import Layout, lay_out, target_database
from devenv.database.rewrite import Changes, Names, renamed, rewrite
from devenv.database.statements import statements
from devenv.database.stream import LineMap
from devenv.errors import OperationError

KNOWN = Names(
    frozenset(
        {
            "utf8mb4_0900_ai_ci",
            "utf8mb4_0900_as_cs",
            "utf8mb4_sv_0900_ai_ci",
            "utf8mb3_general_ci",
            "utf8mb4_bin",
        }
    ),
    frozenset({"utf8mb4", "utf8mb3", "latin1"}),
)
HEAD = b"""\
-- MySQL dump 10.13  Distrib 9.7.4, for Linux (x86_64)
/*!50503 SET NAMES utf8mb4 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
"""
FOOT = b"-- Dump completed on 2026-11-23 10:00:00\n"
TABLE = b"""\
DROP TABLE IF EXISTS `t`;
CREATE TABLE `t` (
  `id` int NOT NULL AUTO_INCREMENT,
  `customer_id` int NOT NULL COMMENT '  KEY `no` (`no`),\\n',
  `name` varchar(80) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `u` (`name`),
  KEY `by_customer` (`customer_id`,`name`(10)),
  KEY `by_name` (`name`),
  CONSTRAINT `f` FOREIGN KEY (`customer_id`) REFERENCES `customer` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4;
LOCK TABLES `t` WRITE;
"""


def texts(script: bytes) -> list[bytes]:
    return [script[one.start : one.end] for one in statements(script)]


def laid_out(script: bytes, wanted: str | None = None) -> Layout:
    dump = read_dump(script)
    return lay_out(script, dump, KNOWN, target_database(dump, "app", wanted), wanted)


def sent(layout: Layout, phase: str, script: bytes) -> bytes:
    tasks = next(one.tasks for one in layout.phases if one.name == phase)
    return b"\n".join(
        script[item.start : item.end] if item.text is None else item.text for task in tasks for item in task
    )


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (b"SELECT 1; SELECT 2", [b"SELECT 1", b"SELECT 2"]),
        (b"a 'x;y\\';' \"q;''\" `b;c`; d", [b"a 'x;y\\';' \"q;''\" `b;c`", b"d"]),
        (b"a 'it''s;'; b", [b"a 'it''s;'", b"b"]),
        (b"-- a; 'b\n# c; \"\n/* d; ' */ e; f", [b"e", b"f"]),
        (b"a -- ';\n; b--1; c", [b"a -- ';\n", b"b--1", b"c"]),
        (b"a /* ; ' */ b; c", [b"a /* ; ' */ b", b"c"]),
        (b"/*!50003 SELECT ';' */; b", [b"/*!50003 SELECT ';' */", b"b"]),
        (b"/*M!100616 it's; */ a;", [b"a"]),
        (b"/*!999999\\- enable the sandbox mode */ \n-- MariaDB dump\na;", [b"a"]),
        (b"/*M!999999\\- enable the sandbox mode */;\na;", [b"a"]),
        (b"DELIMITER ;;\na; b ;;\nDELIMITER ;\nc;", [b"a; b ", b"c"]),
        (b"delimiter $$\na; '$$' $ b$$\ndelimiter ;\nc;", [b"a; '$$' $ b", b"c"]),
        (b"\xef\xbb\xbfa;\r\n\r\nb;\r\n", [b"a", b"b"]),
        (b"SET sql_mode='NO_BACKSLASH_ESCAPES'; a '\\'; SET sql_mode=''; b '\\';'", [
            b"SET sql_mode='NO_BACKSLASH_ESCAPES'", b"a '\\'", b"SET sql_mode=''", b"b '\\';'"]),
        (b" \n-- nothing\n", []),
    ],
)  # fmt: skip
def test_statements_are_told_apart_as_the_client_does(script: bytes, expected: list[bytes]) -> None:
    assert texts(script) == expected


def test_every_statement_knows_its_line() -> None:
    script = b"-- 1\na 'x\n\n';\n/* 5\n*/ b; c\n;\nDELIMITER //\nd;\ne//\n"
    assert [one.line for one in statements(script)] == [2, 6, 6, 9]


def test_a_quote_that_nothing_closes_is_an_error_with_its_line() -> None:
    with pytest.raises(OperationError) as caught:
        texts(b"a;\nINSERT INTO t VALUES ('x\n;\n")
    assert caught.value.code == "dump_broken"
    assert caught.value.detail["line"] == 2


def test_lines_of_mysqldump_are_read_as_any_other_statement() -> None:
    lines = b"INSERT INTO `t` VALUES (1,'a;\\n\\'b'),(2,';');\nINSERT INTO `t` VALUES (3,'c');\n"
    quick, slow = HEAD + lines + FOOT, b"-- by hand\n" + HEAD.split(b"\n", 1)[1] + lines + FOOT
    assert texts(quick) == texts(slow)
    assert [one.line for one in statements(quick)] == [one.line for one in statements(slow)]


def test_an_edited_line_with_a_break_inside_a_literal_stays_one_statement() -> None:
    script = HEAD + b"INSERT INTO `t` VALUES (1,'a);\nDELETE FROM t;');\n" + FOOT
    assert texts(script)[-1] == b"INSERT INTO `t` VALUES (1,'a);\nDELETE FROM t;')"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            b"CREATE DEFINER=`root`@`%` PROCEDURE p() SELECT 'DEFINER=`a`@`b`'",
            b"CREATE PROCEDURE p() SELECT 'DEFINER=`a`@`b`'",
        ),
        (
            b"/*!50003 CREATE*/ /*!50017 DEFINER=`a b`@`10.%`*/ /*!50003 TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a=1 */",
            b"/*!50003 CREATE*/ /*!50017 */ /*!50003 TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a=1 */",
        ),
        (
            b"/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER='a'@'%' SQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS select 1 */",
            b"/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 SQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS select 1 */",
        ),
        (
            b"CREATE TABLE t (a text COLLATE utf8mb4_uca1400_ai_ci COMMENT 'COLLATE utf8mb4_uca1400_ai_ci') COLLATE=utf8mb4_uca1400_swedish_ai_ci",
            b"CREATE TABLE t (a text COLLATE utf8mb4_0900_ai_ci COMMENT 'COLLATE utf8mb4_uca1400_ai_ci') COLLATE=utf8mb4_sv_0900_ai_ci",
        ),
        (b"CREATE TABLE t (a int) DEFAULT CHARSET=utf8 COLLATE=utf8_general_ci", b"CREATE TABLE t (a int) DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci"),
        (b"CREATE TABLE t (a int /*M!100301 COMPRESSED*/, b int /*!100301 COMPRESSED*/)", b"CREATE TABLE t (a int , b int )"),
        (b"SET sql_mode = 'STRICT_TRANS_TABLES,NO_AUTO_CREATE_USER'", b"SET sql_mode = 'STRICT_TRANS_TABLES'"),
        (b"SET collation_connection = 'utf8mb4_uca1400_as_cs'", b"SET collation_connection = 'utf8mb4_0900_as_cs'"),
        (b"SET @OLD_COLLATION_CONNECTION=@@COLLATION_CONNECTION", b"SET @OLD_COLLATION_CONNECTION=@@COLLATION_CONNECTION"),
        (b"SET character_set_client = @saved_cs_client", b"SET character_set_client = @saved_cs_client"),
        (b"CREATE PROCEDURE p() SELECT charset = 'x', names from t", b"CREATE PROCEDURE p() SELECT charset = 'x', names from t"),
    ],
)  # fmt: skip
def test_structure_is_rewritten_and_literals_are_not(before: bytes, after: bytes) -> None:
    assert rewrite(before, KNOWN, Changes()) == after


@pytest.mark.parametrize("name", ["utf8mb4_klingon_ci", "latin9_swedish_ci"])
def test_an_unknown_collation_is_named(name: str) -> None:
    with pytest.raises(OperationError, match=name) as caught:
        rewrite(f"CREATE TABLE t (a text) COLLATE={name}".encode(), KNOWN, Changes())
    assert caught.value.code == "unknown_collation"


@pytest.mark.parametrize(
    ("wanted", "known", "found"),
    [
        ("utf8mb4_uca1400_nopad_ai_ci", "utf8mb4_0900_ai_ci", "utf8mb4_0900_ai_ci"),
        ("uca1400_ai_ci", "utf8mb4_0900_ai_ci", "utf8mb4_0900_ai_ci"),
        ("utf8mb4_uca1400_german2_as_cs", "utf8mb4_de_pb_0900_as_cs", "utf8mb4_de_pb_0900_as_cs"),
        ("utf8mb4_uca1400_ai_cs", "utf8mb4_0900_as_cs", "utf8mb4_0900_as_cs"),
        ("utf8mb3_uca1400_ai_ci", "utf8mb3_unicode_520_ci", "utf8mb3_unicode_520_ci"),
        ("utf8mb4_general_nopad_ci", "utf8mb4_general_ci", "utf8mb4_general_ci"),
        ("utf8mb4_0900_ai_ci", "utf8mb4_unicode_520_ci", "utf8mb4_unicode_520_ci"),
        ("utf8_bin", "utf8mb3_bin", "utf8mb3_bin"),
        ("utf8mb4_nothing", "utf8mb4_bin", None),
    ],
)
def test_the_nearest_collation(wanted: str, known: str, found: str | None) -> None:
    assert replacement(wanted, frozenset({known})) == found


def test_the_only_database_can_be_renamed_and_several_cannot() -> None:
    assert renamed(b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `old` /*!40100 x */", "a`b") == (
        b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `a``b` /*!40100 x */"
    )
    one = HEAD + b"CREATE DATABASE `old`;\nUSE `old`;\n" + TABLE + FOOT
    assert laid_out(one, "new").databases == ("new",)
    assert b"CREATE DATABASE `new`" in sent(laid_out(one, "new"), "tables", one)
    two = one.replace(FOOT, b"USE `other`;\nDROP TABLE IF EXISTS `x`;\n" + FOOT)
    with pytest.raises(OperationError, match="old, other"):
        laid_out(two, "new")


def test_databases_of_the_server_and_replication_are_left_out() -> None:
    script = (
        HEAD
        + b"SET @@SESSION.SQL_LOG_BIN= 0;\nSET @@GLOBAL.GTID_PURGED='a\n:1-2';\nCHANGE MASTER TO MASTER_LOG_POS=1;\n"
        + b"USE `mysql`;\nINSERT INTO `user` VALUES (1);\nUSE `app`;\n"
        + TABLE
        + FOOT
    )
    dump = read_dump(script)
    assert dump.databases == ("app",)
    assert dump.serial is None
    assert {piece.database for piece in dump.pieces if piece.kind is Kind.DATA} == set()
    assert dump.left_out["database mysql"] == 2


def big(rows: int) -> bytes:
    row = b"INSERT INTO `t` VALUES (1,2,'" + b"x" * 100_000 + b"');\n"
    return HEAD + TABLE + row * rows + b"UNLOCK TABLES;\n" + FOOT


def test_data_of_a_table_are_split_between_statements_and_complete() -> None:
    script = big(160)
    layout = laid_out(script)
    tasks = next(phase.tasks for phase in layout.phases if phase.name == "data")
    items = sorted((item for task in tasks for item in task), key=lambda item: item.start)
    assert len(tasks) > 1
    assert b"".join(script[item.start : item.end] for item in items).count(b"INSERT") == 160
    assert all(script[first.end : second.start] == b";\n" for first, second in pairwise(items))


def test_a_table_without_primary_key_keeps_the_order_of_its_rows() -> None:
    script = big(160).replace(b"  PRIMARY KEY (`id`),\n", b"").replace(b" AUTO_INCREMENT,", b",")
    tasks = next(phase.tasks for phase in laid_out(script).phases if phase.name == "data")
    assert len(tasks) == 1


def test_indexes_and_foreign_keys_of_large_tables_come_after_the_data() -> None:
    script = big(DEFERRED_FROM // 100_000 + 1)
    layout = laid_out(script)
    assert [phase.name for phase in layout.phases] == ["tables", "data", "indexes", "foreign keys"]
    create = sent(layout, "tables", script)
    assert b"UNIQUE KEY `u` (`name`)\n\n\n\n) ENGINE=InnoDB" in create
    assert b"COMMENT '  KEY `no` (`no`),\\n'" in create
    assert sent(layout, "indexes", script) == (
        b"ALTER TABLE `t` ADD KEY `by_customer` (`customer_id`,`name`(10)), ADD KEY `by_name` (`name`)"
    )
    assert sent(layout, "foreign keys", script).startswith(b"ALTER TABLE `t` ADD CONSTRAINT `f` FOREIGN KEY")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"  PRIMARY KEY (`id`),\n", b""),  # AUTO_INCREMENT needs its index
        (b"ENGINE=InnoDB", b"ENGINE=MyISAM"),
        (b"REFERENCES `customer` (`id`)", b"REFERENCES `t` (`customer_id`)"),
    ],
)
def test_indexes_that_something_needs_stay(old: bytes, new: bytes) -> None:
    script = big(DEFERRED_FROM // 100_000 + 1).replace(old, new)
    assert "indexes" not in [phase.name for phase in laid_out(script).phases]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (TABLE, "not written by mysqldump"),
        (HEAD + TABLE + b"ALTER TABLE `t` ADD KEY k (name);\n" + FOOT, "line 16: `ALTER TABLE"),
        (HEAD + b"CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a=1;\nINSERT INTO t VALUES (1);\n" + FOOT, "trigger"),
        (HEAD + b"INSERT INTO t VALUES (1);\nDROP TABLE t;\n" + FOOT, "made anew"),
        (HEAD + b"INSERT INTO t SELECT 1;\n" + FOOT, "INSERT INTO t SELECT"),
    ],
)  # fmt: skip
def test_what_is_not_recognised_runs_in_its_order(script: bytes, why: str) -> None:
    assert why in (read_dump(script).serial or "")
    assert len(laid_out(script).phases) == 1


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (b"\x00\x01\x02\x03 binary", "dump_no_sql"),
        (b"{'json': true}", "dump_no_sql"),
        (b"\xff\xfeS\x00E\x00T\x00", "dump_no_sql"),
        (b"--\n-- PostgreSQL database dump\n--\nSET x=1;", "dump_no_sql"),
        (HEAD + TABLE, "dump_truncated"),
        (b"-- nothing\n", "dump_empty"),
        (HEAD + FOOT, "dump_empty"),
        (b"SET NAMES gbk; CREATE TABLE t (a int);", "dump_charset"),
    ],
)
def test_what_is_no_whole_dump_is_refused(script: bytes, code: str) -> None:
    with pytest.raises(OperationError) as caught:
        read_dump(script)
    assert caught.value.code == code


def test_lines_of_a_stream_lead_back_to_the_dump() -> None:
    lines = LineMap()
    lines.add(b"USE `app`;\n", b"INSERT 1;\nINSERT 2;\n", 40)
    lines.add(b"", b"INSERT 3;\n", 90)
    assert [lines.original(line) for line in (2, 3, 4)] == [40, 41, 90]
