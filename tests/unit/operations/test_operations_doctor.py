"""What the doctor sees, and what it says to do."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest

from devenv.engine.observed import PortHolder
from devenv.errors import EngineUnavailableError
from devenv.operations.doctor import Diagnosis, examine
from tests.fakes import exited
from tests.samples import ADDRESS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.shop import Shop


class Usage(NamedTuple):
    """What `shutil.disk_usage` gives."""

    total: int
    used: int
    free: int


class Missing:
    """A machine without Compose."""

    def report(self) -> Mapping[str, str]:
        raise EngineUnavailableError("Compose v2 not found", hint="run `devenv setup`")


def seen(shop: Shop) -> dict[str, Diagnosis]:
    found = examine(shop.engine, lambda: shop.setup, shop.session)
    return {one.name: one for one in found}


def verdicts(shop: Shop) -> dict[str, str]:
    return {name: one.verdict for name, one in seen(shop).items()}


def test_a_machine_on_which_all_is_well(shop: Shop) -> None:
    assert verdicts(shop) == {
        "engine": "ok",
        "compose": "ok",
        "buildx": "ok",
        "disk": "ok",
        "memory": "ok",
        "pool": "ok",
        "configuration": "ok",
        "port frontend.port": "ok",
        "port backend.port": "ok",
        "port mail.port": "ok",
        "port mail.smtp_port": "ok",
        "port database.port": "ok",
        "file ownership": "ok",
        "health checks": "ok",
    }


def test_nothing_is_changed(shop: Shop) -> None:
    seen(shop)
    assert shop.engine.changes == []
    assert not (shop.root / ".devenv").exists()


def test_without_an_engine_nothing_else_is_asked(shop: Shop) -> None:
    shop.engine.fail("info", EngineUnavailableError("no Docker engine answers", hint="start it"))
    assert list(seen(shop).values()) == [
        Diagnosis("engine", "failed", "no Docker engine answers", "start it")
    ]


def test_without_compose(shop: Shop) -> None:
    found = examine(shop.engine, Missing, shop.session)
    diagnosis = next(one for one in found if one.name == "compose and buildx")
    assert diagnosis == Diagnosis(
        "compose and buildx", "failed", "Compose v2 not found", "run `devenv setup`"
    )


@pytest.mark.parametrize(("free", "verdict"), [(1.5, "failed"), (5, "warning"), (20, "ok")])
def test_room_for_the_engines_data(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: float, verdict: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, int(free * 2**30)))
    shop.engine.root_directory = str(tmp_path)
    disk = seen(shop)["disk"]
    assert disk.verdict == verdict
    assert disk.text == f"{free:.0f} GB free for the engine's data in {tmp_path}"
    assert (disk.fix is None) == (verdict == "ok")


def test_the_disk_of_another_machine_is_unknown(shop: Shop) -> None:
    assert seen(shop)["disk"].text == "the engine's data lie elsewhere: /var/lib/elsewhere"


@pytest.mark.parametrize(("memory", "verdict"), [(1, "warning"), (2, "ok")])
def test_memory_for_the_engine(shop: Shop, memory: int, verdict: str) -> None:
    shop.engine.memory_bytes = memory * 2**30
    assert seen(shop)["memory"].verdict == verdict


def test_a_broken_configuration_is_named(shop: Shop) -> None:
    shop.add("nonsense: 1\n")
    diagnosis = seen(shop)["configuration"]
    assert (diagnosis.verdict, diagnosis.text) == ("failed", "devenv.yaml:7:1: nonsense: unknown key")


def test_who_holds_a_port(shop: Shop) -> None:
    shop.engine.foreign = [PortHolder(10801, "other-mail-1", "other")]
    diagnosis = seen(shop)["port mail.port"]
    assert diagnosis.verdict == "warning"
    assert diagnosis.text.startswith("10801 is held by container other-mail-1; published on ")
    assert diagnosis.fix == "stop container other-mail-1, or set mail.port in devenv.yaml"


def test_an_address_that_this_machine_lacks(shop: Shop) -> None:
    shop.configure(f"bind: {ADDRESS}", "bind: 192.0.2.1")
    diagnosis = seen(shop)["bind"]
    assert (diagnosis.verdict, diagnosis.text) == ("failed", "this machine has no address 192.0.2.1")
    assert diagnosis.fix is not None


@pytest.mark.usefixtures("clock")
def test_ports_that_we_hold_ourselves_are_well(shop: Shop) -> None:
    shop.up()
    assert {verdict for name, verdict in verdicts(shop).items() if name.startswith("port")} == {"ok"}


def test_files_of_somebody_else_in_a_mapping(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = (shop.root / "app/manage.py").stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    monkeypatch.setattr(os, "getgid", lambda: 20)
    diagnosis = seen(shop)["file ownership"]
    assert diagnosis == Diagnosis(
        "file ownership",
        "warning",
        "1 mapped files belong to others: app/manage.py",
        f"sudo chown -R {owner + 1}:20 {shop.root}/app",
    )


@pytest.mark.parametrize("written", ["..", "{folder}"])
def test_a_mapping_from_elsewhere_can_be_shown_too(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    folder = shop.root.parent
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere/lib.py").touch()
    shop.configure("./app:/opt/app", f"{written.format(folder=folder)}/elsewhere:/opt/app")
    owner = (shop.root / "app/manage.py").stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    assert "lib.py" in seen(shop)["file ownership"].text


def test_health_checks_are_read_with_a_critical_eye(shop: Shop) -> None:
    shop.add("""\
        services:
          cache:
            image: redis
            container_name: cache
    """)
    found = seen(shop)
    assert "health checks" not in found
    assert found["services.cache.container_name"] == Diagnosis(
        "services.cache.container_name",
        "warning",
        "devenv.yaml:10:5: only one container of that name can exist: no second environment can run beside this one",
        "leave it out: other services reach it as cache",
        "devenv.yaml:10:5",
    )


@pytest.mark.usefixtures("clock")
def test_a_service_that_ended_is_known_as_a_job(shop: Shop) -> None:
    shop.add("""\
        services:
          once: {image: busybox}
          after: {image: busybox, depends_on: [once]}
    """)
    assert "health checks" in seen(shop)
    shop.engine.registry = {*(shop.engine.registry or ()), "busybox"}
    shop.engine.scripts["once"] = [exited(0)]
    shop.up()
    assert "services.after.depends_on[0]" in seen(shop)


def test_services_that_depend_on_nothing_there_is(shop: Shop) -> None:
    shop.add("services: {a: {image: busybox, depends_on: [b]}}\n")
    assert (seen(shop)["services"].verdict, seen(shop)["services"].fix) == ("failed", None)


def test_files_that_are_ours(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = (shop.root / "app/manage.py").stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: owner or 1)
    if owner == 0:
        for path in (shop.root / "app").rglob("*"):
            os.chown(path, 1, 1)
    assert seen(shop)["file ownership"] == Diagnosis("file ownership", "ok", "all mapped files are yours")
