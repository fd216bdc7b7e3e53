"""Which service here stands for which of production's: by label, by name, by image. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from devenv.production.image_names import repository
from devenv.services import backend, frontend, mailcatcher, mysql, taskrunner

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from devenv.production.facts import ServiceFacts
    from devenv.production.manifest import Service

_WORDS: Mapping[str, frozenset[str]] = {
    mysql.NAME: frozenset({"databasemaster", "database", "db", "mysql", "mariadb", "percona"}),
    mailcatcher.NAME: frozenset(
        {"mailcatcher", "mail", "mailer", "smtp", "mailhog", "mailpit", "maildev", "mailrelay", "postfix",
         "exim", "relay"}
    ),
    taskrunner.NAME: frozenset({"taskrunner", "worker", "workers", "task", "tasks", "celery"}),
    frontend.NAME: frozenset({"frontend", "nginx"}),
    backend.NAME: frozenset({"backend", "django", "gunicorn"}),
}  # fmt: skip
"""What a name or an image has in it, by the service that it means. The order matters: a worker of the
backend's image is called `backend-worker`."""


def matched(services: Iterable[Service], here: Iterable[ServiceFacts]) -> dict[str, Service]:
    """Production's service by the name of the one here; each is used once, the surest reason first."""
    pairs: dict[str, Service] = {}
    rest = list(services)
    known = {service.name: service for service in here}
    for find in (_by_label, _by_name, _by_words_of_name, _by_image):
        for service in list(rest):
            name = find(service, known)
            if name is not None and name in known and name not in pairs:
                pairs[name] = service
                rest.remove(service)
    return pairs


def _by_label(service: Service, known: Mapping[str, ServiceFacts]) -> str | None:
    del known
    return service.role


def _by_name(service: Service, known: Mapping[str, ServiceFacts]) -> str | None:
    del known
    return None if service.role else service.name


def _by_words_of_name(service: Service, known: Mapping[str, ServiceFacts]) -> str | None:
    del known
    return None if service.role else _meant(service.name)


def _by_image(service: Service, known: Mapping[str, ServiceFacts]) -> str | None:
    """The service of the same image; of those that share one, the worker is told by what it runs."""
    if service.role or service.image is None:
        return None
    image = repository(service.image.value)
    same = [one for one in known.values() if repository(one.wanted or one.image) == image]
    name = same[0].name if same else _meant(image)
    if name == backend.NAME and _is_worker(service, known):
        return taskrunner.NAME
    return name


def _is_worker(service: Service, known: Mapping[str, ServiceFacts]) -> bool:
    process = {one.name: one.value for one in service.environment}.get("PROCESS_NAME")
    worker = known.get(taskrunner.NAME)
    runs = service.command.value if service.command else None
    return process == "task" or (worker is not None and runs is not None and runs == worker.command)


def _meant(text: str) -> str | None:
    words = set(re.split(r"[^a-z0-9]+", text.lower()))
    return next((name for name, known in _WORDS.items() if words & known), None)
