"""What containers write, through the Docker SDK: merged into one stream of lines."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from devenv.engine.docker.connection import Connected
from devenv.engine.observed import LogLine, ObservedContainer, ObservedState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Logs(Connected):
    """The containers' logs, as the engine keeps them."""

    def logs(
        self, state: ObservedState, *, tail: int | None, since: int | None, follow: bool
    ) -> Iterator[LogLine]:
        """Lines of the containers, merged: by time stamp, or as they come while following."""
        streams = [
            (
                container,
                self._client.api.logs(
                    container.id,
                    stream=True,
                    follow=follow,
                    timestamps=True,
                    tail="all" if tail is None else tail,
                    since=since,
                ),
            )
            for container in state.containers
        ]
        if follow:
            yield from _interleaved(streams)
        else:
            lines = [line for container, stream in streams for line in _lines(container, stream)]
            yield from sorted(lines, key=lambda line: line.at)


def _lines(container: ObservedContainer, stream: Iterator[bytes]) -> Iterator[LogLine]:
    """Whole lines out of a stream whose pieces end anywhere; each starts with its time stamp."""
    rest = b""
    for piece in stream:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (_line(container, raw) for raw in whole)
    if rest:
        yield _line(container, rest)


def _line(container: ObservedContainer, raw: bytes) -> LogLine:
    stamp, _, text = raw.decode(errors="replace").partition(" ")
    return LogLine(container.service, container.name, stamp, text.rstrip("\r"))


def _interleaved(streams: Sequence[tuple[ObservedContainer, Iterator[bytes]]]) -> Iterator[LogLine]:
    """Lines of several streams as they come, until the last of them ends."""
    lines: queue.Queue[LogLine | None] = queue.Queue()

    def pump(container: ObservedContainer, stream: Iterator[bytes]) -> None:
        try:
            for line in _lines(container, stream):
                lines.put(line)
        finally:
            lines.put(None)

    for container, stream in streams:
        threading.Thread(target=pump, args=(container, stream), daemon=True).start()
    ended = 0
    while ended < len(streams):
        line = lines.get()
        if line is None:
            ended += 1
        else:
            yield line
