"""An engine in memory that does what its protocol says, remembers what it was asked, and fails where it is told to.

`calls` holds every call as one line of text; `changes` those that change something. `tests/contract` runs
the same cases on this engine and on the real one, so that a test on the fake means something.
"""

from __future__ import annotations

import io
import re
import sys
import threading
import time
from collections import deque
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv.cli.context import Wiring
from devenv.engine.observed import (
    ContainerDefinition,
    EngineInfo,
    ExecResult,
    ImageDefinition,
    LogLine,
    ObservedContainer,
    ObservedImage,
    ObservedMount,
    ObservedPort,
    ObservedState,
    ObservedVolume,
    PortHolder,
    ProbeResult,
)
from devenv.errors import ImageError, OperationError, PullDeniedError, RegistryUnreachableError
from devenv.model import Label
from tests import composed
from tests.fake_shell import interpret
from tests.fake_swarm import FakeSwarm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from devenv.cli.context import Setup
    from devenv.engine.api import (
        BuildRequest,
        ComposeProject,
        ContainerRequest,
        Engine,
        HeldCommand,
        LineSink,
    )
    from devenv.engine.setup_plan import SetupStep
    from devenv.engine.swarm_api import Swarm
    from devenv.events import Event, EventSink, Status
    from devenv.model import Login

STARTED_AT = "2026-01-02T03:04:05Z"
READS = (
    "info",
    "definition of",
    "observe",
    "published ports",
    "images",
    "state of",
    "log of",
    "logs of",
    "volumes",
    "look for",
)
NOWHERE = "/nowhere"
"""A folder that no engine's machine has."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one look at a started container shows."""

    health: str | None = "healthy"
    state: str = "running"
    exit_status: int = 0
    probe: ProbeResult | None = None
    error: str = ""
    oom_killed: bool = False
    memory_limit: int = 0
    restarts: int = 0


STARTING = Turn("starting")
HEALTHY = Turn("healthy")


def unhealthy(output: str = "no answer", exit_status: int = 1) -> Turn:
    """A running container whose probe failed often enough."""
    return Turn("unhealthy", probe=ProbeResult(exit_status, output))


def exited(exit_status: int = 0, *, oom_killed: bool = False, memory_limit: int = 0, error: str = "") -> Turn:
    """A container whose process ended."""
    return Turn(None, "exited", exit_status, oom_killed=oom_killed, memory_limit=memory_limit, error=error)


@dataclass(frozen=True)
class Execution:
    """A command inside a container, with all that was written to it."""

    container: str
    command: tuple[str, ...]
    stdin: bytes
    environment: Mapping[str, str]
    user: str | None = None

    @property
    def text(self) -> str:
        """Container and command on one line."""
        return f"{self.container}: {' '.join(self.command)}"


Answer = ExecResult | Exception


@dataclass
class FakeContainer:
    """One container: of a Compose project where `project` is set, else made by `run_container`."""

    id: str
    name: str
    image: str
    image_id: str
    project: str = ""
    service: str = ""
    number: int = 1
    definition: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[int, int] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=lambda: [Turn(None, "created")])
    stop_status: int = 0
    privileged: bool = False

    @property
    def now(self) -> Turn:
        """What the last look showed."""
        return self.turns[0]

    def look(self) -> Turn:
        """Look once; the next look shows the next turn, the last one stays."""
        turn = self.turns[0]
        if len(self.turns) > 1:
            del self.turns[0]
        return turn

    def observed(self) -> ObservedContainer:
        """Look once, as the engine reports it."""
        turn = self.look()
        running = turn.state == "running"
        return ObservedContainer(
            id=self.id,
            name=self.name,
            service=self.service,
            number=self.number,
            state=turn.state,
            health=turn.health,
            probe=turn.probe,
            exit_status=turn.exit_status,
            error=turn.error,
            memory_limit=turn.memory_limit,
            oom_killed=turn.oom_killed,
            restarts=turn.restarts,
            image=self.image,
            image_id=self.image_id,
            started_at=STARTED_AT if running else "",
            labels=self.labels,
            volumes=self.volumes,
            ports=self.ports if running else {},
            depends_on=frozenset(self.definition.get("depends_on") or ()),
        )


