"""Whether a MySQL server answers, told from outside by the greeting that it sends to every client."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_SECONDS = 0.01
PATIENCE_SECONDS = 1.0
PROTOCOL_10 = 0x0A
HEADER_BYTES = 4


def greets(host: str, port: int) -> bool:
    """Whether a server greets now: the fifth byte of its first packet is the protocol's version.

    A connection alone proves nothing: the engine's port proxy accepts before the server does, and a
    server that cannot serve yet sends an error packet (0xFF) in place of the greeting.
    """
    with suppress(OSError), socket.create_connection((host, port), timeout=PATIENCE_SECONDS) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        packet = b""
        while len(packet) <= HEADER_BYTES:
            piece = connection.recv(64)
            if not piece:
                return False
            packet += piece
        return packet[HEADER_BYTES] == PROTOCOL_10
    return False


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
