"""Production's shape on an engine in memory: up, pods that come, change and go, and the rolling restart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from devenv.environments.workspace import Memory
from devenv.errors import OperationError, ServiceFailedError, UsageError
from devenv.operations.balancer import Balancer
from devenv.operations.inside import running_container
from devenv.operations.lifecycle import restart_rolling, stop
from devenv.operations.session import configured_ports, remembered, shape_of
from devenv.operations.status import status
from devenv.operations.up import UpOptions, dry_run, up
from devenv.services.pods import Shape
from tests.balancer import CONTAINER, FakeBalancer
from tests.fakes import HEALTHY, exited, unhealthy
from tests.samples import settings

if TYPE_CHECKING:
    from devenv.operations.report import UpResult
    from devenv.operations.session import Session
    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")

NAMES = (
    "databasemaster",
    "mailcatcher",
    "backend-1",
    "frontend-1",
    "backend-2",
    "frontend-2",
    "taskrunner",
    "loadbalancer",
)


@dataclass
class Production:
    """The shop's other environment."""

    shop: Shop
    balancer: FakeBalancer

    def session(self, *, pods: int | None = None, tls: bool | None = None) -> Session:
        self.shop.engine.calls.clear()
        self.shop.sink.events.clear()
        return self.shop.project.production_session(self.shop.sink, pods=pods, tls=tls)

    def up(self, *services: str, pods: int | None = None, tls: bool | None = None) -> UpResult:
        return up(self.session(pods=pods, tls=tls), UpOptions(services))

    def happened(self) -> list[str]:
        """What the balancer was told, and what was done to containers of pods, in order."""
        told = re.compile(
            rf"execute {CONTAINER}: .* (?:ask set server pods/(\S+) state (\S+)|(ask) show servers state)$"
        )
        found = []
        for call in self.shop.engine.calls:
            if match := told.match(call):
                found.append("reload" if match[3] else f"{match[1]} {match[2]}")
            elif call.startswith(("create ", "restart shop", "start shop")) and "end-" in call:
                found.append(call.replace("shop-production-", ""))
        return found


@pytest.fixture
def production(shop: Shop) -> Production:
    shop.engine.registry = (shop.engine.registry or set()) | {"haproxy:3.0"}
    return Production(shop, FakeBalancer(shop.engine, shop.root / ".devenv" / "production" / "loadbalancer"))


def test_it_is_another_environment_with_ports_of_its_own(production: Production, shop: Shop) -> None:
    shop.up()
    before = shop.ids

    found = production.up().status

    assert (found.environment, found.project, found.state) == ("production", "shop-production", "healthy")
    assert {name: shop.ids[name] for name in before} == before
    ports = {port.published for row in found.services for port in row.ports}
    assert ports == {43061, 20801, 20251, 8080}
    assert tuple(row.name for row in found.services) == NAMES


def test_it_is_on_a_branch_of_the_same_snapshot(production: Production, shop: Shop) -> None:
    snapshot = shop.up().status.database.snapshot
    found = production.up().status.database
    assert (found.snapshot, found.branch) == (snapshot, "shop-production_database_1")


def test_a_seed_without_a_snapshot_runs_its_commands_in_the_first_pod(
    production: Production, shop: Shop
) -> None:
    production.up()
    assert shop.engine.called("run once") == ["run once backend-1: sh -c python manage.py migrate"]


def test_it_remembers_its_shape_and_what_was_asked_for(production: Production, shop: Shop) -> None:
    production.up(pods=3)
    again = shop.project.session(shop.sink, "production")
    assert again.shape == Shape(3)
    assert len(status(again).services) == 10
    assert shop.project.session(shop.sink).shape is None


def test_nothing_to_do_touches_no_pod(production: Production) -> None:
    production.up()
    assert production.up().plan.steps == ()
    assert production.happened() == []


def test_its_key_is_readable_for_its_owner_alone_and_stays(production: Production, shop: Shop) -> None:
    production.up()
    file = shop.root / ".devenv" / "production" / "secret-key"
    first = file.read_text()
    compose = shop.root / ".devenv" / "production" / "compose.yaml"
    production.up(pods=3)
    assert file.read_text() == first
    assert {one.stat().st_mode & 0o777 for one in (file, compose)} == {0o600}
    assert f"SECRET_KEY: {first.strip()}" in compose.read_text()


def test_looking_makes_nothing(production: Production, shop: Shop) -> None:
    plan = dry_run(production.session(), UpOptions())
    status(production.session())
    assert "loadbalancer: create and start, it has no container" in str(plan)
    assert not (shop.root / ".devenv" / "production").exists()


