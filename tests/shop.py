"""A small shop on an engine in memory: what tests of operations and commands start from."""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from devenv.operations.up import UpOptions, UpResult, dry_run, up
from tests.fakes import FakeEngine, FakeSetup, RecordingSink, fake_wiring
from tests.harness import DevenvProject
from tests.samples import SHOP_FILES, SHOP_IMAGES

if TYPE_CHECKING:
    from pathlib import Path

    from devenv.operations.session import Session
    from devenv.plan import Plan
    from tests.harness import Outcome


@dataclass
class Shop:
    """A project whose registry has all that it needs."""

    root: Path
    engine: FakeEngine = field(default_factory=lambda: FakeEngine(registry=set(SHOP_IMAGES)))
    sink: RecordingSink = field(default_factory=RecordingSink)
    setup: FakeSetup = field(default_factory=FakeSetup)

    def __post_init__(self) -> None:
        self.project = DevenvProject(self.root, SHOP_FILES, fake_wiring(self.engine, self.setup))

    def configure(self, old: str, new: str) -> None:
        """Change a piece of `devenv.yaml`."""
        text = self.project.read("devenv.yaml")
        assert old in text
        self.project.write("devenv.yaml", text.replace(old, new))

    def add(self, text: str) -> None:
        """Add lines to `devenv.yaml`."""
        self.project.write("devenv.yaml", self.project.read("devenv.yaml") + dedent(text))

    def session(self) -> Session:
        """What operations work on; what was called and said before is forgotten."""
        self.engine.calls.clear()
        self.sink.events.clear()
        return self.project.session(self.sink)

    def run(self, *arguments: str, typed: str | None = None) -> Outcome:
        """Run a command line; what was called before is forgotten."""
        self.engine.calls.clear()
        return self.project.run(*arguments, typed=typed)

    def up(self, *services: str, **options: Any) -> UpResult:
        """Bring it up."""
        return up(self.session(), UpOptions(services, **options))

    def dry(self, *services: str, **options: Any) -> Plan:
        """What `up` would do."""
        return dry_run(self.session(), UpOptions(services, **options))

    @property
    def ids(self) -> dict[str, str]:
        """The containers there are, by name."""
        return {name: one.id for name, one in self.engine.containers.items()}

    @property
    def changes(self) -> list[str]:
        """What was done, the database's builder and its statements left out."""
        return [call for call in self.engine.changes if not call.startswith(("execute", "run "))]
