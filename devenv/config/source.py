"""The edge that reads `devenv.yaml`, `devenv.local.yaml` and `.env`: files in, one located document out."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from devenv.config.document import CONFIG_NAME, ENV_NAME, LOCAL_NAME, Document, KeyPath, Position, dotted
from devenv.config.root import not_found
from devenv.config.scalars import PLAIN, TAG, read_as
from devenv.config.text import place, read_text
from devenv.config.tree import Located, flatten, merge
from devenv.config.variables import UNUSABLE, parse_env_file
from devenv.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Found = TypeVar("Found")

_MOST_VALUES = 20_000  # aliases of aliases grow without bound; no real file comes near
_DEEPEST = 50

_MERGE = TAG + "merge"
_COLLECTIONS = (TAG + "map", TAG + "seq")


class _Loader(yaml.SafeLoader):
    """PyYAML's parser with our own reading of plain scalars and a limit on nesting."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuses what is nested too deeply while it still has a place; RecursionError has none."""
        self.depth += 1
        if self.depth > _DEEPEST:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, f"expected at most {_DEEPEST} levels", mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


# Replaced, not added to: the inherited table is YAML 1.1's. The key None means whatever the first character.
_Loader.yaml_implicit_resolvers = {
    None: [*((TAG + kind, pattern) for kind, pattern in PLAIN.items()), (_MERGE, re.compile(r"<<\Z"))]
}


def load_document(root: Path, environ: Mapping[str, str]) -> Document:
    """Everything that is configured in `root`: merged, interpolated, located.

    Raises:
        ConfigError: with every problem of both files and of `.env`.
    """
    if not os.path.lexists(root / CONFIG_NAME):
        raise not_found(root)
    problems: list[Problem] = []
    tree = _read_yaml(root, CONFIG_NAME, problems)
    if os.path.lexists(root / LOCAL_NAME):
        tree = merge(tree, _read_yaml(root, LOCAL_NAME, problems))
    document, unresolved = flatten(tree, {**_read_env(root, problems), **environ})
    if problems or unresolved:
        raise ConfigError((*problems, *unresolved))
    return document


def _read_env(root: Path, problems: list[Problem]) -> dict[str, str]:
    path = root / ENV_NAME
    text = read_text(path, problems) if os.path.lexists(path) else ""
    entries, bad = parse_env_file(text)
    problems += [
        Problem(str(place(ENV_NAME, text, error.offset)), "", error.text, error.hint) for error in bad
    ]
    return entries


def read_trees(file: str, text: str, problems: list[Problem]) -> list[Located]:
    """Every document of a YAML or JSON text that is not ours, located; references stay as they are."""
    if text.lstrip().startswith("{"):
        text = text.replace("\t", " ")  # JSON may be indented by tabs, and has none within its strings
    nodes = _parsed(file, text, problems, _all_nodes) or ()
    return [_Builder(file, problems).build(node, ()) for node in nodes]


def _all_nodes(loader: _Loader) -> list[yaml.Node]:
    nodes = []
    while loader.check_node():
        node = loader.get_node()
        assert node is not None, "check_node() says that there is one"
        nodes.append(node)
    return nodes


def _read_yaml(root: Path, file: str, problems: list[Problem]) -> Located:
    empty = Located({}, Position(file, 1, 1))
    text = read_text(root / file, problems)
    node = _parsed(file, text, problems, _Loader.get_single_node)
    tree = _Builder(file, problems).build(node, ()) if node else empty
    if tree.value is None:
        return empty
    if not isinstance(tree.value, dict):
        problems.append(
            Problem(str(tree.position), "", "expected keys such as `name: shop` at the top level")
        )
        return empty
    return tree


