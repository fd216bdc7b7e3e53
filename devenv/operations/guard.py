"""What protects data that are not ours to change, and tells another environment's from ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.errors import RefusedError
from devenv.services import mysql

if TYPE_CHECKING:
    from devenv.operations.session import Session


def refuse_foreign_server(session: Session) -> None:
    """Raise RefusedError where the application's DB_HOST is not the database that devenv starts.

    Whoever points it elsewhere works on somebody else's data, and would take a reset here for one there.
    """
    own = (mysql.NAME, *session.settings.database.aliases)
    for section, given in (
        ("backend", session.settings.backend.environment),
        ("taskrunner", session.settings.taskrunner.environment),
    ):
        host = given.get("DB_HOST")
        if host is None or host in {*own, "database"}:
            continue
        raise session.located(
            RefusedError(
                f"{section}.environment.DB_HOST: expected {' or '.join(own)}, found {host}, "
                "a server that devenv did not start",
                hint=f"set DB_HOST to {own[-1]} in devenv.yaml or devenv.local.yaml to work on the database here",
                detail={"host": host},
            ),
            section,
            "environment",
            "DB_HOST",
        )


def refuse_elsewhere(session: Session, what: str, hint: str) -> None:
    """Raise RefusedError where what the environment publishes is not reached on this machine.

    Whoever answers here on the same port may be another environment, which would be emptied or proven in its place.
    """
    if not session.engine.is_here:
        endpoint = session.engine.info().endpoint
        raise RefusedError(
            f"{what} is published where the engine runs, {endpoint}, and not on this machine",
            code="engine_elsewhere",
            hint=hint,
            detail={"endpoint": endpoint},
        )
