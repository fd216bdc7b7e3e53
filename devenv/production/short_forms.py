"""The short forms that Docker's command line, Compose and ECS share: ports, volumes, links, variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from devenv.production.manifest import Link, Mount, MountKind, Port, Variable

if TYPE_CHECKING:
    from devenv.config.document import Position

PORT_FORM = "[ADDRESS:][PUBLISHED:]TARGET[/PROTOCOL], such as 8000:8000"
VOLUME_FORM = "[SOURCE:]/TARGET[:OPTIONS]"

_PORT = re.compile(
    r"(?:(?:(?P<address>\[[0-9a-fA-F:]+\]|[0-9.]+|):)?(?P<published>\d+(?:-\d+)?|):)?"
    r"(?P<target>\d+(?:-\d+)?)(?:/(?P<protocol>tcp|udp|sctp))?"
)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]")


def ports(text: str, at: Position) -> tuple[Port, ...] | None:
    """The ports of `-p`, a range as one port each; None where the text is no such form."""
    match = _PORT.fullmatch(text)
    if match is None:
        return None
    targets = _range(match["target"])
    published = _range(match["published"]) if match["published"] else [None] * len(targets)
    if len(published) != len(targets):
        return None
    address = (match["address"] or "").strip("[]") or None
    return tuple(
        Port(target, at, outside, address, match["protocol"] or "tcp")
        for target, outside in zip(targets, published, strict=True)
    )


def _range(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def volume(text: str, at: Position) -> Mount | None:
    """The mount of `-v`; None where the text is no such form."""
    drive = "" if not _WINDOWS.match(text) else text[:2]
    parts = text[len(drive) :].split(":")
    if len(parts) == 1:
        source, target, options = None, parts[0], ""
    else:
        source, target, options = drive + parts[0], parts[1], ",".join(parts[2:])
    if not source:
        source = None
    # The seed's own Compose file maps the relative folder `tmp/mysql/`: a volume's name has no slash.
    is_bind = source is not None and ("/" in source or "\\" in source or source in {".", "..", "~"})
    if not target.startswith("/") or len(parts) > 3:
        return None
    kind = MountKind.BIND if is_bind else MountKind.VOLUME
    return Mount(target_path(target), kind, at, source, read_only="ro" in options.split(","))


def target_path(text: str) -> str:
    """A path inside a container, without a slash at its end."""
    return text.rstrip("/") or "/"


def link(text: str, at: Position) -> Link:
    """`SERVICE[:ALIAS]`."""
    service, _, alias = text.partition(":")
    return Link(service, alias or service, at)


def variable(text: str, at: Position) -> Variable:
    """`NAME=value`, or `NAME` alone, which says that the value comes from elsewhere."""
    name, given, value = text.partition("=")
    return Variable(name, value if given else None, at)
