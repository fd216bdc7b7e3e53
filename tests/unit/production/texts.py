"""Short ways to read a manifest in a test."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from devenv.errors import ConfigError
from devenv.production.combine import read_manifest

if TYPE_CHECKING:
    from devenv.production.manifest import Manifest, Service


def read(text: str, file: str = "production.yaml", **others: str) -> Manifest:
    """The manifest of one file, its text indented as the test is; `others` are further files."""
    return read_manifest({file: dedent(text), **others}, file)


def problems(text: str, file: str = "production.yaml") -> list[str]:
    """What is wrong with a file, each with its place."""
    with pytest.raises(ConfigError) as caught:
        read(text, file)
    return [str(problem) for problem in caught.value.problems]


def unit(run: str, file: str = "backend.service", **others: str) -> Service:
    """The service of a unit that runs this."""
    return read(f"[Service]\nExecStart=/usr/bin/docker run {run}\n", file, **others).services[0]


def environment(service: Service) -> dict[str, str | None]:
    """Variables and values."""
    return {variable.name: variable.value for variable in service.environment}
