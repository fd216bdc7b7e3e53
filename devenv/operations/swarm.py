"""The environment on a Docker Swarm: up, status, logs, scale and down, through one of its managers."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from devenv.engine.api import ContainerRequest
from devenv.errors import OperationError, RefusedError, ServiceFailedError, UsageError
from devenv.events import Event, Status
from devenv.operations import lifecycle
from devenv.operations.data import branch_seed, remember_branch
from devenv.operations.generations import next_generation, recover_memory
from devenv.operations.images import obtain
from devenv.operations.inside import matching
from devenv.operations.up import seed_cause
from devenv.project import labels
from devenv.release import spread
from devenv.render.compose import MARK
from devenv.render.swarm import Site, render_environment
from devenv.services import backend, frontend, mysql

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from devenv.engine.observed import EngineInfo, LogLine, ObservedState
    from devenv.engine.swarm_api import StackService, Swarm
    from devenv.environments.workspace import Memory
    from devenv.images.obtain import Obtained
    from devenv.model import Project
    from devenv.operations.inside import LogOptions
    from devenv.operations.session import Session
    from devenv.operations.up import UpOptions

POLL_SECONDS = 0.5
DOWN_SECONDS = 120
STACK_FILE = "stack.yaml"
POD_REASON = "every node has one pod of it"
NOT_SCALED = {mysql.NAME: "its data are on one node", backend.NAME: POD_REASON, frontend.NAME: POD_REASON}
IPVS = "/proc/net/ip_vs"
"""There where the kernel can balance: without it the routing mesh leads nowhere."""


@dataclass(frozen=True)
class SwarmRow:
    """One service: `replicas` of the `desired` run, on these nodes (how many by name)."""

    name: str
    state: str
    health: str | None
    image: str
    replicas: int
    desired: int
    ports: tuple[int, ...]
    nodes: Mapping[str, int] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class SwarmReport:
    """What runs on the swarm, in the words of `devenv status`."""

    environment: str
    project: str
    state: str
    services: tuple[SwarmRow, ...]
    nodes: int
    seconds: float = 0


@dataclass(frozen=True)
class SwarmDown:
    """The stack that was removed, and the data put aside, if any."""

    project: str
    services: tuple[str, ...]
    put_aside: str | None


def up(session: Session, swarm: Swarm, options: UpOptions) -> SwarmReport:
    """The environment is seeded on the manager, deployed, and healthy on every node when this returns."""
    if options.services:
        raise UsageError("`--on` deploys the whole environment: name no services")
    begun = time.monotonic()
    manager, info = swarm.manager(), session.engine.info()
    session = replace(session, is_mapped=False)
    session.workspace.prepare()
    with session.workspace.locked(session.events):
        project, images = _seeded(session, info, options)
        mode = _publishing(session, project, images)
        site = Site(
            f"node.id == {manager.id}", mode, labels(session.identity, "service"), frozenset({mysql.VOLUME})
        )
        references = {key: image.reference for key, image in images.items()}
        file = session.workspace.folder / STACK_FILE
        session.workspace.write(file, render_environment(spread(project), references, site))
        swarm.deploy(session.identity.project, file)
        _wait(session, swarm, options.timeout)
    return replace(status(session, swarm), seconds=time.monotonic() - begun)


def status(session: Session, swarm: Swarm) -> SwarmReport:
    """What the swarm has of this environment now."""
    manager = swarm.manager()
    rows = tuple(_row(service) for service in swarm.services(session.identity.project))
    return SwarmReport(
        session.identity.environment, session.identity.project, _overall(rows), rows, manager.nodes
    )


def logs(session: Session, swarm: Swarm, options: LogOptions) -> Iterator[LogLine]:
    """The lines of the services' tasks on all nodes, merged in the order of their time stamps."""
    names = _known(session, swarm, options.services)
    lines = swarm.logs(
        session.identity.project, names, tail=options.tail, since=options.since, follow=options.follow
    )
    return matching(lines, options.grep)


def scale(session: Session, swarm: Swarm, counts: Mapping[str, int], timeout: float) -> SwarmReport:
    """There are as many tasks as asked for, each healthy, when this returns; `up` has the configured number again."""
    begun = time.monotonic()
    with session.workspace.locked(session.events):
        for name in _known(session, swarm, tuple(counts)):
            if name in NOT_SCALED:
                raise UsageError(f"{name} is not scaled: {NOT_SCALED[name]}")
        for name, count in counts.items():
            swarm.scale(session.identity.project, name, count)
        _wait(session, swarm, timeout)
    return replace(status(session, swarm), seconds=time.monotonic() - begun)


def down(session: Session, swarm: Swarm, *, volumes: bool = False, confirmed: bool = False) -> SwarmDown:
    """Remove the stack, and wait until its containers have ended. The data stay, with `volumes` put aside.

    Generated files stay on the other nodes, whose volumes nobody but their own engines reaches.
    """
    swarm.manager()
    if volumes and not confirmed:
        raise RefusedError(
            f"this would leave {session.identity.project} without its data",
            code="confirmation_needed",
            hint="say `devenv down --volumes --yes` with the same --on if you mean it",
        )
    with session.workspace.locked(session.events):
        names = tuple(service.name for service in swarm.services(session.identity.project))
        if names:
            session.events.emit(Event("stack", Status.WORKING, "removing"))
            swarm.remove(session.identity.project)
            _until_gone(session, swarm)
            session.events.emit(Event("stack", Status.DONE, "removed"))
    rest = lifecycle.down(session, volumes=volumes, confirmed=confirmed)
    return SwarmDown(session.identity.project, names, rest.put_aside)


