"""Production's manifest against the facts here: rows with verdicts, and nothing else. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.production import reasons
from devenv.production.compare_contents import content_rows
from devenv.production.compare_database import DatabasePair, database_of, database_rows
from devenv.production.compare_reach import reach_rows
from devenv.production.compare_service import Pair, is_same_image, service_rows
from devenv.production.facts import ContentFacts
from devenv.production.image_names import shown
from devenv.production.judge import Judge, secrets_of
from devenv.production.match import matched
from devenv.production.rows import Report
from devenv.services import mailcatcher, mysql

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from devenv.config.production import Allowed
    from devenv.production.compare_contents import Contents
    from devenv.production.facts import Facts, ServiceFacts
    from devenv.production.manifest import Manifest, Service
    from devenv.production.rows import Row

_BALANCERS = ("loadbalancer", "haproxy", "traefik", "balancer", "envoy")


def compare(
    manifest: Manifest,
    facts: Facts,
    allowed: tuple[Allowed, ...] = (),
    contents: Mapping[str, Contents] | None = None,
) -> Report:
    """Every row: services in the order of those here, then the database, then what only production has."""
    judge = Judge(secrets_of(manifest, facts), allowed)
    there = matched(manifest.services, facts.services)
    pairs = {
        service.name: Pair(
            there[service.name],
            service,
            judge,
            facts.mapped,
            has_managed_database=mysql.NAME not in there,
        )
        for service in facts.services
        if service.name in there
    }
    rows: list[Row] = []
    for service in facts.services:
        pair = pairs.get(service.name)
        if pair is None:
            rows.append(_only_here(service, manifest, judge))
        else:
            rows += (*service_rows(pair), *reach_rows(pair, pairs))
        inside = (contents or {}).get(service.name)
        if inside is not None:
            known = facts.contents.get(service.name, ContentFacts())
            rows += content_rows(service.name, inside, known, judge)
    rows += _database(manifest, there.get(mysql.NAME), facts, judge)
    used = {service.name for service in there.values()}
    rows += [_only_there(service, judge) for service in manifest.services if service.name not in used]
    return Report(tuple(rows))


def _only_here(service: ServiceFacts, manifest: Manifest, judge: Judge) -> Row:
    reason = {mailcatcher.NAME: reasons.MAIL}.get(service.name, "")
    if service.name == mysql.NAME and manifest.database is not None:
        reason = reasons.MANAGED
    production = "a managed database" if reason == reasons.MANAGED else None
    at = manifest.database.at if reason == reasons.MANAGED and manifest.database else None
    return judge.differs(service.name, production, shown(service.image), at, reason=reason)


def _only_there(service: Service, judge: Judge) -> Row:
    image = shown(service.image.value) if service.image else "a service"
    is_balancer = any(word in f"{service.name} {image}".lower() for word in _BALANCERS)
    reason = reasons.BALANCER if is_balancer else ""
    return judge.differs(service.name, image, None, service.at, reason=reason)


def _database(manifest: Manifest, container: Service | None, facts: Facts, judge: Judge) -> Iterator[Row]:
    there = database_of(manifest, container)
    if there is not None:
        service = next((one for one in facts.services if one.name == mysql.NAME), None)
        if manifest.database is None and container and service and not is_same_image(container, service):
            there = replace(there, engine=None, version=None)  # the row of the image says it already
        yield from database_rows(DatabasePair(there, facts.database, service, judge))
