"""Which ports an environment gets: the choice as a table, and what is free as real sockets on loopback say."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import psutil
import pytest

from devenv.environments.ports import (
    PortChoice,
    choose_ports,
    find_free_port,
    has_address,
    holder_of,
    is_free,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

FREE = 40000


def choose(
    configured: Mapping[str, int],
    remembered: Mapping[str, int] | None = None,
    own: Collection[int] = (),
    held: Collection[int] = (),
) -> tuple[PortChoice, ...]:
    """The choice where these ports are held by others; free ones count from 40000."""

    def free(taken: Collection[int]) -> int:
        return next(port for port in range(FREE, FREE + 100) if port not in taken and port not in held)

    return choose_ports(
        configured, remembered or {}, own, lambda port: "nginx" if port in held else None, free
    )


DB = {"database.port": 3306}


@pytest.mark.parametrize(
    ("remembered", "own", "held", "port", "holder"),
    [
        ({}, (), (), 3306, None),
        ({}, (), (3306,), FREE, "nginx"),
        ({}, (3306,), (3306,), 3306, None),
        (DB, (), (), 3306, None),
        (DB, (3306,), (3306,), 3306, None),
        (DB, (), (3306,), FREE, "nginx"),
        ({"database.port": 5000}, (), (), 3306, None),
        ({"database.port": 5000}, (), (3306,), 5000, "nginx"),
        ({"database.port": 5000}, (), (3306, 5000), FREE, "nginx"),
        ({"database.port": 5000}, (5000,), (3306, 5000), 5000, "nginx"),
        ({"database.port": 5000}, (5000,), (3306,), 5000, "nginx"),
        ({"database.port": 5000}, (5000,), (5000,), 3306, None),
    ],
    ids=[
        "free",
        "taken",
        "ours: it runs there already",
        "as before",
        "as before, and it runs",
        "taken since",
        "moved before, free again",
        "moved before, stays",
        "moved before, both taken",
        "moved, and runs there",
        "moved, and runs there by a proxy that cannot be seen",
        "moved, runs there, and the configured one is free: another was configured, or its holder left",
    ],
)
def test_one_port(
    remembered: Mapping[str, int], own: tuple[int, ...], held: tuple[int, ...], port: int, holder: str | None
) -> None:
    assert choose(DB, remembered, own, held) == (PortChoice("database.port", 3306, port, holder),)


def test_two_moved_ports_are_two_ports() -> None:
    found = choose({"a": 1000, "b": 1001}, held=(1000, 1001))
    assert [choice.port for choice in found] == [FREE, FREE + 1]


def test_a_free_port_is_not_one_that_another_key_is_configured_for() -> None:
    assert [choice.port for choice in choose({"a": 1000, "b": FREE}, held=(1000,))] == [FREE + 1, FREE]


def test_a_remembered_port_is_not_one_that_another_key_is_configured_for() -> None:
    found = choose({"a": 1000, "b": 5000}, {"a": 5000}, held=(1000,))
    assert [choice.port for choice in found] == [FREE, 5000]


def test_two_ports_can_change_places_while_they_run() -> None:
    found = choose({"a": 1000, "b": 1001}, {"a": 1001, "b": 1000}, own=(1000, 1001), held=(1000, 1001))
    assert [choice.port for choice in found] == [1000, 1001]


def test_a_choice_knows_whether_it_moved() -> None:
    assert PortChoice("a", 1, 2, "x").moved
    assert not PortChoice("a", 1, 1).moved


@contextmanager
def listening(address: str = "127.0.0.1") -> Iterator[int]:
    with closing(socket.create_server((address, 0))) as server:
        yield server.getsockname()[1]


def test_a_port_that_nobody_has_is_free() -> None:
    port = find_free_port(())
    assert is_free(port)
    assert holder_of(port, {}) is None


def test_a_port_on_which_somebody_listens_is_not_free() -> None:
    with listening() as port:
        assert not is_free(port)


def test_who_listens_on_all_addresses_listens_on_each() -> None:
    with listening("0.0.0.0") as port:
        assert not is_free(port, "127.0.0.1")
    with listening("127.0.0.1") as port:
        assert not is_free(port, "0.0.0.0")


def test_a_port_on_another_address_is_free() -> None:
    with listening("127.0.0.2") as port:
        assert is_free(port, "127.0.0.1")


def can_bind(address: str, port: int) -> bool:
    with closing(socket.socket(socket.AF_INET6)) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True


def test_a_port_on_an_address_of_ipv6_is_free_where_the_machine_has_it() -> None:
    port = find_free_port(())
    assert is_free(port, "::1") == can_bind("::1", port)


def test_a_port_that_a_server_just_gave_back_is_free() -> None:
    """Who hangs up first keeps the port busy for a minute; a new server may have it all the same."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        with closing(socket.create_connection(("127.0.0.1", port))) as client:
            server.accept()[0].close()
            assert client.recv(1) == b""
    assert is_free(port)


class PrivilegedSocket(socket.socket):
    """A socket of a user who may not bind low ports."""

    def bind(self, address: object) -> None:
        raise PermissionError(13, f"Permission denied: {address}")


def test_a_port_that_only_root_may_bind_is_free_unless_somebody_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with listening() as port:
        monkeypatch.setattr("socket.socket", PrivilegedSocket)
        assert not is_free(port)
        assert not is_free(port, "0.0.0.0")
    assert is_free(port)


def test_the_process_that_listens_is_named() -> None:
    with listening() as port:
        assert holder_of(port, {}) == f"{psutil.Process().name()} (process {os.getpid()})"


def test_a_container_is_named_first() -> None:
    with listening() as port:
        assert holder_of(port, {port: "other-db-1"}) == "container other-db-1"


def test_on_another_machine_only_its_containers_are_seen() -> None:
    with listening() as port:
        assert holder_of(port, {}, None) is None
        assert holder_of(port, {port: "other-db-1"}, None) == "container other-db-1"


@pytest.mark.parametrize(
    ("address", "has"), [("127.0.0.1", True), ("0.0.0.0", True), ("127.0.0.2", True), ("192.0.2.1", False)]
)
def test_an_address_is_this_machines_or_not(address: str, *, has: bool) -> None:
    assert has_address(address) is has


def test_a_machine_without_ipv6_has_no_address_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_address("::1") == can_bind("::1", 0)

    def refused(*_: object) -> None:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr("socket.socket", refused)
    assert not has_address("::1")


def test_a_process_that_may_not_be_seen_is_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(kind: str) -> list[object]:
        raise psutil.AccessDenied(msg=kind)

    monkeypatch.setattr(psutil, "net_connections", denied)
    with listening() as port:
        assert holder_of(port, {}) == "another process"


def test_a_free_port_is_none_of_those_taken() -> None:
    taken = {find_free_port(()) for _ in range(5)}
    assert find_free_port(taken) not in taken


def test_where_no_port_is_free_that_is_an_error() -> None:
    with pytest.raises(OSError, match=r"no free port on 127\.0\.0\.1"):
        find_free_port(range(65536))
