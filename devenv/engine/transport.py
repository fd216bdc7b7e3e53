"""The engine's HTTP interface: one question, one answer in JSON, however the engine is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NOT_FOUND = 404
CONFLICT = 409
API_TIMEOUT = 120.0
"""Seconds for one answer of the engine: creating a container on a busy disk can take many."""


class ApiError(Exception):
    """The engine answered that it cannot or will not; `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class NoAnswerError(Exception):
    """Nobody answered, or the answer broke off."""


class Stream(Protocol):
    """The documents of an answer that goes on, as they come."""

    def __iter__(self) -> Iterator[Any]:
        """Each document once; ends where the answer ends, breaks off or is closed."""

    def close(self) -> None:
        """End it, from whichever thread."""


class Transport(Protocol):
    """A way to the engine; every call raises ApiError or NoAnswerError, or what its library raises."""

    @property
    def endpoint(self) -> str:
        """Where the engine is reached, as `DOCKER_HOST` would name it."""

    @property
    def api_version(self) -> str:
        """The version of the interface that the engine speaks."""

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        timeout: float | None = API_TIMEOUT,
    ) -> Any:
        """The answer as data, None where it is empty; `timeout` in seconds, None waits for ever."""

    def read(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> bytes:
        """The answer as it is, however long it takes to come."""

    def head(self, path: str, *, query: Mapping[str, str] | None = None) -> Mapping[str, str]:
        """An answer's head alone: its fields by their names in small letters."""

    def stream(self, path: str, *, query: Mapping[str, str] | None = None) -> Stream:
        """An answer that goes on; it has begun when this returns."""


FRAME_BYTES = 8
"""In front of each piece of output: which stream it is of, three zeros, and its length."""


def unframed(frames: bytes) -> bytes:
    """What a command or container without a terminal wrote, as the engine frames it: both streams in their order."""
    pieces, at = [], 0
    while at + FRAME_BYTES <= len(frames):
        length = int.from_bytes(frames[at + 4 : at + FRAME_BYTES], "big")
        pieces.append(frames[at + FRAME_BYTES : at + FRAME_BYTES + length])
        at += FRAME_BYTES + length
    return b"".join(pieces)
