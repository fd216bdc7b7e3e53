"""Starting costs little: what a command does not need is not imported."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.harness import REPOSITORY

HEAVY = (
    "docker",
    "filelock",
    "platformdirs",
    "psutil",
    "pydantic",
    "python_on_whales",
    "requests",
    "rich",
    "yaml",
    "zstandard",
)

LOADED = """
import sys
from devenv.cli.app import main
main({arguments})
print(*sorted(name for name in {heavy} if name in sys.modules), file=sys.stderr)
"""


def loaded(*arguments: str) -> list[str]:
    """The heavy libraries that a command line imports."""
    script = LOADED.format(arguments=list(arguments), heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stderr.split()


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["up", "--help"]])
def test_what_needs_nothing_imports_nothing(arguments: list[str]) -> None:
    assert loaded(*arguments) == []


def test_the_schema_needs_pydantic_alone() -> None:
    assert set(loaded("schema")) <= {"pydantic"}


def test_the_list_of_heavy_libraries_is_read() -> None:
    """What the tests above rely on: an import is noticed."""
    script = "import sys, yaml; print('yaml' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "True"
