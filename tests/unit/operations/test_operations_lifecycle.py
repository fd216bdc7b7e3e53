"""Down, stop and restart: what goes, what stays, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from devenv.environments.workspace import Former
from devenv.errors import DevenvError, OperationError, RefusedError, SeedError, ServiceFailedError, UsageError
from devenv.operations.lifecycle import down, restart, stop
from devenv.operations.reset_db import undo
from tests.fakes import exited, unhealthy

if TYPE_CHECKING:
    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")

CONTAINERS = {
    f"shop-{name}-1" for name in ("databasemaster", "mailcatcher", "backend", "taskrunner", "frontend")
}


def own_volumes(shop: Shop) -> set[str]:
    """The volumes that belong to no snapshot and to no engine."""
    return {name for name in shop.engine.volume_labels if not name.startswith("devenv_")}


def test_down_removes_containers_and_network_and_keeps_the_data(shop: Shop) -> None:
    shop.up()
    result = down(shop.session())
    assert set(result.containers) == CONTAINERS
    assert result.volumes == ()
    assert shop.engine.containers == {}
    assert shop.engine.networks == {}
    assert own_volumes(shop) == {"shop_database_1", "shop_generated"}


def test_up_after_down_finds_the_data(shop: Shop) -> None:
    shop.up()
    down(shop.session())
    assert "database: seed" not in str(shop.up().plan)
    assert shop.engine.called("create volume") == []


def test_down_of_nothing_is_done(shop: Shop) -> None:
    assert down(shop.session()).containers == ()
    assert [call for call in shop.engine.changes if not call.startswith("remove")] == []


def test_down_takes_away_what_a_failed_up_left(shop: Shop) -> None:
    shop.engine.answer("migrate", "Traceback", 1)
    with pytest.raises(SeedError):
        shop.up()
    assert shop.engine.networks != {}
    down(shop.session())
    assert shop.engine.networks == {}


def test_down_with_volumes_is_refused_until_it_is_confirmed(shop: Shop) -> None:
    shop.up()
    with pytest.raises(RefusedError) as caught:
        down(shop.session(), volumes=True)
    assert caught.value.code == "confirmation_needed"
    assert caught.value.message == ("this would leave shop without its data: shop_database_1, shop_generated")
    assert caught.value.hint == "say `devenv down --volumes --yes` if you mean it"
    assert shop.engine.changes == []


def test_down_with_volumes_puts_the_data_aside(shop: Shop) -> None:
    shop.up()
    key = shop.project.memory["snapshot"]
    result = down(shop.session(), volumes=True, confirmed=True)
    assert (result.volumes, result.put_aside) == (("shop_generated",), "shop_database_1")
    assert own_volumes(shop) == {"shop_database_1"}
    memory = shop.project.session().workspace.recall()
    assert (memory.generation, memory.snapshot, memory.former) == (0, "", (Former(1, key),))
    anew = shop.up()
    assert "there are no data yet" in str(anew.plan)
    assert anew.status.database.branch == "shop_database_2"


def test_undo_after_down_with_volumes_brings_the_data_back(shop: Shop) -> None:
    shop.up()
    down(shop.session(), volumes=True, confirmed=True)
    result = undo(shop.session())
    assert (result.volume, result.put_aside, result.running) == ("shop_database_1", None, False)
    assert shop.project.memory["former"] == []
    assert shop.up().status.database.branch == "shop_database_1"


def test_down_with_volumes_keeps_no_more_than_the_limit(shop: Shop) -> None:
    shop.configure("database: {", "database: {undo: {keep: 1}, ")
    for generation in (1, 2, 3):
        shop.up()
        down(shop.session(), volumes=True, confirmed=True)
        assert [one["generation"] for one in shop.project.memory["former"]] == [generation]


def test_down_with_volumes_without_data_puts_nothing_aside(shop: Shop) -> None:
    result = down(shop.session(), volumes=True)
    assert (result.volumes, result.put_aside) == ((), None)
    assert not shop.project.session().workspace.recall().former


def test_down_with_volumes_removes_the_one_that_never_had_data(shop: Shop) -> None:
    shop.up("mailcatcher")
    shop.engine.create_volume("shop_database_0", {"devenv.project": "shop", "devenv.kind": "database"})
    result = down(shop.session(), volumes=True, confirmed=True)
    assert (result.volumes, result.put_aside) == (("shop_database_0",), None)
    assert own_volumes(shop) == set()


def test_down_leaves_other_environments_alone(shop: Shop) -> None:
    shop.up()
    shop.engine.create_volume("other_database_1", {"devenv.project": "other"})
    shop.engine.create_volume("anonymous", {})
    down(shop.session(), volumes=True, confirmed=True)
    assert own_volumes(shop) == {"shop_database_1", "other_database_1", "anonymous"}


@pytest.mark.parametrize("operation", ["down", "stop"])
def test_without_the_generated_file_it_does_the_same(shop: Shop, operation: str) -> None:
    shop.up()
    (shop.root / ".devenv/compose.yaml").unlink()
    if operation == "down":
        down(shop.session())
        assert shop.engine.containers == {}
    else:
        assert set(stop(shop.session(), ()).services) == {
            one.removeprefix("shop-")[:-2] for one in CONTAINERS
        }


def test_who_uses_another_is_stopped_first_and_removed_at_once(shop: Shop) -> None:
    shop.up()
    down(shop.session())
    calls = shop.engine.changes
    database = calls.index("stop container shop-databasemaster-1")
    for name in ("backend", "taskrunner"):
        assert calls.index(f"stop container shop-{name}-1") < database
    assert calls.index("stop container shop-databasemaster-1") < calls.index("remove shop-databasemaster-1")


def test_what_does_not_stop_is_not_removed(shop: Shop) -> None:
    shop.up()
    error = OperationError("cannot stop shop-backend-1: it hangs", code="engine_refused")
    shop.engine.failures.append(("stop container shop-backend-1", error))
    with pytest.raises(OperationError, match="it hangs"):
        down(shop.session())
    assert "shop-backend-1" in shop.engine.containers
    shop.engine.failures.clear()
    down(shop.session())
    assert shop.engine.containers == {}


def test_what_went_away_meanwhile_needs_no_stopping(shop: Shop) -> None:
    shop.up()
    shop.engine.watchers.append(
        ("stop container shop-backend-1", lambda: shop.engine.remove_container("shop-backend-1"))
    )
    down(shop.session())
    assert shop.engine.containers == {}


def test_stop_stops_all_that_runs(shop: Shop) -> None:
    shop.up()
    result = stop(shop.session(), ())
    assert {f"shop-{name}-1" for name in result.services} == CONTAINERS
    assert {one.now.state for one in shop.engine.containers.values()} == {"exited"}
    assert stop(shop.session(), ()).services == ()
    assert shop.engine.changes == []


def test_stop_stops_what_is_named(shop: Shop) -> None:
    shop.up()
    assert stop(shop.session(), ("backend", "taskrunner")).services == ("backend", "taskrunner")
    assert sorted(shop.engine.changes) == [
        "stop container shop-backend-1",
        "stop container shop-taskrunner-1",
    ]


def test_stop_of_what_is_stopped_does_nothing(shop: Shop) -> None:
    shop.up()
    stop(shop.session(), ("backend",))
    assert stop(shop.session(), ("backend",)).services == ()


def test_restart_waits_until_it_is_healthy(shop: Shop) -> None:
    shop.up()
    result = restart(shop.session(), ("backend", "taskrunner"))
    assert result.services == ("backend", "taskrunner")
    assert shop.engine.changes == ["restart shop-backend-1", "restart shop-taskrunner-1"]
    assert "done backend: healthy" in shop.sink.lines


def test_restart_restarts_every_replica(shop: Shop) -> None:
    shop.add("taskrunner: {replicas: 2}\n")
    shop.up()
    restart(shop.session(), ("taskrunner",))
    # Both at once, in whichever order.
    assert sorted(shop.engine.changes) == ["restart shop-taskrunner-1", "restart shop-taskrunner-2"]


@pytest.mark.parametrize(
    ("turn", "code"),
    [(unhealthy(), "service_unhealthy"), (exited(1), "service_exited")],
    ids=["unhealthy", "exited"],
)
def test_restart_ends_at_what_fails(shop: Shop, turn: object, code: str) -> None:
    shop.up()
    shop.engine.scripts["backend"] = [turn]  # type: ignore[list-item]
    with pytest.raises(ServiceFailedError) as caught:
        restart(shop.session(), ("backend",))
    assert caught.value.code == code


def failure(shop: Shop, operation: str, name: str) -> DevenvError:
    with pytest.raises(DevenvError) as caught:
        (restart if operation == "restart" else stop)(shop.session(), (name,))
    return caught.value


@pytest.mark.parametrize("operation", ["restart", "stop"])
def test_a_name_that_is_no_service(shop: Shop, operation: str) -> None:
    shop.up()
    error = failure(shop, operation, "varnish")
    assert isinstance(error, UsageError)
    assert error.message == (
        'no service called "varnish" has a container; '
        "there are backend, databasemaster, frontend, mailcatcher, taskrunner"
    )
    assert shop.engine.changes == []


@pytest.mark.parametrize("operation", ["restart", "stop"])
def test_an_environment_that_is_not_up(shop: Shop, operation: str) -> None:
    error = failure(shop, operation, "backend")
    assert (error.code, error.hint) == ("not_up", "bring it up with `devenv up`")
