"""Building the data: complete and marked, or nothing of it left."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from devenv.database.build import DataRequest, build_data
from devenv.database.seed import LoadFile, RunCommand
from devenv.engine.api import ExecResult
from devenv.errors import DevenvError, OperationError, SeedError
from tests.fakes import FakeContainer, FakeEngine, RecordingSink, exited

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.clock import Clock

BUILDER, VOLUME = "shop-database-build", "shop_database_2"
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
def request_(tmp_path: Path) -> DataRequest:
    """A seed of a file, a command and another file."""
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "one.sql").write_text("CREATE TABLE one (id INT);\nINSERT INTO missing VALUES (1);\n")
    (tmp_path / "two.sql").write_text("INSERT INTO one VALUES (2);\n")
    return DataRequest(
        project="shop",
        volume=VOLUME,
        volume_labels={"devenv.kind": "database"},
        labels={"devenv.kind": "database-build"},
        network="shop_default",
        network_labels={"devenv.kind": "network"},
        image="mysql:8.4",
        data_directory="/var/lib/mysql",
        flags=("--skip-log-bin",),
        environment={"MYSQL_ROOT_PASSWORD": "toor"},
        root_password="toor",
        databases=("app", "stock"),
        steps=(
            LoadFile(tmp_path / "one.sql", "one.sql", "app"),
            RunCommand("python manage.py migrate", "backend"),
            LoadFile(tmp_path / "two.sql", "two.sql", "stock"),
        ),
        key="0123456789abcdef",
        compose_file=tmp_path / "compose.yaml",
    )


def statements(engine: FakeEngine) -> list[str]:
    """What was done to the data, in a word or two each."""
    found = []
    for execution in engine.executed:
        last = execution.command[-1]
        found.append(
            f"{last} < {execution.stdin.decode().split(maxsplit=3)[:3]}" if execution.stdin else last
        )
    return found


def test_the_whole_build_in_its_order(engine: FakeEngine, request_: DataRequest, clock: Clock) -> None:
    sink = RecordingSink()
    build_data(engine, request_, sink)
    calls = [call for call in engine.changes if not call.startswith("execute")]
    assert calls == [
        f"remove {COMMAND_RUNNER}",
        f"remove {BUILDER}",
        f"remove volume {VOLUME}",
        "create network shop_default",
        f"create volume {VOLUME}",
        f"run {BUILDER}",
        "run once backend: sh -c python manage.py migrate",
        f"stop container {BUILDER}",
        f"remove {BUILDER}",
    ]
    assert statements(engine) == [
        "SELECT 1",
        "CREATE DATABASE IF NOT EXISTS `app`; CREATE DATABASE IF NOT EXISTS `stock`",
        "app < ['CREATE', 'TABLE', 'one']",
        "python manage.py migrate",
        "stock < ['INSERT', 'INTO', 'one']",
        (
            "CREATE DATABASE IF NOT EXISTS devenv; "
            "CREATE TABLE IF NOT EXISTS devenv.marker (id VARCHAR(64) PRIMARY KEY); "
            "DELETE FROM devenv.marker; INSERT INTO devenv.marker VALUES ('0123456789abcdef')"
        ),
    ]
    assert sink.lines == [
        "working database: initialising an empty data directory",
        "working database: seed 1 of 3: one.sql",
        "working database: seed 2 of 3: backend: python manage.py migrate",
        "working database: seed 3 of 3: two.sql",
    ]
    assert engine.containers == {}
    assert engine.volumes[VOLUME] == {"devenv.kind": "database"}
    assert clock.waits == 0


def test_the_builder_is_a_server_of_its_own(engine: FakeEngine, request_: DataRequest) -> None:
    seen: list[FakeContainer] = []
    engine.when("stop container", lambda: seen.extend(engine.containers.values()))
    build_data(engine, request_, RecordingSink())
    (container,) = seen
    assert container.volumes == {"/var/lib/mysql": VOLUME}
    assert container.networks == ("shop_default",)
    assert container.labels == {"devenv.kind": "database-build"}
    assert container.ports == {}


def test_a_command_of_the_seed_reaches_the_builder(engine: FakeEngine, request_: DataRequest) -> None:
    build_data(engine, request_, RecordingSink())
    command = next(one for one in engine.executed if one.container == "backend")
    assert command.environment["DB_HOST"] == BUILDER


def test_what_an_earlier_build_left_is_removed_first(engine: FakeEngine, request_: DataRequest) -> None:
    engine.fail("stop container", KeyboardInterrupt())
    engine.fail("remove", OperationError("killed before it could"))
    with pytest.raises(OperationError):
        build_data(engine, request_, RecordingSink())
    engine.mend()
    engine.create_network("shop_default", {})
    engine.create_volume(VOLUME, {"old": "labels"})
    build_data(engine, request_, RecordingSink())
    assert engine.volumes[VOLUME] == {"devenv.kind": "database"}


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
    "somebody presses Ctrl-C": lambda engine: engine.fail("run once", KeyboardInterrupt()),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_anywhere_leaves_nothing_behind(
    engine: FakeEngine, request_: DataRequest, clock: Clock, failure: str
) -> None:
    FAILURES[failure](engine)
    with pytest.raises((DevenvError, KeyboardInterrupt)):
        build_data(engine, request_, RecordingSink())
    assert engine.containers == {}
    assert engine.volumes == {"shop_database_1": {}}, (
        "the data that were there are still there, and no others"
    )
    assert clock.waits <= 1


def test_a_volume_that_cannot_be_made_is_an_error(engine: FakeEngine, request_: DataRequest) -> None:
    engine.fail("create volume", OperationError("disk full"))
    with pytest.raises(OperationError, match="disk full"):
        build_data(engine, request_, RecordingSink())
    assert engine.called("run") == []


def failure_of(engine: FakeEngine, request: DataRequest) -> SeedError:
    with pytest.raises(SeedError) as caught:
        build_data(engine, request, RecordingSink())
    return caught.value


def test_a_failing_statement_is_shown_with_its_place(engine: FakeEngine, request_: DataRequest) -> None:
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
    engine: FakeEngine, request_: DataRequest
) -> None:
    engine.answer("utf8mb4 app$", "\n".join(f"line {number}" for number in range(30)), 1)
    error = failure_of(engine, request_)
    assert error.message == "the seed one.sql could not be loaded"
    assert error.evidence == tuple(f"line {number}" for number in range(10, 30))


def test_a_damaged_file_is_named_and_nothing_is_left(
    engine: FakeEngine, request_: DataRequest, tmp_path: Path
) -> None:
    (tmp_path / "broken.sql.gz").write_bytes(b"not gzip")
    broken = replace(request_, steps=(LoadFile(tmp_path / "broken.sql.gz", "broken.sql.gz", "app"),))
    assert failure_of(engine, broken).message.startswith("cannot read broken.sql.gz: ")
    assert engine.containers == {}


def test_a_failing_command_shows_its_last_lines(engine: FakeEngine, request_: DataRequest) -> None:
    engine.answer("migrate", "Traceback\nOperationalError: no such column\n", 3)
    error = failure_of(engine, request_)
    assert error.message == "the seed command `python manage.py migrate` in backend ended with exit status 3"
    assert error.where == "devenv.yaml: database.seed"
    assert error.evidence == ("Traceback", "OperationalError: no such column")
    assert error.detail == {"command": "python manage.py migrate", "service": "backend", "exit_status": 3}


def test_a_server_that_ends_badly_shows_its_log(engine: FakeEngine, request_: DataRequest) -> None:
    engine.written = [(BUILDER, "InnoDB: no space left")]
    engine.when("stop container", lambda: setattr(engine.containers[BUILDER], "stop_status", 137))
    error = failure_of(engine, request_)
    assert error.message.startswith("the database server ended with exit status 137 after ")
    assert error.evidence == ("InnoDB: no space left",)
    assert engine.containers == {}


def test_an_unmarked_directory_is_none(engine: FakeEngine, request_: DataRequest) -> None:
    engine.answers = [("devenv.marker", ExecResult(1, "ERROR 1290: read only\n"))]
    error = failure_of(engine, request_)
    assert (error.message, error.evidence) == (
        "the seeded data could not be marked complete",
        ("ERROR 1290: read only",),
    )
