"""What the file system refuses is said: the path, whose it is, the next command."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from devenv.environments.registry import Registry
from devenv.environments.workspace import Workspace
from devenv.errors import OperationError
from tests.fakes import RecordingSink

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.shop import Shop

SOMEBODY = 4711
"""A user id without a name, as whom the tests do not run."""


def refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """From now on nothing can be written."""

    def refused(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refused)
    monkeypatch.setattr(tempfile, "mkstemp", refused)


def enter(workspace: Workspace) -> None:
    with workspace.locked(RecordingSink()):
        pytest.fail("it is not to be entered")


WRITES: dict[str, tuple[str, Callable[[Workspace], object]]] = {
    "lock": ("lock", enter),
    "memory": ("environment.json", lambda workspace: workspace.remember(generation=1)),
    "steady": ("steady.json", lambda workspace: workspace.keep_steady("{}")),
    "secret": ("secret-key", lambda workspace: workspace.make_secret_key()),
    "compose": ("compose.yaml", lambda workspace: workspace.write_compose_file("# ours\n", "# ours\n")),
    "prepare": (".gitignore", lambda workspace: workspace.prepare()),
}


@pytest.mark.parametrize(("file", "write"), WRITES.values(), ids=WRITES)
def test_a_workspace_of_somebody_else_is_named_with_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, write: Callable[[Workspace], object]
) -> None:
    workspace = Workspace(tmp_path)
    workspace.folder.mkdir()
    monkeypatch.setattr(os, "getuid", lambda: SOMEBODY)
    refuse(monkeypatch, errno.EACCES)
    with pytest.raises(OperationError) as caught:
        write(workspace)
    owner = tmp_path.owner()
    folder = tmp_path / ".devenv"
    assert (
        caught.value.message
        == f"cannot write {folder / file}: Permission denied; {folder} belongs to {owner}"
    )
    assert caught.value.hint == f"`sudo chown -R $USER {folder}` makes it yours"
    assert (caught.value.code, caught.value.exit_status) == ("file_unwritable", 1)
    assert caught.value.detail == {"path": str(folder / file), "owner": owner}


def test_a_lock_that_somebody_else_left_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(tmp_path)
    workspace.folder.mkdir()
    (workspace.folder / "lock").touch()
    monkeypatch.setattr(os, "getuid", lambda: SOMEBODY)
    refuse(monkeypatch, errno.EACCES)
    with pytest.raises(OperationError, match=f"lock: Permission denied; it belongs to {tmp_path.owner()}"):
        enter(workspace)


def test_a_user_without_a_name_has_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: SOMEBODY)
    monkeypatch.setattr(Path, "stat", lambda _: os.stat_result((0, 0, 0, 0, SOMEBODY + 1, 0, 0, 0, 0, 0)))
    refuse(monkeypatch, errno.EPERM)
    with pytest.raises(OperationError, match=f"it belongs to user {SOMEBODY + 1}"):
        Workspace(tmp_path).remember(generation=1)


def test_a_checkout_of_somebody_else_is_not_to_be_given_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "getuid", lambda: SOMEBODY)
    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(OperationError) as caught:
        Workspace(tmp_path, "feature-x").prepare()
    folder = tmp_path / ".devenv" / "feature-x"
    assert caught.value.message == (
        f"cannot write {folder}: Permission denied; {tmp_path} belongs to {tmp_path.owner()}"
    )
    assert caught.value.hint == f"make {tmp_path} writable for you, or use a folder that is yours"


@pytest.mark.parametrize(
    ("number", "code", "hint"),
    [
        (
            errno.ENOSPC,
            "disk_full",
            "free some room on the disk that holds FOLDER, then run the command again",
        ),
        (
            errno.EDQUOT,
            "disk_full",
            "free some room on the disk that holds FOLDER, then run the command again",
        ),
        (
            errno.EROFS,
            "file_unwritable",
            "`ls -ld FOLDER` shows what is there: it has to be a folder that you can write to",
        ),
        (
            errno.EACCES,
            "file_unwritable",
            "`ls -ld FOLDER` shows what is there: it has to be a folder that you can write to",
        ),
    ],
)
def test_what_has_nothing_to_do_with_the_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str, hint: str
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid)
    refuse(monkeypatch, number)
    for folder, write in (
        (tmp_path / ".devenv", lambda: Workspace(tmp_path).remember(generation=1)),
        (tmp_path / "state", lambda: Registry(tmp_path / "state").claim("shop", str(tmp_path))),
    ):
        with pytest.raises(OperationError) as caught:
            write()
        assert caught.value.message.startswith(f"cannot write {folder}/")
        assert caught.value.message.endswith(f": {os.strerror(number)}")
        assert (caught.value.code, caught.value.hint) == (code, hint.replace("FOLDER", str(folder)))


def test_a_registry_of_somebody_else_is_named_with_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    monkeypatch.setattr(os, "getuid", lambda: SOMEBODY)
    refuse(monkeypatch, errno.EACCES)
    for attempt in (Registry(tmp_path / "state").locked, Registry(tmp_path / "state").free):
        with pytest.raises(OperationError) as caught, attempt("pool"):
            pytest.fail("it is not to be entered")
        assert caught.value.code == "file_unwritable"
        assert caught.value.message.endswith(f"{tmp_path / 'state'} belongs to {tmp_path.owner()}")
        assert caught.value.hint == f"`sudo chown -R $USER {tmp_path / 'state'}` makes it yours"


def test_a_key_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(tmp_path)
    workspace.make_secret_key()

    def refused(*_: Any, **__: Any) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(OperationError, match=r"cannot read .*/secret-key: Permission denied") as caught:
        workspace.secret_key()
    assert caught.value.code == "file_unreadable"


def test_settings_are_only_a_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(tmp_path)
    workspace.prepare()
    refuse(monkeypatch, errno.ENOSPC)
    workspace.keep_settings("{}")


def test_errors_inside_the_lock_are_not_the_locks(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), Workspace(tmp_path).locked(RecordingSink()):
        raise FileNotFoundError("of the command itself")


@pytest.mark.parametrize("command", [("up",), ("down",), ("reset-db",), ("scale", "taskrunner=2")])
def test_no_command_ends_in_a_traceback(shop: Shop, command: tuple[str, ...]) -> None:
    (shop.root / ".devenv").write_text("in the way")
    found = shop.run(*command, "--json")
    assert found.code == 1
    assert found.error["code"] == "file_unwritable"
    assert found.error["message"] == f"cannot write {shop.root / '.devenv'}: File exists"
