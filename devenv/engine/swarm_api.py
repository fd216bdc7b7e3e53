"""What devenv asks of a Docker Swarm, as a protocol and the values that cross it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from devenv.engine.observed import LogLine


@dataclass(frozen=True, slots=True)
class Manager:
    """The node that we talk to, which manages a swarm of so many `nodes` that are ready."""

    id: str
    hostname: str
    nodes: int


@dataclass(frozen=True, slots=True)
class Task:
    """One container of a service, to be or to have been: on which node, in which state.

    `running` means that it is healthy as well, where it has a health check. `error` is the swarm's.
    """

    number: int
    node: str
    state: str
    error: str = ""
    is_wanted: bool = True
    since: str = ""


@dataclass(frozen=True, slots=True)
class StackService:
    """One service of a stack: `desired` of its tasks are to run, `running` do."""

    name: str
    image: str
    desired: int
    running: int
    ports: Mapping[int, int] = field(default_factory=dict)
    """Published port by container port."""
    tasks: tuple[Task, ...] = ()


class Swarm(Protocol):
    """A swarm, through the engine of one of its managers; everything raises `DevenvError`s."""

    def manager(self) -> Manager:
        """Who answers; raises OperationError `no_swarm` where it manages none."""

    def deploy(self, stack: str, file: Path) -> None:
        """Make the stack what the file says; returns before its tasks run."""

    def services(self, stack: str) -> tuple[StackService, ...]:
        """All services of a stack with their tasks, by name; none where there is no such stack."""

    def scale(self, stack: str, service: str, replicas: int) -> None:
        """Have so many tasks of a service; returns before they run."""

    def logs(
        self, stack: str, services: Sequence[str], *, tail: int | None, since: int | None, follow: bool
    ) -> Iterator[LogLine]:
        """Lines of all tasks of the services, on whatever node, merged by time; as they come while following."""

    def remove(self, stack: str) -> None:
        """Remove all of the stack but its volumes; returns before its containers have ended."""

    def remains(self, stack: str) -> int:
        """How many tasks and networks of the stack there still are."""
