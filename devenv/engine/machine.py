"""What `setup` has to know about the host machine: read here, decided about in `install`."""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from devenv.engine.apt import AptSource, parse_pinned, read_apt_sources
from devenv.engine.host import HostCommand, am_root, find_program, run, tail
from devenv.errors import OperationError

PREFERENCES_FILE = "/etc/apt/preferences.d/devenv-trixie"
DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
LOCAL_ENDPOINT = "unix:///var/run/docker.sock"
ANSWER_SECONDS = 10.0

WATCHED_PACKAGES = (
    "acl",
    "ca-certificates",
    "docker-ce",
    "docker-ce-cli",
    "docker-compose",
    "docker.io",
    "mmdebstrap",
)
"""Packages whose presence changes a decision."""


@dataclass(frozen=True)
class Machine:
    """The facts that decide what `setup` does; the defaults are those of a machine with nothing on it.

    `engine` is the version of the engine that answers, and None where none does; `engine_reason` says why.
    `engine_runs`: there is a process of the engine, whether it answers or not.
    `endpoint_chosen`: someone pointed the docker command elsewhere than to this machine's own engine.
    """

    system: str = "Linux"
    distribution: str = ""
    distribution_like: tuple[str, ...] = ()
    version: str = ""
    codename: str = ""
    architecture: str = "x86_64"
    user: str = "root"
    is_root: bool = True
    has_sudo: bool = False
    systemd: bool = False
    in_container: bool = False
    in_docker_group: bool = False
    docker: str | None = None
    dockerd: str | None = None
    engine: str | None = None
    engine_reason: str = ""
    engine_runs: bool = False
    compose: str | None = None
    buildx: str | None = None
    endpoint: str = LOCAL_ENDPOINT
    endpoint_chosen: bool = False
    mmdebstrap: str | None = None
    packages: frozenset[str] = frozenset()
    apt_sources: tuple[AptSource, ...] = ()
    pinned: tuple[str, ...] = ()
    keyring: str | None = None

    @property
    def denied(self) -> bool:
        """An engine runs, but this user may not talk to it; a socket left behind by a dead one says the same.

        Where no engine is installed the socket is another machine's, as in a container that has it mounted.
        """
        is_there = self.engine_runs or self.dockerd is None
        return is_there and "permission denied" in self.engine_reason.lower()

    @property
    def can_be_root(self) -> bool:
        """Root's rights can be had here."""
        return self.is_root or self.has_sudo


def inspect_machine() -> Machine:
    """Reads the machine as it is now; changes nothing and asks for no rights."""
    release = parse_os_release(_read("/etc/os-release"))
    docker, dockerd = find_program("docker"), find_program("dockerd")
    endpoint, chosen = _endpoint()
    engine, reason = _engine(docker)
    return Machine(
        system=platform.system(),
        distribution=release.get("ID", ""),
        distribution_like=tuple(release.get("ID_LIKE", "").split()),
        version=release.get("VERSION_ID", ""),
        codename=release.get("UBUNTU_CODENAME") or release.get("VERSION_CODENAME", ""),
        architecture=platform.machine(),
        user=_user(),
        is_root=am_root(),
        has_sudo=find_program("sudo") is not None,
        systemd=Path("/run/systemd/system").is_dir(),
        in_container=any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv")),
        in_docker_group=_in_docker_group(_user()),
        docker=docker,
        dockerd=dockerd,
        engine=engine,
        engine_reason=reason,
        engine_runs=bool(processes("dockerd")),
        compose=_plugin(docker, "compose", "version", "--short"),
        buildx=_plugin(docker, "buildx", "version"),
        endpoint=endpoint,
        endpoint_chosen=chosen,
        mmdebstrap=find_program("mmdebstrap"),
        packages=_packages(),
        apt_sources=read_apt_sources(),
        pinned=parse_pinned(_read(PREFERENCES_FILE)),
        keyring=DEBIAN_KEYRING if Path(DEBIAN_KEYRING).exists() else None,
    )


def processes(name: str) -> frozenset[int]:
    """The ids of the running processes of that name; none where there is no `/proc`."""
    found = set()
    for comm in Path("/proc").glob("[0-9]*/comm"):
        if _read(comm).strip() == name:
            found.add(int(comm.parent.name))
    return frozenset(found)


def parse_os_release(text: str) -> dict[str, str]:
    """The keys of `/etc/os-release`, without quotes."""
    pairs = (line.partition("=")[::2] for line in text.splitlines() if "=" in line and line[0] != "#")
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}


def _read(path: str | Path) -> str:
    """A file's text, nothing where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in some containers
        return str(os.getuid())


def _in_docker_group(user: str) -> bool:
    for line in _read("/etc/group").splitlines():
        name, _, rest = line.partition(":")
        if name == "docker":
            return user in rest.rpartition(":")[2].split(",")
    return False


def _endpoint() -> tuple[str, bool]:
    """Where the docker command is pointed to, and whether somebody chose that."""
    host = os.environ.get("DOCKER_HOST", "")
    if host:
        return host, host not in (LOCAL_ENDPOINT, "unix:///run/docker.sock")
    context = os.environ.get("DOCKER_CONTEXT") or _configured_context()
    if context in ("", "default"):
        return LOCAL_ENDPOINT, False
    return f"context {context}", True


def _configured_context() -> str:
    folder = os.environ.get("DOCKER_CONFIG") or str(Path.home() / ".docker")
    try:
        settings = json.loads(_read(Path(folder) / "config.json") or "{}")
    except json.JSONDecodeError:
        return ""
    return str(settings.get("currentContext", "")) if isinstance(settings, dict) else ""


def _engine(docker: str | None) -> tuple[str | None, str]:
    """The version of the engine that answers, or None and the reason."""
    if docker is None:
        return None, "there is no docker command"
    return ask_engine(root=False)


def ask_engine(*, root: bool) -> tuple[str | None, str]:
    """The version of the engine that answers the docker command now, or None and the reason."""
    question = HostCommand(("docker", "version", "--format", "{{.Server.Version}}"), root=root)
    try:
        result = run(question, check=False, timeout=ANSWER_SECONDS)
    except OperationError as exc:
        return None, exc.message
    # Warnings about the docker command's own configuration may stand around the answer.
    version = re.search(r"^\d+\.\d\S*$", result.output, re.MULTILINE)
    if result.status == 0 and version:
        return version[0], ""
    last = tail(result.output, 1)
    return None, last[0] if last else f"docker version ended with exit status {result.status}"


def _plugin(docker: str | None, *words: str) -> str | None:
    """The version a plugin of the docker command says it has; None where it is missing or version 1."""
    if docker is None:
        return None
    try:
        result = run(HostCommand(("docker", *words)), check=False, timeout=ANSWER_SECONDS)
    except OperationError:
        return None
    found = re.search(r"(?:^|\s|v)(\d+\.\d[\w.+~-]*)", result.output)
    if result.status != 0 or not found or (words[0] == "compose" and found[1].startswith("1.")):
        return None
    return found[1]


def _packages() -> frozenset[str]:
    """Which of the packages that matter are installed; none where there is no dpkg."""
    if find_program("dpkg-query") is None:
        return frozenset()
    form = "${db:Status-Abbrev} ${Package}\n"
    # A package dpkg has never heard of makes it fail, and it still lists the others.
    result = run(HostCommand(("dpkg-query", "-W", "-f", form, *WATCHED_PACKAGES)), check=False)
    return frozenset(line.split()[-1] for line in result.output.splitlines() if line.startswith("ii "))
