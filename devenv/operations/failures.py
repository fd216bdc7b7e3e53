"""Errors of a start leave with the service they are about, its place in `devenv.yaml` and the next command."""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.environments.ports import holder_of
from devenv.errors import DevenvError, EngineUnavailableError, OperationError, SeedError, ServiceFailedError
from devenv.events import Event, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devenv.model import Project
    from devenv.operations.session import Session

BOUND_PORT = r"[\d\]]:(\d{1,5})(?:: bind| failed)"
"""How the engine names the port that it could not bind."""


@contextmanager
def explained(session: Session, project: Project) -> Iterator[None]:
    """Whatever the block raises says which service is concerned and where that is defined."""
    try:
        yield
    except EngineUnavailableError as error:
        error.hint = f"{error.hint}; then `devenv up` goes on with what is there"
        raise
    except SeedError:
        raise
    except (OperationError, ServiceFailedError) as error:
        service = error.detail.get("service") or _service(session, project, error)
        if service is not None:
            _name(session, error, service)
        raise


def _name(session: Session, error: DevenvError, service: str) -> None:
    from devenv.blame import places_of  # noqa: PLC0415 - only what fails needs it

    if isinstance(error, OperationError) and error.detail.get("service") is None:
        error.detail["service"] = service
        if "reason" in error.detail:
            reason = str(error.detail["reason"])
            error.message = f"{service} cannot be started: {reason}"
            error.evidence = tuple(line for line in error.evidence if reason not in line)
        session.events.emit(Event(service, Status.FAILED, "cannot be started"))
    if error.code == "mount_missing":
        _tell_unshared(error)
    if error.code == "port_in_use":
        _tell_holder(session, error)
    places = places_of(service, "waiting" if "waiting_for" in error.detail else error.code)
    written = next((place for place in places if session.document.holds(place)), places[-1])
    session.located(error, *written)


def _tell_unshared(error: DevenvError) -> None:
    """A folder that is here, but that the engine does not find, is on another machine than the engine."""
    path = error.detail.get("mount")
    if path is not None and Path(path).exists():
        error.code = "mount_not_shared"
        error.hint = (
            f"the folder is here, but not where the engine runs: share {path} with it "
            "(Docker Desktop: Settings, Resources, File sharing), or map one that it sees"
        )


def _tell_holder(session: Session, error: DevenvError) -> None:
    """Who holds the port. One of ours moves by itself at the next `up`; one of the user's own stays as it is."""
    match = re.search(BOUND_PORT, str(error.detail.get("reason")))
    if match is None:
        return
    port = int(match[1])
    holders = {holder.port: holder.container for holder in session.engine.published_ports()}
    holder = holder_of(port, holders, session.bound_address)
    error.detail |= {"port": port, "holder": holder}
    if holder is not None and port not in session.workspace.recall().ports.values():
        error.hint = f"{port} is held by {holder}: stop it, or publish another port under `ports`"


def _service(session: Session, project: Project, error: DevenvError) -> str | None:
    """Which service an error of the engine or of Compose is about."""
    from devenv.blame import service_in  # noqa: PLC0415 - likewise

    text = "\n".join((error.message, *error.evidence))
    with suppress(DevenvError):
        for container in session.observe().containers:
            if container.error and str(error.detail.get("reason")) in container.error:
                return container.service
    return service_in(text, project, error.detail.get("image"))
