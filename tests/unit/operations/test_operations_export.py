"""`devenv export`: where its files go, what it refuses, and what it tells whoever deploys them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from tests.shop import Shop

UNREACHED = (
    "the database is not included: db.example.com has to be reachable (`production.environment.DB_HOST` names "
    "another, `--with databasemaster` includes one)"
)
UNITS = {
    "shop.target",
    "shop-network.service",
    "shop-migrate.service",
    "shop-migrate.service.d/secrets.conf",
    "shop-backend.service",
    "shop-backend.service.d/secrets.conf",
    "shop-taskrunner@.service",
    "shop-taskrunner@.service.d/secrets.conf",
    "shop-frontend.service",
}


def test_one_file_is_printed_as_it_is(shop: Shop) -> None:
    found = shop.run("export", "compose").ok()
    document = yaml.safe_load(found.out)
    assert set(document["services"]) == {"migrate", "backend", "taskrunner", "frontend"}
    assert document["services"]["backend"]["image"] == "shop/backend:1"
    assert "note: secrets are named, not written: DB_PWD, SECRET_KEY" in found.err.splitlines()


def test_no_engine_is_asked(shop: Shop) -> None:
    shop.run("export", "swarm").ok()
    assert shop.engine.calls == []


def test_several_files_are_printed_below_their_names(shop: Shop) -> None:
    lines = shop.run("export", "systemd").ok().out.splitlines()
    assert {line.removeprefix("# ") for line in lines if line.startswith("# shop")} == UNITS


def test_a_folder_gets_every_file(shop: Shop, tmp_path: Path) -> None:
    found = shop.run("export", "systemd", "--output", str(tmp_path / "units")).ok()
    written = {path.relative_to(tmp_path / "units").as_posix() for path in (tmp_path / "units").rglob("*.*")}
    assert {name for name in written if not name.endswith(".d")} == UNITS
    assert set(found.out.splitlines()) == {str(tmp_path / "units" / name) for name in UNITS}


@pytest.mark.parametrize("target", ["swarm", "kubernetes", "compose"])
def test_one_file_goes_where_it_is_told_or_into_a_folder_that_is_there(
    shop: Shop, tmp_path: Path, target: str
) -> None:
    shop.run("export", target, "-o", str(tmp_path / "deploy" / "it.yaml")).ok()
    (name,) = shop.run("export", target, "-o", str(tmp_path)).ok().out.splitlines()
    there = (tmp_path / name).read_text(encoding="utf-8")
    assert there == (tmp_path / "deploy" / "it.yaml").read_text(encoding="utf-8")
    assert there == shop.run("export", target).ok().out


def test_an_export_is_written_again_over_an_older_one(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    shop.run("export", "compose", "-o", str(file)).ok()
    shop.run("export", "compose", "-o", str(file), "--image", "backend=shop/backend:2").ok()
    assert "shop/backend:2" in file.read_text(encoding="utf-8")


def test_nothing_of_others_is_overwritten(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "shop-frontend.service").write_text("[Unit]\n", encoding="utf-8")
    found = shop.run("export", "systemd", "-o", str(tmp_path), "--json")
    assert (found.code, found.error["code"]) == (6, "refused")
    assert [path.name for path in tmp_path.iterdir()] == ["shop-frontend.service"]


def test_a_folder_that_cannot_be_made_is_said(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    found = shop.run("export", "compose", "-o", str(tmp_path / "file" / "x.yaml"), "--json")
    assert (found.code, found.error["code"]) == (1, "export_failed")
    several = shop.run("export", "systemd", "-o", str(tmp_path / "file"), "--json")
    assert (several.code, several.error["code"]) == (2, "usage")


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (
            ("kubernets",),
            '"kubernets" is not a target; there are systemd, swarm, kubernetes, compose',
            'did you mean "kubernetes"?',
        ),
        (
            ("compose", "--with", "frontend"),
            '"frontend" is not a service that `--with` includes; there are databasemaster, mailcatcher',
            None,
        ),
        (
            ("compose", "--image", "web=x:1"),
            '"web" is not an image; there are backend, frontend',
            None,
        ),
        (
            ("compose", "--image", "backend"),
            '--image: expected KEY=REFERENCE such as backend=shop/app:7, got "backend"',
            None,
        ),
    ],
)
def test_what_is_not_known_is_said(
    shop: Shop, words: tuple[str, ...], message: str, hint: str | None
) -> None:
    found = shop.run("export", *words, "--json")
    assert (found.code, found.error["message"], found.error["hint"]) == (2, message, hint)


def test_what_is_included_is_deployed_too(shop: Shop) -> None:
    found = shop.run("export", "compose", "--with", "databasemaster", "--with", "mailcatcher", "--json").ok()
    assert found.json["schema"] == "devenv.export/1"
    document = yaml.safe_load(found.data["files"][0]["text"])
    assert {"databasemaster", "mailcatcher"} <= set(document["services"])
    assert document["services"]["databasemaster"]["image"] == "mysql:8.4"
    assert "seed" not in found.data["files"][0]["text"]
    assert found.data["notes"] == ["secrets are named, not written: DB_PWD, MYSQL_ROOT_PASSWORD, SECRET_KEY"]


def test_what_is_missing_in_production_is_said(shop: Shop) -> None:
    shop.add("""
        production: {environment: {DB_HOST: db.example.com}}
        services: {cache: {image: "redis:7"}}
    """)
    notes = (
        shop.run("export", "kubernetes", "--image", "backend=devenv/backend:1", "--json").ok().data["notes"]
    )
    assert notes == [
        "secrets are named, not written: DB_PWD, SECRET_KEY",
        UNREACHED,
        "no mail relay is named: set `production.environment.MAIL_HOST`",
        "devenv/backend:1 is only built here: push it, and name it with `--image backend=REFERENCE`",
        "left out, since they are in Compose's own words: cache",
    ]
