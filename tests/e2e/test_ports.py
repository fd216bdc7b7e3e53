"""A taken port is replaced, remembered, and its holder named; a freed one comes back."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.support import request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.support import Stack


@contextmanager
def held_by_a_socket(port: int) -> Iterator[str]:
    """This process listens on a port."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        yield "(process "


@contextmanager
def held_by_a_container(stack: Stack, port: int) -> Iterator[str]:
    """A container that is no part of any environment publishes a port."""
    api, name = stack.engine.api, f"{stack.name}-stranger"
    container = api.create_container(
        stack.engine.service("backend")["Config"]["Image"],
        ["sleep", "600"],
        name=name,
        ports=[80],
        host_config=api.create_host_config(port_bindings={80: ("127.0.0.1", port)}),
    )["Id"]
    try:
        api.start(container)
        yield f"container {name}"
    finally:
        api.remove_container(container, force=True, v=True)


@pytest.fixture
def without_mail(stack: Stack) -> Iterator[Stack]:
    """The shared environment without its mail catcher, whose port is to be taken."""
    stack.engine.api.remove_container(stack.engine.service("mailcatcher")["Id"], force=True)
    yield stack
    stack.engine.api.remove_container(stack.engine.service("mailcatcher")["Id"], force=True)


def choice(stack: Stack) -> Any:
    """What `up` decides on the web page's port."""
    return next(one for one in stack.up("mailcatcher").data["ports"] if one["key"] == "mail.port")


def published(stack: Stack) -> int:
    """Where the mail catcher's web page really is."""
    ports = stack.engine.service("mailcatcher")["NetworkSettings"]["Ports"]
    return int(ports["1080/tcp"][0]["HostPort"])


@pytest.mark.parametrize("holder", ["socket", "container"])
def test_a_taken_port_is_replaced_and_the_configured_one_comes_back(without_mail: Stack, holder: str) -> None:
    stack, wanted = without_mail, without_mail.configured["mail.port"]
    held = held_by_a_socket(wanted) if holder == "socket" else held_by_a_container(stack, wanted)

    with held as name:
        chosen = choice(stack)
        moved = published(stack)
        assert moved not in stack.configured.values()
        assert (chosen["port"], chosen["configured"]) == (moved, wanted)
        assert name in chosen["holder"]
        assert request(moved).status == 200
        status = stack.run("status", "--json").ok().data["services"]
        urls = [port["url"] for row in status for port in row["ports"] if row["name"] == "mailcatcher"]
        assert f"http://127.0.0.1:{moved}/" in urls
        doctor = {check["name"]: check for check in stack.run("doctor", "--json").data["checks"]}
        assert doctor["port mail.port"]["verdict"] == "warning"
        assert name in doctor["port mail.port"]["text"]

        # The free port is remembered while the configured one is held.
        stack.engine.api.remove_container(stack.engine.service("mailcatcher")["Id"], force=True)
        assert choice(stack)["port"] == moved == published(stack)

    # Freed, the configured port comes back with the next `up`.
    assert choice(stack)["port"] == wanted == published(stack)
    assert request(wanted).status == 200


def test_people_are_told_who_holds_the_port(without_mail: Stack) -> None:
    wanted = without_mail.configured["mail.port"]
    with held_by_a_container(without_mail, wanted) as name:
        outcome = without_mail.run("up", "mailcatcher").ok()

    assert f"port {wanted} is held by {name}: published on {published(without_mail)}" in outcome.err
