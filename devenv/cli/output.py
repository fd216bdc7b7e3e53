"""All that people and scripts see: results to standard output, progress and diagnostics to standard error."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, is_dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv.errors import ConfigError, DevenvError
from devenv.events import Event, EventSink, Status

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

SIGNS = {Status.WORKING: "..", Status.DONE: "ok", Status.WARNING: "!!", Status.FAILED: "XX"}
STYLES = {Status.WORKING: "cyan", Status.DONE: "green", Status.WARNING: "yellow", Status.FAILED: "red"}
PIPE_WIDTH = 1000
SERVICE_COLOURS = (
    "cyan",
    "yellow",
    "green",
    "magenta",
    "blue",
    "bright_cyan",
    "bright_yellow",
    "bright_green",
)


class Output:
    """The one place that writes; `as_json` decides the form of results and errors, never their content."""

    def __init__(self, *, as_json: bool = False, color: bool | None = None, verbose: bool = False) -> None:
        self.as_json = as_json
        self.verbose = verbose
        self._color = color
        self._warnings: list[str] = []
        self.sink: EventSink = _Collecting(PlainSink(), self._warnings)

    def console(self, *, stderr: bool = False) -> Console:
        """A rich console for one of the two streams, made when it is first needed: rich costs 50 ms."""
        from rich.console import Console

        return Console(
            stderr=stderr,
            no_color=self._color is False or None,
            highlight=False,
            emoji=False,
            soft_wrap=True,
            # A pipe has no width: there a table is as wide as its content.
            width=None if (sys.stderr if stderr else sys.stdout).isatty() else PIPE_WIDTH,
        )

    def progress(self) -> AbstractContextManager[EventSink]:
        """Shows events while the block runs: live where standard error is a terminal, else as plain lines."""
        if sys.stderr.isatty() and not self.as_json:
            return _Live(self.console(stderr=True), self._warnings, self)
        self.sink = _Collecting(PlainSink(verbose=self.verbose), self._warnings)
        return nullcontext(self.sink)

    def result(self, schema: str, data: Any, human: Callable[[], None], *, ok: bool = True) -> None:
        """Write a command's result: the document of that schema, or what `human` prints."""
        if self.as_json:
            self.document(schema, data, ok=ok)
        else:
            human()

    def document(
        self, schema: str, data: Any, *, ok: bool = True, errors: Iterable[dict[str, Any]] = ()
    ) -> None:
        """One JSON document on one line of standard output."""
        envelope = {
            "schema": schema,
            "ok": ok,
            "data": plain(data),
            "warnings": list(self._warnings),
            "errors": list(errors),
        }
        sys.stdout.write(json.dumps(envelope, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def error(self, error: DevenvError) -> None:
        """The error, its evidence and its hint; with `--json` a document as well."""
        if self.as_json:
            self.document("devenv.error/1", None, ok=False, errors=error_rows(error))
            return
        lines = (
            [f"error: {problem}" for problem in error.problems]
            if isinstance(error, ConfigError)
            else [f"error: {error.where}: {error.message}" if error.where else f"error: {error.message}"]
        )
        console = self.console(stderr=True)
        for line in lines:
            console.print(line, style="red", markup=False)
        for line in error.evidence:
            console.print(f"  {line}", style="dim", markup=False)
        if error.hint:
            console.print(f"hint: {error.hint}", style="yellow", markup=False)

    def print(self, text: str = "", style: str | None = None) -> None:
        """One line of a result for people."""
        if self._is_plain:
            self.raw(f"{text}\n")
        else:
            self.console().print(text, style=style, markup=False)

    @property
    def _is_plain(self) -> bool:
        """Whether what is written to standard output has neither colours nor a width: then rich is not needed."""
        return not sys.stdout.isatty() and "FORCE_COLOR" not in os.environ

    def clear(self) -> None:
        """Begin again at the top of a terminal's page; a pipe gets one result behind the other."""
        if sys.stdout.isatty() and not self.as_json:
            self.console().clear()

    def raw(self, text: str) -> None:
        """Text exactly as it is, for what is meant to be piped."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def note(self, text: str, style: str | None = None) -> None:
        """One line of progress or diagnosis."""
        self.console(stderr=True).print(text, style=style, markup=False)

    def table(self, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
        """A table without lines, as `docker ps` prints it; a cell's first word chooses no style."""
        rows = list(rows)
        if self._is_plain and not any("\n" in cell for row in rows for cell in row):
            self.raw(_aligned(columns, rows))
            return
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell, style=_cell_style(cell)) for cell in row))
        self.console().print(table)

    def log_writer(self) -> Callable[[str, str], None]:
        """Writes a log line behind its service's name, each service in its own colour."""
        colours: dict[str, str] = {}
        console = self.console()

        def write(service: str, text: str) -> None:
            from rich.text import Text

            colour = colours.setdefault(service, SERVICE_COLOURS[len(colours) % len(SERVICE_COLOURS)])
            console.print(Text(f"{service:<14}| ", style=colour) + Text.from_ansi(text))

        return write


