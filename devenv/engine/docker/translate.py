"""The engine's words and the SDK's exceptions into ours, by table: the most specific row that fits wins."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from devenv.engine.docker.connection import START_HINT
from devenv.engine.docker.refusals import FREE_ROOM, GONE, refusal, speaks_of_full_disk, unwrapped
from devenv.errors import (
    EngineUnavailableError,
    ImageError,
    OperationError,
    PullDeniedError,
    RegistryUnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from devenv.errors import DevenvError

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
    if speaks_of_full_disk([reason]):
        return no_room(f"pull {reference}", (reason,))
    if UNREACHABLE.search(reason):
        return RegistryUnreachableError(f"the registry of {reference} cannot be reached", evidence=(reason,))
    return PullDeniedError(
        f"the registry does not give {reference}",
        evidence=(reason,),
        hint="check the image's name and tag, and `docker login` if it is private",
    )


def build_error(tag: str, context: Path, lines: tuple[str, ...]) -> ImageError:
    """The reason why a build failed, told from its last lines."""
    if speaks_of_full_disk(lines):
        return no_room(f"build {tag}", lines)
    return ImageError(
        f"building {tag} from {context} failed",
        code="build_failed",
        evidence=lines,
        hint="mend what the last lines name, then run `devenv up` again",
    )


def no_room(doing: str, evidence: tuple[str, ...]) -> ImageError:
    """The error for an image that the engine's disk has no room for."""
    return ImageError(
        f"cannot {doing}: the engine's disk is full", code="disk_full", evidence=evidence, hint=FREE_ROOM
    )


def sdk_error(doing: str, error: Exception) -> DevenvError | None:
    """What the SDK raised, as ours: "cannot {doing}: reason"; None where it is none of the SDK's."""
    import docker.errors
    import requests.exceptions

    evidence = (str(error),)
    if isinstance(error, requests.exceptions.ConnectionError | requests.exceptions.Timeout):
        message = f"the Docker engine stopped answering: cannot {doing}"
        return EngineUnavailableError(message, hint=START_HINT, evidence=evidence)
    if isinstance(error, docker.errors.APIError):
        return refused(doing, str(error.explanation or error))
    if isinstance(error, docker.errors.DockerException):
        message = f"no Docker engine answers: cannot {doing}"
        return EngineUnavailableError(message, hint=START_HINT, evidence=evidence)
    return None


def refused(doing: str, reason: str) -> DevenvError:
    """What the engine answered, as ours; words that the table does not know are the message."""
    return operation_error(doing, [reason]) or OperationError(
        f"cannot {doing}: {reason}", code="engine_refused", detail={"reason": unwrapped(reason)}
    )


def operation_error(doing: str, lines: Sequence[str], evidence: tuple[str, ...] = ()) -> DevenvError | None:
    """What the engine's or Compose's words mean; None where the table does not know them."""
    if any(GONE.search(line) for line in lines):
        return EngineUnavailableError(
            f"the Docker engine stopped answering: cannot {doing}", hint=START_HINT, evidence=tuple(lines)
        )
    known = refusal(lines)
    if known is None:
        return None
    return OperationError(
        f"cannot {doing}: {known.reason}",
        code=known.code,
        hint=known.hint,
        detail={**known.detail, "reason": known.reason},
        evidence=evidence,
    )
