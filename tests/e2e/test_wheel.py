"""The wheel, installed elsewhere: it carries the recipes and the seed, and needs no checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest

from tests.e2e.support import LIVE, SERVICES, seeded_rows
from tests.harness import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.support import Stack

TOOL_SECONDS = 300


def tool(*argv: str | Path, cwd: Path) -> str:
    """Run a program to its end; what it said is the failure's evidence."""
    environment = {
        name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}
    }
    done = subprocess.run(
        [str(word) for word in argv],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=TOOL_SECONDS,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, f"{argv}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The `devenv` of a virtual environment into which only the wheel was installed."""
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    tool(*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path / "wheels", REPOSITORY, cwd=tmp_path)
    (wheel,) = (tmp_path / "wheels").glob("devenv-*.whl")
    tool(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    tool(python, *pip[1:], "install", wheel, cwd=tmp_path)
    return python.with_name("devenv")


@pytest.fixture
def empty_folder(new_stack: Callable[..., Stack], tmp_path: Path) -> Iterator[Stack]:
    """A project of nothing but a name and ports; images that come up for it are removed again."""
    stack = new_stack(tmp_path / "elsewhere", sources=False)
    before = _tags(stack)
    yield stack
    stack.remove()
    LIVE.remove(stack)
    for tag in _tags(stack) - before:
        if tag.startswith(("devenv/backend:", "devenv/frontend:")):
            with suppress(docker.errors.APIError):
                stack.engine.api.remove_image(tag)


def test_the_installed_wheel_works_in_an_empty_folder(installed: Path, empty_folder: Stack) -> None:
    stack = empty_folder

    def devenv(*words: str) -> Any:
        return json.loads(tool(installed, *words, "--json", cwd=stack.root))["data"]

    origins = {row["key"]: row["value"] for row in devenv("config")["values"]}
    packaged = str(installed.parent.parent)
    assert str(origins["backend.build"]).startswith(packaged)
    assert any(str(value).startswith(packaged) and "fixtures" in str(value) for value in origins.values())

    up = devenv("up")
    assert up["status"]["state"] == "healthy"
    assert stack.engine.settled() == dict.fromkeys(SERVICES, "healthy")
    expected = seeded_rows()
    assert {table: stack.engine.count(table) for table in expected} == expected
    assert str(REPOSITORY) not in stack.read(".devenv/compose.yaml")
    assert all(finding["ok"] for finding in devenv("check")["findings"])

    devenv("down", "--volumes", "--yes")
    assert stack.engine.containers() == []
    devenv("gc", "--all", "--yes")
    assert stack.engine.volumes() == set()
    assert sorted(path.name for path in stack.root.iterdir()) == [".devenv", "devenv.yaml"]


def _tags(stack: Stack) -> set[str]:
    return {tag for image in stack.engine.api.images() for tag in image["RepoTags"] or ()}
