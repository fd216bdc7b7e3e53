"""Which rows of a dump the server may read as a file: all that mean there what they mean in a statement, no others."""

from __future__ import annotations

import pytest

from devenv.database.bulk import charset, is_plain, is_table_of_plain_values, load_statement
from devenv.database.layout import Item

CREATE = b"""\
CREATE TABLE `t` (
  `id` bigint unsigned NOT NULL AUTO_INCREMENT,
  `name` varchar(80) CHARACTER SET latin1 COLLATE latin1_bin DEFAULT 'x',
  `we``ird` decimal(10,2) DEFAULT NULL COMMENT 'a, b',
  `at` timestamp NULL DEFAULT NULL,
  `kind` enum('a','b') NOT NULL,
  `more` json DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `by_name` (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"""


def plain(text: str) -> bool:
    script = b"before\n" + text.encode()
    return is_plain(script, (Item(1, "app", 7, len(script), is_data=True),))


@pytest.mark.parametrize(
    "rows",
    [
        "(1,'a',NULL,-2.50,1e10,'2020-01-01 00:00:00')",
        "(1),(2),(3)",
        "('it\\'s','back\\\\','(),;','\\n\\0\\Z\\\"')",
        "('',NULL,'NULL','😀 \n raw break')",
        "\n(1,'a'),\n(2,'b')",
        "(1.5e-07,0,'0000-00-00')",
        "(1,'a');\nINSERT INTO `t` VALUES (2,'b')",
    ],
)
def test_plain_rows_are_read_as_a_file(rows: str) -> None:
    before = "INSERT INTO `t` VALUES" if rows.startswith("\n") else "INSERT INTO `t` VALUES "
    assert plain(before + rows)


@pytest.mark.parametrize(
    "rows",
    [
        "(1,NOW())",
        "(UPPER('x'))",
        "(1+1)",
        "(DEFAULT)",
        "(NULL,NULLIF(1,1))",
        "(_binary 'x')",
        "(0xAB)",
        "(x'AB')",
        "(b'1')",
        "('a' 'b')",
        "('it''s')",
        "('50\\%')",
        "('a\\_b')",
        "('\\N')",
        '("a")',
        "()",
        "(1,)",
        "(1, 2)",
        "(1) ,(2)",
        "(1) -- (2)",
        "(1);\n-- a note (2)\nINSERT INTO `t` VALUES (3)",
        "(1) ON DUPLICATE KEY UPDATE a=1",
        "('open",
        "(1",
    ],
)
def test_whatever_else_stands_there_is_left_to_the_statement(rows: str) -> None:
    assert not plain(f"INSERT INTO `t` VALUES {rows}")


@pytest.mark.parametrize(
    "head", ["INSERT INTO `t` (`id`) VALUES ", "INSERT INTO `a(b` VALUES ", "REPLACE INTO `t` VALUES "]
)
def test_what_names_columns_or_is_no_plain_insert_is_left_to_the_statement(head: str) -> None:
    assert not plain(f"{head}(1)")


def test_a_table_of_numbers_dates_and_texts_is_one_of_plain_values() -> None:
    assert is_table_of_plain_values(CREATE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"bigint unsigned", b"binary(16)"),
        (b"json", b"longblob"),
        (b"json", b"geometry"),
        (b"json", b"bit(1)"),
        (b"json", b"year"),
        (b"CHARACTER SET latin1", b"CHARACTER SET binary"),
        (b"json DEFAULT NULL", b"int GENERATED ALWAYS AS (`id`) VIRTUAL"),
        (b"json DEFAULT NULL", b"int DEFAULT NULL /*!80023 INVISIBLE */"),
        (b"InnoDB", b"MyISAM"),
        (CREATE, b"CREATE TABLE t (a INT)"),
    ],
)
def test_a_table_with_bytes_or_without_rollback_is_none(old: bytes, new: bytes) -> None:
    assert old in CREATE
    assert not is_table_of_plain_values(CREATE.replace(old, new))


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ([], "utf8mb4"),
        ([b"/*!50503 SET NAMES utf8mb4 */", b"SET SQL_MODE='NO_AUTO_VALUE_ON_ZERO'"], "utf8mb4"),
        ([b"/*!40101 SET NAMES utf8 */"], "utf8mb3"),
        ([b"SET NAMES latin1"], None),
        ([b"SET SQL_MODE='NO_BACKSLASH_ESCAPES'"], None),
        ([b"SET sql_mode='ansi'"], None),
    ],
)
def test_the_rows_are_in_the_character_set_of_the_dumps_head(head: list[bytes], expected: str | None) -> None:
    assert charset(head) == expected


def test_the_statement_names_file_table_and_character_set() -> None:
    assert load_statement("/files/one", "`app`.`t`", "utf8mb4") == (
        "LOAD DATA INFILE '/files/one' INTO TABLE `app`.`t` CHARACTER SET utf8mb4 FIELDS TERMINATED BY ','"
        " OPTIONALLY ENCLOSED BY '\\'' ESCAPED BY '\\\\' LINES STARTING BY '(' TERMINATED BY ')'"
    )
