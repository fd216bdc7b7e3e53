"""A swarm in memory: it deploys what a stack file says at once, unless told otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import yaml

from devenv.engine.observed import LogLine
from devenv.engine.swarm_api import Manager, StackService, Task
from devenv.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from devenv.engine.swarm_api import Swarm


@dataclass
class FakeSwarm:
    """`devenv.engine.swarm_api.Swarm` in memory; `nodes` empty is an engine that manages none."""

    nodes: tuple[str, ...] = ("one",)
    failing: dict[str, str] = field(default_factory=dict)
    """What the swarm says of a service whose tasks do not start."""
    written: list[tuple[str, str]] = field(default_factory=list)
    """Log lines in their order: service and text."""
    calls: list[str] = field(default_factory=list)
    files: dict[str, Any] = field(default_factory=dict)
    """The last stack file by stack, read."""
    stacks: dict[str, dict[str, StackService]] = field(default_factory=dict)
    lingering: int = 0
    """How often a removed stack is seen to be there still."""

    def manager(self) -> Manager:
        if not self.nodes:
            raise OperationError("the engine of here manages no swarm", code="no_swarm")
        return Manager("id-of-one", self.nodes[0], len(self.nodes))

    def deploy(self, stack: str, file: Path) -> None:
        self.calls.append(f"deploy {stack}")
        text = yaml.safe_load(file.read_text(encoding="utf-8"))
        self.files[stack] = text
        self.stacks[stack] = {name: self._made(name, one) for name, one in text["services"].items()}

    def services(self, stack: str) -> tuple[StackService, ...]:
        found = self.stacks.get(stack, {})
        return tuple(found[name] for name in sorted(found))

    def scale(self, stack: str, service: str, replicas: int) -> None:
        self.calls.append(f"scale {stack} {service} {replicas}")
        self.stacks[stack][service] = self._running(self.stacks[stack][service], replicas)

    def logs(
        self, stack: str, services: Sequence[str], *, tail: int | None, since: int | None, follow: bool
    ) -> Iterator[LogLine]:
        self.calls.append(f"logs {stack} {' '.join(services)} {tail} {since} {follow}")
        return (LogLine(name, name, "", text) for name, text in self.written if name in services)

    def remove(self, stack: str) -> None:
        self.calls.append(f"remove {stack}")
        del self.stacks[stack]

    def remains(self, stack: str) -> int:
        self.calls.append(f"remains {stack}")
        self.lingering -= 1
        return max(0, self.lingering + 1)

    def _made(self, name: str, definition: dict[str, Any]) -> StackService:
        deploy = definition["deploy"]
        count = len(self.nodes) if deploy.get("mode") == "global" else deploy.get("replicas", 1)
        ports = {port["target"]: port["published"] for port in definition.get("ports", ())}
        return self._running(StackService(name, definition["image"], 0, 0, ports), count)

    def _running(self, service: StackService, count: int) -> StackService:
        error = self.failing.get(service.name, "")
        tasks = tuple(
            Task(number, self.nodes[number % len(self.nodes)], "rejected" if error else "running", error)
            for number in range(count)
        )
        return replace(service, desired=count, running=0 if error else count, tasks=tasks)


if TYPE_CHECKING:
    # mypy proves that it fits.
    _swarm: Swarm = FakeSwarm()
