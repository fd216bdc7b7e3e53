"""Exports of a shop, and what a reader is to find in them: the model, as a manifest says it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from devenv.config.document import Position
from devenv.operations.export import TARGETS
from devenv.production import manifest as said
from devenv.production.combine import read_manifest
from devenv.release import release
from tests.samples import IMAGES, settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from devenv.model import Healthcheck, Project, Service

NOWHERE = Position("", 1, 1)
ALL = ("databasemaster", "mailcatcher")


@cache
def _reference() -> Project:
    return release(settings(), "/srv/shop").project


def released(included: Sequence[str] = (), **sections: Any) -> Project:
    """The production shape of the environment that these sections define."""
    if not included and not sections:
        return _reference()
    return release(settings(**sections), "/srv/shop", included).project


def exported(target: str, project: Project) -> dict[str, str]:
    """The files of one target, by name."""
    return TARGETS[target](project, IMAGES)


def read_back(target: str, project: Project) -> said.Manifest:
    """What our reader finds in an export, without places and without what only the format makes necessary."""
    found = read_manifest(exported(target, project), "export")
    names = {service.name for service in project.services}
    services = {service.role or service.name: service for service in found.services}
    assert set(services) <= names
    return said.Manifest(
        tuple(_bare(services[name], project) for name in names_of(project) if name in services)
    )


def manifest_of(project: Project) -> said.Manifest:
    """The model as a manifest; jobs are no services."""
    return said.Manifest(tuple(_said(project.service(name)) for name in names_of(project)))


def names_of(project: Project) -> list[str]:
    """The services that stay, in the order of their definition."""
    return [service.name for service in project.services if not service.is_job]


def _at(value: Any) -> Any:
    return None if value is None else said.Said(value, NOWHERE)


def _said(service: Service) -> said.Service:
    command = service.command
    words = tuple(shlex.split(command)) if isinstance(command, str) else command
    variables = {**service.environment, **dict.fromkeys(service.secrets)}
    return said.Service(
        name=service.name,
        at=NOWHERE,
        image=_at(IMAGES[service.image]),
        entrypoint=_at(service.entrypoint),
        command=_at(words),
        user=_at(service.user),
        environment=_sorted(said.Variable(name, value, NOWHERE) for name, value in variables.items()),
        ports=tuple(said.Port(port.target, NOWHERE, port.published) for port in service.ports),
        mounts=_sorted(
            [
                *(
                    said.Mount(mount.target, said.MountKind.VOLUME, NOWHERE, mount.source, mount.read_only)
                    for mount in service.mounts
                ),
                *(said.Mount(path, said.MountKind.MEMORY, NOWHERE) for path in service.tmpfs),
            ]
        ),
        aliases=_sorted(_at(alias) for alias in service.aliases),
        limits=said.Limits(_at(service.memory), _at(service.cpus)),
        healthcheck=_probe(service.healthcheck),
        replicas=_at(service.replicas),
        restart=_at(service.restart),
        read_only=_at(service.read_only or None),
    )


def _probe(healthcheck: Healthcheck | None) -> said.Healthcheck | None:
    if healthcheck is None:
        return None
    return said.Healthcheck(
        NOWHERE,
        _shell(healthcheck.test),
        None,
        healthcheck.interval,
        healthcheck.timeout,
        healthcheck.retries,
        healthcheck.start_period,
    )


def _shell(test: tuple[str, ...]) -> tuple[str, ...]:
    """`CMD-SHELL` as the engine runs it, which is how Kubernetes has to write it."""
    return ("CMD", "/bin/sh", "-c", *test[1:]) if test[:1] == ("CMD-SHELL",) else test


def _sorted(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted(values, key=repr))


def _bare(service: said.Service, project: Project) -> said.Service:
    """The service without places; what a format has to say besides is left out."""
    names = {one.name for one in project.services}
    volumes = {volume.name: volume.key for volume in project.volumes}
    health = service.healthcheck
    return replace(
        service,
        name=service.role or service.name,
        at=NOWHERE,
        role=None,
        image=_bared(service.image),
        entrypoint=_bared(service.entrypoint),
        command=_bared(service.command),
        user=_bared(service.user),
        environment=_sorted(replace(one, at=NOWHERE) for one in service.environment),
        env_files=(),
        ports=tuple(replace(one, at=NOWHERE) for one in service.ports),
        mounts=_sorted(_mount(one, volumes) for one in service.mounts),
        # In Kubernetes a service is found by its name only where a Service says so.
        aliases=_sorted(_bared(one) for one in service.aliases if one.value not in names),
        limits=said.Limits(_bared(service.limits.memory), _bared(service.limits.cpus)),
        healthcheck=health and replace(health, at=NOWHERE, test=_shell(health.test)),
        replicas=_bared(service.replicas) or _at(1),
        restart=_bared(service.restart),
        read_only=_bared(service.read_only),
    )


def _bared(value: said.Said[Any] | None) -> said.Said[Any] | None:
    return value and _at(value.value)


def _mount(mount: said.Mount, volumes: dict[str, str]) -> said.Mount:
    """Engines know a volume by the project's name and its own; memory has none."""
    source = None if mount.kind is said.MountKind.MEMORY else volumes.get(mount.source or "", mount.source)
    return replace(mount, at=NOWHERE, source=source)
