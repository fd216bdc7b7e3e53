"""The tree of errors a user can meet; each knows its code, its exit status and the next command.

    DevenvError                    1  failed
    ├── UsageError                 2  usage
    ├── ConfigError                2  config_invalid          (all problems at once)
    ├── EngineUnavailableError     3  engine_unavailable
    ├── OperationError             1  (code given)
    │   ├── ImageError             1  image_unavailable, pull_denied, build_failed, disk_full ...
    │   └── SeedError              1  seed_failed
    ├── ServiceFailedError         4  service_unhealthy, service_exited, service_paused, timeout ...
    ├── DriftError                 5  drift
    └── RefusedError               6  refused, confirmation_needed

Anything that is not a `DevenvError` is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar


class DevenvError(Exception):
    """An end that the user can act on.

    `message` is one sentence, `where` a place such as `devenv.yaml:12:5`, `hint` the next command,
    `detail` what a script may want to read, `evidence` lines to show below the message.
    """

    code: str = "failed"
    exit_status: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        where: str | None = None,
        hint: str | None = None,
        detail: dict[str, Any] | None = None,
        evidence: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.where = where
        self.hint = hint
        self.detail = detail or {}
        self.evidence = evidence


class UsageError(DevenvError):
    """The command line does not fit: an unknown service, a missing argument."""

    code = "usage"
    exit_status = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the configuration: `where: key: expected ..., got ...`."""

    where: str
    key: str
    text: str
    hint: str | None = None

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.text) if part)


class ConfigError(DevenvError):
    """`devenv.yaml` cannot be used; `problems` holds every reason, never only the first."""

    code = "config_invalid"
    exit_status = 2

    def __init__(self, problems: tuple[Problem, ...], *, hint: str | None = None) -> None:
        first = problems[0]
        super().__init__(
            ": ".join(part for part in (first.key, first.text) if part),
            where=first.where or None,
            hint=hint or first.hint,
        )
        self.problems = problems


class EngineUnavailableError(DevenvError):
    """No Docker engine answers, or Compose or buildx is missing."""

    code = "engine_unavailable"
    exit_status = 3


class OperationError(DevenvError):
    """The operation was understood and attempted, and failed; `code` says how."""


class ImageError(OperationError):
    """An image could neither be found, pulled nor built."""

    code = "image_unavailable"


class RegistryUnreachableError(ImageError):
    """The registry gave no answer; in `auto` the image is built in place of it."""

    code = "registry_unreachable"


class PullDeniedError(ImageError):
    """The registry answered, and does not have or does not give the image."""

    code = "pull_denied"


class SeedError(OperationError):
    """A seed step failed; the data that was there before is untouched."""

    code = "seed_failed"


class ServiceFailedError(DevenvError):
    """A service turned unhealthy, exited or did not become healthy in time."""

    code = "service_unhealthy"
    exit_status = 4


class DriftError(DevenvError):
    """What runs here differs from production."""

    code = "drift"
    exit_status = 5


class RefusedError(DevenvError):
    """Not done, to protect data or another environment."""

    code = "refused"
    exit_status = 6
