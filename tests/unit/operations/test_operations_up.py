"""`up` from every state an environment may be in: what it does, what it leaves alone, and what it remembers."""

from __future__ import annotations

import shutil
import socket
import threading
from contextlib import closing
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from devenv.engine.observed import PortHolder
from devenv.errors import ConfigError, OperationError, RefusedError, SeedError, ServiceFailedError, UsageError
from devenv.events import Status
from devenv.operations.reset_db import reset_db
from devenv.operations.up import UpOptions, up
from tests.fakes import Turn, exited, fake_wiring, unhealthy
from tests.harness import DevenvProject
from tests.samples import ADDRESS, SHOP, SHOP_FILES, SHOP_IMAGES

if TYPE_CHECKING:
    from pathlib import Path

    from devenv.plan import Plan
    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")

SERVICES = ["databasemaster", "mailcatcher", "backend", "taskrunner", "frontend"]
PULLED = """
    image database: pull mysql:8.4, not on this machine
    image mailcatcher: pull sj26/mailcatcher:v0.10.0, not on this machine
    image backend: pull shop/backend:1, not on this machine
    image frontend: pull shop/frontend:1, not on this machine
"""
FROM_NOTHING = """
    compose file: write, its content changed
    database: seed, there are no data yet
    databasemaster: create and start, it has no container
    mailcatcher: create and start, it has no container
    backend: create and start, it has no container
    taskrunner: create and start, it has no container
    frontend: create and start, it has no container
"""


def block(text: str) -> str:
    return dedent(text).strip()


def steps(plan: Plan) -> str:
    """Without their numbers."""
    return "\n".join(map(str, plan.steps))


def empty_snapshots(shop: Shop) -> list[str]:
    return [volume.name for volume in shop.engine.volumes("devenv.snapshot.origin=empty")]


def test_an_empty_server_is_initialised_once(shop: Shop) -> None:
    shop.up()
    first = empty_snapshots(shop)
    shop.project.write("seed.sql", "-- another seed")
    shop.engine.calls.clear()
    shop.run("reset-db").ok()
    assert empty_snapshots(shop) == first
    assert len(shop.engine.called("run shop-database-build")) == 1


def test_with_the_images_there_it_is_initialised_before_the_seed(shop: Shop) -> None:
    for image in SHOP_IMAGES:
        shop.engine.add_image(image)
    shop.up()
    assert len(empty_snapshots(shop)) == 1
    assert len(shop.engine.called("run shop-database-build")) == 2


def test_from_nothing(shop: Shop) -> None:
    result = shop.up()
    assert steps(result.plan) == block(PULLED + FROM_NOTHING.lstrip("\n"))
    pulls = [call for call in shop.changes if call.startswith("pull")]
    assert sorted(pulls) == sorted(f"pull {image}" for image in SHOP_IMAGES)
    key = shop.project.memory["snapshot"]
    (empty,) = [one.removeprefix("devenv_snapshot_") for one in empty_snapshots(shop)]
    mail = ("create mailcatcher", "start shop-mailcatcher-1")  # while the seed runs
    assert [call for call in shop.changes if call in mail] == [*mail]
    assert shop.changes.index(mail[0]) < shop.changes.index("create volume shop_database_1")
    assert shop.changes.index(mail[1]) < shop.changes.index("start shop-databasemaster-1")
    # The empty server's is initialised while the other images come.
    assert [call for call in shop.changes if not call.startswith(("remove", "pull", *mail))] == [
        f"create volume devenv_snapshot_{empty}_data",
        "stop container shop-database-build",
        f"create volume devenv_snapshot_{empty}",
        "create network shop_default",  # for the mail catcher
        "create network shop_default",  # for the seed's command
        f"create volume devenv_snapshot_{key}_data",
        "hold backend",
        "stop container shop-database-build",
        f"create volume devenv_snapshot_{key}",
        "create volume devenv-branch-probe",
        "create volume devenv_branch_driver",
        "create volume shop_database_1",
        "create databasemaster mailcatcher backend taskrunner frontend",
        "start shop-databasemaster-1",
        "start shop-backend-1",
        "start shop-taskrunner-1",
        "start shop-frontend-1",
    ]
    assert result.status.state == "healthy"
    assert [row.name for row in result.status.services] == SERVICES
    assert {row.health for row in result.status.services} == {"healthy"}


