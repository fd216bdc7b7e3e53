"""Production's database against the server here: engine, version and every variable that production sets. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.production import reasons
from devenv.production.image_names import parts
from devenv.production.manifest import Database, Parameter, Said
from devenv.production.rows import Fix
from devenv.production.variables import NO_OPTIONS, canonical, canonical_name, option, options
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devenv.production.facts import DatabaseFacts, ServiceFacts
    from devenv.production.judge import Judge
    from devenv.production.manifest import Manifest, Service
    from devenv.production.rows import Row

ALWAYS = (
    "sql_mode",
    "character_set_server",
    "collation_server",
    "time_zone",
    "transaction_isolation",
    "max_allowed_packet",
)
"""Shown also where production leaves them at the server's default: they change what the application sees."""
DEFAULT = "the server's default"
_VERSION = re.compile(r"\d+(?:\.\d+)*")
_OF_ENGINES = {"mysql": "mysql", "mariadb": "mariadb", "percona": "mysql"}


@dataclass(frozen=True)
class DatabasePair:
    """The database on both sides; `service` is the one here, None where it does not run."""

    there: Database
    here: DatabaseFacts
    service: ServiceFacts | None
    judge: Judge


def database_of(manifest: Manifest, container: Service | None) -> Database | None:
    """What production says of its database: the managed one's, else what the container's image and options say."""
    if manifest.database is not None or container is None:
        return manifest.database
    repository, tag, _ = parts(container.image.value) if container.image else ("", "", "")
    engine = next((name for word, name in _OF_ENGINES.items() if word in repository), None)
    version = _VERSION.match(tag)
    at = container.image.at if container.image else container.at
    return Database(
        at=at,
        engine=Said(engine, at) if engine else None,
        version=Said(version[0], at) if version else None,
        parameters=tuple(_options(container)),
    )


def _options(container: Service) -> Iterator[Parameter]:
    """The server options of a container's command; the last of a name wins, as the server takes it."""
    said = container.command
    words = said.value if said else ()
    places = container.command_places or tuple(said.at for _ in words if said)
    found = {pair[0]: (pair[1], at) for word, at in zip(words, places, strict=True) if (pair := option(word))}
    for name, (value, at) in found.items():
        yield Parameter(name, value, at)


def database_rows(pair: DatabasePair) -> Iterator[Row]:
    """All rows of the database."""
    yield from _server(pair)
    said = {canonical_name(one.name): one for one in pair.there.parameters}
    for name in sorted({*said, *ALWAYS} | {canonical_name(name) for name in pair.here.chosen}):
        row = _parameter(pair, name, said.get(name))
        if row is not None:
            yield row


def _server(pair: DatabasePair) -> Iterator[Row]:
    there, judge = pair.there, pair.judge
    runs = pair.service.wanted or pair.service.image if pair.service else ""
    repository, tag, _ = parts(runs) if runs else ("", "", "")
    if there.engine is not None and repository:
        engine = next((name for word, name in _OF_ENGINES.items() if word in repository), repository)
        yield judge.compared("database.engine", there.engine.value, engine, there.engine.at)
    if there.version is not None and (pair.here.version or tag):
        yield _version(pair, there.version, tag)
    if there.port is not None:
        yield judge.compared("database.port", str(there.port.value), str(pair.here.port), there.port.at)


def _version(pair: DatabasePair, said: Said[str], tag: str) -> Row:
    """Equal as far as both sides are precise: production's 8.4.3 fits an image 8.4, not one that is 8.0."""
    wanted = (_VERSION.match(tag) or [""])[0]
    runs = pair.here.version
    fits = _agree(said.value, wanted) if wanted else runs is not None and _agree(said.value, runs)
    series = ".".join(said.value.split(".")[:2])
    service = pair.service
    is_mysql = service is not None and service.wanted is not None and parts(service.wanted)[0] == "mysql"
    fix = Fix(("database", "image"), f"mysql:{series}") if is_mysql else None
    stand_in = fits and service is not None and service.is_built
    shown = (
        runs if runs is not None and (fits or not wanted) else f"{wanted} (runs {runs})" if runs else wanted
    )
    if fits and (runs is None or _agree(series, runs)):
        return pair.judge.same("database.version", said.value, shown, said.at)
    reason = reasons.STAND_IN.format(service.wanted) if stand_in and service else ""
    return pair.judge.differs("database.version", said.value, shown, said.at, reason=reason, fix=fix)


def _agree(one: str, other: str) -> bool:
    """Whether two versions are equal in all the numbers that both have; of three numbers two are enough."""
    first, second = (_VERSION.findall(text)[:1] or [""] for text in (one, other))
    pairs = list(zip(first[0].split("."), second[0].split("."), strict=False))
    return all(left == right for left, right in pairs[:2])


def _parameter(pair: DatabasePair, name: str, said: Parameter | None) -> Row | None:
    """The row of one variable; None where nobody asked the server and there is nothing to compare."""
    here, judge, what = pair.here, pair.judge, f"database.parameters.{name}"
    chosen = {canonical_name(one): value for one, value in here.chosen.items()}
    known = here.variables
    runs = chosen.get(name) if known is None else known.get(name)
    if said is None:
        if name in chosen:
            return judge.differs(what, None, runs, pair.there.at)
        return None if known is None or runs is None else judge.same(what, DEFAULT, runs, pair.there.at)
    zone = known.get("system_time_zone", "UTC") if known else "UTC"
    if runs is not None and canonical(name, said.value, zone) == canonical(name, runs, zone):
        return judge.same(what, said.value, runs, said.at)
    return judge.differs(
        what,
        said.value,
        runs,
        said.at,
        reason=_reason(name, said, is_chosen=name in chosen),
        # The server does not start with an option that it does not know.
        fix=None if runs is None or name in NO_OPTIONS else Fix(("database", "parameters", name), said.value),
    )


def _reason(name: str, said: Parameter, *, is_chosen: bool) -> str:
    if "{" in said.value or said.value.startswith("/rds"):
        return reasons.FORMULA if "{" in said.value else reasons.MACHINE
    if said.managed and name not in ALWAYS:
        return reasons.MACHINE
    if not is_chosen and name in options(mysql.FAST_FLAGS):
        return reasons.FAST
    return ""
