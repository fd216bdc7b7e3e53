"""Building the data: complete and marked, or nothing of it left."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from devenv.database.build import BUILD_SCRIPT, SeedRequest, build_snapshot
from devenv.database.seed import LoadFile, RunCommand
from devenv.database.snapshots import ROOT, Key, Snapshot, SnapshotStore
from devenv.engine.api import ComposeProject
from devenv.engine.observed import ExecResult
from devenv.errors import DevenvError, OperationError, SeedError
from devenv.model import Label
from tests.fake_shell import DATA_BYTES
from tests.fakes import FakeContainer, FakeEngine, RecordingSink, exited

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.clock import Clock

KEY = "0123456789abcdef"
VOLUME, MANIFEST = f"devenv_snapshot_{KEY}_data", f"devenv_snapshot_{KEY}"
BUILDER = "shop-database-build"
BASE = Snapshot("fedcba9876543210", 7, "8.4.3", "2026-01-01T00:00:00+00:00", "seed")
COMMAND_RUNNER = "shop-seed-command"
COMPOSE = """\
name: shop
services:
  backend: {image: "shop/backend:1"}
"""


@pytest.fixture
def engine() -> FakeEngine:
    """The images that a build needs, and the data there are already."""
    engine = FakeEngine()
    engine.add_image("mysql:8.4")
    engine.add_image("shop/backend:1")
    engine.create_volume("shop_database_1", {})
    engine.calls.clear()
    return engine


@pytest.fixture
def request_(tmp_path: Path) -> SeedRequest:
    """A seed of a file, a command and another file."""
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "one.sql").write_text("CREATE TABLE one (id INT);\nINSERT INTO missing VALUES (1);\n")
    (tmp_path / "two.sql").write_text("INSERT INTO one VALUES (2);\n")
    return SeedRequest(
        project="shop",
        labels={"devenv.kind": "database-build"},
        network="shop_default",
        network_labels={"devenv.kind": "network"},
        image="mysql:8.4",
        flags=("--skip-log-bin",),
        environment={"MYSQL_ROOT_PASSWORD": "toor"},
        root_password="toor",
        databases=("app", "stock"),
        steps=(
            LoadFile(tmp_path / "one.sql", "one.sql", "app"),
            RunCommand("python manage.py migrate", "backend"),
            LoadFile(tmp_path / "two.sql", "two.sql", "stock"),
        ),
        inputs={"image": "sha256:1"},
        key=KEY,
        compose=ComposeProject("shop", tmp_path / "compose.yaml", tmp_path),
        created="2026-01-02T00:00:00+00:00",
    )


def build(engine: FakeEngine, request: SeedRequest, sink: RecordingSink | None = None) -> Snapshot:
    store = SnapshotStore(engine, request.image)
    return build_snapshot(engine, store, request, sink or RecordingSink())


def statements(engine: FakeEngine) -> list[str]:
    """What was done to the data, in a word or two each."""
    found = []
    for execution in engine.executed:
        last = execution.command[-1]
        found.append(
            f"{last} < {execution.stdin.decode().split(maxsplit=3)[:3]}" if execution.stdin else last
        )
    return found


def test_the_whole_build_in_its_order(engine: FakeEngine, request_: SeedRequest, clock: Clock) -> None:
    sink = RecordingSink()
    engine.answer("VERSION", "9.7.4-2\n")
    snapshot = build(engine, request_, sink)
    calls = [call for call in engine.changes if not call.startswith("execute")]
    assert calls == [
        "create network shop_default",
        f"remove volume {VOLUME}",
        f"create volume {VOLUME}",
        f"run {BUILDER}",
        "run once backend: sh -c python manage.py migrate",
        f"stop container {BUILDER}",
        f"remove {BUILDER}",
        f"create volume {MANIFEST}",
    ]
    ready, *done = statements(engine)
    assert ready == "--default-character-set=utf8mb4"
    assert done == [
        "CREATE DATABASE IF NOT EXISTS `app`; CREATE DATABASE IF NOT EXISTS `stock`",
        "app < ['CREATE', 'TABLE', 'one']",
        "python manage.py migrate",
        "stock < ['INSERT', 'INTO', 'one']",
        (
            "CREATE DATABASE IF NOT EXISTS devenv; "
            "CREATE TABLE IF NOT EXISTS devenv.marker (id VARCHAR(64) PRIMARY KEY); "
            f"DELETE FROM devenv.marker; INSERT INTO devenv.marker VALUES ('{KEY}'); "
            "SELECT VERSION()"
        ),
    ]
    assert sink.lines == [
        "working database: initialising an empty data directory",
        "working database: seed 1 of 3: one.sql",
        "working database: seed 2 of 3: backend: python manage.py migrate",
        "working database: seed 3 of 3: two.sql",
        "working database: sealing the snapshot",
    ]
    assert engine.containers == {}
    assert clock.waits == 0
    assert snapshot == Snapshot(
        KEY, DATA_BYTES, "9.7.4-2", request_.created, "seed", inputs={"image": "sha256:1"}
    )
    assert SnapshotStore(engine, "mysql:8.4").all() == (snapshot,)
    assert engine.volume_labels[VOLUME] == {Label.KIND: "snapshot-data", Key.KEY: KEY}


STEPS = {"step 0: load into app": "1", "step 1: run in backend": "c", "step 2: load into stock": "2"}


@pytest.mark.parametrize(
    ("done", "added", "todo"),
    [
        (STEPS, {"migration:one": "1"}, ["backend: python manage.py migrate"]),
        ({}, STEPS, ["one.sql", "backend: python manage.py migrate", "two.sql"]),
        ({"step 0: load into app": "1"}, STEPS, ["backend: python manage.py migrate", "two.sql"]),
        ({name: STEPS[name] for name in list(STEPS)[:2]}, STEPS, ["two.sql"]),
        (
            {name: STEPS[name] for name in list(STEPS)[:2]},
            STEPS | {"migration:one": "1"},
            ["backend: python manage.py migrate", "two.sql"],
        ),
    ],
)
def test_what_the_base_has_done_is_not_done_again(
    request_: SeedRequest, done: dict[str, str], added: dict[str, str], todo: list[str]
) -> None:
    base = replace(BASE, inputs={"image": "1", **done})
    request = replace(request_, base=base, inputs={"image": "1", **done, **added})
    assert [str(step) for step in request.todo] == todo


def test_it_goes_on_from_the_nearest_snapshot_with_the_commands_only(
    engine: FakeEngine, request_: SeedRequest, clock: Clock
) -> None:
    base = replace(BASE, inputs={"image": "1", **STEPS})
    request_ = replace(request_, inputs={**(base.inputs or {}), "migration:one": "1"})
    sink = RecordingSink()
    engine.create_volume(BASE.volume, {})
    seen: list[FakeContainer] = []
    engine.when("stop container", lambda: seen.extend(engine.containers.values()))
    build(engine, replace(request_, base=base), sink)
    assert seen[0].volumes == {ROOT: VOLUME, "/base": BASE.volume}
    assert [line for line in statements(engine) if "<" in line] == []
    assert engine.called("run once") == ["run once backend: sh -c python manage.py migrate"]
    assert sink.lines[:2] == [
        "working database: going on from snapshot fedcba9876543210",
        "working database: seed 1 of 1: backend: python manage.py migrate",
    ]
    assert BASE.volume in engine.volume_labels
    assert clock.waits == 0


@pytest.mark.parametrize("exit_status", [1, 137])
def test_a_base_that_cannot_be_copied_leaves_nothing_behind(
    engine: FakeEngine, request_: SeedRequest, exit_status: int
) -> None:
    engine.create_volume(BASE.volume, {})
    engine.scripts[BUILDER] = [exited(exit_status)]
    engine.when(f"run {BUILDER}", lambda: engine.written.append((BUILDER, "cp: No space left on device")))
    engine.answer("SELECT 1", "no such container", 1)
    with pytest.raises(OperationError) as caught:
        build(engine, replace(request_, base=BASE))
    assert caught.value.code == "disk_full"
    assert set(engine.volume_labels) == {"shop_database_1", BASE.volume}
    assert engine.called("stop container") == []


def test_the_builder_copies_serves_until_it_is_told_to_end_and_seals(tmp_path: Path) -> None:
    """Its script, with a server that is a script too; where that ends badly nothing is sealed."""
    base, root = tmp_path / "base", tmp_path / "snapshot"
    (base / "data").mkdir(parents=True)
    (base / "data" / "ibdata1").write_text("old")
    root.mkdir()
    programs = tmp_path / "bin"
    programs.mkdir()
    server = f"#!/bin/sh\ntrap 'echo new > {root}/data/ibdata1; exit $STATUS' TERM\necho ready\nwhile :; do sleep 0.01; done\n"
    (programs / "mysqld").write_text(server)
    (programs / "mysqld").chmod(0o755)
    script = BUILD_SCRIPT.replace("/base", str(base)).replace("/snapshot", str(root))

    def run(status: str) -> tuple[int, list[str]]:
        environment = {"PATH": f"{programs}:/usr/bin:/bin", "STATUS": status}
        with subprocess.Popen(
            ["sh", "-c", script, "devenv", "--flag"], env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline()]
            process.terminate()
            lines += process.stdout
        return process.returncode, [line.strip() for line in lines]

    status, lines = run("7")
    assert (status, lines) == (7, ["ready"])
    assert not (root / "checksums").exists()
    status, lines = run("0")
    assert status == 0
    assert int(lines[-1]) > 0
    assert (root / "checksums").read_text().split()[1] == "./ibdata1"
    assert (root / "data" / "ibdata1").read_text() == "new\n"


def test_the_builder_is_a_server_of_its_own(engine: FakeEngine, request_: SeedRequest) -> None:
    seen: list[FakeContainer] = []
    engine.when("stop container", lambda: seen.extend(engine.containers.values()))
    build(engine, request_)
    (container,) = seen
    assert container.volumes == {ROOT: VOLUME}
    assert container.networks == ("shop_default",)
    assert container.labels == {"devenv.kind": "database-build"}
    assert container.ports == {}


def test_a_command_of_the_seed_reaches_the_builder(engine: FakeEngine, request_: SeedRequest) -> None:
    build(engine, request_)
    command = next(one for one in engine.executed if one.container == "backend")
    assert command.environment["DB_HOST"] == BUILDER


def test_what_an_earlier_build_left_is_removed_first(engine: FakeEngine, request_: SeedRequest) -> None:
    engine.fail("stop container", KeyboardInterrupt())
    engine.fail("remove", OperationError("killed before it could"))
    with pytest.raises(OperationError):
        build(engine, request_)
    engine.mend()
    engine.create_network("shop_default", {})
    engine.create_volume(VOLUME, {"old": "labels"})
    build(engine, request_)
    assert "old" not in engine.volume_labels[VOLUME]
    assert MANIFEST in engine.volume_labels


def test_the_first_commands_container_is_there_when_its_turn_comes(
    engine: FakeEngine, request_: SeedRequest, clock: Clock
) -> None:
    twice = (*request_.steps, RunCommand("python manage.py check", "backend"))
    request_ = replace(request_, steps=twice, entrypoints={"backend": ("tini", "entrypoint")})
    build(engine, request_)
    commands = ("execute", "hold", "run once")
    assert [call.split(":")[0] for call in engine.changes if call.startswith(commands)][:2] == [
        "hold backend",
        f"execute {BUILDER}",
    ]
    assert engine.called("run once") == [
        "run once backend: tini entrypoint sh -c python manage.py migrate",
        "run once backend: sh -c python manage.py check",
    ]
    assert engine.containers == {}
    assert clock.waits == 0


def test_a_command_whose_container_went_before_its_turn_gets_another(
    engine: FakeEngine, request_: SeedRequest
) -> None:
    request_ = replace(request_, entrypoints={"backend": ("entrypoint",)})
    engine.when("execute", lambda: engine.containers.pop(request_.command_runner, None))
    build(engine, request_)
    assert engine.called("run once") == ["run once backend: sh -c python manage.py migrate"]
    assert engine.containers == {}


def test_no_step_runs_before_what_goes_on_meanwhile_is_over(
    engine: FakeEngine, request_: SeedRequest
) -> None:
    def ahead() -> None:
        raise OperationError("not to be had")

    with pytest.raises(OperationError, match="not to be had"):
        build(engine, replace(request_, ahead=ahead))
    assert len(statements(engine)) == 1, "only whether the server is ready"
    assert engine.containers == {}


FAILURES: dict[str, Callable[[FakeEngine], object]] = {
    "the builder does not start": lambda engine: engine.fail(f"run {BUILDER}", OperationError("no")),
    "the server ends": lambda engine: engine.scripts.update({BUILDER: [exited(1)]}),
    "the databases are not created": lambda engine: engine.answer("`app`", "ERROR 1044: denied", 1),
    "a file fails": lambda engine: engine.answer("utf8mb4 app$", "ERROR 1146 (42S02) at line 2: no table", 1),
    "a command fails": lambda engine: engine.answer("migrate", "Traceback", 1),
    "a command cannot run": lambda engine: engine.present.pop("shop/backend:1"),
    "the last file fails": lambda engine: engine.answer("utf8mb4 stock$", "lost connection", 1),
    "the marker is not written": lambda engine: engine.answer("INSERT INTO devenv.marker", "disk full", 1),
    "the server does not end well": lambda engine: engine.fail("stop container", OperationError("no")),
    "it cannot be sealed": lambda engine: engine.when(
        "stop container", lambda: setattr(engine.containers[BUILDER], "stop_status", 1)
    ),
    "somebody presses Ctrl-C": lambda engine: engine.fail("run once", KeyboardInterrupt()),
}


@pytest.mark.parametrize("entrypoints", [{}, {"backend": ("entrypoint",)}], ids=["in turn", "held"])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_anywhere_leaves_nothing_behind(
    engine: FakeEngine,
    request_: SeedRequest,
    clock: Clock,
    failure: str,
    entrypoints: dict[str, tuple[str, ...]],
) -> None:
    FAILURES[failure](engine)
    request_ = replace(request_, entrypoints=entrypoints)
    with pytest.raises((DevenvError, KeyboardInterrupt)):
        build(engine, request_)
    assert engine.containers == {}
    assert engine.volume_labels == {"shop_database_1": {}}, (
        "the data that were there are still there, and no others"
    )
    assert clock.waits <= 1


def test_a_volume_that_cannot_be_made_is_an_error(engine: FakeEngine, request_: SeedRequest) -> None:
    engine.fail("create volume", OperationError("disk full"))
    with pytest.raises(OperationError, match="disk full"):
        build(engine, request_)
    assert engine.called("run") == []


def failure_of(engine: FakeEngine, request: SeedRequest) -> SeedError:
    with pytest.raises(SeedError) as caught:
        build(engine, request)
    return caught.value


def test_a_failing_statement_is_shown_with_its_place(engine: FakeEngine, request_: SeedRequest) -> None:
    engine.answer("utf8mb4 app$", "ERROR 1146 (42S02) at line 2: Table 'app.missing' doesn't exist", 1)
    error = failure_of(engine, request_)
    assert error.message == (
        "the seed one.sql failed at line 2: ERROR 1146 (42S02): Table 'app.missing' doesn't exist"
    )
    assert error.where == "one.sql:2"
    assert error.evidence == ("statement: INSERT INTO missing VALUES (1);",)
    assert error.hint == "correct the statement at line 2 of one.sql, then run the command again"
    assert error.detail == {
        "file": "one.sql",
        "line": 2,
        "statement": "INSERT INTO missing VALUES (1);",
        "error": "ERROR 1146 (42S02): Table 'app.missing' doesn't exist",
    }


def test_a_file_that_fails_without_a_line_shows_the_clients_words(
    engine: FakeEngine, request_: SeedRequest
) -> None:
    engine.answer("utf8mb4 app$", "\n".join(f"line {number}" for number in range(30)), 1)
    error = failure_of(engine, request_)
    assert error.message == "the seed one.sql could not be loaded"
    assert error.evidence == tuple(f"line {number}" for number in range(10, 30))


def test_a_damaged_file_is_named_and_nothing_is_left(
    engine: FakeEngine, request_: SeedRequest, tmp_path: Path
) -> None:
    (tmp_path / "broken.sql.gz").write_bytes(b"not gzip")
    broken = replace(request_, steps=(LoadFile(tmp_path / "broken.sql.gz", "broken.sql.gz", "app"),))
    assert failure_of(engine, broken).message.startswith("cannot read broken.sql.gz: ")
    assert engine.containers == {}


def test_a_failing_command_shows_its_last_lines(engine: FakeEngine, request_: SeedRequest) -> None:
    engine.answer("migrate", "Traceback\nOperationalError: no such column\n", 3)
    error = failure_of(engine, request_)
    assert error.message == "the seed command `python manage.py migrate` in backend ended with exit status 3"
    assert (error.code, error.where) == ("seed_failed", None)  # who knows `devenv.yaml` adds the place
    assert error.evidence == ("Traceback", "OperationalError: no such column")
    assert error.detail == {
        "command": "python manage.py migrate",
        "service": "backend",
        "exit_status": 3,
        "migration": None,
    }


def test_a_migration_that_fails_is_named(engine: FakeEngine, request_: SeedRequest) -> None:
    lines = (
        "Traceback (most recent call last):",
        "django.db.utils.OperationalError: (1060, \"Duplicate column name 'price'\")",
        "  Applying shop.0001_initial... OK",
        "  Applying shop.0002_price...",
    )
    engine.answer("migrate", "\n".join(lines), 1)
    error = failure_of(engine, request_)
    assert error.code == "migration_failed"
    assert error.message == f"the migration shop.0002_price failed: {lines[1]}"
    assert error.detail["migration"] == "shop.0002_price"
    assert error.evidence == lines


def test_a_server_that_ends_badly_shows_its_log(engine: FakeEngine, request_: SeedRequest) -> None:
    def ends_badly() -> None:
        engine.containers[BUILDER].stop_status = 137
        engine.written = [(BUILDER, "InnoDB: no space left")]

    engine.when("stop container", ends_badly)
    error = failure_of(engine, request_)
    assert error.message.startswith(
        "the server did not write out the data: it ended with exit status 137 after "
    )
    assert error.evidence == ("InnoDB: no space left",)
    assert engine.containers == {}


def test_an_unmarked_directory_is_none(engine: FakeEngine, request_: SeedRequest) -> None:
    engine.answers = [("devenv.marker", ExecResult(1, "ERROR 1290: read only\n"))]
    error = failure_of(engine, request_)
    assert (error.message, error.evidence) == (
        "the seeded data could not be marked complete",
        ("ERROR 1290: read only",),
    )
