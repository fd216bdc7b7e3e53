"""Production's shape: what it leaves out of development, and what each pod has of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from devenv.errors import ConfigError
from devenv.model import Condition, Project
from devenv.services.pods import Shape
from tests.samples import PLACEMENT
from tests.samples import project as assembled

PLACED = replace(PLACEMENT, secret_key="signs", balancer_user="1000:1000")
OF_THE_IMAGES = ("backend-1", "frontend-1", "backend-2", "frontend-2", "taskrunner", "loadbalancer")


def project(pods: int = 2, *, tls: bool = False, **sections: Any) -> Project:
    return assembled(PLACED, shape=Shape(pods, tls), **sections)


def test_pods_stand_between_the_data_and_the_load_balancer() -> None:
    assert project(1).service_names == (
        "databasemaster",
        "mailcatcher",
        "backend-1",
        "frontend-1",
        "taskrunner",
        "loadbalancer",
    )
    assert project(3).pods == 3


def test_nothing_is_mapped_over_the_images() -> None:
    shop = project()
    for name in OF_THE_IMAGES:
        sources = [mount.source for mount in shop.service(name).mounts if mount.is_bind]
        assert sources == (["loadbalancer"] if name == "loadbalancer" else []), name
    assert {shop.service(name).user for name in OF_THE_IMAGES} == {None, "1000:1000"}


@pytest.mark.parametrize("name", ["backend-1", "backend-2", "taskrunner"])
def test_debug_and_reload_are_off_whatever_development_says(name: str) -> None:
    shop = project(backend={"environment": {"DEBUG": "1", "RELOAD": "1", "GREETING": "hello"}})
    found = shop.service(name).environment
    assert found["DEBUG"] == "0"
    assert "RELOAD" not in found
    assert found["GREETING"] == "hello"
    assert found["SECRET_KEY"] == "signs"
    assert found["ALLOWED_HOSTS"] == "localhost,127.0.0.1"
    assert found["SITE_URL"] == "http://127.0.0.1:8080"


def test_what_production_sets_comes_last() -> None:
    shop = project(
        backend={"environment": {"SECRET_KEY": "theirs", "A": "1"}},
        taskrunner={"environment": {"A": "2", "B": "2"}},
        production={"environment": {"B": "3", "DEBUG": "1"}},
    )
    web, worker = shop.service("backend-1").environment, shop.service("taskrunner").environment
    assert (web["SECRET_KEY"], web["A"], web["B"], web["DEBUG"]) == ("theirs", "1", "3", "1")
    assert (worker["A"], worker["B"], worker["PROCESS_NAME"]) == ("2", "3", "task")
    assert worker["HEARTBEAT_FILE"] == "/tmp/heartbeat"


def test_each_pod_has_a_volume_of_its_own_and_its_frontend_its_own_backend() -> None:
    shop = project()
    for number in (1, 2):
        web, entrance = shop.service(f"backend-{number}"), shop.service(f"frontend-{number}")
        assert [mount.source for mount in web.mounts] == [f"generated-{number}"]
        assert [(mount.source, mount.read_only) for mount in entrance.mounts] == [
            (f"generated-{number}", True)
        ]
        assert dict(entrance.links) == {"backend": f"backend-{number}"}
        assert dict(entrance.depends_on) == {f"backend-{number}": Condition.STARTED}
        assert (web.pod, entrance.pod) == (number, number)
        assert shop.volume(f"generated-{number}").name == f"shop_generated-{number}"
    assert [mount.source for mount in shop.service("taskrunner").mounts] == ["generated"]


def test_only_the_balancer_the_database_and_the_mail_catcher_are_published() -> None:
    shop = project(
        services={"cache": {"image": "redis:7", "ports": ["6379:6379"], "depends_on": ["backend"]}}
    )
    assert [one.name for one in shop.services if one.ports] == [
        "databasemaster",
        "mailcatcher",
        "loadbalancer",
    ]
    raw = shop.service("cache").raw
    assert raw == {"image": "redis:7", "depends_on": ["backend-1", "backend-2"]}


def test_whoever_of_the_users_own_needs_a_backend_needs_every_pods() -> None:
    needs = {"backend": {"condition": "service_healthy"}, "mailcatcher": {"condition": "service_started"}}
    shop = project(services={"cache": {"image": "redis:7", "depends_on": needs}})
    assert dict(shop.service("cache").depends_on) == {
        "backend-1": Condition.HEALTHY,
        "backend-2": Condition.HEALTHY,
        "mailcatcher": Condition.STARTED,
    }


def test_containers_are_limited_and_cannot_write() -> None:
    shop = project(production={"cpus": 0.5, "memory": "1GB"})
    for name in OF_THE_IMAGES:
        one = shop.service(name)
        assert (one.read_only, one.cpus, one.memory) == (True, 0.5, 2**30), name
    assert shop.service("backend-1").tmpfs == ("/tmp",)


def test_an_image_that_has_to_write_may() -> None:
    shop = project(production={"read_only": False})
    assert not shop.service("backend-1").read_only
    assert shop.service("backend-1").tmpfs == ()
    assert shop.service("loadbalancer").read_only, "it is ours"


def test_with_https_a_visitor_goes_there() -> None:
    balancer = project(tls=True).service("loadbalancer")
    assert [port.url for port in balancer.ports] == ["https://127.0.0.1:8443/", "http://127.0.0.1:8080/"]
    assert project(tls=True).service("backend-1").environment["SITE_URL"] == "https://127.0.0.1:8443"


def test_more_pods_leave_the_load_balancer_as_it_is() -> None:
    assert project(2).service("loadbalancer") == project(9).service("loadbalancer")


def test_the_balancers_image_is_made_here_only_where_it_is_haproxys() -> None:
    assert project().images["loadbalancer"].recipe == "loadbalancer"
    own = project(production={"loadbalancer": "shop/balancer:1"})
    assert (own.images["loadbalancer"].reference, own.images["loadbalancer"].recipe) == (
        "shop/balancer:1",
        None,
    )
    assert "loadbalancer" not in assembled().images


@pytest.mark.parametrize("name", ["loadbalancer", "backend-1", "frontend-12"])
def test_the_names_of_production_are_taken(name: str) -> None:
    with pytest.raises(ConfigError, match="expected a name of its own"):
        assembled(services={name: {"image": "redis:7"}})
