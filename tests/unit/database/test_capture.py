"""The scripts that copy a server's files, in a shell and on folders of this machine."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from devenv.database.capture import (
    CLOCK_SECONDS,
    COPY_AHEAD_SCRIPT,
    COPY_CHANGED_SCRIPT,
    ROOM_SCRIPT,
    SETTLE_ROOM,
    SOURCE,
    Files,
)
from devenv.database.snapshots import DATA, ROOT
from devenv.errors import OperationError
from tests.fakes import FakeEngine

if TYPE_CHECKING:
    from pathlib import Path

LONG_AGO = 1_000_000_000


class Folders:
    """A server's files, and a snapshot's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source, self.root = folder / "source", folder / "root"
        self.source.mkdir()
        self.root.mkdir()

    def write(self, name: str, text: str, *, old: bool = False) -> None:
        """Write a file of the server's; an old one was last written to before anybody copied."""
        path = self.source / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        if old:
            os.utime(path, (LONG_AGO, LONG_AGO))

    def run(self, script: str, **environment: str) -> str:
        """What the script prints."""
        script = script.replace("/tmp/", f"{self.folder}/").replace(ROOT, str(self.root))
        argv = ["sh", "-c", script.replace(SOURCE, str(self.source))]
        done = subprocess.run(
            argv, env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def copied(self) -> dict[str, str | None]:
        """What the snapshot has; None is a folder."""
        data = self.root / DATA
        return {
            str(path.relative_to(data)): None if path.is_dir() else path.read_text()
            for path in data.rglob("*")
        }


def test_what_a_server_changes_while_its_files_are_copied_is_in_the_copy(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    for name in ("ibdata1", "app/left alone", "app/changed", "app/dropped", "gone/table"):
        folders.write(name, "before", old=True)
    since = int(folders.run(COPY_AHEAD_SCRIPT).split()[0]) - CLOCK_SECONDS
    # Who copies it again is told by this: its time says that nobody wrote to it.
    (folders.root / DATA / "app/left alone").write_text("of the first copy")

    folders.write("app/changed", "after!")
    folders.write("app/dropped", "no longer")
    (folders.source / "app/dropped").unlink()
    folders.write("app/renamed", "old content", old=True)
    folders.write("new/table", "new")
    (folders.source / "empty").mkdir()
    (folders.source / "gone/table").unlink()
    (folders.source / "gone").rmdir()
    folders.run(COPY_CHANGED_SCRIPT, SINCE=str(since))

    assert folders.copied() == {
        "ibdata1": "before",
        "app": None,
        "app/left alone": "of the first copy",
        "app/changed": "after!",
        "app/renamed": "old content",
        "new": None,
        "new/table": "new",
        "empty": None,
    }


def test_where_nothing_changed_nothing_is_copied_again(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.write("ibdata1", "before", old=True)
    since = int(folders.run(COPY_AHEAD_SCRIPT).split()[0]) - CLOCK_SECONDS
    (folders.root / DATA / "ibdata1").write_text("of the first copy")

    folders.run(COPY_CHANGED_SCRIPT, SINCE=str(since))

    assert folders.copied() == {"ibdata1": "of the first copy"}


def test_data_that_have_no_room_twice_are_not_copied() -> None:
    engine = FakeEngine()
    engine.add_image("mysql:8.4")
    files = Files(engine, "mysql:8.4", "shop-database-save", "shop_database_1", "devenv_snapshot_1_data")
    engine.answer(re.escape(ROOM_SCRIPT), f"5000\n{5000 + SETTLE_ROOM}\n")
    files.check_room()
    engine.answer(re.escape(ROOM_SCRIPT), f"5000\n{4999 + SETTLE_ROOM}\n")
    with pytest.raises(OperationError) as caught:
        files.check_room()
    assert caught.value.code == "disk_full"
