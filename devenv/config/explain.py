"""Where every value comes from, for `devenv config`. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devenv.config.document import Document, KeyPath, dotted
from devenv.config.problems import is_secret
from devenv.config.section import Section
from devenv.config.settings import Mapping, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)=")


@dataclass(frozen=True)
class Resolved:
    """One value in effect; `origin` is `file:line:column` or `default`, a secret is not to be shown."""

    path: KeyPath
    value: Any
    origin: str
    secret: bool

    @property
    def key(self) -> str:
        """The path as people write it."""
        return dotted(self.path)


def explain(settings: Settings, document: Document) -> list[Resolved]:
    """Every value of `settings` that holds no others, in their order; empty collections count as values."""
    return [
        Resolved(path, value, _origin(path, document), _hides(path, value))
        for path, value in _leaves(settings, ())
    ]


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    entries: list[tuple[str | int, Any]] = []
    if isinstance(value, Mapping):
        value = str(value)  # as people write it
    elif isinstance(value, Section):
        entries = [(name, getattr(value, name)) for name in type(value).model_fields]
    elif isinstance(value, dict):
        entries = list(value.items())
    elif isinstance(value, list | tuple):
        entries = list(enumerate(value))
    if not entries:
        yield path, value
    for name, entry in entries:
        yield from _leaves(entry, (*path, name))


def _origin(path: KeyPath, document: Document) -> str:
    return str(document.position_of(path)) if document.holds(path) else "default"


def _hides(path: KeyPath, value: Any) -> bool:
    if value is None or isinstance(value, bool):
        return False
    # Compose also takes environment variables as a list of NAME=value.
    assigned = _ASSIGNMENT.match(value) if isinstance(value, str) and isinstance(path[-1], int) else None
    return is_secret((assigned[1],)) if assigned else is_secret(path)
