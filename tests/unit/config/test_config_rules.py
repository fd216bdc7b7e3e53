"""Rules over several keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from devenv.config.parse import parse_settings
from devenv.config.reference import Defaults
from devenv.config.source import load_document
from devenv.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from devenv.config.settings import Settings

DEFAULTS = Defaults("folder", (), (), "compose/backend", "compose/frontend")


def parse(root: Path, text: str, local: str = "") -> Settings:
    (root / "devenv.yaml").write_text(text)
    (root / "devenv.local.yaml").write_text(local)
    return parse_settings(load_document(root, {}), DEFAULTS)


def problems(root: Path, text: str, local: str = "") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(root, text, local)
    return [str(problem) for problem in caught.value.problems]


def clash(where: str, key: str, port: int, other: str, origin: str) -> str:
    return f"{where}: {key}: expected a port of its own, got {port}, which {other} has ({origin})"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("mail: {port: 9}\nfrontend: {port: 9}", clash("devenv.yaml:2:18", "frontend.port", 9, "mail.port", "devenv.yaml:1:14")),
        ("frontend: {port: 9}\nmail: {port: 9}", clash("devenv.yaml:2:14", "mail.port", 9, "frontend.port", "devenv.yaml:1:18")),
        ("database: {port: 8000}", clash("devenv.yaml:1:18", "database.port", 8000, "backend.port", "by default")),
        ("mail: {smtp_port: 1080}", clash("devenv.yaml:1:19", "mail.smtp_port", 1080, "mail.port", "by default")),
        ("services: {a: {ports: ['80:1']}}", clash("devenv.yaml:1:24", "services.a.ports[0]", 80, "frontend.port", "by default")),
        ("services: {a: {ports: [{published: '80', target: 1}]}}", clash("devenv.yaml:1:24", "services.a.ports[0]", 80, "frontend.port", "by default")),
        ("services: {a: {ports: ['0.0.0.0:80:1']}}", clash("devenv.yaml:1:24", "services.a.ports[0]", 80, "frontend.port", "by default")),
    ],
)  # fmt: skip
def test_the_later_of_two_equal_ports_names_the_earlier(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, text) == [problem]


def test_a_port_that_nobody_wrote_is_never_the_wrong_one(tmp_path: Path) -> None:
    assert problems(tmp_path, "database: {port: 1080}\nmail: {smtp_port: 5}") == [
        clash("devenv.yaml:1:18", "database.port", 1080, "mail.port", "by default")
    ]


def test_a_port_of_the_local_file_is_the_later_one(tmp_path: Path) -> None:
    assert problems(tmp_path, "\n\nfrontend: {port: 9}", local="mail: {port: 9}") == [
        clash("devenv.local.yaml:1:14", "mail.port", 9, "frontend.port", "devenv.yaml:3:18")
    ]


@pytest.mark.parametrize(
    "ports",
    [
        "'80:1/udp'",
        "'127.0.0.2:80:1'",
        "80",
        "'${P}:80'",
        "{published: '80-90'}",
        "{target: 80}",
        "x",
        "81:80",
    ],
)
def test_a_port_that_does_not_clash_is_left_alone(tmp_path: Path, ports: str) -> None:
    parse(tmp_path, f"services: {{a: {{ports: [{ports}]}}}}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("backend: {build: b, image: a}", "devenv.yaml:1:11: backend.build: expected either image or build, got both"),
        ("frontend: {image: a, build: b}", "devenv.yaml:1:22: frontend.build: expected either image or build, got both"),
        ("frontend: {healthcheck: {http: /, heartbeat: /x}}", "devenv.yaml:1:35: frontend.healthcheck.heartbeat: expected exactly one of http, command and heartbeat, got http and heartbeat"),
        ("backend: {healthcheck: {stale_after: 3}}", "devenv.yaml:1:25: backend.healthcheck.stale_after: expected a heartbeat beside it, got http"),
        ("taskrunner: {healthcheck: {command: x, stale_after: 3}}", "devenv.yaml:1:40: taskrunner.healthcheck.stale_after: expected a heartbeat beside it, got command"),
        ("services: {a: {ports: 8080}}", "devenv.yaml:1:23: services.a.ports: expected a list, got 8080"),
        ("services: {a: {labels: x}}", 'devenv.yaml:1:24: services.a.labels: expected a list or a mapping, got "x"'),
        ("services: {backend: {}}", "devenv.yaml:1:12: services.backend: expected a name of its own, got the built-in service backend"),
        ("services: {a b: {}}", 'devenv.yaml:1:12: services.a b: expected a service name of letters, digits, dots, - and _, got "a b"'),
        ("database: {databases: [a, b, a]}", 'devenv.yaml:1:30: database.databases[2]: expected every database once, got "a" again'),
        ("database: {databases: [MySQL]}", 'devenv.yaml:1:24: database.databases[0]: expected a database of yours, got "MySQL", which is MySQL\'s own'),
        ("database: {aliases: [frontend]}", 'devenv.yaml:1:22: database.aliases[0]: expected a name of its own, got "frontend", which is a service'),
        ("database: {aliases: [r]}\nservices: {r: {}}", 'devenv.yaml:1:22: database.aliases[0]: expected a name of its own, got "r", which is a service'),
        ("database: {seed: [{run: a, service: x}]}", 'devenv.yaml:1:37: database.seed[0].service: expected a service, got "x"'),
        ("taskrunner: {queue: {command: a, service: x}}", 'devenv.yaml:1:43: taskrunner.queue.service: expected a service, got "x"'),
        ("database: {seed: [{file: a, database: x}]}", 'devenv.yaml:1:39: database.seed[0].database: expected one of database.databases, got "x"'),
        ("backend: {mappings: ['./a:/x', './b:/x/:ro']}", "devenv.yaml:1:32: backend.mappings[1]: expected every target once, got /x, which backend.mappings[0] has"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_one_problem(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, text) == [problem]


def test_what_the_rules_allow_is_allowed(tmp_path: Path) -> None:
    settings = parse(
        tmp_path,
        "database: {aliases: [databasemaster, db], databases: [a, b], seed: [{file: f, database: b}, {run: x, service: r.1}]}\n"
        "services: {r.1: {}}\ntaskrunner: {healthcheck: {stale_after: 3}}\n",
    )
    assert settings.taskrunner.healthcheck.stale_after == 3
    assert settings.database.aliases == ("databasemaster", "db")


@pytest.mark.parametrize(
    ("name", "section"),
    [("databasemaster", "database"), ("mailcatcher", "mail"), ("backend", "backend"), ("taskrunner", "taskrunner"), ("frontend", "frontend")],
)  # fmt: skip
def test_a_built_in_service_has_a_section(tmp_path: Path, name: str, section: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(tmp_path, f"services: {{{name}: {{}}}}")
    assert caught.value.hint == f"use the section {section} for it"


def test_an_unknown_service_is_answered_with_what_there_is(tmp_path: Path) -> None:
    for service, hint in (
        ("bakend", 'did you mean "backend"?'),
        ("x", "there are databasemaster, mailcatcher, backend, taskrunner, frontend"),
    ):
        with pytest.raises(ConfigError) as caught:
            parse(tmp_path, f"database: {{seed: [{{run: a, service: {service}}}]}}")
        assert caught.value.hint == hint
