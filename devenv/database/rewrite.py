"""What a statement of another server must look like for ours: its structure, never its data."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from devenv.database.collations import charset_replacement, replacement
from devenv.database.server import quoted
from devenv.errors import OperationError

LITERAL = rb"""'(?:[^'\\]++|\\.|'')*+'|"(?:[^"\\]++|\\.|"")*+"|`[^`]*+`"""
USER = rb"""(?:'[^']*'|"[^"]*"|`[^`]*`|[\w%.$-]+)"""
PARTS = re.compile(
    rb"(?P<definer>\bDEFINER\s*=\s*(?:CURRENT_USER(?:\s*\(\s*\))?|"
    + USER
    + rb"(?:\s*@\s*"
    + USER
    + rb")?)\s*)"
    rb"|(?P<mariadb>/\*(?:M!\d*|!1\d{5})(?:[^*]++|\*(?!/))*+\*/)"
    rb"|(?P<collate>\b(?:COLLATE\b\s*=?|collation_\w+\s*=)\s*)(?P<mark>['\"`]?)(?P<collation>\w+)(?P=mark)"
    rb"|(?P<charset>\b(?:(?:CHARSET|CHARACTER\s+SET)\b\s*=?|SET\s+NAMES|character_set_\w+\s*=)\s*)"
    rb"(?P<mark2>['\"`]?)(?P<set>[A-Za-z]\w*)(?P=mark2)"
    rb"|" + LITERAL,
    re.IGNORECASE | re.DOTALL,
)
CREATES_CODE = re.compile(
    rb"(?:\s|/\*!\d*)*(?:CREATE|ALTER)\b(?:[^'`\"]|" + LITERAL + rb"){0,300}?"
    rb"\b(?:VIEW|TRIGGER|FUNCTION|PROCEDURE|EVENT)\b",
    re.IGNORECASE | re.DOTALL,
)
SQL_MODE = re.compile(rb"(\bSQL_MODE\s*=\s*)'([^']*)'", re.IGNORECASE)
IS_SET = re.compile(rb"(?:\s|/\*!\d*)*SET\b", re.IGNORECASE)
OLD_MODES = frozenset(
    b"NO_AUTO_CREATE_USER POSTGRESQL ORACLE MSSQL DB2 MAXDB MYSQL323 MYSQL40 NO_KEY_OPTIONS NO_TABLE_OPTIONS "
    b"NO_FIELD_OPTIONS IGNORE_BAD_TABLE_OPTIONS EMPTY_STRING_IS_NULL SIMULTANEOUS_ASSIGNMENT "
    b"TIME_ROUND_FRACTIONAL".split()
)
"""Modes of MySQL before 8 and of MariaDB, which MySQL refuses to set."""
DATABASE_NAME = re.compile(
    rb"(?P<before>\s*(?:/\*!\d+\s*)?(?:USE|(?:CREATE|DROP|ALTER)\s+(?:DATABASE|SCHEMA))\s+"
    rb"(?:/\*!\d+\s*IF\s+(?:NOT\s+)?EXISTS\s*\*/\s*|IF\s+(?:NOT\s+)?EXISTS\s+)?)"
    rb"(?P<name>`(?:[^`]|``)+`|[\w$]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Names:
    """The collations and character sets that the server knows."""

    collations: frozenset[str]
    charsets: frozenset[str]


@dataclass
class Changes:
    """What was changed, for people: how often, by what."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, what: str) -> None:
        """Count one change."""
        self.counts[what] = self.counts.get(what, 0) + 1


def rewrite(text: bytes, names: Names, changes: Changes) -> bytes:
    """A statement without data, as our server understands it; literals stay as they are.

    DEFINERs go, so that what is defined belongs to who imports. Code for MariaDB alone goes. Collations that
    the server does not know become their nearest; raises OperationError where there is none.
    """
    creates_code = CREATES_CODE.match(text) is not None

    def replaced(found: re.Match[bytes]) -> bytes:
        if found["definer"]:
            if not creates_code:
                return found[0]
            changes.add("DEFINER left out")
            return b""
        if found["mariadb"]:
            changes.add("code for MariaDB alone left out")
            # A statement may end on the comment's last line: its lines stay.
            return b"\n" * found[0].count(b"\n")
        if found["collation"]:
            return (
                found["collate"]
                + found["mark"]
                + _collation(found["collation"], names, changes)
                + found["mark"]
            )
        # In code `charset` may be anybody's column.
        if found["set"] and not creates_code:
            return found["charset"] + found["mark2"] + _charset(found["set"], names, changes) + found["mark2"]
        return found[0]

    text = PARTS.sub(replaced, text)
    if IS_SET.match(text):
        text = SQL_MODE.sub(lambda found: found[1] + b"'" + _modes(found[2], changes) + b"'", text)
    return text


def renamed(text: bytes, database: str) -> bytes:
    """USE, CREATE DATABASE and the like for another database."""
    found = DATABASE_NAME.match(text)
    if found is None:
        return text
    return found["before"] + quoted(database).encode() + text[found.end() :]


def _collation(name: bytes, names: Names, changes: Changes) -> bytes:
    wanted = name.decode()
    if wanted.startswith("@") or wanted.lower() == "default":
        return name
    found = replacement(wanted, names.collations)
    if found is None:
        raise _unknown("collation", wanted)
    if found != wanted.lower():
        changes.add(f"collation {wanted} -> {found}")
        return found.encode()
    return name


def _charset(name: bytes, names: Names, changes: Changes) -> bytes:
    wanted = name.decode()
    found = charset_replacement(wanted, names.charsets)
    if found is None:
        raise _unknown("character set", wanted)
    if found != wanted.lower() and {found, wanted.lower()} != {"utf8", "utf8mb3"}:
        changes.add(f"character set {wanted} -> {found}")
    return name if found == wanted.lower() else found.encode()


def _modes(modes: bytes, changes: Changes) -> bytes:
    kept = [mode for mode in modes.split(b",") if mode.strip().upper() not in OLD_MODES]
    if len(kept) != len(modes.split(b",")):
        changes.add("SQL modes of older servers left out")
    return b",".join(kept)


def _unknown(what: str, name: str) -> OperationError:
    return OperationError(
        f"expected a {what} that the server knows, found {name}, and nothing comes near to it",
        code="unknown_collation",
        hint=f"replace {name} in the dump, or run the database that knows it: `database.image` in devenv.yaml",
        detail={"name": name},
    )
