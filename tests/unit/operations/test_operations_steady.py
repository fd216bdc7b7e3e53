"""An `up` with nothing to do says what the long way says; whatever changed, the long way decides."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from devenv.cli import quick
from devenv.cli.quick import Line, read
from devenv.engine.observed import PortHolder
from devenv.environments.lock import wait_lock
from devenv.model import Label
from devenv.project import spare_name
from tests.fakes import exited, moved, unhealthy

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness import Outcome
    from tests.shop import Shop

BACKEND = "shop-backend-1"
DATABASE = "shop-databasemaster-1"


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that were answered without the command tree."""
    found: list[str] = []
    ask = quick._answer

    def asked(command: str, context: Any) -> int | None:
        status = ask(command, context)
        if status is not None:
            found.append(command)
        return status

    monkeypatch.setattr(quick, "_answer", asked)
    return found


def the_long_way(shop: Shop, *line: str) -> Outcome:
    """The same command with an option that only the command tree knows."""
    return shop.run(*line, *(["--timeout", "60"] if line[0] == "up" else []))


def without_seconds(found: Outcome) -> Any:
    data = found.ok().data
    data.pop("seconds", None)
    return data


def test_up_and_status_say_the_same_both_ways(shop: Shop, answered: list[str]) -> None:
    shop.up()
    for command in ("up", "status"):
        quick_data = without_seconds(shop.run(command, "--json"))
        assert shop.engine.changes == []
        (shop.root / ".devenv/steady.json").rename(shop.root / "kept")
        assert without_seconds(shop.run(command, "--json")) == quick_data
        (shop.root / "kept").rename(shop.root / ".devenv/steady.json")
    assert answered == ["up", "status"]


def test_the_engine_is_read_and_nothing_else(shop: Shop, answered: list[str]) -> None:
    shop.up()
    shop.run("up").ok()
    assert [call.split()[0] for call in shop.engine.calls] == ["observe", "images"]
    assert answered == ["up"]


CHANGES: dict[str, Callable[[Shop], object]] = {
    "a setting": lambda shop: shop.add("check: {page: /other}"),
    "a file beside it": lambda shop: shop.project.write("devenv.local.yaml", ""),
    "the generated file": lambda shop: shop.project.write(
        ".devenv/compose.yaml", shop.project.read(".devenv/compose.yaml").replace("8080", "8081")
    ),
    "the generated file is gone": lambda shop: (shop.root / ".devenv/compose.yaml").unlink(),
    "a container is gone": lambda shop: shop.engine.remove_container(BACKEND),
    "a container stopped": lambda shop: shop.engine.stop_container(BACKEND, 1),
    "a definition": lambda shop: moved(
        shop.engine, BACKEND, labels={**shop.engine.containers[BACKEND].labels, Label.SPEC: "x"}
    ),
    "an image": lambda shop: shop.engine.add_image("shop/backend:1"),
    "an image is gone": lambda shop: shop.engine.present.pop("shop/backend:1"),
    "the data are gone": lambda shop: shop.engine.volume_labels.pop("shop_database_1"),
    "the environment's ports": lambda shop: shop.session().workspace.remember(ports={}),
    "what was kept is damaged": lambda shop: shop.project.write(".devenv/steady.json", "{}"),
}


def test_a_job_that_is_done_is_no_reason_for_the_long_way(shop: Shop, answered: list[str]) -> None:
    shop.add('services: {load: {image: busybox, restart: "no"}}')
    shop.engine.add_image("busybox")
    shop.engine.scripts["load"] = [exited(0)]
    shop.run("up").ok()
    shop.run("up").ok()
    assert answered == ["up"]


@pytest.mark.parametrize("name", ["worker.env", ".env"])
def test_what_an_own_service_takes_from_elsewhere_changed(shop: Shop, answered: list[str], name: str) -> None:
    shop.add('services: {worker: {image: busybox, env_file: worker.env, command: "echo ${WORD:-}"}}')
    shop.engine.add_image("busybox")
    shop.project.write("worker.env", "")
    shop.project.write(".env", "")
    shop.run("up").ok()
    shop.run("up").ok()
    assert answered == ["up"]
    shop.project.write(name, "WORD=other\n")
    steps = shop.run("up", "--json").ok().data["plan"]["steps"]
    assert ("worker", "its definition changed") in [(step["resource"], step["cause"]) for step in steps], (
        steps
    )
    assert answered == ["up"]
    assert shop.run("up", "--json").ok().data["plan"]["steps"] == []


