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


@dataclass(frozen=True, slots=True)
class Event:
    """`resource` (a service, an image, a file) is now `status`: `text` for people, `detail` for more."""

    resource: str
    status: Status
    text: str
    detail: str = ""


class EventSink(Protocol):
    """Receives events from any thread, in the order in which they happen."""

    def emit(self, event: Event) -> None:
        """Take one event; never raises."""


class NullSink:
    """Drops every event."""

    def emit(self, event: Event) -> None:
        """Do nothing."""