@pytest.mark.parametrize("call", ["create mailcatcher", "start shop-mailcatcher-1"])
def test_a_seed_finds_what_needs_no_database_running(shop: Shop, call: str) -> None:
    server, seeding, too_early = threading.Event(), threading.Event(), []

    def work() -> None:
        assert server.wait(10)
        too_early.append(seeding.wait(0.1))

    shop.engine.when("hold backend", server.set)
    shop.engine.when("run once", seeding.set)
    shop.engine.when(call, work)
    shop.up()
    assert too_early == [False]
    assert seeding.is_set()


def test_what_compose_refuses_is_said_before_the_seed_begins(shop: Shop) -> None:
    shop.engine.fail("create mailcatcher", OperationError("services.web: no such key", code="compose_failed"))
    with pytest.raises(OperationError, match="no such key"):
        shop.up()
    assert shop.engine.called("run once") == []
    assert shop.engine.containers == {}
    assert "shop_database_1" not in shop.engine.volume_labels


def test_the_first_error_is_the_seeds_own(shop: Shop) -> None:
    failed = threading.Event()

    def fail() -> None:
        assert failed.wait(10)
        raise RuntimeError("ours")

    shop.engine.when("create mailcatcher", fail)
    shop.engine.when("hold backend", failed.set)
    shop.engine.fail("hold backend", SeedError("the seed cannot be run"))
    with pytest.raises(SeedError, match="cannot be run"):
        shop.up()


def test_what_it_remembers(shop: Shop) -> None:
    shop.up()
    memory = shop.project.memory
    assert memory["project"] == "shop"
    assert memory["generation"] == 1
    assert set(memory["pulled"]) == SHOP_IMAGES
    assert memory["ports"] == {
        "frontend.port": 18080,
        "backend.port": 18000,
        "mail.port": 10801,
        "mail.smtp_port": 10251,
        "database.port": 33061,
    }
    assert len(memory["snapshot"]) == 16
    assert memory["former"] == []


def test_a_second_up_does_nothing(shop: Shop) -> None:
    shop.up()
    ids = shop.ids
    result = shop.up()
    assert shop.engine.changes == []
    assert result.plan.steps == ()
    assert shop.ids == ids
    assert shop.sink.of(Status.WARNING) == []


def test_what_is_created_carries_our_labels(shop: Shop) -> None:
    shop.up()
    labels = {"devenv.project": "shop", "devenv.environment": "main", "devenv.worktree": str(shop.root)}
    for one in shop.engine.containers.values():
        assert labels.items() <= one.labels.items()
    for volume, kind in (("shop_database_1", "database"), ("shop_generated", "generated")):
        assert (labels | {"devenv.kind": kind}).items() <= shop.engine.volume_labels[volume].items()
    assert labels.items() <= shop.engine.networks["shop_default"].items()


def test_a_changed_definition_replaces_only_its_own_containers(shop: Shop) -> None:
    shop.up()
    before = shop.ids
    shop.configure("port: 10801", "port: 10802")
    result = shop.up()
    assert str(result.plan) == block("""
        [1] compose file: write, its content changed
        [2] mailcatcher: recreate and start, its definition changed
    """)
    assert {name for name, identity in shop.ids.items() if before[name] != identity} == {"shop-mailcatcher-1"}
    assert shop.engine.containers["shop-mailcatcher-1"].ports == {1080: 10802, 1025: 10251}
    assert shop.engine.called("start") == ["start shop-mailcatcher-1"]


def test_a_changed_image_replaces_its_containers(shop: Shop) -> None:
    shop.up()
    shop.engine.add_image("shop/backend:1")
    assert str(shop.up().plan) == block("""
        [1] backend: recreate and start, its image changed
        [2] taskrunner: recreate and start, its image changed
    """)


def test_a_stopped_container_is_started_and_not_made_anew(shop: Shop) -> None:
    shop.up()
    ids = shop.ids
    shop.engine.turn("shop-taskrunner-1", exited(137))
    assert str(shop.up().plan) == "[1] taskrunner: start, its container is exited"
    assert shop.engine.changes == ["start shop-taskrunner-1"]
    assert shop.ids == ids


