"""Containers, volumes and networks through the Docker SDK."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from devenv.engine.docker.volumes import Volumes
from devenv.engine.observed import (
    EngineInfo,
    ExecResult,
    ObservedContainer,
    ObservedState,
    PortHolder,
    ProbeResult,
)
from devenv.model import Label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.engine.api import ContainerRequest


COMPOSE_PROJECT = "com.docker.compose.project"
COMPOSE_SERVICE = "com.docker.compose.service"
COMPOSE_NUMBER = "com.docker.compose.container-number"
NO_NETWORK = "none"
REMOVAL_SECONDS = 60
COMPOSE_ONE_OFF = "com.docker.compose.oneoff"


class Daemon(Volumes):
    """The engine's daemon: what there is, and single containers."""

    def info(self) -> EngineInfo:
        """Who answers; raises EngineUnavailableError when nobody does."""
        with self._translated("ask for its version"):
            info = self._client.api.info()
            version = self._client.api.version()
        return EngineInfo(
            version=version.get("Version", ""),
            api_version=version.get("ApiVersion", ""),
            endpoint=_endpoint(self._client.api),
            root_directory=info.get("DockerRootDir", ""),
            storage_driver=info.get("Driver", ""),
            memory_bytes=int(info.get("MemTotal", 0)),
            cpus=int(info.get("NCPU", 0)),
            rootless="name=rootless" in (info.get("SecurityOptions") or ()),
        )

    def observe(self, project: str) -> ObservedState:
        """All containers (one-off runs left out) and volumes of the project, in one reading."""
        with self._translated("list containers"):
            rows = self._client.api.containers(all=True, filters={"label": f"{COMPOSE_PROJECT}={project}"})
            containers = tuple(
                observed
                for row in rows
                if row["Labels"].get(COMPOSE_ONE_OFF, "False") == "False"
                and (observed := self._inspect(row["Id"])) is not None
            )
        return ObservedState(containers, self.volumes(f"{Label.PROJECT}={project}"))

    def _inspect(self, container_id: str) -> ObservedContainer | None:
        """One container; None when it went away since it was listed."""
        from docker.errors import NotFound

        try:
            return observed_container(self._client.api.inspect_container(container_id))
        except NotFound:
            return None

    def published_ports(self) -> tuple[PortHolder, ...]:
        """Every host port that some container on this engine holds."""
        with self._translated("list containers"):
            rows = self._client.api.containers()
        return tuple(
            PortHolder(port["PublicPort"], row["Names"][0].lstrip("/"), row["Labels"].get(COMPOSE_PROJECT))
            for row in rows
            for port in row["Ports"] or []
            if port.get("PublicPort")
        )

    def start_container(self, container_id: str) -> None:
        """Start a created or stopped container; nothing happens to a running one."""
        with self._translated("start a container"):
            self._client.api.start(container_id)

    def restart_container(self, container_id: str, timeout: int) -> None:
        """Stop within `timeout` seconds and start again."""
        with self._translated("restart a container"):
            self._client.api.restart(container_id, timeout=timeout)

    def stop_container(self, name_or_id: str, timeout: int) -> int:
        """Stop it cleanly within `timeout` seconds; its exit status."""
        with self._translated(f"stop {name_or_id}"):
            self._client.api.stop(name_or_id, timeout=timeout)
            return int(self._client.api.wait(name_or_id)["StatusCode"])

    def remove_container(self, name_or_id: str) -> None:
        """Kill and remove it with its anonymous volumes; nothing happens where it does not exist."""
        from docker.errors import APIError, NotFound

        api = self._client.api
        with self._translated(f"remove {name_or_id}"), suppress(NotFound):
            try:
                api.remove_container(name_or_id, v=True, force=True)
            except APIError as error:
                if "already in progress" not in str(error.explanation):
                    raise
                # Somebody else's removal, perhaps asked for by a command that was killed since: it will be gone.
                api.wait(name_or_id, timeout=REMOVAL_SECONDS, condition="removed")

    def run_container(self, request: ContainerRequest) -> str:
        """Create and start a container outside Compose; its id. One that does not start is removed."""
        with self._translated(f"run {request.name}"):
            container = self._client.containers.create(
                request.image,
                list(request.command) if request.command is not None else None,
                entrypoint=list(request.entrypoint) if request.entrypoint is not None else None,
                name=request.name,
                environment=dict(request.environment),
                volumes=[f"{name}:{path}" for name, path in request.volumes.items()],
                network=request.network or NO_NETWORK,
                labels=dict(request.labels),
                user=request.user,
                privileged=request.privileged,
                pid_mode="host" if request.privileged else None,
                detach=True,
            )
            try:
                container.start()
            except BaseException:
                container.remove(v=True, force=True)
                raise
        return str(container.id)

    def container_logs(self, name_or_id: str, tail: int) -> tuple[str, ...]:
        """The last lines that a container wrote."""
        with self._translated(f"read the log of {name_or_id}"):
            text = self._client.api.logs(name_or_id, tail=tail, stdout=True, stderr=True)
        return tuple(text.decode(errors="replace").splitlines())

    def container_state(self, name_or_id: str) -> str | None:
        """The state in one word, None where it does not exist."""
        with self._translated(f"inspect {name_or_id}"):
            found = self._inspect(name_or_id)
        return found.state if found else None

    def run_to_end(self, request: ContainerRequest) -> ExecResult:
        """Run a container outside Compose until it ends, and remove it."""
        container_id = self.run_container(request)
        try:
            with self._translated(f"wait for {request.name}"):
                status = int(self._client.api.wait(container_id, timeout=None)["StatusCode"])
                text = self._client.api.logs(container_id)
        finally:
            self.remove_container(container_id)
        return ExecResult(status, text.decode(errors="replace"))

    def replace_container(self, container_id: str, volumes: Mapping[str, str]) -> str:
        """Kill a container and make it anew, not started, with other volumes (new name by old); its id.

        All else stays as it was, so that Compose still takes it for the one that it made.
        """
        with self._translated("replace a container"):
            api = self._client.api
            old = api.inspect_container(container_id)
            endpoints = _endpoints(old)
            # A substitute was made on no network, and got its networks later.
            mode = next(iter(endpoints), old["HostConfig"]["NetworkMode"])
            config = _copied(old, _image_of(api, old), volumes, mode)
            config["NetworkingConfig"] = {"EndpointsConfig": endpoints}
            self.remove_container(container_id)
            return str(api.create_container_from_config(config, old["Name"].lstrip("/"))["Id"])

    def duplicate_container(self, container_id: str, name: str, volumes: Mapping[str, str]) -> str:
        """Make another container like one, not started, with other volumes (new name by old); its id.

        It is on no network and publishes nothing yet. Compose takes it for the service's next replica.
        """
        with self._translated(f"make the container {name}"):
            api = self._client.api
            old = api.inspect_container(container_id)
            config = _copied(old, _image_of(api, old), volumes, NO_NETWORK)
            number = int(old["Config"]["Labels"].get(COMPOSE_NUMBER, 1)) + 1
            config["Labels"] = {**old["Config"]["Labels"], COMPOSE_NUMBER: str(number)}
            return str(api.create_container_from_config(config, name)["Id"])

    def substitute_container(self, container_id: str, substitute_id: str) -> None:
        """Kill and remove a container; its duplicate takes over name, networks, aliases and published ports.

        Killed in between, the container is gone and the duplicate is there under its own name.
        """
        with self._translated("put a container in the place of another"):
            api = self._client.api
            old = api.inspect_container(container_id)
            self.remove_container(container_id)
            # From `none` a container goes nowhere else. Joining a network publishes the ports it was made with.
            api.disconnect_container_from_network(substitute_id, NO_NETWORK)
            for network, endpoint in _endpoints(old).items():
                api.connect_container_to_network(substitute_id, network, aliases=endpoint["Aliases"])
            api.rename(substitute_id, old["Name"].lstrip("/"))


