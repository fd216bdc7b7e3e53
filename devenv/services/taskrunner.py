"""`taskrunner`: the backend's image as worker for queued jobs, 0..N of them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from devenv.model import Service
from devenv.services import backend
from devenv.services.probes import configured

if TYPE_CHECKING:
    from devenv.config.settings import Settings
    from devenv.services.placement import Placement

NAME = "taskrunner"


def define(settings: Settings, placement: Placement) -> Service:
    """The worker: same image, same code, `PROCESS_NAME=task`; a hung one turns unhealthy.

    It learns how long it has to stop, so that it gives its job back before it is killed.
    """
    taskrunner = settings.taskrunner
    environment = {"PROCESS_NAME": "task", "STOP_GRACE": f"{taskrunner.grace:g}"}
    if taskrunner.healthcheck.heartbeat is not None:
        environment["HEARTBEAT_FILE"] = taskrunner.healthcheck.heartbeat
    return Service(
        name=NAME,
        image=backend.NAME,
        command=taskrunner.command,
        environment=MappingProxyType(
            dict(backend.environment(settings, placement)) | environment | dict(taskrunner.environment)
        ),
        mounts=backend.mounts(settings, placement),
        healthcheck=configured(taskrunner.healthcheck, backend.PORT),
        depends_on=backend.DEPENDS_ON,
        user=placement.user if settings.backend.mappings else None,
        replicas=taskrunner.replicas,
        init=True,
        stop_grace_period=taskrunner.grace,
    )
