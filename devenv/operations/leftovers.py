"""The containers that work beside an environment's services, and that a killed devenv may leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.project import spare_name, successor_name

if TYPE_CHECKING:
    from devenv.operations.session import Session

TASKS = ("build", "save", "upgrade", "version", "measure")


def helper_names(project: str) -> tuple[str, ...]:
    """The names of an environment's helpers; which of them are there the engine knows."""
    tasks = (f"{project}-database-{task}" for task in TASKS)
    return (*tasks, successor_name(project), f"{project}-seed-command")


def remove_helpers(session: Session) -> None:
    """Remove what is left of them; call it under the environment's lock, when none can be at work."""
    names = list(helper_names(session.identity.project))
    workspace = session.workspace
    if workspace.has_memory() and not workspace.recall().spare:
        # Its number is remembered before it is made, and forgotten before it takes the database's place.
        names.append(spare_name(session.identity.project))
    for name in names:
        session.engine.remove_container(name)
