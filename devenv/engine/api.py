"""What devenv asks of a container engine, as a protocol and the values that cross it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from devenv.errors import OperationError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from devenv.engine.observed import (
        ContainerDefinition,
        EngineInfo,
        ExecResult,
        LogLine,
        ObservedContainer,
        ObservedImage,
        ObservedState,
        ObservedVolume,
        PortHolder,
    )


@dataclass(frozen=True)
class BuildRequest:
    """One image to build: `context` is the folder of its Dockerfile, `secrets` file by id."""

    context: Path
    tag: str
    build_args: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Path] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    use_cache: bool = True


@dataclass(frozen=True)
class ContainerRequest:
    """A container outside Compose, for work on a volume: no port, removed by who asked for it."""

    name: str
    image: str
    command: Sequence[str] | None = None
    entrypoint: Sequence[str] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    """Path inside by volume name; `:ro` behind the path makes it read-only."""
    network: str | None = None
    """Without one it reaches nobody, and starts sooner."""
    labels: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    privileged: bool = False  # all rights on the engine's machine, and its processes in sight


@dataclass(frozen=True)
class ComposeProject:
    """A generated file as Compose's project of that name; relative paths in it, and `.env`, start from `folder`."""

    name: str
    file: Path
    folder: Path


class Conversation(Protocol):
    """A command inside a container that is written to and read in turn; what it says is never lost or waited for."""

    def write(self, piece: bytes) -> bool:
        """Hand it some more; whether it still reads. It may end by what was written before."""

    def read_line(self) -> str | None:
        """Wait for the next line that it writes, without its end; None once it has ended."""

    def end(self) -> ExecResult:
        """Tell it that nothing more comes, and wait for its end; the output is what was not read yet."""


class HeldCommand(Protocol):
    """A command whose container is there, and that waits for its turn."""

    def release(self) -> ExecResult | None:
        """Let it run to its end; None where its container is gone already, and it never ran."""


LineSink = Callable[[str], None]
"""Takes one line of a command's progress."""


class News(Protocol):
    """Ends a wait when something has happened to a container."""

    def wait(self, timeout: float) -> None:
        """Return when something has happened since the last call, at the latest after `timeout` seconds."""

    def tell(self) -> None:
        """End the present wait, or the next: something happened that the engine does not know."""