def test_an_unhealthy_container_is_restarted(shop: Shop) -> None:
    shop.up()
    shop.engine.turn("shop-frontend-1", unhealthy())
    assert str(shop.up().plan) == "[1] frontend: restart, it is unhealthy"
    assert shop.engine.changes == ["restart shop-frontend-1"]
    assert "working frontend: restarting: it is unhealthy" in shop.sink.lines


def test_a_database_that_a_reset_made_keeps_its_name_when_its_definition_changes(shop: Shop) -> None:
    shop.up()
    reset_db(shop.session())
    shop.configure("database: {", "database: {aliases: [database, db], ")
    shop.up()
    assert shop.engine.containers["shop-databasemaster-1"].number == 2
    assert "rename shop-databasemaster-2 to shop-databasemaster-1" in shop.engine.changes
    assert shop.up().plan.steps == ()


def test_why_something_is_made_anew_is_told(shop: Shop) -> None:
    shop.up()
    shop.sink.events.clear()
    shop.configure("smtp_port: 10251}", "smtp_port: 10252}")
    shop.up()
    assert "working mailcatcher: recreate and start: its definition changed" in shop.sink.lines
    assert not [line for line in shop.sink.lines if "backend: recreate" in line]


def test_why_an_image_is_fetched_is_told_and_part_of_the_plan(shop: Shop) -> None:
    shop.up()
    del shop.engine.present["shop/frontend:1"]
    shop.sink.events.clear()
    result = shop.up()
    assert "working image frontend: pulling shop/frontend:1, not on this machine" in shop.sink.lines
    assert str(result.plan.steps[0]) == "image frontend: pull shop/frontend:1, not on this machine"
    assert [step.resource for step in shop.up().plan.steps] == []


def test_only_what_was_asked_for_is_restarted_and_the_database_ends_in_its_own_time(shop: Shop) -> None:
    shop.up()
    for name in ("frontend", "databasemaster"):
        shop.engine.turn(f"shop-{name}-1", unhealthy())
    shop.up("databasemaster")
    assert shop.engine.changes == ["restart shop-databasemaster-1"]
    assert shop.engine.patience == {"shop-databasemaster-1": None}


def test_replicas_come_and_go(shop: Shop) -> None:
    def workers() -> list[str]:
        return [name for name in shop.engine.containers if "taskrunner" in name]

    shop.up()
    shop.add("taskrunner: {replicas: 3}\n")
    shop.up()
    assert workers() == ["shop-taskrunner-1", "shop-taskrunner-2", "shop-taskrunner-3"]
    assert shop.engine.called("start") == ["start shop-taskrunner-2", "start shop-taskrunner-3"]
    shop.configure("replicas: 3", "replicas: 1")
    assert "taskrunner: remove 2 of 3, 1 of it are wanted" in str(shop.up().plan)
    assert workers() == ["shop-taskrunner-3"]
    assert shop.up().plan.steps == ()
    shop.configure("replicas: 1", "replicas: 2")
    shop.up()
    assert workers() == ["shop-taskrunner-3", "shop-taskrunner-4"]
    assert shop.up().plan.steps == ()


def test_a_lost_volume_is_seeded_anew_under_a_new_name(shop: Shop) -> None:
    shop.up()
    del shop.engine.containers["shop-databasemaster-1"]
    del shop.engine.volume_labels["shop_database_1"]
    result = shop.up()
    assert result.plan.steps[0].resource == "compose file"
    assert str(result.plan.steps[1]) == "database: seed, its volume shop_database_1 is gone"
    assert "shop_database_2" in shop.engine.volume_labels
    assert shop.project.memory["generation"] == 2
    assert shop.engine.containers["shop-databasemaster-1"].volumes["/var/lib/mysql"] == "shop_database_2"


def test_a_database_on_other_data_than_the_current_is_put_on_those(shop: Shop) -> None:
    """As a reset that was killed between its last two steps leaves it."""
    shop.up()
    shop.engine.create_volume("shop_database_2", shop.engine.volume_labels["shop_database_1"])
    shop.project.session().workspace.remember(generation=2)
    result = shop.up()
    assert "databasemaster: recreate and start, it has other data" in str(result.plan)
    assert shop.engine.containers["shop-databasemaster-1"].volumes["/var/lib/mysql"] == "shop_database_2"
    assert result.status.database.branch == "shop_database_2"


def test_a_lost_memory_is_found_again_in_the_container(shop: Shop) -> None:
    shop.up()
    shop.project.write(".devenv/environment.json", "damaged")
    result = shop.up()
    assert shop.engine.changes == []
    assert result.plan.steps == ()
    assert shop.project.memory["generation"] == 1


