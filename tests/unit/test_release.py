"""What production deploys of the model, and what of an environment goes to several machines."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.model import Condition
from devenv.release import release, spread
from tests.exported import ALL, released
from tests.samples import project, settings


def test_the_backend_waits_for_the_migration_and_for_nothing_that_is_elsewhere() -> None:
    shop = released()
    assert dict(shop.service("backend").depends_on) == {"migrate": Condition.COMPLETED}
    assert shop.service("migrate").is_job
    assert [one.name for one in shop.services if one.is_job] == ["migrate"]
    assert "migrate" not in released(production={"migrate": None}).service_names


def test_the_database_starts_as_its_image_starts_it() -> None:
    database = released(ALL, database={"parameters": {"time_zone": "+00:00"}}).service("databasemaster")
    assert (database.entrypoint, database.command) == (None, ("--default-time-zone=+00:00",))
    assert [mount.target for mount in database.mounts] == ["/var/lib/mysql"]
    assert "marker" not in str(database.healthcheck)
    assert released(ALL).service("databasemaster").command is None


def test_production_has_the_last_word_on_variables() -> None:
    shop = released(
        backend={"environment": {"DEBUG": "1", "A": "backend", "B": "backend"}},
        taskrunner={"environment": {"A": "taskrunner"}},
        production={"environment": {"B": "production"}},
    )
    web, worker = (dict(shop.service(name).environment) for name in ("backend", "taskrunner"))
    assert (web["DEBUG"], web["A"], web["B"]) == ("0", "backend", "production")
    assert (worker["DEBUG"], worker["A"], worker["B"]) == ("0", "taskrunner", "production")


def test_only_the_application_is_confined() -> None:
    shop = released(ALL)
    confined = {one.name for one in shop.services if one.read_only and one.memory and one.cpus}
    assert confined == {"migrate", "backend", "taskrunner", "frontend"}
    assert shop.service("backend").tmpfs == ("/tmp",)


def test_only_the_entrance_is_published() -> None:
    ports = {one.name: one.ports for one in released(ALL).services if one.ports}
    assert [(port.published, port.address) for port in ports.pop("frontend")] == [(80, "0.0.0.0")]
    assert not ports


def test_an_environment_for_several_machines_maps_nothing_of_this_one() -> None:
    shop = spread(project(services={"cache": {"image": "redis:7"}}))
    assert not [mount for one in shop.services for mount in one.mounts if mount.is_bind]
    assert {one.name for one in shop.services if one.pod} == {"backend", "frontend"}
    assert {one.user for one in shop.services} == {None}
    assert not [one.name for one in shop.services if "RELOAD" in one.environment]
    assert shop.service("backend").environment["DEBUG"] == "1", "it is development, elsewhere"


def test_in_an_environment_for_several_an_own_service_is_published_to_nobody() -> None:
    shop = spread(project(services={"cache": {"image": "redis:7", "ports": ["6379:6379"]}}))
    assert shop.service("cache").raw == {"image": "redis:7"}


@pytest.mark.parametrize(
    ("given", "included", "expected"),
    [
        (["databasemaster"], (), None),
        (["databasemaster"], ALL, ["databasemaster"]),
        (["mailcatcher", "backend"], (), ["backend"]),
        ({"databasemaster": {"condition": "service_healthy"}}, (), None),
        ({"mailcatcher": {}, "backend": {"condition": "service_started"}}, (), {"backend": {"condition": "service_started"}}),
    ],
)  # fmt: skip
def test_an_own_service_waits_for_nothing_that_is_elsewhere(
    given: Any, included: tuple[str, ...], expected: Any
) -> None:
    own = released(included, services={"adminer": {"image": "adminer", "depends_on": given}}).service(
        "adminer"
    )
    assert (own.raw or {}).get("depends_on") == expected
    assert set(own.depends_on) == set(expected or ())


def test_productions_migration_keeps_its_name() -> None:
    own = {"migrate": {"image": "flyway"}, "report": {"image": "report", "depends_on": ["migrate"]}}
    found = release(settings(services=own), "/srv/shop")
    assert [one.name for one in found.project.services if one.name == "migrate"] == ["migrate"]
    assert found.project.service("migrate").command == "python manage.py migrate"
    assert (found.project.service("report").raw or {})["depends_on"] == ["migrate"]
    note = "left out: your own migrate, for production's migration is called so (`production.migrate: null` leaves that one out)"
    assert note in found.notes
    found = release(settings(services=own, production={"migrate": None}), "/srv/shop")
    assert (found.project.service("migrate").raw or {})["image"] == "flyway"
    assert note not in found.notes
