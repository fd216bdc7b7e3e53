"""The parts of a Compose service: ports, mounts, and texts with references to variables in them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.production import short_forms
from devenv.production.manifest import Mount, MountKind, Port, Variable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devenv.production.node import Node

_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)(?:(:?-)([^{}$]*))?[^}]*\}|(\w+))")
_KINDS = {"bind": MountKind.BIND, "npipe": MountKind.BIND, "tmpfs": MountKind.MEMORY}


def substituted(text: str) -> str | None:
    """The text with `$$` as `$` and defaults in place of references; None where one has no default."""
    matches = list(_REFERENCE.finditer(text))
    if any(match[1] is None and match[3] is None for match in matches):
        return None
    return _REFERENCE.sub(lambda match: match[1] or match[4], text)


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
    target = item.required_whole("target")
    if target is None:
        return ()
    published, address = item.text_of("published"), item.text_of("host_ip")
    protocol = item.text_of("protocol")
    number = substituted(published.value) if published else None
    return (
        Port(
            target.value,
            item.at,
            int(number) if number and number.isdigit() else None,
            address.value if address else None,
            protocol.value if protocol else "tcp",
        ),
    )


def mount(item: Node) -> Mount | None:
    """An entry of `volumes`, in either form."""
    if not isinstance(item.raw, dict):
        text = item.text()
        found = short_forms.volume(escaped(text), item.at) if text is not None else None
        if text is not None and found is None:
            item.expected(short_forms.VOLUME_FORM)
        return found
    kind, source, target = item.text_of("type"), item.text_of("source"), item.required("target")
    read_only = item.flag_of("read_only")
    if target is None:
        return None
    return Mount(
        short_forms.target_path(target.value),
        _KINDS.get(kind.value if kind else "volume", MountKind.VOLUME),
        item.at,
        source.value if source else None,
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