def test_data_that_nobody_remembers_are_never_written_over(shop: Shop) -> None:
    shop.up()
    shutil.rmtree(shop.root / ".devenv")
    shop.engine.containers.clear()
    shop.up()
    assert {"shop_database_1", "shop_database_2"} <= set(shop.engine.volume_labels)
    assert shop.project.memory["generation"] == 2


def test_a_failing_seed_creates_no_container_that_uses_it_and_is_mended_by_the_next_up(shop: Shop) -> None:
    shop.engine.answer("utf8mb4 app$", "ERROR 1146 (42S02) at line 2: no table", 1)
    with pytest.raises(SeedError):
        shop.up()
    assert list(shop.engine.containers) == ["shop-mailcatcher-1"]
    assert [name for name in shop.engine.volume_labels if "database" in name] == []
    assert shop.project.memory["generation"] == 0
    shop.engine.answers.clear()
    assert shop.up().status.state == "healthy"


def test_the_seed_runs_against_the_builder_with_the_new_definition(shop: Shop) -> None:
    shop.up()
    migrate = next(one for one in shop.engine.executed if one.container == "backend")
    assert migrate.environment == {"DB_HOST": "shop-database-build"}
    assert [one.stdin for one in shop.engine.executed if one.stdin] == [SHOP_FILES["seed.sql"].encode()]


def test_a_service_that_does_not_come_up_leaves_the_others_running(shop: Shop) -> None:
    shop.engine.scripts["backend"] = [unhealthy()]
    with pytest.raises(ServiceFailedError):
        shop.up()
    assert shop.engine.containers["shop-databasemaster-1"].now.state == "running"
    shop.engine.scripts.clear()
    assert "[1] backend: restart, it is unhealthy" in str(shop.up().plan)


def test_an_interrupted_up_goes_on(shop: Shop) -> None:
    shop.engine.fail("start shop-backend", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        shop.up()
    shop.engine.mend()
    result = shop.up()
    assert str(result.plan) == block("""
        [1] backend: start, its container is created
        [2] taskrunner: start, its container is created
        [3] frontend: start, its container is created
    """)
    assert result.status.state == "healthy"


def test_only_what_is_named_and_what_it_needs(shop: Shop) -> None:
    result = shop.up("backend")
    assert set(shop.engine.containers) == {"shop-databasemaster-1", "shop-mailcatcher-1", "shop-backend-1"}
    assert result.status.state == "partial"
    assert shop.up().status.state == "healthy"


def test_an_unknown_service_is_named_with_those_there_are(shop: Shop) -> None:
    with pytest.raises(UsageError) as caught:
        shop.up("varnish")
    assert caught.value.code == "unknown_service"
    assert caught.value.message == f'no service is called "varnish"; there are {", ".join(SERVICES)}'
    assert shop.engine.changes == []


def test_who_listens_on_this_machine_holds_no_port_of_an_engine_elsewhere(shop: Shop) -> None:
    shop.engine.is_here = False
    with closing(socket.create_server((ADDRESS, 10801))):
        result = shop.up()
    assert not [choice for choice in result.ports if choice.moved]


def test_a_container_elsewhere_holds_its_port(shop: Shop) -> None:
    shop.engine.is_here = False
    shop.engine.foreign.append(PortHolder(10801, "other-mail-1", "other"))
    moved = [choice for choice in shop.up().ports if choice.moved]
    assert [(choice.key, choice.holder) for choice in moved] == [("mail.port", "container other-mail-1")]


def test_an_address_that_this_machine_lacks_is_named_at_its_place(shop: Shop) -> None:
    shop.configure(f"bind: {ADDRESS}", "bind: 192.0.2.1")
    with pytest.raises(ConfigError) as caught:
        shop.up()
    error = caught.value
    assert (error.exit_status, error.message) == (2, "bind: this machine has no address 192.0.2.1")
    assert error.where is not None
    assert error.where.startswith("devenv.yaml:")
    assert shop.engine.changes == []


def test_an_address_is_looked_for_on_this_machine_only_for_its_own_engine(shop: Shop) -> None:
    shop.configure(f"bind: {ADDRESS}", "bind: 192.0.2.1")
    shop.engine.is_here = False
    shop.up()


def test_a_taken_port_is_replaced_and_the_place_is_named(shop: Shop) -> None:
    shop.engine.foreign = [PortHolder(10801, "other-mail-1", "other")]
    result = shop.up()
    moved = next(choice for choice in result.ports if choice.key == "mail.port")
    assert moved.holder == "container other-mail-1"
    assert moved.port != 10801
    text = f"mail.port: port 10801 is held by container other-mail-1: published on {moved.port}"
    assert shop.sink.of(Status.WARNING) == [text]
    assert (
        next(event for event in shop.sink.events if event.resource == "mail.port").detail
        == "devenv.yaml:4:14"
    )
    row = next(row for row in result.status.services if row.name == "mailcatcher")
    assert {port.published for port in row.ports} == {moved.port, 10251}


def test_a_replaced_port_stays_and_is_no_longer_a_warning(shop: Shop) -> None:
    shop.engine.foreign = [PortHolder(10801, "other-mail-1", "other")]
    first = {choice.key: choice.port for choice in shop.up().ports}
    result = shop.up()
    assert {choice.key: choice.port for choice in result.ports} == first
    assert result.plan.steps == ()
    assert shop.sink.of(Status.WARNING) == []


def test_when_the_holder_leaves_the_configured_port_comes_back(shop: Shop) -> None:
    shop.engine.foreign = [PortHolder(10801, "other-mail-1", "other")]
    shop.up()
    shop.engine.foreign.clear()
    result = shop.up()
    assert [step.resource for step in result.plan.steps] == ["compose file", "mailcatcher"]
    assert shop.engine.containers["shop-mailcatcher-1"].ports[1080] == 10801
    assert "None" not in "\n".join(shop.sink.lines)


def test_a_port_that_is_configured_anew_is_taken_while_it_runs(shop: Shop) -> None:
    shop.up()
    shop.configure("port: 33061", "port: 33062")
    shop.up()
    assert shop.engine.containers["shop-databasemaster-1"].ports == {3306: 33062}


def test_another_folder_of_the_same_name_is_left_alone(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.up()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "a registry that was lost"))
    second = DevenvProject(tmp_path / "second", SHOP_FILES, fake_wiring(shop.engine))
    before = list(shop.engine.changes)
    with pytest.raises(RefusedError) as caught:
        up(second.session(shop.sink), UpOptions())
    assert caught.value.message == f"the environment shop belongs to {shop.root}"
    assert shop.engine.changes == before


