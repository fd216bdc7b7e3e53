"""Rules over several keys, checked on data that may be wrong elsewhere: so all problems show at once.

Every rule takes the completed data and yields findings; whatever has the wrong type is not its concern.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devenv.config.document import CONFIG_NAME, Document, KeyPath, dotted
from devenv.config.problems import Finding, did_you_mean, list_at, mapping_at, shown
from devenv.config.settings import BUILT_IN, KINDS, Database, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVICE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")
_SECTION_OF = dict(zip(BUILT_IN, ("database", "mail", "backend", "taskrunner", "frontend"), strict=True))
_OF_PRODUCTION = re.compile(r"loadbalancer|(?:backend|frontend)-[0-9]+")
_USUAL_KIND = {"backend": "http", "taskrunner": "heartbeat", "frontend": "http"}
_PORTS: tuple[tuple[str, str], ...] = (
    ("database", "port"),
    ("mail", "port"),
    ("mail", "smtp_port"),
    ("backend", "port"),
    ("frontend", "port"),
)
_SHORT_PORT = re.compile(r"(?:(?P<ip>[0-9.]+):)?(?P<port>[0-9]{1,5}):[0-9]{1,5}(?:/tcp)?")
_ALL_ADDRESSES = ("0.0.0.0", "::")  # compared, not bound
_SHAPES: tuple[tuple[str, tuple[type, ...], str], ...] = (
    ("ports", (list,), "a list"),
    ("labels", (list, dict), "a list or a mapping"),
)
_OF_MYSQL = ("mysql", "sys", "information_schema", "performance_schema")


def broken_rules(data: dict[str, Any], document: Document) -> Iterator[Finding]:
    """Every rule over several keys that `data` breaks."""
    yield from _sources(data)
    yield from _healthchecks(data)
    yield from _names_of_services(data)
    yield from _shapes_of_services(data)
    yield from _databases(data)
    yield from _aliases(data)
    yield from _seeds(data)
    yield from _queue(data)
    yield from _mappings(data)
    yield from _ports(data, document)


def _sources(data: dict[str, Any]) -> Iterator[Finding]:
    for name in ("backend", "frontend"):
        section = mapping_at(data, name)
        if section.get("image") is not None and section.get("build") is not None:
            yield Finding((name, "build"), "expected either image or build, got both", on_key=True)


def _healthchecks(data: dict[str, Any]) -> Iterator[Finding]:
    for name, usual in _USUAL_KIND.items():
        check = mapping_at(data, name, "healthcheck")
        kinds = [kind for kind in KINDS if check.get(kind) is not None]
        for kind in kinds[1:]:
            text = f"expected exactly one of http, command and heartbeat, got {' and '.join(kinds)}"
            yield Finding((name, "healthcheck", kind), text, on_key=True)
        if "stale_after" in check and "heartbeat" not in (kinds or [usual]):
            text = f"expected a heartbeat beside it, got {(kinds or [usual])[0]}"
            yield Finding((name, "healthcheck", "stale_after"), text, on_key=True)


def _names_of_services(data: dict[str, Any]) -> Iterator[Finding]:
    for name in mapping_at(data, "services"):
        path: KeyPath = ("services", name)
        if name in _SECTION_OF:
            text = f"expected a name of its own, got the built-in service {name}"
            yield Finding(path, text, f"use the section {_SECTION_OF[name]} for it", on_key=True)
        elif isinstance(name, str) and _OF_PRODUCTION.fullmatch(name):
            text = f"expected a name of its own, got {name}, which `devenv up --production` has"
            yield Finding(path, text, "choose another name", on_key=True)
        elif isinstance(name, str) and not _SERVICE.fullmatch(name):
            text = f"expected a service name of letters, digits, dots, - and _, got {shown(name)}"
            yield Finding(path, text, on_key=True)


def _shapes_of_services(data: dict[str, Any]) -> Iterator[Finding]:
    """Of what we read ourselves; the rest is for Compose to check."""
    for name, definition in mapping_at(data, "services").items():
        found = definition if isinstance(definition, dict) else {}
        for key, kinds, expected in _SHAPES:
            if found.get(key) is not None and not isinstance(found[key], kinds):
                yield Finding(("services", name, key), f"expected {expected}, got {shown(found[key])}")


def _databases(data: dict[str, Any]) -> Iterator[Finding]:
    names = list_at(data, "database", "databases")
    for index, name in enumerate(names):
        path: KeyPath = ("database", "databases", index)
        if name in names[:index]:
            yield Finding(path, f"expected every database once, got {shown(name)} again")
        if isinstance(name, str) and name.lower() in _OF_MYSQL:
            yield Finding(path, f"expected a database of yours, got {shown(name)}, which is MySQL's own")


def _aliases(data: dict[str, Any]) -> Iterator[Finding]:
    taken = [name for name in _services(data) if name != "databasemaster"]
    for index, alias in enumerate(list_at(data, "database", "aliases")):
        if alias in taken:
            text = f"expected a name of its own, got {shown(alias)}, which is a service"
            yield Finding(("database", "aliases", index), text)


def _services(data: dict[str, Any]) -> list[str]:
    return [*BUILT_IN, *(name for name in mapping_at(data, "services") if isinstance(name, str))]


def _seeds(data: dict[str, Any]) -> Iterator[Finding]:
    services, databases = _services(data), list_at(data, "database", "databases")
    for index, step in enumerate(list_at(data, "database", "seed")):
        if not isinstance(step, dict):
            continue
        path: KeyPath = ("database", "seed", index)
        service, database = step.get("service"), step.get("database")
        yield from _known_service((*path, "service"), service, services)
        if isinstance(database, str) and database not in databases:
            text = f"expected one of database.databases, got {shown(database)}"
            yield Finding((*path, "database"), text)


def _queue(data: dict[str, Any]) -> Iterator[Finding]:
    service = mapping_at(data, "taskrunner", "queue").get("service")
    yield from _known_service(("taskrunner", "queue", "service"), service, _services(data))


def _known_service(path: KeyPath, name: Any, services: list[str]) -> Iterator[Finding]:
    if isinstance(name, str) and name not in services:
        meant = did_you_mean(name, services)
        hint = f'did you mean "{meant}"?' if meant else f"there are {', '.join(dict.fromkeys(services))}"
        yield Finding(path, f"expected a service, got {shown(name)}", hint)


def _mappings(data: dict[str, Any]) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for index, mapping in enumerate(list_at(data, "backend", "mappings")):
        if not isinstance(mapping, str):
            continue
        target = re.sub(r":(?:ro|rw)\Z", "", mapping).rpartition(":")[2].rstrip("/")
        if target in first:
            text = f"expected every target once, got {target}, which backend.mappings[{first[target]}] has"
            yield Finding(("backend", "mappings", index), text)
        first.setdefault(target, index)


@dataclass(frozen=True)
class _Published:
    path: KeyPath
    address: str
    port: int

    def clashes(self, other: _Published) -> bool:
        everywhere = self.address in _ALL_ADDRESSES or other.address in _ALL_ADDRESSES
        return self.port == other.port and (everywhere or self.address == other.address)


def _ports(data: dict[str, Any], document: Document) -> Iterator[Finding]:
    """The later of two equal ports is the wrong one; a port that nobody wrote is never the wrong one."""

    def order(port: _Published) -> tuple[bool, bool, int, int]:
        place = document.position_of(port.path)
        return document.holds(port.path), place.file != CONFIG_NAME, place.line, place.column

    earlier: list[_Published] = []
    for port in sorted(_published(data), key=order):
        other = next((one for one in earlier if one.clashes(port)), None)
        if other is None:
            earlier.append(port)
            continue
        origin = str(document.position_of(other.path)) if document.holds(other.path) else "by default"
        yield Finding(
            port.path,
            f"expected a port of its own, got {port.port}, which {dotted(other.path)} has ({origin})",
        )


def _published(data: dict[str, Any]) -> Iterator[_Published]:
    bind = data.get("bind", Settings.model_fields["bind"].default)
    bind = bind if isinstance(bind, str) else ""
    for section, key in _PORTS:
        model = Settings.model_fields[section].annotation or Database
        port = mapping_at(data, section).get(key, model.model_fields[key].default)
        if isinstance(port, int) and not isinstance(port, bool):
            yield _Published((section, key), bind, port)
    for name in mapping_at(data, "services"):
        for index, port in enumerate(list_at(data, "services", name, "ports")):
            path: KeyPath = ("services", name, "ports", index)
            if isinstance(port, str) and (match := _SHORT_PORT.fullmatch(port)):
                yield _Published(path, match["ip"] or bind, int(match["port"]))
            elif isinstance(port, dict) and port.get("protocol", "tcp") == "tcp":
                published = str(port.get("published", ""))
                if published.isascii() and published.isdigit() and len(published) <= 5:
                    yield _Published(path, str(port.get("host_ip") or bind), int(published))