@dataclass
class FakeEngine:
    """`devenv.engine.api.Engine` in memory.

    `registry` is what can be pulled, None where no registry answers. `scripts` holds what the looks at a
    container show after each start, by service or container name. `answers` holds what commands inside
    containers give, by regular expression over `container: command`; the first that fits wins. `failures`
    holds the error for every call that starts with a text.
    """

    is_here: bool = True
    version: str = "26.1.5"
    root_directory: str = "/var/lib/elsewhere"
    memory_bytes: int = 8 * 2**30
    registry: set[str] | None = None
    present: dict[str, ObservedImage] = field(default_factory=dict)
    image_definitions: dict[str, ImageDefinition] = field(default_factory=dict)
    """What images say of their containers, by reference; nothing of the others is known."""
    scripts: dict[str, list[Turn]] = field(default_factory=dict)
    answers: list[tuple[str, Answer]] = field(default_factory=list)
    failures: list[tuple[str, BaseException]] = field(default_factory=list)
    watchers: list[tuple[str, Callable[[], object]]] = field(default_factory=list)
    """What happens elsewhere just before a call that starts with a text."""
    foreign: list[PortHolder] = field(default_factory=list)
    written: list[tuple[str, str]] = field(default_factory=list)
    """Log lines in their order: service or container, and text."""
    calls: list[str] = field(default_factory=list)
    patience: dict[str, int | None] = field(default_factory=dict)
    """How many seconds a container had to stop when it was restarted, by name."""
    executed: list[Execution] = field(default_factory=list)
    built: list[BuildRequest] = field(default_factory=list)
    secrets: list[dict[str, str]] = field(default_factory=list)
    """Content of each build's secrets, as it was during the build."""
    containers: dict[str, FakeContainer] = field(default_factory=dict)
    volume_labels: dict[str, Mapping[str, str]] = field(default_factory=dict)
    volume_options: dict[str, Mapping[str, str]] = field(default_factory=dict)
    networks: dict[str, Mapping[str, str]] = field(default_factory=dict)
    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """Files in containers, by container name and path."""
    modified_at: dict[tuple[str, str], float] = field(default_factory=dict)
    """When these files were written, in seconds since 1970."""
    _count: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    # -- for tests

    @property
    def changes(self) -> list[str]:
        """The calls that change something."""
        return [call for call in self.calls if not call.startswith(READS)]

    def called(self, start: str) -> list[str]:
        """The calls that start with a text."""
        return [call for call in self.calls if call.startswith(start)]

    def fail(self, call: str, error: BaseException) -> None:
        """From now on every call that starts with this text raises the error."""
        self.failures.append((call, error))

    def when(self, call: str, happens: Callable[[], object]) -> None:
        """From now on this happens just before every call that starts with this text."""
        self.watchers.append((call, happens))

    def mend(self) -> None:
        """From now on nothing fails any more, and nothing is remembered of what was called."""
        self.failures.clear()
        self.calls.clear()

    def answer(self, pattern: str, output: str = "", exit_status: int = 0) -> None:
        """From now on a command that fits the pattern gives this, before any answer that was given earlier."""
        self.answers.insert(0, (pattern, ExecResult(exit_status, output)))

    def turn(self, container: str, *turns: Turn) -> None:
        """From now on looks at this container show these turns."""
        self.containers[container].turns = list(turns)

    def add_image(self, reference: str, labels: Mapping[str, str] | None = None) -> str:
        """Put an image on the engine; its id."""
        self._count += 1
        identity = f"sha256:{self._count:04d}"
        self.present[reference] = ObservedImage(reference, identity, labels or {})
        return identity

    # -- the protocol

    def info(self) -> EngineInfo:
        self._called("info")
        return EngineInfo(
            version=self.version,
            api_version="1.45",
            endpoint="memory://",
            root_directory=self.root_directory,
            storage_driver="overlay2",
            memory_bytes=self.memory_bytes,
            cpus=2,
        )

    def observe(self, project: str) -> ObservedState:
        self._called(f"observe {project}")
        containers = [one.observed() for one in list(self.containers.values()) if one.project == project]
        return ObservedState(tuple(containers), self._volumes(Label.PROJECT, project))

    def definition(self, container_id: str) -> ContainerDefinition:
        container = self._container(container_id, "inspect")
        self._called(f"definition of {container.name}")
        own = self.image_definitions.get(container.image, ImageDefinition())
        return _definition(container, own)

    def published_ports(self) -> tuple[PortHolder, ...]:
        self._called("published ports")
        own = [
            PortHolder(port, one.name, one.project or None)
            for one in list(self.containers.values())
            if one.now.state == "running"
            for port in one.ports.values()
        ]
        return (*self.foreign, *own)

    def images(self, references: Iterable[str]) -> Mapping[str, ObservedImage]:
        self._called("images")
        return {reference: self.present[reference] for reference in references if reference in self.present}

    def pull(self, reference: str, on_line: LineSink) -> None:
        self._called(f"pull {reference}")
        if self.registry is None:
            raise RegistryUnreachableError(
                f"the registry of {reference} cannot be reached", evidence=("connection refused",)
            )
        if reference not in self.registry:
            raise PullDeniedError(f"the registry does not give {reference}", evidence=("not found",))
        on_line("1 of 2 MB")
        with self._lock:
            self.add_image(reference)

    def build(self, request: BuildRequest, on_line: LineSink) -> None:
        self._called(f"build {request.tag}")
        with self._lock:
            self.built.append(request)
            self.secrets.append({name: path.read_text() for name, path in request.secrets.items()})
            on_line("#1 exporting")
            text = (request.context / "Dockerfile").read_text(encoding="utf-8", errors="replace")
            if text.rstrip().endswith("false"):
                raise ImageError(f"building {request.tag} failed", code="build_failed", evidence=(text,))
            self.add_image(request.tag, request.labels)

    def import_image(self, tar: Iterable[bytes], reference: str, labels: Mapping[str, str]) -> None:
        self._called(f"import {reference}")
        assert b"".join(tar), "an empty root file system"
        self.add_image(reference, labels)

    def create(
        self,
        project: ComposeProject,
        services: Sequence[str] | None,
        on_line: LineSink,
        *,
        build: bool = False,
    ) -> None:
        how = "build and create" if build else "create"
        self._called(f"{how} {' '.join(services) if services is not None else 'all'}")
        document = composed.read(project.file)
        name = document["name"]
        definitions = document["services"]
        self._create_networks(document)
        for service in composed.with_dependencies(definitions, services):
            self._create_service(document, service, definitions[service], on_line)
        for one in [one for one in list(self.containers.values()) if one.project == name]:
            if one.service not in definitions:
                del self.containers[one.name]

    def _create_networks(self, document: Mapping[str, Any]) -> None:
        for network in (document.get("networks") or {}).values():
            self.networks.setdefault(network["name"], network.get("labels") or {})

    def _create_service(
        self, document: Mapping[str, Any], service: str, definition: Mapping[str, Any], on_line: LineSink
    ) -> None:
        if definition["image"] not in self.present and definition["image"] in (self.registry or ()):
            self.add_image(definition["image"])
        image = self.present.get(definition["image"])
        if image is None:
            code = "registry_unreachable" if self.registry is None else "pull_denied"
            raise _compose_failed("create the containers", f"No such image: {definition['image']}", code)
        keys = {key: value["name"] for key, value in (document.get("volumes") or {}).items()}
        mounted: dict[str, str] = {}
        for mount in definition.get("volumes") or ():
            if mount["type"] == "bind" and not Path(mount["source"]).exists():
                raise _compose_failed(
                    "create the containers", f"{mount['source']} does not exist", "mount_missing"
                )
            if mount["type"] == "volume":
                volume = keys[mount["source"]]
                self.volume_labels.setdefault(
                    volume, document["volumes"][mount["source"]].get("labels") or {}
                )
                mounted[mount["target"]] = volume
        ports = dict(composed.published(port) for port in definition.get("ports") or ())
        for number in self._numbers(document["name"], service, composed.replicas(definition)):
            place = (document["name"], service, number)
            found = (
                one
                for one in list(self.containers.values())
                if (one.project, one.service, one.number) == place
            )
            before = next(found, None)
            name = "-".join(map(str, place))  # of one made anew too, whatever the old one was called
            if before and (before.definition, before.image_id) == (composed.uncounted(definition), image.id):
                continue
            on_line(f"Container {name}  {'Recreated' if before else 'Created'}")
            if before:
                del self.containers[before.name]
            self.containers[name] = FakeContainer(
                id=self._identity(name),
                name=name,
                image=definition["image"],
                image_id=image.id,
                project=document["name"],
                service=service,
                number=number,
                definition=composed.uncounted(definition),
                environment=composed.environment(definition),
                labels=definition.get("labels") or {},
                volumes=mounted,
                ports=ports,
            )

    def _numbers(self, project: str, service: str, replicas: int) -> list[int]:
        """Which containers a service has from now on: too many go, the oldest first; new ones are numbered on."""
        there = [
            one for one in list(self.containers.values()) if (one.project, one.service) == (project, service)
        ]
        for one in there[: max(len(there) - replicas, 0)]:
            del self.containers[one.name]
        numbers = [one.number for one in there if one.name in self.containers]
        highest = max(numbers, default=0)
        return [*numbers, *range(highest + 1, highest + 1 + replicas - len(numbers))]

    def remove_rest(self, project: str) -> tuple[str, ...]:
        self._called(f"remove the rest of {project}")
        for one in [one for one in list(self.containers.values()) if one.project == project]:
            del self.containers[one.name]
        self.networks.pop(f"{project}_default", None)
        return ()

    def run_once(
        self,
        project: ComposeProject,
        service: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        name: str,
    ) -> ExecResult:
        result = self._one_off(project, service, command, environment, name).release()
        assert result is not None
        return result

    @contextmanager
    def hold_once(
        self,
        project: ComposeProject,
        service: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        name: str,
    ) -> Iterator[HeldCommand]:
        self._called(f"hold {service}")
        try:
            yield self._one_off(project, service, command, environment, name)
        finally:
            self.containers.pop(name, None)

    def _one_off(
        self,
        project: ComposeProject,
        service: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        name: str,
    ) -> HeldCommand:
        definition = composed.read(project.file)["services"][service]
        image = self.present.get(definition["image"])
        if image is None or name in self.containers:
            reason = f"No such image: {definition['image']}" if image is None else f"{name} is in use"
            raise _compose_failed(f"run a command in {service}", reason)
        self.containers[name] = FakeContainer(name, name, definition["image"], image.id, turns=[Turn(None)])
        return FakeHeld(self, name, Execution(service, tuple(command), b"", dict(environment)))

    def watch(self) -> AbstractContextManager[None]:
        """It tells nothing: whoever waits looks again now and then."""
        return nullcontext()

    def start_container(self, container_id: str) -> None:
        container = self._container(container_id, "start")
        self._called(f"start {container.name}")
        if container.now.state != "running":
            self._start(container)

    def _mount(self, name: str, volumes: Iterable[str]) -> None:
        for volume in volumes:
            self.volume_labels.setdefault(volume, {})
            if self.volume_options.get(volume, {}).get("device", "").startswith(NOWHERE):
                raise OperationError(f"cannot run {name}: no such folder", code="engine_refused")

    def restart_container(self, container_id: str, timeout: int | None) -> None:
        container = self._container(container_id, "restart")
        self.patience[container.name] = timeout
        self._called(f"restart {container.name}")
        self._start(container)

    def _start(self, container: FakeContainer) -> None:
        usual = Turn("healthy" if container.definition.get("healthcheck") else None)
        script = self.scripts.get(container.service) or self.scripts.get(container.name)
        container.turns = list(script or [usual])

    def remove_container(self, name_or_id: str, *, anonymous_volumes: bool = True) -> None:
        del anonymous_volumes
        container = self._find(name_or_id)
        # Removing what is not there changes nothing.
        self._called(f"remove {container.name}" if container else f"look for {name_or_id}")
        if container is not None:
            del self.containers[container.name]

    def run_container(self, request: ContainerRequest) -> str:
        self._called(f"run {request.name}")
        image = self.present.get(request.image)
        if image is None or request.name in self.containers:
            reason = "no such image" if image is None else "the name is in use"
            raise OperationError(f"cannot run {request.name}: {reason}", code="engine_refused")
        if request.network is not None and request.network not in self.networks:
            raise OperationError(f"cannot run {request.name}: no such network", code="engine_refused")
        self._mount(request.name, request.volumes)
        program = interpret(_whole_command(request), b"", request.environment, privileged=request.privileged)
        self.written += [(request.name, line) for line in program.lines]
        usual = Turn(None) if program.goes_on else exited(program.status)
        self.containers[request.name] = FakeContainer(
            id=self._identity(request.name),
            name=request.name,
            image=request.image,
            image_id=image.id,
            labels=dict(request.labels),
            volumes={path.removesuffix(":ro"): volume for volume, path in request.volumes.items()},
            networks=(request.network,) if request.network else (),
            environment=dict(request.environment),
            turns=list(self.scripts.get(request.name) or [usual]),
            stop_status=program.stop_status,
            privileged=request.privileged,
        )
        return self.containers[request.name].id

    def stop_container(self, name_or_id: str, timeout: int | None) -> int:
        del timeout
        container = self._container(name_or_id, "stop")
        self._called(f"stop container {container.name}")
        if container.now.state == "running":
            container.turns = [exited(container.stop_status)]
        return container.now.exit_status

    def container_logs(self, name_or_id: str, tail: int) -> tuple[str, ...]:
        container = self._container(name_or_id, "read the log of")
        self._called(f"log of {container.name}")
        _refuse_unreadable(container)
        lines = [text for name, text in self.written if name in {container.name, container.service}]
        return tuple(lines[-tail:]) if tail else ()

    def container_state(self, name_or_id: str) -> str | None:
        self._called(f"state of {name_or_id}")
        container = self._find(name_or_id)
        return container.look().state if container else None

    def logs(
        self,
        state: ObservedState,
        *,
        tail: int | None,
        since: int | None,
        follow: bool,
        on_unreadable: Callable[[ObservedContainer, OperationError], None],
    ) -> Iterator[LogLine]:
        self._called(
            f"logs of {' '.join(one.name for one in state.containers)} tail={tail} since={since} follow={follow}"
        )
        readable = []
        for one in state.containers:
            try:
                _refuse_unreadable(self._container(one.id, "read the log of"))
                readable.append(one)
            except OperationError as error:
                on_unreadable(one, error)
        found = [
            LogLine(one.service, one.name, f"{number:06d}", text)
            for one in readable
            for number, text in _last(
                [
                    (number, text)
                    for number, (name, text) in enumerate(self.written)
                    if name in {one.name, one.service}
                ],
                tail,
            )
        ]
        return iter(sorted(found, key=lambda line: line.at))

    def execute(
        self,
        container_id: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        stdin: Iterable[bytes] | None = None,
        user: str | None = None,
    ) -> ExecResult:
        container = self._find(container_id)
        name = container.name if container else container_id
        execution = Execution(name, tuple(command), b"".join(stdin or ()), dict(environment or {}), user)
        self._called(f"execute {execution.text}")
        return self._refused(container, container_id) or self.answered(execution)

    @staticmethod
    def _refused(container: FakeContainer | None, name: str) -> ExecResult | None:
        """What the client says of a container in which nothing runs."""
        if container is None:
            return ExecResult(1, f"Error response from daemon: No such container: {name}\n")
        if container.now.state != "running":
            return ExecResult(1, f"Error response from daemon: container {container.id} is not running\n")
        return None

    def execute_stream(
        self, container_id: str, command: Sequence[str], *, environment: Mapping[str, str] | None = None
    ) -> Iterator[bytes]:
        container = self._container(container_id, "run a command in")
        execution = Execution(container.name, tuple(command), b"", dict(environment or {}))
        self._called(f"execute {execution.text}")
        result = self.answered(execution)
        if result.exit_status != 0:
            raise OperationError(
                f"{command[0]} ended with exit status {result.exit_status} in {container_id[:12]}",
                code="command_failed",
                evidence=tuple(result.output.strip().splitlines()[-20:]),
            )
        yield result.output.encode()

    @contextmanager
    def converse(
        self, container_id: str, command: Sequence[str], *, environment: Mapping[str, str] | None = None
    ) -> Iterator[FakeConversation]:
        container = self._find(container_id)
        name = container.name if container else container_id
        execution = Execution(name, tuple(command), b"", dict(environment or {}))
        self._called(f"execute {execution.text}")
        yield FakeConversation(self, execution, self._refused(container, container_id))

    def put_file(self, container_id: str, path: str, pieces: Iterable[bytes], size: int) -> None:
        container = self._container(container_id, f"write {path}")
        content = b"".join(pieces)
        assert len(content) == size
        self._called(f"write {path} into {container.name}")
        if path.startswith(f"{NOWHERE}/"):
            raise OperationError(f"cannot write {path}: could not find the file", code="engine_refused")
        self.files[container.name, path] = content
        self.modified_at[container.name, path] = time.time()

    def modified(self, container_id: str, path: str) -> float | None:
        container = self._find(container_id)
        return self.modified_at.get((container.name if container else container_id, path))

    def attach(self, container_id: str, command: Sequence[str], *, tty: bool, user: str | None = None) -> int:
        container = self._container(container_id, "enter")
        execution = Execution(container.name, tuple(command), b"", {}, user)
        self._called(f"attach{' with a terminal' if tty else ''} {execution.text}")
        result = self.answered(execution)
        sys.stdout.write(result.output)
        return result.exit_status

    def run_to_end(self, request: ContainerRequest) -> ExecResult:
        self.run_container(request)
        try:
            return self.answered(
                Execution(request.name, _whole_command(request), b"", dict(request.environment), request.user)
            )
        finally:
            del self.containers[request.name]

    def replace_container(self, container_id: str, volumes: Mapping[str, str]) -> str:
        old = self._container(container_id, "replace")
        self._called(f"replace {old.name}")
        mounted = {path: volumes.get(volume, volume) for path, volume in old.volumes.items()}
        for volume in mounted.values():
            self.volume_labels.setdefault(volume, {})
        identity = self._identity(old.name)
        self.containers[old.name] = replace(old, id=identity, volumes=mounted, turns=[Turn(None, "created")])
        return identity

    def rename_container(self, container_id: str, name: str) -> None:
        container = self._container(container_id, "rename")
        self._called(f"rename {container.name} to {name}")
        if name in self.containers:
            raise OperationError(
                f"cannot rename a container to {name}: the name is in use", code="name_taken"
            )
        del self.containers[container.name]
        self.containers[name] = replace(container, name=name)

    def duplicate_container(
        self, container_id: str, name: str, volumes: Mapping[str, str], image: str | None = None
    ) -> str:
        old = self._container(container_id, "duplicate")
        self._called(f"duplicate {old.name} as {name}")
        mounted = {path: volumes.get(volume, volume) for path, volume in old.volumes.items()}
        self._mount(name, mounted.values())
        identity = self._identity(name)
        self.containers[name] = replace(
            old,
            id=identity,
            name=name,
            number=old.number + 1,
            image=image or old.image,
            image_id=self.present[image].id if image else old.image_id,
            volumes=mounted,
            networks=(),
            ports={},
            turns=[Turn(None, "created")],
        )
        try:
            self.start_container(identity)
        except OperationError:
            del self.containers[name]
            raise
        return identity

    def substitute_container(
        self, container_id: str, substitute_id: str, ended: Callable[[], bool] | None = None
    ) -> None:
        del ended
        old = self._container(container_id, "substitute")
        new = self._container(substitute_id, "substitute")
        self._called(f"substitute {old.name} by {new.name}")
        del self.containers[old.name]
        del self.containers[new.name]
        self.containers[old.name] = replace(new, name=old.name, networks=old.networks, ports=old.ports)

    def volumes(self, label: str) -> tuple[ObservedVolume, ...]:
        self._called(f"volumes {label}")
        key, with_value, value = label.partition("=")
        return self._volumes(key, value if with_value else None)

    def _volumes(self, label: str, value: str | None) -> tuple[ObservedVolume, ...]:
        return tuple(
            self._observed_volume(name)
            for name, labels in sorted(self.volume_labels.items())
            if label in labels and value in {labels[label], None}
        )

    def _observed_volume(self, name: str) -> ObservedVolume:
        return ObservedVolume(
            name,
            self.volume_labels[name],
            f"{self.root_directory}/volumes/{name}/_data",
            self.volume_options.get(name, {}),
            STARTED_AT,
        )

    def create_volume(
        self, name: str, labels: Mapping[str, str], options: Mapping[str, str] | None = None
    ) -> ObservedVolume:
        self._called(f"create volume {name}")
        if name not in self.volume_labels:
            self.volume_labels[name] = dict(labels)
            self.volume_options[name] = dict(options or {})
        return self._observed_volume(name)

    def _forget_volume(self, name: str) -> None:
        self.volume_labels.pop(name, None)
        self.volume_options.pop(name, None)

    def remove_volume(self, name: str) -> None:
        self._called(f"remove volume {name}")
        if any(name in one.volumes.values() for one in list(self.containers.values())):
            raise OperationError(f"cannot remove volume {name}: volume is in use", code="engine_refused")
        self._forget_volume(name)

    def create_network(self, name: str, labels: Mapping[str, str]) -> None:
        self._called(f"create network {name}")
        self.networks.setdefault(name, dict(labels))

    # -- inside

    def _called(self, call: str) -> None:
        with self._lock:
            self.calls.append(call)
        for start, happens in self.watchers:
            if call.startswith(start):
                happens()
        for start, error in self.failures:
            if call.startswith(start):
                raise error

    def _identity(self, name: str) -> str:
        self._count += 1
        return f"{name}#{self._count}"

    def _find(self, name_or_id: str) -> FakeContainer | None:
        found = (one for one in list(self.containers.values()) if name_or_id in {one.id, one.name})
        return next(found, None)

    def _container(self, name_or_id: str, doing: str) -> FakeContainer:
        container = self._find(name_or_id)
        if container is None:
            raise OperationError(
                f"cannot {doing} {name_or_id}: No such container: {name_or_id}", code="engine_refused"
            )
        return container

    def told(self, execution: Execution) -> ExecResult | None:
        """What `answers` has for a command."""
        self.executed.append(execution)
        for pattern, answer in self.answers:
            if re.search(pattern, execution.text):
                if isinstance(answer, Exception):
                    raise answer
                return answer
        return None

    def answered(self, execution: Execution) -> ExecResult:
        """What a command inside a container gives."""
        told = self.told(execution)
        if told is not None:
            return told
        container = self.containers.get(execution.container)
        environment = {**(container.environment if container else {}), **execution.environment}
        privileged = container is not None and container.privileged
        program = interpret(execution.command, execution.stdin, environment, privileged=privileged)
        if execution.command[:1] == ("cat",) and len(execution.command) == 2:
            program.lines = self.files[execution.container, execution.command[1]].decode().splitlines()
        return ExecResult(program.status, "".join(f"{line}\n" for line in program.lines))