def _seeded(session: Session, info: EngineInfo, options: UpOptions) -> tuple[Project, Mapping[str, Obtained]]:
    """The project with its data on the manager, and its images there; missing ones are made."""
    observed = session.observe()
    memory = recover_memory(session, observed)
    ports = _ports(session, observed, memory)
    project = session.project(ports, memory.generation, info)
    seed = seed_cause(observed, memory, project)
    if seed is not None:
        project = session.project(ports, next_generation(session), info)
    images = obtain(session, project, memory, rebuild=options.rebuild)
    session.workspace.remember(project=session.identity.project, ports=ports)
    if seed is not None:
        session.workspace.write_compose_file(session.render(project, images, info), MARK)
        data = branch_seed(session, project, images)
        remember_branch(session, data.generation, data.snapshot.key)
    return project, images


def _ports(session: Session, observed: ObservedState, memory: Memory) -> dict[str, int]:
    """The entrance's port stays what it was: that it is taken, it is by our own stack."""
    chosen = {choice.key: choice.port for choice in session.choose_ports(observed, memory)}
    return chosen | dict(memory.ports)


def _publishing(session: Session, project: Project, images: Mapping[str, Obtained]) -> str:
    """How ports are published: by the routing mesh, or on each node itself where its kernel cannot balance."""
    request = ContainerRequest(
        name=f"{project.name}-mesh",
        image=images[project.service(frontend.NAME).image].reference,
        entrypoint=("test",),
        command=("-e", IPVS),
        labels=labels(session.identity, "probe"),
    )
    if session.engine.run_to_end(request).exit_status == 0:
        return "ingress"
    session.events.emit(
        Event(
            "swarm",
            Status.WARNING,
            "the manager's kernel has no IPVS, which the routing mesh needs: published on each node itself",
        )
    )
    return "host"


def _known(session: Session, swarm: Swarm, names: Sequence[str]) -> tuple[str, ...]:
    """The names, or all there are; each has to be a service of the stack."""
    swarm.manager()
    there = [service.name for service in swarm.services(session.identity.project)]
    if not there:
        raise OperationError(
            "this environment is not on the swarm",
            code="not_up",
            hint="bring it up with `devenv up --on swarm`",
        )
    for name in names:
        if name not in there:
            raise UsageError(
                f'no service called "{name}" is on the swarm; there are {", ".join(there)}',
                code="unknown_service",
            )
    return tuple(names) or tuple(there)


def _wait(session: Session, swarm: Swarm, timeout: float) -> None:
    """Until as many tasks of every service run as are to; raises ServiceFailedError with the swarm's reason."""
    begun = time.monotonic()
    said: dict[str, str] = {}
    while True:
        services = swarm.services(session.identity.project)
        for service in services:
            text = f"{service.running} of {service.desired} healthy"
            if said.get(service.name) != text:
                said[service.name] = text
                done = Status.DONE if _is_whole(service) else Status.WORKING
                session.events.emit(Event(service.name, done, text))
        if services and all(map(_is_whole, services)):
            return
        for service in services:
            if missing := next((task for task in service.tasks if "No such image" in task.error), None):
                raise ServiceFailedError(
                    f"{service.name}: node {missing.node} has no image {service.image}",
                    code="image_unavailable",
                    hint="push it where every node pulls from and set `image:`, or copy it: "
                    f"`docker save {service.image} | docker --host NODE load`",
                )
        if time.monotonic() - begun > timeout:
            raise _too_late(next(service for service in services if not _is_whole(service)), timeout)
        time.sleep(POLL_SECONDS)


def _too_late(service: StackService, timeout: float) -> ServiceFailedError:
    errors = dict.fromkeys(f"{task.node}: {task.error}" for task in service.tasks if task.error)
    return ServiceFailedError(
        f"{service.name}: {service.running} of {service.desired} healthy after {timeout:g} s",
        code="timeout",
        hint=f"`devenv logs {service.name}` with the same --on shows what it says",
        evidence=tuple(errors)[-5:],
    )


def _is_whole(service: StackService) -> bool:
    """As many run as are to, and none of those before: while one is replaced, both count."""
    wanted = [task for task in service.tasks if task.is_wanted]
    return service.running >= service.desired == len(wanted) and all(
        task.state == "running" for task in wanted
    )


def _until_gone(session: Session, swarm: Swarm) -> None:
    begun = time.monotonic()
    while left := swarm.remains(session.identity.project):
        if time.monotonic() - begun > DOWN_SECONDS:
            raise OperationError(
                f"{left} tasks and networks are still there after {DOWN_SECONDS} s", code="timeout"
            )
        time.sleep(POLL_SECONDS)


def _row(service: StackService) -> SwarmRow:
    wanted = [task for task in service.tasks if task.is_wanted]
    running = [task for task in wanted if task.state == "running"]
    return SwarmRow(
        name=service.name,
        state="running" if running else "created" if wanted else "absent",
        health="healthy" if _is_whole(service) else "starting",
        image=service.image,
        replicas=service.running,
        desired=service.desired,
        ports=tuple(sorted(service.ports.values())),
        nodes=dict(sorted(Counter(task.node for task in running).items())),
        error="" if _is_whole(service) else next((one.error for one in service.tasks[::-1] if one.error), ""),
    )


def _overall(rows: Sequence[SwarmRow]) -> str:
    if not rows:
        return "absent"
    return "healthy" if all(row.health == "healthy" for row in rows) else "starting"