def test_a_folder_that_was_moved_takes_its_environment_along(shop: Shop) -> None:
    shop.up()
    moved = shop.root.with_name("moved")
    shop.root.rename(moved)
    project = DevenvProject(moved, {"devenv.yaml": SHOP}, fake_wiring(shop.engine))
    result = up(project.session(shop.sink), UpOptions())
    assert result.status.project == "shop"
    assert result.status.state == "healthy"
    assert "shop_database_2" not in shop.engine.volume_labels


def test_a_mapping_to_nothing_is_named_before_anything_is_created(shop: Shop) -> None:
    shop.configure("./app:/opt/app", "./missing:/opt/app")
    with pytest.raises(OperationError) as caught:
        shop.up()
    error = caught.value
    assert (error.code, error.where) == ("mount_missing", "devenv.yaml:5:60")
    assert error.message == f"the folder {shop.root}/missing, mapped to /opt/app, does not exist"
    assert shop.engine.containers == {}


def test_the_folder_below_a_mapping_is_the_users(shop: Shop) -> None:
    shop.up()
    assert (shop.root / "app/generated_content").is_dir()
    assert (shop.root / "app/generated_content").stat().st_uid == shop.root.stat().st_uid


def test_a_compose_file_that_is_not_ours_is_refused(shop: Shop) -> None:
    shop.up()
    shop.project.write(".devenv/compose.yaml", "services: {}\n")
    ids = shop.ids
    with pytest.raises(RefusedError):
        shop.up()
    assert shop.project.read(".devenv/compose.yaml") == "services: {}\n"
    assert shop.ids == ids


def test_an_older_engine_is_not_asked_for_start_interval(shop: Shop) -> None:
    shop.engine.version = "24.0.9"
    shop.up()
    assert "start_interval" not in shop.project.read(".devenv/compose.yaml")
    shop.engine.version = "26.1.5"
    shop.up()
    assert "start_interval" in shop.project.read(".devenv/compose.yaml")


