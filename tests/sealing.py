"""What a sealed test sees of this machine, and what no test may leave changed."""

from __future__ import annotations

import os
import re
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = frozenset({"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "VIRTUAL_ENV"})
KEPT_PREFIXES = ("PYTHON", "PYTEST_", "COVERAGE_", "HYPOTHESIS_")
LOOPBACK = re.compile(r"127\.\d+\.\d+\.\d+|::1|localhost")
FOLDER = "(current folder)"


def seal(patch: pytest.MonkeyPatch, home: Path) -> None:
    """An environment of nothing but PATH and language, an empty home, and no network but loopback and the tests' own sockets."""
    for name in list(os.environ):
        if name not in KEPT and not name.startswith(KEPT_PREFIXES):
            patch.delenv(name)
    fixed = {
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "NO_COLOR": "1",
        "COLUMNS": "120",
        "TERM": "dumb",
    }
    for name, value in fixed.items():
        patch.setenv(name, value)
    patch.chdir(home)
    for method in ("connect", "connect_ex"):
        patch.setattr(socket.socket, method, _within(home.parents[1], getattr(socket.socket, method)))
    patch.setattr(os, "fsync", lambda _: None)  # nobody pulls the plug here, and it takes most of the time


def _within(folder: Path, method: Any) -> Any:
    """Reaches loopback, and the sockets that tests made in their own folders."""

    def guarded(self: socket.socket, address: Any) -> Any:
        own = (
            Path(address).is_relative_to(folder)
            if self.family == socket.AF_UNIX
            else LOOPBACK.fullmatch(address[0])
        )
        if not own:
            raise AssertionError(f"a sealed test connects to {address}")
        return method(self, address)

    return guarded


@contextmanager
def no_traces() -> Iterator[None]:
    """Fails where the block leaves the environment or the current folder changed; puts both back."""
    before = _traces()
    yield
    after = _traces()
    names = before.keys() | after.keys()
    left = {name: after.get(name) for name in sorted(names) if before.get(name) != after.get(name)}
    for name in left.keys() - {FOLDER}:
        os.environ.pop(name, None)
        if name in before:
            os.environ[name] = before[name]
    os.chdir(before[FOLDER])
    if left:
        pytest.fail(f"the test left traces: {left}")


def _traces() -> dict[str, str]:
    found = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    try:
        return found | {FOLDER: str(Path.cwd())}
    except FileNotFoundError:
        return found
