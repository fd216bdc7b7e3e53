"""Server variables as MySQL and RDS write them: when two texts mean the same value. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from devenv.production.quantities import size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_RENAMED: Mapping[str, str] = {
    "tx_isolation": "transaction_isolation",
    "tx_read_only": "transaction_read_only",
    "character_set_name": "character_set_server",
    "default_character_set": "character_set_server",
    "default_collation": "collation_server",
    "default_time_zone": "time_zone",
    "log_slave_updates": "log_replica_updates",
    "slave_net_timeout": "replica_net_timeout",
    "skip_log_bin": "log_bin",
}
NO_OPTIONS = frozenset(
    ["character_set_client", "character_set_connection", "character_set_database", "character_set_results",
     "collation_connection", "collation_database"]
)  # fmt: skip
"""Variables of connections: a parameter group has them, and no server can be started with them."""

_ON = frozenset({"on", "1", "true", "yes"})
_OFF = frozenset({"off", "0", "false", "no", ""})
_UTC = frozenset({"utc", "+00:00", "-00:00", "etc/utc", "gmt", "universal", "zulu"})
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_COMBINED = {
    "TRADITIONAL": "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,"
    "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,TRADITIONAL",
    "ANSI": "REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ONLY_FULL_GROUP_BY,ANSI",
}


def canonical_name(name: str) -> str:
    """The variable's name in the newest server, with underscores."""
    plain = name.strip().lower().replace("-", "_").removeprefix("loose_")
    return _RENAMED.get(plain, plain)


def canonical(name: str, value: str, system_time_zone: str = "UTC") -> str:
    """A text that is equal for equal values of the variable."""
    text = value.strip().strip("'\"")
    if name == "sql_mode":
        modes = {part.strip() for part in text.upper().split(",") if part.strip()}
        whole = ",".join(_COMBINED.get(mode, mode) for mode in modes)
        return ",".join(sorted(set(whole.split(","))))
    if name in {"time_zone", "system_time_zone"}:
        zone = (system_time_zone if text.upper() == "SYSTEM" else text).lower()
        return "utc" if zone in _UTC else zone
    if name.startswith(("character_set", "collation")):
        return re.sub(r"\butf8(?=_|\b)", "utf8mb3", text.lower())
    return _scalar(text)


def _scalar(text: str) -> str:
    low = text.lower()
    if low in _ON | _OFF:
        return "1" if low in _ON else "0"
    if _NUMBER.fullmatch(low):
        return f"{float(low):.6f}".rstrip("0").rstrip(".") if "." in low else str(int(low))
    bytes_meant = size(low) if re.fullmatch(r"\d+[kmgt]", low) else None
    return str(bytes_meant) if bytes_meant is not None else low.replace(" ", "")


def option(word: str) -> tuple[str, str] | None:
    """A server option as variable and value; None where the word is none: `--sql-mode=ANSI`, `--skip-log-bin`."""
    if not word.startswith("--"):
        return None
    name, given, value = word[2:].partition("=")
    plain = name.replace("-", "_").removeprefix("loose_")
    if not given and plain.startswith("skip_") and plain not in {"skip_name_resolve", "skip_networking"}:
        return canonical_name(plain.removeprefix("skip_")), "OFF"
    return canonical_name(name), value if given else "ON"


def options(words: Iterable[str]) -> dict[str, str]:
    """All server options among the words; the last of a name wins, as the server takes it."""
    return dict(found for word in words if (found := option(word)) is not None)
