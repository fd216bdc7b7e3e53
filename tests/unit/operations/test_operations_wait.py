"""The ascent: who is started when, and how each way to fail ends the wait at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from devenv.errors import EngineUnavailableError, OperationError, ServiceFailedError
from devenv.events import Status
from devenv.operations import wait
from devenv.operations.alert import Patience
from devenv.operations.wait import Ascent
from devenv.plan import selected
from tests.fakes import (
    HEALTHY,
    STARTING,
    FakeContainer,
    FakeEngine,
    RecordingSink,
    Turn,
    exited,
    unhealthy,
)
from tests.samples import project

if TYPE_CHECKING:
    from devenv.engine.observed import ObservedContainer, ObservedState
    from devenv.model import Service
    from tests.clock import Clock

pytestmark = pytest.mark.usefixtures("clock")


@dataclass
class Environment:
    """An environment whose containers are all created, and none started."""

    sections: dict[str, Any]
    engine: FakeEngine = field(default_factory=FakeEngine)
    sink: RecordingSink = field(default_factory=RecordingSink)

    def __post_init__(self) -> None:
        self.project = project(**self.sections)
        for service in self.project.services:
            raw = service.raw or {}
            probed = service.healthcheck is not None or "healthcheck" in raw
            for number in range(1, service.replicas + 1):
                name = f"shop-{service.name}-{number}"
                self.engine.containers[name] = FakeContainer(
                    id=f"id of {name}",
                    name=name,
                    image="",
                    image_id="",
                    project="shop",
                    service=service.name,
                    number=number,
                    definition={"healthcheck": {}} if not probed else {"healthcheck": {"test": "x"}},
                )

    def run(self, *names: str, timeout: float = 60) -> ObservedState:
        services = selected(self.project, names)
        return Ascent(self.engine, lambda: self.engine.observe("shop"), services, self.sink, timeout).run()

    def failure(self, *names: str, timeout: float = 60) -> ServiceFailedError:
        with pytest.raises(ServiceFailedError) as caught:
            self.run(*names, timeout=timeout)
        return caught.value

    @property
    def started(self) -> list[str]:
        """The services in the order in which they were started."""
        return [call.split("-")[1] for call in self.engine.called("start")]


def environment(**sections: Any) -> Environment:
    return Environment(sections)


def test_everything_starts_in_the_order_of_its_dependencies() -> None:
    shop = environment()
    state = shop.run()
    assert shop.started == ["databasemaster", "mailcatcher", "backend", "taskrunner", "frontend"]
    assert all(one.is_healthy for one in state.containers)


def test_what_waits_for_health_starts_only_then() -> None:
    shop = environment()
    shop.engine.scripts["databasemaster"] = [STARTING, STARTING, HEALTHY]
    shop.run()
    lines = shop.sink.lines
    assert lines.index("done databasemaster: healthy") < lines.index("working backend: starting")
    looks = shop.engine.calls
    assert (
        looks.index("start shop-backend-1")
        > [place for place, call in enumerate(looks) if call == "observe shop"][3]
    )


def test_what_waits_for_a_start_only_does_not_wait_for_health() -> None:
    shop = environment()
    shop.engine.scripts["backend"] = [STARTING] * 20 + [HEALTHY]
    shop.run()
    calls = shop.engine.calls
    assert calls[calls.index("start shop-frontend-1") :].count("observe shop") > 15


def test_waiting_is_said_once_for_each_reason() -> None:
    shop = environment()
    shop.engine.scripts["databasemaster"] = [STARTING] * 5 + [HEALTHY]
    shop.run("backend")
    assert [line for line in shop.sink.lines if "backend" in line] == [
        "working backend: waiting for databasemaster, mailcatcher",
        "working backend: waiting for databasemaster",
        "working backend: starting",
        "done backend: healthy",
    ]


def test_only_what_is_asked_for_is_started() -> None:
    shop = environment()
    shop.run("mailcatcher")
    assert shop.started == ["mailcatcher"]


def test_what_runs_already_is_not_started_again(clock: Clock) -> None:
    shop = environment()
    for name in shop.engine.containers:
        shop.engine.turn(name, HEALTHY)
    shop.run()
    assert shop.started == []
    assert clock.waits == 0


class Unanswered(Patience):
    """Says of those that are asked how often they gave no answer, before they do."""

    asked: ClassVar[list[str]] = []

    def has_answered(self, service: Service, container: ObservedContainer) -> bool:  # type: ignore[override]
        del container
        self.asked.append(service.name)
        return self.asked.count(service.name) > 3


def test_what_runs_already_answers_anew_where_something_that_it_needs_was_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wait, "Patience", Unanswered)
    monkeypatch.setattr(Unanswered, "asked", [])
    shop = environment()
    for name in shop.engine.containers:
        if "backend" not in name:
            shop.engine.turn(name, HEALTHY)
    shop.engine.scripts["backend"] = [HEALTHY]
    shop.run()
    assert shop.started == ["backend"]
    assert Unanswered.asked.count("frontend") > 3
    assert "mailcatcher" not in Unanswered.asked


def test_a_container_that_was_stopped_is_started_again() -> None:
    shop = environment()
    shop.engine.turn("shop-mailcatcher-1", exited(137))
    shop.run("mailcatcher")
    assert shop.started == ["mailcatcher"]


def test_every_replica_counts() -> None:
    shop = environment(taskrunner={"replicas": 3})
    shop.run("taskrunner")
    assert shop.started.count("taskrunner") == 3
    shop.engine.turn("shop-taskrunner-2", unhealthy())
    assert shop.failure("taskrunner").detail["container"] == "shop-taskrunner-2"


def test_no_replica_is_nothing_to_wait_for() -> None:
    shop = environment(taskrunner={"replicas": 0})
    shop.run("taskrunner")
    assert "taskrunner" not in shop.started


def test_unhealthy_ends_the_wait_at_once_with_probe_and_log(clock: Clock) -> None:
    shop = environment()
    shop.engine.scripts["backend"] = [STARTING, unhealthy("HTTP 500\nOperationalError", 22)]
    shop.engine.written = [("backend", f"line {number}") for number in range(25)] + [("frontend", "other")]
    error = shop.failure(timeout=1000)
    assert (error.code, error.exit_status) == ("service_unhealthy", 4)
    assert error.message == "backend is unhealthy"
    assert error.hint == "read on with `devenv logs backend`; after mending the cause, `devenv up` goes on"
    assert error.evidence == (
        "last probe: exit status 22",
        "probe: HTTP 500",
        "probe: OperationalError",
        *(f"log: line {number}" for number in range(5, 25)),
    )
    assert error.detail == {
        "service": "backend",
        "container": "shop-backend-1",
        "exit_status": 0,
        "restarts": 0,
        "cause": None,
        "consequences": [],
        "probe": {"exit_status": 22, "output": "HTTP 500\nOperationalError"},
        "log": [f"line {number}" for number in range(5, 25)],
    }
    assert shop.sink.of(Status.FAILED) == ["backend: is unhealthy"]
    assert clock.waits < 10


def test_a_log_that_cannot_be_read_hides_no_failure() -> None:
    shop = environment()
    shop.engine.scripts["frontend"] = [STARTING, exited(3)]
    container = shop.engine.containers["shop-frontend-1"]
    container.definition = {**container.definition, "logging": {"driver": "none"}}
    error = shop.failure()
    assert (error.code, error.exit_status) == ("service_exited", 4)
    assert error.evidence == (
        "log: its log cannot be read: configured logging driver does not support reading",
    )


def test_a_container_that_is_removed_meanwhile_hides_no_failure() -> None:
    shop = environment()
    shop.engine.scripts["frontend"] = [STARTING, exited(3)]
    shop.engine.fail("log of", OperationError("cannot read the log of x: No such container: x"))
    error = shop.failure()
    assert error.code == "service_exited"
    assert error.evidence == ("log: its log cannot be read: cannot read the log of x: No such container: x",)


def test_an_engine_that_goes_away_meanwhile_is_named() -> None:
    shop = environment()
    shop.engine.scripts["frontend"] = [STARTING, exited(3)]
    shop.engine.fail("log of", EngineUnavailableError("no Docker engine answers"))
    with pytest.raises(EngineUnavailableError):
        shop.run()


def test_a_probe_that_printed_nothing_says_so() -> None:
    shop = environment()
    shop.engine.scripts["mailcatcher"] = [unhealthy("", 1)]
    assert shop.failure("mailcatcher").evidence == (
        "last probe: exit status 1",
        "probe: (it printed nothing)",
    )


def test_an_exit_ends_the_wait_at_once(clock: Clock) -> None:
    shop = environment()
    shop.engine.scripts["frontend"] = [STARTING, exited(3, error="port is taken")]
    shop.engine.written = [("frontend", "nginx: emergency")]
    error = shop.failure(timeout=1000)
    assert (error.code, error.message) == ("service_exited", "frontend exited with status 3")
    assert error.evidence == ("engine: port is taken", "log: nginx: emergency")
    assert error.detail["exit_status"] == 3
    assert clock.waits < 10


def test_a_service_of_ours_that_ends_well_has_ended_all_the_same() -> None:
    shop = environment()
    shop.engine.scripts["backend"] = [exited(0)]
    assert shop.failure("backend").message == "backend exited with status 0"


def test_out_of_memory_is_named() -> None:
    shop = environment()
    shop.engine.scripts["databasemaster"] = [exited(137, oom_killed=True)]
    error = shop.failure()
    assert error.code == "service_oom_killed"
    assert error.message == "databasemaster was killed: it used more memory than it may"


def test_a_kill_under_a_limit_of_memory_is_named_where_the_engine_did_not_note_it() -> None:
    shop = environment()
    shop.engine.scripts["databasemaster"] = [exited(137, memory_limit=12 << 20)]
    error = shop.failure()
    assert error.code == "service_oom_killed"
    assert error.message == "databasemaster was killed, most likely for want of memory"
    assert error.evidence[0] == (
        "most likely out of memory, exit status 137: it may use 12 MB, and nothing says who killed it"
    )
    assert error.hint is not None
    assert "more memory (`mem_limit`), unless somebody killed it" in error.hint


@pytest.mark.parametrize("turn", [exited(137), exited(1, memory_limit=12 << 20)], ids=["no limit", "no kill"])
def test_what_is_not_for_want_of_memory_is_not_called_that(turn: Turn) -> None:
    shop = environment()
    shop.engine.scripts["databasemaster"] = [turn]
    assert shop.failure().code == "service_exited"


def test_the_time_is_up(clock: Clock) -> None:
    shop = environment()
    shop.engine.scripts["databasemaster"] = [Turn("starting")]
    begun = clock.now
    error = shop.failure(timeout=5)
    assert (error.code, error.message) == ("timeout", "databasemaster is not healthy after 5 s")
    assert 5 < clock.now - begun < 5.5
    assert "backend" not in shop.started


def test_the_time_is_up_for_the_first_service_that_is_late() -> None:
    shop = environment()
    shop.engine.scripts["taskrunner"] = [Turn("starting")]
    error = shop.failure(timeout=2.5)
    assert error.message == "taskrunner is not healthy after 2.5 s"
    assert error.detail["probe"] is None


def test_a_service_whose_containers_all_went_away() -> None:
    shop = environment()
    del shop.engine.containers["shop-mailcatcher-1"]
    error = shop.failure("mailcatcher", timeout=1)
    assert (error.code, error.message) == ("timeout", "mailcatcher has no container after 1 s")


JOB = {
    "services": {
        "assets": {"image": "node:22", "depends_on": {"mailcatcher": {"condition": "service_started"}}},
        "site": {"image": "nginx", "depends_on": {"assets": {"condition": "service_completed_successfully"}}},
    }
}


def test_a_job_of_the_users_is_done_when_it_ended_well() -> None:
    shop = environment(**JOB)
    shop.engine.scripts["assets"] = [Turn(None), Turn(None), exited(0)]
    shop.run("site")
    assert shop.started == ["mailcatcher", "assets", "site"]
    assert [line for line in shop.sink.lines if "site" in line] == [
        "working site: waiting for assets",
        "working site: starting",
        "done site: running",
    ]


def test_a_job_that_fails_ends_the_wait() -> None:
    shop = environment(**JOB)
    shop.engine.scripts["assets"] = [Turn(None), exited(2)]
    shop.engine.written = [("assets", "SyntaxError")]
    error = shop.failure("site")
    assert (error.code, error.message) == ("service_exited", "assets exited with status 2")
    assert error.evidence == (
        "log: SyntaxError",
        "therefore: site was not started: it depends on assets",
    )
    assert "site" not in shop.started


def test_a_job_that_was_done_before_is_done() -> None:
    shop = environment(**JOB)
    shop.engine.turn("shop-assets-1", exited(0))
    shop.run("site")
    assert shop.started == ["mailcatcher", "site"]


def test_a_job_that_failed_before_is_tried_anew() -> None:
    shop = environment(**JOB)
    shop.engine.turn("shop-assets-1", exited(1))
    shop.engine.scripts["assets"] = [Turn(None), exited(0)]
    shop.run("site")
    assert shop.started == ["mailcatcher", "assets", "site"]


def test_a_service_that_was_stopped_is_no_job_that_is_done() -> None:
    shop = environment(services={"cache": {"image": "redis"}})
    shop.engine.turn("shop-cache-1", exited(0))
    shop.engine.scripts["cache"] = [Turn(None)]
    state = shop.run("cache")
    assert shop.started == ["cache"]
    assert [one.state for one in state.containers if one.service == "cache"] == ["running"]


def test_a_service_without_health_check_is_up_when_it_runs() -> None:
    shop = environment(services={"cache": {"image": "redis"}})
    shop.engine.scripts["cache"] = [Turn(None)]
    shop.run("cache")
    assert shop.sink.lines[-1] == "done cache: running"


def test_a_paused_service_is_not_up() -> None:
    shop = environment()
    shop.engine.turn("shop-mailcatcher-1", Turn(None, "paused"))
    error = shop.failure("mailcatcher", timeout=1000)
    assert (error.code, error.message) == ("service_paused", "mailcatcher is paused")
    assert "`docker unpause shop-mailcatcher-1`" in str(error.hint)


def test_one_that_restarts_by_itself_is_given_its_time() -> None:
    shop = environment(services={"cache": {"image": "redis", "restart": "always"}})
    shop.engine.scripts["cache"] = [Turn(None, "restarting"), Turn(None)]
    shop.run("cache")
    assert shop.started == ["cache"]


LOOP = {"services": {"cache": {"image": "redis", "restart": "always"}}}


def test_a_loop_of_restarts_is_not_waited_for(clock: Clock) -> None:
    shop = environment(**LOOP)
    shop.engine.scripts["cache"] = [
        Turn(None, "restarting", 5, restarts=1),
        Turn(None, restarts=1),
        Turn(None, "restarting", 5, restarts=2),
        Turn(None, "restarting", 5, restarts=3),
    ]
    error = shop.failure("cache", timeout=1000)
    assert (error.code, error.detail["restarts"]) == ("service_crash_loop", 3)
    assert error.message == "cache ends again and again: 3 restarts in this wait, last with status 5"
    assert clock.waits < 10


def test_restarts_of_former_days_are_no_loop() -> None:
    shop = environment(**LOOP)
    shop.engine.turn("shop-cache-1", Turn(None, restarts=17))
    shop.run("cache")
    assert shop.started == []


def test_what_is_found_restarting_often_loops_already() -> None:
    shop = environment(**LOOP)
    shop.engine.turn("shop-cache-1", Turn(None, "restarting", 5, restarts=17))
    assert shop.failure("cache", timeout=1000).code == "service_crash_loop"


def test_a_loop_for_want_of_memory_says_so() -> None:
    shop = environment(**LOOP)
    shop.engine.scripts["cache"] = [
        Turn(None, "restarting", 137, restarts=1, oom_killed=True),
        Turn(None, "restarting", 137, restarts=3),
    ]
    assert shop.failure("cache", timeout=1000).code == "service_oom_killed"


def test_a_service_of_ours_that_was_just_started_has_no_reason_to_end_even_once() -> None:
    shop = environment()
    shop.engine.scripts["backend"] = [STARTING, Turn(None, "restarting", 3, restarts=1)]
    error = shop.failure("backend", timeout=1000)
    assert (error.code, error.message) == ("service_exited", "backend exited with status 3")


def test_a_service_of_ours_that_comes_back_by_itself_is_waited_for() -> None:
    shop = environment()
    for name in shop.engine.containers:
        shop.engine.turn(name, HEALTHY)
    shop.engine.turn("shop-backend-1", Turn(None, "restarting", 137, restarts=1), STARTING, HEALTHY)
    shop.run()
    assert shop.started == []


def test_one_without_health_check_has_to_stand_for_a_moment() -> None:
    shop = environment(services={"cache": {"image": "redis"}})
    shop.engine.scripts["cache"] = [Turn(None), Turn(None), Turn(None), exited(1)]
    assert shop.failure("cache").message == "cache exited with status 1"


class Late(Patience):
    """Starts beside the readings: a container is seen running before its start has been told."""

    _untold: tuple[str, ...] = ()

    def started(self) -> tuple[str, ...]:
        told, self._untold = self._untold, super().started()
        return told


def test_one_that_is_seen_running_before_its_start_is_told_has_to_stand_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wait, "Patience", Late)
    shop = environment(services={"cache": {"image": "redis"}})
    shop.engine.scripts["cache"] = [Turn(None), Turn(None), Turn(None), exited(1)]
    assert shop.failure("cache").message == "cache exited with status 1"


def test_one_that_ends_before_its_start_is_told_is_not_called_unhealthy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wait, "Patience", Late)
    shop = environment()
    # What the engine says of the health of one whose process ended.
    shop.engine.scripts["taskrunner"] = [Turn("unhealthy", "restarting", 3, restarts=1)]
    error = shop.failure("taskrunner")
    assert (error.code, error.message) == ("service_exited", "taskrunner exited with status 3")


def test_the_root_is_named_first_and_what_follows_from_it() -> None:
    healthy = {"condition": "service_healthy"}
    probed = {"image": "x", "healthcheck": {"test": "x"}}
    shop = environment(
        services={
            "page": {**probed, "depends_on": ["api"]},
            "api": {**probed, "depends_on": ["store"]},
            "store": probed,
            "worker": {**probed, "depends_on": {"store": healthy}},
            "other": probed,
        }
    )
    for name in ("page", "store", "other"):
        shop.engine.turn(f"shop-{name}-1", unhealthy())
    shop.engine.turn("shop-api-1", HEALTHY)
    error = shop.failure("page", "worker", "other")
    assert error.message == "store is unhealthy"
    assert error.detail["consequences"] == [
        {
            "service": "page",
            "code": "service_unhealthy",
            "text": "is unhealthy, it depends on store",
        },
        {"service": "worker", "code": "dependency_failed", "text": "was not started: it depends on store"},
        {"service": "other", "code": "service_unhealthy", "text": "is unhealthy as well"},
    ]


def test_what_waits_for_the_end_of_what_is_no_job_says_so() -> None:
    ends = {"condition": "service_completed_successfully"}
    shop = environment(services={"site": {"image": "x", "depends_on": {"mailcatcher": ends}}})
    error = shop.failure("mailcatcher", "site", timeout=5)
    assert (error.code, error.message) == (
        "timeout",
        "site was not started within 5 s: it waits for mailcatcher to end with status 0",
    )
    assert error.detail["waiting_for"] == {"mailcatcher": "service_completed_successfully"}


def test_a_job_that_does_not_end_is_named() -> None:
    shop = environment(**JOB)
    shop.engine.scripts["assets"] = [Turn(None)]
    error = shop.failure("site", timeout=5)
    assert (error.code, error.message) == ("timeout", "assets has not ended after 5 s")
    (site,) = error.detail["consequences"]
    assert (site["service"], site["text"]) == ("site", "was not started: it depends on assets")


def test_a_likely_cause_comes_first_and_gives_the_hint() -> None:
    shop = environment(services={"cache": {"image": "redis"}})
    shop.engine.scripts["cache"] = [exited(1)]
    shop.engine.written = [("cache", "ModuleNotFoundError: No module named 'celery'")]
    error = shop.failure("cache")
    assert error.evidence[0] == "likely cause: Python does not find the module celery"
    assert error.hint is not None
    assert error.hint.startswith("add it to the image's requirements and `devenv up --build`")
    assert error.hint.endswith("after mending the cause, `devenv up` goes on")


def test_a_kill_that_nobody_explains() -> None:
    shop = environment()
    shop.engine.scripts["backend"] = [exited(137)]
    hint = shop.failure("backend").hint
    assert hint is not None
    assert "somebody killed it, or the machine ran out of memory" in hint
