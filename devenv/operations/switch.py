"""Let the database run on another branch: a copy of its container starts on that and takes its place."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from devenv.database.ready import listening_for_the_end, wait_for_greeting
from devenv.engine.api import last_words
from devenv.errors import OperationError
from devenv.events import Event, Status
from devenv.operations.ahead import nothing
from devenv.project import successor_name
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from devenv.engine.observed import ObservedContainer, ObservedState
    from devenv.images.obtain import Obtained
    from devenv.model import Project
    from devenv.operations.session import Session

GREETING_SECONDS = 60
LOG_LINES = 20


@contextmanager
def started_successor(
    session: Session, observed: ObservedState, project: Project, image: Obtained | None = None
) -> Iterator[str | None]:
    """Start a copy of the running database's container on the project's volume, beside it; the copy's name.

    It is of the image that made the data, where that is given: `devenv.yaml` may name another since the last `up`.

    The old server goes on, on its own data, until the block switches; where that fails the copy goes. None where the
    database does not run, or runs on that volume already.
    """
    current, volume = observed.running(mysql.NAME), project.volume(mysql.VOLUME).name
    if current is None or current.volumes.get(mysql.DATA_DIRECTORY) == volume:
        yield None
        return
    session.events.emit(Event(mysql.NAME, Status.WORKING, "starting on the other data"))
    name = successor_name(project.name)
    other = image.reference if image is not None and image.id != current.image_id else None
    volumes = {current.volumes[mysql.DATA_DIRECTORY]: volume}
    session.engine.duplicate_container(current.id, name, volumes, other)
    with gone_on_error(session, name):
        yield name


@contextmanager
def gone_on_error(session: Session, copy: str) -> Iterator[str]:
    """A copy of the database's container, by its name, which goes where the block fails to put it in its place.

    Before it is remembered nothing has changed then; afterwards `up` makes the database anew, on the same data.
    """
    try:
        yield copy
    except BaseException:
        session.engine.remove_container(copy)
        raise


def switch(
    session: Session,
    observed: ObservedState,
    project: Project,
    successor: str | None,
    remember: Callable[[], object],
    meanwhile: Callable[[], None] = nothing,
) -> bool:
    """Let the database run on the project's volume; False where it does not run, and will when it starts.

    The successor, the spare or what `started_successor` gave, takes the place of the running container, and nothing
    else changes, so that backend and taskrunner reconnect. One that has ended already is refused; else `remember`
    is called, from which there is no return. The old server is killed, not stopped: what it would still write
    belongs to data that are put aside as they were at its last commit. `meanwhile` is called while the new one gets
    ready.
    """
    current, volume = observed.running(mysql.NAME), project.volume(mysql.VOLUME).name
    if successor is not None:
        _refuse_ended(session, successor)
    remember()
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


def _refuse_ended(session: Session, successor: str) -> None:
    state = session.engine.container_state(successor)
    if state != "running":
        raise OperationError(
            f"the database server ended on the other data (its container is {state or 'gone'})",
            code="server_ended",
            evidence=last_words(session.engine, successor, LOG_LINES) if state else (),
            hint="the data in use are those before; look at the last lines of its log above",
        )


def _listening(
    session: Session, container: ObservedContainer
) -> AbstractContextManager[Callable[[], bool] | None]:
    port = _port(session, container)
    return nullcontext() if port is None else listening_for_the_end(session.settings.bind, port)


def _port(session: Session, container: ObservedContainer) -> int | None:
    """Where the database is reached on this machine, None where it is not."""
    return container.ports.get(mysql.PORT) if session.engine.is_here else None


def wait_until_answers(session: Session, project: Project, container: ObservedContainer) -> None:
    """Return once the database answers that was started just now; `container` is how it ran before."""
    port = _port(session, container)
    if port is None or not wait_for_greeting(
        session.settings.bind, port, GREETING_SECONDS, lambda: _died(session)
    ):
        # The long way, which ends with the reason: no published port here, or no greeting.
        from devenv.operations.wait import DEFAULT_TIMEOUT, Ascent  # noqa: PLC0415 - a reset seldom needs it

        service = project.service(mysql.NAME)
        Ascent(session.engine, session.observe, (service,), session.events, DEFAULT_TIMEOUT).run()
    session.events.emit(Event(mysql.NAME, Status.DONE, "answers"))


def _died(session: Session) -> bool:
    return any(container.state == "exited" for container in session.observe().of(mysql.NAME))
