"""Texts of a manifest's files into one Manifest: each is detected by its content. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from devenv.config.source import read_trees
from devenv.errors import ConfigError, Problem
from devenv.production.compose_file import is_compose, read_compose
from devenv.production.ecs import is_ecs, read_ecs
from devenv.production.env_files import EnvFiles
from devenv.production.kubernetes import is_kubernetes, read_kubernetes
from devenv.production.manifest import Database, Manifest, Service
from devenv.production.node import Node
from devenv.production.rds import is_rds, read_rds
from devenv.production.systemd import is_unit, read_systemd

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DOCUMENT_SUFFIXES = (".yaml", ".yml", ".json")
FORMS = (
    "a Compose file, systemd units that run `docker run`, Kubernetes manifests, an ECS task definition, "
    "or what `aws rds describe-db-parameters` and `describe-db-instances` print"
)


def read_manifest(texts: Mapping[str, str], place: str) -> Manifest:
    """The manifest that the files `texts` hold together; `place` is what the configuration names.

    Raises:
        ConfigError: with every problem of every file, or where none of them says anything of production.
    """
    problems: list[Problem] = []
    manifests = list(_manifests(texts, problems))
    sources = tuple(dict.fromkeys(source for manifest in manifests for source in manifest.sources))
    skipped = tuple(file for file in texts if file not in sources and file.endswith(DOCUMENT_SUFFIXES))
    whole = Manifest(
        services=_each_once(_told_apart([one for found in manifests for one in found.services]), problems),
        database=_database(one.database for one in manifests if one.database is not None),
        sources=sources,
        skipped=skipped,
    )
    if not problems and not whole.services and whole.database is None:
        problems.append(Problem(place, "", f"expected {FORMS}", "see `production.manifest` in devenv.yaml"))
    if problems:
        raise ConfigError(tuple(sorted(set(problems), key=_order)))
    return whole


def _order(problem: Problem) -> tuple[str, tuple[int, ...], str]:
    """By file, line and column; what is no place in a file stands by its text."""
    file, *numbers = re.split(r":(?=\d+(?::|\Z))", problem.where)
    return file, tuple(map(int, numbers)), str(problem)


def _manifests(texts: Mapping[str, str], problems: list[Problem]) -> Iterable[Manifest]:
    env_files = EnvFiles(texts)
    units = {file: text for file, text in texts.items() if is_unit(file)}
    if units:
        yield replace(read_systemd(units, env_files, problems), sources=tuple(units))
    kubernetes: list[Node] = []
    for file, text in texts.items():
        if file in units or file.endswith(".env"):
            continue
        for document in _documents(file, text, problems):
            if is_kubernetes(document):
                kubernetes.append(document)
            elif is_rds(document):
                yield replace(read_rds(document), sources=(file,))
            elif is_ecs(document):
                yield replace(read_ecs(document), sources=(file,))
            elif is_compose(document):
                yield replace(read_compose(document, env_files), sources=(file,))
    if kubernetes:
        yield read_kubernetes(kubernetes)


def _documents(file: str, text: str, problems: list[Problem]) -> list[Node]:
    """What is read of a file; what is odd in words of somebody else, such as `!Ref`, is no problem of ours."""
    noted: list[Problem] = []
    found = [Node(tree, "", problems) for tree in read_trees(file, text, noted)]
    read = [one for one in found if any(is_it(one) for is_it in (is_kubernetes, is_rds, is_ecs, is_compose))]
    if read or not found:
        problems += noted
    return read


def _told_apart(services: Sequence[Service]) -> Iterable[Service]:
    """Containers by their workload and name where the name alone is not enough, whichever file comes first."""
    often = {name for name, count in Counter(one.name for one in services).items() if count > 1}
    names: dict[tuple[str | None, str], str] = {
        (one.group, one.name): f"{one.group}/{one.name}"
        for one in services
        if one.group is not None and one.name in often
    }
    for one in services:
        called = partial(_called, names, one.group)
        yield replace(
            one,
            name=called(one.name),
            links=tuple(replace(link, service=called(link.service)) for link in one.links),
            volumes_from=tuple(replace(said, value=called(said.value)) for said in one.volumes_from),
        )


def _called(names: Mapping[tuple[str | None, str], str], group: str | None, name: str) -> str:
    return names.get((group, name), name)


def _each_once(services: Iterable[Service], problems: list[Problem]) -> tuple[Service, ...]:
    found: dict[str, Service] = {}
    for service in services:
        first = found.setdefault(service.name, service)
        if first is not service:
            text = f"expected every service once, got {service.name} again (first in {first.at})"
            problems.append(Problem(str(service.at), service.name, text))
    return tuple(found.values())


def _database(found: Iterable[Database]) -> Database | None:
    """One database of what several documents say of it; the first that says something wins."""
    whole: Database | None = None
    for one in found:
        if whole is None:
            whole = one
        else:
            whole = Database(
                at=whole.at if whole.engine else one.at,
                engine=whole.engine or one.engine,
                version=whole.version or one.version,
                port=whole.port or one.port,
                parameters=(*whole.parameters, *one.parameters),
            )
    return whole
