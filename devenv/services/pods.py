"""Production's shape: pods of the images as they were built, behind the load balancer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from devenv.model import Condition, Mount, Service
from devenv.services import backend, frontend, loadbalancer, mailcatcher, mysql, taskrunner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devenv.config.settings import Settings
    from devenv.services.placement import Placement

SCRATCH = ("/tmp",)  # noqa: S108 - a path inside the containers
"""The folders in memory that stay writable where the root file system is not."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many pods stand behind the load balancer, and whether it serves HTTPS."""

    pods: int = 2
    tls: bool = False


def define(settings: Settings, placement: Placement, shape: Shape) -> tuple[Service, ...]:
    """The services as production has them, on the same database and mail catcher as in development.

    Nothing is mapped, nothing reloads, DEBUG is off, and only the load balancer is published, beside
    the database and the mail catcher. Each pod's frontend finds its own backend as `backend`, and shares
    one volume with it, as `--link` and `--volumes-from` do it in production.
    """
    variables = environment(settings, placement, shape)
    numbers = range(1, shape.pods + 1)
    pods = [pod for number in numbers for pod in _pod(settings, placement, variables, number)]
    return (
        mysql.define(settings, placement),
        mailcatcher.define(settings, placement),
        *pods,
        _worker(settings, placement, variables),
        loadbalancer.define(settings, placement, tls=shape.tls),
    )


def environment(settings: Settings, placement: Placement, shape: Shape) -> Mapping[str, str]:
    """The application's environment: development's, with what production turns off turned off.

    `production.environment` wins over all.
    """
    entrance = loadbalancer.ports(settings, placement, tls=shape.tls)[0]
    variables = dict(backend.environment(settings, placement))
    hosts = dict.fromkeys(("localhost", "127.0.0.1", settings.bind))
    site = {"SITE_URL": (entrance.url or "").rstrip("/")}
    usual = {"SECRET_KEY": placement.secret_key, "ALLOWED_HOSTS": ",".join(hosts)}
    return _ready(usual | variables | site, settings)


def _ready(variables: Mapping[str, str], settings: Settings) -> Mapping[str, str]:
    """What development turns on is off; what is set for production comes last."""
    kept = {name: text for name, text in variables.items() if name != "RELOAD"}
    return MappingProxyType(kept | {"DEBUG": "0"} | dict(settings.production.environment))


def by_role(services: Sequence[Service]) -> Mapping[str, tuple[str, ...]]:
    """The names of every pod's services, by what they are."""
    roles = dict.fromkeys(service.role for service in services if service.pod is not None)
    return {role: tuple(one.name for one in services if one.role == role) for role in roles}


def role_of(name: str) -> str:
    """What a service of this name is, whichever pod it is part of: `backend` for `backend-2`."""
    head, _, number = name.rpartition("-")
    return head if head in {backend.NAME, frontend.NAME} and number.isdigit() else name


def generated_volume(number: int) -> str:
    """The key of the volume with what one pod's backend generates."""
    return f"{backend.GENERATED}-{number}"


def _pod(
    settings: Settings, placement: Placement, variables: Mapping[str, str], number: int
) -> tuple[Service, Service]:
    """The backend and the frontend of one pod."""
    generated = Mount(generated_volume(number), settings.backend.generated, is_bind=False)
    behind = f"{backend.NAME}-{number}"
    web = replace(
        _inside(hardened(backend.define(settings, placement), settings)),
        name=behind,
        environment=variables,
        mounts=(generated,),
        pod=number,
    )
    entrance = replace(
        _inside(hardened(frontend.define(settings, placement), settings)),
        name=f"{frontend.NAME}-{number}",
        mounts=(replace(generated, read_only=True),),
        depends_on=MappingProxyType({behind: Condition.STARTED}),
        links=MappingProxyType({backend.NAME: behind}),
        pod=number,
    )
    return web, entrance


def _inside(service: Service) -> Service:
    """Published nowhere, so that only the engine's own probe can ask it."""
    return replace(_unasked(service), ports=())


def _unasked(service: Service) -> Service:
    check = service.healthcheck
    return replace(service, healthcheck=check and replace(check, questions=()))


def _worker(settings: Settings, placement: Placement, variables: Mapping[str, str]) -> Service:
    """The workers; what they write into their own volume no pod serves."""
    worker = taskrunner.define(settings, placement)
    shared = backend.environment(settings, placement)
    own = {name: text for name, text in worker.environment.items() if shared.get(name) != text}
    # In memory the engine does not see the heartbeat's file.
    worker = _unasked(worker) if settings.production.read_only else worker
    return replace(
        hardened(worker, settings),
        environment=_ready(dict(variables) | own, settings),
        mounts=(Mount(backend.GENERATED, settings.backend.generated, is_bind=False),),
    )


def hardened(service: Service, settings: Settings) -> Service:
    """As the image's own user, within limits, and where it can write nothing but what it has to."""
    production = settings.production
    return replace(
        service,
        user=None,
        read_only=production.read_only,
        tmpfs=SCRATCH if production.read_only else (),
        cpus=production.cpus,
        memory=production.memory,
    )
