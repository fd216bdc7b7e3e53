"""The health linter: what it finds in a user's words, where, and what it leaves in peace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from devenv.config.document import Document
from devenv.config.source import load_document
from devenv.lint import lint, seconds
from devenv.services.pods import Shape
from tests.samples import project

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

JOB_ENDS = "service_completed_successfully"
PROBED = {"image": "redis", "healthcheck": {"test": "redis-cli ping", "interval": "1s"}}


def codes(ended: Collection[str] = (), **sections: Any) -> list[tuple[str, tuple[str | int, ...]]]:
    found = lint(project(**sections), Document(sections, {}), ended)
    return [(one.code, one.path) for one in found]


def of(service: dict[str, Any], **others: dict[str, Any]) -> list[tuple[str, tuple[str | int, ...]]]:
    """What is found in one service of the user's, without the path to it."""
    found = codes(services={"web": {"image": "nginx", **service}, **others})
    assert all(path[:2] == ("services", "web") for _, path in found), found
    return [(code, path[2:]) for code, path in found]


def test_the_reference_environment_is_in_order() -> None:
    assert codes() == []


def test_a_service_in_order() -> None:
    check = {
        "test": ["CMD", "curl", "localhost:80"],
        "interval": "2s",
        "start_period": "1m",
        "start_interval": "1s",
    }
    assert (
        of(
            {
                "healthcheck": check,
                "ports": ["8080:80", "127.0.0.1:8443:443", {"target": 1, "host_ip": "127.0.0.1"}],
                "depends_on": {"cache": {"condition": "service_healthy"}, "job": {"condition": JOB_ENDS}},
            },
            cache=PROBED,
            job={"image": "node", "command": "npm run build"},
        )
        == []
    )


@pytest.mark.parametrize(
    ("check", "found"),
    [
        ({"interval": "30s"}, [("slow_interval", ("healthcheck", "interval"))]),
        ({}, [("slow_interval", ("healthcheck", "interval"))]),
        ({"interval": "1m"}, [("slow_interval", ("healthcheck", "interval"))]),
        ({"interval": "5s"}, []),
        ({"interval": "${EVERY}"}, []),
        (
            {"interval": "1s", "start_interval": "1s"},
            [("start_interval_alone", ("healthcheck", "start_interval"))],
        ),
        (
            {"interval": "1s", "start_interval": "1s", "start_period": "0s"},
            [("start_interval_alone", ("healthcheck", "start_interval"))],
        ),
        ({"interval": "1s", "start_interval": "1s", "start_period": "10s"}, []),
        ({"disable": True}, []),
    ],
)
def test_the_pace_of_a_probe(check: dict[str, Any], found: list[Any]) -> None:
    assert of({"healthcheck": {"test": "true", **check}}) == found


@pytest.mark.parametrize(
    ("test", "found"),
    [
        (["CMD", "curl -f http://localhost/"], ["probe_without_shell"]),
        (["CMD", "curl", "localhost", "||", "exit", "1"], ["probe_without_shell"]),
        (["CMD-SHELL", "curl localhost || exit 1"], []),
        (["CMD", "/healthy"], []),
        ("curl localhost || exit 1", []),
        ("curl http://localhost:8080/", ["probe_of_published_port"]),
        (["CMD", "nc", "-z", "127.0.0.1", "8080"], ["probe_of_published_port"]),
        ("nc -z 127.0.0.1 8080", ["probe_of_published_port"]),
        ("curl http://localhost:80/", []),
        ("curl http://elsewhere:8080/", []),
    ],
)
def test_probes_that_cannot_work(test: Any, found: list[str]) -> None:
    got = of({"healthcheck": {"test": test, "interval": "1s"}, "ports": ["8080:80"]})
    assert [code for code, _ in got] == found


@pytest.mark.parametrize(
    ("depends", "found"),
    [
        (["cache"], [("condition_missing", ("depends_on", 0))]),
        ({"cache": {"condition": "service_started"}}, [("condition_missing", ("depends_on", "cache"))]),
        ({"cache": {"condition": "service_healthy"}}, []),
        (["databasemaster"], [("condition_missing", ("depends_on", 0))]),
        (["plain"], []),
        ({"plain": {"condition": "service_healthy"}}, [("condition_impossible", ("depends_on", "plain"))]),
        (["assets"], [("job_not_awaited", ("depends_on", 0))]),
        ({"assets": {"condition": JOB_ENDS}}, []),
    ],
)
def test_what_is_waited_for(depends: Any, found: list[Any]) -> None:
    others: dict[str, dict[str, Any]] = {
        "cache": PROBED,
        "plain": {"image": "redis"},
        "assets": {"image": "node", "command": ["npm", "run", "build"], "restart": "no"},
    }
    assert of({"depends_on": depends}, **others) == found


