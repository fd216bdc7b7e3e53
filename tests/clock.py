"""A clock that only waiting moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass
class Clock:
    """Stands in for the module `time` where devenv waits or measures."""

    MODULES: ClassVar[tuple[str, ...]] = (
        "devenv.cli.observe",
        "devenv.database.build",
        "devenv.database.server",
        "devenv.operations.check",
        "devenv.operations.data",
        "devenv.operations.reset_db",
        "devenv.operations.up",
        "devenv.operations.wait",
    )
    now: float = 1000.0
    waits: int = 0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waits += 1
