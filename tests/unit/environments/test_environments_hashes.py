"""When a remembered hash may be believed."""

from __future__ import annotations

import errno
import os
import tempfile
import time
from typing import TYPE_CHECKING

import pytest

from devenv.environments.hashes import WORTH_BYTES, ContentHashes

if TYPE_CHECKING:
    from pathlib import Path

LONG_AGO_NS = 10**18


@pytest.fixture
def hashed() -> list[str]:
    """The contents of which somebody computed a hash."""
    return []


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(time, "time_ns", lambda: 2**62)  # whatever was written was written long ago
    path = tmp_path / "dump.sql"
    path.write_text("a" * WORTH_BYTES)
    return path


def ask(tmp_path: Path, path: Path, hashed: list[str]) -> str:
    def compute(path: Path) -> str:
        hashed.append(path.read_text()[:1])
        return f"hash of {hashed[-1]}"

    return ContentHashes(tmp_path / "hashes.json").of(path, compute)


def test_a_large_file_is_read_once(tmp_path: Path, file: Path, hashed: list[str]) -> None:
    assert [ask(tmp_path, file, hashed) for _ in range(3)] == ["hash of a"] * 3
    assert hashed == ["a"]


def test_what_cannot_be_remembered_is_computed_again(
    tmp_path: Path, file: Path, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkstemp", full)
    assert [ask(tmp_path, file, hashed) for _ in range(2)] == ["hash of a"] * 2
    assert hashed == ["a", "a"]


def test_a_small_file_is_not_worth_remembering(tmp_path: Path, file: Path, hashed: list[str]) -> None:
    file.write_text("a")
    assert [ask(tmp_path, file, hashed) for _ in range(2)] == ["hash of a"] * 2
    assert hashed == ["a", "a"]
    assert not (tmp_path / "hashes.json").exists()


def test_a_file_of_the_same_size_with_its_old_time_put_back(
    tmp_path: Path, file: Path, hashed: list[str]
) -> None:
    os.utime(file, ns=(LONG_AGO_NS, LONG_AGO_NS))
    ask(tmp_path, file, hashed)
    file.write_text("b" * WORTH_BYTES)
    os.utime(file, ns=(LONG_AGO_NS, LONG_AGO_NS))
    assert ask(tmp_path, file, hashed) == "hash of b"


def test_another_file_under_the_same_name(tmp_path: Path, file: Path, hashed: list[str]) -> None:
    ask(tmp_path, file, hashed)
    (tmp_path / "other").write_text("b" * WORTH_BYTES)
    (tmp_path / "other").replace(file)
    assert ask(tmp_path, file, hashed) == "hash of b"


def test_a_file_that_was_just_written_may_change_within_the_clocks_tick(
    tmp_path: Path, file: Path, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: file.stat().st_mtime_ns + 10**9)
    assert [ask(tmp_path, file, hashed) for _ in range(2)] == ["hash of a"] * 2
    assert hashed == ["a", "a"]


@pytest.mark.parametrize("text", ["", "[]", '{"x": 1}', '{"FILE": 5}', '{"FILE": [1, 2]}'])
def test_a_damaged_memory_is_none(tmp_path: Path, file: Path, hashed: list[str], text: str) -> None:
    (tmp_path / "hashes.json").write_text(text.replace("FILE", str(file)))
    assert [ask(tmp_path, file, hashed) for _ in range(2)] == ["hash of a"] * 2
    assert hashed == ["a"]
