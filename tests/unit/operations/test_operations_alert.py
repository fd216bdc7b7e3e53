"""Starts and answers are heard of when they happen, and what went wrong is raised where one waits."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from devenv.errors import OperationError
from devenv.model import Healthcheck, PublishedPort, Question, Service
from devenv.operations import alert
from devenv.operations.alert import Alert, Patience
from tests.fakes import FakeEngine
from tests.samples import container

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devenv.engine.observed import ObservedContainer
    from devenv.operations.alert import Companion

PATIENCE = 10
QUESTIONS = (Question(8000, "http", "/health"),)
BACKEND = Service(
    "backend", "backend", ports=(PublishedPort(80, 8000),), healthcheck=Healthcheck((), questions=QUESTIONS)
)
RUNNING = container("backend", health="starting", ports={8000: 80}, started_at="once")
HEARTBEAT = Healthcheck((), questions=(Question(None, "heartbeat", "/tmp/heartbeat"),))
TASKRUNNER = Service("taskrunner", "backend", healthcheck=HEARTBEAT, replicas=5)


class Told:
    """News that come from the test's own threads only; a wait without any fails."""

    def __init__(self) -> None:
        self._happened = threading.Event()

    def tell(self) -> None:
        self._happened.set()

    def wait(self, timeout: float) -> None:
        del timeout
        assert self._happened.wait(PATIENCE)
        self._happened.clear()


class Starting(FakeEngine):
    """An engine on which starting is remembered, and fails where it is told to."""

    def start_container(self, container_id: str) -> None:
        self._called(f"start {container_id}")


@pytest.fixture
def engine() -> Starting:
    return Starting()


@pytest.fixture(params=["alert", "patience"])
def companion(request: pytest.FixtureRequest, engine: Starting) -> Iterator[Companion]:
    found: Companion = Alert(engine, Told()) if request.param == "alert" else Patience(engine)
    yield found
    found.close()


def started(companion: Companion, number: int) -> set[str]:
    """Wait until that many were started."""
    found = set(companion.started())
    while len(found) < number:
        companion.wait()
        found |= set(companion.started())
    return found


def test_each_start_is_told_once(companion: Companion, engine: Starting) -> None:
    for name in ("a", "b", "c"):
        companion.start(name)
    assert started(companion, 3) == {"a", "b", "c"}
    assert companion.started() == ()
    assert sorted(engine.calls) == ["start a", "start b", "start c"]


def test_a_start_that_fails_is_raised_to_who_waits(companion: Companion, engine: Starting) -> None:
    engine.fail("start b", OperationError("no room"))

    def start() -> None:
        companion.start("b")
        started(companion, 1)

    with pytest.raises(OperationError, match="no room"):
        start()


def test_an_answer_ends_the_wait(monkeypatch: pytest.MonkeyPatch, engine: Starting) -> None:
    said = iter([False, False, True])
    monkeypatch.setattr(alert, "answers", lambda *_: next(said))
    companion = Alert(engine, Told())
    assert not companion.has_answered(BACKEND, RUNNING)
    companion.wait()
    assert companion.has_answered(BACKEND, RUNNING)


@pytest.mark.parametrize(
    ("service", "seen"),
    [
        (Service("backend", "backend"), RUNNING),
        (Service("backend", "backend", healthcheck=Healthcheck(())), RUNNING),
        (BACKEND, container("backend", health="starting", ports={}, started_at="once")),
        (BACKEND, container("backend", state="created", ports={8000: 80})),
    ],
)
def test_who_cannot_be_asked_is_not(
    monkeypatch: pytest.MonkeyPatch, engine: Starting, service: Service, seen: object
) -> None:
    monkeypatch.setattr(alert, "answers", lambda *_: pytest.fail("it was asked"))
    companion = Alert(engine, Told())
    assert companion.has_answered(service, seen) is None  # type: ignore[arg-type]
    companion.close()


def test_the_answer_of_an_earlier_run_does_not_count(
    monkeypatch: pytest.MonkeyPatch, engine: Starting
) -> None:
    monkeypatch.setattr(alert, "answers", lambda *_: True)
    companion = Alert(engine, Told())
    companion.has_answered(BACKEND, RUNNING)
    companion.wait()
    monkeypatch.setattr(alert, "answers", lambda *_: False)
    again = container("backend", health="starting", ports={8000: 80}, started_at="twice")
    assert not companion.has_answered(BACKEND, again)
    companion.close()


def test_files_are_asked_for_one_at_a_time_and_every_container_has_its_turn(
    monkeypatch: pytest.MonkeyPatch, engine: Starting
) -> None:
    workers = [
        container("taskrunner", number, health="starting") for number in range(1, TASKRUNNER.replicas + 1)
    ]
    asked: set[str] = set()
    busy, together = threading.Lock(), []

    def answers(_engine: object, _service: object, worker: ObservedContainer) -> bool:
        if not busy.acquire(blocking=False):
            together.append(worker.name)
            return False
        asked.add(worker.name)
        threading.Event().wait(0.001)
        busy.release()
        return len(asked) == len(workers)

    monkeypatch.setattr(alert, "answers", answers)
    monkeypatch.setattr(alert, "FILE_SECONDS", 0.001)
    companion = Alert(engine, Told())
    waiting = list(workers)
    while waiting:
        waiting = [worker for worker in waiting if not companion.has_answered(TASKRUNNER, worker)]
        if waiting:
            companion.wait()
    assert asked == {worker.name for worker in workers}
    assert not together
