"""Let the database run on another branch: a copy of its container starts on that and takes its place."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from devenv.database.ready import listening_for_the_end, wait_for_greeting
from devenv.events import Event, Status
from devenv.operations.ahead import nothing
from devenv.project import successor_name
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from devenv.engine.observed import ObservedContainer, ObservedState
    from devenv.model import Project
    from devenv.operations.session import Session

GREETING_SECONDS = 60


def start_successor(session: Session, observed: ObservedState, project: Project) -> str | None:
    """Start a copy of the running database's container on the project's volume, beside it; the copy's name.

    The old server goes on, on its own data: killed or failed here, nothing has changed. None where the database
    does not run, or runs on that volume already.
    """
    current, volume = observed.running(mysql.NAME), project.volume(mysql.VOLUME).name
    if current is None or current.volumes.get(mysql.DATA_DIRECTORY) == volume:
        return None
    session.events.emit(Event(mysql.NAME, Status.WORKING, "starting on the other data"))
    name = successor_name(project.name)
    session.engine.duplicate_container(current.id, name, {current.volumes[mysql.DATA_DIRECTORY]: volume})
    return name


def switch(
    session: Session,
    observed: ObservedState,
    project: Project,
    successor: str | None,
    meanwhile: Callable[[], None] = nothing,
) -> bool:
    """Let the database run on the project's volume; False where it does not run, and will when it starts.

    The successor, the spare or what `start_successor` gave, takes the place of the running container, and nothing
    else changes, so that backend and taskrunner reconnect. The old server is killed, not stopped: what it would still write belongs to data that are put
    aside as they were at its last commit. `meanwhile` is called while the new one gets ready.
    """
    current, volume = observed.running(mysql.NAME), project.volume(mysql.VOLUME).name
    for container in observed.of(mysql.NAME):
        old = container.volumes.get(mysql.DATA_DIRECTORY, "")
        if not container.is_running and old != volume:
            session.engine.replace_container(container.id, {old: volume})
    if current is not None and successor is not None:
        with _listening(session, current) as ended:
            session.engine.substitute_container(current.id, successor, ended)
    meanwhile()
    if current is None:
        return False
    wait_until_answers(session, project, current)
    return True


def _listening(
    session: Session, container: ObservedContainer
) -> AbstractContextManager[Callable[[], bool] | None]:
    port = container.ports.get(mysql.PORT)
    return nullcontext() if port is None else listening_for_the_end(session.settings.bind, port)


def wait_until_answers(session: Session, project: Project, container: ObservedContainer) -> None:
    """Return once the database answers that was started just now; `container` is how it ran before."""
    port = container.ports.get(mysql.PORT)
    if port is None or not wait_for_greeting(
        session.settings.bind, port, GREETING_SECONDS, lambda: _died(session)
    ):
        # The long way, which ends with the reason: no published port, or no greeting.
        from devenv.operations.wait import DEFAULT_TIMEOUT, Ascent  # noqa: PLC0415 - a reset seldom needs it

        service = project.service(mysql.NAME)
        Ascent(session.engine, session.observe, (service,), session.events, DEFAULT_TIMEOUT).run()
    session.events.emit(Event(mysql.NAME, Status.DONE, "answers"))


def _died(session: Session) -> bool:
    return any(container.state == "exited" for container in session.observe().of(mysql.NAME))