class FakeHeld:
    """A command in a container of its own, which runs when it is released; who is killed meanwhile leaves it."""

    def __init__(self, engine: FakeEngine, name: str, execution: Execution) -> None:
        self._engine = engine
        self._name = name
        self._execution = execution

    def release(self) -> ExecResult | None:
        if self._name not in self._engine.containers:
            return None
        self._engine._called(f"run once {self._execution.text}")
        result = self._engine.answered(self._execution)
        del self._engine.containers[self._name]
        return result


class FakeConversation:
    """A command that is written to. `cat` gives back every line; a `mysql` client takes statements.

    Statements are answered as `answers` tells, and a text that is selected is given; an answer with another
    exit status than 0 ends the client. Any other command has done all that it does when it is first looked at.
    """

    def __init__(self, engine: FakeEngine, execution: Execution, failed: ExecResult | None) -> None:
        self._engine = engine
        self._execution = execution
        self._speaks_sql = "mysql" in execution.command
        self._rest = b""
        if failed is None and not self._speaks_sql and execution.command != ("cat",):
            failed = engine.answered(execution)
        self._lines = deque(failed.output.splitlines() if failed else ())
        self._status = failed.exit_status if failed else None

    def write(self, piece: bytes) -> bool:
        *whole, self._rest = (self._rest + piece).split(b";\n" if self._speaks_sql else b"\n")
        for text in whole:
            if self._status is None:
                # A client is told a line first which is no part of a statement.
                self._take(text.decode().removeprefix("wait").lstrip("\n"))
        return self._status is None

    def _take(self, text: str) -> None:
        selected = re.fullmatch(r"SELECT '(.*)'", text)
        if not self._speaks_sql or selected:
            self._lines.append(selected[1] if selected else text)
            return
        result = self._engine.told(replace(self._execution, command=("mysql", text)))
        if result is not None:
            self._lines.extend(result.output.splitlines())
            self._status = result.exit_status or None

    def read_line(self) -> str | None:
        assert self._lines or self._status is not None, f"it waits for more than {self._rest!r}"
        return self._lines.popleft() if self._lines else None

    def end(self) -> ExecResult:
        text = "".join(f"{line}\n" for line in self._lines)
        self._lines.clear()
        self._status = self._status or 0
        return ExecResult(self._status, text)


