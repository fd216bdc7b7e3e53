"""What containers write, through the Docker SDK: merged into one stream of lines."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from devenv.engine.docker.connection import Connected
from devenv.engine.observed import LogLine, ObservedState

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
                container.service,
                container.name,
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
        yield from merged(streams, follow=follow)


Stream = tuple[str, str, "Iterator[bytes]"]
"""A service, the container that writes, and what it writes, with time stamps."""


def merged(streams: Sequence[Stream], *, follow: bool) -> Iterator[LogLine]:
    """Lines of several streams by time stamp, or as they come while following."""
    if follow:
        yield from _interleaved(streams)
    else:
        yield from sorted((line for stream in streams for line in _lines(*stream)), key=lambda line: line.at)


def _lines(service: str, container: str, stream: Iterator[bytes]) -> Iterator[LogLine]:
    """Whole lines out of a stream whose pieces end anywhere; each starts with its time stamp."""
    rest = b""
    for piece in stream:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (_line(service, container, raw) for raw in whole)
    if rest:
        yield _line(service, container, rest)


def _line(service: str, container: str, raw: bytes) -> LogLine:
    stamp, _, text = raw.decode(errors="replace").partition(" ")
    return LogLine(service, container, stamp, text.rstrip("\r"))


def _interleaved(streams: Sequence[Stream]) -> Iterator[LogLine]:
    """Lines of several streams as they come, until the last of them ends."""
    lines: queue.Queue[LogLine | None] = queue.Queue()

    def pump(stream: Stream) -> None:
        try:
            for line in _lines(*stream):
                lines.put(line)
        finally:
            lines.put(None)

    for stream in streams:
        threading.Thread(target=pump, args=(stream,), daemon=True).start()
    ended = 0
    while ended < len(streams):
        line = lines.get()
        if line is None:
            ended += 1
        else:
            yield line
