"""Which ports an environment publishes: the configured ones, or free ones that then stay."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

EPHEMERAL_TRIES = 50


@dataclass(frozen=True, slots=True)
class PortChoice:
    """`key` (such as `database.port`) is published on `port`; another than `configured` because of `holder`."""

    key: str
    configured: int
    port: int
    holder: str | None = None

    @property
    def moved(self) -> bool:
        """Whether it is another port than the configured one."""
        return self.port != self.configured


def choose_ports(
    configured: Mapping[str, int],
    remembered: Mapping[str, int],
    own: Collection[int],
    holder_of: Callable[[int], str | None],
    free_port: Callable[[Collection[int]], int],
) -> tuple[PortChoice, ...]:
    """Choose one port per key.

    The configured port if nobody else holds it; what this environment's `own` containers hold counts as
    free. Then the one remembered from before, then a free one.
    """
    chosen: dict[str, PortChoice] = {}
    for key, wanted in configured.items():
        taken = {choice.port for choice in chosen.values()} | set(configured.values()) - {wanted}
        before = remembered.get(key, wanted)
        holder = None if wanted in own else holder_of(wanted)
        if holder is None:
            chosen[key] = PortChoice(key, wanted, wanted)
        elif before != wanted and before not in taken and (before in own or holder_of(before) is None):
            chosen[key] = PortChoice(key, wanted, before, holder)
        else:
            chosen[key] = PortChoice(key, wanted, free_port(taken), holder)
    return tuple(chosen.values())


def is_free(port: int, address: str = "127.0.0.1") -> bool:
    """Whether a server could bind the port now.

    A port that this user may not bind himself (below 1024) counts as free unless somebody answers there:
    it is the engine that binds it.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno not in {errno.EACCES, errno.EPERM}:
                return False
            with socket.socket(family, socket.SOCK_STREAM) as client:
                client.settimeout(0.5)
                target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
                return client.connect_ex((target, port)) != 0
        return True


def has_address(address: str) -> bool:
    """Whether this machine has the address, so that a server could bind it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except OSError as error:
        # The last is a kernel without IPv6.
        return error.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
    return True


def find_free_port(taken: Collection[int]) -> int:
    """A port that the system gives out and that nobody in `taken` has."""
    for _ in range(EPHEMERAL_TRIES):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port
    raise OSError(errno.EADDRNOTAVAIL, "no free port on 127.0.0.1")


def holder_of(port: int, containers: Mapping[int, str], address: str | None = "127.0.0.1") -> str | None:
    """Who holds the port, for people: a container, a process with its id, or "another process"; None if free.

    Without an address it is one of another machine, on which only containers are seen from here.
    """
    if port in containers:
        return f"container {containers[port]}"
    if address is None or is_free(port, address):
        return None
    return _listening_process(port) or "another process"


def _listening_process(port: int) -> str | None:
    """Name and id of the process that listens, where this user may know it."""
    import psutil  # noqa: PLC0415 - only a port that is taken needs it

    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.AccessDenied, OSError):
        return None
    for connection in connections:
        local = connection.laddr
        if connection.status == psutil.CONN_LISTEN and local and local.port == port and connection.pid:
            try:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
            except psutil.Error:
                return f"process {connection.pid}"
    return None
