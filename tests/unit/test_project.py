"""A project is assembled of services that fit together, or says why they do not."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.errors import ConfigError
from devenv.model import Condition, Image, Label
from devenv.project import database_volume, is_scalable, labels, scaled
from tests.samples import IDENTITY, project


def own(definition: dict[str, Any], **sections: Any) -> Any:
    """A user's own service as the renderer gets it."""
    service = project(services={"extra": definition}, **sections).service("extra")
    assert service.raw is not None
    return service


def problems(services: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        project(services=services)
    return [str(problem) for problem in caught.value.problems]


def test_images_and_where_they_may_come_from() -> None:
    assert project().images == {
        "database": Image("mysql:8.4", "database"),
        "mailcatcher": Image("sj26/mailcatcher:v0.10.0", "mailcatcher"),
        "backend": Image(None, "/srv/shop/compose/backend"),
        "frontend": Image(None, "/srv/shop/compose/frontend"),
    }


@pytest.mark.parametrize(
    ("reference", "recipe"),
    [
        ("mysql:8.4", "database"),
        ("mysql", "database"),
        ("library/mysql:9", "database"),
        ("docker.io/mysql@sha256:12", "database"),
        ("mysql:8.4@sha256:12", "database"),
        ("mariadb:11", None),
        ("registry.test:5000/mysql:8.4", None),
        ("team/mysql:8.4", None),
    ],
)
def test_only_the_registrys_own_mysql_has_a_recipe(reference: str, recipe: str | None) -> None:
    assert project(database={"image": reference}).images["database"] == Image(reference, recipe)


def test_images_that_are_named_are_not_built() -> None:
    found = project(backend={"image": "shop/backend:1"}, mail={"image": "team/mail:1"}).images
    assert found["backend"] == Image("shop/backend:1", None)
    assert found["mailcatcher"] == Image("team/mail:1", None)


def test_a_recipe_elsewhere_keeps_its_path() -> None:
    assert project(backend={"build": "/opt/recipe"}).images["backend"].recipe == "/opt/recipe"


def test_volumes_carry_the_generation_of_the_data() -> None:
    database, generated = project(generation=7).volumes
    assert (database.key, database.name) == ("database", "shop_database_7")
    assert database.labels == labels(IDENTITY, "database") | {Label.GENERATION: "7"}
    assert (generated.key, generated.name) == ("generated", "shop_generated")
    assert generated.labels == labels(IDENTITY, "generated")
    assert database_volume("shop", 7) == database.name


def test_everything_says_whose_it_is() -> None:
    assert labels(IDENTITY, "network") == {
        "devenv.project": "shop",
        "devenv.environment": "main",
        "devenv.worktree": "/srv/shop",
        "devenv.kind": "network",
    }


@pytest.mark.parametrize(
    ("written", "bound"),
    [
        ("8080:80", "127.0.0.1:8080:80"),
        ("8080:80/udp", "127.0.0.1:8080:80/udp"),
        ("8080-8081:80-81", "127.0.0.1:8080-8081:80-81"),
        ("0.0.0.0:8080:80", "0.0.0.0:8080:80"),
        ("[::1]:8080:80", "[::1]:8080:80"),
        ("80", "127.0.0.1::80"),
        (80, "127.0.0.1::80"),
        ("80/udp", "127.0.0.1::80/udp"),
        ("${PORT}:80", "127.0.0.1:${PORT}:80"),
        ("$PORT:80", "127.0.0.1:$PORT:80"),
        ("${PORT:-8080}:80", "127.0.0.1:${PORT:-8080}:80"),
        ("${ADDRESS}:${PORT:-8080}:80", "${ADDRESS}:${PORT:-8080}:80"),
        ({"target": 80, "published": 8080}, {"host_ip": "127.0.0.1", "target": 80, "published": 8080}),
        ({"target": 80}, {"host_ip": "127.0.0.1", "target": 80}),
        (
            {"target": 80, "published": 8080, "host_ip": "0.0.0.0"},
            {"target": 80, "published": 8080, "host_ip": "0.0.0.0"},
        ),
    ],
)
def test_a_port_without_address_is_not_opened_to_the_network(written: Any, bound: Any) -> None:
    assert own({"image": "x", "ports": [written]}).raw["ports"] == [bound]


def test_own_ports_follow_the_setting() -> None:
    assert own({"image": "x", "ports": ["8080:80"]}, bind="0.0.0.0").raw["ports"] == ["0.0.0.0:8080:80"]
    assert own({"image": "x", "ports": ["8080:80"]}, bind="::1").raw["ports"] == ["[::1]:8080:80"]


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (None, {}),
        (["backend"], {"backend": Condition.STARTED}),
        ({"backend": None}, {"backend": Condition.STARTED}),
        ({"backend": {"condition": "service_healthy"}}, {"backend": Condition.HEALTHY}),
        (
            {"backend": {"condition": "service_completed_successfully", "restart": True}},
            {"backend": Condition.COMPLETED},
        ),
        ({"backend": {"condition": "service_dancing"}}, {"backend": Condition.STARTED}),
        ("backend", {}),
    ],
)
def test_dependencies_in_each_of_composes_forms(written: Any, found: dict[str, Condition]) -> None:
    assert own({"image": "x", "depends_on": written}).depends_on == found


