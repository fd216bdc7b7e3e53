"""What runs here, as it is compared with production: taken from the engine's report, or from the model alone."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from devenv.engine.observed import ObservedMount
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from devenv.engine.observed import ContainerDefinition, ImageDefinition
    from devenv.model import Project
    from devenv.model import Service as Defined

IMAGE_LABEL = "devenv.kind"
"""On every image that devenv built."""


@dataclass(frozen=True, slots=True)
class PortFact:
    """A published port; `wanted` is what `devenv.yaml` asks for, where the port was taken."""

    target: int
    published: int
    address: str
    protocol: str = "tcp"
    wanted: int | None = None


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """One service here.

    `image` is what runs, `wanted` what `devenv.yaml` names, None where it names a recipe only. Where the
    image's own entrypoint, command and user are in effect, those of the service are None. `environment`
    leaves out what the image itself sets. `names` are those under which others reach it, `needs` the
    services that it depends on. Memory in bytes, 0 for no limit.
    """

    name: str
    image: str
    wanted: str | None = None
    is_built: bool = False
    replicas: int = 1
    digests: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    own_entrypoint: tuple[str, ...] | None = None
    own_command: tuple[str, ...] | None = None
    user: str | None = None
    own_user: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    own_environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    mounts: tuple[ObservedMount, ...] = ()
    own_volumes: frozenset[str] = frozenset()
    ports: tuple[PortFact, ...] = ()
    names: frozenset[str] = frozenset()
    needs: tuple[str, ...] = ()
    memory: int = 0
    cpus: float = 0
    health_test: tuple[str, ...] = ()
    health_times: Mapping[str, float] = field(default_factory=dict)
    restart: str = ""
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """The server: its version and variables, None where nobody asked it; `chosen` is what `devenv.yaml` sets."""

    version: str | None = None
    variables: Mapping[str, str] | None = None
    chosen: Mapping[str, str] = field(default_factory=dict)
    port: int = mysql.PORT


@dataclass(frozen=True, slots=True)
class ContentFacts:
    """What is inside a container; None where it was not asked for or cannot be found out."""

    python: str | None = None
    pip: Mapping[str, str] | None = None
    dpkg: Mapping[str, str] | None = None
    nginx: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of the environment here; `mapped` are the folders that code is mapped over."""

    services: tuple[ServiceFacts, ...]
    database: DatabaseFacts = DatabaseFacts()
    contents: Mapping[str, ContentFacts] = field(default_factory=dict)
    mapped: frozenset[str] = frozenset()
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """Texts that must not be shown anywhere."""


def of_container(
    defined: Defined, containers: Sequence[ContainerDefinition], wanted: str | None
) -> ServiceFacts:
    """A service as the engine reports its running containers; the first speaks for all."""
    one = containers[0]
    ports = {port.target: port.published for port in defined.ports}
    return ServiceFacts(
        name=defined.name,
        image=one.image,
        wanted=wanted,
        is_built=IMAGE_LABEL in one.own.labels,
        replicas=len(containers),
        digests=one.own.digests,
        entrypoint=None if one.entrypoint == one.own.entrypoint else one.entrypoint,
        command=_own_command(one, one.own),
        own_entrypoint=one.own.entrypoint,
        own_command=one.own.command,
        user=None if one.user == one.own.user else one.user,
        own_user=one.own.user,
        environment={
            name: value for name, value in one.environment.items() if one.own.environment.get(name) != value
        },
        own_environment=one.own.environment,
        mounts=tuple(replace(mount, target=mount.target.rstrip("/") or "/") for mount in one.mounts),
        own_volumes=frozenset(one.own.volumes),
        ports=tuple(
            PortFact(port.target, port.published, port.address, port.protocol, ports.get(port.target))
            for port in one.ports
        ),
        names=frozenset(one.aliases) | {defined.name},
        needs=tuple(defined.depends_on),
        memory=one.memory,
        cpus=one.cpus,
        health_test=one.health_test,
        health_times=one.health_times,
        restart="" if one.restart == "no" else one.restart,
        read_only=one.read_only,
    )


def _own_command(one: ContainerDefinition, own: ImageDefinition) -> tuple[str, ...] | None:
    """An entrypoint of its own takes the image's command away, so that none is left to be the same."""
    return None if one.command == own.command and one.entrypoint == own.entrypoint else one.command


def of_project(
    project: Project, references: Mapping[str, str], parameters: Mapping[str, object] | None = None
) -> Facts:
    """The model's facts, as if all of it ran: what an export of it is read back against.

    `references` are the images in use, by the key that services name; `parameters` are production's
    server variables. What only images and servers know stays unknown.
    """
    services = tuple(_defined(service, references) for service in project.services if service.raw is None)
    chosen = {
        name: mysql.parameter_text(value) for name, value in (parameters or {}).items() if value is not None
    }
    return Facts(services, DatabaseFacts(chosen=chosen), mapped=mapped_of(services))


def _defined(service: Defined, references: Mapping[str, str]) -> ServiceFacts:
    health = service.healthcheck
    times = {
        "interval": health.interval, "timeout": health.timeout, "retries": health.retries,
        "start_period": health.start_period,
    } if health else {}  # fmt: skip
    reference = references.get(service.image, service.image)
    return ServiceFacts(
        name=service.name,
        image=reference,
        wanted=reference,
        replicas=service.replicas,
        entrypoint=service.entrypoint,
        command=tuple(shlex.split(service.command)) if isinstance(service.command, str) else service.command,
        user=service.user,
        environment=service.environment,
        mounts=tuple(
            ObservedMount(mount.target, "bind" if mount.is_bind else "volume", mount.source, mount.read_only)
            for mount in service.mounts
        ),
        ports=tuple(PortFact(port.target, port.published, port.address) for port in service.ports),
        names=frozenset({service.name, *service.aliases}),
        needs=tuple(service.depends_on),
        health_test=health.test if health else (),
        health_times=times,
        restart=service.restart or "",
    )


def mapped_of(services: Iterable[ServiceFacts]) -> frozenset[str]:
    """Where folders of this machine are mapped into a backend or worker."""
    return frozenset(
        mount.target
        for service in services
        for mount in service.mounts
        if mount.kind == "bind" and service.name in {"backend", "taskrunner"}
    )
