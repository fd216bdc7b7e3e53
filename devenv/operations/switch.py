"""Put another branch under the running database: kill, mount the other volume, start, wait for its greeting."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from devenv.database.ready import listening_for_the_end, wait_for_greeting
from devenv.events import Event, Status
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from devenv.engine.observed import ObservedContainer, ObservedState
    from devenv.model import Project
    from devenv.operations.session import Session

GREETING_SECONDS = 60


def _nothing() -> None:
    """What there is to do meanwhile, for most."""


def switch_volume(
    session: Session, observed: ObservedState, project: Project, meanwhile: Callable[[], None] = _nothing
) -> bool:
    """Let the database run on the project's volume; False where it does not run and nothing was to do.

    The old server is killed, not stopped: what it would still write belongs to data that are put aside as
    they were at its last commit. Only its container changes, so backend and taskrunner reconnect.
    `meanwhile` is called while the new server starts.
    """
    volume = project.volume(mysql.VOLUME).name
    running = [container for container in observed.of(mysql.NAME) if container.is_running]
    for container in observed.of(mysql.NAME):
        old = container.volumes.get(mysql.DATA_DIRECTORY, "")
        if old != volume:
            new_id = session.engine.replace_container(container.id, {old: volume})
            if container.is_running:
                session.engine.start_container(new_id)
    meanwhile()
    if not running:
        return False
    session.events.emit(Event(mysql.NAME, Status.WORKING, "starting on the other data"))
    wait_until_answers(session, project, running[0])
    return True


def switch_to_spare(
    session: Session, observed: ObservedState, project: Project, meanwhile: Callable[[], None] = _nothing
) -> bool:
    """Put the spare in the place of the running database; its data are the project's already. Always True."""
    assert observed.spare is not None
    return switch_to_copy(session, observed, project, observed.spare.id, meanwhile)


def switch_to_copy(
    session: Session,
    observed: ObservedState,
    project: Project,
    copy: str,
    meanwhile: Callable[[], None] = _nothing,
) -> bool:
    """Put a copy of the running database's container in its place, with the data that it has. Always True."""
    current = observed.running(mysql.NAME)
    assert current is not None
    with _listening(session, current) as ended:
        session.engine.substitute_container(current.id, copy, ended)
    meanwhile()
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
