"""`devenv up`: from nothing, again, and several at once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.cli.test_cli_startup import HEAVY
from tests.e2e.support import KEYS, LIVE, SERVICES, Engine, request, seeded_rows, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.e2e.conftest import Born
    from tests.e2e.support import Stack


def test_up_from_nothing_makes_five_healthy_services(born: Born) -> None:
    assert born.healths == dict.fromkeys(SERVICES, "healthy")


def test_up_from_nothing_seeds_every_row(born: Born) -> None:
    expected = seeded_rows()
    assert sum(expected.values()) >= 10_000
    assert {table: born.counts.get(table) for table in expected} == expected


def test_status_has_the_form_of_the_contract_and_urls_that_answer(stack: Stack) -> None:
    document = stack.run("status", "--json").ok().json

    assert set(document) == {"schema", "ok", "data", "warnings", "errors"}
    assert (document["schema"], document["ok"], document["errors"]) == ("devenv.status/1", True, [])
    data = document["data"]
    assert set(data) >= {"environment", "project", "state", "services", "database"}
    assert (data["project"], data["state"]) == (stack.name, "healthy")
    assert set(data["database"]) >= {"branch", "snapshot", "driver"}
    assert data["database"]["branch"] in stack.engine.volumes()
    assert tuple(row["name"] for row in data["services"]) == SERVICES
    wanted = {"name", "state", "health", "image", "image_source", "replicas", "ports", "since"}
    urls = []
    for row in data["services"]:
        inspected = stack.engine.service(row["name"])
        assert set(row) >= wanted
        assert (row["state"], row["health"], row["replicas"]) == ("running", "healthy", 1)
        assert row["image"] == inspected["Config"]["Image"]
        assert row["image_source"] in {"pulled", "built", "present"}
        assert row["since"] == inspected["State"]["StartedAt"]
        for port in row["ports"]:
            assert set(port) >= {"published", "target", "url"}
            assert str(port["published"]) in str(inspected["NetworkSettings"]["Ports"])
            urls.append(urlsplit(port["url"]))
    assert len(urls) == len(KEYS)
    for url in urls:
        assert url.hostname == "127.0.0.1"
        if url.scheme == "http":
            assert request(url.port or 80, url.path).status < 500
        else:
            socket.create_connection(("127.0.0.1", url.port or 0), timeout=5).close()


def test_a_second_up_changes_nothing_and_builds_nothing(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stack.engine.starts()
    monkeypatch.setenv("BUILDX_BUILDER", "e2e-no-such-builder")  # any build would fail

    again = stack.up()

    assert again.data["plan"]["steps"] == []
    assert stack.engine.starts() == before
    assert stack.run("up", "--dry-run", "--json").ok().data["steps"] == []


OWN_MODULES = (
    "devenv.cli.tree",
    "devenv.config.parse",
    "devenv.config.schema",
    "devenv.operations.up",
    "devenv.render",
)
"""What only an `up` with something to do needs."""


def imports(stack: Stack, *arguments: str) -> set[str]:
    """Every module that a process of devenv's imports for a command line, at its end too."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "devenv", "-C", str(stack.root), *arguments],
        env={**os.environ, **stack.variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def test_what_a_command_with_nothing_to_do_does_not_need_it_does_not_import(stack: Stack) -> None:
    stack.up()
    for command in ("up", "status"):
        found = imports(stack, command)
        assert "devenv.operations.steady" in found
        assert not found & {*HEAVY, *OWN_MODULES}, command


def test_a_service_that_is_no_longer_defined_is_removed(stack: Stack) -> None:
    image = stack.engine.service("frontend")["Config"]["Image"]
    stack.configure(services={"extra": {"image": image, "command": "sleep 600", "init": True}})
    try:
        stack.up("extra")
        assert stack.engine.healths()["extra"] == "running"

        stack.configure()
        steps = stack.up().data["plan"]["steps"]

        assert set(stack.engine.healths()) == set(SERVICES)
        assert "extra" in [step["resource"] for step in steps]
    finally:
        stack.engine.remove_service("extra")


def test_an_own_service_follows_what_it_is_made_of(stack: Stack) -> None:
    image = stack.engine.service("frontend")["Config"]["Image"]
    stack.write("worker/Dockerfile", f"FROM {image}\nCOPY word /word\n")
    stack.write("worker/word", "first")
    stack.write("worker.env", "GIVEN=first\n")
    own = {"build": "./worker", "env_file": "worker.env", "command": ["sleep", "600"], "init": True}
    stack.configure(services={"worker": own})

    def found() -> tuple[str, str]:
        words = ("sh", "-c", "echo $GIVEN; cat /word")
        given, _, word = stack.engine.execute(stack.engine.service("worker")["Id"], *words)[1].partition("\n")
        return given, word

    try:
        stack.up("worker")
        assert found() == ("first", "first")
        stack.write("worker.env", "GIVEN=second\n")
        stack.write("worker/word", "second")
        stack.up("worker")
        assert found() == ("second", "first")
        stack.up("worker", "--build")
        assert found() == ("second", "second")
        assert stack.up("worker").data["plan"]["steps"] == []
    finally:
        stack.configure()
        stack.engine.remove_service("worker")
        stack.engine.api.remove_image(f"{stack.name}-worker", force=True)


def test_two_ups_at_once_make_one_environment(own: Stack) -> None:
    with ExitStack() as both:
        words = ("up", "mailcatcher", "databasemaster", "--json")
        processes = [both.enter_context(own.spawned(*words)) for _ in "ab"]
        outcomes = [process.wait(120) for process in processes]

    assert [outcome.code for outcome in outcomes] == [0, 0], outcomes
    waited, worked = sorted(outcomes, key=lambda outcome: len(outcome.data["plan"]["steps"]))
    assert "waiting" in waited.err
    assert waited.data["plan"]["steps"] == []
    assert [step["resource"] for step in worked.data["plan"]["steps"]][-2:] == [
        "databasemaster",
        "mailcatcher",
    ]
    # They answered; the engine's own probes may be a moment behind.
    both_healthy = {"databasemaster": "healthy", "mailcatcher": "healthy"}
    until(lambda: own.engine.healths() == both_healthy, "both healthy", 20)
    assert len(own.engine.containers()) == 2
    assert len(own.engine.database_volumes()) == 1
    assert own.engine.count("kept") == 3


def test_environments_of_one_name_live_side_by_side(
    own: Stack, new_stack: Callable[..., Stack], tmp_path: Path
) -> None:
    own.up("mailcatcher")
    other = new_stack(tmp_path / "elsewhere" / own.root.name, name=own.name, sources=False)
    other.configured = own.configured
    third = Engine(own.engine.api, f"{own.name}-third")
    other.configure(database={"seed": []})

    try:
        second = other.up("mailcatcher").data
        named = other.run("--env", "third", "up", "mailcatcher", "--json").ok().data
        other.engine.project = second["status"]["project"]

        assert other.engine.project == f"{own.name}-2"
        assert (named["status"]["project"], named["status"]["environment"]) == (third.project, "third")
        views = (own.engine, other.engine, third)
        assert [view.settled() for view in views] == [{"mailcatcher": "healthy"}] * 3
        ports = [str(view.service("mailcatcher")["NetworkSettings"]["Ports"]) for view in views]
        assert len(set(ports)) == 3
        holders = {choice["key"]: choice["holder"] for choice in second["ports"]}
        assert holders["mail.port"] == f"container {own.name}-mailcatcher-1"

        other.run("down", "--volumes", "--yes").ok()
        assert own.engine.settled() == third.settled() == {"mailcatcher": "healthy"}
    finally:
        other.remove()
        third.remove_all()
        LIVE.remove(other)


def test_up_of_some_services_brings_what_they_need(own: Stack) -> None:
    own.up("taskrunner")

    assert own.engine.settled() == dict.fromkeys(("databasemaster", "mailcatcher", "taskrunner"), "healthy")
