"""The containers that work beside an environment's services, and that a killed devenv may leave."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.project import successor_name

if TYPE_CHECKING:
    from devenv.engine.observed import ObservedState
    from devenv.operations.session import Session

TASKS = ("build", "save", "upgrade", "version", "measure")


def helper_names(project: str) -> tuple[str, ...]:
    """The names of an environment's helpers; which of them are there the engine knows."""
    tasks = (f"{project}-database-{task}" for task in TASKS)
    return (*tasks, successor_name(project), f"{project}-seed-command")


def remove_helpers(session: Session) -> None:
    """Remove what is left of them; call it under the environment's lock, when none can be at work."""
    for name in helper_names(session.identity.project):
        session.engine.remove_container(name)


def without_strays(session: Session, observed: ObservedState) -> ObservedState:
    """Remove the copies of the database's container that a killed command left; the rest of what is observed.

    The spare's number is remembered before it is made, and forgotten before it takes the database's place. Call it
    under the environment's lock, when the memory is whole (`recover_memory`).
    """
    is_forgotten = observed.spare is not None and not session.workspace.recall().spare
    for copy in (observed.successor, observed.spare if is_forgotten else None):
        if copy is not None:
            session.engine.remove_container(copy.id)
    return replace(observed, successor=None, spare=None if is_forgotten else observed.spare)
