"""What a production manifest says, whatever its format: frozen values, each with its place in a file.

A reader says only what its source says: None and empty mean that the source is silent, and it is the
comparing that knows what silence means (the image's own command, no limit, one replica).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from devenv.config.document import Position

T = TypeVar("T")

ROLE_LABEL = "devenv.service"
"""A label (or annotation) by which a manifest says which service here one of its services is."""


@dataclass(frozen=True, slots=True)
class Said(Generic[T]):
    """A value, and where it is written."""

    value: T
    at: Position


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable; `value` is None where the source only names it (a secret, an env file)."""

    name: str
    value: str | None = field(repr=False)
    at: Position


@dataclass(frozen=True, slots=True)
class Port:
    """Container port `target`, published as `published` at `address`; None where the engine chooses.

    A port that is only reachable from other containers (a Service of type ClusterIP, `expose`) is none.
    """

    target: int
    at: Position
    published: int | None = None
    address: str | None = None
    protocol: str = "tcp"


class MountKind(StrEnum):
    """Where what is mounted comes from."""

    VOLUME = "volume"
    BIND = "bind"
    MEMORY = "memory"
    FILE = "file"
    """A ConfigMap, a Secret or a Compose config: content that the platform holds."""


@dataclass(frozen=True, slots=True)
class Mount:
    """`source` (a volume's name, a path, a ConfigMap; None if it has no name) appears at `target`."""

    target: str
    kind: MountKind
    at: Position
    source: str | None = None
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """`service` is reachable as `alias` from the service that has the link."""

    service: str
    alias: str
    at: Position


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """A probe: `test` is a command in Docker's form (`CMD`, `CMD-SHELL` or `NONE` first); times in seconds.

    A probe that the platform itself makes over HTTP has `http` (port and path) in place of `test`.
    """

    at: Position
    test: tuple[str, ...] = ()
    http: tuple[int, str] | None = None
    interval: float | None = None
    timeout: float | None = None
    retries: int | None = None
    start_period: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a container may take: bytes and processors."""

    memory: Said[int] | None = None
    cpus: Said[float] | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """One service of production.

    `role` is the service here that it says it is (label `devenv.service`), None where names decide.
    `entrypoint` and `command` are argument lists, `command_places` where each word of the command stands
    (none where the source writes it as one text). `volumes_from` names services whose mounts it shares.
    `group` is the workload or task that its name and its links belong to; None where names count everywhere.
    """

    name: str
    at: Position
    image: Said[str] | None = None
    role: str | None = None
    entrypoint: Said[tuple[str, ...]] | None = None
    command: Said[tuple[str, ...]] | None = None
    command_places: tuple[Position, ...] = field(default=(), compare=False)
    user: Said[str] | None = None
    environment: tuple[Variable, ...] = ()
    env_files: tuple[Said[str], ...] = ()
    """Files with more of the environment which are not beside the manifest: what they set is not known."""
    ports: tuple[Port, ...] = ()
    mounts: tuple[Mount, ...] = ()
    volumes_from: tuple[Said[str], ...] = ()
    links: tuple[Link, ...] = ()
    aliases: tuple[Said[str], ...] = ()
    is_linked_only: bool = False
    """Whether it reaches others by its links alone: `docker run` on the default bridge, Compose's oldest form."""
    limits: Limits = Limits()
    healthcheck: Healthcheck | None = None
    replicas: Said[int] | None = None
    restart: Said[str] | None = None
    read_only: Said[bool] | None = None
    schedule: Said[str] | None = None
    """When it is started, in cron's words; None for what runs all the time."""
    group: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A server variable that production sets.

    `managed` says that the managed service set it for its own machines, and nobody chose it.
    """

    name: str
    value: str
    at: Position
    managed: bool = False


@dataclass(frozen=True, slots=True)
class Database:
    """The database where it is no container: what the managed service says of it."""

    at: Position
    engine: Said[str] | None = None
    version: Said[str] | None = None
    port: Said[int] | None = None
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """Production: its services in the order of the source, and its database if that is a managed one.

    `sources` are the files that were read; `skipped` those of a folder that say nothing of production.
    """

    services: tuple[Service, ...] = ()
    database: Database | None = None
    sources: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    def service(self, name: str) -> Service:
        """The service called `name`; KeyError if there is none."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)