def _parsed(file: str, text: str, problems: list[Problem], parse: Callable[[_Loader], Found]) -> Found | None:
    """What `parse` gets out of the text; None, with the problem noted, where it is not valid YAML."""
    loader = _Loader(text)
    try:
        return parse(loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problems.append(Problem(str(_position(file, mark)), "", _syntax(file, error)))
    except (ValueError, OverflowError):  # "\UFFFFFFFF": PyYAML does not check what it gives to chr()
        problems.append(
            Problem(str(_position(file, loader.get_mark())), "", "expected a valid escape sequence")
        )
    finally:
        loader.dispose()
    return None


def _position(file: str, mark: Any) -> Position:
    return Position(file, mark.line + 1, mark.column + 1) if mark else Position(file, 1, 1)


def _syntax(file: str, error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem)
    if "'\\t'" in problem:
        return "a tab cannot stand here; use spaces"
    if "single document" in str(error.context):
        return "expected one document, got another after ---"
    form = "JSON" if file.endswith(".json") else "YAML"
    return f"not valid {form}: {problem}" + (f" {error.context}" if error.context else "")


class _Builder:
    """YAML nodes into located values; every problem is noted and the rest goes on."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file = file
        self.problems = problems
        self.open: set[int] = set()
        self.count = 0

    def build(self, node: yaml.Node, path: KeyPath) -> Located:
        position = _position(self.file, node.start_mark)
        self.count += 1
        if self.count > _MOST_VALUES:
            # Noted once: the count stays above the limit, and nothing below is expanded any more.
            if self.count == _MOST_VALUES + 1:
                self._note(node, path, f"expected at most {_MOST_VALUES:,} values; aliases repeat too much")
            return Located(None, position)
        if id(node) in self.open:
            self._note(node, path, "expected a value, got an alias inside of what it names")
            return Located(None, position)
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.ScalarNode):
                return self._scalar(node, path)
            if node.tag not in _COLLECTIONS:
                self._note(node, path, f"unknown tag {_shown_tag(node.tag)}")
            if isinstance(node, yaml.MappingNode):
                return Located(self._mapping(node, path), position)
            items = [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
            return Located(items, position)
        finally:
            self.open.discard(id(node))

    def _note(self, node: yaml.Node, path: KeyPath, text: str, hint: str | None = None) -> None:
        self.problems.append(Problem(str(_position(self.file, node.start_mark)), dotted(path), text, hint))

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Located]:
        own: dict[str, Located] = {}
        merged: dict[str, Located] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                for name, value in self._merged(value_node, path).items():
                    merged.setdefault(name, value)
                continue
            name = key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != TAG + "str":
                shown = name if isinstance(key_node, yaml.ScalarNode) else "a collection"
                self._note(
                    key_node,
                    path,
                    f"expected text as a key, got {shown or 'nothing'}",
                    'write it in quotes: "..."',
                )
                continue
            place = _position(self.file, key_node.start_mark)
            if UNUSABLE.search(name):
                self._note(key_node, path, "expected text as a key, got a control character")
                continue
            value = replace(self.build(value_node, (*path, name)), key=place)
            if name in own:
                first = own[name].key or place
                self._note(
                    key_node,
                    (*path, name),
                    f"set twice: first in line {first.line}, again in line {place.line}",
                )
            own[name] = value
        return {**merged, **own}

    def _merged(self, node: yaml.Node, path: KeyPath) -> dict[str, Located]:
        """What `<<` brings in; of several sources the first one wins."""
        found: dict[str, Located] = {}
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(source, yaml.MappingNode):
                self._note(source, path, "expected a mapping after <<")
                continue
            for name, entry in (self.build(source, path).value or {}).items():
                found.setdefault(name, entry)
        return found

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Located:
        position = _position(self.file, node.start_mark)
        if UNUSABLE.search(node.value):
            self._note(
                node, path, "expected text, got a control character", "leave it out of the escape sequences"
            )
            return Located(None, position)
        written = node.value if node.style is None else None
        if node.tag in (TAG + "str", _MERGE):
            return Located(node.value, position, written=written)
        kind = node.tag.removeprefix(TAG)
        if kind not in PLAIN:
            self._note(node, path, f"unknown tag {_shown_tag(node.tag)}")
        elif not PLAIN[kind].match(node.value):
            self._note(node, path, f"expected a value that fits {_shown_tag(node.tag)}, got {node.value}")
        else:
            return Located(read_as(kind, node.value), position, written=node.value)
        return Located(None, position)


def _shown_tag(tag: str) -> str:
    return tag.replace(TAG, "!!")