def _endpoint(api: Any) -> str:
    """Where the daemon is reached, as `DOCKER_HOST` would name it."""
    path = getattr(api.get_adapter(api.base_url), "socket_path", None)
    return f"unix://{path}" if path else str(api.base_url)


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
        restarts=raw.get("RestartCount", 0),
        image=config["Image"],
        image_id=raw["Image"],
        started_at=state["StartedAt"] if state["Status"] == "running" else "",
        labels=labels,
        volumes={mount["Destination"]: mount["Name"] for mount in raw["Mounts"] if mount.get("Name")},
        ports={
            int(target.split("/")[0]): int(bindings[0]["HostPort"])
            for target, bindings in (raw["NetworkSettings"]["Ports"] or {}).items()
            if bindings
        },
        addresses=tuple(sorted(net["IPAddress"] for net in networks.values() if net.get("IPAddress"))),
    )


def _image_of(api: Any, old: Mapping[str, Any]) -> str:
    """A container's image by its tag where that still means the same: a rebuilt one comes with `up` only."""
    from docker.errors import ImageNotFound

    tag = str(old["Config"]["Image"])
    try:
        means = api.inspect_image(tag)["Id"]
    except ImageNotFound:
        means = None
    return tag if means == old["Image"] else str(old["Image"])


def _copied(old: Mapping[str, Any], image: str, volumes: Mapping[str, str], mode: str) -> dict[str, Any]:
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


def _endpoints(old: Mapping[str, Any]) -> dict[str, Any]:
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
