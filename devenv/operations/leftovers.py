"""The containers that work beside an environment's services, and that a killed devenv may leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.project import successor_name

if TYPE_CHECKING:
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
