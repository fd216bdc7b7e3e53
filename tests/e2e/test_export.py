"""The exports, taken by the tools that production runs them with."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.support import compose

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support import Stack

ALL = ("--with", "databasemaster", "--with", "mailcatcher")


@pytest.fixture(scope="module")
def systemd_analyze() -> str:
    """Debian's package of systemd has it; one that is there is taken."""
    if shutil.which("systemd-analyze") is None:
        install = ["apt-get", "install", "-qy", "--no-install-recommends", "systemd"]
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        if subprocess.run(install, capture_output=True, env=environment, check=False).returncode != 0:
            subprocess.run(["apt-get", "update", "-q"], capture_output=True, check=True)
            subprocess.run(install, capture_output=True, env=environment, check=True)
    return "systemd-analyze"


@pytest.mark.parametrize("options", [(), ALL], ids=["application", "all"])
def test_systemd_finds_nothing_to_complain_about(
    stack: Stack, tmp_path: Path, systemd_analyze: str, options: tuple[str, ...]
) -> None:
    """In a root of its own: this machine may have Docker elsewhere, or no unit for it."""
    units = tmp_path / "etc/systemd/system"
    stack.run("export", "systemd", "--output", str(units), *options).ok()
    shutil.copytree("/usr/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    docker = "[Unit]\nDescription=Docker\n[Service]\nExecStart=/usr/bin/docker\n"
    (units / "docker.service").write_text(docker, encoding="utf-8")
    for program in ("usr/bin/docker", "bin/sh"):
        (tmp_path / program).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy("/bin/true", tmp_path / program)
    ours = [path.name for path in units.iterdir() if path.is_file() and path.name != "docker.service"]
    names = [name.replace("@.", "@1.") for name in ours]
    argv = [systemd_analyze, "verify", f"--root={tmp_path}", "--man=no", *names]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(names) >= 5


@pytest.mark.parametrize("options", [(), ALL], ids=["application", "all"])
def test_compose_takes_it(stack: Stack, tmp_path: Path, options: tuple[str, ...]) -> None:
    file = tmp_path / "compose.yaml"
    stack.run("export", "compose", "--output", str(file), *options).ok()
    done = compose(file, "config", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
