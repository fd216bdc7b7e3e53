"""The environment on a swarm: what is deployed where, and what up, status, logs, scale and down say and refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from devenv.engine.observed import ExecResult
from tests.fake_swarm import FakeSwarm
from tests.fakes import fake_wiring

if TYPE_CHECKING:
    from tests.harness import Outcome
    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")
STACK = "shop-swarm"


@pytest.fixture
def fleet() -> FakeSwarm:
    return FakeSwarm(("one", "two", "three"))


def on(shop: Shop, fleet: FakeSwarm, *words: str) -> Outcome:
    """Run a command line on the swarm; what was called before is forgotten."""
    fleet.calls.clear()
    return shop.project.run(*words, "--on", "swarm", wiring=fake_wiring(shop.engine, swarm=fleet))


def stack_of(fleet: FakeSwarm) -> dict[str, Any]:
    services: dict[str, Any] = fleet.files[STACK]["services"]
    return services


def test_up_deploys_a_whole_pod_on_every_node_and_keeps_data_on_the_manager(
    shop: Shop, fleet: FakeSwarm
) -> None:
    found = on(shop, fleet, "up", "--json").ok()
    assert fleet.calls == [f"deploy {STACK}"]
    services = stack_of(fleet)
    assert {name for name, one in services.items() if one["deploy"].get("mode") == "global"} == {
        "backend",
        "frontend",
    }
    placed = {
        name: one["deploy"]["placement"] for name, one in services.items() if "placement" in one["deploy"]
    }
    assert placed == {"databasemaster": {"constraints": ["node.id == id-of-one"]}}
    volume = fleet.files[STACK]["volumes"]["database"]
    assert volume == {"name": f"{STACK}_database_1", "external": True}
    assert volume["name"] in shop.engine.volume_labels
    assert found.data["status"]["state"] == "healthy"
    rows = {row["name"]: row for row in found.data["status"]["services"]}
    assert rows["backend"]["nodes"] == {"one": 1, "two": 1, "three": 1}


def test_nothing_of_this_machine_goes_there(shop: Shop, fleet: FakeSwarm) -> None:
    on(shop, fleet, "up").ok()
    for name, service in stack_of(fleet).items():
        assert [mount for mount in service.get("volumes", ()) if mount["type"] == "bind"] == []
        assert "user" not in service
        assert bool(service.get("ports")) == (name == "frontend"), "a swarm publishes to everybody"
        assert "RELOAD" not in service.get("environment", {})
        assert service["deploy"]["labels"]["devenv.project"] == STACK
        assert service["labels"]["devenv.worktree"] == str(shop.root)


@pytest.mark.parametrize(("status", "mode"), [(0, "ingress"), (1, "host")])
def test_the_routing_mesh_publishes_where_the_kernel_can(
    shop: Shop, fleet: FakeSwarm, status: int, mode: str
) -> None:
    shop.engine.answers.insert(0, (rf"{STACK}-mesh: test -e /proc/net/ip_vs", ExecResult(status, "")))
    found = on(shop, fleet, "up", "--json").ok()
    (port,) = stack_of(fleet)["frontend"]["ports"]
    assert (port["mode"], port["published"]) == (mode, 18080)
    assert ("dnsrr" in str(stack_of(fleet)["frontend"])) == (mode == "host"), "the mesh needs an address"
    assert ("no IPVS" in " ".join(found.json["warnings"])) == (mode == "host")


def test_a_second_up_keeps_data_and_port(shop: Shop, fleet: FakeSwarm) -> None:
    on(shop, fleet, "up").ok()
    first = fleet.files[STACK]
    on(shop, fleet, "up").ok()
    assert fleet.files[STACK] == first


def test_it_stands_beside_the_environment_here(shop: Shop, fleet: FakeSwarm) -> None:
    shop.up()
    before = shop.ids
    on(shop, fleet, "up").ok()
    on(shop, fleet, "down").ok()
    assert shop.ids == before


def test_an_engine_without_a_swarm(shop: Shop) -> None:
    found = on(shop, FakeSwarm(()), "up", "--json")
    assert (found.code, found.error["code"]) == (1, "no_swarm")


def test_a_node_without_an_image_is_named_at_once(shop: Shop, fleet: FakeSwarm) -> None:
    fleet.failing["frontend"] = "No such image: shop/frontend:1"
    found = on(shop, fleet, "up", "--json")
    assert (found.code, found.error["code"]) == (4, "image_unavailable")
    assert found.error["message"] == "frontend: node one has no image shop/frontend:1"


def test_a_service_that_does_not_start_ends_the_wait_with_the_swarms_words(
    shop: Shop, fleet: FakeSwarm
) -> None:
    fleet.failing["taskrunner"] = "task: non-zero exit (1)"
    found = on(shop, fleet, "up", "--json", "--timeout", "5")
    assert (found.code, found.error["code"]) == (4, "timeout")
    assert found.error["detail"]["evidence"] == ["one: task: non-zero exit (1)"]
    rows = {row["name"]: row for row in on(shop, fleet, "status", "--json").ok().data["services"]}
    assert rows["taskrunner"]["error"] == "task: non-zero exit (1)"


def test_scale_spreads(shop: Shop, fleet: FakeSwarm) -> None:
    on(shop, fleet, "up").ok()
    found = on(shop, fleet, "scale", "taskrunner=6", "--json").ok()
    assert fleet.calls == [f"scale {STACK} taskrunner 6"]
    (row,) = (row for row in found.data["services"] if row["name"] == "taskrunner")
    assert (row["replicas"], row["nodes"]) == (6, {"one": 2, "two": 2, "three": 2})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("scale", "backend=2"), "backend is not scaled: every node has one pod of it"),
        (("scale", "databasemaster=2"), "databasemaster is not scaled: its data are on one node"),
        (("scale", "many"), 'expected SERVICE=N with N of 0-100, such as taskrunner=10, got "many"'),
        (("logs", "cache"), 'no service called "cache" is on the swarm; there are'),
        (("up", "backend"), "`--on` deploys the whole environment: name no services"),
        (("exec", "backend", "--", "id"), "--on is for up, status, logs, scale and down"),
        (("up", "--production"), "--production is for one machine: leave it out, or leave out --on"),
    ],
)
def test_what_does_not_go_is_said(shop: Shop, fleet: FakeSwarm, words: tuple[str, ...], message: str) -> None:
    on(shop, fleet, "up").ok()
    found = shop.project.run("--on", "swarm", "--json", *words, wiring=fake_wiring(shop.engine, swarm=fleet))
    assert found.code == 2
    assert message in found.error["message"]


def test_scale_without_a_number_shows_what_runs(shop: Shop, fleet: FakeSwarm) -> None:
    on(shop, fleet, "up").ok()
    found = on(shop, fleet, "scale", "--json").ok().json
    assert found["schema"] == "devenv.status/1"
    assert fleet.calls == []


def test_logs_come_from_all_nodes(shop: Shop, fleet: FakeSwarm) -> None:
    on(shop, fleet, "up").ok()
    fleet.written = [("backend", "GET /"), ("taskrunner", "drawn"), ("backend", "GET /health")]
    found = on(shop, fleet, "logs", "--grep", "GET", "--json", "-n", "5").ok()
    assert [line["data"]["text"] for line in found.documents] == ["GET /", "GET /health"]
    assert fleet.calls[0].endswith("taskrunner 5 None False")


@pytest.mark.parametrize("command", ["logs", "scale"])
def test_what_is_not_there_is_not_up(shop: Shop, fleet: FakeSwarm, command: str) -> None:
    words = (command, "taskrunner=2") if command == "scale" else (command,)
    assert on(shop, fleet, *words, "--json").error["code"] == "not_up"


def test_down_waits_until_all_has_ended_and_keeps_the_data(shop: Shop, fleet: FakeSwarm) -> None:
    on(shop, fleet, "up").ok()
    fleet.lingering = 2
    on(shop, fleet, "down").ok()
    assert fleet.calls == [f"remove {STACK}", *[f"remains {STACK}"] * 3]
    assert f"{STACK}_database_1" in shop.engine.volume_labels
    assert on(shop, fleet, "status", "--json").ok().data["state"] == "absent"
    on(shop, fleet, "up").ok()
    assert fleet.files[STACK]["volumes"]["database"]["name"] == f"{STACK}_database_1"


def test_down_with_the_data_asks_first(shop: Shop, fleet: FakeSwarm) -> None:
    on(shop, fleet, "up").ok()
    refused = on(shop, fleet, "down", "--volumes", "--json")
    assert (refused.code, refused.error["code"]) == (6, "confirmation_needed")
    assert fleet.calls == []
    done = on(shop, fleet, "down", "--volumes", "--yes", "--json").ok()
    assert done.data["put_aside"] == f"{STACK}_database_1"
