"""Vendor exceptions into ours, by table: the most specific row that fits wins."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import docker.errors
import requests.exceptions

from devenv.engine.api import PullDeniedError, RegistryUnreachableError
from devenv.errors import DevenvError, EngineUnavailableError, ImageError, OperationError

if TYPE_CHECKING:
    from collections.abc import Iterator

START_HINT = "start the engine, or let `devenv setup` find or install one"

UNREACHABLE = re.compile(
    r"no such host|connection refused|connection reset|i/o timeout|timeout exceeded|deadline exceeded"
    r"|request canceled|server misbehaving|network is unreachable|no route to host|proxyconnect"
    r"|tls: |x509: |handshake|\bEOF\b|toomanyrequests|50[0234] |service unavailable|bad gateway"
    r"|temporary failure in name resolution",
    re.IGNORECASE,
)
"""What the engine says when a registry does not answer, or not for long enough."""


def pull_error(reference: str, text: str) -> ImageError:
    """The reason why a pull failed, told from the engine's words: it gives no code for it."""
    reason = text.strip() or "the engine gave no reason"
    if UNREACHABLE.search(reason):
        return RegistryUnreachableError(f"the registry of {reference} cannot be reached", evidence=(reason,))
    return PullDeniedError(
        f"the registry does not give {reference}",
        evidence=(reason,),
        hint="check the image's name and tag, and `docker login` if it is private",
    )


def is_missing_object(error: BaseException) -> bool:
    """Whether the engine said that the named object does not exist."""
    return isinstance(error, docker.errors.NotFound)


def is_name_taken(error: BaseException) -> bool:
    """Whether the engine said that an object of that name exists."""
    return isinstance(error, docker.errors.APIError) and error.status_code == 409


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise what the SDK raises as ours: "cannot {doing}: reason"."""
    try:
        yield
    except DevenvError:
        raise
    except (requests.exceptions.ConnectionError, requests.exceptions.Timeout) as error:
        raise EngineUnavailableError(
            f"the Docker engine stopped answering: cannot {doing}", hint=START_HINT, evidence=(str(error),)
        ) from error
    except docker.errors.APIError as error:
        reason = str(error.explanation or error)
        raise _operation_error(doing, reason) from error
    except docker.errors.DockerException as error:
        raise EngineUnavailableError(
            f"no Docker engine answers: cannot {doing}", hint=START_HINT, evidence=(str(error),)
        ) from error


def _operation_error(doing: str, reason: str) -> OperationError:
    """Name the causes that a user can mend; the rest keep the engine's words."""
    if "port is already allocated" in reason or "address already in use" in reason:
        return OperationError(
            f"cannot {doing}: {reason}",
            code="port_in_use",
            hint="run `devenv up` again: it chooses a free port; `devenv doctor` names the holder",
        )
    if "no space left on device" in reason:
        return OperationError(
            f"cannot {doing}: {reason}",
            code="disk_full",
            hint="free some room: `docker system df` shows what Docker holds",
        )
    return OperationError(f"cannot {doing}: {reason}", code="engine_refused")
