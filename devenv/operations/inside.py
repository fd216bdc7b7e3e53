"""Look into containers and run commands in them: logs, exec and shell."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from devenv.errors import OperationError, UsageError
from devenv.events import Event, Status
from devenv.operations.lifecycle import check_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from devenv.engine.observed import LogLine, ObservedContainer
    from devenv.operations.session import Session

SHELL = ("sh", "-c", "if command -v bash >/dev/null; then exec bash; else exec sh; fi")


@dataclass(frozen=True)
class LogOptions:
    """Which lines: of `services` (all if empty), the last `tail`, since a time, that match `grep`."""

    services: tuple[str, ...] = ()
    tail: int | None = None
    since: int | None = None
    """Unix time in seconds."""
    grep: str | None = None
    follow: bool = False


def logs(session: Session, options: LogOptions) -> Iterator[LogLine]:
    """The lines of the services, merged in the order of their time stamps.

    A container whose log cannot be read is left out with a warning; raises OperationError `log_unreadable` where
    none can.
    """
    observed = session.observe()
    if not observed.containers:
        raise OperationError(
            "this environment has no containers, so it has no logs",
            code="not_up",
            hint="bring it up with `devenv up`",
        )
    names = check_names(observed, options.services)
    chosen = replace(
        observed,
        containers=tuple(one for one in observed.containers if not names or one.service in names),
    )
    unreadable: list[tuple[str, str]] = []

    def note(container: ObservedContainer, error: OperationError) -> None:
        unreadable.append((container.service, error.detail.get("reason", error.message)))

    lines = session.engine.logs(
        chosen, tail=options.tail, since=options.since, follow=options.follow, on_unreadable=note
    )
    if len(unreadable) == len(chosen.containers):
        service, reason = unreadable[0]
        raise OperationError(
            f"the log of {service} cannot be read: {reason}",
            code="log_unreadable",
            hint="`devenv status` shows whether it is there; a `logging:` driver such as local keeps what it writes",
        )
    for service, reason in unreadable:
        session.events.emit(Event(service, Status.WARNING, f"its log cannot be read: {reason}"))
    return matching(lines, options.grep)


def matching(lines: Iterable[LogLine], grep: str | None) -> Iterator[LogLine]:
    """The lines that match; raises UsageError for what is no regular expression, before the first is read."""
    pattern = _pattern(grep)
    return (line for line in lines if pattern is None or pattern.search(line.text))


def execute(session: Session, service: str, command: tuple[str, ...], *, tty: bool, user: str | None) -> int:
    """Run a command in a service's container, with this process's terminal; its exit status."""
    container = running_container(session, service)
    return session.engine.attach(container.id, command, tty=tty, user=user)


def shell(session: Session, service: str, *, tty: bool, user: str | None) -> int:
    """The best shell that the container has."""
    return execute(session, service, SHELL, tty=tty, user=user)


def running_container(session: Session, service: str) -> ObservedContainer:
    """The first running container of a service; the error says whether it is unknown, absent or stopped."""
    observed = session.observe()
    for name in check_names(observed, (service,)):
        for container in observed.of(name):
            if container.is_running:
                return container
    raise OperationError(
        f"{service} does not run", code="not_running", hint=f"start it with `devenv up {service}`"
    )


def _pattern(text: str | None) -> re.Pattern[str] | None:
    if text is None:
        return None
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(f'--grep: expected a regular expression, got "{text}": {error}') from error
