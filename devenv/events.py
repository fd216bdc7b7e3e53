"""Progress as values: what happens is an `Event`, who shows it is a sink elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Status(StrEnum):
    """How far a resource has come; `WORKING` is followed by one of the others."""

    WORKING = "working"
    DONE = "done"
    WARNING = "warning"
    FAILED = "failed"


class Phase(StrEnum):
    """What of a start takes time: each stretch of it is one of these."""

    WAIT = "wait"
    IMAGE = "image"
    SEED = "seed"
    BRANCH = "branch"
    CREATE = "create"
    START = "start"
    PROBE = "first probe"
    HEALTHY = "healthy"
    SPARE = "spare"


@dataclass(frozen=True, slots=True)
class Event:
    """`resource` (a service, an image, a file) is now `status`: `text` for people, `detail` for more.

    `phase` is the stretch of a start that begins with it, or goes on; the next end of the resource ends it.
    """

    resource: str
    status: Status
    text: str
    detail: str = ""
    phase: Phase | None = None


class EventSink(Protocol):
    """Receives events from any thread, in the order in which they happen."""

    def emit(self, event: Event) -> None:
        """Take one event; never raises."""


class NullSink:
    """Drops every event."""

    def emit(self, event: Event) -> None:
        """Do nothing."""
