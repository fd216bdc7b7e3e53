"""Compose itself takes every file that we render."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.golden_files import FOLDER

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_compose_takes_it(file: Path) -> None:
    done = subprocess.run(
        ["docker", "compose", "-f", str(file), "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
