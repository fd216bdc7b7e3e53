"""What every operation works on: one environment, its settings, its engine and where events go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.database.seed import SeedStep, expand, seed_inputs
from devenv.environments.caller import caller
from devenv.environments.ports import PortChoice, choose_ports, find_free_port, holder_of
from devenv.errors import DevenvError, RefusedError
from devenv.images.obtain import Bootstrap, ImageOrder, Obtained
from devenv.model import Label, Project
from devenv.project import Identity, assemble, spare_name
from devenv.render import compose
from devenv.services import mysql
from devenv.services.placement import Placement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.config.document import Document
    from devenv.config.settings import Settings
    from devenv.engine.api import Engine
    from devenv.engine.observed import EngineInfo, ObservedState
    from devenv.environments.workspace import Memory, Workspace
    from devenv.events import EventSink


@dataclass(frozen=True)
class Session:
    """One environment on one engine, for the time of one command."""

    root: Path
    settings: Settings
    document: Document
    identity: Identity
    workspace: Workspace
    engine: Engine
    events: EventSink
    bootstrap: Bootstrap

    @property
    def mapped_folders(self) -> tuple[Path, ...]:
        """Folders of this machine that containers see live."""
        return tuple(
            self.root / Path(mapping.source).expanduser() for mapping in self.settings.backend.mappings
        )

    def image_order(self, images: Project, memory: Memory, *, rebuild: bool = False) -> ImageOrder:
        """The order for this environment's images."""
        return ImageOrder(
            images=images.images,
            policy=self.settings.images,
            mapped=self.mapped_folders,
            rebuild=rebuild,
            pulled=memory.pulled,
        )

    def observe(self) -> ObservedState:
        """What the engine has of this environment; refuses another folder's of the same name."""
        observed = _spare_apart(self.engine.observe(self.identity.project), self.identity.project)
        for container in observed.containers:
            owner = container.labels.get(Label.WORKTREE)
            if owner is not None and owner != self.identity.worktree and Path(owner).is_dir():
                raise RefusedError(
                    f"the environment {self.identity.project} belongs to {owner}",
                    hint="choose another name: `devenv --env NAME up`, or `name:` in devenv.yaml",
                )
        return observed

    def choose_ports(self, observed: ObservedState, memory: Memory) -> tuple[PortChoice, ...]:
        """The port of every published key, as `environments.ports` decides."""
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
        return choose_ports(
            configured_ports(self.settings),
            memory.ports,
            own,
            lambda port: holder_of(port, holders, self.settings.bind),
            find_free_port,
        )

    def project(self, ports: Mapping[str, int], generation: int, info: EngineInfo) -> Project:
        """The environment as it is defined, on these ports and on this generation of the data."""
        placement = Placement(
            root=str(self.root),
            home=str(Path.home()),
            user=user_of_mappings(info),
            ports=ports,
            seed_marker=str(self.workspace.marker_file),
        )
        return assemble(self.settings, self.identity, placement, generation)

    def render(self, project: Project, images: Mapping[str, Obtained], info: EngineInfo) -> str:
        """The Compose file's text."""
        references = {key: obtained.reference for key, obtained in images.items()}
        return compose.render(project, references, start_interval=info.knows_start_interval)

    def seed_steps(self) -> tuple[SeedStep, ...]:
        """The seed's steps; raises SeedError for a pattern without a file."""
        return expand(self.settings.database.seed, self.root, self.settings.database.databases[0])

    def seed_inputs(self, steps: tuple[SeedStep, ...], image: str) -> dict[str, str]:
        """All that decides what the seed's data would be now."""
        database = self.settings.database
        options = (*mysql.server_flags(self.settings), database.root_password, *database.databases)
        return seed_inputs(steps, self.mapped_folders, image, options)

    def located(self, error: DevenvError, *path: str | int) -> DevenvError:
        """The error with the place in `devenv.yaml` that it is about."""
        error.where = error.where or str(self.document.position_of(path))
        return error


def _spare_apart(observed: ObservedState, project: str) -> ObservedState:
    """The same state with the database's spare in its own place."""
    name = spare_name(project)
    return replace(
        observed,
        containers=tuple(one for one in observed.containers if one.name != name),
        spare=next((one for one in observed.containers if one.name == name), None),
    )


def configured_ports(settings: Settings) -> dict[str, int]:
    """The published ports by configuration key, in the order in which they are shown."""
    return {
        "frontend.port": settings.frontend.port,
        "backend.port": settings.backend.port,
        "mail.port": settings.mail.port,
        "mail.smtp_port": settings.mail.smtp_port,
        "database.port": settings.database.port,
    }


def user_of_mappings(info: EngineInfo) -> str | None:
    """`uid:gid` for containers that write into mappings, so that the files are the developer's.

    Under sudo it is who called sudo. A rootless engine maps the container's root to its own user, and
    without user ids (Windows) the engine decides.
    """
    if info.rootless:
        return "0:0"
    ids = caller()
    return None if ids is None else f"{ids[0]}:{ids[1]}"


def with_events(session: Session, events: EventSink) -> Session:
    """The same session with another sink."""
    return replace(session, events=events)
