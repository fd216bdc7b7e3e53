"""The environment as frozen values: what `services` define, `render` writes down and `plan` compares."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Label:
    """The labels on all that devenv creates; what lacks `PROJECT` is never touched."""

    PROJECT = "devenv.project"
    ENVIRONMENT = "devenv.environment"
    WORKTREE = "devenv.worktree"
    KIND = "devenv.kind"
    SPEC = "devenv.spec"
    """Hash of the service as rendered: a container with another value has diverged."""
    GENERATION = "devenv.generation"
    SERVICE = "devenv.service"
    """In what production runs: the service here that one of another name stands for."""
    DRIVER = "devenv.driver"
    """How a branch of the database's data was made."""
    REASON = "devenv.driver.reason"
    """What was found when the ways to make one were tried."""


class Condition(StrEnum):
    """What a dependent waits for, in Compose's words."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


@dataclass(frozen=True, slots=True)
class Question:
    """What shows from outside that a service serves.

    On container port `target`, in its own protocol: `mysql` or `smtp` greet, `http` gives the page at `path`.
    Without a port: `heartbeat`, the file at `path` was written since the container started.
    """

    target: int | None
    scheme: str
    path: str = "/"


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """A probe inside the container; times in seconds.

    `start_interval` is the pace during `start_period`; engines older than 25 do not know it,
    so the renderer leaves it out there. `questions` are the same probe asked from outside, where the ports are
    published: who waits asks them, and need not wait for an interval. Without any, the engine's word counts,
    which has to come soon: but each probe is a process that the engine starts in the container, which costs 75 ms
    of a core, and four a second in each of five take the CPU that the services need for their own start.
    """

    test: tuple[str, ...]
    interval: float = 2
    timeout: float = 5
    retries: int = 5
    start_period: float = 60
    questions: tuple[Question, ...] = ()

    @property
    def start_interval(self) -> float:
        """Seconds between two probes while the service starts.

        What is known by a file is a worker: many may start at once, and seldom does anybody wait for one.
        """
        by_file = any(question.target is None for question in self.questions)
        return min(self.interval, 2 if by_file else 1 if self.questions else 0.25)


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
    """`http` or `https` where a browser can open it, `mysql` or `smtp` where another client can; None if unknown."""

    @property
    def url(self) -> str | None:
        """Where a user reaches it, or None if the scheme is unknown."""
        if self.scheme is None:
            return None
        host = "127.0.0.1" if self.address in {"0.0.0.0", "::"} else self.address
        host = f"[{host}]" if ":" in host else host
        usual = {("http", 80), ("https", 443)}
        port = "" if (self.scheme, self.published) in usual else f":{self.published}"
        return f"{self.scheme}://{host}{port}" + ("/" if self.scheme in {"http", "https"} else "")


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
    scaled: bool = False
    """Whether `devenv scale` chose the number of replicas, in place of the configuration."""
    init: bool = False
    stop_grace_period: float = 10
    restart: str | None = "on-failure:5"
    """A process that dies is started again, as production's units do it; one that cannot live is given up."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Further host names that only this service's containers know: the service that each stands for."""
    read_only: bool = False
    """Whether the root file system is; `tmpfs` are the folders in memory that stay writable."""
    tmpfs: tuple[str, ...] = ()
    cpus: float | None = None
    """What each container may take at most, as `memory` in bytes; None is without a limit."""
    memory: int | None = None
    pod: int | None = None
    """The pod that it is part of, counted from 1; None outside of pods."""
    job: bool = False
    """It has work to do and ends; with status 0 it is done. Only a user's own service can be one."""
    on_request: bool = False
    """It is started where it is named, or needed, alone: a user's own service of a Compose profile."""
    secrets: tuple[str, ...] = ()
    """Variables of which only the names are known here: whoever runs it has the values."""
    raw: Mapping[str, Any] | None = None
    """For a user's own service: its definition in Compose's words, which the renderer passes on."""

    @property
    def is_job(self) -> bool:
        """Whether it runs to its end once, and is not started again."""
        return self.restart == "no"

    def mount(self, key: str) -> Mount | None:
        """Where it sees a volume; None where it does not."""
        return next((mount for mount in self.mounts if not mount.is_bind and mount.source == key), None)

    @property
    def role(self) -> str:
        """What it is, whichever pod it is part of: `backend` for `backend-2`."""
        return self.name if self.pod is None else self.name.removesuffix(f"-{self.pod}")


def needed_by(name: str, services: Iterable[Service]) -> set[str]:
    """Names of all that a service depends on, directly or through another."""
    depends = {service.name: tuple(service.depends_on) for service in services}
    found: set[str] = set()
    queue = list(depends.get(name, ()))
    while queue:
        other = queue.pop()
        if other not in found:
            found.add(other)
            queue += depends.get(other, ())
    return found


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

    def named(self, name: str) -> tuple[Service, ...]:
        """The services that a name stands for: the one called so, or every pod's (`backend` for `backend-2`)."""
        return tuple(one for one in self.services if name in {one.name, one.role})

    @property
    def pods(self) -> int:
        """How many pods there are: none in development."""
        return max((service.pod or 0 for service in self.services), default=0)

    def volume(self, key: str) -> Volume:
        """The volume whose key in the generated file is `key`; KeyError if there is none."""
        for volume in self.volumes:
            if volume.key == key:
                return volume
        raise KeyError(key)

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
