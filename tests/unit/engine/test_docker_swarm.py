"""What the engine says of a stack's services and tasks, as our values."""

from __future__ import annotations

from typing import Any

from devenv.engine.docker.swarm import _service
from devenv.engine.swarm_api import StackService, Task

NODES = {"n1": "one", "n2": "two"}


def service(**changes: Any) -> dict[str, Any]:
    spec = {"Name": "shop_web", "TaskTemplate": {"ContainerSpec": {"Image": "shop/web:1"}}}
    return {"ID": "s", "Spec": spec, "ServiceStatus": {"RunningTasks": 1, "DesiredTasks": 2}, **changes}


def task(node: str, state: str, created: str, **changes: Any) -> dict[str, Any]:
    status = {"State": state, "Timestamp": created, **changes.pop("status", {})}
    return {"NodeID": node, "Status": status, "DesiredState": "running", "CreatedAt": created, **changes}


def test_a_service_with_its_tasks_in_their_order() -> None:
    tasks = [
        task("n2", "running", "2", Slot=2),
        task("n1", "failed", "1", Slot=1, DesiredState="shutdown", status={"Err": "exit (1)"}),
        task("n1", "starting", "3", Slot=1),
    ]
    ports = {"Endpoint": {"Ports": [{"TargetPort": 80, "PublishedPort": 8080}, {"TargetPort": 81}]}}
    assert _service(service(**ports), "shop", tasks, NODES) == StackService(
        "web",
        "shop/web:1",
        desired=2,
        running=1,
        ports={80: 8080},
        tasks=(
            Task(1, "one", "failed", "exit (1)", is_wanted=False, since="1"),
            Task(1, "one", "starting", since="3"),
            Task(2, "two", "running", since="2"),
        ),
    )


def test_a_task_that_no_node_has_yet_and_a_service_without_ports() -> None:
    waiting = {"DesiredState": "running", "Status": {"State": "pending"}, "CreatedAt": "1"}
    found = _service(service(Endpoint=None, ServiceStatus=None), "shop", [waiting], NODES)
    assert (found.desired, found.running, found.ports) == (0, 0, {})
    assert found.tasks == (Task(0, "", "pending"),)
