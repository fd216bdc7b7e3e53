"""A Docker Swarm through the SDK, and stacks through the `docker` client, which alone reads their files."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from devenv.engine.docker.connection import Connected, translated
from devenv.engine.docker.logs import merged
from devenv.engine.swarm_api import Manager, StackService, Task
from devenv.errors import EngineUnavailableError, OperationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from devenv.engine.observed import LogLine

NAMESPACE = "com.docker.stack.namespace"
NO_SWARM_HINT = (
    "`docker swarm init` on it makes it a swarm of one node; `--on CONTEXT` names another Docker context"
)
COMMAND_SECONDS = 120


class DockerSwarm(Connected):
    """`devenv.engine.swarm_api.Swarm` on Docker."""

    def manager(self) -> Manager:
        """Who answers; raises OperationError `no_swarm` where it manages none."""
        with translated("ask for the swarm"):
            info = self._client.api.info()
            swarm = info.get("Swarm") or {}
            if not swarm.get("ControlAvailable"):
                raise OperationError(
                    f"the engine of {info.get('Name', 'this machine')} manages no swarm",
                    code="no_swarm",
                    hint=NO_SWARM_HINT,
                )
            nodes = [node for node in self._client.api.nodes() if node["Status"]["State"] == "ready"]
        return Manager(swarm["NodeID"], info["Name"], len(nodes))

    def deploy(self, stack: str, file: Path) -> None:
        """Make the stack what the file says; returns before its tasks run."""
        words = ["stack", "deploy", "--detach=true", "--resolve-image=never", "--prune", "--compose-file"]
        _docker("deploy the stack", *words, str(file), stack)

    def services(self, stack: str) -> tuple[StackService, ...]:
        """All services of a stack with their tasks, by name; none where there is no such stack."""
        with translated("look at the stack"):
            api = self._client.api
            rows = api.services(filters=_of(stack), status=True)
            names = {node["ID"]: node["Description"]["Hostname"] for node in api.nodes()}
            tasks = api.tasks(filters={"label": _of(stack)["label"]}) if rows else []
        return tuple(
            _service(row, stack, [task for task in tasks if task["ServiceID"] == row["ID"]], names)
            for row in sorted(rows, key=lambda row: str(row["Spec"]["Name"]))
        )

    def scale(self, stack: str, service: str, replicas: int) -> None:
        """Have so many tasks of a service; returns before they run."""
        # With the specification as it is: what the SDK makes of it differs, and every task would be replaced.
        with translated(f"scale {service}"):
            found = self._api.call("GET", f"/services/{stack}_{service}")
            spec = found["Spec"]
            spec["Mode"] = {"Replicated": {"Replicas": replicas}}
            version = {"version": str(found["Version"]["Index"])}
            self._api.call("POST", f"/services/{found['ID']}/update", query=version, body=spec)

    def logs(
        self, stack: str, services: Sequence[str], *, tail: int | None, since: int | None, follow: bool
    ) -> Iterator[LogLine]:
        """Lines of all tasks of the services, on whatever node, merged by time; as they come while following."""
        with translated(f"read the logs of {stack}"):
            streams = [
                (
                    service,
                    service,
                    self._client.api.service_logs(
                        f"{stack}_{service}",
                        stdout=True,
                        stderr=True,
                        timestamps=True,
                        follow=follow,
                        since=since or 0,
                        tail="all" if tail is None else tail,
                        is_tty=False,
                    ),
                )
                for service in services
            ]
        return merged(streams, follow=follow)

    def remove(self, stack: str) -> None:
        """Remove all of the stack but its volumes; returns before its containers have ended."""
        _docker("remove the stack", "stack", "rm", stack)

    def remains(self, stack: str) -> int:
        """How many tasks and networks of the stack there still are."""
        with translated("look at what is left of the stack"):
            api = self._client.api
            tasks = api.tasks(filters={"label": _of(stack)["label"]})
            return len(tasks) + len(api.networks(filters=_of(stack)))


def _of(stack: str) -> dict[str, str]:
    return {"label": f"{NAMESPACE}={stack}"}


def _service(row: Any, stack: str, tasks: list[Any], nodes: dict[str, str]) -> StackService:
    spec, status = row["Spec"], row.get("ServiceStatus") or {}
    ports = (row.get("Endpoint") or {}).get("Ports") or []
    ordered = sorted(tasks, key=lambda task: (task.get("Slot", 0), task["CreatedAt"]))
    return StackService(
        name=spec["Name"].removeprefix(f"{stack}_"),
        image=spec["TaskTemplate"]["ContainerSpec"]["Image"],
        desired=int(status.get("DesiredTasks", 0)),
        running=int(status.get("RunningTasks", 0)),
        ports={port["TargetPort"]: port["PublishedPort"] for port in ports if "PublishedPort" in port},
        tasks=tuple(_task(task, nodes) for task in ordered),
    )


def _task(raw: Any, nodes: dict[str, str]) -> Task:
    status = raw["Status"]
    return Task(
        number=int(raw.get("Slot", 0)),
        node=nodes.get(raw.get("NodeID", ""), ""),
        state=status["State"],
        error=status.get("Err", ""),
        is_wanted=raw["DesiredState"] == "running",
        since=status.get("Timestamp", ""),
    )


def _docker(doing: str, *words: str) -> None:
    docker = shutil.which("docker")
    if docker is None:
        raise EngineUnavailableError("the `docker` client is not on PATH", hint="run `devenv setup`")
    done = subprocess.run(
        [docker, *words], capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
    )
    if done.returncode != 0:
        raise OperationError(
            f"cannot {doing}", code="swarm_failed", evidence=tuple(done.stderr.strip().splitlines()[-10:])
        )
