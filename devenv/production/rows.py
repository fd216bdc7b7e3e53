"""The result of comparing: one row per thing compared, each with its verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

NOTHING = "-"
"""How a side is shown that does not have the thing."""


class Verdict(StrEnum):
    """What a row comes to."""

    SAME = "same"
    EXPECTED = "expected"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class Fix:
    """What `devenv.yaml` would have to say: this value at this path."""

    path: tuple[str, ...]
    value: str


@dataclass(frozen=True, slots=True)
class Row:
    """One thing on both sides, as it may be shown; None where a side does not have it.

    `what` names it for people and for `production.allow`: `backend.image`, `database.parameters.sql_mode`.
    `reason` says why a difference is expected, `where` which place of the manifest (or of what stands
    beside it) the production side comes from.
    """

    what: str
    production: str | None
    here: str | None
    verdict: Verdict
    reason: str = ""
    where: str = ""
    fix: Fix | None = None

    def __str__(self) -> str:
        text = f"{self.what}: production {self.production or NOTHING}, here {self.here or NOTHING}"
        return f"{self.where}: {text}" if self.where else text


@dataclass(frozen=True, slots=True)
class Report:
    """All rows of a comparison, in the order of the services."""

    rows: tuple[Row, ...]

    def of(self, verdict: Verdict) -> tuple[Row, ...]:
        """The rows with a verdict."""
        return tuple(row for row in self.rows if row.verdict is verdict)

    @property
    def drift(self) -> tuple[Row, ...]:
        """The differences that nobody meant."""
        return self.of(Verdict.DRIFT)