def _aligned(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """The same table as text."""
    widths = [max(len(row[index]) for row in (columns, *rows)) for index in range(len(columns))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (columns, *rows)
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _cell_style(cell: str) -> str:
    return {
        "healthy": "green",
        "running": "green",
        "ok": "green",
        "starting": "yellow",
        "warning": "yellow",
        "unhealthy": "red",
        "exited": "red",
        "failed": "red",
        "absent": "dim",
    }.get(cell.partition(" (")[0], "")


def error_rows(error: DevenvError) -> list[dict[str, Any]]:
    """The error as the contract writes it; a configuration error has one row per problem."""
    if isinstance(error, ConfigError):
        return [
            {
                "code": error.code,
                "message": ": ".join(part for part in (problem.key, problem.text) if part),
                "where": problem.where or None,
                "hint": problem.hint or error.hint,
                "detail": {},
            }
            for problem in error.problems
        ]
    return [
        {
            "code": error.code,
            "message": error.message,
            "where": error.where,
            "hint": error.hint,
            "detail": {**error.detail, **({"evidence": list(error.evidence)} if error.evidence else {})},
        }
    ]


def plain(value: Any) -> Any:
    """Any of our values as JSON knows it."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


class PlainSink:
    """A line of standard error per event; repeated words of a resource are left out."""

    def __init__(self, *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._last: dict[str, str] = {}
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        """Write the event's line, with its detail in verbose mode."""
        with self._lock:
            if self._last.get(event.resource) != event.text:
                self._last[event.resource] = event.text
                where = f" ({event.detail})" if event.detail and event.status is Status.WARNING else ""
                sys.stderr.write(f"{SIGNS[event.status]} {event.resource}: {event.text}{where}\n")
            if self._verbose and event.detail:
                sys.stderr.write(f"   {event.resource}: {event.detail}\n")
            sys.stderr.flush()


class _Collecting:
    """Remembers warnings for the JSON document, and passes everything on."""

    def __init__(self, sink: EventSink, warnings: list[str]) -> None:
        self._sink = sink
        self._warnings = warnings

    def emit(self, event: Event) -> None:
        text = f"{event.resource}: {event.text}"
        if event.status is Status.WARNING and text not in self._warnings:
            self._warnings.append(text)
        self._sink.emit(event)


class _Live:
    """One row per resource, redrawn in place, with the time that it took."""

    def __init__(self, console: Console, warnings: list[str], output: Output) -> None:
        self._console = console
        self._warnings = warnings
        self._output = output
        self._rows: dict[str, tuple[Event, float, float | None]] = {}
        self._lock = threading.Lock()
        self._live: Live | None = None

    def __enter__(self) -> EventSink:
        from rich.live import Live

        self._live = Live(
            get_renderable=self._render, console=self._console, refresh_per_second=8, transient=False
        )
        self._live.__enter__()
        sink = _Collecting(self, self._warnings)
        self._output.sink = sink
        return sink

    def __exit__(self, *exception: object) -> None:
        assert self._live is not None
        self._live.stop()

    def emit(self, event: Event) -> None:
        import time

        with self._lock:
            now = time.monotonic()
            begun = self._rows[event.resource][1] if event.resource in self._rows else now
            ended = None if event.status is Status.WORKING else now
            self._rows[event.resource] = (event, begun, ended)

    def _render(self) -> Any:
        import time

        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        with self._lock:
            rows = list(self._rows.items())
        for resource, (event, begun, ended) in rows:
            style = STYLES[event.status]
            sign: Any = Text(SIGNS[event.status], style=style)
            if event.status is Status.WORKING:
                sign = Spinner("dots", style=style)
            elapsed = (ended or time.monotonic()) - begun
            text = Text(event.text, style=style if event.status is not Status.WORKING else "")
            if event.detail and event.status is Status.WORKING:
                text.append(f"  {event.detail[:60]}", style="dim")
            text.no_wrap, text.overflow = True, "ellipsis"
            table.add_row(
                sign, Text(resource), text, Text(f"{elapsed:.1f} s" if elapsed >= 0.1 else "", style="dim")
            )
        return table
