"""down, stop, restart; and the generated file in Compose's own hands."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.e2e.support import KEYS, SERVICES, Engine, compose, free_ports, request

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support import Stack


def test_stop_and_up_go_on_with_the_same_containers(stack: Stack, tmp_path: Path) -> None:
    before = {name: identity for name, (identity, _) in stack.engine.starts().items()}

    stack.run("stop").ok()
    assert set(stack.engine.healths().values()) == {"exited"}
    # Each ended by itself when it was told to, and MySQL wrote everything out.
    ended = {name: raw["State"]["ExitCode"] for name, raw in stack.engine.services().items()}
    assert (ended["databasemaster"], 137 in ended.values()) == (0, False), ended
    database = stack.engine.service("databasemaster")["Id"]
    assert b"Shutdown complete" in stack.engine.api.logs(database, tail=20)
    assert stack.run("status", "--json").data["state"] == "stopped"
    profile = stack.up(f"--profile={tmp_path / 'profile.html'}").data["profile"]

    assert stack.is_whole()
    assert {name: identity for name, (identity, _) in stack.engine.starts().items()} == before
    tells_the_truth(profile, stack)
    assert "(start) took" in (tmp_path / "profile.html").read_text(encoding="utf-8")


def tells_the_truth(profile: dict[str, Any], stack: Stack) -> None:
    """The processes of all services began when the engine says so, and the critical path leads to the end."""
    assert profile["kind"] == "start"
    running = {span["service"]: span["end"] for span in profile["spans"] if span["phase"] == "start"}
    assert set(running) == set(SERVICES)
    engine = {name: datetime.fromisoformat(at).timestamp() for name, (_, at) in stack.engine.starts().items()}
    first = "databasemaster"
    for name in SERVICES:
        assert abs((running[name] - running[first]) - (engine[name] - engine[first])) < 0.01
    critical = [span for span in profile["spans"] if span["critical"]]
    assert max(span["end"] for span in critical) == max(span["end"] for span in profile["spans"])
    assert 0 < profile["overhead"] < profile["seconds"]
    assert sum(span["end"] - span["begin"] for span in critical) <= profile["seconds"]


def test_a_changed_definition_makes_only_its_own_service_anew(stack: Stack) -> None:
    before = stack.engine.starts()
    stack.configure(taskrunner={"environment": {"E2E_WORD": "changed"}})

    outcome = stack.run("up").ok()

    after = stack.engine.starts()
    assert {name for name in SERVICES if after[name] != before[name]} == {"taskrunner"}
    assert "taskrunner: recreate and start: its definition changed" in outcome.err


def test_restart_restarts_only_what_is_named(stack: Stack) -> None:
    before = stack.engine.starts()

    stack.run("restart", "backend").ok()

    after = stack.engine.starts()
    assert stack.is_whole()
    assert after["backend"][0] == before["backend"][0]
    assert {name for name in SERVICES if after[name] != before[name]} == {"backend"}
    assert stack.page().status == 200


def test_down_keeps_the_data_and_plain_compose_can_take_over(stack: Stack) -> None:
    file = stack.root / ".devenv" / "compose.yaml"
    stack.engine.mysql("UPDATE campaigns_customer SET email = 'kept@example.com' WHERE id = 1")
    volumes = stack.engine.volumes()
    ports = dict(stack.memory["ports"])

    stack.run("down").ok()

    assert stack.engine.containers() == []
    assert stack.engine.networks() == set()
    assert stack.engine.volumes() == volumes
    assert stack.run("status", "--json").data["state"] == "absent"

    checked = compose(file, "config", "-q")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    started = compose(file, "up", "-d", "--wait")
    assert started.returncode == 0, started.stderr

    assert stack.is_whole()
    assert stack.page().status == 200
    assert stack.engine.mysql("SELECT email FROM campaigns_customer WHERE id = 1") == [["kept@example.com"]]
    # And devenv takes over from Compose: nothing differs.
    starts = stack.engine.starts()
    assert stack.up().data["plan"]["steps"] == []
    assert stack.engine.starts() == starts
    assert stack.memory["ports"] == ports


def test_compose_sees_the_containers_of_devenv(stack: Stack) -> None:
    listed = compose(stack.root / ".devenv" / "compose.yaml", "ps", "--format", "json")

    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    assert {row["Service"]: row["Health"] for row in rows} == dict.fromkeys(SERVICES, "healthy")


def test_the_generated_file_starts_an_environment_of_its_own(stack: Stack, tmp_path: Path) -> None:
    text = stack.read(".devenv/compose.yaml").replace(stack.name, f"{stack.name}-plain")
    text = text.replace(f"{stack.root}".replace(stack.name, f"{stack.name}-plain"), str(stack.root))
    ports = dict(zip(KEYS, free_ports(len(KEYS)), strict=True))
    for key, port in ports.items():
        text = text.replace(f"published: '{stack.port(key)}'", f"published: '{port}'")
    file = tmp_path / "compose.yaml"
    file.write_text(text, encoding="utf-8")
    plain = Engine(stack.engine.api, f"{stack.name}-plain")

    try:
        started = compose(file, "up", "-d", "--wait")
        assert started.returncode == 0, started.stderr
        assert plain.settled() == dict.fromkeys(SERVICES, "healthy")
        # The image's first start marks its own data: there is no seed in them.
        assert plain.mysql("SELECT id FROM devenv.marker") == [["unseeded"]]
        assert plain.mysql("SHOW TABLES") == []
        assert request(ports["frontend.port"], "/health").status == 200
    finally:
        plain.remove_all()


def test_data_are_removed_only_when_it_is_said(own: Stack) -> None:
    own.up("databasemaster")
    starts, volumes = own.engine.starts(), own.engine.volumes()

    refused = own.run("down", "--volumes", "--json")

    assert (refused.code, refused.error["code"]) == (6, "confirmation_needed")
    assert "--yes" in refused.error["hint"]
    assert own.engine.starts() == starts
    assert own.engine.volumes() == volumes

    own.run("down", "--volumes", "--yes").ok()
    assert own.engine.containers() == []
    kept = own.engine.database_volumes()
    assert len(kept) == 1, "for undo"
    assert all(name.startswith(tuple(kept)) for name in own.engine.volumes())
    assert own.engine.networks() == set()

    own.up("databasemaster")
    assert own.engine.count("kept") == 3