def test_a_variable_that_an_own_service_gets_by_its_name_changed(
    shop: Shop, answered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.add("services: {worker: {image: busybox, environment: [WORD], env_file: worker.env}}")
    shop.engine.add_image("busybox")
    shop.project.write("worker.env", "A=${OTHER:-}\nTHIRD\n")
    shop.run("up").ok()
    shop.run("up").ok()
    assert answered == ["up"]
    for name in ("WORD", "OTHER", "THIRD"):
        monkeypatch.setenv(name, "x")
        steps = shop.run("up", "--json").ok().data["plan"]["steps"]
        assert "worker" in {step["resource"] for step in steps}, name
    shop.run("up").ok()
    assert answered == ["up", "up"]


def test_a_port_that_moved_elsewhere_stays_as_long_as_its_holder_is_there(
    shop: Shop, answered: list[str]
) -> None:
    shop.engine.is_here = False
    shop.engine.foreign = [PortHolder(10801, "other-mail-1", "other")]
    shop.run("up").ok()
    shop.run("up").ok()
    assert answered == ["up"]
    shop.engine.foreign = []
    shop.run("up").ok()
    assert answered == ["up"]
    assert shop.engine.containers["shop-mailcatcher-1"].ports[1080] == 10801


def test_a_spare_that_a_killed_reset_left_is_one(shop: Shop, answered: list[str]) -> None:
    shop.up()
    shop.engine.duplicate_container(DATABASE, spare_name("shop"), {})
    shop.run("up").ok()
    assert answered == []
    assert spare_name("shop") not in shop.engine.containers


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changed_the_long_way_decides(shop: Shop, answered: list[str], change: str) -> None:
    shop.up()
    CHANGES[change](shop)
    shop.run("up")
    assert answered == []


def test_an_unhealthy_service_is_no_steady_state(shop: Shop, answered: list[str]) -> None:
    shop.up()
    shop.engine.scripts["backend"] = [unhealthy()]
    shop.engine.restart_container(shop.ids[BACKEND], 1)
    shop.run("up")
    assert answered == []
    assert shop.run("status").ok().out.splitlines()[3].split()[1] == "unhealthy"
    assert answered == ["status"]


def test_other_data_are_no_change(shop: Shop, answered: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devenv.operations.switch.wait_for_greeting", shop.greets)
    shop.up()
    shop.run("reset-db").ok()
    assert shop.run("up", "--json").ok().data["status"]["database"]["branch"] == "shop_database_2"
    assert answered == ["up"]


def test_while_another_command_is_at_work_the_long_way_waits(shop: Shop, answered: list[str]) -> None:
    shop.up()
    with wait_lock(shop.root / ".devenv/lock"):
        assert shop.run("status").ok()
        context = shop.project.context()
        assert quick._answer("up", context) is None
    assert answered == ["status"]


def test_a_part_of_the_services_leaves_no_steady_state(shop: Shop) -> None:
    shop.run("up", "mailcatcher").ok()
    assert not (shop.root / ".devenv/steady.json").exists()


def test_another_folder_of_the_same_name(shop: Shop, answered: list[str]) -> None:
    shop.up()
    container = shop.engine.containers[BACKEND]
    elsewhere = {**container.labels, Label.WORKTREE: os.fspath(shop.root.parent)}
    shop.engine.containers[BACKEND] = replace(container, labels=elsewhere)
    assert shop.run("up", "--json").code == 6
    assert answered == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("up", Line("up", frozenset(), {})),
        ("--json status", Line("status", frozenset({"--json"}), {})),
        ("-C x --env=b --yes up", Line("up", frozenset({"--yes"}), {"-C": "x", "--env": "b"})),
        ("up backend", None),
        ("up --build", None),
        ("status --watch", None),
        ("logs", None),
        ("-C", None),
        ("", None),
    ],
)
def test_which_lines_are_simple(line: str, found: Line | None) -> None:
    assert read(line.split()) == found


def test_what_is_kept_is_json_without_secrets(shop: Shop) -> None:
    shop.up()
    text = shop.project.read(".devenv/steady.json")
    assert "toor" not in text
    assert json.loads(text)["name"] == "shop"
