"""Change one value in the text of `devenv.yaml`, and leave every comment and line around it as it is. Pure."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any

from devenv.config.document import CONFIG_NAME, Document, dotted
from devenv.config.scalars import kind_of
from devenv.config.source import read_trees
from devenv.config.tree import flatten
from devenv.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devenv.errors import Problem

_PLAIN = re.compile(r"[A-Za-z0-9_./@+][A-Za-z0-9_./@+:-]*")


def with_value(text: str, path: Sequence[str], value: str) -> str:
    """The text with `value` at `path`; keys that are missing are added.

    Raises:
        OperationError: `cannot_edit`, where the place is written in a way that this does not understand,
            such as an alias. The result is read again: it says the new value, and otherwise what it said.
    """
    before = _document(text)
    after = None
    if before is not None:
        edited = _edited(text, before, tuple(path), value)
        after = _document(edited)
        if after is not None and _comparable(after) == _expected(before, path, value):
            return edited
    raise OperationError(
        f"{dotted(tuple(path))} cannot be changed here without changing something else",
        code="cannot_edit",
        where=str(before.position_of(tuple(path))) if before else CONFIG_NAME,
        hint=f"write it yourself: {dotted(tuple(path))}: {_scalar(value)}",
    )


def _document(text: str) -> Document | None:
    """The text read; None where it is not valid. References are left alone."""
    problems: list[Problem] = []
    trees = read_trees(CONFIG_NAME, text.replace("$", "\N{CURRENCY SIGN}"), problems)
    if problems or len(trees) > 1:
        return None
    if not trees or trees[0].value is None:
        return Document({}, {})
    return flatten(trees[0], {})[0] if isinstance(trees[0].value, dict) else None


def _comparable(document: Document) -> dict[str, Any]:
    """The data with numbers as they are written."""
    data = copy.deepcopy(document.data)
    for path, written in document.texts.items():
        holder: Any = data
        for part in path[:-1]:
            holder = holder[part]
        holder[path[-1]] = written
    return data


def _expected(before: Document, path: Sequence[str], value: str) -> dict[str, Any]:
    data = _comparable(before)
    holder = data
    for part in path[:-1]:
        if not isinstance(holder.get(part), dict):
            holder[part] = {}
        holder = holder[part]
    holder[path[-1]] = value
    return data


def _edited(text: str, document: Document, path: tuple[str, ...], value: str) -> str:
    known = next(
        length for length in range(len(path), -1, -1) if not length or path[:length] in document.keys
    )
    lines = text.splitlines(keepends=True)
    rest = path[known:]
    if not known:
        ending = "" if not text or text.endswith("\n") else "\n"
        return text + ending + "".join(_nested(rest, value, 0, _break(lines)))
    holder = path[:known]
    key, at = document.keys[holder], document.positions[holder]
    found: Any = document.data
    for part in holder:
        found = found[part]
    if not rest:
        return _replaced(text, _offset(lines, at.line, at.column), value)
    line = lines[at.line - 1]
    if found == {} and line[: at.column + 1] == f"{' ' * (key.column - 1)}{holder[-1]}: {{}}":
        # Empty braces in a line of their own become lines below it: a diff of them is read with ease.
        new = _nested(rest, value, key.column + 1, _break(lines))
        emptied = f"{line[: at.column - 2]}{line[at.column + 1 :]}".rstrip() + _break(lines)
        return "".join([*lines[: at.line - 1], emptied, *new, *lines[at.line :]])
    if isinstance(found, dict) and line[at.column - 1 : at.column] == "{":
        offset = _offset(lines, at.line, at.column) + 1
        inside = f"{rest[0]}: " + "".join(f"{{{name}: " for name in rest[1:]) + _scalar(value)
        return text[:offset] + inside + "}" * (len(rest) - 1) + (", " if found else "") + text[offset:]
    if isinstance(found, dict) and found:
        new = _nested(rest, value, at.column - 1, _break(lines))
        return "".join([*lines[: at.line - 1], *new, *lines[at.line - 1 :]])
    new = _nested(rest, value, key.column + 1, _break(lines))
    return "".join([*lines[: key.line], *new, *lines[key.line :]])


def _break(lines: list[str]) -> str:
    return "\r\n" if lines and lines[0].endswith("\r\n") else "\n"


def _nested(path: tuple[str, ...], value: str, indent: int, ending: str) -> list[str]:
    lines = [f"{' ' * (indent + 2 * depth)}{name}:{ending}" for depth, name in enumerate(path[:-1])]
    last = f"{' ' * (indent + 2 * (len(path) - 1))}{path[-1]}: {_scalar(value)}{ending}"
    return [*lines, last]


def _offset(lines: list[str], line: int, column: int) -> int:
    return sum(len(one) for one in lines[: line - 1]) + column - 1


def _replaced(text: str, offset: int, value: str) -> str:
    """The text with the scalar that begins at `offset` replaced."""
    if text[offset : offset + 1] in {'"', "'"}:
        quoted = re.compile(r'"(?:[^"\\]|\\.)*"' if text[offset] == '"' else r"'(?:[^']|'')*'").match(
            text, offset
        )
        end = quoted.end() if quoted else offset
    else:
        bare = re.compile(r"[^\n\r,{}\[\]]*?(?=\s*(?:[\n\r,{}\[\]]|\Z)|\s+#)").match(text, offset)
        end = bare.end() if bare else offset
    return text[:offset] + _scalar(value) + text[end:]


def _scalar(value: str) -> str:
    """The value so that it is read as itself, in a block and between braces."""
    is_number = re.fullmatch(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?", value) is not None  # 0440 would be octal
    if is_number or (kind_of(value) == "str" and _PLAIN.fullmatch(value) and not value.endswith(":")):
        return value
    return json.dumps(value, ensure_ascii=False)
