"""Which service an error of the engine or of Compose is about, and where that is written: pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from devenv.services import backend, frontend, loadbalancer, mailcatcher, mysql, taskrunner
from devenv.services.pods import role_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from devenv.model import Project, Service

Path = tuple[str | int, ...]

SECTIONS: Mapping[str, str] = {
    mysql.NAME: "database",
    mailcatcher.NAME: "mail",
    backend.NAME: "backend",
    taskrunner.NAME: "taskrunner",
    frontend.NAME: "frontend",
    loadbalancer.NAME: "production",
}
"""The section of `devenv.yaml` that each service of ours is configured in."""

KEYS: Mapping[str, tuple[str, ...]] = {
    "service_unhealthy": ("healthcheck",),
    "timeout": ("healthcheck", "command"),
    "waiting": ("depends_on",),
    "service_exited": ("command",),
    "service_crash_loop": ("command",),
    "service_oom_killed": ("mem_limit", "deploy"),
    "command_not_found": ("entrypoint", "command"),
    "user_unknown": ("user",),
    "device_missing": ("devices",),
    "env_file_missing": ("env_file",),
    "port_in_use": ("ports", "port"),
    "mount_missing": ("volumes", "mappings"),
    "mount_not_shared": ("volumes", "mappings"),
    "volume_missing": ("volumes",),
    "network_missing": ("networks",),
    "name_taken": ("container_name",),
    "wrong_architecture": ("platform", "image", "build"),
    "image_missing": ("image",),
    "image_unavailable": ("image", "build"),
    "pull_denied": ("image",),
    "registry_unreachable": ("image",),
    "build_failed": ("build", "image"),
}
"""The keys within a service's definition that an error of each code is about, the likeliest first."""

CREATING = r"Container (\S+)\s+Creating"
CREATED = r"Container (\S+)\s+(?:Re)?[Cc]reated"
PULLING = r"(?m)^\s*(\S+) Pulling\b"
PULLED = r"(?m)^\s*(\S+) Pulled\b"
SPOKEN_OF = (
    r"services\.([\w-]+)",
    r"(?m)^\s*([\w.-]+) Error\b",
    r"(?m)^\s*> \[([\w.-]+?)(?: [\w.-]+)? +(?:\d+/\d+|internal)\]",
    r"\[([\w.-]+?)(?: [\w.-]+)? +\d+/\d+\]",
)
"""How Compose and buildx name a service: in a definition, in a pull, in a build as the step that failed or as any."""


def places_of(name: str, code: str) -> tuple[Path, ...]:
    """Where the error may have its cause, the likeliest place first; the service's section is the last."""
    role = role_of(name)
    section: Path = (SECTIONS[role],) if role in SECTIONS else ("services", name)
    return (*((*section, key) for key in KEYS.get(code, ())), section)


def service_in(text: str, project: Project, image: str | None = None) -> str | None:
    """The service that an error's text speaks of; None where it names none, or more than one.

    `image` is the key of the image that could not be had.
    """
    for found in _candidates(text, project, image):
        if len(found) == 1:
            return found.pop()
    return None


def _candidates(text: str, project: Project, image: str | None) -> Iterator[set[str]]:
    names = set(project.service_names)
    if image is not None:
        yield {
            next((one.name for one in project.services if one.image == image and one.raw is None), "")
        } & names
    for pattern in SPOKEN_OF:
        yield set(re.findall(pattern, text)) & names
    yield {service.name for service in project.services if _speaks_of_mount(text, service)}
    yield {
        service.name
        for service in project.services
        if service.raw is not None
        and service.image
        and re.search(rf"{re.escape(service.image)}(?![\w.:/-])", text)
    }
    yield (set(re.findall(PULLING, text)) - set(re.findall(PULLED, text))) & names
    unfinished = set(re.findall(CREATING, text)) - set(re.findall(CREATED, text))
    yield {name for name in names for container in unfinished if _is_of(container, project.name, name)}


def _is_of(container: str, project: str, service: str) -> bool:
    return re.fullmatch(rf"{re.escape(project)}-{re.escape(service)}-\d+", container) is not None


def _speaks_of_mount(text: str, service: Service) -> bool:
    sources = [mount.source for mount in service.mounts if mount.is_bind]
    sources += [str(source) for source in map(_source, (service.raw or {}).get("volumes") or ()) if source]
    return any(re.search(rf"{re.escape(source)}(?![\w/.-])", text) for source in sources)


def _source(volume: Any) -> str | None:
    """The host's side of a mount in Compose's words, as it will be in an error: without a leading `./`."""
    source = volume.get("source") if isinstance(volume, dict) else str(volume).partition(":")[0]
    if not source or not str(source).startswith(("/", ".", "~")):
        return None
    return str(source).removeprefix("./")
