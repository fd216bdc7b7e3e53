"""A project in its production shape as systemd units, each of which runs one container with `docker run`."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from devenv.model import Condition, Label
from devenv.render.compose import duration
from devenv.render.exported import mark, mebibytes
from devenv.services import taskrunner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from devenv.model import Healthcheck, Mount, Project, PublishedPort, Service

DOCKER = "/usr/bin/docker"
EVERYWHERE = "0.0.0.0"
PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
RESTART_SECONDS = 2
SECRETS = "/etc/{project}/secrets.env"
"""Where the values of the secrets stand on the machine, as NAME=value, readable by root alone."""


def render(project: Project, images: Mapping[str, str]) -> dict[str, str]:
    """Every unit and drop-in by its path below `/etc/systemd/system`.

    A user's own services are left out: they are in Compose's words.
    """
    services = [service for service in project.services if service.raw is None]
    files = {_target(project): _target_text(project, services), _network(project): _network_text(project)}
    for service in services:
        name = unit(project, service)
        files[name] = _unit_text(project, service, images)
        if service.secrets:
            files[f"{name}.d/secrets.conf"] = _secrets_text(project)
    return {name: mark("systemd") + text for name, text in files.items()}


def unit(project: Project, service: Service) -> str:
    """The unit's name; a template for the workers, of which several run on a machine."""
    instances = "@" if _is_template(service) else ""
    return f"{project.name}-{service.name}{instances}.service"


def _is_template(service: Service) -> bool:
    return service.name == taskrunner.NAME


def _target(project: Project) -> str:
    return f"{project.name}.target"


def _network(project: Project) -> str:
    return f"{project.name}-network.service"


def _instances(project: Project, service: Service) -> list[str]:
    name = unit(project, service)
    if not _is_template(service):
        return [name]
    return [name.replace("@", f"@{number}") for number in range(1, service.replicas + 1)]


def _target_text(project: Project, services: Iterable[Service]) -> str:
    wanted = " ".join(name for service in services for name in _instances(project, service))
    return f"""\
[Unit]
Description={project.name}
Wants={wanted}

[Install]
WantedBy=multi-user.target
"""


def _network_text(project: Project) -> str:
    name = project.name
    return f"""\
[Unit]
Description={name}: the network of its containers
BindsTo=docker.service
After=docker.service
PartOf={_target(project)}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c "{DOCKER} network inspect {name} >/dev/null 2>&1 || {DOCKER} network create {name}"
"""


def _unit_text(project: Project, service: Service, images: Mapping[str, str]) -> str:
    container = _container(service)
    return f"""\
[Unit]
Description={project.name}: {service.name}{" %i" if _is_template(service) else ""}
{chr(10).join(_dependencies(project, service))}

[Service]
{chr(10).join(_life(service))}
ExecStartPre=-{DOCKER} rm --force {container}
ExecStart={DOCKER} run {_joined(_arguments(project, service, images))}
ExecStop={DOCKER} stop --time {service.stop_grace_period:.0f} {container}
{_install(project, service)}"""


def _install(project: Project, service: Service) -> str:
    """The target wants all units by itself; workers beyond those are enabled one by one."""
    return f"\n[Install]\nWantedBy={_target(project)}\n" if _is_template(service) else ""


def _container(service: Service) -> str:
    return f"{service.name}-%i" if _is_template(service) else service.name


def _dependencies(project: Project, service: Service) -> Iterator[str]:
    """What has to be there before; what merely answers late is waited for by who asks it."""
    before, required = ["docker.service", _network(project)], [_network(project)]
    wanted: list[str] = []
    for name, condition in service.depends_on.items():
        other = project.service(name)
        if other.raw is None:
            before += _instances(project, other)
            (required if condition is Condition.COMPLETED else wanted).extend(_instances(project, other))
    yield "BindsTo=docker.service"
    yield f"Requires={' '.join(required)}"
    if wanted:
        yield f"Wants={' '.join(wanted)}"
    yield f"After={' '.join(before)}"
    yield f"PartOf={_target(project)}"


def _life(service: Service) -> Iterator[str]:
    if service.is_job:
        # The units that need it start behind it; it runs again whenever all are started again.
        yield from ("Type=oneshot", "RemainAfterExit=yes", "Restart=on-failure")
    else:
        yield from ("Type=exec", f"Restart={service.restart or 'no'}")
    yield f"RestartSec={RESTART_SECONDS}"
    yield f"TimeoutStopSec={service.stop_grace_period + 5:.0f}"


def _secrets_text(project: Project) -> str:
    return f"""\
# `docker run` takes the secrets by name from the unit's environment. The file is yours to write:
# lines of NAME=value, readable by root alone.
[Service]
EnvironmentFile={SECRETS.format(project=project.name)}
"""


def _arguments(project: Project, service: Service, images: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """The words behind `docker run`, an option and its value together."""
    yield ("--rm", "--name", _container(service))
    if _is_template(service):
        yield ("--label", f"{Label.SERVICE}={service.name}")
    yield ("--network", project.name)
    yield from (("--network-alias", alias) for alias in service.aliases)
    yield from (("-p", _port(port)) for port in service.ports)
    yield from (("-e", _literal(f"{name}={value}")) for name, value in service.environment.items())
    yield from (("-e", name) for name in service.secrets)
    yield from (("-v", _literal(_volume(project, mount))) for mount in service.mounts)
    yield from _restrictions(service)
    if service.healthcheck is not None:
        yield from _health(service.healthcheck)
    entrypoint, command = service.entrypoint or (), service.command or ()
    words = shlex.split(command) if isinstance(command, str) else command
    if entrypoint:
        yield ("--entrypoint", _literal(entrypoint[0]))
    yield (images[service.image], *(_literal(word) for word in (*entrypoint[1:], *words)))


def _restrictions(service: Service) -> Iterator[tuple[str, ...]]:
    if service.init:
        yield ("--init",)
    if service.user is not None:
        yield ("--user", service.user)
    if service.read_only:
        yield ("--read-only",)
    yield from (("--tmpfs", path) for path in service.tmpfs)
    if service.cpus is not None:
        yield ("--cpus", f"{service.cpus:g}")
    if service.memory is not None:
        yield ("--memory", mebibytes(service.memory, "m"))


def _health(healthcheck: Healthcheck) -> Iterator[tuple[str, ...]]:
    kind, *words = healthcheck.test
    yield ("--health-cmd", _literal(words[0] if kind == "CMD-SHELL" else shlex.join(words)))
    yield ("--health-interval", duration(healthcheck.interval))
    yield ("--health-timeout", duration(healthcheck.timeout))
    yield ("--health-retries", str(healthcheck.retries))
    yield ("--health-start-period", duration(healthcheck.start_period))


def _port(port: PublishedPort) -> str:
    address = (
        ""
        if port.address == EVERYWHERE
        else f"[{port.address}]:"
        if ":" in port.address
        else f"{port.address}:"
    )
    return f"{address}{port.published}:{port.target}"


def _volume(project: Project, mount: Mount) -> str:
    source = mount.source if mount.is_bind else project.volume(mount.source).name
    return f"{source}:{mount.target}" + (":ro" if mount.read_only else "")


def _literal(text: str) -> str:
    """Text that systemd neither takes for a specifier nor expands."""
    return text.replace("%", "%%").replace("$", "$$")


def _joined(arguments: Iterable[tuple[str, ...]]) -> str:
    return " \\\n  ".join(" ".join(map(_quoted, words)) for words in arguments)


def _quoted(word: str) -> str:
    """A word as systemd reads it: bare, or in double quotes with escapes as in C."""
    if PLAIN.fullmatch(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
