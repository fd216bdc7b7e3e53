"""Whether a container answers, asked from outside: on its published ports, each in its own protocol, or by a file."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.database.ready import greets
from devenv.model import needed_by

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from devenv.engine.api import Engine
    from devenv.engine.observed import ObservedContainer, ObservedState
    from devenv.model import Question, Service

PATIENCE_SECONDS = 2.0
"""For one answer; whoever has none by then is asked again."""
GREETING = b"220"
LONGEST_LINE = 512


def believed(
    observed: ObservedState,
    services: Iterable[Service],
    has_answered: Callable[[Service, ObservedContainer], bool | None],
    started: Container[str] = frozenset(),
) -> ObservedState:
    """The same state, where an answer from outside counts before the engine's own probe says so.

    `has_answered` is None where nobody can be asked. Who has answered is healthy. Who is healthy to the
    engine, but was so before something that it needs was started (`started`, by id), is to answer anew:
    until its next probe nobody knows whether it has found what is new.
    """
    services = tuple(services)
    by_name = {service.name: service for service in services}
    renewed = {one.service for one in observed.containers if one.id in started}

    def health(one: ObservedContainer) -> str | None:
        service = by_name.get(one.service)
        is_unsure = one.health == "starting" or (one.health == "healthy" and is_outdated(one))
        answered = has_answered(service, one) if service is not None and is_unsure else None
        if answered is None:
            return one.health
        return "healthy" if answered else "starting"

    def is_outdated(one: ObservedContainer) -> bool:
        return one.id not in started and not renewed.isdisjoint(needed_by(one.service, services))

    containers = tuple(replace(one, health=health(one)) for one in observed.containers)
    return replace(observed, containers=containers)


def can_be_asked(engine: Engine, service: Service, container: ObservedContainer) -> bool:
    """Whether there are questions to it, and none is about a port that is not published, or elsewhere."""
    questions = _questions(service)
    targets = {question.target for question in questions if question.target is not None}
    reached = container.ports.keys() if engine.is_here else set()
    return bool(questions) and container.is_running and targets <= reached


def asks_for_files(service: Service) -> bool:
    """Whether one of the questions is about a file in the container."""
    return any(question.target is None for question in _questions(service))


def answers(engine: Engine, service: Service, container: ObservedContainer) -> bool:
    """Whether the container answers every question to its service well now."""
    return can_be_asked(engine, service, container) and all(
        _has_beaten(engine, container, question.path)
        if question.target is None
        else _answers(question, _host(service), container.ports[question.target])
        for question in _questions(service)
    )


def _questions(service: Service) -> tuple[Question, ...]:
    return service.healthcheck.questions if service.healthcheck is not None else ()


def _host(service: Service) -> str:
    address = service.ports[0].address
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)


def _has_beaten(engine: Engine, container: ObservedContainer, path: str) -> bool:
    """Whether the file was written since the container started: a run before may have left one."""
    from datetime import datetime  # noqa: PLC0415 - not for an `up` with nothing to do

    modified = engine.modified(container.id, path)
    return modified is not None and modified >= datetime.fromisoformat(container.started_at).timestamp()


def _answers(question: Question, host: str, port: int) -> bool:
    if question.scheme == "mysql":
        return greets(host, port)
    if question.scheme == "smtp":
        return _first_line(host, port, b"").startswith(GREETING)
    request = (
        f"GET {question.path} HTTP/1.0\r\nHost: 127.0.0.1:{question.target}\r\n"
        "Accept: text/html, */*\r\nUser-Agent: devenv\r\n\r\n"
    )
    words = _first_line(host, port, request.encode()).split()
    # A redirection is an answer as well, as for the probe inside.
    return len(words) > 1 and words[0].startswith(b"HTTP/") and words[1][:1] in {b"2", b"3"}


def _first_line(host: str, port: int, request: bytes) -> bytes:
    """What the server says first; empty where it says nothing. A connection alone proves nothing.

    The engine's port proxy accepts before the server does, and closes when it finds nobody.
    """
    received = b""
    with suppress(OSError), socket.create_connection((host, port), timeout=PATIENCE_SECONDS) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        connection.sendall(request)
        while b"\n" not in received and len(received) < LONGEST_LINE:
            piece = connection.recv(LONGEST_LINE)
            if not piece:
                break
            received += piece
    return received.partition(b"\n")[0]
