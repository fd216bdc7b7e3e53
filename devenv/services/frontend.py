"""`frontend`: Nginx, which serves what the backend generates and proxies the rest to it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from devenv.model import Condition, Mount, Service
from devenv.services import backend
from devenv.services.probes import configured

if TYPE_CHECKING:
    from devenv.config.settings import Settings
    from devenv.services.placement import Placement

NAME = "frontend"
PORT = 80


def define(settings: Settings, placement: Placement) -> Service:
    """The entrance; healthy when a page of the backend comes through it."""
    frontend = settings.frontend
    return Service(
        name=NAME,
        image=NAME,
        mounts=(Mount(backend.GENERATED, settings.backend.generated, is_bind=False, read_only=True),),
        ports=(backend.entrance(settings, placement),),
        healthcheck=configured(frontend.healthcheck, PORT),
        depends_on=MappingProxyType({backend.NAME: Condition.STARTED}),
        init=True,
        stop_grace_period=2,
    )
