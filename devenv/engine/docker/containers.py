"""Containers in the engine's words: what one is to be made of, and what one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from devenv.engine.observed import ObservedContainer, ProbeResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.engine.api import ContainerRequest

COMPOSE_SERVICE = "com.docker.compose.service"
COMPOSE_NUMBER = "com.docker.compose.container-number"
NO_NETWORK = "none"
COMPOSE_DEPENDENCIES = "com.docker.compose.depends_on"
"""`service:condition:restart`, several with commas between."""


def described(request: ContainerRequest) -> dict[str, Any]:
    """What the engine makes a container of."""
    return {
        "Image": request.image,
        "Cmd": None if request.command is None else list(request.command),
        "Entrypoint": None if request.entrypoint is None else list(request.entrypoint),
        "Env": [f"{name}={value}" for name, value in request.environment.items()],
        "Labels": dict(request.labels),
        "User": request.user or "",
        "HostConfig": {
            "Binds": [f"{name}:{path}" for name, path in request.volumes.items()],
            "NetworkMode": request.network or NO_NETWORK,
            "Privileged": request.privileged,
            "PidMode": "host" if request.privileged else "",
        },
    }


def observed_container(raw: Mapping[str, Any]) -> ObservedContainer:
    """What `docker inspect` says of a container, as our value."""
    state, config, labels = raw["State"], raw["Config"], raw["Config"]["Labels"] or {}
    health = state.get("Health")
    log = (health or {}).get("Log") or []
    networks = raw["NetworkSettings"]["Networks"] or {}
    return ObservedContainer(
        id=raw["Id"],
        name=raw["Name"].lstrip("/"),
        service=labels.get(COMPOSE_SERVICE, ""),
        number=int(labels.get(COMPOSE_NUMBER, 1)),
        state=state["Status"],
        health=None if health is None or health["Status"] == "none" else health["Status"],
        probe=ProbeResult(log[-1]["ExitCode"], log[-1]["Output"].strip()) if log else None,
        exit_status=state["ExitCode"],
        error=state.get("Error", ""),
        oom_killed=state.get("OOMKilled", False),
        memory_limit=raw["HostConfig"].get("Memory", 0),
        restarts=raw.get("RestartCount", 0),
        image=config["Image"],
        image_id=raw["Image"],
        started_at=state["StartedAt"] if state["Status"] == "running" else "",
        probes=tuple(run["Start"] for run in log),
        labels=labels,
        volumes={mount["Destination"]: mount["Name"] for mount in raw["Mounts"] if mount.get("Name")},
        ports={
            int(target.split("/")[0]): int(bindings[0]["HostPort"])
            for target, bindings in (raw["NetworkSettings"]["Ports"] or {}).items()
            if bindings
        },
        addresses={name: net["IPAddress"] for name, net in networks.items() if net.get("IPAddress")},
        depends_on=frozenset(
            one.split(":")[0] for one in labels.get(COMPOSE_DEPENDENCIES, "").split(",") if one
        ),
    )


def copied(old: Mapping[str, Any], image: str, volumes: Mapping[str, str], mode: str) -> dict[str, Any]:
    """What makes another container like one, on these volumes and that network."""
    config = {**old["Config"], "Image": image}
    if config.get("Hostname") == old["Id"][:12]:
        del config["Hostname"]
    config["HostConfig"] = {**_with_volumes(old["HostConfig"], volumes), "NetworkMode": mode}
    return config


def _with_volumes(host_config: Mapping[str, Any], volumes: Mapping[str, str]) -> dict[str, Any]:
    """The same host configuration with other named volumes, in whichever of the two forms they stand."""
    mounts = [
        {**mount, "Source": volumes.get(mount.get("Source", ""), mount.get("Source", ""))}
        for mount in host_config.get("Mounts") or []
    ]
    binds = []
    for bind in host_config.get("Binds") or []:
        source, _, rest = bind.partition(":")
        binds.append(f"{volumes.get(source, source)}:{rest}")
    return {**host_config, "Mounts": mounts, "Binds": binds}


def endpoints(old: Mapping[str, Any]) -> dict[str, Any]:
    """The networks with their aliases, but without what belonged to the old container's life."""
    short_id = old["Id"][:12]
    return {
        name: {
            "Aliases": [alias for alias in network.get("Aliases") or [] if alias != short_id],
            "IPAMConfig": network.get("IPAMConfig"),
            "Links": network.get("Links"),
        }
        for name, network in (old["NetworkSettings"]["Networks"] or {}).items()
    }
