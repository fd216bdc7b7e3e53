"""Take services down, stop and restart them; data stay unless they are asked for by name."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.beside import Beside
from devenv.environments.workspace import Former
from devenv.errors import OperationError, RefusedError, UsageError
from devenv.events import Event, Status
from devenv.model import Label
from devenv.operations.failures import explained
from devenv.operations.generations import recover_memory
from devenv.operations.leftovers import remove_helpers, without_strays
from devenv.operations.retention import forget_older
from devenv.operations.session import configured_ports
from devenv.plan import stop_order
from devenv.project import database_volume
from devenv.services import backend, frontend, taskrunner
from devenv.services.pods import role_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devenv.engine.observed import EngineInfo, ObservedContainer, ObservedState
    from devenv.environments.workspace import Memory
    from devenv.model import Project, Service
    from devenv.operations.session import Session

TOGETHER = frozenset({frontend.NAME, backend.NAME, taskrunner.NAME})
"""They stop at once: none loses anything by the end of another, and the database waits for all of them."""
ENDED = frozenset({"created", "exited", "dead"})
"""States in which nothing runs that could be stopped."""
REMOVED = frozenset({backend.GENERATED})
"""Kinds of volumes that `down --volumes` removes; snapshots and what is kept for `undo` stay."""


@dataclass(frozen=True)
class DownResult:
    """What was taken down: container names, the volumes that were removed, and the one kept for `undo`."""

    project: str
    containers: tuple[str, ...]
    volumes: tuple[str, ...]
    put_aside: str | None


@dataclass(frozen=True)
class ServicesResult:
    """The services that an operation was done to."""

    project: str
    services: tuple[str, ...]


def down(session: Session, *, volumes: bool = False, confirmed: bool = False) -> DownResult:
    """Remove containers and network. With `volumes` the data too, which must be confirmed.

    The database's data are put aside even then: `undo` brings them back, `gc` removes them.
    """
    session.engine.info()
    with session.workspace.locked(session.events):
        remove_helpers(session)
        observed = session.observe()
        memory = recover_memory(session, observed)
        current = database_volume(session.identity.project, memory.generation)
        # Compose makes this one for who starts a part of the services before there are data.
        empty = database_volume(session.identity.project, 0)
        data = [volume for volume in observed.volumes if volume.name == current != empty]
        others = [
            volume
            for volume in observed.volumes
            if volume.labels.get(Label.KIND) in REMOVED or volume.name == empty
        ]
        if volumes and (data or others) and not confirmed:
            names = ", ".join(volume.name for volume in (*data, *others))
            raise RefusedError(
                f"this would leave {session.identity.project} without its data: {names}",
                code="confirmation_needed",
                hint="say `devenv down --volumes --yes` if you mean it",
            )
        if observed.containers:
            _stop(session, observed.containers, removing=True)
        for network in session.engine.remove_rest(session.identity.project):
            text = "containers of somebody else are on it, so it stays"
            session.events.emit(Event(f"network {network}", Status.WARNING, text))
        if observed.containers:
            session.events.emit(Event("containers", Status.DONE, "removed"))
        removed: tuple[str, ...] = ()
        if volumes:
            put_data_aside(session, memory)
            forget_older(session, observed)
            removed = tuple(volume.name for volume in others)
            for name in removed:
                session.engine.remove_volume(name)
    containers = tuple(one.name for one in observed.containers)
    return DownResult(session.identity.project, containers, removed, current if volumes and data else None)


def _stop(session: Session, containers: Sequence[ObservedContainer], *, removing: bool) -> None:
    """Stop containers, each once those that depend on it have stopped; `removing` each behind its own end.

    The application's own wait for nobody. Compose would remove none before the last has stopped, and takes
    a third of a second for itself.
    """
    doing = "removing" if removing else "stopping"
    session.events.emit(Event("containers", Status.WORKING, doing))
    stops: dict[str, list[Beside[None]]] = {}
    removals = []
    for turn in stop_order(containers):
        waits = () if role_of(turn.service) in TOGETHER else turn.after
        before = [stop for name in waits for stop in stops[name]]
        own = [one for one in containers if one.service == turn.service]
        stops[turn.service] = [Beside(_stop_one, session, one, before) for one in own]
        if removing:
            pairs = zip(own, stops[turn.service], strict=True)
            removals += [Beside(_remove_one, session, one, stop) for one, stop in pairs]
    for last in (*(stop for turn in stops.values() for stop in turn), *removals):
        last.result()


def _stop_one(session: Session, container: ObservedContainer, before: Sequence[Beside[None]]) -> None:
    for other in before:
        with suppress(OperationError):  # told where it is waited for itself
            other.result()
    if container.state in ENDED:
        return
    try:
        session.engine.stop_container(container.id, None)
    except OperationError:
        if session.engine.container_state(container.id) not in {None, *ENDED}:
            raise


def _remove_one(session: Session, container: ObservedContainer, stop: Beside[None]) -> None:
    stop.result()
    # A user's own service may keep data in a volume without a name.
    session.engine.remove_container(container.id, anonymous_volumes=False)


def put_data_aside(session: Session, memory: Memory) -> None:
    """Leave the environment without data; those that it has are the next that `undo` brings back."""
    if memory.generation:
        former = (Former(memory.generation, memory.snapshot), *memory.former)
        session.workspace.remember(generation=0, snapshot="", former=former)


def stop(session: Session, names: tuple[str, ...]) -> ServicesResult:
    """Stop services, dependents first; `up` starts them again."""
    session.engine.info()
    with session.workspace.locked(session.events):
        observed = session.observe()
        recover_memory(session, observed)
        observed = without_strays(session, observed)
        running = tuple({one.service: None for one in observed.containers if one.is_running})
        chosen = check_names(observed, names) or running
        wanted = tuple(name for name in chosen if name in running)
        if wanted:
            _stop(session, [one for one in observed.containers if one.service in wanted], removing=False)
            session.events.emit(Event("containers", Status.DONE, "stopped"))
    return ServicesResult(session.identity.project, wanted)


def restart(session: Session, names: tuple[str, ...]) -> ServicesResult:
    """Restart services and wait until they are healthy again."""
    info = session.engine.info()
    with session.workspace.locked(session.events):
        observed = session.observe()
        chosen = check_names(observed, names)
        project = _present(session, info)
        for name in chosen:
            session.events.emit(Event(name, Status.WORKING, "restarting"))
            for container in observed.of(name):
                session.engine.restart_container(container.id, None)
        services = tuple(service for service in project.services if service.name in chosen)
        from devenv.operations.wait import DEFAULT_TIMEOUT, Ascent  # noqa: PLC0415 - not for `down`

        with explained(session, project):
            Ascent(session.engine, session.observe, services, session.events, DEFAULT_TIMEOUT).run()
    return ServicesResult(session.identity.project, chosen)


def restart_rolling(session: Session, names: tuple[str, ...]) -> ServicesResult:
    """Restart the pods' services, or only those named, one pod after another, out of the balancer meanwhile.

    Raises UsageError in development, where there are no pods, and for a service that no pod has.
    """
    info = session.engine.info()
    if session.shape is None:
        raise UsageError(
            "--rolling: expected an environment of production's shape, got one for development",
            hint="say `devenv restart --rolling --production`, or leave --rolling out",
        )
    with session.workspace.locked(session.events):
        observed = session.observe()
        project = _present(session, info)
        # A pod that is no longer defined goes with the next `up`.
        defined = {one.name: one for one in project.services}
        chosen = defined.keys() & check_names(observed, names or (backend.NAME, frontend.NAME))
        alone = sorted(name for name in chosen if defined[name].pod is None)
        if alone:
            raise UsageError(f"--rolling: expected services of the pods, got {alone[0]}, which is in none")

        def again(services: tuple[Service, ...]) -> None:
            for service in services:
                for container in observed.of(service.name) if service.name in chosen else ():
                    session.engine.restart_container(container.id, None)

        pods = sorted({one.pod for one in project.services if one.pod and one.name in chosen})
        from devenv.operations.rolling import Roll  # noqa: PLC0415 - likewise
        from devenv.operations.wait import DEFAULT_TIMEOUT  # noqa: PLC0415 - likewise

        Roll(session, project, DEFAULT_TIMEOUT).run(pods, again)
    return ServicesResult(session.identity.project, tuple(sorted(chosen)))


def _present(session: Session, info: EngineInfo) -> Project:
    """The environment as it is defined, on the ports and the data that it has."""
    memory = session.workspace.recall()
    ports = configured_ports(session.settings, session.shape) | dict(memory.ports)
    return session.project(ports, memory.generation, info)


def check_names(observed: ObservedState, names: tuple[str, ...]) -> tuple[str, ...]:
    """The services of these names that have containers, `backend` being every pod's; raises UsageError or OperationError."""
    known = sorted({container.service for container in observed.containers})
    if names and not known:
        raise OperationError("this environment is not up", code="not_up", hint="bring it up with `devenv up`")
    chosen: dict[str, None] = {}
    for name in names:
        found = [one for one in known if name in {one, role_of(one)}]
        if not found:
            raise UsageError(
                f'no service called "{name}" has a container; there are {", ".join(known)}',
                code="unknown_service",
                hint="`devenv status` shows all services",
            )
        chosen |= dict.fromkeys(found)
    return tuple(chosen)
