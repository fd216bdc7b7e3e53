"""A clock that only waiting moves."""

from __future__ import annotations

import importlib
import pkgutil
import time
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

WAITING = ("devenv.cli", "devenv.database", "devenv.operations")


@dataclass
class Clock:
    """Stands in for the module `time` where devenv waits or measures."""

    now: float = 1_700_000_000.0
    waits: int = 0
    after: dict[int, Callable[[], object]] = field(default_factory=dict)
    """What happens during which wait, counted from 1."""

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waits += 1
        self.after.get(self.waits, lambda: None)()


@cache
def timed_modules() -> list[ModuleType]:
    """Every module that waits for services or measures how long something took."""
    names = [
        f"{package}.{module.name}"
        for package in WAITING
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__)
    ]
    modules = [importlib.import_module(name) for name in names]
    return [module for module in modules if getattr(module, "time", None) is time]
