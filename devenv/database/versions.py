"""Versions of MySQL servers, and whether data of the one can be used by the other."""

from __future__ import annotations

import re
from enum import StrEnum

NUMBERS = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
BANNER = re.compile(r"\bVer\s+(\S+)")
MARIADB = "mariadb"


class Fit(StrEnum):
    """What a server makes of a data directory."""

    SAME = "same"
    UPGRADE = "upgrade"
    TOO_NEW = "too new"
    FOREIGN = "foreign"


def fit(data: str, server: str) -> Fit:
    """What a server of version `server` makes of data that version `data` wrote.

    MySQL upgrades data when it starts and never downgrades them. MariaDB's data are another product's, and
    of a version that says nothing we expect nothing.
    """
    written, reads = NUMBERS.search(data), NUMBERS.search(server)
    if written is None or reads is None or (MARIADB in data.lower()) != (MARIADB in server.lower()):
        return Fit.FOREIGN
    before, now = _tuple(written), _tuple(reads)
    if before == now:
        return Fit.SAME
    return Fit.UPGRADE if before < now else Fit.TOO_NEW


def version_of_banner(text: str) -> str:
    """The version out of what `mysqld --version` prints; empty where it is not in there."""
    found = BANNER.search(text)
    return found[1] if found else ""


def _tuple(found: re.Match[str]) -> tuple[int, ...]:
    return tuple(int(part or 0) for part in found.groups())
