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
    """Production's service by the name of the one here; each is used once, the surest reason first.

    Words and images are shared: by them a process that stays is taken before one that ends.
    """
    pairs: dict[str, Service] = {}
    every = list(services)
    known = {service.name: service for service in here}
    lasting = [service for service in every if not _ends(service)]
    ending = [service for service in every if _ends(service)]
    for find, candidates in (
        (_by_label, every),
        (_by_name, every),
        (_by_words_of_name, lasting),
        (_by_image, lasting),
        (_by_words_of_name, ending),
        (_by_image, ending),
    ):
        used = {service.name for service in pairs.values()}
        found = [(find(service, known), service) for service in candidates if service.name not in used]
        for name, service in sorted(found, key=_is_unlikely):
            if name is not None and name in known:
                pairs.setdefault(name, service)
    return pairs


def _ends(service: Service) -> bool:
    """Whether it is no service but a job: a CronJob, or what is not started again, as a migration."""
    return service.schedule is not None or (service.restart is not None and service.restart.value == "no")


def _is_unlikely(found: tuple[str | None, Service]) -> bool:
    """Whether it neither publishes a port nor is probed, though it would be one that others ask: no worker."""
    name, service = found
    check = service.healthcheck
    is_probed = check is not None and check.test[:1] != ("NONE",)
    return name != taskrunner.NAME and not service.ports and not is_probed


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
