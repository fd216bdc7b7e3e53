"""Which engine is asked: what the `docker` client would ask."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from devenv.engine.endpoint import DEFAULT, endpoint, publishes_here

if TYPE_CHECKING:
    from pathlib import Path

REMOTE = "ssh://shop@engine.example.com"


def configured(home: Path, *, current: str | None = None, meta: str | None = None) -> dict[str, str]:
    """An environment whose `docker` client has a context called `far`."""
    folder = home / ".docker"
    (folder / "contexts/meta" / hashlib.sha256(b"far").hexdigest()).mkdir(parents=True)
    text = json.dumps({"Endpoints": {"docker": {"Host": REMOTE}}}) if meta is None else meta
    (folder / "contexts/meta" / hashlib.sha256(b"far").hexdigest() / "meta.json").write_text(text)
    if current is not None:
        (folder / "config.json").write_text(json.dumps({"currentContext": current}))
    return {"HOME": str(home)}


def test_without_a_word_it_is_the_socket_of_this_machine(tmp_path: Path) -> None:
    assert endpoint({"HOME": str(tmp_path)}) == DEFAULT
    assert endpoint(configured(tmp_path, current="default")) == DEFAULT


def test_the_present_context_counts(tmp_path: Path) -> None:
    assert endpoint(configured(tmp_path, current="far")) == REMOTE


def test_the_environment_is_stronger_than_the_configuration(tmp_path: Path) -> None:
    environ = configured(tmp_path)
    assert endpoint({**environ, "DOCKER_CONTEXT": "far"}) == REMOTE
    assert endpoint({**environ, "DOCKER_CONTEXT": "far", "DOCKER_HOST": "unix:///x"}) == "unix:///x"
    assert endpoint({"HOME": "/nowhere", "DOCKER_CONFIG": str(tmp_path / ".docker")}) == DEFAULT


def test_a_context_that_cannot_be_read_is_left_to_the_sdk(tmp_path: Path) -> None:
    assert endpoint(configured(tmp_path, current="far", meta="{")) is None
    assert endpoint({"HOME": str(tmp_path), "DOCKER_CONTEXT": "gone"}) is None


def test_a_damaged_configuration_is_none(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[]")
    assert endpoint({"DOCKER_CONFIG": str(tmp_path)}) == DEFAULT


@pytest.mark.parametrize(
    ("address", "here"),
    [
        (DEFAULT, True),
        ("unix:///home/dev/.colima/docker.sock", True),
        ("npipe:////./pipe/docker_engine", True),
        ("tcp://localhost:2375", True),
        ("tcp://127.0.0.1:2376", True),
        ("tcp://[::1]:2375", True),
        ("tcp://build.example.com:2376", False),
        ("ssh://dev@localhost", False),
        (None, False),
    ],
)
def test_whose_ports_are_published_on_this_machine(address: str | None, here: bool) -> None:
    assert publishes_here(address) is here
