"""`.devenv/`: what is written is whole, what is read may be anything."""

from __future__ import annotations

import json
import os
import stat
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from devenv.environments.files import write_atomically
from devenv.environments.workspace import MARKER_SQL, Former, Memory, Workspace
from devenv.errors import RefusedError
from tests.fakes import RecordingSink

if TYPE_CHECKING:
    from devenv.events import Event

MARK = "# ours\n"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_the_folder_is_prepared_and_ignored_by_git(tmp_path: Path) -> None:
    Workspace(tmp_path).prepare()
    assert (tmp_path / ".devenv/.gitignore").read_text() == "*\n"
    assert (tmp_path / ".devenv/marker.sql").read_text() == MARKER_SQL


def test_preparing_again_writes_nothing(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.prepare()
    before = workspace.marker_file.stat()
    workspace.prepare()
    assert workspace.marker_file.stat().st_ino == before.st_ino


def test_a_damaged_file_is_mended(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.prepare()
    workspace.marker_file.write_text("half of")
    workspace.prepare()
    assert workspace.marker_file.read_text() == MARKER_SQL


def test_a_named_environment_has_its_own_folder(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, "feature-x")
    workspace.prepare()
    workspace.remember(generation=3)
    assert workspace.compose_file == tmp_path / ".devenv/feature-x/compose.yaml"
    assert (tmp_path / ".devenv/.gitignore").exists()
    assert not (tmp_path / ".devenv/feature-x/.gitignore").exists()
    assert Workspace(tmp_path).recall() == Memory()


FORMER = (Former(1, "def", 4096), Former(4, ""))


def test_what_is_remembered_is_recalled(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.remember(project="shop", ports={"database.port": 4000}, pulled=("mysql:8.4",))
    workspace.remember(generation=2, snapshot="abc", former=FORMER, spare=5, scale={"taskrunner": 4})
    memory = Workspace(tmp_path).recall()
    assert memory == Memory(
        "shop", {"database.port": 4000}, 2, "abc", FORMER, 5, {"taskrunner": 4}, ("mysql:8.4",)
    )


def test_nothing_is_remembered_at_first(tmp_path: Path) -> None:
    assert Workspace(tmp_path).recall() == Memory()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe"])
def test_a_damaged_memory_is_an_empty_one(tmp_path: Path, content: bytes) -> None:
    workspace = Workspace(tmp_path)
    workspace.prepare()
    (workspace.folder / "environment.json").write_bytes(content)
    assert workspace.recall() == Memory()
    assert workspace.remember(generation=1).generation == 1


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ({"project": 7}, Memory()),
        ({"ports": [1]}, Memory()),
        ({"ports": {"a": 1, "b": "x", "c": None}}, Memory(ports={"a": 1})),
        ({"ports": {"a": 0, "b": 65536, "c": -1, "d": 65535}}, Memory(ports={"d": 65535})),
        ({"generation": "3"}, Memory()),
        ({"generation": None}, Memory()),
        ({"snapshot": None}, Memory()),
        ({"snapshot": ["abc"]}, Memory()),
        ({"former": None}, Memory()),
        ({"former": 7}, Memory()),
        ({"former": "ab"}, Memory()),
        ({"former": {"1": "abc"}}, Memory()),
        (
            {"former": [[1, "abc"], [2], [3, "x", "y"], ["4", "z"], [5, None], 6, None]},
            Memory(former=(Former(1, "abc"),)),
        ),
        (
            {
                "former": [
                    {"generation": 1, "snapshot": "abc", "at_most": -1},
                    {"generation": 2, "snapshot": "def", "at_most": 0},
                    {"generation": "3", "snapshot": "ghi"},
                    {"generation": 4},
                ]
            },
            Memory(former=(Former(1, "abc"), Former(2, "def", 0))),
        ),
        ({"seed_key": "of an older devenv"}, Memory()),
        ({"pulled": None}, Memory()),
        ({"pulled": 7}, Memory()),
        ({"pulled": "mysql:8.4"}, Memory()),
        ({"pulled": ["mysql:8.4", None]}, Memory(pulled=("mysql:8.4",))),
        ({"scale": 3}, Memory()),
        ({"scale": {"a": 0, "b": -1, "c": "2", "d": True, "e": 7}}, Memory(scale={"a": 0, "e": 7})),
        ({"unknown": 1}, Memory()),
    ],
)
def test_what_does_not_fit_is_forgotten(raw: dict[str, Any], found: Memory) -> None:
    assert Memory.of(raw) == found


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(list(asdict(Memory()))), JSON))
def test_no_memory_is_too_damaged(raw: dict[str, Any]) -> None:
    memory = Memory.of(raw)
    assert Memory.of(json.loads(json.dumps(asdict(memory)))) == memory


