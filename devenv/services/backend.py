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


def environment(settings: Settings, placement: Placement) -> Mapping[str, str]:
    """What the application finds in its environment; the user's own values win.

    A laptop is a place for development, with or without mapped code, hence DEBUG; what reloads is mapped.
    """
    standard = {
        "DEBUG": "1",
        "DB_NAME": settings.database.databases[0],
        "MAIL_HOST": mailcatcher.NAME,
        "MAIL_PORT": str(mailcatcher.SMTP_PORT),
        "SITE_URL": entrance(settings, placement).url or "",
    }
    if settings.backend.mappings:
        standard["RELOAD"] = "1"
    return MappingProxyType(standard | dict(settings.backend.environment))


def mounts(settings: Settings, placement: Placement) -> tuple[Mount, ...]:
    """The code mappings, and the volume for generated content within them."""
    backend = settings.backend
    mappings = tuple(
        Mount(
            _absolute(placement, mapping.source),
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
        environment=environment(settings, placement),
        mounts=mounts(settings, placement),
        ports=(PublishedPort(placement.port("backend.port", backend.port), PORT, settings.bind, "http"),),
        healthcheck=configured(backend.healthcheck, PORT),
        depends_on=DEPENDS_ON,
        user=placement.user if backend.mappings else None,
        init=True,
        stop_grace_period=5,
    )


def entrance(settings: Settings, placement: Placement) -> PublishedPort:
    """Where a visitor reaches the application: the frontend's port."""
    return PublishedPort(placement.port("frontend.port", settings.frontend.port), 80, settings.bind, "http")


def _absolute(placement: Placement, source: str) -> str:
    """Relative to the root, without `./`: the engine wants absolute paths, and knows no `~`."""
    if source == "~" or source.startswith("~/"):
        return str(PurePosixPath(placement.home) / source[2:])
    return str(PurePosixPath(placement.root) / source)
