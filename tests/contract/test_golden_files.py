"""Compose itself takes every file that we render, and finds in it what we wrote."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from devenv.render.compose import render
from tests.golden_files import FOLDER
from tests.samples import IMAGES, NO_TEXT_TO_COMPOSE, project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_compose_takes_it(file: Path) -> None:
    done = config(file, "--quiet")
    assert (done.returncode, done.stderr) == (0, "")


def test_compose_reads_each_text_as_it_is(tmp_path: Path) -> None:
    texts = {f"TEXT_{number}": text for number, text in enumerate(NO_TEXT_TO_COMPOSE)}
    file = tmp_path / "compose.yaml"
    shop = project(backend={"environment": texts}, services={"cache": {"image": "redis:7", "labels": texts}})
    file.write_text(render(shop, IMAGES, start_interval=True))
    done = config(file, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    services = json.loads(done.stdout)["services"]
    for found in (services["backend"]["environment"], services["cache"]["labels"]):
        assert {name: found[name] for name in texts} == texts


def config(file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What Compose says of a file; it asks no engine for it."""
    return subprocess.run(
        ["docker", "compose", "-f", str(file), "config", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
