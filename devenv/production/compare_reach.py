"""What a service shares and how it is reached, on both sides: mounts, published ports, links. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from devenv.production import reasons
from devenv.production.manifest import Mount, MountKind
from devenv.services import mysql, taskrunner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from devenv.config.document import Position
    from devenv.engine.observed import ObservedMount
    from devenv.production.compare_service import Pair
    from devenv.production.facts import PortFact
    from devenv.production.manifest import Port
    from devenv.production.rows import Row

MARKER_TARGET = "/docker-entrypoint-initdb.d/zz-devenv-marker.sql"
_KINDS = {"bind": "folder", "volume": "volume", "tmpfs": "memory"}
_KINDS_THERE = {
    MountKind.BIND: "folder",
    MountKind.VOLUME: "volume",
    MountKind.MEMORY: "memory",
    MountKind.FILE: "file",
}


@dataclass(frozen=True)
class _Side:
    """What is mounted at a path on one side; `shared` are services, by their names here, that see the same.

    It is the later of two services in the usual order that is said to share, so that one difference is
    one row; the worker shares with the others, and they never with it.
    """

    kind: str
    read_only: bool
    shared: tuple[str, ...]
    at: Position | None = None

    def __str__(self) -> str:
        text = self.kind + (" read-only" if self.read_only else "")
        return text + (f" shared with {', '.join(self.shared)}" if self.shared else "")


def reach_rows(pair: Pair, pairs: Mapping[str, Pair]) -> Iterator[Row]:
    """The rows of mounts, ports and links; `pairs` are all services that are on both sides."""
    yield from _mounts(pair, pairs)
    yield from _ports(pair)
    yield from _links(pair, pairs)


def _mounts(pair: Pair, pairs: Mapping[str, Pair]) -> Iterator[Row]:
    there, here = _mounted_there(pair, pairs), _mounted_here(pair, pairs)
    for target in sorted(there.keys() | here.keys()):
        ours, theirs = here.get(target), there.get(target)
        at = theirs.at if theirs else pair.there.at
        yield pair.judge.compared(
            pair.named(f"volumes.{target}"),
            str(theirs) if theirs else None,
            str(ours) if ours else None,
            at,
            reason=_mount_reason(pair, target, theirs, ours),
        )


def _mount_reason(pair: Pair, target: str, theirs: _Side | None, ours: _Side | None) -> str:
    if ours is None:
        return ""
    if pair.here.name == mysql.NAME and target == mysql.DATA_DIRECTORY:
        return reasons.BRANCH
    if theirs is None:
        if target == MARKER_TARGET:
            return reasons.MARKER
        return reasons.MAPPED_CODE if target in pair.mapped and ours.kind == "folder" else ""
    if replace(ours, read_only=False, at=theirs.at) == theirs:
        return reasons.READ_ONLY
    is_worker = pair.here.name == taskrunner.NAME and not theirs.shared
    return reasons.SHARED if is_worker and replace(ours, shared=(), at=theirs.at) == theirs else ""


def _mounted_here(pair: Pair, pairs: Mapping[str, Pair]) -> dict[str, _Side]:
    return {
        mount.target: _Side(_KINDS.get(mount.kind, mount.kind), mount.read_only, _sharers(mount, pair, pairs))
        for mount in pair.here.mounts
    }


def _sharers(mount: ObservedMount, pair: Pair, pairs: Mapping[str, Pair]) -> tuple[str, ...]:
    return tuple(
        name
        for name in _before(pair, pairs)
        if any((one.kind, one.source) == ("volume", mount.source) for one in pairs[name].here.mounts)
        and mount.kind == "volume"
    )


def _before(pair: Pair, pairs: Mapping[str, Pair]) -> list[str]:
    """The services that stand before one, the worker left out."""
    names = list(pairs)
    return [name for name in names[: names.index(pair.here.name)] if name != taskrunner.NAME]


def _mounted_there(pair: Pair, pairs: Mapping[str, Pair]) -> dict[str, _Side]:
    others = {
        name: {key for key, _ in _sources(pairs[name], pairs).values()} for name in _before(pair, pairs)
    }
    return {
        target: _Side(
            _KINDS_THERE[mount.kind],
            mount.read_only,
            tuple(name for name, keys in others.items() if mount.kind is MountKind.VOLUME and key in keys),
            mount.at,
        )
        for target, (key, mount) in _sources(pair, pairs).items()
    }


def _sources(pair: Pair, pairs: Mapping[str, Pair]) -> dict[str, tuple[str, Mount]]:
    """What production mounts into a service: its own, what its image declares, what it takes from others.

    By path; the text is the same for what is the same volume.
    """
    found = _own_sources(pair)
    by_name = {other.there.name: other for other in pairs.values()}
    for said in pair.there.volumes_from:
        other = by_name.get(said.value)
        for target, (key, mount) in (_own_sources(other) if other else {}).items():
            found[target] = (key, replace(mount, at=said.at))
    return found


def _own_sources(pair: Pair) -> dict[str, tuple[str, Mount]]:
    name = pair.there.name
    found = {
        path: (f"{name}:{path}", Mount(path, MountKind.VOLUME, pair.there.at))
        for path in sorted(pair.here.own_volumes)
    }
    for mount in pair.there.mounts:
        key = mount.source or f"{name}:{mount.target}"
        found[mount.target] = (key, mount)
    return found


def _ports(pair: Pair) -> Iterator[Row]:
    there = {(port.target, port.protocol): port for port in pair.there.ports}
    here = {(port.target, port.protocol): port for port in pair.here.ports}
    for key in sorted(there.keys() | here.keys()):
        theirs, ours = there.get(key), here.get(key)
        what = pair.named(f"ports.{key[0]}" + ("" if key[1] == "tcp" else f"/{key[1]}"))
        production = _outside(theirs.address, theirs.published) if theirs else None
        if ours is None:
            yield pair.judge.differs(what, production, None, theirs.at if theirs else None)
            continue
        runs = _outside(ours.address, ours.published)
        at = theirs.at if theirs else pair.there.at
        yield pair.judge.compared(what, production, runs, at, reason=_port_reason(theirs, ours))


def _outside(address: str | None, published: int | None) -> str:
    number = "any port" if published is None else f"port {published}"
    return f"{number} of {address}" if address and not _is_anywhere(address) else number


def _port_reason(theirs: Port | None, ours: PortFact) -> str:
    is_loopback = _is_loopback(ours.address)
    if theirs is None or theirs.published is None:
        return reasons.LOOPBACK if is_loopback else ""
    if ours.wanted not in {None, theirs.published} or (
        ours.wanted is None and ours.published != theirs.published
    ):
        return ""
    if ours.published != theirs.published:
        return reasons.MOVED_PORT
    return reasons.LOOPBACK if is_loopback else ""


def _is_anywhere(address: str) -> bool:
    return address in {"", "0.0.0.0", "::"}


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _links(pair: Pair, pairs: Mapping[str, Pair]) -> Iterator[Row]:
    """Names under which production's service reaches others: a link there is a name on the network here."""
    by_name = {other.there.name: other for other in pairs.values()}
    linked: set[str] = set()
    for link in pair.there.links:
        other = by_name.get(link.service)
        names = other.here.names if other else frozenset()
        linked |= {link.alias} | ({other.here.name} if other else set())
        answers = other.here.name if other and link.alias in names else None
        yield pair.judge.compared(
            pair.named(f"links.{link.alias}"), other.here.name if other else link.service, answers, link.at
        )
    if pair.there.is_linked_only:
        for need in pair.here.needs:
            if need in pairs and not linked & {need, *pairs[need].here.names}:
                yield pair.judge.differs(pair.named(f"links.{need}"), None, need, pair.there.at)
