"""What containers write, through the Docker SDK: merged into one stream of lines."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from devenv.engine.docker.connection import Connected, translated
from devenv.engine.observed import LogLine, ObservedContainer, ObservedState
from devenv.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


NO_LINES = {"stdout": "1", "stderr": "1", "tail": "0"}


class Logs(Connected):
    """The containers' logs, as the engine keeps them."""

    def logs(
        self,
        state: ObservedState,
        *,
        tail: int | None,
        since: int | None,
        follow: bool,
        on_unreadable: Callable[[ObservedContainer, OperationError], None],
    ) -> Iterator[LogLine]:
        """Lines of the containers, merged: by time stamp, or as they come while following."""
        streams = []
        for container in state.containers:
            try:
                with translated(f"read the log of {container.name}"):
                    # The SDK says of a terminal's log only when it is read that it cannot be, and of one that is
                    # gone it leaves a connection open.
                    self._api.read("GET", f"/containers/{container.id}/logs", query=NO_LINES)
                    pieces = self._client.api.logs(
                        container.id,
                        stream=True,
                        follow=follow,
                        timestamps=True,
                        tail="all" if tail is None else tail,
                        since=since,
                    )
            except OperationError as error:
                on_unreadable(container, error)
            else:
                streams.append((container.service, container.name, pieces))
        return self._to_the_end(merged(streams, follow=follow))

    def _to_the_end(self, lines: Iterator[LogLine]) -> Iterator[LogLine]:
        """The lines; raises EngineUnavailableError where they ended because the engine went away."""
        yield from lines
        with translated("read on in the logs"):
            self._api.read("GET", "/_ping")


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
    for piece in _pieces(stream):
        *whole, rest = (rest + piece).split(b"\n")
        yield from (_line(service, container, raw) for raw in whole)
    if rest:
        yield _line(service, container, rest)


def _pieces(stream: Iterator[bytes]) -> Iterator[bytes]:
    """What a stream gives until it ends or breaks off."""
    # What a library says of a connection that was closed under it is of many kinds, and means the end.
    with suppress(Exception):
        yield from stream


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
