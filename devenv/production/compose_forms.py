"""The parts of a Compose service: ports, mounts, and texts with references to variables in them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.production import short_forms
from devenv.production.manifest import Mount, MountKind, Port, Said, Variable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devenv.production.node import Node

_INSIDE = r"(?:[^{}]|\{[^{}]*\})*"
_REFERENCE = re.compile(rf"\$(?:(\$)|\{{(\w++)(?:(:?-)({_INSIDE})|{_INSIDE})\}}|(\w+))")
_FLAGS = {"true": True, "false": False}
_KINDS = {"bind": MountKind.BIND, "npipe": MountKind.BIND, "tmpfs": MountKind.MEMORY}


def substituted(text: str) -> str | None:
    """The text with `$$` as `$` and defaults in place of references; None where one has no default."""
    if any(_known(match) is None for match in _REFERENCE.finditer(text)):
        return None
    return _REFERENCE.sub(lambda match: _known(match) or "", text)


def _known(match: re.Match[str]) -> str | None:
    """What stands for a reference; its default may hold others."""
    if match[1] is not None:
        return "$"
    return None if match[3] is None else substituted(match[4])


def filled(text: str) -> str:
    """The text with defaults in place of references; one that has none stays by its name alone."""
    return _REFERENCE.sub(_filling, text)


def _filling(match: re.Match[str]) -> str:
    known = _known(match)
    if known is not None:
        return known
    return f"${{{match[2]}}}" if match[2] else match[0]


def settled(node: Node | None) -> Node | None:
    """The value with defaults in place of references; None where one has no default, or where it is empty."""
    if node is None or not isinstance(node.raw, str) or "$" not in node.raw:
        return node
    text = substituted(node.raw)
    # Compose turns what it substituted into the type that the key has; a number is read from its text.
    return replace(node, located=replace(node.located, value=_FLAGS.get(text, text))) if text else None


def whole_of(node: Node | None, key: str) -> Said[int] | None:
    """The whole number under a key, as far as it is known."""
    found = settled(node.get(key)) if node else None
    return found.whole() if found else None


def flag_of(node: Node, key: str) -> Said[bool] | None:
    """The truth value under a key, as far as it is known."""
    found = settled(node.get(key))
    return found.flag() if found else None


def text_of(node: Node | None, key: str) -> Said[str] | None:
    """The text under a key, as far as it is known."""
    said = node.text_of(key) if node else None
    text = substituted(said.value) if said else None
    return None if said is None or text is None else Said(text, said.at)


def escaped(text: str) -> str:
    """The text as a container gets it: `$$` is one `$`; references stay."""
    return text.replace("$$", "$")


def substituted_variable(variable: Variable) -> Variable:
    """The variable, its value unknown where it refers to one that the manifest does not set."""
    value = variable.value
    return variable if value is None else replace(variable, value=substituted(value))


def last_of_each(variables: Iterable[Variable]) -> tuple[Variable, ...]:
    """Of several variables of one name the last, as Docker takes them."""
    return tuple({variable.name: variable for variable in variables}.values())


def ports(item: Node) -> tuple[Port, ...]:
    """An entry of `ports`, in either form."""
    if not isinstance(item.raw, dict):
        text = substituted(item.text() or "")
        if text is None:
            return ()
        found = short_forms.ports(text, item.at)
        if found is None:
            item.expected(short_forms.PORT_FORM)
        return found or ()
    target = whole_of(item, "target") if item.required("target") else None
    if target is None:
        return ()
    published, address = text_of(item, "published"), text_of(item, "host_ip")
    protocol = text_of(item, "protocol")
    return (
        Port(
            target.value,
            item.at,
            int(published.value) if published and published.value.isdigit() else None,
            address.value if address else None,
            protocol.value if protocol else "tcp",
        ),
    )


def mount(item: Node) -> Mount | None:
    """An entry of `volumes`, in either form."""
    if not isinstance(item.raw, dict):
        text = item.text()
        # A source that is not known is told apart by its name; colons inside a reference separate nothing.
        found = short_forms.volume(filled(text), item.at) if text is not None else None
        if text is not None and found is None and substituted(text) is not None:
            item.expected(short_forms.VOLUME_FORM)
        return found
    kind, source = text_of(item, "type"), item.text_of("source")
    target = text_of(item, "target") if item.required("target") else None
    read_only = flag_of(item, "read_only")
    if target is None:
        return None
    return Mount(
        short_forms.target_path(target.value),
        _KINDS.get(kind.value if kind else "volume", MountKind.VOLUME),
        item.at,
        filled(source.value) if source else None,
        read_only=bool(read_only and read_only.value),
    )


def held_file(item: Node, folder: str) -> Mount | None:
    """A config or a secret: a name, or a mapping with its target."""
    if not isinstance(item.raw, dict):
        source = item.text()
        if source is None:
            return None
        return Mount(f"{folder}{source}", MountKind.FILE, item.at, source, read_only=True)
    said, target = item.text_of("source"), item.text_of("target")
    path = target.value if target else (said.value if said else "")
    path = path if path.startswith("/") else f"{folder}{path}"
    return Mount(path, MountKind.FILE, item.at, said.value if said else None, read_only=True)
