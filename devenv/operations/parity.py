"""Compare what runs with production's manifest: gather both sides, and let `production` decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.database.server import Server
from devenv.errors import ConfigError, OperationError, Problem
from devenv.events import Event, Status
from devenv.operations.session import configured_ports
from devenv.production.compare import compare
from devenv.production.compare_contents import Contents, ContentTexts
from devenv.production.facts import (
    ContentFacts,
    DatabaseFacts,
    Facts,
    ServiceFacts,
    mapped_of,
    of_container,
)
from devenv.production.files import load_manifest, load_text
from devenv.production.judge import unused
from devenv.production.manifest import Said
from devenv.production.packages import PYTHON_SCRIPT, installed_dpkg, installed_python
from devenv.services import backend, frontend, mailcatcher, mysql, taskrunner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.config.production import Contents as ContentSettings
    from devenv.engine.observed import ObservedContainer, ObservedState
    from devenv.operations.session import Session
    from devenv.production.manifest import Manifest
    from devenv.production.rows import Report

MANIFEST = ("production", "manifest")


@dataclass(frozen=True)
class ParityReport:
    """The rows, and the files of production's that they come from."""

    project: str
    sources: tuple[str, ...]
    report: Report


def parity(session: Session) -> ParityReport:
    """Compare now; raises ConfigError for a manifest that cannot be read, OperationError where nothing runs."""
    manifest = _manifest(session)
    contents = _contents(session)
    observed = session.observe()
    if not any(container.is_running for container in observed.containers):
        raise OperationError(
            "this environment does not run, so there is nothing to compare",
            code="not_up",
            hint="bring it up with `devenv up`",
        )
    facts = _facts(session, observed)
    allowed = session.settings.production.allow
    report = compare(manifest, facts, allowed, contents)
    for file in manifest.skipped:
        session.events.emit(Event(file, Status.WARNING, "says nothing of production that is understood here"))
    for what in unused(allowed, report.rows):
        session.events.emit(
            Event("production.allow", Status.WARNING, f"{what} allows nothing: no such difference")
        )
    return ParityReport(session.identity.project, manifest.sources, report)


def _manifest(session: Session) -> Manifest:
    named = session.settings.production.manifest
    if named is None:
        raise ConfigError(
            (
                Problem(
                    str(session.document.position_of(MANIFEST)),
                    "production.manifest",
                    "expected the file or folder that describes production, got nothing",
                    "name it in devenv.yaml: `production: {manifest: deploy/production.yaml}`",
                ),
            )
        )
    return load_manifest(session.root, named, str(session.document.position_of(MANIFEST)))


def _contents(session: Session) -> dict[str, Contents]:
    """What `production.contents` names, read; raises ConfigError with every problem in it."""
    found: dict[str, Contents] = {}
    problems: list[Problem] = []
    for service, settings in session.settings.production.contents.items():
        texts = _texts(session, service, settings, problems)
        found[service] = texts.read()
    if problems:
        raise ConfigError(tuple(problems))
    return found


def _texts(
    session: Session, service: str, settings: ContentSettings, problems: list[Problem]
) -> ContentTexts:
    texts = ContentTexts(problems=problems)
    for kind in ("pip", "dpkg", "nginx"):
        named = getattr(settings, kind)
        if named is not None:
            path = ("production", "contents", service, kind)
            where = str(session.document.position_of(path))
            try:
                setattr(texts, kind, load_text(session.root, named, where, ".".join(path)))
            except ConfigError as error:
                problems += error.problems
    if settings.python is not None:
        position = session.document.position_of(("production", "contents", service, "python"))
        texts.python = Said(settings.python, position)
    return texts


def _facts(session: Session, observed: ObservedState) -> Facts:
    """All that runs, asked of the engine and inside the containers."""
    project = session.project(configured_ports(session.settings), 0, session.engine.info())
    wanted = _wanted(session)
    services: list[ServiceFacts] = []
    running: dict[str, ObservedContainer] = {}
    for defined in project.services:
        containers = [container for container in observed.of(defined.name) if container.is_running]
        if containers:
            running[defined.name] = containers[0]
            definitions = [session.engine.definition(container.id) for container in containers]
            services.append(of_container(defined, definitions, wanted.get(defined.name, defined.image)))
    return Facts(
        services=tuple(services),
        database=_database(session, running.get(mysql.NAME)),
        contents={
            name: _inside(session, running[name].id, settings)
            for name, settings in session.settings.production.contents.items()
            if name in running
        },
        mapped=mapped_of(services),
        secrets=frozenset({session.settings.database.root_password}),
    )


def _wanted(session: Session) -> Mapping[str, str | None]:
    """The image that `devenv.yaml` names for each built-in service, None where it names a recipe."""
    settings = session.settings
    return {
        mysql.NAME: settings.database.image,
        mailcatcher.NAME: settings.mail.image,
        backend.NAME: settings.backend.image,
        taskrunner.NAME: settings.backend.image,
        frontend.NAME: settings.frontend.image,
    }


def _database(session: Session, container: ObservedContainer | None) -> DatabaseFacts:
    settings = session.settings.database
    chosen = {name: mysql.parameter_text(value) for name, value in settings.parameters.items()}
    if container is None:
        return DatabaseFacts(chosen=chosen)
    result = Server(session.engine, container.id, settings.root_password).query("SHOW GLOBAL VARIABLES")
    if result.exit_status != 0:
        raise OperationError(
            "the database does not say what its variables are",
            code="database_failed",
            evidence=tuple(result.output.strip().splitlines()[-5:]),
            hint="`devenv logs databasemaster` shows its log",
        )
    rows = (line.partition("\t") for line in result.output.splitlines())
    variables = {name: value for name, tab, value in rows if tab}
    return DatabaseFacts(variables.get("version"), variables, chosen)


def _inside(session: Session, container: str, settings: ContentSettings) -> ContentFacts:
    """What is asked for, asked inside of a container."""

    def asked(*command: str) -> str | None:
        result = session.engine.execute(container, command)
        return result.output if result.exit_status == 0 else None

    python, pip = None, None
    if settings.python is not None or settings.pip is not None:
        output = asked("python", "-c", PYTHON_SCRIPT) or asked("python3", "-c", PYTHON_SCRIPT)
        python, pip = (output and installed_python(output)) or (None, None)
    dpkg = asked("dpkg-query", "-W") if settings.dpkg else None
    nginx = asked("sh", "-c", "nginx -T 2>/dev/null") if settings.nginx else None
    return ContentFacts(python, pip, installed_dpkg(dpkg) if dpkg else None, nginx)
