"""A project as production deploys it: what the exports write down. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from devenv.config.problems import is_secret
from devenv.model import Condition, Project, PublishedPort, Service, Volume
from devenv.project import Identity, assemble
from devenv.services import backend, frontend, mailcatcher, mysql
from devenv.services.placement import Placement
from devenv.services.pods import hardened
from devenv.services.probes import healthcheck, mysql_probe

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from devenv.config.settings import Settings

OPTIONAL = (mysql.NAME, mailcatcher.NAME)
"""What production has elsewhere, as a managed database and a mail relay; included only if asked for."""
MIGRATION = "migrate"
"""The job that brings the database's tables up to the code."""
POD = (backend.NAME, frontend.NAME)
"""The services that stand together: the frontend serves what its backend generates."""
DEVELOPMENT = ("RELOAD", "SITE_URL", "MAIL_HOST", "MAIL_PORT")
"""Variables that are true of a laptop only."""
EVERYWHERE = "0.0.0.0"
ANSWERS = "SELECT 1"
"""What a server in production is asked, where no data of ours are marked."""


@dataclass(frozen=True)
class Release:
    """What is deployed, and what whoever deploys it has to know."""

    project: Project
    notes: tuple[str, ...]


def release(settings: Settings, root: str, included: Collection[str] = ()) -> Release:
    """The production shape: images as built, nothing mapped, limits, secrets only named.

    `included` are those of `OPTIONAL` that are deployed too. Backend and frontend are one pod; what a
    target makes of that is its renderer's.
    """
    built = settings.model_copy(update={"backend": settings.backend.model_copy(update={"mappings": ()})})
    whole = assemble(built, Identity(settings.name, "production", ""), Placement(root), 1)
    migration = _migration(whole, settings)
    # A user's own service of that name is development's: with its data, without production's secrets.
    left_out = {name for name in OPTIONAL if name not in included} | {one.name for one in migration}
    services = [*migration, *(one for one in whole.services if one.name not in left_out)]
    known = {service.name for service in services}
    shaped = tuple(_shaped(service, settings, known) for service in services)
    used = {service.image for service in shaped if service.raw is None}
    project = replace(
        whole,
        services=shaped,
        images=MappingProxyType({key: image for key, image in whole.images.items() if key in used}),
        volumes=tuple(
            Volume(volume.key, f"{settings.name}_{volume.key}")
            for volume in whole.volumes
            if any(service.mount(volume.key) for service in shaped)
        ),
    )
    return Release(project, tuple(_notes(project, settings)))


def spread(project: Project) -> Project:
    """An environment without what only one machine has: for several, which the seed's data are not copied to.

    Nothing of the machine is mapped, only the frontend is published, since a swarm publishes to everybody,
    and frontend and backend are one pod.
    """
    return replace(project, services=tuple(_spread(service) for service in project.services))


def _spread(service: Service) -> Service:
    if service.raw is not None:
        raw = {key: value for key, value in service.raw.items() if key != "ports"}
        return replace(service, raw=MappingProxyType(raw))
    return replace(
        service,
        environment={name: value for name, value in service.environment.items() if name != "RELOAD"},
        mounts=tuple(mount for mount in service.mounts if not mount.is_bind),
        ports=service.ports if service.name == frontend.NAME else (),
        restart="always",
        user=None,
        pod=1 if service.name in POD else None,
    )


def _migration(project: Project, settings: Settings) -> tuple[Service, ...]:
    command = settings.production.migrate
    if command is None:
        return ()
    web = project.service(backend.NAME)
    job = Service(
        name=MIGRATION,
        image=web.image,
        command=command,
        environment=web.environment,
        depends_on=web.depends_on,
        restart="no",
        init=True,
    )
    return (job,)


def _shaped(service: Service, settings: Settings, known: set[str]) -> Service:
    """One service as production has it; a user's own stays as he wrote it, but for what it waits for."""
    depends_on = {name: condition for name, condition in service.depends_on.items() if name in known}
    if service.raw is not None:
        raw = _without_missing(service.raw, known)
        return replace(service, depends_on=MappingProxyType(depends_on), raw=MappingProxyType(raw))
    if service.name == backend.NAME and MIGRATION in known:
        depends_on[MIGRATION] = Condition.COMPLETED
    service = replace(
        service,
        depends_on=MappingProxyType(depends_on),
        ports=(PublishedPort(frontend.PORT, frontend.PORT, EVERYWHERE, "http"),)
        if service.name == frontend.NAME
        else (),
        restart=service.restart if service.is_job else "always",
        pod=1 if service.name in POD else None,
    )
    if service.name == mysql.NAME:
        return _with_secrets(_database(service, settings), ())
    if service.name in OPTIONAL:
        return service
    return _confined(_application(service, settings, known), settings)


def _without_missing(raw: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    """The definition without dependencies on what is not deployed, which Compose refuses."""
    given = raw.get("depends_on")
    kept = given
    if isinstance(given, list):
        kept = [name for name in given if name in known]
    elif isinstance(given, dict):
        kept = {name: value for name, value in given.items() if name in known}
    if kept == given:
        return dict(raw)
    rest = {key: value for key, value in raw.items() if key != "depends_on"}
    return {**rest, "depends_on": kept} if kept else rest


def _database(service: Service, settings: Settings) -> Service:
    """The server as its image starts it, with production's parameters and none of development's."""
    return replace(
        service,
        entrypoint=None,
        command=mysql.parameter_flags(settings) or None,
        mounts=tuple(mount for mount in service.mounts if not mount.is_bind),
        healthcheck=healthcheck(mysql_probe(ANSWERS)),
    )


def _application(service: Service, settings: Settings, known: set[str]) -> Service:
    """A process of the backend's image, or Nginx, in production's environment."""
    if service.name == frontend.NAME:
        return service
    production = settings.production
    mail = DEVELOPMENT if mailcatcher.NAME not in known else DEVELOPMENT[:2]
    given = {name: value for name, value in service.environment.items() if name not in mail}
    environment = {**given, "DEBUG": "0", **production.environment}
    return _with_secrets(replace(service, environment=environment), production.withheld)


def _with_secrets(service: Service, named: Collection[str]) -> Service:
    """The same service, with the names of its secrets in place of their values."""
    hidden = [name for name in service.environment if is_secret((name,))]
    names = dict.fromkeys([*hidden, *named])
    open_ones = {name: value for name, value in service.environment.items() if name not in names}
    return replace(service, environment=MappingProxyType(open_ones), secrets=tuple(names))


def _confined(service: Service, settings: Settings) -> Service:
    """Within production's limits; how it is started again is the platform's matter."""
    return replace(hardened(service, settings), restart=service.restart)


def _notes(project: Project, settings: Settings) -> list[str]:
    """What has to be there before this can run."""
    names = sorted({name for service in project.services for name in service.secrets})
    notes = [f"secrets are named, not written: {', '.join(names)}"] if names else []
    host = settings.production.environment.get("DB_HOST") or settings.backend.environment.get("DB_HOST")
    if mysql.NAME not in project.service_names:
        notes.append(
            f"the database is not included: {host} has to be reachable "
            "(`production.environment.DB_HOST` names another, `--with databasemaster` includes one)"
        )
    if mailcatcher.NAME not in project.service_names and "MAIL_HOST" not in settings.production.environment:
        notes.append("no mail relay is named: set `production.environment.MAIL_HOST`")
    if MIGRATION in settings.services and settings.production.migrate is not None:
        notes.append(
            f"left out: your own {MIGRATION}, for production's migration is called so "
            "(`production.migrate: null` leaves that one out)"
        )
    return notes