@pytest.mark.parametrize(
    ("written", "replicas"),
    [
        ({}, 1),
        ({"scale": 3}, 3),
        ({"deploy": {"replicas": 2}}, 2),
        ({"deploy": {"resources": {}}}, 1),
        ({"deploy": {"replicas": "${N}"}}, 1),
    ],
)
def test_replicas_in_each_of_composes_forms(written: dict[str, Any], replicas: int) -> None:
    assert own({"image": "x", **written}).replicas == replicas


def test_an_unknown_dependency_is_named_with_what_there_is() -> None:
    known = "a, b, backend, databasemaster, frontend, mailcatcher, taskrunner"
    assert problems({"a": {"depends_on": ["nothing"]}, "b": {"depends_on": ["a", "neither"]}}) == [
        f'services.a.depends_on: expected one of {known}, got "nothing"',
        f'services.b.depends_on: expected one of {known}, got "neither"',
    ]


@pytest.mark.parametrize(
    ("services", "found"),
    [
        ({"a": ["a"]}, "services.a.depends_on: expected no cycle, got a -> a"),
        ({"a": ["b"], "b": ["a"]}, "services.a.depends_on: expected no cycle, got a -> b -> a"),
        (
            {"start": ["b"], "b": ["c"], "c": ["d"], "d": ["b"]},
            "services.b.depends_on: expected no cycle, got b -> c -> d -> b",
        ),
    ],
)
def test_a_cycle_names_its_trail(services: dict[str, list[str]], found: str) -> None:
    assert problems({name: {"depends_on": names} for name, names in services.items()}) == [found]


def test_many_ways_to_one_service_are_no_cycle() -> None:
    services = {
        "a": {"depends_on": ["b", "c"]},
        "b": {"depends_on": ["d"]},
        "c": {"depends_on": ["d", "backend"]},
        "d": {},
    }
    assert project(services=services).service_names[-4:] == ("a", "b", "c", "d")


def test_another_number_of_replicas() -> None:
    found = scaled(project(), {"taskrunner": 4}).service("taskrunner")
    assert (found.replicas, found.scaled) == (4, True)
    assert scaled(project(), {}) == project()


@pytest.mark.parametrize(
    ("definition", "written"),
    [
        ({}, {"scale": 3}),
        ({"scale": 2}, {"scale": 3}),
        (
            {"deploy": {"mode": "replicated", "replicas": 2}},
            {"deploy": {"mode": "replicated", "replicas": 3}},
        ),
        ({"deploy": {}}, {"deploy": {"replicas": 3}}),
    ],
)
def test_another_number_of_a_users_own_service(definition: dict[str, Any], written: dict[str, Any]) -> None:
    shop = project(services={"extra": {"image": "x", **definition}})
    found = scaled(shop, {"extra": 3}).service("extra")
    assert found.raw is not None
    assert (found.replicas, found.scaled) == (3, True)
    assert {name: value for name, value in found.raw.items() if name != "image"} == written


@pytest.mark.parametrize(
    ("definition", "possible"),
    [
        ({"image": "x"}, True),
        ({"image": "x", "ports": []}, True),
        ({"image": "x", "ports": ["81:80"]}, False),
        ({"image": "x", "container_name": "one"}, False),
    ],
)
def test_what_can_be_there_once_only_is_not_scaled(definition: dict[str, Any], *, possible: bool) -> None:
    shop = project(services={"extra": definition})
    assert is_scalable(shop.service("extra")) is possible
    assert scaled(shop, {"extra": 3}).service("extra").scaled is possible
    assert [one.name for one in shop.services if is_scalable(one) and one.raw is None] == ["taskrunner"]


JOBS: dict[str, Any] = {
    "awaited": {"image": "node"},
    "site": {"image": "nginx", "depends_on": {"awaited": {"condition": "service_completed_successfully"}}},
    "once": {"image": "node", "restart": "no"},
    "asked": {"image": "node", "restart": "no", "ports": ["80"]},
    "probed": {"image": "node", "restart": "no", "healthcheck": {"test": "true"}},
    "steady": {"image": "node", "restart": "always"},
}


def test_jobs_are_those_whose_end_is_awaited_and_those_that_say_so() -> None:
    services = project(services=JOBS).services
    assert {service.name for service in services if service.job} == {"awaited", "once"}


@pytest.mark.parametrize("labels", [{"a": "b"}, ["a=b"], None])
def test_a_job_on_the_data_is_another_one_on_other_data(labels: Any) -> None:
    """Then its container is made anew, and it runs again; what does not touch the data stays as it is."""
    services: dict[str, Any] = {
        "load": {"image": "x", "restart": "no", "depends_on": ["backend"]},
        "assets": {"image": "x", "restart": "no"},
        "web": {"image": "x", "depends_on": ["databasemaster"]},
    }
    services["load"] |= {} if labels is None else {"labels": labels}
    found = [project(generation=number, services=services) for number in (1, 2)]
    raws = [{name: dict(one.service(name).raw or {}) for name in services} for one in found]
    assert raws[0]["assets"] == raws[1]["assets"]
    assert raws[0]["web"] == raws[1]["web"]
    given = {} if labels is None else {"a": "b"}
    assert [raw["load"]["labels"] for raw in raws] == [given | {"devenv.generation": n} for n in ("1", "2")]
