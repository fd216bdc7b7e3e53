"""What `up` decides, as the text that it prints."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from devenv.plan import DataState, Plan, Step, plan_orphans, plan_up, selected
from devenv.project import scaled
from tests.samples import container, observed, project

if TYPE_CHECKING:
    from devenv.engine.observed import ObservedContainer

SERVICES = ("databasemaster", "mailcatcher", "backend", "taskrunner", "frontend")
ALL = tuple(container(name) for name in SERVICES)


def plan(
    *containers: ObservedContainer,
    specs: dict[str, str] | None = None,
    images: dict[str, str] | None = None,
    seed: str | None = None,
    elsewhere: tuple[str, ...] = (),
    file_changed: bool = False,
    only: tuple[str, ...] = (),
    scale: dict[str, int] | None = None,
    **sections: Any,
) -> str:
    """The plan for these containers; every definition and image is what they were made of."""
    shop = scaled(project(**sections), scale or {})
    return str(
        plan_up(
            selected(shop, only),
            observed(*containers),
            dict.fromkeys(shop.service_names, "as defined") | (specs or {}),
            dict.fromkeys(shop.service_names, "sha256:1") | (images or {}),
            DataState(seed, elsewhere),
            file_changed=file_changed,
        )
    )


def block(text: str) -> str:
    return dedent(text).strip()


def changed(service: str, number: int = 1, **facts: Any) -> tuple[ObservedContainer, ...]:
    """All containers, one of them otherwise."""
    return tuple(container(service, number, **facts) if one.service == service else one for one in ALL)


def test_nothing_is_there() -> None:
    assert plan(seed="there are no data yet", file_changed=True) == block("""
        [1] compose file: write, its content changed
        [2] database: seed, there are no data yet
        [3] databasemaster: create and start, it has no container
        [4] mailcatcher: create and start, it has no container
        [5] backend: create and start, it has no container
        [6] taskrunner: create and start, it has no container
        [7] frontend: create and start, it has no container
    """)


def test_everything_runs() -> None:
    assert plan(*ALL) == "nothing to do: everything runs as it is defined"


def test_a_service_that_is_starting_is_left_alone() -> None:
    assert plan(*changed("backend", health="starting")) == "nothing to do: everything runs as it is defined"


def test_a_definition_changed() -> None:
    assert plan(*ALL, specs={"backend": "new"}, file_changed=True) == block("""
        [1] compose file: write, its content changed
        [2] backend: recreate and start, its definition changed
    """)


def test_an_image_changed() -> None:
    assert plan(*ALL, images={"backend": "sha256:2", "taskrunner": "sha256:2"}) == block("""
        [1] backend: recreate and start, its image changed
        [2] taskrunner: recreate and start, its image changed
    """)


@pytest.mark.parametrize("state", ["exited", "created", "paused", "dead"])
def test_a_container_that_does_not_run(state: str) -> None:
    assert plan(*changed("mailcatcher", state=state, health=None)) == block(f"""
        [1] mailcatcher: start, its container is {state}
    """)


def test_a_service_is_unhealthy() -> None:
    assert plan(*changed("taskrunner", health="unhealthy")) == "[1] taskrunner: restart, it is unhealthy"


def test_the_volume_is_gone() -> None:
    assert plan(*ALL, seed="its volume shop_database_1 is gone") == block("""
        [1] database: seed, its volume shop_database_1 is gone
    """)


def test_only_the_file_changed() -> None:
    assert plan(*ALL, file_changed=True) == "[1] compose file: write, its content changed"


def test_more_replicas_are_wanted() -> None:
    assert plan(*ALL, taskrunner={"replicas": 3}) == block("""
        [1] taskrunner 2: create and start, it has no container
        [2] taskrunner 3: create and start, it has no container
    """)


def test_fewer_replicas_are_wanted() -> None:
    extra = (container("taskrunner", 2), container("taskrunner", 3))
    assert plan(*ALL, *extra) == "[1] taskrunner: remove 2 of 3, 1 of it are wanted"


def test_no_replica_is_wanted() -> None:
    assert plan(*ALL, taskrunner={"replicas": 0}) == "[1] taskrunner: remove 1 of 1, 0 of it are wanted"


def test_a_scale_is_named_as_the_cause() -> None:
    assert plan(*ALL, scale={"taskrunner": 3}) == block("""
        [1] taskrunner 2: create and start, it has no container, and `devenv scale` asked for 3
        [2] taskrunner 3: create and start, it has no container, and `devenv scale` asked for 3
    """)
    extra = (container("taskrunner", 2), container("taskrunner", 3))
    assert plan(*ALL, *extra, scale={"taskrunner": 2}, taskrunner={"replicas": 5}) == (
        "[1] taskrunner: remove 1 of 3, `devenv scale` asked for 2"
    )


def test_a_replica_in_the_middle_is_missing() -> None:
    assert plan(*ALL, container("taskrunner", 3), taskrunner={"replicas": 3}) == block("""
        [1] taskrunner 2: create and start, it has no container
    """)


def test_replicas_are_counted_whatever_their_numbers() -> None:
    """Compose keeps the youngest when it removes some, and numbers on from the highest."""
    there = [one for one in ALL if one.service != "taskrunner"]
    assert plan(*there, container("taskrunner", 3)) == "nothing to do: everything runs as it is defined"
    others = (container("taskrunner", 3), container("taskrunner", 7, health="unhealthy"))
    assert plan(*there, *others, taskrunner={"replicas": 3}) == block("""
        [1] taskrunner 7: restart, it is unhealthy
        [2] taskrunner 1: create and start, it has no container
    """)


def test_the_strongest_cause_is_named() -> None:
    """A changed definition makes a new container, whatever else is wrong with the old one."""
    everything: dict[str, Any] = {"spec": "old", "image_id": "sha256:0", "state": "exited", "health": None}
    assert (
        plan(*changed("backend", **everything)) == "[1] backend: recreate and start, its definition changed"
    )
    del everything["spec"]
    assert plan(*changed("backend", **everything)) == "[1] backend: recreate and start, its image changed"


def test_several_causes_in_the_order_of_the_services() -> None:
    there = [one for one in ALL if one.service != "mailcatcher"]
    there = [container("frontend", health="unhealthy") if one.service == "frontend" else one for one in there]
    assert plan(
        *there, container("taskrunner", 2), specs={"databasemaster": "new"}, file_changed=True
    ) == block("""
        [1] compose file: write, its content changed
        [2] databasemaster: recreate and start, its definition changed
        [3] mailcatcher: create and start, it has no container
        [4] taskrunner: remove 1 of 2, 1 of it are wanted
        [5] frontend: restart, it is unhealthy
    """)


def test_a_container_made_without_devenv_has_another_definition() -> None:
    assert plan(*changed("backend", labels={})) == "[1] backend: recreate and start, its definition changed"


def test_an_image_that_is_not_known_is_not_compared() -> None:
    steps = plan_up(
        project().services,
        observed(*ALL),
        dict.fromkeys(SERVICES, "as defined"),
        {},
        DataState(),
        file_changed=False,
    )
    assert steps == Plan(())


def test_only_some_services_are_asked_for() -> None:
    assert plan(only=("mailcatcher",)) == "[1] mailcatcher: create and start, it has no container"


def test_a_step_prints_itself() -> None:
    assert str(Step("backend", "restart", "it is unhealthy")) == "backend: restart, it is unhealthy"


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ((), SERVICES),
        (("mailcatcher",), ("mailcatcher",)),
        (("frontend",), ("databasemaster", "mailcatcher", "backend", "frontend")),
        (("taskrunner", "mailcatcher"), ("databasemaster", "mailcatcher", "taskrunner")),
    ],
)
def test_selected_are_the_named_and_all_they_need(names: tuple[str, ...], found: tuple[str, ...]) -> None:
    assert tuple(service.name for service in selected(project(), names)) == found


def test_a_container_on_other_data_is_made_anew() -> None:
    stopped = changed("databasemaster", state="exited")
    for there in (ALL, stopped):
        assert plan(*there, elsewhere=("databasemaster#1",)) == (
            "[1] databasemaster: recreate and start, it has other data"
        )


def test_what_is_no_longer_defined_is_removed() -> None:
    there = observed(*ALL, container("cache"), container("cache", 2), container("assets"))
    assert [str(step) for step in plan_orphans(project(), there)] == [
        "assets: remove, it is no longer defined",
        "cache: remove, it is no longer defined",
    ]
    assert plan_orphans(project(), observed(*ALL)) == ()


JOB: dict[str, Any] = {"services": {"once": {"image": "x", "restart": "no"}, "cache": {"image": "x"}}}


def test_a_job_that_is_done_is_done() -> None:
    """A service that ended well but is no job was stopped, and is started."""
    ended: dict[str, Any] = {"state": "exited", "health": None}
    assert plan(*ALL, container("once", **ended), container("cache", **ended), **JOB) == (
        "[1] cache: start, its container is exited"
    )


@pytest.mark.parametrize(
    ("facts", "specs", "step"),
    [
        ({"exit_status": 1}, {}, "[1] once: start, its container is exited"),
        ({}, {"once": "new"}, "[1] once: recreate and start, its definition changed"),
    ],
)
def test_a_job_that_failed_or_is_another_one_now(
    facts: dict[str, Any], specs: dict[str, str], step: str
) -> None:
    once = container("once", state="exited", health=None, **facts)
    assert plan(*ALL, once, container("cache"), specs=specs, **JOB) == step
