"""Files that devenv makes belong to the developer, also when he called it by sudo."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from devenv.environments.caller import caller, hand_over
from devenv.environments.registry import Registry
from devenv.environments.workspace import Workspace
from tests.fakes import RecordingSink


@pytest.fixture
def owners(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    """Who called sudo is 4711:4712; what is given away is noted, and not done: we may not be root."""
    given: dict[str, tuple[int, int]] = {}
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, uid, gid: given.__setitem__(Path(path).name, (uid, gid)))
    monkeypatch.setenv("SUDO_UID", "4711")
    monkeypatch.setenv("SUDO_GID", "4712")
    return given


def test_who_called_is_who_called_sudo(owners: dict[str, tuple[int, int]]) -> None:
    assert caller() == (4711, 4712)
    assert owners == {}


def test_without_sudo_it_is_who_runs_devenv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(os, "getgid", lambda: 1001)
    monkeypatch.setenv("SUDO_UID", "4711")
    assert caller() == (1000, 1001)


def test_what_is_the_developers_already_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid or 1)
    monkeypatch.setattr(os, "chown", lambda *_: pytest.fail("nothing is to be given away"))
    if tmp_path.stat().st_uid == 0:
        monkeypatch.setattr(Path, "stat", lambda _: os.stat_result((0, 0, 0, 0, 1, 0, 0, 0, 0, 0)))
    hand_over(tmp_path)


def test_without_user_ids_nothing_is_given_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "getuid")
    monkeypatch.setattr(os, "chown", lambda *_: pytest.fail("nothing is to be given away"))
    hand_over(tmp_path)


def test_only_root_gives_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    monkeypatch.setattr(os, "chown", lambda *_: pytest.fail("nothing is to be given away"))
    hand_over(tmp_path)


def test_root_takes_nothing_from_a_developer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(Path, "stat", lambda _: os.stat_result((0, 0, 0, 0, 4711, 0, 0, 0, 0, 0)))
    monkeypatch.setattr(os, "chown", lambda *_: pytest.fail("nothing is to be taken"))
    hand_over(tmp_path)


def test_a_file_system_without_owners_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(os, "chown", refuse)
    monkeypatch.setenv("SUDO_UID", "4711")
    hand_over(tmp_path)


def test_all_of_the_registry_is_handed_over(tmp_path: Path, owners: dict[str, tuple[int, int]]) -> None:
    Registry(tmp_path / "state").claim("shop", str(tmp_path))
    made = {"state", "environments.json", "environments.lock"}
    assert owners == dict.fromkeys(made, (4711, 4712))


def test_all_of_the_workspace_is_handed_over(tmp_path: Path, owners: dict[str, tuple[int, int]]) -> None:
    workspace = Workspace(tmp_path, "feature-x")
    workspace.prepare()
    workspace.remember(generation=1)
    workspace.write_compose_file("# ours\n", "# ours\n")
    with workspace.locked(RecordingSink()):
        pass
    made = {".devenv", "feature-x", "lock", ".gitignore", "marker.sql", "environment.json", "compose.yaml"}
    assert owners == dict.fromkeys(made, (4711, 4712))
