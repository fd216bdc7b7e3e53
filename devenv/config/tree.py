"""Located values: merged over each other, then flattened into a document with its references replaced."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from devenv.config.document import Document, KeyPath, Position, dotted
from devenv.config.scalars import kind_of, read_as
from devenv.config.variables import VariableError, interpolate
from devenv.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

# Other words than ours: Compose interpolates what stands under `services`, and `x-...` only feeds anchors.
_UNTOUCHED = re.compile(r"services\Z|x-")


@dataclass(frozen=True)
class Located:
    """A value with its place: a scalar, or a dict or list of `Located`.

    `written` is the text of a bare word; None says that the value was quoted or is no scalar.
    """

    value: Any
    position: Position
    key: Position | None = None
    written: str | None = None


def merge(base: Located, over: Located) -> Located:
    """`over` laid on `base`: mappings merge deeply, anything else replaces; places travel along.

    A mapping stays where nothing is laid on it: `backend:` with all its lines commented out says nothing of it.
    """
    if not isinstance(base.value, dict):
        return over
    if over.value is None:
        return base
    if not isinstance(over.value, dict):
        return over
    result = dict(base.value)
    for name, value in over.value.items():
        result[name] = merge(result[name], value) if name in result else value
    return replace(base, value=result)


def flatten(tree: Located, variables: Mapping[str, str]) -> tuple[Document, list[Problem]]:
    """The document that `tree` holds, and one problem for every reference that cannot be replaced."""
    flattener = _Flattener(variables)
    data = flattener.plain(tree, ())
    return Document(data, flattener.positions, flattener.keys, flattener.texts), flattener.problems


class _Flattener:
    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.problems: list[Problem] = []
        self.positions: dict[KeyPath, Position] = {}
        self.keys: dict[KeyPath, Position] = {}
        self.texts: dict[KeyPath, str] = {}

    def plain(self, node: Located, path: KeyPath) -> Any:
        self.positions[path] = node.position
        if node.key:
            self.keys[path] = node.key
        if isinstance(node.value, dict):
            return {name: self.plain(value, (*path, name)) for name, value in node.value.items()}
        if isinstance(node.value, list):
            return [self.plain(value, (*path, index)) for index, value in enumerate(node.value)]
        if isinstance(node.value, str):
            return self.text(node, path)
        if node.written is not None:
            self.texts[path] = node.written
        return node.value

    def text(self, node: Located, path: KeyPath) -> Any:
        if "$" not in node.value or _UNTOUCHED.match(str(path[0])):
            return node.value
        try:
            text = interpolate(node.value, self.variables)
        except VariableError as error:
            self.problems.append(Problem(str(node.position), dotted(path), error.text, error.hint))
            return None
        kind = kind_of(text)
        # An empty variable is empty text, not null: `${NAME:-}` is how people write "none".
        if node.written is None or kind == "str" or not text:
            return text
        self.texts[path] = text
        return read_as(kind, text)
