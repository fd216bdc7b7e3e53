"""Whether a MySQL server answers, told from outside by the greeting that it sends to every client."""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POLL_SECONDS = 0.01
PATIENCE_SECONDS = 1.0
PROTOCOL_10 = 0x0A
HEADER_BYTES = 4
ENDING_SECONDS = 5.0
"""Less than the ten after which a server hangs up on who does not log in."""


def greets(host: str, port: int) -> bool:
    """Whether a server greets now: the fifth byte of its first packet is the protocol's version.

    A connection alone proves nothing: the engine's port proxy accepts before the server does, and a
    server that cannot serve yet sends an error packet (0xFF) in place of the greeting.
    """
    with suppress(OSError), _connection(host, port) as connection:
        return _is_greeted(connection)
    return False


@contextmanager
def listening_for_the_end(host: str, port: int) -> Iterator[Callable[[], bool] | None]:
    """Connected to a server, so as to hear that its process ended: yields what waits for it, None if none greets.

    The kernel closes a killed process's connections at once; the engine says that a container ended when it
    has also taken its mounts and networks away, and an overlay is written out before. What is yielded waits at
    most `ENDING_SECONDS`, and says whether the server ended.
    """
    try:
        connection = _connection(host, port)
    except OSError:
        yield None
        return

    def ended() -> bool:
        connection.settimeout(ENDING_SECONDS)
        try:
            while connection.recv(64):
                pass
        except TimeoutError:
            return False
        except OSError:  # hung up on us
            pass
        return True

    with connection:
        greeted = False
        with suppress(OSError):
            greeted = _is_greeted(connection)
        yield ended if greeted else None


def wait_for_greeting(host: str, port: int, timeout: float, died: Callable[[], bool]) -> bool:
    """Wait until the server greets; False when `died` says so or `timeout` seconds are over.

    `died` is asked once in a while only: it costs a request to the engine.
    """
    begun = time.monotonic()
    asked = begun
    while not greets(host, port):
        now = time.monotonic()
        if now - begun > timeout:
            return False
        if now - asked > PATIENCE_SECONDS:
            asked = now
            if died():
                return False
        time.sleep(POLL_SECONDS)
    return True


def _connection(host: str, port: int) -> socket.socket:
    return socket.create_connection((host, port), timeout=PATIENCE_SECONDS)


def _is_greeted(connection: socket.socket) -> bool:
    packet = b""
    while len(packet) <= HEADER_BYTES:
        piece = connection.recv(64)
        if not piece:
            return False
        packet += piece
    return packet[HEADER_BYTES] == PROTOCOL_10
