"""The single file: what goes in comes out, and whatever is done to it in between is found before it counts."""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devenv.database.archive import (
    DIGEST_BYTES,
    FORMAT,
    START,
    TRAILER,
    Manifest,
    body,
    difference,
    open_archive,
    write_archive,
)
from devenv.errors import DevenvError, OperationError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DIGEST = hashlib.sha256(b"x").hexdigest()
MANIFEST = Manifest(
    key="0123456789abcdef",
    bytes=12345,
    server="9.7.4-2",
    created="2026-11-23T07:00:00+00:00",
    origin="save",
    name="before-migration",
    inputs={"image": "sha256:1"},
    files={"./ibdata1": DIGEST, "./app/t.ibd": DIGEST},
)
TAR = [os.urandom(70_000), b"", b"zeros" + bytes(200_000), b"end"]


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    file = tmp_path / "data.snap"
    write_archive(file, MANIFEST, TAR)
    return file


def test_what_was_written_comes_back(whole: Path) -> None:
    archive = open_archive(whole)

    assert archive.manifest == MANIFEST
    assert b"".join(body(archive)) == b"".join(TAR)
    assert whole.stat().st_size < 100_000, "compressed"


@given(pieces=st.lists(st.binary(max_size=5000), max_size=5))
def test_any_stream_comes_back(tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]) -> None:
    file = tmp_path_factory.mktemp("any") / "data.snap"
    write_archive(file, MANIFEST, pieces)
    assert b"".join(body(open_archive(file))) == b"".join(pieces)


def _parts(file: Path) -> dict[str, int]:
    """A place in every part of the file."""
    size = file.stat().st_size
    length = START.unpack(file.read_bytes()[: START.size])[2]
    header = START.size + length
    return {
        "magic": 3,
        "version": 19,
        "length": 22,
        "manifest": START.size + 10,
        "last of the manifest": header - 1,
        "checksum of the manifest": header + 5,
        "start of the body": header + DIGEST_BYTES,
        "body": (header + size) // 2,
        "last of the body": size - TRAILER.size - 1,
        "end": size - TRAILER.size + 2,
        "size": size - DIGEST_BYTES - 1,
        "checksum": size - 1,
    }


PARTS = (
    "magic",
    "version",
    "length",
    "manifest",
    "last of the manifest",
    "checksum of the manifest",
    "start of the body",
    "body",
    "last of the body",
    "end",
    "size",
    "checksum",
)


@pytest.mark.parametrize("part", PARTS)
def test_a_flipped_bit_is_found(whole: Path, part: str) -> None:
    place = _parts(whole)[part]
    content = bytearray(whole.read_bytes())
    content[place] ^= 1
    whole.write_bytes(content)

    with pytest.raises(DevenvError) as caught:
        open_archive(whole)
    assert caught.value.code == ("archive_foreign" if part in {"magic", "version"} else "archive_damaged")
    assert caught.value.where == str(whole)
    assert caught.value.hint


def test_a_file_cut_off_anywhere_is_found(whole: Path) -> None:
    content = whole.read_bytes()
    for length in [*range(0, len(content), 97), *range(len(content) - 60, len(content))]:
        whole.write_bytes(content[:length])
        with pytest.raises(DevenvError):
            open_archive(whole)


def test_a_file_with_something_behind_it_is_found(whole: Path) -> None:
    whole.write_bytes(whole.read_bytes() + b"\0")
    with pytest.raises(OperationError, match="cut off"):
        open_archive(whole)


def test_another_version_of_the_format_is_refused_by_number(whole: Path) -> None:
    content = bytearray(whole.read_bytes())
    content[16:20] = struct.pack(">I", FORMAT + 1)
    whole.write_bytes(content)
    with pytest.raises(RefusedError, match=f"version {FORMAT + 1} .* reads version {FORMAT}"):
        open_archive(whole)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", b"devenv", b"devenv-snapshot\n"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "other"
    file.write_bytes(content)
    with pytest.raises(RefusedError) as caught:
        open_archive(file)
    assert caught.value.exit_status == 6


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="No such file"):
        open_archive(tmp_path / "none")


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "../../etc/passwd"},
        {"key": "0123456789ABCDEF"},
        {"bytes": -1},
        {"bytes": "12"},
        {"bytes": True},
        {"server": 9},
        {"files": {}},
        {"files": {"./ibdata1": "none"}},
        {"files": ["./ibdata1"]},
        {"inputs": None},
        {"more": 1},
    ],
)
def test_a_manifest_of_other_fields_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="its "):
        Manifest.of(asdict(MANIFEST) | changes)


def test_a_manifest_without_a_field_is_refused() -> None:
    raw = asdict(MANIFEST)
    del raw["origin"]
    with pytest.raises(ValueError, match="its fields"):
        Manifest.of(raw)


def test_a_body_that_is_no_zstd_is_found_when_it_is_read(whole: Path) -> None:
    archive = open_archive(whole)
    with pytest.raises(OperationError, match="damaged"):
        list(body(replace(archive, length=archive.length - 4)))
    with pytest.raises(OperationError, match="damaged"):
        list(body(replace(archive, offset=archive.offset + 1, length=archive.length - 1)))


def _breaks_off() -> Iterator[bytes]:
    yield b"some"
    raise OperationError("tar ended", code="command_failed")


def test_a_stream_that_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "data.snap"
    file.write_text("precious")
    with pytest.raises(OperationError, match="tar ended"):
        write_archive(file, MANIFEST, _breaks_off())
    assert [path.name for path in tmp_path.iterdir()] == ["data.snap"]
    assert file.read_text() == "precious"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match=r"cannot write .*none/data\.snap: No such file"):
        write_archive(tmp_path / "none" / "data.snap", MANIFEST, TAR)


def test_the_difference_between_files_is_named() -> None:
    files = {"./a": "1", "./b": "2"}
    assert difference(files, dict(files)) is None
    assert difference(files, {"./a": "1", "./c": "2"}) == "1 files missing: ./b; 1 files too many: ./c"
    assert difference(files, {"./a": "1", "./b": "3"}) == "1 files changed: ./b"
    many = {f"./{number}": "1" for number in range(5)}
    assert difference(many, {}) == "5 files missing: ./0, ./1, ./2 ..."
