"""A Compose file as Compose understands it, for the engine in memory."""

from __future__ import annotations

import shlex
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def read(file: Path) -> dict[str, Any]:
    """The Compose file as Compose understands it: `$$` is one `$`."""
    return _parsed(file.read_text(encoding="utf-8"))


@lru_cache(maxsize=16)
def _parsed(text: str) -> dict[str, Any]:
    # The library's parser in C, where it was built: ten times as fast.
    document: dict[str, Any] = _unescaped(yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    return document


def _unescaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unescaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unescaped(item) for item in value]
    return value.replace("$$", "$") if isinstance(value, str) else value


def with_dependencies(definitions: Mapping[str, Any], services: Sequence[str] | None) -> list[str]:
    """These services, all where None are named, and what they depend on, in the file's order."""
    queue = list(definitions if services is None else services)
    wanted: set[str] = set()
    while queue:
        name = queue.pop()
        if name not in wanted:
            wanted.add(name)
            queue += definitions[name].get("depends_on") or ()
    return [name for name in definitions if name in wanted]


def uncounted(definition: Mapping[str, Any]) -> dict[str, Any]:
    """What Compose compares: the definition, however many there are to be."""
    counted = {key: value for key, value in definition.items() if key != "scale"}
    if isinstance(definition.get("deploy"), dict):
        counted["deploy"] = {key: value for key, value in definition["deploy"].items() if key != "replicas"}
    return counted


def replicas(definition: Mapping[str, Any]) -> int:
    """How many containers it is to have."""
    return int((definition.get("deploy") or {}).get("replicas", definition.get("scale", 1)))


def environment(definition: Mapping[str, Any]) -> dict[str, str]:
    """A service's environment; Compose takes a list of `NAME=value` too."""
    given = definition.get("environment") or {}
    if isinstance(given, list):
        given = dict(str(item).partition("=")[::2] for item in given)
    return {str(name): str(value) for name, value in given.items()}


def published(port: Any) -> tuple[int, int]:
    """Container port and published port, of the long form or of `address:published:target`."""
    if isinstance(port, dict):
        return int(port["target"]), int(port["published"])
    published, target = str(port).split(":")[-2:]
    return int(target), int(published)


def argv(given: Any) -> tuple[str, ...]:
    """A command's words; Compose takes a line of them too."""
    return tuple(shlex.split(given)) if isinstance(given, str) else tuple(given or ())
