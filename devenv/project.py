"""Settings into a Project: assemble the services, then check that they fit together."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from devenv.errors import ConfigError, Problem
from devenv.model import Condition, Image, Label, Project, Service, Volume, needed_by
from devenv.services import DEFINITIONS, backend, loadbalancer, mysql, pods

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.config.settings import Settings
    from devenv.services.placement import Placement
    from devenv.services.pods import Shape

_NUMBER = r"(?:[\d-]|\$\{[^}]*\}|\$\w+)+"
PORT_WITHOUT_ADDRESS = re.compile(rf"(?P<published>{_NUMBER}:)?{_NUMBER}(?:/\w+)?")


@dataclass(frozen=True)
class Identity:
    """Which environment this is: `project` is its Compose project, unique on the machine."""

    project: str
    environment: str
    worktree: str


def assemble(
    settings: Settings,
    identity: Identity,
    placement: Placement,
    generation: int,
    shape: Shape | None = None,
) -> Project:
    """The whole environment; raises ConfigError for a reference to nothing or a dependency cycle.

    `generation` numbers the database's data: it is part of the volume's name, because Compose never
    replaces a volume, and so a reset is a new name. With a `shape` it is production's, else development's.
    """
    own = _own_services(settings)
    if shape is None:
        services = (*(define(settings, placement) for define in DEFINITIONS), *own)
        generated: tuple[str, ...] = (backend.GENERATED,)
    else:
        standard = pods.define(settings, placement, shape)
        services = (*standard, *(_beside_pods(service, pods.by_role(standard)) for service in own))
        generated = (backend.GENERATED, *map(pods.generated_volume, range(1, shape.pods + 1)))
    _check_references(services)
    _check_cycles(services)
    services = tuple(_on_data(service, services, generation) for service in services)
    return Project(
        name=identity.project,
        environment=identity.environment,
        worktree=identity.worktree,
        services=services,
        images=MappingProxyType(
            _images(settings, placement.root) | ({} if shape is None else _balancer_image(settings))
        ),
        volumes=(
            _database_volume(identity, generation),
            *(
                Volume(
                    key, f"{identity.project}_{key}", MappingProxyType(labels(identity, backend.GENERATED))
                )
                for key in generated
            ),
        ),
    )


def _own_services(settings: Settings) -> tuple[Service, ...]:
    """The user's own; one that another waits for until it completed is a job."""
    awaited = {
        name
        for raw in settings.services.values()
        for name, condition in _dependencies(raw.get("depends_on")).items()
        if condition is Condition.COMPLETED
    }
    return tuple(
        _own_service(name, raw, settings.bind, awaited=name in awaited)
        for name, raw in settings.services.items()
    )


def scaled(project: Project, counts: Mapping[str, int]) -> Project:
    """The project with other numbers of replicas, by service; what cannot be scaled stays one."""
    services = tuple(
        _scaled(service, counts[service.name]) if service.name in counts and is_scalable(service) else service
        for service in project.services
    )
    return replace(project, services=services)


def is_scalable(service: Service) -> bool:
    """Whether there can be any number of it: it has no port and no name that can be given once only, and goes on.

    How often there is what belongs to a pod the number of pods says.
    """
    raw = service.raw or {}
    if service.pod is not None or service.job:
        return False
    return not service.ports and not raw.get("ports") and "container_name" not in raw


def _scaled(service: Service, count: int) -> Service:
    if service.raw is None:
        return replace(service, replicas=count, scaled=True)
    raw = {key: value for key, value in service.raw.items() if key != "scale"}
    if isinstance(raw.get("deploy"), dict):
        raw["deploy"] = {**raw["deploy"], "replicas": count}
    else:
        # `deploy` where there was none would make the containers anew that are there already.
        raw["scale"] = count
    return replace(service, replicas=count, scaled=True, raw=MappingProxyType(raw))


def database_volume(project_name: str, generation: int) -> str:
    """The volume of one generation of the database's data."""
    return f"{project_name}_database_{generation}"


def spare_name(project_name: str) -> str:
    """The container of the database's spare; Compose takes it for another of the service's."""
    return f"{project_name}-database-spare"


def successor_name(project_name: str) -> str:
    """The container that is about to take the database's place: like the spare a copy of it on other data.

    A dump is loaded into one of its own of this name where the database does not run, or is of another definition.
    """
    return f"{project_name}-database-successor"


def labels(identity: Identity, kind: str) -> dict[str, str]:
    """The labels of everything that belongs to an environment."""
    return {
        Label.PROJECT: identity.project,
        Label.ENVIRONMENT: identity.environment,
        Label.WORKTREE: identity.worktree,
        Label.KIND: kind,
    }


def _database_volume(identity: Identity, generation: int) -> Volume:
    extra = {Label.GENERATION: str(generation)}
    name = database_volume(identity.project, generation)
    return Volume(mysql.VOLUME, name, MappingProxyType(labels(identity, mysql.VOLUME) | extra))


