"""Starting costs little: what a command does not need is not imported."""

from __future__ import annotations

import os
import subprocess
import sys

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
for arguments in {lines}:
    main(arguments)
print(*sorted(name for name in {heavy} if name in sys.modules), file=sys.stderr)
"""


def loaded(*lines: str) -> set[str]:
    """The heavy libraries that these command lines import."""
    script = LOADED.format(lines=[line.split() for line in lines], heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return set(done.stderr.split())


def test_what_needs_nothing_imports_nothing() -> None:
    assert loaded("--version", "--help", "up --help", "snapshot push --help", "-h") == set()


def test_the_schema_needs_pydantic_alone() -> None:
    assert loaded("schema") == {"pydantic"}