def test_without_a_registry_what_has_a_recipe_is_built(shop: Shop) -> None:
    shop.engine.registry = None
    for image in ("shop/backend:1", "shop/frontend:1"):
        shop.engine.add_image(image)
    result = shop.up()
    sources = {row.name: row.image_source for row in result.status.services}
    assert sources == {
        "databasemaster": "built",
        "mailcatcher": "built",
        "backend": "present",
        "taskrunner": "present",
        "frontend": "present",
    }
    assert [line for line in shop.sink.lines if line.startswith("warning")] == [
        "warning images: no registry can be reached: building images from Debian's packages instead"
    ]


def test_an_image_that_cannot_be_had_ends_before_anything_of_the_environment_is_created(shop: Shop) -> None:
    shop.engine.registry = SHOP_IMAGES - {"shop/backend:1"}
    with pytest.raises(OperationError, match=r"the registry does not give shop/backend:1"):
        shop.up()
    assert shop.engine.containers == {}
    # An empty server is initialised while images come, and is anybody's.
    kinds = {labels["devenv.kind"] for labels in shop.engine.volume_labels.values()}
    assert kinds == {"snapshot", "snapshot-data"}
    assert shop.engine.networks == {}


def test_the_image_of_a_users_own_service_is_fetched_too(shop: Shop) -> None:
    assert shop.engine.registry is not None
    shop.engine.registry.add("redis:7")
    shop.add("services: {cache: {image: 'redis:7'}}\n")
    assert shop.up().status.state == "healthy"
    assert shop.engine.containers["shop-cache-1"].image == "redis:7"


def test_a_job_that_is_done_does_not_spoil_the_state(shop: Shop) -> None:
    shop.engine.add_image("node:22")
    shop.engine.scripts["assets"] = [exited(0)]
    shop.add("services: {assets: {image: 'node:22'}}\n")
    result = shop.up()
    row = result.status.services[-1]
    assert (row.name, row.state) == ("assets", "exited")
    assert result.status.state == "healthy"


def test_a_dry_run_says_what_up_then_does(shop: Shop) -> None:
    for image in SHOP_IMAGES:
        shop.engine.add_image(image)
    plan = shop.dry()
    assert steps(plan) == block(FROM_NOTHING)
    assert shop.engine.changes == []
    assert not (shop.root / ".devenv").exists()
    assert str(shop.up().plan) == str(plan)


def test_a_dry_run_names_images_and_ports_too(shop: Shop) -> None:
    shop.engine.foreign = [PortHolder(10801, "other-mail-1", "other")]
    shop.engine.add_image("shop/backend:1")
    shop.engine.add_image("shop/frontend:1")
    lines = str(shop.dry()).splitlines()
    assert lines[0] == "[1] image database: pull mysql:8.4, not on this machine"
    assert lines[1] == "[2] image mailcatcher: pull sj26/mailcatcher:v0.10.0, not on this machine"
    assert lines[2].startswith("[3] mail.port: publish on ")
    assert lines[2].endswith(", 10801 is held by container other-mail-1")


def test_a_dry_run_of_one_service_needs_only_its_images(shop: Shop) -> None:
    assert str(shop.dry("mailcatcher")) == block("""
        [1] image mailcatcher: pull sj26/mailcatcher:v0.10.0, not on this machine
        [2] compose file: write, its content changed
        [3] mailcatcher: create and start, it has no container
    """)


def test_a_dry_run_when_all_is_up(shop: Shop) -> None:
    shop.up()
    assert str(shop.dry()) == "nothing to do: everything runs as it is defined"


def test_a_build_on_request(shop: Shop) -> None:
    shop.up()
    shop.project.write("recipe/Dockerfile", "FROM scratch\n")
    shop.configure('image: "shop/frontend:1"', "build: ./recipe")
    shop.up()
    shop.up(rebuild=True)
    assert [call.partition(":")[0] for call in shop.engine.called("build")] == ["build devenv/frontend"]
    assert [step.resource for step in shop.up().plan.steps] == []


