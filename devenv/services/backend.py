"""`backend`: the Django application in Gunicorn, its code mapped over the image's."""

from __future__ import annotations

from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING

from devenv.model import Condition, Mount, PublishedPort, Service
from devenv.services import mailcatcher, mysql
from devenv.services.probes import configured

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.config.settings import Settings
    from devenv.services.placement import Placement

NAME = "backend"
PORT = 8000
GENERATED = "generated"
"""Key of the volume with what the backend generates and the frontend serves."""

DEPENDS_ON = MappingProxyType(
    {mysql.NAME: Condition.HEALTHY, mailcatcher.NAME: Condition.STARTED},
)


def environment(settings: Settings) -> Mapping[str, str]:
    """What the application finds in its environment; the user's own values win."""
    standard = {
        "DB_NAME": settings.database.databases[0],
        "MAIL_HOST": mailcatcher.NAME,
        "MAIL_PORT": str(mailcatcher.SMTP_PORT),
    }
    if settings.backend.mappings:
        standard |= {"DEBUG": "1", "RELOAD": "1"}
    return MappingProxyType(standard | dict(settings.backend.environment))


def mounts(settings: Settings, placement: Placement) -> tuple[Mount, ...]:
    """The code mappings, and the volume for generated content within them."""
    backend = settings.backend
    mappings = tuple(
        Mount(
            _absolute(placement.root, mapping.source),
            mapping.target,
            is_bind=True,
            read_only=mapping.read_only,
        )
        for mapping in backend.mappings
    )
    return (*mappings, Mount(GENERATED, backend.generated, is_bind=False))


def define(settings: Settings, placement: Placement) -> Service:
    """The web process; it starts once the database answers."""
    backend = settings.backend
    return Service(
        name=NAME,
        image=NAME,
        command=backend.command,
        environment=environment(settings),
        mounts=mounts(settings, placement),
        ports=(PublishedPort(placement.port("backend.port", backend.port), PORT, settings.bind, "http"),),
        healthcheck=configured(backend.healthcheck, PORT),
        depends_on=DEPENDS_ON,
        user=placement.user if backend.mappings else None,
        init=True,
        stop_grace_period=5,
    )


def _absolute(root: str, source: str) -> str:
    """Relative to the root, without `./`: the engine wants absolute paths."""
    return str(PurePosixPath(root) / source)
