"""What a session finds out about this machine: as whom containers run, and what it may touch."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from devenv.engine.observed import EngineInfo
from devenv.errors import RefusedError
from devenv.events import Event, Status
from devenv.operations.mountpoints import prepare_mountpoints
from devenv.operations.session import user_of_mappings, with_events
from tests.fakes import RecordingSink

if TYPE_CHECKING:
    from devenv.engine.api import ComposeProject
    from tests.shop import Shop

INFO = EngineInfo("26.1.5", "1.45", "memory://")


@pytest.mark.parametrize(
    ("uid", "variables", "rootless", "user"),
    [
        (1000, {}, False, "1000:1001"),
        (1000, {"SUDO_UID": "7", "SUDO_GID": "8"}, False, "1000:1001"),
        (0, {}, False, "0:1001"),
        (0, {"SUDO_UID": "7", "SUDO_GID": "8"}, False, "7:8"),
        (0, {"SUDO_UID": "7"}, False, "7:1001"),
        (0, {"SUDO_UID": "somebody"}, False, "0:1001"),
        (1000, {}, True, "0:0"),
    ],
    ids=["a user", "a user's own variables", "root", "sudo", "sudo without group", "nonsense", "rootless"],
)
def test_containers_write_as_who_runs_devenv(
    monkeypatch: pytest.MonkeyPatch, uid: int, variables: dict[str, str], *, rootless: bool, user: str
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: uid)
    monkeypatch.setattr(os, "getgid", lambda: 1001)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert user_of_mappings(replace(INFO, rootless=rootless)) == user


def test_without_user_ids_the_engine_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "getuid")
    assert user_of_mappings(INFO) is None


def test_a_session_can_speak_to_somebody_else(shop: Shop) -> None:
    other = RecordingSink()
    with_events(shop.session(), other).events.emit(Event("x", Status.DONE, "y"))
    assert (other.lines, shop.sink.lines) == (["done x: y"], [])


def test_each_environments_own_services_have_their_paths_from_the_projects_folder(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[ComposeProject] = []
    create = shop.engine.create

    def noted(project: ComposeProject, *arguments: Any, **options: Any) -> None:
        made.append(project)
        create(project, *arguments, **options)

    monkeypatch.setattr(shop.engine, "create", noted)
    shop.run("up").ok()
    shop.run("--env", "two", "up").ok()
    assert {one.folder for one in made} == {shop.root}
    assert {one.name: one.file for one in made} == {
        "shop": shop.root / ".devenv" / "compose.yaml",
        "shop-two": shop.root / ".devenv" / "two" / "compose.yaml",
    }


def test_a_container_of_this_folder_by_another_path_is_ours(shop: Shop, tmp_path: Path) -> None:
    shop.up()
    link = tmp_path / "link"
    link.symlink_to(shop.root)
    for container in shop.engine.containers.values():
        container.labels = {**container.labels, "devenv.worktree": str(link)}
    assert shop.session().observe().containers


def test_a_container_of_a_folder_at_which_we_may_not_look_is_somebody_elses(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.up()
    for container in shop.engine.containers.values():
        container.labels = {**container.labels, "devenv.worktree": "/root/shop"}

    is_dir = Path.is_dir

    def refused(path: Path) -> bool:
        if str(path) == "/root/shop":
            raise PermissionError(13, "Permission denied", str(path))
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", refused)
    session = shop.session()
    with pytest.raises(RefusedError):
        session.observe()


def test_mapped_folders_are_absolute(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/dev")
    shop.configure('["./app:/opt/app"]', '["./app:/opt/app", "~/lib:/opt/lib", "/srv/x:/opt/x"]')
    folders = shop.session().mapped_folders
    assert folders == (shop.root / "app", Path("/home/dev/lib"), Path("/srv/x"))


def test_folders_below_a_mapping_are_made_once(shop: Shop) -> None:
    session = shop.session()
    project = session.project({}, 1, INFO)
    (shop.root / ".devenv").mkdir()
    (shop.root / ".devenv/marker.sql").touch()
    prepare_mountpoints(session, project)
    folder = shop.root / "app/generated_content"
    (folder / "file").touch()
    prepare_mountpoints(session, project)
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_folders_below_a_mapping_belong_to_who_called_sudo(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = shop.session()
    owners: list[tuple[str, int, int]] = []
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, uid, gid: owners.append((path.name, uid, gid)))
    monkeypatch.setenv("SUDO_UID", "7")
    monkeypatch.setenv("SUDO_GID", "8")
    (shop.root / ".devenv").mkdir()
    (shop.root / ".devenv/marker.sql").touch()
    prepare_mountpoints(session, session.project({}, 1, INFO))
    assert owners == [("generated_content", 7, 8)]
