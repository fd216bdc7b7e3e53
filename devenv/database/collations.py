"""Collations of other servers, and what comes nearest to them on one that does not know them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LANGUAGES = {
    "croatian": "hr",
    "czech": "cs",
    "danish": "da",
    "esperanto": "eo",
    "estonian": "et",
    "german2": "de_pb",
    "hungarian": "hu",
    "icelandic": "is",
    "latvian": "lv",
    "lithuanian": "lt",
    "polish": "pl",
    "roman": "la",
    "romanian": "ro",
    "slovak": "sk",
    "slovenian": "sl",
    "spanish": "es",
    "spanish2": "es_trad",
    "swedish": "sv",
    "turkish": "tr",
    "vietnamese": "vi",
}
"""MariaDB's names of languages in collations, and MySQL's."""
UCA1400 = re.compile(
    r"(?:(?P<charset>\w+?)_)?uca1400_(?:(?P<language>\w+?)_)??(?:nopad_)?(?P<tail>a[is]_c[is])"
)
MYSQL_0900 = re.compile(r"utf8mb4_(?:\w+_)?0900_(?P<tail>\w+)")


def replacement(name: str, known: frozenset[str]) -> str | None:
    """A collation that the server knows: the name itself, or the nearest; None where none comes near."""
    return next((candidate for candidate in _candidates(name.lower()) if candidate in known), None)


def charset_replacement(name: str, known: frozenset[str]) -> str | None:
    """A character set that the server knows; `utf8` is what older servers call `utf8mb3`."""
    lowered = name.lower()
    candidates = (lowered, "utf8mb3" if lowered == "utf8" else "utf8" if lowered == "utf8mb3" else lowered)
    if lowered in {"binary", "default"}:
        return lowered
    return next((candidate for candidate in candidates if candidate in known), None)


def _candidates(name: str) -> Iterator[str]:
    yield name
    if name.startswith("utf8_"):
        yield "utf8mb3_" + name.removeprefix("utf8_")
    if name.startswith("utf8mb3_"):
        yield "utf8_" + name.removeprefix("utf8mb3_")
    uca = UCA1400.fullmatch(name)
    if uca is not None:
        yield from _uca1400(uca)
    mysql = MYSQL_0900.fullmatch(name)
    if mysql is not None:
        # A server before MySQL 8, or MariaDB.
        if mysql["tail"] == "bin":
            yield "utf8mb4_bin"
        yield "utf8mb4_unicode_520_ci"
    if "nopad_" in name:
        yield "utf8mb4_0900_bin" if name == "utf8mb4_nopad_bin" else name.replace("nopad_", "")
        yield name.replace("nopad_", "")


def _uca1400(found: re.Match[str]) -> Iterator[str]:
    charset, language, tail = found["charset"] or "utf8mb4", found["language"], found["tail"]
    if charset == "utf8mb4":
        prefix = f"{LANGUAGES[language]}_" if language in LANGUAGES else ""
        yield f"utf8mb4_{prefix}0900_{tail}"
        # MySQL lacks some pairs: rather too exact than too lax, or a unique key might find duplicates.
        yield f"utf8mb4_{prefix}0900_as_cs"
    if tail.endswith("_ci"):
        yield f"{charset}_unicode_520_ci"
        yield f"{charset}_unicode_ci"
    yield f"{charset}_bin"
