"""What `up` will do and why: a Project compared with what is there. Pure; a plan prints itself."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from devenv.model import needed_by

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from devenv.engine.observed import ObservedContainer, ObservedState
    from devenv.model import Project, Service


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do to a resource, and its cause."""

    resource: str
    action: str
    cause: str

    def __str__(self) -> str:
        return f"{self.resource}: {self.action}, {self.cause}"


@dataclass(frozen=True)
class Plan:
    """Steps in the order in which they happen."""

    steps: tuple[Step, ...]

    def __str__(self) -> str:
        if not self.steps:
            return "nothing to do: everything runs as it is defined"
        return "\n".join(f"[{number}] {step}" for number, step in enumerate(self.steps, start=1))


@dataclass(frozen=True, slots=True)
class DataState:
    """The database's data as `plan_up` needs to know it: whether they are there, else why not."""

    seed: str | None = None
    """Why the data have to be seeded; None where they are there."""
    elsewhere: Collection[str] = ()
    """Ids of the containers that have other data than these."""


@dataclass(frozen=True, slots=True)
class Turn:
    """When a service stops: once these have."""

    service: str
    after: frozenset[str]


def stop_order(containers: Collection[ObservedContainer]) -> tuple[Turn, ...]:
    """Each service behind those that depend on it, as its containers were made."""
    remaining = dict.fromkeys(one.service for one in containers)
    needs: dict[str, set[str]] = {name: set() for name in remaining}
    for one in containers:
        needs[one.service] |= one.depends_on
    turns: list[Turn] = []
    while remaining:
        # Two that depend on each other, made by different definitions, do not wait.
        free = [name for name in remaining if not any(name in needs[other] for other in remaining)]
        done = frozenset(turn.service for turn in turns)
        for name in free or list(remaining):
            turns.append(Turn(name, frozenset(other for other in done if name in needs[other])))
            del remaining[name]
    return tuple(turns)


def selected(project: Project, names: Collection[str]) -> tuple[Service, ...]:
    """The named services and all they depend on, in the project's order; where none is named, all but those on request."""
    names = names or [service.name for service in project.services if not service.on_request]
    wanted = set(names).union(*(needed_by(name, project.services) for name in names))
    return tuple(service for service in project.services if service.name in wanted)


def plan_up(
    services: Sequence[Service],
    observed: ObservedState,
    specs: Mapping[str, str],
    image_ids: Mapping[str, str],
    data: DataState,
    *,
    file_changed: bool,
) -> Plan:
    """The steps from what is observed to what is defined.

    `specs` holds the hash of each service's definition, `image_ids` the engine's id of the image each
    is to run, where it is on the machine already. Images are planned by `images.resolve`.
    """
    steps = [Step("compose file", "write", "its content changed")] if file_changed else []
    if data.seed is not None:
        steps.append(Step("database", "seed", data.seed))
    for service in services:
        steps += _service_steps(
            service, observed.of(service.name), specs.get(service.name), image_ids.get(service.name), data
        )
    return Plan(tuple(steps))


def plan_orphans(project: Project, observed: ObservedState) -> tuple[Step, ...]:
    """Steps for containers whose service is no longer defined."""
    orphans = {container.service for container in observed.containers} - set(project.service_names)
    return tuple(Step(name, "remove", "it is no longer defined") for name in sorted(orphans))


def _service_steps(
    service: Service,
    containers: Sequence[ObservedContainer],
    spec: str | None,
    image_id: str | None,
    data: DataState,
) -> Iterator[Step]:
    """Replicas are counted, not numbered: which one goes and what number comes is for Compose to choose."""
    asked = f"`devenv scale` asked for {service.replicas}"
    for container in containers[: service.replicas]:
        label = service.name if service.replicas == 1 else f"{service.name} {container.number}"
        if container.id in data.elsewhere:
            yield Step(label, "recreate and start", "it has other data")
        else:
            yield from _container_steps(service, label, container, spec, image_id)
    taken = {container.number for container in containers}
    free = (number for number in count(1) if number not in taken)
    for _ in range(service.replicas - len(containers)):
        label = service.name if service.replicas == 1 else f"{service.name} {next(free)}"
        cause = "it has no container" + (f", and {asked}" if service.scaled else "")
        yield Step(label, "create and start", cause)
    extra = len(containers) - service.replicas
    if extra > 0:
        cause = asked if service.scaled else f"{service.replicas} of it are wanted"
        yield Step(service.name, f"remove {extra} of {len(containers)}", cause)


def _container_steps(
    service: Service, label: str, container: ObservedContainer, spec: str | None, image_id: str | None
) -> list[Step]:
    if spec is not None and container.spec != spec:
        return [Step(label, "recreate and start", "its definition changed")]
    if image_id is not None and container.image_id != image_id:
        return [Step(label, "recreate and start", "its image changed")]
    if service.job and container.has_ended_well:
        return []
    if not container.is_running:
        return [Step(label, "start", f"its container is {container.state}")]
    if container.is_unhealthy:
        return [Step(label, "restart", "it is unhealthy")]
    return []
