"""Asks a MySQL server from outside, without a library, every few milliseconds until the answer is right.

The account has an empty password, for which `caching_sha2_password` needs neither TLS nor a key.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POLL_SECONDS = 0.005
PATIENCE_SECONDS = 0.25
"""A connection that the port proxy accepted for a dead server never answers; a living server is far faster."""
QUERY_SECONDS = 600.0
USER = "bench"
CAPABILITIES = 0x1 | 0x200 | 0x8000 | 0x80000  # long password, protocol 4.1, secure connection, named plugin
LARGEST_PACKET = 1 << 24
UTF8MB4 = 45
COMMAND_QUERY = b"\x03"
OK, ERROR, END = 0x00, 0xFF, 0xFE
LONGEST_SHORT = 250


class ServerError(OSError):
    """The server answered, but not with what was asked for."""


class Connection:
    """One authenticated connection; raises OSError where there is no server, or none that serves."""

    def __init__(self, port: int, patience: float = PATIENCE_SECONDS) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
        try:
            self._stream = self._socket.makefile("rb")
            self._authenticate()
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._socket.close()

    def query(self, sql: str, seconds: float = QUERY_SECONDS) -> list[str]:
        """The first column of every row, as text; empty for a statement without rows. Short values only."""
        self._socket.settimeout(seconds)
        self._send(0, COMMAND_QUERY + sql.encode())
        head = self._receive()
        if head[0] == OK:
            return []
        self._skip_to_end()  # the columns' definitions
        rows = []
        while not _is_end(packet := self._receive()):
            length = packet[0]
            rows.append(packet[1 : 1 + length].decode(errors="replace") if length <= LONGEST_SHORT else "")
        return rows

    def _authenticate(self) -> None:
        self._receive()  # the greeting; its scramble is not needed for an empty password
        flags = struct.pack("<IIB23x", CAPABILITIES, LARGEST_PACKET, UTF8MB4)
        self._send(1, flags + USER.encode() + b"\0" + b"\0" + b"caching_sha2_password\0")
        if self._receive()[0] != OK:
            raise ServerError("the server wants more than an empty password")

    def _skip_to_end(self) -> None:
        while not _is_end(self._receive()):
            pass

    def _send(self, number: int, payload: bytes) -> None:
        self._socket.sendall(struct.pack("<I", len(payload))[:3] + bytes([number]) + payload)

    def _receive(self) -> bytes:
        header = self._read(4)
        packet = self._read(int.from_bytes(header[:3], "little"))
        if not packet or packet[0] == ERROR:
            raise ServerError(packet[9:].decode(errors="replace"))
        return packet

    def _read(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) < size:
            raise ServerError("the connection ended")
        return data


def _is_end(packet: bytes) -> bool:
    return packet[0] == END and len(packet) < 9


def ask(port: int, sql: str) -> str | None:
    """The first value, from a connection of its own; None where nobody answers."""
    with suppress(OSError), Connection(port) as connection:
        return next(iter(connection.query(sql, PATIENCE_SECONDS)), "")
    return None


class Prober:
    """Asks in a thread of its own; `wanted` judges an answer, and is told whether the server was away before."""

    def __init__(self, port: int, sql: str, wanted: Callable[[str | None, bool], bool]) -> None:
        self._port, self._sql, self._wanted = port, sql, wanted
        self._ready_at: float | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> float:
        """When the right answer had come, on the monotonic clock; raises TimeoutError."""
        self._thread.join(seconds)
        if self._ready_at is None:
            raise TimeoutError(f"port {self._port}: not within {seconds:g} s the right answer to {self._sql}")
        return self._ready_at

    def stop(self) -> None:
        """End asking."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        was_away = False
        while not self._stopped.is_set():
            begun = time.monotonic()
            answer = ask(self._port, self._sql)
            now = time.monotonic()
            if self._wanted(answer, was_away):
                self._ready_at = now
                return
            was_away = was_away or answer is None
            self._stopped.wait(max(0.0, begun + POLL_SECONDS - now))


def answers(answer: str | None, was_away: bool) -> bool:
    """Wanted: any answer."""
    del was_away
    return answer is not None


def answers_again(answer: str | None, was_away: bool) -> bool:
    """Wanted: an answer, after there was none."""
    return was_away and answer is not None


def is_unmarked(answer: str | None, was_away: bool) -> bool:
    """Wanted: no row, whether or not the server was ever seen away."""
    del was_away
    return answer == "0"


@contextmanager
def probing(port: int, sql: str, wanted: Callable[[str | None, bool], bool]) -> Iterator[Prober]:
    """A prober for the time of the block."""
    prober = Prober(port, sql, wanted)
    try:
        yield prober
    finally:
        prober.stop()