def test_a_service_that_was_seen_to_end_is_a_job() -> None:
    services = {"web": {"image": "nginx", "depends_on": ["once"]}, "once": {"image": "busybox"}}
    assert codes(services=services) == []
    assert codes({"once"}, services=services) == [("job_not_awaited", ("services", "web", "depends_on", 0))]


@pytest.mark.parametrize(
    ("job", "found"),
    [
        ({"command": "python manage.py migrate"}, [("job_not_marked", ())]),
        ({"command": "python manage.py migrate", "restart": "no"}, []),
        ({"command": "python manage.py migrate", "restart": "always"}, [("job_restarted", ("restart",))]),
        ({"command": "python manage.py runserver"}, []),
        ({"command": "npm run build", "ports": ["80"]}, []),
    ],
)
def test_a_job_that_nothing_marks_as_one(job: dict[str, Any], found: list[Any]) -> None:
    assert of(job) == found


@pytest.mark.parametrize(
    ("section", "found"),
    [
        ({"container_name": "web"}, [("fixed_name", ("container_name",))]),
        ({"ports": ["80", "0.0.0.0:81:80"]}, [("published_everywhere", ("ports", 1))]),
        ({"ports": ["[::]:81:80"]}, [("published_everywhere", ("ports", 0))]),
        ({"ports": ["0.0.0.0::80"]}, [("published_everywhere", ("ports", 0))]),
        ({"ports": [{"target": 80, "host_ip": "0.0.0.0"}]}, [("published_everywhere", ("ports", 0))]),
        ({"ports": [80, "8080:80", "127.0.0.1:81:80"]}, []),
        ({"network_mode": "host"}, [("published_everywhere", ("network_mode",))]),
    ],
)
def test_names_and_addresses_that_get_in_the_way(section: dict[str, Any], found: list[Any]) -> None:
    assert of(section) == found


@pytest.mark.parametrize(
    ("section", "found"),
    [
        ({"command": "sh -c 'while true; do work; sleep 5; done'"}, [("slow_stop", ("command",))]),
        (
            {"command": ["/bin/bash", "-c", "npm ci && node server.js"], "ports": [80]},
            [("slow_stop", ("command",))],
        ),
        ({"command": ["/bin/bash", "-c", "node server.js"]}, []),
        ({"entrypoint": ["sh", "-c"], "command": ["serve"]}, [("slow_stop", ("entrypoint",))]),
        ({"command": "sh -c 'serve'", "init": True}, []),
        ({"command": "sh -c 'serve'", "stop_grace_period": "1s"}, []),
        ({"command": "sh -c 'exec serve'"}, []),
        ({"command": "sh -c 'trap stop TERM; serve'"}, []),
        ({"command": "sh -c 'work'", "restart": "no"}, []),
        ({"command": "nginx"}, []),
    ],
)
def test_a_shell_that_does_not_end_when_it_is_told_to(section: dict[str, Any], found: list[Any]) -> None:
    assert of(section) == found


@pytest.mark.parametrize("pods", [1, 3])
def test_pods_have_their_settings_once(pods: int) -> None:
    sections: dict[str, Any] = {"backend": {"healthcheck": {"interval": 30}}}
    found = lint(project(shape=Shape(pods=pods), **sections), Document(sections, {}))
    assert [one.path for one in found] == [("backend", "healthcheck", "interval")]


def test_our_own_services_as_they_are_configured() -> None:
    assert codes(backend={"healthcheck": {"interval": 30}}, bind="0.0.0.0") == [
        ("slow_interval", ("backend", "healthcheck", "interval")),
        ("published_everywhere", ("bind",)),
    ]


def test_advice_comes_in_the_order_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "devenv.yaml").write_text(
        "services:\n  web:\n    image: nginx\n    depends_on:\n      - cache\n    container_name: web\n"
        "  cache:\n    image: redis\n    healthcheck: {test: redis-cli ping, interval: 9s}\n"
        "backend: {healthcheck: {interval: 7s}}\n"
    )
    document = load_document(tmp_path, {})
    found = lint(project(**document.data), document)
    assert [str(document.written_position_of(one.path)) for one in found] == [
        "devenv.yaml:5:9",
        "devenv.yaml:6:5",
        "devenv.yaml:9:41",
        "devenv.yaml:10:25",
    ]
    assert found[0].text == (
        "web starts as soon as cache has a process, ready or not, though cache has a health check"
    )
    assert found[0].fix == "`depends_on: {cache: {condition: service_healthy}}`"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("30s", 30),
        ("1m30s", 90),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("0s", 0),
        ("soon", None),
        ("5", None),
        (None, None),
    ],
)
def test_durations_in_composes_words(text: str | None, value: float | None) -> None:
    assert seconds(text) == value
