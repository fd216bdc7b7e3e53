"""The environment as frozen values: what `services` define, `render` writes down and `plan` compares."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Label:
    """The labels on all that devenv creates; what lacks `PROJECT` is never touched."""

    PROJECT = "devenv.project"
    ENVIRONMENT = "devenv.environment"
    WORKTREE = "devenv.worktree"
    KIND = "devenv.kind"
    SPEC = "devenv.spec"
    """Hash of the service as rendered: a container with another value has diverged."""
    GENERATION = "devenv.generation"


class Condition(StrEnum):
    """What a dependent waits for, in Compose's words."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """A probe inside the container; times in seconds.

    `start_interval` is the pace during `start_period`; engines older than 25 do not know it,
    so the renderer leaves it out there.
    """

    test: tuple[str, ...]
    interval: float = 2
    timeout: float = 5
    retries: int = 5
    start_period: float = 60
    start_interval: float = 0.25


@dataclass(frozen=True, slots=True)
class Mount:
    """`source` (an absolute host path or a volume's key) appears at `target`."""

    source: str
    target: str
    is_bind: bool
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """Container port `target` answers on the host at `address`:`published`."""

    published: int
    target: int
    address: str = "127.0.0.1"
    scheme: str | None = None
    """`http` where a browser can open it, `mysql` or `smtp` where another client can; None if unknown."""

    @property
    def url(self) -> str | None:
        """Where a user reaches it, or None if the scheme is unknown."""
        if self.scheme is None:
            return None
        host = "127.0.0.1" if self.address in {"0.0.0.0", "::"} else self.address
        host = f"[{host}]" if ":" in host else host
        port = "" if (self.scheme, self.published) == ("http", 80) else f":{self.published}"
        return f"{self.scheme}://{host}{port}" + ("/" if self.scheme == "http" else "")


@dataclass(frozen=True, slots=True)
class Volume:
    """A named volume: `key` inside the project, `name` on the engine."""

    key: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Image:
    """Where a service's image comes from.

    `reference` is what a registry knows it by, None where there is none; `recipe` is the folder of its
    Dockerfile, None where it can only be pulled. At least one is set.
    """

    reference: str | None = None
    recipe: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the environment; `image` names a key of `Project.images`."""

    name: str
    image: str
    command: tuple[str, ...] | str | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    healthcheck: Healthcheck | None = None
    depends_on: Mapping[str, Condition] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    user: str | None = None
    replicas: int = 1
    init: bool = False
    stop_grace_period: float = 10
    restart: str | None = None
    raw: Mapping[str, Any] | None = None
    """For a user's own service: its definition in Compose's words, which the renderer passes on."""


@dataclass(frozen=True, slots=True)
class Project:
    """The whole environment, as one Compose project called `name`."""

    name: str
    environment: str
    worktree: str
    services: tuple[Service, ...]
    images: Mapping[str, Image]
    volumes: tuple[Volume, ...] = ()

    def service(self, name: str) -> Service:
        """The service called `name`; KeyError if there is none."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)

    @property
    def service_names(self) -> tuple[str, ...]:
        """Names of all services, in the order of their definition."""
        return tuple(service.name for service in self.services)


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are to a registry: a name and a password, or a token that stands for both."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