def test_a_build_on_request_is_one_of_own_services_too(shop: Shop) -> None:
    shop.add("services: {worker: {image: busybox, build: ./worker}, plain: {image: busybox}}\n")
    shop.engine.add_image("busybox")
    shop.up()
    result = shop.up("worker", rebuild=True)
    assert [str(step) for step in result.plan.steps if step.resource == "worker"] == [
        "worker: build, asked for by --build"
    ]
    assert shop.engine.called("build and create") == ["build and create worker"]
    assert [str(step) for step in shop.dry("worker", rebuild=True).steps] == [
        "worker: build, asked for by --build"
    ]
    shop.up("plain", rebuild=True)
    assert shop.engine.called("build and create") == []


def test_a_build_on_request_is_none_of_what_was_not_asked_for(shop: Shop) -> None:
    shop.engine.registry = None
    shop.project.write("recipe/Dockerfile", "FROM scratch\n")
    shop.configure('image: "shop/backend:1"', "build: ./recipe")
    shop.configure('image: "shop/frontend:1"', "build: ./recipe")
    shop.up()
    text = shop.project.read(".devenv/compose.yaml")
    assert "image: devenv/database:" in text
    steps = shop.dry("mailcatcher", rebuild=True).steps
    assert {step.resource for step in steps} == {"image mailcatcher", "compose file", "mailcatcher"}
    shop.up("mailcatcher", rebuild=True)
    assert shop.project.read(".devenv/compose.yaml") == text


def test_a_service_of_a_profile_is_started_where_it_is_named(shop: Shop) -> None:
    shop.add("""\
        services:
          debug: {image: busybox, profiles: [debug]}
          needed: {image: busybox, profiles: [debug]}
          worker: {image: busybox, depends_on: [needed]}
    """)
    shop.engine.add_image("busybox")
    result = shop.run("up", "--json").ok().data
    assert result["status"]["state"] == "healthy"
    assert {"shop-debug-1", "shop-needed-1", "shop-worker-1"} & set(shop.engine.containers) == {
        "shop-needed-1",
        "shop-worker-1",
    }
    assert shop.run("up", "--json").ok().data["plan"]["steps"] == []
    assert shop.engine.changes == []

    shop.run("up", "debug").ok()
    assert "shop-debug-1" in shop.engine.containers
    shop.run("up").ok()
    assert "shop-debug-1" in shop.engine.containers
    shop.engine.remove_container("shop-needed-1")
    shop.run("up").ok()
    assert "shop-needed-1" in shop.engine.containers


def test_two_environments_of_one_folder_live_side_by_side(shop: Shop) -> None:
    shop.up()
    session = shop.project.session(shop.sink, "feature-x")
    result = up(session, UpOptions())
    assert (result.status.project, result.status.environment) == ("shop-feature-x", "feature-x")
    assert {choice.holder for choice in result.ports} == {
        "container shop-frontend-1",
        "container shop-backend-1",
        "container shop-mailcatcher-1",
        "container shop-databasemaster-1",
    }
    assert len(shop.engine.containers) == 10
    assert (shop.root / ".devenv/feature-x/compose.yaml").exists()


def test_a_broken_configuration_asks_no_engine(shop: Shop) -> None:
    shop.add("nonsense: 1\n")
    with pytest.raises(ConfigError):
        shop.up()
    assert shop.engine.calls == []


def test_everything_is_published_on_the_address_that_is_set(shop: Shop) -> None:
    shop.up()
    ports = [
        port["host_ip"] for one in shop.engine.containers.values() for port in one.definition.get("ports", ())
    ]
    assert set(ports) == {ADDRESS}


def test_one_service_needs_neither_the_others_images_nor_their_data(shop: Shop) -> None:
    assert shop.engine.registry is not None
    shop.engine.registry -= {"shop/backend:1", "shop/frontend:1"}
    result = shop.up("mailcatcher")
    assert shop.engine.called("pull") == ["pull sj26/mailcatcher:v0.10.0"]
    assert set(shop.engine.containers) == {"shop-mailcatcher-1"}
    assert shop.engine.volume_labels == {}
    assert result.status.state == "partial"


def test_the_database_alone_gets_what_its_seed_needs(shop: Shop) -> None:
    assert shop.engine.registry is not None
    shop.engine.registry -= {"shop/frontend:1"}
    shop.up("databasemaster")
    assert sorted(shop.engine.called("pull")) == ["pull mysql:8.4", "pull shop/backend:1"]
    assert set(shop.engine.containers) == {"shop-databasemaster-1"}


