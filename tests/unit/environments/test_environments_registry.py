"""The file that all environments of a user share."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from devenv.environments.registry import Registry

CLAIMS = 12


def claim_many(state: Path, root: Path, worker: int) -> None:
    """Claim the same name for one folder after the other; runs in a process of its own."""
    registry = Registry(state)
    for number in range(CLAIMS):
        folder = root / f"{worker}-{number}"
        folder.mkdir()
        registry.claim("shop", str(folder))


def test_two_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    # fork: nothing has to be imported again
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=claim_many, args=(tmp_path / "state", tmp_path, one)) for one in (1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=30)
    assert [worker.exitcode for worker in workers] == [0, 0]
    projects = Registry(tmp_path / "state").projects()
    assert set(projects) == {"shop", *(f"shop-{number}" for number in range(2, 2 * CLAIMS + 1))}
    assert len(set(projects.values())) == 2 * CLAIMS


def test_a_claim_is_remembered(tmp_path: Path) -> None:
    assert Registry(tmp_path / "state").claim("shop", str(tmp_path)) == "shop"
    assert Registry(tmp_path / "state").projects() == {"shop": str(tmp_path)}


def test_a_claim_that_stands_writes_nothing(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "state")
    registry.claim("shop", str(tmp_path))
    before = (tmp_path / "state/environments.json").stat().st_mtime_ns
    registry.claim("shop", str(tmp_path))
    assert (tmp_path / "state/environments.json").stat().st_mtime_ns == before


def test_a_name_becomes_free_when_its_folder_goes(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "state")
    gone = tmp_path / "gone"
    gone.mkdir()
    registry.claim("shop", str(gone))
    gone.rmdir()
    assert registry.claim("shop", str(tmp_path)) == "shop"


def test_a_folder_by_another_path_is_no_other(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "state")
    folder, link = tmp_path / "shop", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    registry.claim("shop", str(link))
    assert registry.claim("shop", str(folder)) == "shop"
    assert registry.projects() == {"shop": str(folder)}


def test_a_folder_at_which_we_may_not_look_keeps_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(tmp_path / "state")
    registry.claim("shop", "/root/shop")
    is_dir = Path.is_dir

    def refused(path: Path) -> bool:
        if str(path) == "/root/shop":
            raise PermissionError(13, "Permission denied", str(path))
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", refused)
    assert registry.claim("shop", str(tmp_path)) == "shop-2"


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "7", '"text"', "\x00"])
def test_a_damaged_file_counts_as_empty_and_is_replaced(tmp_path: Path, content: str) -> None:
    registry = Registry(tmp_path)
    (tmp_path / "environments.json").write_text(content)
    assert registry.projects() == {}
    assert registry.claim("shop", str(tmp_path)) == "shop"
    assert json.loads((tmp_path / "environments.json").read_text()) == {"shop": str(tmp_path)}


def test_bytes_that_are_no_text_count_as_empty(tmp_path: Path) -> None:
    (tmp_path / "environments.json").write_bytes(b"\xff\xfe")
    assert Registry(tmp_path).projects() == {}


def test_values_of_the_wrong_kind_harm_nobody(tmp_path: Path) -> None:
    (tmp_path / "environments.json").write_text('{"shop": 7, "other": null, "third": ["x"]}')
    assert Registry(tmp_path).claim("shop", str(tmp_path)) == "shop"


def test_it_lies_in_the_users_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    Registry().claim("shop", str(tmp_path))
    assert (tmp_path / "elsewhere/devenv/environments.json").exists()
