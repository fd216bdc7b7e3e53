"""What every operation works on: one environment, its settings, its engine and where events go."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv.config.surroundings import surroundings
from devenv.database.seed import SeedStep, content_hash, expand, seed_inputs
from devenv.engine.api import ComposeProject
from devenv.environments.caller import caller
from devenv.environments.hashes import ContentHashes
from devenv.environments.ports import PortChoice, choose_ports, find_free_port, has_address, holder_of
from devenv.environments.registry import is_another
from devenv.errors import ConfigError, DevenvError, Problem, RefusedError, SeedError
from devenv.images.obtain import Bootstrap, ImageOrder, Obtained
from devenv.model import Label, Project
from devenv.project import Identity, assemble, scaled, spare_name, successor_name
from devenv.render import compose
from devenv.services import mysql
from devenv.services.placement import Placement
from devenv.services.pods import Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from devenv.config.document import Document
    from devenv.config.settings import SeedCommand, SeedFile, Settings
    from devenv.engine.api import Engine
    from devenv.engine.observed import EngineInfo, ObservedState
    from devenv.environments.workspace import Memory, Workspace
    from devenv.events import EventSink

BESIDE = 10000
"""So much higher are the ports of production's database and mail catcher than development's."""
BALANCER_UID = 10001
"""Who runs the load balancer where root runs devenv; its key is then this user's."""


@dataclass(frozen=True)
class Session:
    """One environment on one engine, for the time of one command."""

    root: Path
    settings: Settings
    read_document: Callable[[], Document]
    identity: Identity
    workspace: Workspace
    engine: Engine
    events: EventSink
    bootstrap: Bootstrap
    sources: str
    """Digest of all that the settings come from."""
    shape: Shape | None = None
    """Production's; None is development."""
    is_mapped: bool = True
    """Whether development's containers see the code of this machine; else it is in their images."""

    @cached_property
    def document(self) -> Document:
        """What was written and where; read only when somebody asks for a place: then something is wrong."""
        return self.read_document()

    @property
    def mapped_folders(self) -> tuple[Path, ...]:
        """Folders of this machine that development's containers see live: the code, for whoever asks what it is."""
        return tuple(
            self.root / Path(mapping.source).expanduser() for mapping in self.settings.backend.mappings
        )

    @property
    def compose(self) -> ComposeProject:
        """The environment for Compose. The user's own services have their paths from the project's folder in each."""
        return ComposeProject(self.identity.project, self.workspace.compose_file, self.root)

    def image_order(self, images: Project, memory: Memory, *, rebuild: Collection[str] = ()) -> ImageOrder:
        """The order for this environment's images; those with the keys `rebuild` are built anew."""
        return ImageOrder(
            images=images.images,
            policy=self.settings.images,
            mapped=self.mapped_folders if self.is_mapped and not self.shape else (),
            rebuild=rebuild,
            pulled=memory.pulled,
        )

    def observe(self) -> ObservedState:
        """What the engine has of this environment; refuses another folder's of the same name."""
        project = self.identity.project
        observed = self.engine.observe(project).apart(spare_name(project), successor_name(project))
        for container in observed.containers:
            owner = container.labels.get(Label.WORKTREE)
            if owner is not None and is_another(Path(owner), self.identity.worktree):
                raise RefusedError(
                    f"the environment {self.identity.project} belongs to {owner}",
                    hint="choose another name: `devenv --env NAME up`, or `name:` in devenv.yaml",
                )
        return observed

    def choose_ports(self, observed: ObservedState, memory: Memory) -> tuple[PortChoice, ...]:
        """The port of every published key, as `environments.ports` decides.

        Raises ConfigError where a port is to be bound on an address that this machine lacks.
        """
        own = {
            port
            for container in observed.containers
            if container.is_running
            for port in container.ports.values()
        }
        holders = {
            holder.port: holder.container
            for holder in self.engine.published_ports()
            if holder.project != self.identity.project
        }

        def holder(port: int) -> str | None:
            self._refuse_missing_address()
            return holder_of(port, holders, self.bound_address)

        return choose_ports(
            configured_ports(self.settings, self.shape),
            memory.ports,
            own,
            holder,
            lambda taken: find_free_port({*taken, *holders}),
        )

    @property
    def bound_address(self) -> str | None:
        """The address of this machine that published ports bind; None where the engine publishes them elsewhere."""
        return self.settings.bind if self.engine.is_here else None

    def _refuse_missing_address(self) -> None:
        """Every port would seem to be held, since none can be bound."""
        address = self.bound_address
        if address is not None and not has_address(address):
            where = str(self.document.written_position_of(("bind",)))
            problem = Problem(where, "bind", f"this machine has no address {address}")
            raise ConfigError(
                (problem,), hint="name one that it has in devenv.yaml: 127.0.0.1, or 0.0.0.0 for all of them"
            )

    def project(
        self,
        ports: Mapping[str, int],
        generation: int,
        info: EngineInfo,
        scale: Mapping[str, int] | None = None,
    ) -> Project:
        """The environment as it is defined, on these ports and on this generation of the data.

        `scale` is how many there are to be of a service; None means as `devenv scale` left it.
        """
        placement = Placement(
            root=str(self.root),
            home=str(Path.home()),
            user=user_of_mappings(info),
            ports=ports,
            seed_marker=str(self.workspace.marker_file),
            secret_key=self.workspace.secret_key() if self.shape else "",
            balancer_folder=str(self.workspace.balancer_folder),
            balancer_user=user_of_balancer(info),
        )
        project = assemble(self.settings, self.identity, placement, generation, self.shape)
        return scaled(project, self.workspace.recall().scale if scale is None else scale)

    def render(self, project: Project, images: Mapping[str, Obtained], info: EngineInfo) -> str:
        """The Compose file's text."""
        references = {key: obtained.reference for key, obtained in images.items()}
        return compose.render(
            project,
            references,
            start_interval=info.knows_start_interval,
            surroundings={
                one.name: surroundings(one.raw, self.root, os.environ)
                for one in project.services
                if one.raw is not None
            },
        )

    def seed_steps(self) -> tuple[SeedStep, ...]:
        """The seed's steps; raises SeedError for a pattern without a file."""
        with self.seed_located():
            return expand(self.settings.database.seed, self.root, self.settings.database.databases[0])

    @contextmanager
    def seed_located(self) -> Iterator[None]:
        """Errors of the seed leave with the place of the step in `devenv.yaml`, also where they are about one in a file."""
        try:
            yield
        except SeedError as error:
            about, file = (error.detail.get("command"), error.detail.get("pattern")), error.detail.get("file")
            found = [
                number
                for number, words in enumerate(map(_words, self.settings.database.seed))
                if words in about or (file is not None and fnmatch(file, words))
            ]
            place = str(self.document.written_position_of(("database", "seed", *found[:1])))
            error.detail["service"] = error.detail.get("service") or mysql.NAME
            error.detail["configured_at"] = place
            error.where = error.where or place
            raise

    def seed_inputs(self, steps: tuple[SeedStep, ...], image: str) -> dict[str, str]:
        """All that decides what the seed's data would be now."""
        database = self.settings.database
        options = (*mysql.server_flags(self.settings), database.root_password, *database.databases)
        hashes = ContentHashes(self.workspace.folder / "hashes.json")
        return seed_inputs(
            steps, self.mapped_folders, image, options, lambda path: hashes.of(path, content_hash)
        )

    def located(self, error: DevenvError, *path: str | int) -> DevenvError:
        """The error with the place in `devenv.yaml` that it is about: the nearest that somebody wrote."""
        error.where = error.where or str(self.document.written_position_of(path))
        return error


