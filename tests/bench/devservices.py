"""devservices, which brings environments up by Docker Compose too, on a copy of the environment that is measured.

It gets the generated file under a project's name of its own, the same ports, for only one of the two is up at a time,
and a volume into which devenv's database was copied: no side initialises anything in a measured round. It lives in
a temporary folder, home and state included, reports to nobody and pulls nothing.

Its versions that have `up`, as far as they were looked at, want Docker Compose 2.29.7 or newer and download one where
they find an older. So that it can be measured beside the Compose that is here, `docker` is for it a script that
answers `docker compose version --short` with what it wants, after it asked the real one, and passes all else on.
Where Compose is new enough there is no script.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors

from tests.bench.command import output, run
from tests.bench.environment import COPY, DATABASE
from tests.bench.figures import beside, table
from tests.e2e.support import SERVICES, Engine, until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.bench.command import Command
    from tests.bench.environment import Environment
    from tests.bench.lifecycle import Times

VERSION = "1.5.4"
MINIMUM = "2.29.7"
"""The oldest Compose that this version of it accepts."""
ASKED = "compose version --short"
NETWORK = "devservices"
"""A network that it makes on every `up`, whatever the project; our services are not in it."""
DATA = "/data"
PAIRS = (
    ("up, nothing to do", "no-op", "devservices no-op"),
    ("up after down", "warm up", "devservices warm up"),
    ("up after stop / up after down", "up after stop", "devservices warm up"),
    ("down", "down", "devservices down"),
    ("stop / down", "stop", "devservices down"),
    ("status", "status", "devservices status"),
)
"""What is compared: name, devenv's, that of devservices."""
LEGEND = """\
`devservices down` stops the containers, as `devenv stop` does; `devenv down` removes them. `devservices up` looks
every 5 s whether all are healthy, and is run with `--offline`, or it would ask a registry for every image.
"""


def install(home: Path) -> None:
    """Put it into a virtual environment in that folder; raises RuntimeError where it cannot be had."""
    run(sys.executable, "-m", "venv", str(home / "venv"))
    options = ("-qq", "--disable-pip-version-check", "--no-input", "--no-cache-dir", "--retries", "1")
    python = str(home / "venv/bin/python")
    run(python, "-m", "pip", "install", *options, "--timeout", "15", f"devservices=={VERSION}")


class Devservices:
    """It, installed in that home, and its environment; it was never up yet. The measured one must be down."""

    def __init__(self, environment: Environment, home: Path) -> None:
        self.name = f"{environment.name}-devservices"
        self.engine = Engine(environment.engine.api, self.name)
        self._home = home
        self._root = home / "code" / self.name
        self._variables = _variables(home)
        self._had_network = self._has_network()
        file = str(environment.root / ".devenv/compose.yaml")
        generated = json.loads(output("docker", "compose", "--file", file, "config", "--format", "json"))
        _write(self._root / "devservices/config.yml", json.dumps(configuration(generated, self.name)))
        # Where it looks for projects: `down` takes for gone, and lets run, what it does not find there.
        _write(home / ".config/sentry-devenv/config.ini", f"[devenv]\ncoderoot = {self._root.parent}\n")
        if is_older(compose_version()):
            script = _write(home / "bin/docker", wrapper(shutil.which("docker") or "docker"))
            script.chmod(0o755)
        self._source = str(generated["volumes"]["database"]["name"])
        self._image = str(generated["services"][DATABASE]["image"])

    def copy(self) -> None:
        """Copy the measured environment's database into a volume of its own."""
        labels = {"com.docker.compose.project": self.name, "com.docker.compose.volume": "database"}
        target = f"{self.name}_database"
        self.engine.api.create_volume(target, labels=labels)
        mounts = ("-v", f"{self._source}:{DATA}:ro", "-v", f"{target}:{COPY}")
        words = ("docker", "run", "--rm", "--network", "none", "--label", f"devenv.project={self.name}")
        run(*words, *mounts, "--entrypoint", "cp", self._image, "-a", f"{DATA}/.", f"{COPY}/")

    def up(self) -> Command:
        """Bring its services up; raises RuntimeError where not all are healthy then."""
        return self._run("healthy", "up", "--offline")

    def down(self) -> Command:
        """Stop them; raises RuntimeError where one still runs."""
        return self._run("exited", "down")

    def status(self) -> Command:
        """Look at them, while they are up."""
        return self._run("healthy", "status")

    def remove(self) -> None:
        """Nothing of it stays on the engine."""
        until(self._is_gone, f"{self.name} is removed")
        if not self._had_network:
            with suppress(docker.errors.APIError):  # gone, or somebody uses it by now
                self.engine.api.remove_network(NETWORK)

    def _run(self, state: str, *words: str) -> Command:
        program = str(self._home / "venv/bin/devservices")
        command = run(program, *words, folder=self._root, variables=self._variables)
        found = self.engine.healths()
        if found != dict.fromkeys(SERVICES, state):
            raise RuntimeError(f"after `devservices {words[0]}` not all are {state}: {found}")
        return command

    def _is_gone(self) -> bool:
        self.engine.remove_all()
        return not (self.engine.containers() or self.engine.volumes() or self.engine.networks())

    def _has_network(self) -> bool:
        return any(row["Name"] == NETWORK for row in self.engine.api.networks())


def configuration(generated: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Its configuration: the generated file under another project's name and without devenv's labels. Pure."""
    services = {key: dict(service) for key, service in generated["services"].items()}
    for service in services.values():
        del service["labels"]
    dependencies = {key: {"description": key} for key in services}
    own = {
        "version": 0.1,
        "service_name": name,
        "dependencies": dependencies,
        "modes": {"default": list(services)},
    }
    kinds = {
        kind: {key: {"name": f"{name}_{key}"} for key in generated[kind]} for kind in ("networks", "volumes")
    }
    return {"x-sentry-service-config": own, "name": name, "services": services, **kinds}


def wrapper(real: str) -> str:
    """The script that is `docker` for it where Compose is too old; `real` is the program itself."""
    program = shlex.quote(real)
    return (
        "#!/bin/sh\n"
        f'if [ "$*" = "{ASKED}" ]; then {program} {ASKED} >/dev/null && echo {MINIMUM}; exit; fi\n'
        f'exec {program} "$@"\n'
    )


def is_older(version: str) -> bool:
    """Whether a Compose of that version is older than it accepts."""
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    return found is None or [*map(int, found.groups())] < [*map(int, MINIMUM.split("."))]


def compose_version() -> str:
    """The version of the Compose that is here."""
    return output("docker", *ASKED.split())


def described(compose: str) -> str:
    """Its version and, where it is run with a Compose older than it asks for, that. Pure."""
    if not is_older(compose):
        return VERSION
    return (
        f"{VERSION}, which asks for Compose {MINIMUM} or newer; told that this were one, run with {compose}"
    )


def report(times: Times) -> str:
    """What was measured beside it; nothing where it was not. Pure."""
    rows = [beside(name, times.of(one), times.of(other)) for name, one, other in PAIRS if times.of(other)]
    return f"{table(('', 'devenv', 'devservices', 'ratio'), rows)}\n{LEGEND}" if rows else ""


def _variables(home: Path) -> dict[str, str]:
    """The environment of its process: its home, the user's engine, no telemetry and no animation."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    return {
        **kept,
        "HOME": str(home),
        "PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "DOCKER_CONFIG": os.environ.get("DOCKER_CONFIG") or str(Path.home() / ".docker"),
        "DEVSERVICES_DISABLE_SENTRY": "1",
        "CI": "true",  # its library takes the home from HOME only then; of devservices it ends the animation
    }


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