def test_changed_pods_are_replaced_one_after_another(production: Production, shop: Shop) -> None:
    production.up()
    shop.configure("port: 18000,", "port: 18000, environment: {GREETING: hello},")

    production.up()

    assert production.happened() == [
        "pod-1 drain",
        "create backend-1 frontend-1",
        "start backend-1-1",
        "pod-1 ready",
        "pod-2 drain",
        "create backend-2 frontend-2",
        "start backend-2-1",
        "pod-2 ready",
        f"create {' '.join(NAMES)}",
    ]


def test_a_pod_is_drained_until_its_requests_are_answered(production: Production, shop: Shop) -> None:
    production.up()
    production.balancer.requests = 3
    restart_rolling(production.session(), ())
    first = [call for call in shop.engine.calls if "ask show stat" in call or call.startswith("restart")]
    looks = next(number for number, call in enumerate(first) if call.startswith("restart"))
    assert looks >= 4
    assert not [event for event in shop.sink.lines if "cut off" in event]


def test_requests_that_never_end_are_cut_off_and_said(production: Production, shop: Shop) -> None:
    production.up()
    production.balancer.requests = 10**6
    restart_rolling(production.session(), ())
    assert any("still has requests in hand after 30 s" in line for line in shop.sink.lines)


def test_a_new_pod_is_made_known_without_another_being_touched(production: Production, shop: Shop) -> None:
    production.up()
    before = shop.ids

    production.up(pods=3)

    assert {name: shop.ids[name] for name in before} == before
    assert production.balancer.told == ["reload"]
    assert set(production.balancer.states) == {"pod-1", "pod-2", "pod-3"}


def test_a_pod_that_goes_is_drained_before(production: Production, shop: Shop) -> None:
    production.up(pods=3)
    production.balancer.told.clear()

    production.up(pods=2)

    assert production.happened()[0] == "pod-3 drain"
    assert production.balancer.told == ["pod-3 drain", "reload"]
    assert "shop-production-frontend-3-1" not in shop.engine.containers


def test_a_pod_that_an_interrupted_command_left_out_is_let_in(production: Production) -> None:
    production.up()
    production.balancer.states["pod-2"] = "DRAIN"
    production.up()
    assert production.balancer.told == ["pod-2 ready"]


def test_a_pod_that_an_interrupted_command_left_unknown_is_made_known_before_its_turn(
    production: Production, shop: Shop
) -> None:
    production.up()
    shop.engine.scripts["frontend-3"] = [unhealthy("no answer")]
    with pytest.raises(ServiceFailedError):
        production.up(pods=3)
    shop.engine.scripts.clear()
    production.balancer.told.clear()

    restart_rolling(production.session(), ())

    assert production.balancer.told == [
        "reload",
        *(f"pod-{pod} {state}" for pod in (1, 2, 3) for state in ("drain", "ready")),
    ]


def test_a_pod_left_unknown_is_made_known_before_changed_pods_are_replaced(
    production: Production, shop: Shop
) -> None:
    production.up()
    shop.engine.scripts["frontend-3"] = [unhealthy("no answer")]
    with pytest.raises(ServiceFailedError):
        production.up(pods=3)
    shop.engine.scripts.clear()
    shop.engine.turn("shop-production-frontend-3-1", HEALTHY)
    shop.configure("port: 18000,", "port: 18000, environment: {GREETING: hello},")

    assert production.up().status.state == "healthy"

    assert production.happened()[:2] == ["reload", "pod-1 drain"]
    assert "create backend-3 frontend-3" in production.happened()


def test_a_balancer_that_gives_no_answer_while_a_new_process_takes_over_is_asked_again(
    production: Production,
) -> None:
    production.up()
    production.balancer.told.clear()
    production.balancer.silent = 2

    restart_rolling(production.session(), ())

    assert production.balancer.told == [
        f"pod-{pod} {state}" for pod in (1, 2) for state in ("drain", "ready")
    ]


def test_a_pod_that_the_balancer_does_not_get_to_know_is_named(production: Production) -> None:
    production.up()
    found = Balancer.of(production.session(), production.session().observe())
    assert found is not None
    with pytest.raises(ServiceFailedError, match="does not send requests to pod-7: it does not know it"):
        found.let_in(1, 7)


def test_a_pod_that_the_balancer_finds_no_answer_at_is_named(production: Production) -> None:
    production.up()
    production.balancer.hear = lambda: None  # type: ignore[method-assign]
    production.balancer.states["pod-1"] = "DOWN"
    stat = production.balancer.table()
    production.shop.engine.watchers.clear()
    production.shop.engine.answer("show stat", stat)
    production.shop.engine.answer("show info", production.balancer.taken_up)
    with pytest.raises(ServiceFailedError, match="does not send requests to pod-1: it finds it DOWN"):
        production.up()


