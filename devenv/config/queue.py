"""`taskrunner.queue`: how the backlog is read of whatever queue the workers have."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from devenv.config.section import AnyText, Command, Section, ServiceName
from devenv.config.values import expected

NAMES = "backlog, running, failed, done and last_error"


class Queue(Section):
    """By exactly one of query and command: names and numbers, of which backlog is the one that is needed."""

    query: AnyText | None = Field(
        None, description=f"SQL on the first of database.databases; rows of a name and a number: {NAMES}."
    )
    command: Command | None = Field(None, description=f"A command that prints one JSON object: {NAMES}.")
    service: ServiceName = Field("backend", description="The service in whose container the command runs.")


def read_queue(value: Any) -> Any:
    """A mapping with one of the two ways; anything else is a problem."""
    if value is None or isinstance(value, Queue):
        return value
    if not isinstance(value, dict) or (value.get("query") is None) == (value.get("command") is None):
        raise expected("{query: ...} or {command: ...}")
    return value
