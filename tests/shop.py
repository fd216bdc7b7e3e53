"""A small shop on an engine in memory: what tests of operations and commands start from."""

from __future__ import annotations

import shutil
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from devenv.environments.registry import Registry
from devenv.operations.up import UpOptions, dry_run, up
from tests.fakes import FakeEngine, FakeSetup, RecordingSink, fake_wiring
from tests.harness import DevenvProject
from tests.samples import SHOP_FILES, SHOP_IMAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from devenv.events import Event
    from devenv.operations.report import UpResult
    from devenv.operations.session import Session
    from devenv.plan import Plan
    from tests.harness import Outcome

_REMEMBERED: dict[Path, tuple[Path, dict[str, Any], tuple[Event, ...], UpResult]] = {}
"""By address: the folder, the engine, the events and the result of a shop that was just brought up."""


@dataclass
class Shop:
    """A project whose registry has all that it needs."""

    root: Path
    engine: FakeEngine = field(default_factory=lambda: FakeEngine(registry=set(SHOP_IMAGES)))
    sink: RecordingSink = field(default_factory=RecordingSink)
    setup: FakeSetup = field(default_factory=FakeSetup)

    def __post_init__(self) -> None:
        self.project = DevenvProject(self.root, SHOP_FILES, fake_wiring(self.engine, self.setup))
        self._at_first = self._state()

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
        """Bring it up.

        From nothing that goes the same way every time: it is really done once, and then remembered.
        """
        if services or options or not self.is_untouched:
            return up(self.session(), UpOptions(services, **options))
        if self.root not in _REMEMBERED:
            result = up(self.session(), UpOptions())
            folder = Path(mkdtemp(dir=self.root.parent.parent))
            shutil.copytree(self.root, folder, dirs_exist_ok=True)
            _REMEMBERED[self.root] = (folder, self._state(), tuple(self.sink.events), result)
            return result
        folder, state, events, result = _REMEMBERED[self.root]
        shutil.copytree(folder, self.root, dirs_exist_ok=True)
        Registry().claim("shop", str(self.root))
        self.engine.__dict__ |= _copied(state)
        self.sink.events[:] = events
        return result

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was told to the engine yet, and nothing of the project was changed."""
        files = {path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file()}
        written = {name: self.project.read(name) for name in files & set(SHOP_FILES)}
        return files == set(SHOP_FILES) and written == SHOP_FILES and self._state() == self._at_first

    def _state(self) -> dict[str, Any]:
        """All that the engine was told and has."""
        return _copied({name: value for name, value in vars(self.engine).items() if name != "_lock"})

    def dry(self, *services: str, **options: Any) -> Plan:
        """What `up` would do."""
        return dry_run(self.session(), UpOptions(services, **options))

    def greets(self, host: str, port: int, timeout: float, died: Callable[[], bool]) -> bool:
        """What `wait_for_greeting` would find: stands in for it, as nobody listens on a fake's ports."""
        del host, timeout, died
        found = (one for one in self.engine.containers.values() if port in one.ports.values())
        return any((one.now.state, one.now.health) == ("running", "healthy") for one in found)

    @property
    def ids(self) -> dict[str, str]:
        """The containers there are, by name."""
        return {name: one.id for name, one in self.engine.containers.items()}

    @property
    def changes(self) -> list[str]:
        """What was done, the database's builder and its statements left out."""
        return [call for call in self.engine.changes if not call.startswith(("execute", "run "))]


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    """A copy as deep as what changes: the engine's own collections, and its containers."""
    containers = {name: replace(one, turns=list(one.turns)) for name, one in state["containers"].items()}
    return {name: copy(value) for name, value in state.items()} | {"containers": containers}
