"""Decides what a machine lacks to run an environment, and in which steps it gets it: pure, and it prints itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.engine.host import HostCommand
from devenv.engine.machine import DEBIAN_KEYRING, PREFERENCES_FILE, Machine
from devenv.errors import EngineUnavailableError, OperationError

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES_FILE = "/etc/apt/sources.list.d/devenv-trixie.sources"
LOG_FILE = "/var/log/devenv-dockerd.log"
START_SECONDS = 60.0

PRODUCTS = {
    "Darwin": "install Docker Desktop, OrbStack or Colima, start it, and run the command again",
    "Windows": "install Docker Desktop, or Docker Engine inside WSL2 and work there, and run the command again",
    "fedora": "sudo dnf install moby-engine docker-cli docker-compose docker-buildx && sudo systemctl enable --now docker",
    "arch": "sudo pacman -S docker docker-compose docker-buildx && sudo systemctl enable --now docker",
    "alpine": "apk add docker docker-cli-compose docker-cli-buildx && rc-update add docker && rc-service docker start",
    "opensuse": "sudo zypper install docker docker-compose docker-buildx && sudo systemctl enable --now docker",
}
ANY_LINUX = "install Docker Engine 23 or newer with its Compose v2 and buildx plugins, start it, and run the command again"

ENGINE, CLI, COMPOSE, BUILDX = "a Docker engine", "the docker command", "Compose v2", "buildx"
NAMES = {
    "debian": {ENGINE: "docker.io", CLI: "docker-cli", COMPOSE: "docker-compose", BUILDX: "docker-buildx"},
    "ubuntu": {ENGINE: "docker.io", CLI: "docker.io", COMPOSE: "docker-compose-v2", BUILDX: "docker-buildx"},
    # The packages of Docker's own repository stay among themselves.
    "docker-ce": {
        ENGINE: "docker-ce",
        CLI: "docker-ce-cli",
        COMPOSE: "docker-compose-plugin",
        BUILDX: "docker-buildx-plugin",
    },
}


@dataclass(frozen=True)
class WriteFile:
    """A text file of the system to write, readable by all; it prints itself with its content."""

    path: str
    content: str
    root: bool = False

    def __str__(self) -> str:
        lines = (f"    {line}".rstrip() for line in self.content.splitlines())
        return "\n".join([f"{'sudo ' if self.root else ''}write {self.path}", *lines])


@dataclass(frozen=True)
class StartEngine:
    """The engine's start, through systemd or as a process of its own, and the wait until it answers."""

    systemd: bool
    root: bool = False
    in_container: bool = False

    @property
    def command(self) -> HostCommand:
        """The command that starts it and does not wait."""
        if self.systemd:
            return HostCommand(("systemctl", "enable", "--now", "docker"), root=self.root)
        # nohup as well as setsid: sudo may close its terminal before setsid has left it.
        line = f"nohup setsid dockerd >>{LOG_FILE} 2>&1 </dev/null &"
        return HostCommand(("sh", "-c", line), root=self.root)

    def __str__(self) -> str:
        return f"{self.command}\nwait until docker version answers, at most {START_SECONDS:.0f} s"


@dataclass(frozen=True)
class SetupStep:
    """One change to the machine: what, why and how. The failure of an optional one is a warning, not an end."""

    title: str
    cause: str
    action: HostCommand | WriteFile | StartEngine
    optional: bool = False

    def __str__(self) -> str:
        how = "\n".join(f"  {line}".rstrip() for line in str(self.action).splitlines())
        return f"{self.title}\n  because {self.cause}\n{how}"


