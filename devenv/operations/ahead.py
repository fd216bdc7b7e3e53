"""What needs no database is created and started while that is seeded."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from devenv.beside import Beside
from devenv.errors import OperationError
from devenv.events import Event, Status
from devenv.model import needed_by
from devenv.render.compose import network_labels, network_name
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from devenv.engine.api import LineSink
    from devenv.model import Project, Service
    from devenv.operations.session import Session


def nothing() -> None:
    """What there is to wait for where nothing was begun."""


def start_ahead(
    session: Session, project: Project, services: Sequence[Service], tell: LineSink
) -> Callable[[], None]:
    """Let those of the services that need no database be created and start; gives the wait for it.

    Whoever waits gets what Compose said where it failed. One that does not start is started again later, and
    then what is wrong with it is said. `tell` takes Compose's lines.
    """
    free = [one for one in services if mysql.NAME not in {one.name, *needed_by(one.name, services)}]
    if not free:
        return nothing
    # Who seeds wants the network as well, and the engine makes two of one name.
    session.engine.create_network(network_name(project), network_labels(project))
    tell("")

    def start() -> None:
        session.engine.create(session.compose, [one.name for one in free], tell)
        first = {one.name for one in free if not one.depends_on}
        made = [
            one for one in session.observe().containers if one.service in first and one.state == "created"
        ]
        for each in [Beside(session.engine.start_container, one.id) for one in made]:
            with suppress(OperationError):
                each.result()

    beside = Beside(start)
    to_tell = [Event("containers", Status.DONE, "created")]

    def wait() -> None:
        beside.result()
        while to_tell:
            session.events.emit(to_tell.pop())

    return wait
