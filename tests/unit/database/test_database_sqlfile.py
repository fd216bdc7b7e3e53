"""SQL files: every compression, damage of every kind, and where in the text an error lies."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
from typing import TYPE_CHECKING

import pytest
import zstandard

from devenv.database.sqlfile import CHUNK, chunks, first_error, opened, statement_at
from devenv.errors import SeedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Half of it does not compress, so that there is something to damage in the middle.
SQL = b"INSERT INTO campaign VALUES (1, 'Gr\xc3\xb6\xc3\x9fe');\n" * 500 + random.Random(1).randbytes(50_000)

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,  # as the program zstd does
}
CHECKED = [ending for ending in COMPRESSIONS if ending]


def without_size(data: bytes) -> bytes:
    """As `zstd` writes what comes through a pipe: the frame does not say how long the content is."""
    compressor = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return compressor.compress(data) + compressor.flush()


def written(folder: Path, ending: str, content: bytes) -> Path:
    file = folder / f"dump.sql{ending}"
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("ending", COMPRESSIONS)
def test_every_compression_gives_the_text(tmp_path: Path, ending: str) -> None:
    assert b"".join(chunks(written(tmp_path, ending, COMPRESSIONS[ending](SQL)))) == SQL


@pytest.mark.parametrize("ending", CHECKED)
def test_files_may_be_put_together_of_several(tmp_path: Path, ending: str) -> None:
    compress = COMPRESSIONS[ending]
    assert (
        b"".join(chunks(written(tmp_path, ending, compress(b"one;\n") + compress(b"two;\n"))))
        == b"one;\ntwo;\n"
    )


@pytest.mark.parametrize("ending", COMPRESSIONS)
def test_an_empty_seed_is_empty(tmp_path: Path, ending: str) -> None:
    assert b"".join(chunks(written(tmp_path, ending, COMPRESSIONS[ending](b"")))) == b""


def test_a_long_file_comes_in_pieces(tmp_path: Path) -> None:
    sizes = [len(piece) for piece in chunks(written(tmp_path, ".gz", gzip.compress(b"x" * (2 * CHUNK + 1))))]
    assert sum(sizes) == 2 * CHUNK + 1
    assert max(sizes) <= CHUNK


def middle_damaged(data: bytes) -> bytes:
    half = len(data) // 2
    return data[:half] + bytes(byte ^ 0xFF for byte in data[half : half + 40]) + data[half + 40 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "the end is missing": lambda data: data[: len(data) // 2],
    "the last byte is missing": lambda data: data[:-1],
    "the middle is damaged": middle_damaged,
    "it is something else": lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("ending", CHECKED)
def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path, ending: str, damage: str) -> None:
    file = written(tmp_path, ending, DAMAGES[damage](COMPRESSIONS[ending](SQL)))
    with pytest.raises(SeedError, match=rf"cannot read dump\.sql\{ending}: ") as caught:
        b"".join(chunks(file))
    assert caught.value.code == "seed_failed"
    assert caught.value.hint == "fetch the file again; `git lfs pull` if it is kept there"


@pytest.mark.parametrize("at", range(14, 200, 11))
def test_no_damage_to_gzip_is_a_defect_of_ours(tmp_path: Path, at: int) -> None:
    data = bytearray(gzip.compress(SQL))
    data[at] ^= 0xFF
    with pytest.raises(SeedError):
        b"".join(chunks(written(tmp_path, ".gz", bytes(data))))


@pytest.mark.parametrize("cut", [1, 100, 20_000])
def test_a_frame_without_size_that_ends_early_is_an_error(tmp_path: Path, cut: int) -> None:
    whole = without_size(SQL)
    assert b"".join(chunks(written(tmp_path, ".zst", whole))) == SQL
    with pytest.raises(SeedError, match="cannot read"):
        b"".join(chunks(written(tmp_path, ".zst", whole[:-cut])))


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SeedError, match=r"cannot read missing\.sql\.gz"):
        list(chunks(tmp_path / "missing.sql.gz"))
    (tmp_path / "folder.sql").mkdir()
    with pytest.raises(SeedError, match=r"cannot read folder\.sql"):
        list(chunks(tmp_path / "folder.sql"))


def test_an_error_of_the_reader_stays_his(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), opened(written(tmp_path, "", SQL)):
        raise ZeroDivisionError


@pytest.mark.parametrize("ending", COMPRESSIONS)
def test_the_statement_at_a_line(tmp_path: Path, ending: str) -> None:
    file = written(tmp_path, ending, COMPRESSIONS[ending](b"first;\n\n  second\n(two lines);\n\xff;"))
    assert [statement_at(file, line) for line in range(1, 8)] == [
        "first;",
        "",
        "second",
        "(two lines);",
        "\ufffd;",
        "",
        "",
    ]


def test_a_long_statement_is_shortened(tmp_path: Path) -> None:
    assert statement_at(written(tmp_path, "", b"x" * 1000), 1) == "x" * 300 + " ..."


@pytest.mark.parametrize(
    ("output", "found"),
    [
        (
            "ERROR 1146 (42S02) at line 12: Table 'app.nothing' doesn't exist\n",
            (12, "ERROR 1146 (42S02): Table 'app.nothing' doesn't exist"),
        ),
        (
            "mysql: [Warning] insecure\nERROR 1064 (42000) at line 3: near 'ß: x' at line 1\nERROR 2 (HY000) at line 9: b",
            (3, "ERROR 1064 (42000): near 'ß: x' at line 1"),
        ),
        (
            "ERROR 1062 (23000) at line 7 in file: '/tmp/x.sql': Duplicate entry",
            (7, "ERROR 1062 (23000): '/tmp/x.sql': Duplicate entry"),
        ),
        ("ERROR 2003 (HY000): Can't connect to MySQL server on '127.0.0.1:3306' (111)", None),
        ("no ERROR 1 (x) at line 1: here", None),
        ("", None),
    ],
)
def test_the_first_error_of_the_client(output: str, found: tuple[int, str] | None) -> None:
    assert first_error(output) == found
