"""A project in its production shape as Compose file, for one machine with nothing but Docker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from devenv.render.compose import dumped, duration, escaped
from devenv.render.exported import mark, mebibytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.model import Healthcheck, Mount, Project, PublishedPort, Service

FILE = "compose.yaml"


def render(project: Project, images: Mapping[str, str]) -> dict[str, str]:
    """The one file. A secret stands there by its name alone: Compose takes its value from the environment or `.env`."""
    document = {
        "name": project.name,
        "services": {service.name: _service(service, images) for service in project.services},
        "volumes": {volume.key: {"name": volume.name} for volume in project.volumes},
    }
    return {FILE: mark("compose") + dumped({key: value for key, value in document.items() if value})}


def _service(service: Service, images: Mapping[str, str]) -> dict[str, Any]:
    if service.raw is not None:
        return dict(service.raw)
    dependencies = {name: {"condition": str(condition)} for name, condition in service.depends_on.items()}
    definition = container(service, images) | {
        "depends_on": dependencies,
        "ports": [port(one) for one in service.ports],
        "tmpfs": list(service.tmpfs),
        "restart": service.restart,
        "deploy": deploy(service),
    }
    return {key: value for key, value in definition.items() if value not in (None, {}, [])}


def container(service: Service, images: Mapping[str, str]) -> dict[str, Any]:
    """What Compose and Swarm say of a container in the same words; what is not set is left out."""
    health = service.healthcheck
    definition = {
        "image": images[service.image],
        "entrypoint": list(service.entrypoint) if service.entrypoint is not None else None,
        "command": list(service.command) if isinstance(service.command, tuple) else service.command,
        "user": service.user,
        "environment": {**service.environment, **dict.fromkeys(service.secrets)},
        "volumes": [_mount(mount) for mount in service.mounts],
        "healthcheck": _healthcheck(health) if health else None,
        "networks": {"default": {"aliases": list(service.aliases)}} if service.aliases else None,
        "read_only": service.read_only or None,
        "init": service.init or None,
        "stop_grace_period": duration(service.stop_grace_period),
    }
    return {key: escaped(value) for key, value in definition.items() if value not in (None, {}, [])}


def deploy(service: Service) -> dict[str, Any]:
    """How many there are, and what each may take."""
    limits = {
        "cpus": None if service.cpus is None else f"{service.cpus:g}",
        "memory": None if service.memory is None else mebibytes(service.memory, "M"),
    }
    given = {name: value for name, value in limits.items() if value is not None}
    replicas = {"replicas": service.replicas} if service.replicas != 1 else {}
    return {**replicas, **({"resources": {"limits": given}} if given else {})}


def port(published: PublishedPort) -> dict[str, Any]:
    """A published port in the long form."""
    return {"target": published.target, "published": published.published, "protocol": "tcp"}


def _mount(mount: Mount) -> dict[str, Any]:
    rendered: dict[str, Any] = {
        "type": "bind" if mount.is_bind else "volume",
        "source": mount.source,
        "target": mount.target,
    }
    return {**rendered, "read_only": True} if mount.read_only else rendered


def _healthcheck(healthcheck: Healthcheck) -> dict[str, Any]:
    """Without `start_interval`, which older engines refuse: production starts less often than a laptop."""
    return {
        "test": list(healthcheck.test),
        "interval": duration(healthcheck.interval),
        "timeout": duration(healthcheck.timeout),
        "retries": healthcheck.retries,
        "start_period": duration(healthcheck.start_period),
    }
