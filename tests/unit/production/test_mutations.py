"""Single differences planted in production's five containers: each is found, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from devenv.production.combine import read_manifest
from devenv.production.compare import compare
from tests.five_containers import COMPOSE, FACTS, UNITS

if TYPE_CHECKING:
    from devenv.production.rows import Report

REPORTS = "/opt/app/reports"
GENERATED = "/opt/app/generated_content"


@dataclass(frozen=True)
class Mutation:
    """One change: of `old` into `new` in a unit and, where it is written otherwise, in the Compose file.

    `found` are the rows that say so: what, production's side, the side here.
    """

    service: str
    old: str
    new: str
    found: tuple[str, str, str] | None = None
    compose: tuple[str, str] | None = None

    @property
    def in_units(self) -> dict[str, str]:
        """The units with the change."""
        return changed(UNITS, FILES.get(self.service, f"units/{self.service}.service"), self.old, self.new)

    @property
    def in_compose(self) -> dict[str, str]:
        """The Compose file with the change, made in the part about the service."""
        name = {"workers": "taskrunner"}.get(self.service, self.service)
        text = COMPOSE["production.yaml"]
        part = next(one for one in text.split("\n\n") if one.startswith(f"{name}:"))
        new = changed({"": part + "\n"}, "", *(self.compose or (self.old, self.new)))[""]
        return {"production.yaml": text.replace(part, new.rstrip("\n"))}


def option(name: str, value: str, new: str) -> tuple[str, str]:
    return f"--{name}={value}", f"--{name}={new}"


MUTATIONS = (
    # images
    Mutation("databasemaster", "mysql:8.4", "mysql:8.4.3", ("databasemaster.image", "mysql:8.4.3", "mysql:8.4")),
    Mutation("mailcatcher", "mailcatcher:latest", "mailcatcher:v2", ("mailcatcher.image", "schickling/mailcatcher:v2", "schickling/mailcatcher:latest")),
    Mutation("backend", "app-backend:latest", "app-backend:1.7", ("backend.image", "qwaya/app-backend:1.7", "qwaya/app-backend:latest")),
    Mutation("backend", "qwaya/app-backend:latest", "registry.example.com/qwaya/app-backend:latest",
             ("backend.image", "registry.example.com/qwaya/app-backend:latest", "qwaya/app-backend:latest")),
    Mutation("backend", "app-backend:latest", "app-backend:latest@sha256:" + "0" * 64, ("backend.image.digest", "sha256:" + "0" * 64, "-")),
    Mutation("taskrunner", "qwaya/backend:latest", "qwaya/backend:old", ("taskrunner.image", "qwaya/backend:old", "qwaya/backend:latest")),
    Mutation("frontend", "app-frontend:latest", "app-frontend:2", ("frontend.image", "qwaya/app-frontend:2", "qwaya/app-frontend:latest")),
    # the process
    Mutation("taskrunner", "manage.py db_worker", "manage.py db_worker --queue slow",
             ("taskrunner.command", "python manage.py db_worker --queue slow", "python manage.py db_worker")),
    Mutation("frontend", "app-frontend:latest\n", "app-frontend:latest \\\n  nginx -g 'daemon off;'\n", ("frontend.command", "nginx -g 'daemon off;'", "the image's own"),
             ("app-frontend:latest\n", "app-frontend:latest\n  command: nginx -g 'daemon off;'\n")),
    Mutation("backend", "--user 10001", "--entrypoint /start --user 10001", ("backend.entrypoint", "/start", "the image's own"),
             ('user: "10001"', 'entrypoint: /start\n  user: "10001"')),
    Mutation("backend", "--user 10001", "--user www-data", ("backend.user", "www-data", "10001"), ('user: "10001"', "user: www-data")),
    Mutation("backend", "  --user 10001 \\\n", "", ("backend.user", "root", "10001"), ('  user: "10001"\n', "")),
    # ports
    Mutation("backend", "8000:8000", "8080:8000", ("backend.ports.8000", "port 8080", "port 8000 of 127.0.0.1")),
    Mutation("frontend", "80:80", "443:80", ("frontend.ports.80", "port 443", "port 80 of 127.0.0.1")),
    Mutation("frontend", "-p 80:80", "-p 80:80 -p 443:443", ("frontend.ports.443", "port 443", "-"), ('- "80:80"', '- "80:80"\n    - "443:443"')),
    Mutation("databasemaster", "3306:3306", "3306:3306 -p 33060:33060", ("databasemaster.ports.33060", "port 33060", "-"),
             ('- "3306:3306"', '- "3306:3306"\n    - "33060:33060"')),
    Mutation("mailcatcher", "1080:1080", "8081:1080", ("mailcatcher.ports.1080", "port 8081", "port 1080 of 127.0.0.1")),
    Mutation("frontend", "-p 80:80", "-p 80:80 -p 80:80/udp", ("frontend.ports.80/udp", "port 80", "-"), ('- "80:80"', '- "80:80"\n    - "80:80/udp"')),
    # environment
    Mutation("backend", "LANGUAGE=sv", "LANGUAGE=en", ("backend.environment.LANGUAGE", "set", "different")),
    Mutation("backend", "-e LANGUAGE=sv", "-e LANGUAGE=sv -e CACHE_URL=redis://cache", ("backend.environment.CACHE_URL", "set", "-"),
             ("- LANGUAGE=sv", "- LANGUAGE=sv\n    - CACHE_URL=redis://cache")),
    Mutation("backend", "  -e LANGUAGE=sv \\\n", "", ("backend.environment.LANGUAGE", "-", "set"), ("    - LANGUAGE=sv\n", "")),
    Mutation("backend", "DB_HOST=database", "DB_HOST=db.example.com", ("backend.environment.DB_HOST", "set", "different")),
    Mutation("backend", "DB_USER=root", "DB_USER=app", ("backend.environment.DB_USER", "set", "different")),
    Mutation("taskrunner", "PROCESS_NAME=task", "PROCESS_NAME=mailer", ("taskrunner.environment.PROCESS_NAME", "set", "different")),
    Mutation("taskrunner", "  -e PROCESS_NAME=task \\\n", "", ("taskrunner.environment.PROCESS_NAME", "-", "set"), ("    - PROCESS_NAME=task\n", "")),
    Mutation("taskrunner", "-e PROCESS_NAME=task", "-e PROCESS_NAME=task -e API_TOKEN=abc", ("taskrunner.environment.API_TOKEN", "set", "-"),
             ("- PROCESS_NAME=task", "- PROCESS_NAME=task\n    - API_TOKEN=abc")),
    # volumes and links
    Mutation("frontend", "  --volumes-from backend \\\n", "", (f"frontend.volumes.{GENERATED}", "-", "volume read-only shared with backend"),
             ("  volumes_from:\n    - backend\n", "")),
    Mutation("taskrunner", f"reports:{REPORTS}:ro", f"/srv/reports:{REPORTS}:ro", (f"taskrunner.volumes.{REPORTS}", "folder read-only", "volume read-only")),
    Mutation("taskrunner", f"  -v reports:{REPORTS}:ro \\\n", "", (f"taskrunner.volumes.{REPORTS}", "-", "volume read-only"),
             (f"  volumes:\n    - reports:{REPORTS}:ro\n", "")),
    Mutation("mailcatcher", "-p 1080:1080", "-p 1080:1080 -v mail:/mail", ("mailcatcher.volumes./mail", "volume", "-"),
             ('- "1080:1080"', '- "1080:1080"\n  volumes: ["mail:/mail"]')),
    Mutation("frontend", "-p 80:80", "-p 80:80 --tmpfs /var/cache/nginx", ("frontend.volumes./var/cache/nginx", "memory", "-"),
             ('- "80:80"', '- "80:80"\n  tmpfs: /var/cache/nginx')),
    Mutation("frontend", "backend:backend", "backend:app", ("frontend.links.app", "backend", "-")),
    Mutation("backend", "databasemaster:database", "databasemaster:mysql", ("backend.links.mysql", "databasemaster", "-")),
    Mutation("frontend", "  --link backend:backend \\\n", "", ("frontend.links.backend", "-", "backend"), ("  links:\n    - backend:backend\n", "")),
    # limits, health, number
    Mutation("backend", "512m", "1g", ("backend.limits.memory", "1024 MiB", "512 MiB")),
    Mutation("backend", "--memory 512m ", "", ("backend.limits.memory", "-", "512 MiB"), ("  mem_limit: 512m\n", "")),
    Mutation("backend", "cpus=1.5", "cpus=2", ("backend.limits.cpus", "2", "1.5"), ("cpus: 1.5", "cpus: 2")),
    Mutation("taskrunner", "256m", "256k", ("taskrunner.limits.memory", "262144 bytes", "256 MiB")),
    Mutation("backend", ":8000/health", ":8000/ready", ("backend.health.test", "GET :8000/ready", "GET :8000/health")),
    Mutation("backend", "localhost:8000/health", "localhost:8001/health", ("backend.health.test", "GET :8001/health", "GET :8000/health")),
    Mutation("backend", "  --read-only \\\n", "", ("backend.read_only", "writable", "read-only"), ("  read_only: true\n", "")),
    Mutation("workers", "taskrunner@2.service", "taskrunner@2.service taskrunner@3.service", ("taskrunner.replicas", "3", "2"), ("scale: 2", "scale: 3")),
    Mutation("frontend", "--link", "--health-cmd 'curl http://localhost/health' --link", ("frontend.health.test", "GET :80/health", "-"),
             ("links:\n    - backend:backend\n", "links:\n    - backend:backend\n  healthcheck: {test: curl http://localhost/health}\n")),
    # the database
    Mutation("databasemaster", "STRICT_TRANS_TABLES,", "", ("database.parameters.sql_mode", "NO_ENGINE_SUBSTITUTION", "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION")),
    Mutation("databasemaster", *option("character-set-server", "utf8mb4", "latin1"), ("database.parameters.character_set_server", "latin1", "utf8mb4")),
    Mutation("databasemaster", *option("collation-server", "utf8mb4_swedish_ci", "utf8mb4_0900_ai_ci"),
             ("database.parameters.collation_server", "utf8mb4_0900_ai_ci", "utf8mb4_swedish_ci")),
    Mutation("databasemaster", *option("default-time-zone", "+00:00", "Europe/Stockholm"), ("database.parameters.time_zone", "Europe/Stockholm", "SYSTEM")),
    Mutation("databasemaster", *option("transaction-isolation", "READ-COMMITTED", "REPEATABLE-READ"),
             ("database.parameters.transaction_isolation", "REPEATABLE-READ", "READ-COMMITTED")),
    Mutation("databasemaster", *option("max-allowed-packet", "64M", "16M"), ("database.parameters.max_allowed_packet", "16M", "67108864")),
    Mutation("databasemaster", *option("wait-timeout", "600", "28800"), ("database.parameters.wait_timeout", "28800", "600")),
    Mutation("databasemaster", "--wait-timeout=600", "--wait-timeout=600 --max-connections=500", ("database.parameters.max_connections", "500", "151"),
             ("- --wait-timeout=600", "- --wait-timeout=600\n    - --max-connections=500")),
    Mutation("databasemaster", " \\\n  --wait-timeout=600", "", ("database.parameters.wait_timeout", "-", "600"), ("    - --wait-timeout=600\n", "")),
    Mutation("databasemaster", "--wait-timeout=600", "--wait-timeout=600 --innodb-new-thing=7", ("database.parameters.innodb_new_thing", "7", "-"),
             ("- --wait-timeout=600", "- --wait-timeout=600\n    - --innodb-new-thing=7")),
)  # fmt: skip
HARMLESS = (
    Mutation("backend", "app-backend:latest", "app-backend"),
    Mutation("frontend", "app-frontend:latest\n", "app-frontend:latest nginx\n", compose=("app-frontend:latest\n", "app-frontend:latest\n  command: [nginx]\n")),
    Mutation("backend", "-e LANGUAGE=sv", "-e LANGUAGE", compose=("- LANGUAGE=sv", "- LANGUAGE")),
    Mutation("backend", "-e LANGUAGE=sv", "-e LANGUAGE=${LANGUAGE}", compose=("- LANGUAGE=sv", "- LANGUAGE=${LANGUAGE}")),
    Mutation("taskrunner", f"{REPORTS}:ro", REPORTS),
)  # fmt: skip
"""Other words for the same thing."""
FILES = {"taskrunner": "units/taskrunner@.service", "workers": "units/workers.target"}


def changed(texts: dict[str, str], file: str, old: str, new: str) -> dict[str, str]:
    assert texts[file].count(old) == 1, f"{old!r} stands {texts[file].count(old)} times in {file}"
    return {**texts, file: texts[file].replace(old, new)}


def report(texts: dict[str, str]) -> Report:
    return compare(read_manifest(texts, "production"), FACTS)


def drift(found: Report) -> list[tuple[str, str, str]]:
    return [(row.what, row.production or "-", row.here or "-") for row in found.drift]


FORMS = ("in_units", "in_compose")


@pytest.mark.parametrize("texts", [UNITS, COMPOSE], ids=["units", "compose"])
def test_production_as_it_is_has_no_drift(texts: dict[str, str]) -> None:
    assert drift(report(texts)) == []


def test_both_forms_say_the_same() -> None:
    rows = [
        {(row.what, row.production, row.here, row.verdict, row.reason) for row in report(texts).rows}
        for texts in (UNITS, COMPOSE)
    ]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: f"{one.service}: {one.old.strip()}")
def test_a_single_difference_is_found_and_nothing_else(mutation: Mutation, form: str) -> None:
    assert drift(report(getattr(mutation, form))) == [mutation.found]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mutation", HARMLESS, ids=lambda one: f"{one.service}: {one.old.strip()}")
def test_other_words_for_the_same_are_no_difference(mutation: Mutation, form: str) -> None:
    assert drift(report(getattr(mutation, form))) == []


@pytest.mark.parametrize("form", FORMS)
def test_every_difference_is_located(form: str) -> None:
    for mutation in MUTATIONS:
        (row,) = report(getattr(mutation, form)).drift
        file, line, column = row.where.rsplit(":", 2)
        assert file in {**UNITS, **COMPOSE}
        assert int(line) > 0
        assert int(column) > 0


def test_a_parameter_of_the_server_is_located_at_its_own_word() -> None:
    mutation = next(one for one in MUTATIONS if one.old.startswith("--max-allowed-packet"))
    assert [row.where for row in report(mutation.in_units).drift] == ["units/databasemaster.service:17:3"]
    assert [row.where for row in report(mutation.in_compose).drift] == ["production.yaml:15:7"]


def test_there_are_enough_of_them() -> None:
    assert len(MUTATIONS) >= 40
    assert len({mutation.found for mutation in MUTATIONS}) == len(MUTATIONS)
