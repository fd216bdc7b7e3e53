"""From global options to what a command works with: the output, the engine, the session."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from devenv.cli.output import Output
from devenv.errors import UsageError

if TYPE_CHECKING:
    from devenv.config.document import Document
    from devenv.config.settings import Settings
    from devenv.database.challenge import LoginOf
    from devenv.engine.api import Engine
    from devenv.engine.setup_plan import SetupStep
    from devenv.engine.swarm_api import Swarm
    from devenv.environments.workspace import Workspace
    from devenv.events import EventSink
    from devenv.images.obtain import Bootstrap
    from devenv.operations.session import Session

PRODUCTION = "production"
"""The environment that `--production` means, unless `--env` names another."""


class Setup(Protocol):
    """Makes this machine able to run an environment."""

    def plan(self) -> tuple[SetupStep, ...]:
        """What is missing, as steps; raises EngineUnavailableError where we cannot install."""

    def execute(self, steps: tuple[SetupStep, ...], on_step: Callable[[SetupStep], None]) -> tuple[str, ...]:
        """Do the steps, each announced before; what went wrong in those that may fail."""

    def report(self) -> dict[str, str]:
        """What is here now: versions and endpoint."""


@dataclass(frozen=True)
class Wiring:
    """The parts of the program that touch the world, chosen in one place."""

    engine: Callable[[], Engine]
    bootstrap: Bootstrap
    setup: Callable[[], Setup]
    logins: LoginOf
    swarm: Callable[[str], Swarm]
    """The swarm that `--on` names; from then on that is where the engine is, too."""


@dataclass
class Context:
    """One run of the program."""

    wiring: Wiring
    output: Output = field(default_factory=Output)
    folder: Path = field(default_factory=Path)
    environment: str | None = None
    production: bool = False
    on: str | None = None
    """Where it runs if not here: `swarm`, or a Docker context whose engine manages one."""
    assume_yes: bool = False
    begun: float = field(default_factory=lambda: time.monotonic())  # noqa: PLW0108 - as the clock is then
    """When the command began, by the clock that only goes forward."""

    def load(self) -> tuple[Path, Document, Settings]:
        """Find and read the configuration; raises ConfigError with every problem in it."""
        from devenv.config.defaults import defaults_for
        from devenv.config.parse import parse_settings
        from devenv.config.root import find_root
        from devenv.config.source import load_document

        root = find_root(self.folder)
        document = load_document(root, os.environ)
        return root, document, parse_settings(document, defaults_for(root))

    def place(self) -> tuple[Path, Workspace, str]:
        """The root, the workspace of the environment, and the digest of all that its settings come from."""
        from devenv.config.defaults import defaults_for
        from devenv.config.kept import sources_digest
        from devenv.config.root import find_root
        from devenv.environments.workspace import MAIN, Workspace

        root = find_root(self.folder)
        named = self.environment if self.environment != MAIN else None
        workspace = Workspace(root, named or (PRODUCTION if self.production else self.on))
        return root, workspace, sources_digest(root, os.environ, defaults_for(root))

    def session(
        self, events: EventSink | None = None, *, pods: int | None = None, tls: bool | None = None
    ) -> Session:
        """The environment that the folder, `--env` and `--production` name, on the engine of this machine.

        Its settings are those of the last command where nothing has changed that they come from.
        """
        if self.on is not None:
            raise UsageError("--on is for up, status, logs, scale and down")
        return self._session(events, pods=pods, tls=tls)

    def swarm_session(self, events: EventSink | None = None) -> tuple[Session, Swarm]:
        """The environment that stands on the swarm which `--on` names, beside the one that is here."""
        if self.on is None:
            raise UsageError("this needs a swarm", hint="`--on swarm`, or `--on CONTEXT`, says which")
        if self.production:
            raise UsageError("--production is for one machine: leave it out, or leave out --on")
        swarm = self.wiring.swarm(self.on)
        return self._session(events), swarm

    def _session(
        self, events: EventSink | None, *, pods: int | None = None, tls: bool | None = None
    ) -> Session:
        from devenv.config import kept
        from devenv.environments.identity import identify
        from devenv.environments.registry import Registry
        from devenv.operations.session import Session, shape_of

        root, workspace, sources = self.place()
        settings = kept.load(workspace.kept_settings(), sources)
        if settings is None:
            settings = self.load()[2]
            workspace.keep_settings(kept.dump(settings, sources))
        memory = workspace.recall()
        shape = shape_of(settings, memory, asked=self.production, pods=pods, tls=tls)
        if shape is None and (pods, tls) != (None, None):
            raise UsageError(
                "--pods and --tls are of production's shape", hint="say `devenv up --production` too"
            )
        return Session(
            root=root,
            settings=settings,
            read_document=lambda: self.load()[1],
            identity=identify(root, settings.name, workspace.environment, memory.project, Registry()),
            workspace=workspace,
            engine=self.wiring.engine(),
            events=events or self.output.sink,
            bootstrap=self.wiring.bootstrap,
            sources=sources,
            shape=shape,
        )
