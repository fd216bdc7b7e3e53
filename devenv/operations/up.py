"""Bring the environment up: images, ports, data, containers, and the wait until all is healthy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from devenv.errors import UsageError
from devenv.events import Event, Phase, Status
from devenv.images.obtain import Obtained, resolve_all
from devenv.images.resolve import ASKED, Action, Resolution, Source
from devenv.operations import steady
from devenv.operations.ahead import nothing, start_ahead
from devenv.operations.balancer import write_files
from devenv.operations.data import branch_seed, initialise_ahead, is_prepared, remember_branch
from devenv.operations.failures import explained
from devenv.operations.generations import generation_in_use, next_generation, recover_memory
from devenv.operations.images import obtain, seed_services
from devenv.operations.leftovers import remove_helpers, without_strays
from devenv.operations.mountpoints import prepare_mountpoints
from devenv.operations.pool import ready_pool
from devenv.operations.recording import Recorder
from devenv.operations.report import UpResult, images_in_use, report
from devenv.operations.rolling import make_way, settle
from devenv.operations.session import remembered
from devenv.operations.spare import discard_spare, prepare_spare
from devenv.operations.wait import DEFAULT_TIMEOUT, Ascent
from devenv.plan import DataState, Plan, Step, plan_orphans, plan_up, selected
from devenv.render.compose import MARK, specs
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from devenv.config.document import KeyPath
    from devenv.engine.api import LineSink
    from devenv.engine.observed import EngineInfo, ObservedState
    from devenv.environments.ports import PortChoice
    from devenv.environments.workspace import Memory
    from devenv.model import Project, Service
    from devenv.operations.session import Session


@dataclass(frozen=True)
class UpOptions:
    """What the user asked for; `services` empty means all of them."""

    services: tuple[str, ...] = ()
    rebuild: bool = False
    timeout: float = DEFAULT_TIMEOUT


def up(session: Session, options: UpOptions, recorder: Recorder | None = None) -> UpResult:
    """Every selected service runs and is healthy when this returns.

    Killed at any point it leaves what runs as it is, and the next `up` goes on from there.
    The recorder knows afterwards where the time went, also of a start that failed.
    """
    recorder = recorder or Recorder()
    with recorder.recording(session) as recorded:
        return _up(recorded, options, recorder)


def _up(session: Session, options: UpOptions, recorder: Recorder) -> UpResult:
    info = session.engine.info()
    session.workspace.prepare()
    if session.shape is not None:
        session.workspace.make_secret_key()
    with session.workspace.locked(session.events):
        # Compose would take some for replicas too many, and choose by itself which of them go; one that a kill left
        # half in the database's place holds its port.
        remove_helpers(session)
        desired = _Desired.of(session, info, options, recorder)
        if session.shape is not None:
            write_files(session, desired.project)
        prepare_mountpoints(session, desired.project)
        ready_pool(session, desired.observed, new_data=desired.seed is not None)
        with explained(session, desired.project):
            plan = _converge(session, desired, options.timeout)
            observe = recorder.watching(session.observe)
            observed = Ascent(
                session.engine, observe, desired.services, session.events, options.timeout
            ).run()
        if session.shape is not None:
            settle(session, desired.services, observed)
        has_database = any(service.name == mysql.NAME for service in desired.services)
        if session.settings.database.spare and has_database and observed.spare is None:
            prepare_spare(session, info, desired.images)
        in_use = session.engine.images(images_in_use(observed))
        result = report(desired.project, observed, session.workspace.recall(), in_use)
        # Whether the balancer sends requests to the pods only it itself can say: that is the long way.
        if not options.services and session.shape is None and result.state == "healthy":
            steady.keep(session, desired.project, desired.images, desired.specs, desired.ports)
    return UpResult(plan, result, desired.ports, recorder.seconds)


def dry_run(session: Session, options: UpOptions) -> Plan:
    """What `up` would do; nothing is changed, and images that would be fetched count as new."""
    info = session.engine.info()
    memory = session.workspace.recall()
    observed = session.observe()
    memory = replace(memory, generation=memory.generation or generation_in_use(session, observed))
    ports = session.choose_ports(observed, memory)
    project = session.project({choice.key: choice.port for choice in ports}, memory.generation, info)
    services = _selected(project, options.services)
    keys = {service.image for service in services}
    order = session.image_order(project, memory, rebuild=keys if options.rebuild else ())
    resolutions = resolve_all(session.engine, order)
    needed = [one for one in resolutions if one.key in keys]
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
    builds = _own_builds(services) if options.rebuild else ()
    return Plan((*image_steps, *port_steps, *builds, *plan.steps, *plan_orphans(project, observed)))


def seed_cause(observed: ObservedState, memory: Memory, project: Project) -> str | None:
    """Why the database has to be seeded; None where its data are there."""
    if memory.generation == 0:
        return "there are no data yet"
    names = {volume.name for volume in observed.volumes}
    wanted = project.volume(mysql.VOLUME).name
    return None if wanted in names else f"its volume {wanted} is gone"


def _own_builds(services: Iterable[Service]) -> tuple[Step, ...]:
    """Steps for the user's own services that Compose builds when it is asked to; ours are built by `obtain`."""
    own = [one.name for one in services if one.raw is not None and one.raw.get("build") is not None]
    return tuple(Step(name, "build", ASKED) for name in own)


