"""A document into settings: defaults filled in, every problem reported at once. Pure."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from devenv.config.problems import Finding, config_error, mapping_at, translate
from devenv.config.rules import broken_rules
from devenv.config.settings import DEFAULT_ENVIRONMENT, Database, Settings

if TYPE_CHECKING:
    from devenv.config.document import Document, KeyPath
    from devenv.config.reference import Defaults

# A key without a value (`backend:` with all its lines commented out) means what an absent key means, for
# whatever holds keys. For any other value it is a problem: somebody forgot to write it.
_MAPPINGS: tuple[tuple[str, ...], ...] = (
    *(
        (name,)
        for name in (
            "database",
            "mail",
            "backend",
            "taskrunner",
            "frontend",
            "services",
            "check",
            "production",
        )
    ),
    ("database", "parameters"),
    ("backend", "environment"),
    ("taskrunner", "environment"),
    ("production", "contents"),
    ("production", "environment"),
)


def parse_settings(document: Document, defaults: Defaults) -> Settings:
    """The settings that `document` means where `defaults` hold.

    The default mappings, the default seed and production's default manifest belong to the reference
    application. They apply only while the backend is the reference one: no `image`, and no `build` other
    than the default. Whoever brings another backend starts without them, as does for the manifest's part
    whoever names one of his own.

    Raises:
        ConfigError: with every problem, in the order in which they stand in the files.
    """
    data = _completed(document, defaults)
    findings: list[Finding] = []
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        findings += translate(error)
    findings += broken_rules(data, document)
    if settings is None or findings:
        raise config_error(findings or [Finding((), "cannot be used")], document)
    return settings


def _completed(document: Document, defaults: Defaults) -> dict[str, Any]:
    """The data with everything that depends on the folder or on another key."""
    data: dict[str, Any] = copy.deepcopy(document.data)
    for name in [name for name in data if isinstance(name, str) and name.startswith("x-")]:
        del data[name]
    _keep_as_written(data, document)
    for path in _MAPPINGS:
        section = mapping_at(data, *path[:-1])
        if path[-1] in section and section[path[-1]] is None:
            del section[path[-1]]
    if data.get("name") is None:
        data["name"] = defaults.name
    for name in ("database", "backend", "frontend"):
        data.setdefault(name, {})
    database, backend, frontend = (mapping_at(data, name) for name in ("database", "backend", "frontend"))
    if _is_reference(backend, defaults):
        backend.setdefault("mappings", list(defaults.mappings))
        database.setdefault("seed", list(defaults.seed))
        data.setdefault("production", copy.deepcopy(defaults.production))
    for section, build in ((backend, defaults.backend_build), (frontend, defaults.frontend_build)):
        if section.get("image") is None and section.get("build") is None:
            section["build"] = build
    database.setdefault("databases", list(Database.model_fields["databases"].default))
    if isinstance(backend.setdefault("environment", {}), dict):
        backend["environment"] = {**_environment(database), **backend["environment"]}
    return data


def _is_reference(backend: dict[str, Any], defaults: Defaults) -> bool:
    return backend.get("image") is None and backend.get("build") in (None, defaults.backend_build)


def _environment(database: dict[str, Any]) -> dict[str, str]:
    """How the application reaches the database, whatever its aliases and its password are."""
    environment = dict(DEFAULT_ENVIRONMENT)
    aliases = database.get("aliases", Database.model_fields["aliases"].default)
    if isinstance(aliases, list) and environment["DB_HOST"] not in aliases:
        environment["DB_HOST"] = next((name for name in aliases if isinstance(name, str)), "databasemaster")
    password = database.get("root_password")
    if isinstance(password, str):
        environment["DB_PWD"] = password
    return environment


def _keep_as_written(data: dict[str, Any], document: Document) -> None:
    """Text stays what was written: `VERSION: 1.10` is not 1.1, and a password 0123 is not 83."""
    for path, written in document.texts.items():
        if not _is_text(path):
            continue
        holder: Any = data
        for part in path[:-1]:
            holder = holder[part]
        if holder[path[-1]] is not None:
            holder[path[-1]] = written


def _is_text(path: KeyPath) -> bool:
    match path:
        case ("name",) | ("database", "root_password") | ("database", "databases", _):
            return True
        case ("production", "contents", _, "python"):
            return True
        case ("database", "seed", _, "database") | (
            "backend" | "taskrunner" | "production",
            "environment",
            _,
        ):
            return True
    return False
