"""What there is on the engine, and single containers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from devenv.beside import Beside
from devenv.engine.docker.connection import translated
from devenv.engine.docker.containers import (
    COMPOSE_NUMBER,
    NO_NETWORK,
    copied,
    described,
    endpoints,
    observed_container,
)
from devenv.engine.docker.volumes import Volumes, filters, missing_is_fine
from devenv.engine.observed import (
    EngineInfo,
    ExecResult,
    ObservedContainer,
    ObservedState,
    PortHolder,
)
from devenv.engine.transport import API_TIMEOUT, NOT_FOUND, ApiError, unframed
from devenv.model import Label

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from devenv.engine.api import ContainerRequest


COMPOSE_PROJECT = "com.docker.compose.project"
REMOVAL_SECONDS = 60
HALF_STARTED = "failed to create task .*already exists"
"""An engine that died while it started a container forgets that; what runs containers has it under this id for good."""
COMPOSE_ONE_OFF = "com.docker.compose.oneoff"


class Daemon(Volumes):
    """The engine's daemon: what there is, and single containers."""

    def __init__(self, *, sdk_only: bool = False) -> None:
        super().__init__(sdk_only=sdk_only)
        self._before_start: dict[str, Any] = {}
        """What those that are being started here were before, by id."""

    def info(self) -> EngineInfo:
        """Who answers; raises EngineUnavailableError when nobody does."""
        with translated("ask for its version"):
            info = self._api.call("GET", "/info")
            api_version, endpoint = self._api.api_version, self._api.endpoint
        return EngineInfo(
            version=info.get("ServerVersion", ""),
            api_version=api_version,
            endpoint=endpoint,
            root_directory=info.get("DockerRootDir", ""),
            storage_driver=info.get("Driver", ""),
            memory_bytes=int(info.get("MemTotal", 0)),
            cpus=int(info.get("NCPU", 0)),
            rootless="name=rootless" in (info.get("SecurityOptions") or ()),
        )

    def observe(self, project: str) -> ObservedState:
        """All containers (one-off runs left out) and volumes of the project, in one reading.

        One that is being started here is shown as it was: asked about it the engine answers when it has started.
        """
        with translated("list containers"):
            query = filters(label=f"{COMPOSE_PROJECT}={project}") | {"all": "1"}
            rows = self._api.call("GET", "/containers/json", query=query)
            containers = tuple(
                observed
                for row in rows
                if row["Labels"].get(COMPOSE_ONE_OFF, "False") == "False"
                and (observed := self._observed(row["Id"])) is not None
            )
        return ObservedState(containers, self.volumes(f"{Label.PROJECT}={project}"))

    def _inspect(self, container_id: str) -> Any:
        return self._api.call("GET", f"/containers/{container_id}/json")

    def _observed(self, container_id: str) -> ObservedContainer | None:
        """One container; None when it went away since it was listed."""
        try:
            return observed_container(self._before_start.get(container_id) or self._inspect(container_id))
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def published_ports(self) -> tuple[PortHolder, ...]:
        """Every host port that some container on this engine holds."""
        with translated("list containers"):
            rows = self._api.call("GET", "/containers/json")
        return tuple(
            PortHolder(port["PublicPort"], row["Names"][0].lstrip("/"), row["Labels"].get(COMPOSE_PROJECT))
            for row in rows
            for port in row["Ports"] or []
            if port.get("PublicPort")
        )

    def start_container(self, container_id: str) -> None:
        """Start a created or stopped container; nothing happens to a running one."""
        with translated("start a container"):
            self._before_start[container_id] = self._inspect(container_id)
            try:
                self._api.call("POST", f"/containers/{container_id}/start")
            except ApiError as error:
                if re.search(HALF_STARTED, error.message) is None:
                    raise
                anew = self.replace_container(container_id, {})
                self._api.call("POST", f"/containers/{anew}/start")
            finally:
                self._before_start.pop(container_id, None)

    def restart_container(self, container_id: str, timeout: int | None) -> None:
        """Stop within `timeout` seconds, None for those it was made with, and start again."""
        with translated("restart a container"):
            self._end(container_id, "restart", timeout)

    def stop_container(self, name_or_id: str, timeout: int | None) -> int:
        """Stop it cleanly within `timeout` seconds, None for those it was made with; its exit status."""
        with translated(f"stop {name_or_id}"):
            self._end(name_or_id, "stop", timeout)
            return self._wait(name_or_id)

    def _end(self, container_id: str, verb: str, timeout: int | None) -> None:
        path = f"/containers/{container_id}/{verb}"
        query = {} if timeout is None else {"t": str(timeout)}
        # How long it was made to take only the engine knows.
        patience = None if timeout is None else API_TIMEOUT + timeout
        self._api.call("POST", path, query=query, timeout=patience)

    def _wait(
        self, container_id: str, condition: str = "not-running", timeout: float | None = API_TIMEOUT
    ) -> int:
        path = f"/containers/{container_id}/wait"
        answer = self._api.call("POST", path, query={"condition": condition}, timeout=timeout)
        return int(answer["StatusCode"])

    def remove_container(self, name_or_id: str, *, anonymous_volumes: bool = True) -> None:
        """Kill and remove it, and its anonymous volumes; nothing happens where it does not exist."""
        query = {"force": "1", **({"v": "1"} if anonymous_volumes else {})}
        with translated(f"remove {name_or_id}"), missing_is_fine():
            try:
                self._api.call("DELETE", f"/containers/{name_or_id}", query=query)
            except ApiError as error:
                if "already in progress" not in error.message:
                    raise
                # Somebody else's removal, perhaps asked for by a command that was killed since: it will be gone.
                self._wait(name_or_id, "removed", REMOVAL_SECONDS)

    def remove_rest(self, project: str) -> tuple[str, ...]:
        """Remove the project's containers, one-off runs too, and its networks; the networks that are in use, which stay."""
        of_project = filters(label=f"{COMPOSE_PROJECT}={project}")
        with translated(f"remove {project}"):
            for row in self._api.call("GET", "/containers/json", query=of_project | {"all": "1"}):
                self.remove_container(row["Id"], anonymous_volumes=False)
            return self._remove_networks(of_project)

    def run_container(self, request: ContainerRequest) -> str:
        """Create and start a container outside Compose; its id. One that does not start is removed."""
        with translated(f"run {request.name}"):
            return self._run(request.name, described(request))

    def _run(self, name: str, body: Mapping[str, Any]) -> str:
        container_id = self._create(name, body)
        try:
            self._api.call("POST", f"/containers/{container_id}/start")
        except BaseException:
            self.remove_container(container_id)
            raise
        return container_id

    def _create(self, name: str, body: Mapping[str, Any]) -> str:
        return str(self._api.call("POST", "/containers/create", query={"name": name}, body=body)["Id"])

    def container_logs(self, name_or_id: str, tail: int) -> tuple[str, ...]:
        """The last lines that a container wrote."""
        with translated(f"read the log of {name_or_id}"):
            return tuple(self._written(name_or_id, str(tail)).splitlines())

    def _written(self, container_id: str, tail: str) -> str:
        query = {"stdout": "1", "stderr": "1", "tail": tail}
        log = self._api.read("GET", f"/containers/{container_id}/logs", query=query)
        framed = not self._inspect(container_id)["Config"]["Tty"]
        return (unframed(log) if framed else log).decode(errors="replace")

    def container_state(self, name_or_id: str) -> str | None:
        """The state in one word, None where it does not exist."""
        with translated(f"inspect {name_or_id}"):
            found = self._observed(name_or_id)
        return found.state if found else None

    def run_to_end(self, request: ContainerRequest) -> ExecResult:
        """Run a container outside Compose until it ends, and remove it."""
        container_id = self.run_container(request)
        try:
            with translated(f"wait for {request.name}"):
                status = self._wait(container_id, timeout=None)
                text = self._written(container_id, "all")
        finally:
            self.remove_container(container_id)
        return ExecResult(status, text)

    def replace_container(self, container_id: str, volumes: Mapping[str, str]) -> str:
        """Kill a container and make it anew, not started, with other volumes (new name by old); its id.

        All else stays as it was, so that Compose still takes it for the one that it made.
        """
        with translated("replace a container"):
            old = self._inspect(container_id)
            networks = endpoints(old)
            # A substitute was made on no network, and got its networks later.
            mode = next(iter(networks), old["HostConfig"]["NetworkMode"])
            config = copied(old, self._image_of(old), volumes, mode)
            config["NetworkingConfig"] = {"EndpointsConfig": networks}
            self.remove_container(container_id)
            return self._create(old["Name"].lstrip("/"), config)

    def duplicate_container(
        self, container_id: str, name: str, volumes: Mapping[str, str], image: str | None = None
    ) -> str:
        """Run another container like one, with other volumes (new name by old) and perhaps of another image; its id.

        It is on no network and publishes nothing yet. Compose takes it for the service's next replica. One that
        does not start is removed.
        """
        with translated(f"run {name}"):
            old = self._inspect(container_id)
            config = copied(old, image or self._image_of(old), volumes, NO_NETWORK)
            number = int(old["Config"]["Labels"].get(COMPOSE_NUMBER, 1)) + 1
            config["Labels"] = {**old["Config"]["Labels"], COMPOSE_NUMBER: str(number)}
            return self._run(name, config)

    def substitute_container(
        self, container_id: str, substitute_id: str, ended: Callable[[], bool] | None = None
    ) -> None:
        """Kill and remove a container; its duplicate takes over name, networks, aliases and published ports.

        `ended` waits until the killed process's connections are closed, and says whether they are: its networks
        are handed over then, while the engine still puts the rest of it away; else when the container is gone.
        Killed in between, the container is gone and the duplicate is there under its own name.
        """
        with translated("put a container in the place of another"):
            old = self._inspect(container_id)
            # From `none` a container goes nowhere else. Joining a network publishes the ports it was made with.
            leave = {"Container": substitute_id, "Force": False}
            self._api.call("POST", f"/networks/{NO_NETWORK}/disconnect", body=leave)
            removal = Beside(self.remove_container, container_id)
            if ended is None or not self._take_off_networks(old, ended):
                removal.result()
            for network, endpoint in endpoints(old).items():
                join = {"Container": substitute_id, "EndpointConfig": {"Aliases": endpoint["Aliases"]}}
                self._api.call("POST", f"/networks/{network}/connect", body=join)
            removal.result()
            self.rename_container(substitute_id, old["Name"].lstrip("/"))

    def rename_container(self, container_id: str, name: str) -> None:
        """Give a container another name; raises OperationError where that is taken."""
        with translated(f"rename a container to {name}"):
            self._api.call("POST", f"/containers/{container_id}/rename", query={"name": name})

    def _take_off_networks(self, container: Mapping[str, Any], ended: Callable[[], bool]) -> bool:
        """Free what a container that is being killed has on its networks; False where the engine is quicker.

        Not before its process ended: who was connected to it would not be told, and wait for an answer.
        """
        if not ended():
            return False
        try:
            for network in endpoints(container):
                leave = {"Container": container["Id"], "Force": True}
                self._api.call("POST", f"/networks/{network}/disconnect", body=leave)
        except ApiError:
            return False
        return True

    def _image_of(self, old: Mapping[str, Any]) -> str:
        """A container's image by its tag where that still means the same: a rebuilt one comes with `up` only."""
        tag = str(old["Config"]["Image"])
        with missing_is_fine():
            if self._api.call("GET", f"/images/{tag}/json")["Id"] == old["Image"]:
                return tag
        return str(old["Image"])