def _words(step: SeedFile | SeedCommand) -> str:
    """What an error of the seed calls a step."""
    return str(getattr(step, "run", None) or getattr(step, "file", ""))


def configured_ports(settings: Settings, shape: Shape | None = None) -> dict[str, int]:
    """The published ports by configuration key, in the order in which they are shown."""
    data = {
        "mail.port": settings.mail.port,
        "mail.smtp_port": settings.mail.smtp_port,
        "database.port": settings.database.port,
    }
    development = {
        "frontend.port": settings.frontend.port,
        "backend.port": settings.backend.port,
        **data,
    }
    if shape is None:
        return development
    entrance = {"production.port": settings.production.port}
    if shape.tls:
        entrance["production.tls_port"] = settings.production.tls_port
    wanted = entrance | {key: _beside(port) for key, port in data.items()}
    return {key: _apart(port, development.values()) for key, port in wanted.items()}


def shape_of(
    settings: Settings, memory: Memory, *, asked: bool, pods: int | None = None, tls: bool | None = None
) -> Shape | None:
    """Production's shape where it is asked for or was before, else None.

    What is asked for now comes before what was asked for then, and that before what is configured.
    """
    if not (asked or memory.production):
        return None
    configured = settings.production
    https = next((one for one in (tls, memory.tls) if one is not None), configured.tls)
    return Shape(pods or memory.pods or configured.pods, https)


def remembered(shape: Shape | None, settings: Settings) -> dict[str, Any]:
    """A shape as the workspace remembers it: what is as configured may be configured otherwise later."""
    if shape is None:
        return {}
    configured = settings.production
    return {
        "production": True,
        "pods": 0 if shape.pods == configured.pods else shape.pods,
        "tls": None if shape.tls == configured.tls else shape.tls,
    }


def _beside(port: int) -> int:
    """Production's, next to development's."""
    return port + BESIDE if port + BESIDE < 2**16 else port - BESIDE


def _apart(port: int, taken: Collection[int]) -> int:
    """The port, or the next that development does not want."""
    return next(one for one in count(port) if one not in taken)


def user_of_mappings(info: EngineInfo) -> str | None:
    """`uid:gid` for containers that write into mappings, so that the files are the developer's.

    Under sudo it is who called sudo. A rootless engine maps the container's root to its own user, and
    without user ids (Windows) the engine decides.
    """
    if info.rootless:
        return "0:0"
    ids = caller()
    return None if ids is None else f"{ids[0]}:{ids[1]}"


def user_of_balancer(info: EngineInfo) -> str | None:
    """Who runs the load balancer: who may read its key, but never root on the engine's machine."""
    user = user_of_mappings(info)
    return f"{BALANCER_UID}:{BALANCER_UID}" if user == "0:0" and not info.rootless else user


def with_events(session: Session, events: EventSink) -> Session:
    """The same session with another sink."""
    return replace(session, events=events)