class Engine(Protocol):
    """A container engine with Compose; everything raises `DevenvError`s, never a vendor's."""

    @property
    def is_here(self) -> bool:
        """Whether what its containers publish is reached on this machine."""

    def info(self) -> EngineInfo:
        """Who answers; raises EngineUnavailableError when nobody does."""

    def observe(self, project: str) -> ObservedState:
        """All containers (one-off runs left out) and volumes of the project, in one reading.

        One that is being started here is shown as it was: asked about it the engine answers when it has started.
        """

    def definition(self, container_id: str) -> ContainerDefinition:
        """How a container and its image were made; raises OperationError where it does not exist."""

    def published_ports(self) -> tuple[PortHolder, ...]:
        """Every host port that some container on this engine holds."""

    def images(self, references: Iterable[str]) -> Mapping[str, ObservedImage]:
        """Those of the images that are on the engine, by reference."""

    def pull(self, reference: str, on_line: LineSink) -> None:
        """Fetch an image; raises RegistryUnreachableError, PullDeniedError or ImageError `disk_full`."""

    def build(self, request: BuildRequest, on_line: LineSink) -> None:
        """Build an image; raises ImageError `build_failed` or `disk_full` with the last lines as evidence."""

    def import_image(self, tar: Iterable[bytes], reference: str, labels: Mapping[str, str]) -> None:
        """Make an image of a root file system given as a tar stream."""

    def create(
        self,
        project: ComposeProject,
        services: Sequence[str] | None,
        on_line: LineSink,
        *,
        build: bool = False,
    ) -> None:
        """Let Compose create what is missing and recreate what diverged, without starting it.

        The image of a user's own service is pulled or built where it is missing; with `build` built anew.
        """

    def run_once(
        self,
        project: ComposeProject,
        service: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        name: str,
    ) -> ExecResult:
        """Run a command in a new container of the service, called `name`, and remove it.

        Its dependencies are left alone. A killed devenv leaves it running, under that name.
        """

    def hold_once(
        self,
        project: ComposeProject,
        service: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        name: str,
    ) -> AbstractContextManager[HeldCommand]:
        """Make the container of `run_once` already, in which the command waits until it is released.

        `command` comes in place of the image's entry point: what that does would not wait. The image has a
        shell. Not released it never runs; its container goes with the block. It goes with a killed devenv too,
        unless that was killed before it started: then it is left, under that name.
        """

    def watch(self) -> AbstractContextManager[News | None]:
        """What happens to containers of devenv's while the block runs; None where the engine does not tell."""

    def start_container(self, container_id: str) -> None:
        """Start a created or stopped container; nothing happens to a running one.

        One that an engine was starting when it died is made anew, as it was, and gets another id.
        """

    def restart_container(self, container_id: str, timeout: int | None) -> None:
        """Stop within `timeout` seconds, None for those it was made with, and start again."""

    def remove_container(self, name_or_id: str, *, anonymous_volumes: bool = True) -> None:
        """Kill and remove it, and its anonymous volumes; nothing happens where it does not exist."""

    def remove_rest(self, project: str) -> tuple[str, ...]:
        """Remove what is left of a project but its volumes: containers, one-off runs too, and networks.

        Gives the names of the networks that stay, because containers of somebody else are on them.
        """

    def run_container(self, request: ContainerRequest) -> str:
        """Create and start a container outside Compose; its id."""

    def stop_container(self, name_or_id: str, timeout: int | None) -> int:
        """Stop it cleanly within `timeout` seconds, None for those it was made with; its exit status."""

    def container_logs(self, name_or_id: str, tail: int) -> tuple[str, ...]:
        """The last lines that a container wrote."""

    def container_state(self, name_or_id: str) -> str | None:
        """The state in one word, None where it does not exist."""

    def logs(
        self,
        state: ObservedState,
        *,
        tail: int | None,
        since: int | None,
        follow: bool,
        on_unreadable: Callable[[ObservedContainer, OperationError], None],
    ) -> Iterator[LogLine]:
        """Lines of the containers, merged in the order of their time stamps.

        A container without a log that can be read is told before this returns, and left out.
        """

    def execute(
        self,
        container_id: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        stdin: Iterable[bytes] | None = None,
        user: str | None = None,
    ) -> ExecResult:
        """Run a command inside a running container; `stdin` is written to it as it comes."""

    def execute_stream(
        self, container_id: str, command: Sequence[str], *, environment: Mapping[str, str] | None = None
    ) -> Iterator[bytes]:
        """Run a command inside a running container; its standard output as it comes.

        Raises OperationError `command_failed`, with what it wrote to standard error, if it ends other than 0.
        """

    def converse(
        self, container_id: str, command: Sequence[str], *, environment: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Conversation]:
        """Run a command inside a running container and talk with it; it is killed at the end of the block."""

    def put_file(self, container_id: str, path: str, pieces: Iterable[bytes], size: int) -> None:
        """Write a file of so many bytes into a container, for everybody to read; one that is there is replaced.

        Raises OperationError `engine_refused` where the folder does not exist.
        """

    def modified(self, container_id: str, path: str) -> float | None:
        """When a file in a container was last changed, in seconds since 1970; None where there is no such file, or container.

        What a `tmpfs` holds is not seen.
        """

    def attach(self, container_id: str, command: Sequence[str], *, tty: bool, user: str | None = None) -> int:
        """Run a command with this process's own input and output; its exit status."""

    def run_to_end(self, request: ContainerRequest) -> ExecResult:
        """Run a container outside Compose until it ends, and remove it."""

    def replace_container(self, container_id: str, volumes: Mapping[str, str]) -> str:
        """Kill a container and make it anew, not started, with other volumes (new name by old); its id.

        All else stays as it was, so that Compose still takes it for the one that it made.
        """

    def rename_container(self, container_id: str, name: str) -> None:
        """Give a container another name; raises OperationError where that is taken."""

    def duplicate_container(
        self, container_id: str, name: str, volumes: Mapping[str, str], image: str | None = None
    ) -> str:
        """Run another container like one, with other volumes (new name by old) and perhaps of another image; its id.

        It is on no network and publishes nothing yet. Compose takes it for the service's next replica. One that
        does not start is removed.
        """

    def substitute_container(
        self, container_id: str, substitute_id: str, ended: Callable[[], bool] | None = None
    ) -> None:
        """Kill and remove a container; its duplicate takes over name, networks, aliases and published ports.

        `ended` waits until the killed process's connections are closed, and says whether they are: its networks
        are handed over then, while the engine still puts the rest of it away; else when the container is gone.
        Killed in between, the container is gone and the duplicate is there under its own name.
        """

    def volumes(self, label: str) -> tuple[ObservedVolume, ...]:
        """All volumes on this engine with a label, given as `key` or `key=value`, by name."""

    def create_volume(
        self, name: str, labels: Mapping[str, str], options: Mapping[str, str] | None = None
    ) -> ObservedVolume:
        """Make a named volume, or find the one that exists; `options` are those of the local driver."""

    def remove_volume(self, name: str) -> None:
        """Remove a named volume; nothing happens where it does not exist."""

    def create_network(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a bridge network; nothing happens where it exists."""


def last_words(engine: Engine, name_or_id: str, tail: int) -> tuple[str, ...]:
    """The last lines that a container wrote, as evidence; where they cannot be read, one line that says why.

    It may be gone by now, or have a logging driver that keeps nothing: its failure is told all the same.
    """
    try:
        return engine.container_logs(name_or_id, tail)
    except OperationError as error:
        return (f"its log cannot be read: {error.detail.get('reason', error.message)}",)
