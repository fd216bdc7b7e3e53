"""Starting costs little: what a command does not need is not imported."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.harness import REPOSITORY

HEAVY = (
    "asyncio",
    "concurrent.futures",
    "docker",
    "filelock",
    "platformdirs",
    "psutil",
    "pydantic",
    "python_on_whales",
    "requests",
    "rich",
    "typer",
    "yaml",
    "zstandard",
)


def imported(script: str, *names: str, **environment: str) -> set[str]:
    """Those of the libraries that are loaded once the script has run; the heavy ones unless others are named."""
    tell = f"print(*(name for name in {names or HEAVY} if name in sys.modules), file=sys.stderr)"
    at_the_end = f"import atexit, sys; atexit.register(lambda: {tell})"
    done = subprocess.run(
        [sys.executable, "-c", f"{at_the_end}; {script}"],
        env={**os.environ, **environment, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return set(done.stderr.split())


def loaded(*lines: str, **environment: str) -> set[str]:
    """The heavy libraries that these command lines import."""
    calls = "; ".join(f"main({line.split()})" for line in lines)
    return imported(f"from devenv.cli.app import main; {calls}", **environment)


def test_what_needs_nothing_imports_nothing() -> None:
    assert loaded("--version", "--help", "up --help", "logs --help", "snapshot push --help", "-h") == {
        "typer"
    }


def test_the_schema_needs_pydantic_alone() -> None:
    assert {"pydantic", "typer"} <= loaded("schema") <= {"pydantic", "typer", "asyncio", "concurrent.futures"}


def test_completion_needs_typer_alone() -> None:
    environment = {"_DEVENV_COMPLETE": "complete_bash", "COMP_WORDS": "devenv st", "COMP_CWORD": "1"}
    assert loaded("", **environment) == {"typer"}


def test_a_command_on_what_is_up_needs_none_of_them() -> None:
    """`up` with nothing to do, and `status`, run on these modules, and on the engine's."""
    script = "import devenv.cli.quick, devenv.operations.steady, devenv.engine.docker, devenv.config.kept"
    assert imported(f"{script}, devenv.config.defaults, devenv.environments.workspace") == set()


def test_the_version_needs_nothing_of_ours() -> None:
    script = "import sys; sys.argv[1:] = ['--version']; from devenv.__main__ import console; console()"
    assert imported(script, *HEAVY, "dataclasses", "devenv.cli", "json", "pathlib") == set()