def _whole_command(request: ContainerRequest) -> tuple[str, ...]:
    return (*(request.entrypoint or ()), *(request.command or ()))


def _definition(container: FakeContainer, own: ImageDefinition) -> ContainerDefinition:
    """How a container was made, of its definition in Compose's words."""
    given = container.definition
    health = given.get("healthcheck") or {}
    networks = (given.get("networks") or {}).values()
    return ContainerDefinition(
        container_id=container.id,
        image=container.image,
        own=own,
        entrypoint=composed.argv(given.get("entrypoint")) or own.entrypoint,
        command=composed.argv(given.get("command")) or (() if given.get("entrypoint") else own.command),
        user=str(given.get("user", own.user)),
        environment={**own.environment, **container.environment},
        mounts=tuple(
            ObservedMount(
                mount["target"],
                mount["type"],
                container.volumes.get(mount["target"], mount["source"]),
                read_only=mount.get("read_only", False),
            )
            for mount in given.get("volumes") or ()
        ),
        ports=tuple(
            ObservedPort(target, published, port["host_ip"] if isinstance(port, dict) else "")
            for port in given.get("ports") or ()
            for target, published in [composed.published(port)]
        ),
        aliases=tuple(sorted({container.service, *(name for net in networks for name in net["aliases"])})),
        health_test=tuple(health.get("test") or ()),
        health_times={
            name: float(str(health[name]).rstrip("s")) for name in ("interval", "timeout") if health
        },
    )


