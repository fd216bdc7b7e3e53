"""The last starts of an environment, one JSON document on a line: what a start is compared with."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import astuple
from typing import TYPE_CHECKING

from devenv.environments.caller import hand_over
from devenv.environments.files import write_atomically
from devenv.events import Phase
from devenv.waterfall import Span, Waterfall

if TYPE_CHECKING:
    from pathlib import Path

KEPT = 50


class Runs:
    """The starts kept in a file; what is damaged in it counts as not there."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def last(self) -> tuple[Waterfall, ...]:
        """Those that are kept, the oldest first."""
        read = (_read(line) for line in self._lines()[-KEPT:])
        return tuple(run for run in read if run is not None)

    def seconds_of(self, run: Waterfall) -> tuple[float, ...]:
        """How long those took that had the same to do and ended as it did.

        Told from the beginnings of their lines: to read all of all takes milliseconds.
        """
        head = _head(run)
        alike = (line for line in self._lines()[-KEPT:] if line.startswith(head) and line.endswith("}"))
        return tuple(float(line.removeprefix(head).partition(",")[0]) for line in alike)

    def add(self, run: Waterfall, at: str) -> None:
        """Keep one more, which began `at` that time; nothing happens where it cannot be written.

        A line is written at once or not at all, and without waiting for the disk. Now and then the file
        is made anew of those that are still wanted.
        """
        line = _written(run, at)
        with suppress(OSError):
            descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                # Behind a line that was cut off as well.
                os.write(descriptor, f"\n{line}\n".encode())
            finally:
                os.close(descriptor)
            hand_over(self._file)
            lines = self._lines()
            if len(lines) >= 2 * KEPT:
                write_atomically(self._file, "".join(f"{one}\n" for one in lines[-KEPT:]))
                hand_over(self._file)

    def _lines(self) -> list[str]:
        try:
            text = self._file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        return [line for line in text.splitlines() if line]


def _head(run: Waterfall) -> str:
    """How the line of a start with this work begins; how long it took comes next."""
    return json.dumps({"failed": run.failed, "work": run.work})[:-1] + ', "seconds": '


def _written(run: Waterfall, at: str) -> str:
    """The start on a line; a span is a list of its fields, as there are many."""
    rest = {
        "overhead": run.overhead,
        "at": at,
        "environment": run.environment,
        "kind": run.kind,
        "spans": [astuple(span) for span in run.spans],
    }
    return f"{_head(run)}{run.seconds}, {json.dumps(rest)[1:]}"


def _read(line: str) -> Waterfall | None:
    try:
        raw = json.loads(line)
        spans = tuple(
            Span(service, Phase(phase), begin, end, critical, failed, count)
            for service, phase, begin, end, critical, failed, count in raw["spans"]
        )
        return Waterfall(
            raw["environment"], raw["kind"], raw["seconds"], raw["overhead"], raw["failed"], spans
        )
    except (ValueError, KeyError, TypeError):
        return None
