"""Settings into a Project: assemble the services, then check that they fit together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from devenv.errors import ConfigError, Problem
from devenv.model import Condition, Image, Label, Project, Service, Volume
from devenv.services import DEFINITIONS, backend

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.config.settings import Settings
    from devenv.services.placement import Placement

_NUMBER = r"(?:[\d-]|\$\{[^}]*\}|\$\w+)+"
PORT_WITHOUT_ADDRESS = re.compile(rf"(?P<published>{_NUMBER}:)?{_NUMBER}(?:/\w+)?")


@dataclass(frozen=True)
class Identity:
    """Which environment this is: `project` is its Compose project, unique on the machine."""

    project: str
    environment: str
    worktree: str


def assemble(settings: Settings, identity: Identity, placement: Placement, generation: int) -> Project:
    """The whole environment; raises ConfigError for a reference to nothing or a dependency cycle.

    `generation` numbers the database's data: it is part of the volume's name, because Compose never
    replaces a volume, and so a reset is a new name.
    """
    own = tuple(_own_service(name, raw, settings.bind) for name, raw in settings.services.items())
    services = (*(define(settings, placement) for define in DEFINITIONS), *own)
    _check_references(services)
    _check_cycles(services)
    return Project(
        name=identity.project,
        environment=identity.environment,
        worktree=identity.worktree,
        services=services,
        images=MappingProxyType(_images(settings, placement.root)),
        volumes=(
            _volume("database", database_volume(identity.project, generation), identity, generation),
            _volume(backend.GENERATED, f"{identity.project}_{backend.GENERATED}", identity),
        ),
    )


def database_volume(project_name: str, generation: int) -> str:
    """The volume of one generation of the database's data."""
    return f"{project_name}_database_{generation}"


def spare_name(project_name: str) -> str:
    """The container of the database's spare; Compose takes it for another of the service's."""
    return f"{project_name}-database-spare"


def labels(identity: Identity, kind: str) -> dict[str, str]:
    """The labels of everything that belongs to an environment."""
    return {
        Label.PROJECT: identity.project,
        Label.ENVIRONMENT: identity.environment,
        Label.WORKTREE: identity.worktree,
        Label.KIND: kind,
    }


def _volume(key: str, name: str, identity: Identity, generation: int | None = None) -> Volume:
    extra = {} if generation is None else {Label.GENERATION: str(generation)}
    return Volume(key, name, MappingProxyType(labels(identity, key) | extra))


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


def _is_image(reference: str, name: str) -> bool:
    """Whether a reference names this image of the default registry, in whatever version."""
    return reference.split("@", maxsplit=1)[0].split(":", maxsplit=1)[0] in {
        name,
        f"library/{name}",
        f"docker.io/{name}",
    }


def _folder(root: str, build: str | None) -> str | None:
    return None if build is None else str(PurePosixPath(root) / build)


def _own_service(name: str, raw: Mapping[str, Any], bind: str) -> Service:
    """A user's own service: passed on in Compose's words, its ports kept off the network."""
    definition = dict(raw)
    if isinstance(definition.get("ports"), list):
        definition["ports"] = [_bound(port, bind) for port in definition["ports"]]
    return Service(
        name=name,
        image=str(raw.get("image", "")),
        depends_on=MappingProxyType(_dependencies(raw.get("depends_on"))),
        replicas=_replicas(raw),
        raw=MappingProxyType(definition),
    )


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