def test_the_generated_file_is_written_only_when_it_changes(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert workspace.write_compose_file(f"{MARK}one", MARK) is True
    inode = workspace.compose_file.stat().st_ino
    assert workspace.write_compose_file(f"{MARK}one", MARK) is False
    assert workspace.compose_file.stat().st_ino == inode
    assert workspace.write_compose_file(f"{MARK}two", MARK) is True
    assert workspace.compose_file.read_text() == f"{MARK}two"


@pytest.mark.parametrize("foreign", ["services: {}\n", "", "\n# ours\n", " # ours\n"])
def test_a_file_that_is_not_ours_is_never_written_over(tmp_path: Path, foreign: str) -> None:
    workspace = Workspace(tmp_path)
    workspace.prepare()
    workspace.compose_file.write_text(foreign)
    with pytest.raises(RefusedError) as caught:
        workspace.write_compose_file(f"{MARK}one", MARK)
    assert caught.value.where == ".devenv/compose.yaml"
    assert caught.value.hint == (
        "move it away (`mv .devenv/compose.yaml .devenv/compose.yaml.mine`) and run the command again"
    )
    assert workspace.compose_file.read_text() == foreign


def test_a_crash_before_the_last_step_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    write_atomically(file, "old")

    def crash(self: Path, target: Path) -> Path:
        assert self.read_text() == "new", "the new file is whole before it takes the old one's place"
        assert target == file
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(file, "new")
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    write_atomically(file, "old")

    def full(handle: int) -> None:
        raise OSError(28, f"No space left on device: {handle}")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(file, "new")
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_written_file_can_be_read_by_the_containers_users(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_atomically(tmp_path / "very" / "deep" / "file", "text ✓\n")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "very/deep/file").stat().st_mode) == 0o644
    assert (tmp_path / "very/deep/file").read_bytes() == "text ✓\n".encode()


class ReleasingSink(RecordingSink):
    """Lets the other command end as soon as somebody says that it waits."""

    def __init__(self, release: threading.Event) -> None:
        super().__init__()
        self.release = release

    def emit(self, event: Event) -> None:
        super().emit(event)
        self.release.set()


def test_a_second_command_waits_for_the_first_and_says_so(tmp_path: Path) -> None:
    workspace, release, held = Workspace(tmp_path), threading.Event(), threading.Event()
    workspace.prepare()

    def other() -> None:
        with FileLock(workspace.folder / "lock"):
            held.set()
            assert release.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    assert held.wait(10)
    sink = ReleasingSink(release)
    with workspace.locked(sink):
        assert sink.lines == [
            "working devenv: waiting for another devenv command on this environment",
            "done devenv: the other command has ended",
        ]
    thread.join()


def test_a_free_environment_is_not_waited_for(tmp_path: Path) -> None:
    sink = RecordingSink()
    with Workspace(tmp_path).locked(sink):
        pass
    with Workspace(tmp_path).locked(sink):
        pass
    assert sink.lines == []


def test_the_lock_is_given_back_after_a_failure(tmp_path: Path) -> None:
    workspace, sink = Workspace(tmp_path), RecordingSink()

    def fail() -> None:
        with workspace.locked(sink):
            raise RefusedError("no")

    with pytest.raises(RefusedError):
        fail()
    with workspace.locked(sink):
        assert sink.lines == []


def test_a_file_in_place_of_the_generated_one_is_not_ours_whatever_it_holds(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.prepare()
    workspace.compose_file.write_bytes(b"\xff\xfe\x00")
    workspace.marker_file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RefusedError):
        workspace.write_compose_file(MARK, MARK)
    workspace.prepare()
    assert workspace.marker_file.read_text().startswith("-- Generated")
