"""How containers and images were made, out of what `docker inspect` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from devenv.engine.docker.connection import Connected, translated
from devenv.engine.observed import ContainerDefinition, ImageDefinition, ObservedMount, ObservedPort

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NANO = 1e9


class Definitions(Connected):
    """The definitions of containers."""

    def definition(self, container_id: str) -> ContainerDefinition:
        """How a container and its image were made; raises OperationError where it does not exist."""
        with translated(f"inspect {container_id[:12]}"):
            raw = self._api.call("GET", f"/containers/{container_id}/json")
            image = self._api.call("GET", f"/images/{raw['Image']}/json")
        return container_definition(raw, image)


def container_definition(raw: Mapping[str, Any], image: Mapping[str, Any]) -> ContainerDefinition:
    """An inspected container and its inspected image, as our value."""
    config, host = raw["Config"], raw["HostConfig"]
    health = config.get("Healthcheck") or {}
    networks = (raw["NetworkSettings"]["Networks"] or {}).values()
    aliases = {alias for network in networks for alias in network.get("Aliases") or ()}
    period = host.get("CpuPeriod") or 100_000
    return ContainerDefinition(
        container_id=raw["Id"],
        image=config["Image"],
        own=image_definition(image),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        user=config.get("User") or "",
        environment=_variables(config.get("Env")),
        mounts=(
            *(_mount(mount) for mount in raw["Mounts"]),
            *(ObservedMount(path, "tmpfs") for path in host.get("Tmpfs") or ()),
        ),
        ports=tuple(_ports(host.get("PortBindings") or {})),
        aliases=tuple(sorted(aliases - {raw["Id"][:12]})),
        memory=host.get("Memory") or 0,
        cpus=(host.get("NanoCpus") or 0) / _NANO or (host.get("CpuQuota") or 0) / period,
        health_test=tuple(health.get("Test") or ()),
        health_times=_times(health),
        restart=(host.get("RestartPolicy") or {}).get("Name") or "",
        read_only=bool(host.get("ReadonlyRootfs")),
    )


def image_definition(raw: Mapping[str, Any]) -> ImageDefinition:
    """An inspected image, as our value."""
    config = raw.get("Config") or {}
    return ImageDefinition(
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        user=config.get("User") or "",
        environment=_variables(config.get("Env")),
        volumes=tuple(sorted(config.get("Volumes") or ())),
        digests=tuple(digest.partition("@")[2] for digest in raw.get("RepoDigests") or ()),
        labels=config.get("Labels") or {},
    )


def _variables(entries: Iterable[str] | None) -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in entries or ())


def _times(health: Mapping[str, Any]) -> dict[str, float]:
    names = {"interval": "Interval", "timeout": "Timeout", "start_period": "StartPeriod"}
    found = {name: health[key] / _NANO for name, key in names.items() if health.get(key)}
    return found | ({"retries": health["Retries"]} if health.get("Retries") else {})


def _mount(raw: Mapping[str, Any]) -> ObservedMount:
    source = raw.get("Name") or raw.get("Source") or ""
    return ObservedMount(raw["Destination"], raw["Type"], source, read_only=not raw.get("RW", True))


def _ports(bindings: Mapping[str, Any]) -> Iterable[ObservedPort]:
    for key, places in bindings.items():
        target, _, protocol = key.partition("/")
        for place in places or ():
            published = place.get("HostPort") or "0"
            yield ObservedPort(int(target), int(published), place.get("HostIp") or "", protocol or "tcp")
