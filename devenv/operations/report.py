"""What is defined and what is observed, put together as `devenv status` and `devenv up` show it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from devenv.model import Label
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devenv.engine.observed import ObservedContainer, ObservedImage, ObservedState
    from devenv.environments.ports import PortChoice
    from devenv.environments.workspace import Memory
    from devenv.model import Project, Service
    from devenv.plan import Plan
    from devenv.waterfall import Waterfall


@dataclass(frozen=True)
class PortRow:
    """A port as a user reaches it."""

    published: int
    target: int
    url: str | None


@dataclass(frozen=True)
class ServiceRow:
    """One service: the worst of its containers speaks for it."""

    name: str
    state: str
    health: str | None
    image: str
    image_source: str | None
    replicas: int
    ports: tuple[PortRow, ...]
    since: str
    restarts: int
    """How often the engine started it again since it was last started by hand."""


@dataclass(frozen=True)
class DatabaseRow:
    """Which data the database has: the branch of which snapshot, made by which driver, and why by that."""

    branch: str | None
    snapshot: str | None
    driver: str
    reason: str


@dataclass(frozen=True)
class StatusReport:
    """The data of `devenv status`, in the contract's words."""

    environment: str
    project: str
    state: str
    services: tuple[ServiceRow, ...]
    database: DatabaseRow
    authority: str | None = None
    """The certificate to trust where it serves HTTPS."""


@dataclass(frozen=True)
class UpResult:
    """What was done and what runs now."""

    plan: Plan
    status: StatusReport
    ports: tuple[PortChoice, ...]
    seconds: float
    profile: Waterfall | None = None
    """Where the time went, if somebody asked."""


def images_in_use(observed: ObservedState) -> frozenset[str]:
    """The images that the containers were made of, as they were named then."""
    return frozenset(container.image for container in observed.containers)


def report(
    project: Project, observed: ObservedState, memory: Memory, images: Mapping[str, ObservedImage]
) -> StatusReport:
    """Put together what is defined and what is observed; `images` are those in use, as the engine has them."""
    built = {reference: Label.KIND in image.labels for reference, image in images.items()}
    rows = tuple(_row(service, observed.of(service.name), built, memory) for service in project.services)
    return StatusReport(
        environment=project.environment,
        project=project.name,
        state=_overall(
            [
                row
                for row, service in zip(rows, project.services, strict=True)
                if _counts(service, observed.of(service.name))
            ]
        ),
        services=rows,
        database=_database(observed, memory),
        authority=_authority(project),
    )


def _authority(project: Project) -> str | None:
    if not any(port.scheme == "https" for service in project.services for port in service.ports):
        return None
    from devenv.environments.authority import authority_files  # noqa: PLC0415 - only HTTPS needs it

    return str(authority_files().certificate)


def _row(
    service: Service,
    containers: tuple[ObservedContainer, ...],
    built: Mapping[str, bool],
    memory: Memory,
) -> ServiceRow:
    image = containers[0].image if containers else ""
    return ServiceRow(
        name=service.name,
        state=_state(containers),
        health=_health(containers),
        image=image,
        image_source=_source(image, built, memory) if image else None,
        replicas=sum(container.is_running for container in containers),
        ports=_ports(service, containers),
        since=min((container.started_at for container in containers if container.started_at), default=""),
        restarts=sum(container.restarts for container in containers),
    )


def _ports(service: Service, containers: tuple[ObservedContainer, ...]) -> tuple[PortRow, ...]:
    """The ports that the container really has; while it does not run, those that are defined."""
    real = {target: port for container in containers for target, port in container.ports.items()}
    defined = {port.target: port for port in service.ports}
    ports = [replace(port, published=real.get(port.target, port.published)) for port in service.ports]
    rows = [PortRow(port.published, port.target, port.url) for port in ports]
    rows += [PortRow(port, target, None) for target, port in real.items() if target not in defined]
    return tuple(rows)


def _state(containers: tuple[ObservedContainer, ...]) -> str:
    states = {container.state for container in containers}
    if not states:
        return "absent"
    return states.pop() if len(states) == 1 else "mixed"


def _health(containers: tuple[ObservedContainer, ...]) -> str | None:
    """The worst health of the containers that run."""
    found = {container.health for container in containers if container.is_running}
    return next((health for health in ("unhealthy", "starting", "healthy") if health in found), None)


def _source(image: str, built: Mapping[str, bool], memory: Memory) -> str:
    if built.get(image):
        return "built"
    return "pulled" if image in memory.pulled else "present"


def _counts(service: Service, containers: tuple[ObservedContainer, ...]) -> bool:
    """Whether a service says something about the whole: it is wanted or runs, and is no job of the user's that is done."""
    if service.on_request and not containers:
        return False
    done = all(one.state == "exited" and one.exit_status == 0 for one in containers)
    if service.raw is not None and containers and done:
        return False
    return service.replicas > 0 or any(one.is_running for one in containers)


def _overall(wanted: Sequence[ServiceRow]) -> str:
    """One word for the environment: healthy, starting, unhealthy, partial, stopped or absent."""
    if all(row.state == "absent" for row in wanted):
        return "absent"
    if not any(row.replicas for row in wanted):
        return "stopped"
    healths = {row.health for row in wanted if row.replicas}
    for word in ("unhealthy", "starting"):
        if word in healths:
            return word
    return "healthy" if all(row.state == "running" for row in wanted) else "partial"


def _database(observed: ObservedState, memory: Memory) -> DatabaseRow:
    volume = next(
        (container.volumes.get(mysql.DATA_DIRECTORY) for container in observed.of(mysql.NAME)), None
    )
    labels = {one.name: one.labels for one in observed.volumes}.get(volume or "", {})
    return DatabaseRow(
        branch=volume,
        snapshot=memory.snapshot or None,
        driver=labels.get(Label.DRIVER, "none"),
        reason=labels.get(Label.REASON, ""),
    )
