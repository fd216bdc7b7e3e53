"""Findings in our words, wherever they come from, and their way into one sorted error."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devenv.config.document import CONFIG_NAME, Document, KeyPath, dotted
from devenv.config.production import Allowed, Contents
from devenv.config.queue import Queue
from devenv.config.section import Section
from devenv.config.settings import Healthcheck, SeedCommand, SeedFile, Settings
from devenv.config.values import EXPECTED, INVARIANT
from devenv.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

# pydantic's type of error -> what was expected. Most values are checked by devenv.config.values before
# pydantic sees them; these are what remains. An unknown type keeps pydantic's own words.
_EXPECTED = {
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "tuple_type": "a list",
    "string_type": "text",
    "too_short": "at least one entry",
}
_SECRET = re.compile(
    r"passw(?:or)?d|passphrase|secret|token|pwd|api_?key|private_?key|credential", re.IGNORECASE
)
_LONGEST = 60


@dataclass(frozen=True)
class Finding:
    """Something wrong at `path`: with its value, or with its key."""

    path: KeyPath
    text: str
    hint: str | None = None
    on_key: bool = False


def is_secret(path: KeyPath) -> bool:
    """Whether the name of the value at `path` says that nobody should see it."""
    names = [part for part in path if isinstance(part, str)]
    return bool(names and _SECRET.search(names[-1]))


def shown(value: Any, path: KeyPath = ()) -> str:
    """What was got, on one line; a secret or a collection only as what kind of thing it is."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if is_secret(path):
        return "something else"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str | int | float) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def did_you_mean(name: Any, candidates: Iterable[str]) -> str | None:
    """The candidate that was probably meant."""
    return next(iter(difflib.get_close_matches(str(name), list(candidates), n=1)), None)


def translate(error: ValidationError) -> list[Finding]:
    """One finding per problem; rules over several keys are left out, devenv.config.rules has them."""
    return [_finding(details) for details in error.errors(include_url=False) if details["type"] != INVARIANT]


def _finding(details: ErrorDetails) -> Finding:
    path: KeyPath = details["loc"]
    on_key = path[-1:] == ("[key]",)
    path = path[:-1] if on_key else path
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return Finding(path, *_unknown(path), on_key=True)
    if kind == "missing":
        return Finding(path, "expected a value, got nothing")
    got = shown(details["input"], () if on_key else path)
    if kind == EXPECTED:
        return Finding(path, f"{details['msg']}, got {got}", context.get("hint"), on_key)
    if kind == "literal_error":
        return Finding(path, f"expected {context['expected'].replace(chr(39), '')}, got {got}")
    what = _EXPECTED.get(kind)
    return Finding(path, f"expected {what}, got {got}" if what else details["msg"], on_key=on_key)


def _unknown(path: KeyPath) -> tuple[str, str | None]:
    name, known = path[-1], known_keys(path[:-1])
    if meant := did_you_mean(name, known):
        return f'unknown key; did you mean "{meant}"?', None
    for section in Settings.model_fields:
        if name in known_keys((section,)) and (section,) != path[:-1]:
            return f'unknown key; did you mean "{section}.{name}"?', None
    return "unknown key", f"known here: {', '.join(known)}"


def known_keys(path: KeyPath) -> list[str]:
    """The keys that the mapping at `path` may have; none where any key is fine."""
    if not path:
        return list(Settings.model_fields)
    if path[:2] == ("database", "seed"):
        return [*SeedFile.model_fields, *SeedCommand.model_fields]
    if path[:2] == ("production", "allow"):
        return list(Allowed.model_fields)
    if path[:2] == ("production", "contents"):
        return list(Contents.model_fields)
    nested: dict[str | int, type[Section]] = {"healthcheck": Healthcheck, "queue": Queue}
    if path[-1] in nested:
        return list(nested[path[-1]].model_fields)
    field = Settings.model_fields.get(str(path[0]))
    model = field.annotation if field else None
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, Section) else []


def config_error(findings: Iterable[Finding], document: Document) -> ConfigError:
    """All findings as one error, in the order in which they stand in the files."""
    placed = []
    for finding in findings:
        locate = document.key_position_of if finding.on_key else document.position_of
        place = locate(finding.path)
        problem = Problem(str(place), dotted(finding.path), finding.text, finding.hint)
        placed.append(
            ((place.file != CONFIG_NAME, place.line, place.column, problem.key, problem.text), problem)
        )
    return ConfigError(tuple(problem for _, problem in sorted(placed, key=lambda pair: pair[0])))


def mapping_at(data: Mapping[Any, Any], *path: str) -> dict[Any, Any]:
    """The mapping at `path`, or an empty one where there is something else; for data not yet checked."""
    value: Any = data
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def list_at(data: Mapping[Any, Any], *path: str) -> list[Any]:
    """The list at `path`, or an empty one where there is something else; for data not yet checked."""
    value = mapping_at(data, *path[:-1]).get(path[-1])
    return list(value) if isinstance(value, list | tuple) else []