def test_a_service_that_is_no_longer_defined_goes(shop: Shop) -> None:
    shop.engine.add_image("redis:7")
    shop.add("services: {cache: {image: 'redis:7'}}\n")
    shop.up()
    shop.configure("services: {cache: {image: 'redis:7'}}", "")
    assert "cache: remove, it is no longer defined" in str(shop.dry())
    assert "cache: remove, it is no longer defined" in str(shop.up().plan)
    assert "shop-cache-1" not in shop.engine.containers
    assert shop.up().plan.steps == ()


def test_data_that_were_never_completed_are_built_over(shop: Shop) -> None:
    """As a devenv that was killed while it seeded leaves them."""
    shop.up()
    shop.engine.create_volume("shop_database_2", shop.engine.volume_labels["shop_database_1"])
    del shop.engine.containers["shop-databasemaster-1"]
    del shop.engine.volume_labels["shop_database_1"]
    shop.up()
    assert shop.project.memory["generation"] == 2
    assert "remove volume shop_database_2" in shop.engine.called("remove volume")


def test_a_seed_command_that_was_killed_is_ended_by_the_next_up(shop: Shop) -> None:
    shop.engine.fail("run once", KeyboardInterrupt())
    shop.engine.fail("remove", OperationError("killed before it could"))
    with pytest.raises((KeyboardInterrupt, OperationError)):
        shop.up()
    shop.engine.mend()
    assert shop.up().status.state == "healthy"
    assert [name for name in shop.engine.containers if "seed" in name or "build" in name] == []


def test_a_job_on_the_data_runs_once_for_each_data(shop: Shop) -> None:
    shop.add("""\
        services:
          load: {image: busybox, restart: "no", depends_on: [databasemaster]}
    """)
    shop.engine.registry = {*SHOP_IMAGES, "busybox"}
    shop.engine.scripts["load"] = [exited(0)]
    shop.up()
    assert shop.up().plan.steps == ()

    reset_db(shop.session())

    assert [(step.resource, step.cause) for step in shop.up().plan.steps if step.resource == "load"] == [
        ("load", "its definition changed")
    ]
    assert shop.up().plan.steps == ()


def test_a_refusal_of_the_engine_names_service_and_place(shop: Shop) -> None:
    shop.add('services: {cache: {image: busybox, ports: ["127.0.0.1:9999:80"]}}\n')
    shop.engine.registry = {*SHOP_IMAGES, "busybox"}
    reason = "address already in use"
    shop.engine.fail(
        "start shop-cache-1",
        OperationError(f"cannot start: {reason}", code="port_in_use", detail={"reason": reason}, hint="h"),
    )
    shop.engine.watchers.append(
        (
            "start shop-cache-1",
            lambda: shop.engine.turn("shop-cache-1", Turn(None, "created", error=f"listen: {reason}")),
        )
    )
    with pytest.raises(OperationError) as caught:
        shop.up("cache")
    error = caught.value
    assert (error.code, error.where) == ("port_in_use", "devenv.yaml:7:36")
    assert error.message == f"cache cannot be started: {reason}"
    assert error.detail["service"] == "cache"
    assert shop.sink.of(Status.FAILED) == ["cache: cannot be started"]


def test_an_image_of_ours_that_cannot_be_had_names_service_and_place(shop: Shop) -> None:
    shop.engine.registry = set(SHOP_IMAGES) - {"shop/backend:1"}
    with pytest.raises(OperationError) as caught:
        shop.up()
    error = caught.value
    assert (error.code, error.where) == ("pull_denied", "devenv.yaml:5:11")
    assert error.detail["service"] == "backend"


def test_a_seed_command_that_fails_names_its_step(shop: Shop) -> None:
    shop.engine.answer("migrate", "boom", 1)
    with pytest.raises(SeedError) as caught:
        shop.up()
    assert caught.value.where == "devenv.yaml:3:42"


def test_code_that_is_mapped_from_the_folder_of_its_image(shop: Shop) -> None:
    shop.project.write("Dockerfile", "FROM debian\nCOPY . /opt/app\n")
    shop.project.write("devenv.yaml", "images: build\nbackend: {build: ., mappings: ['.:/opt/app']}\n")
    before = shop.up().status
    shop.project.write("manage.py", "print()\n")
    assert shop.up().plan.steps == ()
    assert shop.run("reset-db", "--json").ok().data["seeded"] is False
    assert before.state == "healthy"
