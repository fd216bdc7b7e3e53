"""Each service as its settings and this machine define it."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.model import Condition, Mount, PublishedPort, Service
from devenv.services import DEFINITIONS, backend, mysql
from devenv.services.placement import Placement
from tests.samples import PLACEMENT, project, settings


def service(name: str, placement: Placement = PLACEMENT, **sections: Any) -> Service:
    return project(placement, **sections).service(name)


def test_the_list_of_services() -> None:
    names = [define(settings(), PLACEMENT).name for define in DEFINITIONS]
    assert names == ["databasemaster", "mailcatcher", "backend", "taskrunner", "frontend"]


def test_mapped_code_is_reloaded() -> None:
    found = service("backend")
    assert found.environment == {
        "DB_HOST": "database",
        "DB_USER": "root",
        "DB_PWD": "toor",
        "DB_NAME": "app",
        "MAIL_HOST": "mailcatcher",
        "MAIL_PORT": "1025",
        "SITE_URL": "http://127.0.0.1/",
        "DEBUG": "1",
        "RELOAD": "1",
    }
    assert found.mounts == (
        Mount("/srv/shop/compose/backend/app", "/opt/app", is_bind=True),
        Mount("generated", "/opt/app/generated_content", is_bind=False),
    )
    assert found.user == "1000:1000"


def test_an_image_without_mapping_runs_as_its_own_user_and_reloads_nothing() -> None:
    found = service("backend", backend={"image": "shop/backend:1"})
    assert "RELOAD" not in found.environment
    assert found.mounts == (Mount("generated", "/opt/app/generated_content", is_bind=False),)
    assert found.user is None
    assert service("taskrunner", backend={"image": "shop/backend:1"}).user is None


def test_the_application_knows_where_visitors_are() -> None:
    moved = Placement(root="/srv/shop", ports={"frontend.port": 4080})
    assert service("backend", moved).environment["SITE_URL"] == "http://127.0.0.1:4080/"
    assert service("taskrunner", moved).environment["SITE_URL"] == "http://127.0.0.1:4080/"


def test_what_the_user_writes_wins() -> None:
    given = {"DB_NAME": "mine", "DEBUG": "0", "EXTRA": "1"}
    found = service("backend", backend={"environment": given})
    assert {name: found.environment[name] for name in given} == given


def test_the_taskrunner_is_the_backend_with_another_command() -> None:
    web, worker = service("backend"), service("taskrunner")
    assert worker.image == web.image
    assert worker.mounts == web.mounts
    assert worker.command == "python manage.py db_worker"
    assert worker.ports == ()
    own = {"PROCESS_NAME": "task", "HEARTBEAT_FILE": "/tmp/heartbeat", "STOP_GRACE": "30"}
    assert worker.environment == dict(web.environment) | own


def test_a_worker_knows_how_long_it_has_to_stop() -> None:
    found = service("taskrunner", taskrunner={"grace": "2.5s"})
    assert (found.stop_grace_period, found.environment["STOP_GRACE"]) == (2.5, "2.5")


def test_a_taskrunner_without_heartbeat_is_not_told_of_one() -> None:
    found = service("taskrunner", taskrunner={"healthcheck": {"command": "true"}})
    assert "HEARTBEAT_FILE" not in found.environment


def test_the_taskrunners_own_environment_is_only_its_own() -> None:
    taskrunner = {"environment": {"QUEUE": "slow", "PROCESS_NAME": "mine"}}
    assert service("taskrunner", taskrunner=taskrunner).environment["PROCESS_NAME"] == "mine"
    assert "QUEUE" not in service("backend", taskrunner=taskrunner).environment


def test_the_database_gets_productions_parameters_last() -> None:
    parameters = {
        "time_zone": "+00:00",
        "sql_mode": None,
        "innodb_doublewrite": True,
        "performance_schema": False,
        "max_connections": 50,
    }
    found = mysql.server_flags(settings(database={"parameters": parameters}))
    assert found[: len(mysql.FAST_FLAGS)] == mysql.FAST_FLAGS
    assert found[len(mysql.FAST_FLAGS) :] == (
        "--default-time-zone=+00:00",
        "--innodb-doublewrite=ON",
        "--max-connections=50",
        "--performance-schema=OFF",
        "--sql-mode",
    )


def test_the_database_by_its_settings() -> None:
    found = service(
        "databasemaster", database={"databases": ["shop", "stock"], "root_password": "x", "aliases": ["db"]}
    )
    assert found.environment == {"MYSQL_ROOT_PASSWORD": "x", "MYSQL_DATABASE": "shop"}
    assert found.aliases == ("db",)
    assert found.mounts == (
        Mount("database", "/var/lib/mysql", is_bind=False),
        Mount(
            "/srv/shop/.devenv/marker.sql",
            "/docker-entrypoint-initdb.d/zz-devenv-marker.sql",
            is_bind=True,
            read_only=True,
        ),
    )


def test_the_frontend_reads_what_the_backend_generates() -> None:
    found = service("frontend", backend={"generated": "/srv/generated"})
    assert found.mounts == (Mount("generated", "/srv/generated", is_bind=False, read_only=True),)
    assert found.depends_on == {"backend": Condition.STARTED}


def test_who_waits_for_whom() -> None:
    for name in ("backend", "taskrunner"):
        assert service(name).depends_on == {
            "databasemaster": Condition.HEALTHY,
            "mailcatcher": Condition.STARTED,
        }


def test_ports_are_those_that_the_environment_got() -> None:
    moved = Placement(root="/srv/shop", ports={"mail.port": 4001, "backend.port": 4002})
    assert service("mailcatcher", moved, bind="0.0.0.0").ports == (
        PublishedPort(4001, 1080, "0.0.0.0", "http"),
        PublishedPort(1025, 1025, "0.0.0.0", "smtp"),
    )
    assert service("backend", moved).ports == (PublishedPort(4002, 8000, "127.0.0.1", "http"),)


@pytest.mark.parametrize(
    ("mapping", "mount"),
    [
        ("./app:/opt/app", Mount("/srv/shop/app", "/opt/app", is_bind=True)),
        ("./app:/opt/app:ro", Mount("/srv/shop/app", "/opt/app", is_bind=True, read_only=True)),
        ("/abs/app:/opt/app", Mount("/abs/app", "/opt/app", is_bind=True)),
        ("../other:/opt/app", Mount("/srv/shop/../other", "/opt/app", is_bind=True)),
        ("~/app:/opt/app", Mount("/home/dev/app", "/opt/app", is_bind=True)),
    ],
)
def test_mappings_are_absolute(mapping: str, mount: Mount) -> None:
    found = backend.mounts(settings(backend={"mappings": [mapping]}), PLACEMENT)
    assert found[0] == mount