def _images(settings: Settings, root: str) -> dict[str, Image]:
    """Where each image may come from; recipes of ours are named by their folder in `compose/`."""
    return {
        "database": Image(
            settings.database.image, "database" if _is_image(settings.database.image, "mysql") else None
        ),
        "mailcatcher": Image(
            settings.mail.image, "mailcatcher" if _is_image(settings.mail.image, "sj26/mailcatcher") else None
        ),
        "backend": Image(settings.backend.image, _folder(root, settings.backend.build)),
        "frontend": Image(settings.frontend.image, _folder(root, settings.frontend.build)),
    }


def _balancer_image(settings: Settings) -> dict[str, Image]:
    reference = settings.production.loadbalancer
    recipe = loadbalancer.NAME if _is_image(reference, "haproxy") else None
    return {loadbalancer.NAME: Image(reference, recipe)}


def _is_image(reference: str, name: str) -> bool:
    """Whether a reference names this image of the default registry, in whatever version."""
    return reference.split("@", maxsplit=1)[0].split(":", maxsplit=1)[0] in {
        name,
        f"library/{name}",
        f"docker.io/{name}",
    }


def _folder(root: str, build: str | None) -> str | None:
    return None if build is None else str(PurePosixPath(root) / build)


def _own_service(name: str, raw: Mapping[str, Any], bind: str, *, awaited: bool) -> Service:
    """A user's own service: passed on in Compose's words, its ports kept off the network."""
    definition = dict(raw)
    if isinstance(definition.get("ports"), list):
        definition["ports"] = [_bound(port, bind) for port in definition["ports"]]
    return Service(
        name=name,
        image=str(raw.get("image", "")),
        depends_on=MappingProxyType(_dependencies(raw.get("depends_on"))),
        replicas=_replicas(raw),
        job=awaited or _never_again(raw),
        on_request=bool(raw.get("profiles")),
        raw=MappingProxyType(definition),
    )


def _beside_pods(service: Service, names: Mapping[str, tuple[str, ...]]) -> Service:
    """A user's own service in production: not published, and whoever needs `backend` needs every pod's."""
    raw = {key: value for key, value in (service.raw or {}).items() if key != "ports"}
    given = raw.get("depends_on")
    if isinstance(given, list):
        raw["depends_on"] = [each for name in given for each in names.get(name, (name,))]
    elif isinstance(given, dict):
        raw["depends_on"] = {
            each: value for name, value in given.items() for each in names.get(name, (name,))
        }
    depends_on = MappingProxyType(_dependencies(raw.get("depends_on")))
    return replace(service, depends_on=depends_on, raw=MappingProxyType(raw))


def _never_again(raw: Mapping[str, Any]) -> bool:
    """Whether it says itself that its end is its end: `restart: "no"`, and nothing that somebody could ask it for."""
    return raw.get("restart") in ("no", False) and not raw.get("ports") and not raw.get("healthcheck")


def _on_data(service: Service, services: tuple[Service, ...], generation: int) -> Service:
    """A job that works on the database's data is another job once the data are others: it runs again."""
    if service.raw is None or not service.job or mysql.NAME not in needed_by(service.name, services):
        return service
    given = service.raw.get("labels") or {}
    if isinstance(given, list):
        given = dict(str(item).partition("=")[::2] for item in given)
    labels = {**given, Label.GENERATION: str(generation)}
    return replace(service, raw=MappingProxyType({**service.raw, "labels": labels}))


def _replicas(raw: Mapping[str, Any]) -> int:
    deploy = raw.get("deploy")
    value = deploy.get("replicas", 1) if isinstance(deploy, dict) else raw.get("scale", 1)
    return value if isinstance(value, int) else 1


def _bound(port: Any, bind: str) -> Any:
    """Compose publishes a port without an address on all interfaces; we say which one is meant."""
    if isinstance(port, dict):
        return {"host_ip": bind, **port}
    match = PORT_WITHOUT_ADDRESS.fullmatch(str(port))
    if match is None:
        return port
    address = f"[{bind}]" if ":" in bind else bind
    return f"{address}:{port}" if match["published"] else f"{address}::{port}"


def _dependencies(raw: Any) -> dict[str, Condition]:
    if isinstance(raw, list):
        return {str(name): Condition.STARTED for name in raw}
    if isinstance(raw, dict):
        return {
            str(name): Condition(value.get("condition", Condition.STARTED))
            if isinstance(value, dict) and value.get("condition") in set(Condition)
            else Condition.STARTED
            for name, value in raw.items()
        }
    return {}


def _check_references(services: tuple[Service, ...]) -> None:
    names = {service.name for service in services}
    problems = tuple(
        Problem(
            "",
            f"services.{service.name}.depends_on",
            f'expected one of {", ".join(sorted(names))}, got "{name}"',
        )
        for service in services
        for name in service.depends_on
        if name not in names
    )
    if problems:
        raise ConfigError(problems)


def _check_cycles(services: tuple[Service, ...]) -> None:
    """Walk every chain of dependencies; the error names the trail."""
    by_name = {service.name: service for service in services}
    settled: set[str] = set()

    def walk(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            chain = " -> ".join((*trail[trail.index(name) :], name))
            raise ConfigError(
                (Problem("", f"services.{name}.depends_on", f"expected no cycle, got {chain}"),)
            )
        if name not in settled:
            for dependency in by_name[name].depends_on:
                walk(dependency, (*trail, name))
            settled.add(name)

    for service in services:
        walk(service.name, ())
