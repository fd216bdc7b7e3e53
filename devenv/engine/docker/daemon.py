"""Containers, volumes and networks through the Docker SDK."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from devenv.engine.api import (
    ContainerRequest,
    EngineInfo,
    LogLine,
    ObservedContainer,
    ObservedState,
    ObservedVolume,
    PortHolder,
    ProbeResult,
)
from devenv.engine.docker.connection import Connected
from devenv.model import Label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


COMPOSE_PROJECT = "com.docker.compose.project"
COMPOSE_SERVICE = "com.docker.compose.service"
COMPOSE_NUMBER = "com.docker.compose.container-number"
COMPOSE_ONE_OFF = "com.docker.compose.oneoff"


class Daemon(Connected):
    """The engine's daemon: what there is, and single objects."""

    def _translated(self, doing: str) -> Any:
        from devenv.engine.docker.translate import translated

        return translated(doing)

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
            found = self._client.api.volumes(filters={"label": f"{Label.PROJECT}={project}"})["Volumes"] or []
        volumes = tuple(ObservedVolume(row["Name"], row["Labels"] or {}) for row in found)
        return ObservedState(containers, tuple(sorted(volumes, key=lambda volume: volume.name)))

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
        from docker.errors import NotFound

        with self._translated(f"remove {name_or_id}"), suppress(NotFound):
            self._client.api.remove_container(name_or_id, v=True, force=True)

    def run_container(self, request: ContainerRequest) -> str:
        """Create and start a container outside Compose; its id."""
        with self._translated(f"run {request.name}"):
            container = self._client.containers.run(
                request.image,
                list(request.command) if request.command is not None else None,
                entrypoint=list(request.entrypoint) if request.entrypoint is not None else None,
                name=request.name,
                environment=dict(request.environment),
                volumes={name: {"bind": path, "mode": "rw"} for name, path in request.volumes.items()},
                network=request.network,
                labels=dict(request.labels),
                user=request.user,
                detach=True,
            )
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

    def logs(
        self, state: ObservedState, *, tail: int | None, since: int | None, follow: bool
    ) -> Iterator[LogLine]:
        """Lines of the containers, merged: by time stamp, or as they come while following."""
        streams = [
            (
                container,
                self._client.api.logs(
                    container.id,
                    stream=True,
                    follow=follow,
                    timestamps=True,
                    tail="all" if tail is None else tail,
                    since=since,
                ),
            )
            for container in state.containers
        ]
        if follow:
            yield from _interleaved(streams)
        else:
            lines = [line for container, stream in streams for line in _lines(container, stream)]
            yield from sorted(lines, key=lambda line: line.at)

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a named volume; nothing happens where it exists."""
        with self._translated(f"create volume {name}"):
            self._client.api.create_volume(name, labels=dict(labels))

    def remove_volume(self, name: str) -> None:
        """Remove a named volume; nothing happens where it does not exist."""
        from docker.errors import NotFound

        with self._translated(f"remove volume {name}"), suppress(NotFound):
            self._client.api.remove_volume(name)

    def create_network(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a bridge network; nothing happens where it exists."""
        with self._translated(f"create network {name}"):
            if not self._client.api.networks(names=[f"^{name}$"]):
                self._client.api.create_network(name, driver="bridge", labels=dict(labels))


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


def _lines(container: ObservedContainer, stream: Iterator[bytes]) -> Iterator[LogLine]:
    """Whole lines out of a stream whose pieces end anywhere; each starts with its time stamp."""
    rest = b""
    for piece in stream:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (_line(container, raw) for raw in whole)
    if rest:
        yield _line(container, rest)


def _line(container: ObservedContainer, raw: bytes) -> LogLine:
    stamp, _, text = raw.decode(errors="replace").partition(" ")
    return LogLine(container.service, container.name, stamp, text.rstrip("\r"))


def _interleaved(streams: Sequence[tuple[ObservedContainer, Iterator[bytes]]]) -> Iterator[LogLine]:
    """Lines of several streams as they come, until the last of them ends."""
    lines: queue.Queue[LogLine | None] = queue.Queue()

    def pump(container: ObservedContainer, stream: Iterator[bytes]) -> None:
        try:
            for line in _lines(container, stream):
                lines.put(line)
        finally:
            lines.put(None)

    for container, stream in streams:
        threading.Thread(target=pump, args=(container, stream), daemon=True).start()
    ended = 0
    while ended < len(streams):
        line = lines.get()
        if line is None:
            ended += 1
        else:
            yield line
