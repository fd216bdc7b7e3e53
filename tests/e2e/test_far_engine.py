"""An engine that is reached by ssh: the same commands with the same results, and nothing asked on this machine's ports."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support import Stack

SSH = """\
#!/bin/sh
echo "$@" >>"$0.log"
unset DOCKER_HOST
exec docker system dial-stdio
"""
"""In the place of `ssh`, which the engine's clients start for `docker system dial-stdio` on the other machine."""


@pytest.fixture
def log(own: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Processes find the engine by ssh only from here on; what `ssh` was asked for."""
    own.up("databasemaster", "mailcatcher")
    program = tmp_path / "ssh"
    program.write_text(SSH)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", "ssh://dev@far.example")
    return tmp_path / "ssh.log"


def far(stack: Stack, *arguments: str) -> Any:
    """What a process of its own says, which must end well."""
    done = stack.call(*arguments, "--json")
    assert done.returncode == 0, done
    return json.loads(done.stdout)["data"]


def states(status: Any) -> list[tuple[str, str, str]]:
    return [(row["name"], row["state"], row["health"]) for row in status["services"]]


def test_an_engine_reached_by_ssh_does_the_same(
    own: Stack, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert far(own, "up", "databasemaster", "mailcatcher")["plan"]["steps"] == []
    seen = far(own, "status")
    own.engine.mysql("DELETE FROM kept")
    result = far(own, "reset-db")
    assert (result["running"], own.engine.count("kept")) == (True, 3)
    far(own, "stop", "mailcatcher")
    far(own, "up", "databasemaster", "mailcatcher")

    assert set(own.engine.healths().values()) == {"healthy"}
    assert all("far.example docker system dial-stdio" in line for line in log.read_text().splitlines())
    monkeypatch.delenv("DOCKER_HOST")
    assert states(seen) == states(own.run("status", "--json").ok().data)
