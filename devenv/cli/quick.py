"""`up` and `status` without the command tree, where the last `up` left nothing to do and nothing has changed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.cli.output import Output
from devenv.cli.showing import show_status, show_up
from devenv.errors import DevenvError
from devenv.events import Event, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devenv.cli.context import Context

FLAGS = frozenset({"--json", "--production", "--yes", "-y", "--verbose", "--no-color"})
WITH_VALUE = frozenset({"-C", "--env", "--on"})


@dataclass(frozen=True)
class Line:
    """A command line of global options and one command without any of its own."""

    command: str
    flags: frozenset[str]
    values: dict[str, str]


def read(arguments: Sequence[str]) -> Line | None:
    """The line, if it is as simple as that; global options stand in front."""
    flags: set[str] = set()
    values: dict[str, str] = {}
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word in FLAGS:
            flags.add(word)
        elif word == "--on":
            return None
        elif word in WITH_VALUE and words:
            values[word] = words.pop(0)
        elif word.startswith("--env="):
            values["--env"] = word.removeprefix("--env=")
        elif not words and word in {"up", "status"}:
            return Line(word, frozenset(flags), values)
        else:
            return None
    return None


def answer(arguments: Sequence[str], context: Context) -> int | None:
    """The exit status, once the answer is written; None where the command itself has to find it.

    What is wrong is left to the command as well: it knows the place and the next command.
    """
    line = read(arguments)
    folder = Path(line.values["-C"]) if line is not None and "-C" in line.values else context.folder
    if line is None or not folder.is_dir():
        return None
    context.folder, context.environment = folder, line.values.get("--env")
    context.production = "--production" in line.flags
    color = False if "--no-color" in line.flags or os.environ.get("NO_COLOR") else None
    context.output = Output(as_json="--json" in line.flags, color=color, verbose="--verbose" in line.flags)
    try:
        return _answer(line.command, context)
    except DevenvError:
        return None


def _answer(command: str, context: Context) -> int | None:
    from devenv.operations.steady import steady_status, steady_up

    _, workspace, sources = context.place()
    engine, output = context.wiring.engine(), context.output
    if command == "status":
        status = steady_status(workspace, engine, sources)
        if status is None:
            return None
        output.result("devenv.status/1", status, lambda: show_status(output, status))
        return 0
    result = steady_up(workspace, engine, sources)
    if result is None:
        return None
    for choice in result.ports:
        if choice.moved:
            text = f"port {choice.configured} is held by {choice.holder}: published on {choice.port}"
            output.sink.emit(Event(choice.key, Status.DONE, text))
    for row in result.status.services:
        if row.replicas:
            output.sink.emit(Event(row.name, Status.DONE, row.health or row.state))
    output.result("devenv.up/1", result, lambda: show_up(output, result))
    return 0