def plan_setup(machine: Machine) -> tuple[SetupStep, ...]:
    """The steps that make this machine able to run an environment; none where it already is.

    An engine that exists is never changed: it is started if it does not run, and gets the plugins it lacks.

    Raises:
        EngineUnavailableError: an engine elsewhere was chosen and does not answer, or this is a system where
            devenv installs nothing; the hint says what to do.
        OperationError: `need_root`, where something is missing and root's rights cannot be had.
    """
    missing = missing_parts(machine)
    if machine.engine is None and machine.endpoint_chosen:
        raise EngineUnavailableError(
            f"the engine at {machine.endpoint} does not answer: {machine.engine_reason}",
            hint="start it or repair the connection; or unset DOCKER_HOST and run `docker context use default` "
            "to work with this machine's own engine",
        )
    apt = _apt_names(machine)
    if (missing and not apt) or (machine.engine is None and machine.system != "Linux"):
        raise _not_here(machine, missing or (ENGINE,))
    # The base image's tool is a convenience: never worth failing for where root's rights cannot be had.
    wants_tool = bool(apt) and machine.mmdebstrap is None
    if not missing and machine.engine is not None and not (wants_tool and machine.can_be_root):
        return ()
    if not machine.can_be_root:
        raise OperationError(
            f"root's rights are needed to set up {', '.join(missing) or ENGINE}, and there is no sudo",
            code="need_root",
            hint="run `devenv setup` as root once, or install sudo",
        )
    steps = [*_apt_steps(machine, missing, apt, wants_tool=wants_tool)]
    if machine.engine is None and not machine.denied:
        steps.append(_start_step(machine, installed=ENGINE in missing))
    if machine.engine is None and not machine.is_root:
        steps += _access_steps(machine)
    return tuple(steps)


def missing_parts(machine: Machine) -> tuple[str, ...]:
    """What has to be installed on a machine, in words."""
    have_engine = machine.engine is not None or machine.dockerd is not None or machine.denied
    present = {
        ENGINE: have_engine or bool(machine.packages & {"docker.io", "docker-ce"}),
        CLI: machine.docker is not None,
        COMPOSE: machine.compose is not None,
        BUILDX: machine.buildx is not None,
    }
    return tuple(thing for thing, there in present.items() if not there)


def _apt_names(machine: Machine) -> dict[str, str]:
    """What the missing things are called where apt can install them; empty where we install nothing."""
    if machine.distribution == "debian":
        # testing and unstable have no version, and are newer than any
        known = not machine.version or _number(machine.version) >= 12
    else:
        known = "ubuntu" in (machine.distribution, *machine.distribution_like) and (
            machine.distribution != "ubuntu" or _number(machine.version) >= 22
        )
    if machine.system != "Linux" or not known:
        return {}
    names = NAMES["debian" if machine.distribution == "debian" else "ubuntu"]
    return names | (NAMES["docker-ce"] if machine.packages & {"docker-ce", "docker-ce-cli"} else {})


def _number(version: str) -> int:
    head = version.split(".", 1)[0]
    return int(head) if head.isdigit() else 0


def _not_here(machine: Machine, missing: tuple[str, ...]) -> EngineUnavailableError:
    """The end on a system where devenv installs nothing, with what to do there."""
    if machine.system != "Linux":
        hint = PRODUCTS.get(machine.system, ANY_LINUX)
    else:
        names = (machine.distribution, *machine.distribution_like)
        family = (key for name in names for key in PRODUCTS if name.startswith(key))
        hint = PRODUCTS.get(next(family, ""), ANY_LINUX)
    what = "this machine" if machine.system != "Linux" else (machine.distribution or "this Linux")
    return EngineUnavailableError(
        f"{', '.join(missing)} not found, and devenv does not install it on {what}",
        hint=hint,
        detail={"missing": list(missing), "system": machine.system, "distribution": machine.distribution},
    )


def _apt_steps(
    machine: Machine, missing: tuple[str, ...], names: dict[str, str], *, wants_tool: bool
) -> Iterator[SetupStep]:
    """The part of apt: where to take the packages from, and the packages in one call."""
    wanted = list(dict.fromkeys(names[thing] for thing in missing))
    pinned = [name for name in wanted if name in NAMES["debian"].values()]
    if machine.distribution == "debian" and machine.version == "12" and pinned:
        yield from _trixie_steps(machine, pinned)
    causes = [f"{', '.join(missing)} not found"] if missing else []
    if "docker-compose" in wanted and "docker-compose" in machine.packages:
        causes.append("the docker-compose that is here is version 1, and this replaces it")
    if missing and "ca-certificates" not in machine.packages:
        wanted.append("ca-certificates")  # the engine pulls over TLS; docker.io only recommends it
    if not machine.is_root and machine.engine is None and "acl" not in machine.packages:
        wanted.append("acl")
        causes.append("acl opens the engine's socket to the present shell")
    if wants_tool:
        wanted.append("mmdebstrap")
        causes.append("mmdebstrap builds the base image where no registry can be reached")
    if not wanted:
        return
    convenience = not missing and machine.engine is not None
    yield SetupStep(
        "read the package lists",
        "the packages to install have to be known to apt",
        _apt(machine, "update"),
        # A source that has nothing to do with us may be broken; whether ours is, the installation tells.
        optional=True,
    )
    yield SetupStep(
        f"install {' '.join(wanted)}",
        "; ".join(causes),
        _apt(machine, "install", "-y", "--no-install-recommends", *wanted),
        optional=convenience,
    )