def on_other_data(observed: ObservedState, project: Project) -> tuple[str, ...]:
    """Ids of the database's containers on another volume than the project's: Compose does not replace them."""
    wanted = project.volume(mysql.VOLUME).name
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
    text: str
    specs: Mapping[str, str]
    builds: tuple[Step, ...]
    """What Compose is to build anew."""

    @classmethod
    def of(cls, session: Session, info: EngineInfo, options: UpOptions, recorder: Recorder) -> _Desired:
        observed = session.observe()
        memory = recover_memory(session, observed)
        observed = without_strays(session, observed)
        ports = session.choose_ports(observed, memory)
        _tell_moved(session, ports, memory)
        chosen = {choice.key: choice.port for choice in ports}
        project = session.project(chosen, memory.generation, info)
        names = {service.name for service in _selected(project, options.services)}
        seed = seed_cause(observed, memory, project) if mysql.NAME in names else None
        if seed is not None:
            project = session.project(chosen, next_generation(session), info)
            names |= {one.name for one in seed_services(session, project)}
        wanted = {service.image for service in project.services if service.name in names}
        services = recorder.services = _selected(project, options.services)

        def arrived(image: Obtained) -> None:
            if seed is not None and image.key == mysql.IMAGE:
                initialise_ahead(session, project, image)

        images = obtain(session, project, memory, wanted, rebuild=options.rebuild, arrived=arrived)
        session.workspace.remember(
            project=session.identity.project, ports=chosen, **remembered(session.shape, session.settings)
        )
        text = session.render(project, images, info)
        builds = _own_builds(services) if options.rebuild else ()
        return cls(info, project, services, images, ports, observed, seed, text, specs(text), builds)


def _converge(session: Session, desired: _Desired, timeout: float) -> Plan:
    """Write the file, seed, and let Compose create what the plan says."""
    elsewhere = on_other_data(desired.observed, desired.project)
    plan = plan_up(
        desired.services,
        desired.observed,
        desired.specs,
        {
            service.name: desired.images[service.image].id
            for service in desired.services
            if service.raw is None
        },
        DataState(desired.seed, elsewhere),
        file_changed=session.workspace.write_compose_file(desired.text, MARK),
    )
    plan = Plan((*desired.builds, *plan.steps, *plan_orphans(desired.project, desired.observed)))
    _tell_changes(session, plan)
    if desired.seed is not None:
        ahead = nothing
        if not is_prepared(session, desired.images):
            ahead = start_ahead(session, desired.project, desired.services, _teller(session))
        data = branch_seed(session, desired.project, desired.images, ahead)
        remember_branch(session, data.generation, data.snapshot.key)
    if any(step.action.startswith(("build", "create", "recreate", "remove")) for step in plan.steps):
        names = [service.name for service in desired.services]
        discard_spare(session, desired.observed)
        for identity in elsewhere if mysql.NAME in names else ():
            session.engine.remove_container(identity)
        if session.shape is not None:
            make_way(session, desired.project, desired.observed, plan, timeout)
        tell = _teller(session)
        tell("")
        session.engine.create(session.compose, names, tell, build=bool(desired.builds))
        _keep_name(session, desired.observed, plan)
        session.events.emit(Event("containers", Status.DONE, "created"))
    restarted = {step.resource for step in plan.steps if step.action == "restart"}
    for container in desired.observed.containers:
        if (
            container.is_unhealthy
            and {container.service, f"{container.service} {container.number}"} & restarted
        ):
            text = "restarting: it is unhealthy"
            session.events.emit(Event(container.service, Status.WORKING, text, phase=Phase.START))
            session.engine.restart_container(container.id, None)
    return Plan((*_image_steps(desired.images.values()), *plan.steps))


def _keep_name(session: Session, observed: ObservedState, plan: Plan) -> None:
    """Give the database's new container the name of the old one: each reset's copy has a number of its own for Compose."""
    is_new = any((step.resource, step.action[:8]) == (mysql.NAME, "recreate") for step in plan.steps)
    for before in observed.of(mysql.NAME) if is_new else ():
        for now in session.observe().of(mysql.NAME):
            if now.number == before.number and now.name != before.name:
                session.engine.rename_container(now.id, before.name)


def _tell_changes(session: Session, plan: Plan) -> None:
    """Why something that is there does not stay as it is; that what is missing comes needs no word."""
    for step in plan.steps:
        if step.action.startswith(("recreate", "remove")):
            session.events.emit(Event(step.resource, Status.WORKING, f"{step.action}: {step.cause}"))


def _teller(session: Session) -> LineSink:
    """Passes Compose's own lines on as detail."""
    return lambda line: session.events.emit(
        Event("containers", Status.WORKING, "creating", line, Phase.CREATE)
    )


def _selected(project: Project, names: Sequence[str]) -> tuple[Service, ...]:
    unknown = [name for name in names if not project.named(name)]
    if unknown:
        raise UsageError(
            f'no service is called "{unknown[0]}"; there are {", ".join(project.service_names)}',
            code="unknown_service",
        )
    return selected(project, [one.name for name in names for one in project.named(name)])


def _image_steps(images: Iterable[Obtained]) -> tuple[Step, ...]:
    verbs = {Source.BUILT: Action.BUILD, Source.PULLED: Action.PULL}
    return tuple(
        Step(f"image {one.key}", f"{verbs.get(one.source, one.source)} {one.reference}", one.cause)
        for one in images
        if one.cause is not None
    )


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
