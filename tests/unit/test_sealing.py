"""Tests start sealed and leave no trace: what all others rely on."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import needs_engine
from tests.sealing import no_traces

TESTS = Path(__file__).resolve().parent.parent


def set_variable() -> None:
    os.environ["LEFT_BEHIND"] = "1"


def change_variable() -> None:
    os.environ["HOME"] = "/elsewhere"


def remove_variable() -> None:
    del os.environ["HOME"]


def change_folder() -> None:
    os.chdir("/")


@pytest.mark.parametrize("leak", [set_variable, change_variable, remove_variable, change_folder])
def test_a_test_that_leaves_a_trace_fails_and_the_trace_goes(leak: object) -> None:
    assert callable(leak)
    before = dict(os.environ), Path.cwd()
    with pytest.raises(pytest.fail.Exception, match="the test left traces"), no_traces():
        leak()
    assert (dict(os.environ), Path.cwd()) == before


def test_a_test_that_removes_the_folder_it_stands_in_fails(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    def move_in_and_remove() -> None:
        os.chdir(folder)
        folder.rmdir()

    with pytest.raises(pytest.fail.Exception), no_traces():
        move_in_and_remove()


def test_the_environment_is_nearly_empty() -> None:
    mine = {"HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "NO_COLOR", "COLUMNS", "TERM"}
    others = {name for name in os.environ if not name.startswith(("PYT", "COVERAGE_", "HYPOTHESIS_"))} - mine
    assert others <= {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "VIRTUAL_ENV"}
    assert list(Path.home().iterdir()) == []
    assert Path.cwd() == Path.home()


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
@pytest.mark.parametrize(
    ("family", "address"),
    [
        (socket.AF_UNIX, "/var/run/docker.sock"),
        (socket.AF_INET, ("192.0.2.1", 80)),
        (socket.AF_INET, ("example.test", 80)),
        (socket.AF_INET6, ("2001:db8::1", 80, 0, 0)),
    ],
)
def test_nothing_but_loopback_is_reached(method: str, family: socket.AddressFamily, address: object) -> None:
    with (
        closing(socket.socket(family)) as client,
        pytest.raises(AssertionError, match="a sealed test connects"),
    ):
        getattr(client, method)(address)


def test_loopback_is_reached() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        socket.create_connection(server.getsockname()).close()


def test_which_tests_need_an_engine() -> None:
    assert needs_engine(TESTS / "contract" / "test_engine.py")
    assert needs_engine(TESTS / "e2e" / "deeper" / "test_x.py")
    assert not needs_engine(TESTS / "unit" / "test_x.py")
    assert not needs_engine(TESTS / "test_architecture.py")