def _apt(machine: Machine, *words: str) -> HostCommand:
    # A new machine's own upgrade often holds the lock in its first minutes.
    options = ("-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3")
    argv = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *options, *words)
    return HostCommand(argv, root=not machine.is_root)


def _trixie_steps(machine: Machine, wanted: list[str]) -> Iterator[SetupStep]:
    """Debian 12 has no Compose v2: exactly what is missing comes from Debian 13, and nothing else ever does."""
    others = [s for s in machine.apt_sources if "trixie" in s.suites and s.file != SOURCES_FILE]
    if not others:
        yield SetupStep(
            "add Debian 13 as a package source",
            "Debian 12 has no Compose v2; the address is that of this machine's own Debian source",
            WriteFile(SOURCES_FILE, _trixie_source(machine), root=not machine.is_root),
        )
    # What an earlier run pinned stays pinned; a package we did not install is not drawn to Debian 13.
    names = [n for n in NAMES["debian"].values() if n in wanted or n in machine.pinned]
    text = f"Package: {' '.join(names)}\nPin: release n=trixie\nPin-Priority: 990\n"
    if not others:  # else somebody uses Debian 13 here on purpose: its priority is theirs to set
        text += "\nPackage: *\nPin: release n=trixie\nPin-Priority: 100\n"
    yield SetupStep(
        f"pin {' '.join(names)} to Debian 13",
        "only these come from Debian 13; everything else stays as it is",
        WriteFile(PREFERENCES_FILE, text, root=not machine.is_root),
    )


def _trixie_source(machine: Machine) -> str:
    """Debian 13's source entry, made from the machine's entry for Debian 12."""
    name = machine.codename
    for source in machine.apt_sources:
        uris = [uri for uri in source.uris if not uri.startswith("cdrom:")]
        if name in source.suites and "main" in source.components and uris:
            break
    else:
        raise EngineUnavailableError(
            f"apt has no network source for {name}, so the address of Debian 13 is not known",
            hint=f"add this machine's Debian mirror to /etc/apt/sources.list (suite {name}, main)",
        )
    key = source.signed_by or machine.keyring or DEBIAN_KEYRING
    lines = ["Types: deb", f"URIs: {' '.join(uris)}", "Suites: trixie", "Components: main"]
    lines += ["Trusted: yes"] if source.trusted else []
    # an embedded key begins on a line of its own
    return "\n".join([*lines, f"Signed-By:{'' if key.startswith(chr(10)) else ' '}{key}", ""])


def _start_step(machine: Machine, *, installed: bool) -> SetupStep:
    why = "it was just installed" if installed else f"it is here and does not answer: {machine.engine_reason}"
    how = "through systemd" if machine.systemd else f"as a process of its own that logs to {LOG_FILE}"
    return SetupStep(
        f"start the engine {how}",
        why,
        StartEngine(machine.systemd, root=not machine.is_root, in_container=machine.in_container),
    )


def _access_steps(machine: Machine) -> Iterator[SetupStep]:
    # Where the engine is another machine's, so is its group.
    if not machine.in_docker_group and not (machine.denied and not machine.engine_runs):
        yield SetupStep(
            f"add {machine.user} to the group docker",
            "the engine's socket belongs to that group; it counts from the next login on",
            HostCommand(("usermod", "-aG", "docker", machine.user), root=True),
        )
    yield SetupStep(
        f"open the engine's socket to {machine.user} now",
        "this shell was started before the group was joined; the engine's next start takes this back",
        HostCommand(("setfacl", "-m", f"u:{machine.user}:rw", "/var/run/docker.sock"), root=True),
    )
