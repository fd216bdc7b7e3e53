"""From two sides of a thing to its row: verdicts, reasons, and nothing secret in what is shown. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from devenv.config.problems import is_secret
from devenv.production.rows import Fix, Row, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devenv.config.document import Position
    from devenv.config.production import Allowed
    from devenv.production.facts import Facts
    from devenv.production.manifest import Manifest

    Place = Position | str | None

HIDDEN = "***"
_ASSIGNED = re.compile(r"((?P<name>[\w.-]+)(?:=|\s*:\s+))[^\s'\",;]+")
_OPTION = re.compile(r"((?<!\S)(?P<name>--?[\w.-]+)\s+)(?!-)\S+")
_IN_ADDRESS = re.compile(r"(://[^/\s:@]*:)[^/\s@]+@")
_LONGEST = 200
_SURE = 6
"""A secret of so many characters is hidden wherever it stands, a shorter one only as a whole word."""


@dataclass(frozen=True)
class Judge:
    """Makes the rows of one comparison."""

    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    allowed: tuple[Allowed, ...] = ()

    def same(self, what: str, production: str | None, here: str | None, at: Place = None) -> Row:
        """The row of two sides that are equal, however each writes it."""
        return self._row(what, (production, here), at, Verdict.SAME)

    def differs(
        self,
        what: str,
        production: str | None,
        here: str | None,
        at: Place = None,
        *,
        reason: str = "",
        fix: Fix | None = None,
    ) -> Row:
        """The row of a difference: expected for a built-in `reason` or an allowed one, else drift."""
        if reason:
            return replace(self._row(what, (production, here), at, Verdict.EXPECTED), reason=reason)
        row = self._row(what, (production, here), at, Verdict.DRIFT)
        for allowed in self.allowed:
            if fnmatchcase(what, allowed.what):
                return replace(row, verdict=Verdict.EXPECTED, reason=allowed.reason)
        return replace(row, fix=fix)

    def compared(
        self,
        what: str,
        production: str | None,
        here: str | None,
        at: Place = None,
        *,
        reason: str = "",
        fix: Fix | None = None,
    ) -> Row:
        """The row of two texts, which are the same where they are equal."""
        if production == here:
            return self.same(what, production, here, at)
        return self.differs(what, production, here, at, reason=reason, fix=fix)

    def _row(self, what: str, sides: tuple[str | None, str | None], at: Place, verdict: Verdict) -> Row:
        production, here = (self.cleaned(side) for side in sides)
        return Row(what, production, here, verdict, where=str(at or ""))

    def cleaned(self, text: str | None) -> str | None:
        """The text on one line, without secrets."""
        if text is None:
            return None
        text = _IN_ADDRESS.sub(rf"\g<1>{HIDDEN}@", text)
        text = _OPTION.sub(_hidden, _ASSIGNED.sub(_hidden, text))
        for secret in self.secrets:
            pattern = re.escape(secret)
            if len(secret) < _SURE:
                pattern = rf"(?:(?<=-p)|(?<![\w/.-])){pattern}(?![\w/.-])"  # `mysql -ptoor` too
            text = re.sub(pattern, HIDDEN, text)
        text = " ".join(text.split())
        return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _hidden(match: re.Match[str]) -> str:
    """The value behind a name that says that it is secret hidden."""
    return f"{match[1]}{HIDDEN}" if is_secret((match["name"],)) else match[0]


def secrets_of(manifest: Manifest, facts: Facts) -> frozenset[str]:
    """Every value that a name calls a secret, on both sides."""
    pairs: list[tuple[str, str | None]] = [
        (one.name, one.value) for service in manifest.services for one in service.environment
    ]
    pairs += [pair for service in facts.services for pair in service.environment.items()]
    named = (value for name, value in pairs if value and is_secret((name,)))
    return frozenset(named) | facts.secrets


def unused(allowed: Iterable[Allowed], rows: Iterable[Row]) -> tuple[str, ...]:
    """The allowances that no row needed: what they were about is gone, or their pattern is misspelt."""
    reasons = {(row.reason, row.what) for row in rows if row.verdict is Verdict.EXPECTED}
    return tuple(
        one.what
        for one in allowed
        if not any(reason == one.reason and fnmatchcase(what, one.what) for reason, what in reasons)
    )
