"""From global options to what a command works with: the output, the engine, the session."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from devenv.cli.output import Output

if TYPE_CHECKING:
    from devenv.config.document import Document
    from devenv.config.settings import Settings
    from devenv.database.challenge import LoginOf
    from devenv.engine.api import Engine
    from devenv.engine.setup_plan import SetupStep
    from devenv.events import EventSink
    from devenv.images.obtain import Bootstrap
    from devenv.operations.session import Session


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


@dataclass
class Context:
    """One run of the program."""

    wiring: Wiring
    output: Output = field(default_factory=Output)
    folder: Path = field(default_factory=Path.cwd)
    environment: str | None = None
    assume_yes: bool = False

    def load(self) -> tuple[Path, Document, Settings]:
        """Find and read the configuration; raises ConfigError with every problem in it."""
        from devenv.config.defaults import defaults_for
        from devenv.config.parse import parse_settings
        from devenv.config.source import find_root, load_document

        root = find_root(self.folder.absolute())
        document = load_document(root, os.environ)
        return root, document, parse_settings(document, defaults_for(root))

    def session(self, events: EventSink | None = None) -> Session:
        """The environment that the folder and `--env` name, on the engine of this machine."""
        from devenv.environments.identity import MAIN, identify
        from devenv.environments.registry import Registry
        from devenv.environments.workspace import Workspace
        from devenv.operations.session import Session

        root, document, settings = self.load()
        named = self.environment if self.environment != MAIN else None
        workspace = Workspace(root, named)
        identity = identify(root, settings.name, named, workspace.recall().project, Registry())
        return Session(
            root=root,
            settings=settings,
            document=document,
            identity=identity,
            workspace=workspace,
            engine=self.wiring.engine(),
            events=events or self.output.sink,
            bootstrap=self.wiring.bootstrap,
        )