def _refuse_unreadable(container: FakeContainer) -> None:
    """A driver that keeps nothing has nothing to read."""
    if (container.definition.get("logging") or {}).get("driver") == "none":
        reason = "configured logging driver does not support reading"
        text = f"cannot read the log of {container.name}: {reason}"
        raise OperationError(text, code="engine_refused", detail={"reason": reason})


def _last(items: list[tuple[int, str]], count: int | None) -> list[tuple[int, str]]:
    return items if count is None else items[len(items) - min(count, len(items)) :]


def _compose_failed(doing: str, reason: str, code: str = "compose_failed") -> OperationError:
    return OperationError(f"Compose could not {doing}", code=code, evidence=(reason,))


@dataclass
class RecordingSink:
    """Remembers every event."""

    events: list[Event] = field(default_factory=list)

    def emit(self, event: Event) -> None:
        self.events.append(event)

    @property
    def lines(self) -> list[str]:
        """Every event as one line of text."""
        return [f"{event.status} {event.resource}: {event.text}" for event in self.events]

    def of(self, status: Status) -> list[str]:
        """The texts of one status, with their resource."""
        return [f"{event.resource}: {event.text}" for event in self.events if event.status is status]


@dataclass
class FakeSetup:
    """A machine that lacks what `steps` say, until they are done."""

    steps: tuple[SetupStep, ...] = ()
    warnings: tuple[str, ...] = ()
    done: list[str] = field(default_factory=list)

    def plan(self) -> tuple[SetupStep, ...]:
        return () if self.done else self.steps

    def execute(self, steps: tuple[SetupStep, ...], on_step: Callable[[SetupStep], None]) -> tuple[str, ...]:
        for step in steps:
            on_step(step)
            self.done.append(step.title)
        return self.warnings

    def report(self) -> dict[str, str]:
        return {"engine": "26.1.5", "compose": "2.26.1", "buildx": "0.13.1", "endpoint": "memory://"}


@contextmanager
def no_bootstrap(suite: str) -> Iterator[Iterable[bytes]]:
    """A root file system of three bytes."""
    assert suite == "trixie"
    yield io.BytesIO(b"tar")


def fake_wiring(
    engine: Engine,
    setup: Setup | None = None,
    logins: Mapping[str, Login] | None = None,
    swarm: Swarm | None = None,
) -> Wiring:
    """The program on this engine; `logins` is who we are to which registry."""
    machine = setup or FakeSetup()
    return Wiring(
        engine=lambda: engine,
        bootstrap=no_bootstrap,
        setup=lambda: machine,
        logins=(logins or {}).get,
        swarm=lambda _: swarm or FakeSwarm(),
    )


def moved(engine: FakeEngine, container: str, **changes: Any) -> None:
    """Change what the engine knows of a container, as somebody else might have."""
    engine.containers[container] = replace(engine.containers[container], **changes)


if TYPE_CHECKING:
    # mypy proves that the fakes fit.
    _engine: Engine = FakeEngine()
    _sink: EventSink = RecordingSink()
    _setup: Setup = FakeSetup()
