"""Bring the environment up: images, ports, data, containers, and the wait until all is healthy."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from devenv.database.seed import RunCommand
from devenv.errors import UsageError
from devenv.events import Event, Status
from devenv.images.obtain import Obtained, obtain_all, resolve_all
from devenv.images.resolve import Action, Resolution, Source
from devenv.operations.data import branch_seed
from devenv.operations.generations import generation_in_use, next_generation, recover_generation
from devenv.operations.mountpoints import prepare_mountpoints
from devenv.operations.pool import ready_pool
from devenv.operations.spare import discard_spare, prepare_spare
from devenv.operations.status import StatusReport, report
from devenv.operations.wait import Ascent
from devenv.plan import DataState, Plan, Step, plan_orphans, plan_up, selected
from devenv.render.compose import MARK, specs
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from devenv.config.document import KeyPath
    from devenv.engine.api import LineSink
    from devenv.engine.observed import EngineInfo, ObservedState
    from devenv.environments.ports import PortChoice
    from devenv.environments.workspace import Memory
    from devenv.model import Project, Service
    from devenv.operations.session import Session

DEFAULT_TIMEOUT = 180.0


@dataclass(frozen=True)
class UpOptions:
    """What the user asked for; `services` empty means all of them."""

    services: tuple[str, ...] = ()
    rebuild: bool = False
    timeout: float = DEFAULT_TIMEOUT


@dataclass(frozen=True)
class UpResult:
    """What was done and what runs now."""

    plan: Plan
    status: StatusReport
    ports: tuple[PortChoice, ...]
    seconds: float


def up(session: Session, options: UpOptions) -> UpResult:
    """Every selected service runs and is healthy when this returns.

    Killed at any point it leaves what runs as it is, and the next `up` goes on from there.
    """
    begun = time.monotonic()
    info = session.engine.info()
    session.workspace.prepare()
    with session.workspace.locked(session.events):
        desired = _Desired.of(session, info, options)
        prepare_mountpoints(session, desired.project)
        ready_pool(session, desired.observed, new_data=desired.seed is not None)
        plan = _converge(session, desired)
        observed = Ascent(
            session.engine, session.observe, desired.services, session.events, options.timeout
        ).run()
        has_database = any(service.name == mysql.NAME for service in desired.services)
        if session.settings.database.spare and has_database and observed.spare is None:
            prepare_spare(session, info, desired.images)
        result = report(session, desired.project, observed, session.workspace.recall())
    return UpResult(plan, result, desired.ports, time.monotonic() - begun)


def dry_run(session: Session, options: UpOptions) -> Plan:
    """What `up` would do; nothing is changed, and images that would be fetched count as new."""
    info = session.engine.info()
    memory = session.workspace.recall()
    observed = session.observe()
    memory = replace(memory, generation=memory.generation or generation_in_use(session, observed))
    ports = session.choose_ports(observed, memory)
    project = session.project({choice.key: choice.port for choice in ports}, memory.generation, info)
    services = _selected(project, options.services)
    resolutions = resolve_all(session.engine, session.image_order(project, memory, rebuild=options.rebuild))
    needed = [one for one in resolutions if one.key in {service.image for service in services}]
    present = session.engine.images(one.reference for one in needed)
    images = {
        one.key: Obtained(one.key, one.reference, one.source or Source.BUILT, present[one.reference].id)
        if one.reference in present
        else Obtained(one.key, one.reference, one.source or Source.BUILT, "to come")
        for one in resolutions
    }
    text = session.render(project, images, info)
    seed = seed_cause(observed, memory, project)
    plan = plan_up(
        services,
        observed,
        specs(text),
        {service.name: images[service.image].id for service in services if service.image in images},
        DataState(
            seed if any(service.name == mysql.NAME for service in services) else None,
            on_other_data(observed, project),
        ),
        file_changed=_differs(session, text),
    )
    image_steps = tuple(_image_step(one) for one in needed if one.action is not Action.USE)
    port_steps = tuple(
        Step(choice.key, f"publish on {choice.port}", f"{choice.configured} is held by {choice.holder}")
        for choice in ports
        if choice.moved and memory.ports.get(choice.key) != choice.port
    )
    return Plan((*image_steps, *port_steps, *plan.steps, *plan_orphans(project, observed)))


def seed_cause(observed: ObservedState, memory: Memory, project: Project) -> str | None:
    """Why the database has to be seeded; None where its data are there."""
    if memory.generation == 0:
        return "there are no data yet"
    names = {volume.name for volume in observed.volumes}
    wanted = next(volume.name for volume in project.volumes if volume.key == "database")
    return None if wanted in names else f"its volume {wanted} is gone"


def on_other_data(observed: ObservedState, project: Project) -> tuple[str, ...]:
    """Ids of the database's containers on another volume than the project's: Compose does not replace them."""
    wanted = next(volume.name for volume in project.volumes if volume.key == "database")
    return tuple(
        container.id
        for container in observed.of(mysql.NAME)
        if container.volumes.get(mysql.DATA_DIRECTORY, wanted) != wanted
    )


@dataclass(frozen=True)
class _Desired:
    """All that has been decided before anything on the engine changes."""

    info: EngineInfo
    project: Project
    services: tuple[Service, ...]
    images: Mapping[str, Obtained]
    ports: tuple[PortChoice, ...]
    observed: ObservedState
    seed: str | None

    @classmethod
    def of(cls, session: Session, info: EngineInfo, options: UpOptions) -> _Desired:
        observed = session.observe()
        memory = recover_generation(session, observed)
        ports = session.choose_ports(observed, memory)
        _tell_moved(session, ports, memory)
        chosen = {choice.key: choice.port for choice in ports}
        project = session.project(chosen, memory.generation, info)
        names = {service.name for service in _selected(project, options.services)}
        seed = seed_cause(observed, memory, project) if mysql.NAME in names else None
        if seed is not None:
            project = session.project(chosen, next_generation(session, observed), info)
            names |= seed_services(session)
        wanted = {service.image for service in project.services if service.name in names}
        services = _selected(project, options.services)
        images = obtain(session, project, memory, wanted, rebuild=options.rebuild)
        session.workspace.remember(project=session.identity.project, ports=chosen)
        return cls(info, project, services, images, ports, observed, seed)


def seed_services(session: Session) -> set[str]:
    """The services in which the seed runs commands."""
    return {step.service for step in session.seed_steps() if isinstance(step, RunCommand)}


def seed_images(session: Session, project: Project) -> set[str]:
    """The images that making the seed's data takes: the database's, and those of services that run commands."""
    return {mysql.IMAGE, *(project.service(name).image for name in seed_services(session))}


def obtain(
    session: Session,
    project: Project,
    memory: Memory,
    wanted: Collection[str] | None = None,
    *,
    rebuild: bool = False,
) -> Mapping[str, Obtained]:
    """The wanted images of the project (None means all), fetched or built where they are missing.

    The others are named as they would be used, but need not be on the machine.
    """
    order = session.image_order(project, memory, rebuild=rebuild)
    resolutions = resolve_all(session.engine, order)
    needed = [one for one in resolutions if wanted is None or one.key in wanted]
    images = {
        one.key: Obtained(one.key, one.reference, one.source or Source.PRESENT, "") for one in resolutions
    }
    images |= obtain_all(session.engine, order, needed, session.bootstrap, session.events)
    pulled = {*memory.pulled, *(one.reference for one in images.values() if one.source is Source.PULLED)}
    if pulled != set(memory.pulled):
        session.workspace.remember(pulled=tuple(sorted(pulled)))
    return images


def _converge(session: Session, desired: _Desired) -> Plan:
    """Write the file, seed, and let Compose create what the plan says."""
    text = session.render(desired.project, desired.images, desired.info)
    file_changed = session.workspace.write_compose_file(text, MARK)
    elsewhere = on_other_data(desired.observed, desired.project)
    plan = plan_up(
        desired.services,
        desired.observed,
        specs(text),
        {
            service.name: desired.images[service.image].id
            for service in desired.services
            if service.raw is None
        },
        DataState(desired.seed, elsewhere),
        file_changed=file_changed,
    )
    plan = Plan((*plan.steps, *plan_orphans(desired.project, desired.observed)))
    if desired.seed is not None:
        branch_seed(session, desired.project, desired.images)
    if any(step.action.startswith(("create", "recreate", "remove")) for step in plan.steps):
        names = [service.name for service in desired.services]
        # Compose would take it for one replica too many, and choose by itself which of the two goes.
        discard_spare(session, desired.observed)
        for identity in elsewhere if mysql.NAME in names else ():
            session.engine.remove_container(identity)
        session.engine.create(session.workspace.compose_file, names, _teller(session))
        session.events.emit(Event("containers", Status.DONE, "created"))
    for step in plan.steps:
        if step.action == "restart":
            _restart_unhealthy(session, desired.observed)
            break
    return plan


def _restart_unhealthy(session: Session, observed: ObservedState) -> None:
    for container in observed.containers:
        if container.health == "unhealthy" and container.is_running:
            session.events.emit(Event(container.service, Status.WORKING, "restarting: it is unhealthy"))
            session.engine.restart_container(container.id, 10)


def _teller(session: Session) -> LineSink:
    """Passes Compose's own lines on as detail."""
    return lambda line: session.events.emit(Event("containers", Status.WORKING, "creating", line))


def _selected(project: Project, names: Sequence[str]) -> tuple[Service, ...]:
    unknown = [name for name in names if name not in project.service_names]
    if unknown:
        raise UsageError(
            f'no service is called "{unknown[0]}"; there are {", ".join(project.service_names)}',
            code="unknown_service",
        )
    return selected(project, names)


def _image_step(resolution: Resolution) -> Step:
    return Step(f"image {resolution.key}", f"{resolution.action} {resolution.reference}", resolution.cause)


def _differs(session: Session, text: str) -> bool:
    file = session.workspace.compose_file
    return not file.exists() or file.read_text(encoding="utf-8") != text


def _tell_moved(session: Session, ports: Sequence[PortChoice], memory: Memory) -> None:
    for choice in ports:
        if choice.moved:
            path: KeyPath = tuple(choice.key.split("."))
            where = str(session.document.position_of(path)) if session.document.holds(path) else ""
            status = Status.DONE if memory.ports.get(choice.key) == choice.port else Status.WARNING
            text = f"port {choice.configured} is held by {choice.holder}: published on {choice.port}"
            session.events.emit(Event(choice.key, status, text, where))