def test_a_balancer_that_refuses_its_configuration_is_named_with_its_log(production: Production) -> None:
    production.up()
    production.balancer.obeys = False
    production.shop.engine.written.append(("loadbalancer", "parsing error"))
    with pytest.raises(OperationError) as caught:
        production.up(pods=3)
    assert caught.value.code == "balancer_reload_failed"
    assert caught.value.evidence == ("parsing error",)


def test_a_rolling_restart_takes_one_pod_after_another(production: Production, shop: Shop) -> None:
    production.up()
    before = shop.ids

    found = restart_rolling(production.session(), ())

    assert found.services == ("backend-1", "backend-2", "frontend-1", "frontend-2")
    assert production.happened() == [
        "pod-1 drain",
        "restart backend-1-1",
        "restart frontend-1-1",
        "pod-1 ready",
        "pod-2 drain",
        "restart backend-2-1",
        "restart frontend-2-1",
        "pod-2 ready",
    ]
    assert shop.ids == before


def test_a_pod_that_fails_stays_out_and_the_next_is_left_alone(production: Production, shop: Shop) -> None:
    production.up()
    shop.engine.scripts["backend-1"] = [unhealthy("no answer")]

    with pytest.raises(ServiceFailedError):
        restart_rolling(production.session(), ())

    assert production.balancer.told == ["pod-1 drain"]


def test_a_pod_that_is_no_longer_defined_is_left_to_the_next_up(production: Production, shop: Shop) -> None:
    production.up(pods=3)
    shop.add("production: {pods: 2}")
    shop.project.session(shop.sink, "production").workspace.remember(pods=0)
    assert restart_rolling(production.session(), ()).services == (
        "backend-1",
        "backend-2",
        "frontend-1",
        "frontend-2",
    )


def test_only_what_is_named_is_restarted(production: Production) -> None:
    production.up()
    restart_rolling(production.session(), ("backend",))
    assert [one for one in production.happened() if one.startswith("restart")] == [
        "restart backend-1-1",
        "restart backend-2-1",
    ]


def test_what_is_in_no_pod_cannot_roll(production: Production) -> None:
    production.up()
    with pytest.raises(UsageError, match="expected services of the pods, got taskrunner"):
        restart_rolling(production.session(), ("taskrunner",))


def test_development_has_nothing_to_roll(shop: Shop) -> None:
    shop.up()
    with pytest.raises(UsageError, match="expected an environment of production's shape"):
        restart_rolling(shop.session(), ())


def test_a_name_stands_for_every_pods(production: Production) -> None:
    production.up()
    assert stop(production.session(), ("backend",)).services == ("backend-1", "backend-2")
    assert production.up("backend").status.state == "healthy"
    production.shop.engine.turn("shop-production-backend-1-1", exited(1))
    assert running_container(production.session(), "backend").name == "shop-production-backend-2-1"


@pytest.mark.parametrize(
    ("memory", "asked", "expected"),
    [
        (Memory(), {}, None),
        (Memory(), {"asked": True}, Shape(4, tls=True)),
        (Memory(production=True), {}, Shape(4, tls=True)),
        (Memory(production=True, pods=7, tls=False), {}, Shape(7)),
        (Memory(production=True, pods=7, tls=False), {"pods": 2, "tls": True}, Shape(2, tls=True)),
    ],
)
def test_what_is_asked_for_comes_before_what_was_and_that_before_what_is_configured(
    memory: Memory, asked: dict[str, Any], expected: Shape | None
) -> None:
    configured = settings(production={"pods": 4, "tls": True})
    assert shape_of(configured, memory, **({"asked": False} | asked)) == expected


def test_what_is_as_configured_is_not_remembered() -> None:
    configured = settings(production={"pods": 4})
    assert remembered(None, configured) == {}
    assert remembered(Shape(4), configured) == {"production": True, "pods": 0, "tls": None}
    assert remembered(Shape(2, tls=True), configured) == {"production": True, "pods": 2, "tls": True}


def test_productions_ports_keep_away_from_developments() -> None:
    found = configured_ports(settings(), Shape(2, tls=True))
    assert found == {
        "production.port": 8080,
        "production.tls_port": 8443,
        "mail.port": 11080,
        "mail.smtp_port": 11025,
        "database.port": 13306,
    }
    crowded = settings(frontend={"port": 8080}, backend={"port": 8081}, database={"port": 60000})
    assert configured_ports(crowded, Shape(2)) == {
        "production.port": 8082,
        "mail.port": 11080,
        "mail.smtp_port": 11025,
        "database.port": 50000,
    }
