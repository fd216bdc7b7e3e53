"""What an engine reports, as values: read once, decided upon without reading again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devenv.model import Label

if TYPE_CHECKING:
    from collections.abc import Mapping

KILLED = 137
"""The exit status of a process that SIGKILL ended."""
MIN_VERSION_START_INTERVAL = 25
"""Compose refuses `start_interval` on an older engine."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """The engine that answers: its version, where it is reached and where its data lies."""

    version: str
    api_version: str
    endpoint: str
    root_directory: str = ""
    storage_driver: str = ""
    memory_bytes: int = 0
    cpus: int = 0
    rootless: bool = False

    @property
    def major(self) -> int:
        """Major version; 0 where the engine does not say one."""
        head = self.version.split(".", 1)[0]
        return int(head) if head.isdigit() else 0

    @property
    def knows_start_interval(self) -> bool:
        """Whether a health check may probe faster while the container starts."""
        return self.major >= MIN_VERSION_START_INTERVAL


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The last run of a health check: exit status and what it printed."""

    exit_status: int
    output: str


@dataclass(frozen=True, slots=True)
class ObservedContainer:
    """One container as the engine reports it; `health` is None where it has no health check."""

    id: str
    name: str
    service: str
    number: int
    state: str
    health: str | None = None
    probe: ProbeResult | None = None
    exit_status: int = 0
    error: str = ""
    oom_killed: bool = False
    memory_limit: int = 0
    """Bytes, 0 where it has none."""
    restarts: int = 0
    image: str = ""
    image_id: str = ""
    started_at: str = ""
    probes: tuple[str, ...] = ()
    """When the last few runs of its health check began; some may be of its life before a restart."""
    labels: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    """Volume name by the path at which it is mounted."""
    ports: Mapping[int, int] = field(default_factory=dict)
    """Published port by container port."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Its address on each of its networks, by the network's name."""
    depends_on: frozenset[str] = frozenset()
    """The services that it was made to depend on."""

    @property
    def is_running(self) -> bool:
        """Whether its process runs now."""
        return self.state == "running"

    @property
    def is_healthy(self) -> bool:
        """Whether it runs and its health check, if it has one, passes."""
        return self.is_running and self.health in {"healthy", None}

    @property
    def is_unhealthy(self) -> bool:
        """Whether it runs and its health check says no; the engine says so of every one whose process ended, too."""
        return self.is_running and self.health == "unhealthy"

    @property
    def is_killed(self) -> bool:
        """Whether SIGKILL ended its process."""
        return self.exit_status == KILLED

    @property
    def has_ended_well(self) -> bool:
        """Whether its process ended by itself or was ended, with status 0."""
        return self.state == "exited" and self.exit_status == 0

    @property
    def spec(self) -> str | None:
        """Hash of the definition that it was created from."""
        return self.labels.get(Label.SPEC)


@dataclass(frozen=True, slots=True)
class ObservedMount:
    """What a container sees at `target`: `source` is a volume's name or a path of the engine's machine.

    `kind` is the engine's word: `volume`, `bind` or `tmpfs`.
    """

    target: str
    kind: str
    source: str = ""
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class ObservedPort:
    """Container port `target`, published at `address`:`published`."""

    target: int
    published: int
    address: str = ""
    protocol: str = "tcp"


@dataclass(frozen=True, slots=True)
class ImageDefinition:
    """What an image says of the containers made from it; `digests` as its registries know it."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    volumes: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContainerDefinition:
    """How a container was made, as the engine tells it: what it runs, and what it is given.

    `memory` is in bytes, `cpus` in processors; 0 means no limit. Times of `health` are seconds, 0 where
    the engine's default holds; `health_test` is empty where there is no check.
    """

    container_id: str
    image: str
    own: ImageDefinition = ImageDefinition()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    mounts: tuple[ObservedMount, ...] = ()
    ports: tuple[ObservedPort, ...] = ()
    aliases: tuple[str, ...] = ()
    memory: int = 0
    cpus: float = 0
    health_test: tuple[str, ...] = ()
    health_times: Mapping[str, float] = field(default_factory=dict)
    """`interval`, `timeout`, `start_period`, and `retries` as a number."""
    restart: str = ""
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class ObservedVolume:
    """A named volume that carries our labels.

    `mountpoint` is its folder on the engine's machine; `options` are those it was made with, at `created`.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    mountpoint: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    created: str = ""


@dataclass(frozen=True, slots=True)
class ObservedState:
    """One reading of all that belongs to a project; nothing is read again while deciding."""

    containers: tuple[ObservedContainer, ...] = ()
    volumes: tuple[ObservedVolume, ...] = ()
    spare: ObservedContainer | None = None
    """The database's spare, which is none of the service's containers until it takes the place of one."""
    successor: ObservedContainer | None = None
    """What is about to take the database's place, or was when its command was killed."""

    def apart(self, spare: str, successor: str) -> ObservedState:
        """The same state with the containers of these names in their own places."""
        named = {one.name: one for one in self.containers}
        others = tuple(one for one in self.containers if one.name not in {spare, successor})
        return ObservedState(others, self.volumes, named.get(spare), named.get(successor))

    def of(self, service_name: str) -> tuple[ObservedContainer, ...]:
        """The service's containers, by number."""
        found = (container for container in self.containers if container.service == service_name)
        return tuple(sorted(found, key=lambda container: container.number))

    def running(self, service_name: str) -> ObservedContainer | None:
        """The service's first container that runs; None where none does."""
        return next((container for container in self.of(service_name) if container.is_running), None)


@dataclass(frozen=True, slots=True)
class ObservedImage:
    """An image that is on the engine; `entrypoint` is what it puts before every command."""

    reference: str
    id: str
    labels: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PortHolder:
    """A published port of any container on the engine, devenv's or not."""

    port: int
    container: str
    project: str | None


@dataclass(frozen=True, slots=True)
class ExecResult:
    """How a command inside a container ended."""

    exit_status: int
    output: str


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a service wrote; `at` is the engine's time stamp."""

    service: str
    container: str
    at: str
    text: str
