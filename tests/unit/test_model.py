"""The values say about themselves what people read."""

from __future__ import annotations

import pytest

from devenv.engine.observed import EngineInfo, ObservedState
from devenv.errors import ConfigError, Problem
from devenv.events import Event, EventSink, NullSink, Status
from devenv.model import Healthcheck, PublishedPort, Question
from devenv.services.pods import Shape
from tests.samples import container, project


@pytest.mark.parametrize(
    ("port", "url"),
    [
        (PublishedPort(80, 80, scheme="http"), "http://127.0.0.1/"),
        (PublishedPort(443, 443, scheme="https"), "https://127.0.0.1/"),
        (PublishedPort(8443, 443, scheme="https"), "https://127.0.0.1:8443/"),
        (PublishedPort(8000, 8000, scheme="http"), "http://127.0.0.1:8000/"),
        (PublishedPort(3306, 3306, scheme="mysql"), "mysql://127.0.0.1:3306"),
        (PublishedPort(80, 25, scheme="smtp"), "smtp://127.0.0.1:80"),
        (PublishedPort(8000, 8000, "0.0.0.0", "http"), "http://127.0.0.1:8000/"),
        (PublishedPort(8000, 8000, "10.0.0.7", "http"), "http://10.0.0.7:8000/"),
        (PublishedPort(8000, 8000, "::1", "http"), "http://[::1]:8000/"),
        (PublishedPort(8000, 8000, "::", "http"), "http://127.0.0.1:8000/"),
        (PublishedPort(5432, 5432), None),
    ],
)
def test_a_port_says_where_it_is_reached(port: PublishedPort, url: str | None) -> None:
    assert port.url == url


@pytest.mark.parametrize(
    ("version", "major", "knows"),
    [
        ("24.0.9", 24, False),
        ("25.0.0", 25, True),
        ("26.1.5+dfsg1", 26, True),
        ("", 0, False),
        ("dev", 0, False),
    ],
)
def test_an_engine_knows_start_interval_from_25_on(version: str, major: int, *, knows: bool) -> None:
    info = EngineInfo(version, "1.45", "memory://")
    assert (info.major, info.knows_start_interval) == (major, knows)


@pytest.mark.parametrize(
    ("questions", "interval", "pace"),
    [
        ((), 2, 0.25),
        ((Question(8000, "http"),), 2, 1),
        ((Question(1025, "smtp"), Question(1080, "http")), 5, 1),
        ((Question(None, "heartbeat", "/tmp/heartbeat"),), 5, 2),
        ((Question(None, "heartbeat", "/tmp/heartbeat"),), 0.5, 0.5),
    ],
)
def test_a_start_is_probed_as_often_as_somebody_waits_for_the_probe(
    questions: tuple[Question, ...], interval: float, pace: float
) -> None:
    assert Healthcheck((), interval=interval, questions=questions).start_interval == pace


@pytest.mark.parametrize(
    ("state", "health", "healthy"),
    [
        ("running", "healthy", True),
        ("running", None, True),
        ("running", "starting", False),
        ("running", "unhealthy", False),
        ("exited", "healthy", False),
        ("created", None, False),
    ],
)
def test_healthy_is_what_runs_and_passes(state: str, health: str | None, *, healthy: bool) -> None:
    assert container("backend", state=state, health=health).is_healthy is healthy


def test_containers_of_a_service_come_by_number() -> None:
    state = ObservedState((container("taskrunner", 10), container("backend"), container("taskrunner", 2)))
    assert [one.number for one in state.of("taskrunner")] == [2, 10]
    assert state.of("nothing") == ()


def test_a_project_finds_its_services() -> None:
    shop = project()
    assert shop.service("backend").name == "backend"
    assert shop.service_names == ("databasemaster", "mailcatcher", "backend", "taskrunner", "frontend")
    with pytest.raises(KeyError):
        shop.service("varnish")


def test_a_name_stands_for_every_pods_service() -> None:
    shop = project(shape=Shape(2))
    assert [one.name for one in shop.named("backend")] == ["backend-1", "backend-2"]
    assert [one.name for one in shop.named("backend-2")] == ["backend-2"]
    assert [one.name for one in shop.named("taskrunner")] == ["taskrunner"]
    assert shop.named("varnish") == ()
    assert (shop.pods, project().pods) == (2, 0)
    assert (shop.service("frontend-2").role, shop.service("loadbalancer").role) == (
        "frontend",
        "loadbalancer",
    )


def test_a_problem_prints_the_parts_it_has() -> None:
    assert str(Problem("devenv.yaml:1:2", "name", "is wrong")) == "devenv.yaml:1:2: name: is wrong"
    assert str(Problem("", "", "is wrong")) == "is wrong"


def test_a_configuration_error_speaks_for_its_first_problem() -> None:
    error = ConfigError(
        (Problem("a.yaml:1:1", "x", "first", "mend it"), Problem("a.yaml:2:1", "y", "second"))
    )
    assert (error.message, error.where, error.hint) == ("x: first", "a.yaml:1:1", "mend it")
    assert len(error.problems) == 2


def test_the_null_sink_takes_everything() -> None:
    sink: EventSink = NullSink()
    sink.emit(Event("backend", Status.FAILED, "text"))
