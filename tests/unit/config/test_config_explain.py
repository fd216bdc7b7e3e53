"""Where every value comes from, and which of them are secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.config.explain import Resolved, explain
from devenv.config.parse import parse_settings
from devenv.config.reference import Defaults
from devenv.config.source import load_document

if TYPE_CHECKING:
    from pathlib import Path

DEFAULTS = Defaults("folder", ("./a:/b",), ("x.sql", {"run": "y"}), "compose/backend", "compose/frontend")


def explained(root: Path, text: str, local: str = "") -> dict[str, Resolved]:
    (root / "devenv.yaml").write_text(text)
    (root / "devenv.local.yaml").write_text(local)
    document = load_document(root, {})
    found = explain(parse_settings(document, DEFAULTS), document)
    assert len({one.key for one in found}) == len(found)
    return {one.key: one for one in found}


def keys(value: object, path: str = "") -> set[str]:
    if isinstance(value, dict) and value:
        return {key for name, one in value.items() for key in keys(one, f"{path}.{name}" if path else name)}
    if isinstance(value, list | tuple) and value:
        return {key for index, one in enumerate(value) for key in keys(one, f"{path}[{index}]")}
    return {path}


def test_every_leaf_of_the_model_is_explained(tmp_path: Path) -> None:
    text = "services: {a: {image: x, ports: ['1:2'], empty: []}}\ntaskrunner: {queue: {query: SELECT 1}}\n"
    found = explained(tmp_path, text)
    settings = parse_settings(load_document(tmp_path, {}), DEFAULTS)
    expected = keys(settings.model_dump()) - {
        f"backend.mappings[0].{part}" for part in ("source", "target", "read_only")
    }
    assert set(found) == expected | {"backend.mappings[0]"}
    assert found["backend.mappings[0]"].value == "./a:/b"
    assert found["services.a.empty"].value == []
    assert found["database.seed[1].service"].value == "backend"


def test_an_origin_is_a_place_or_default(tmp_path: Path) -> None:
    found = explained(
        tmp_path,
        "name: a\ndatabase:\n  port: 5\n  seed: [f.sql, {run: z}]\n  aliases: []\nbackend:\n"
        "  environment: {A: 1}\n  mappings: ['./q:/r']\n  healthcheck: {interval: 2s}\nmail:\n",
        local="frontend:\n  port: 81\ndatabase: {port: 6}\n",
    )
    origins = {key: one.origin for key, one in found.items() if one.origin != "default"}
    assert origins == {
        "name": "devenv.yaml:1:7",
        "database.port": "devenv.local.yaml:3:18",
        "database.seed[0].file": "devenv.yaml:4:10",
        "database.seed[0].database": "devenv.yaml:4:10",
        "database.seed[1].run": "devenv.yaml:4:23",
        "database.aliases": "devenv.yaml:5:12",
        "backend.environment.A": "devenv.yaml:7:20",
        "backend.mappings[0]": "devenv.yaml:8:14",
        "backend.healthcheck.interval": "devenv.yaml:9:27",
        "frontend.port": "devenv.local.yaml:2:9",
    }
    assert found["database.port"].value == 6


def test_secrets_are_marked(tmp_path: Path) -> None:
    found = explained(
        tmp_path,
        "backend: {environment: {STRIPE_TOKEN: a, API_KEY: k, SHOP_SECRET: b, PLAIN: c}}\n"
        "services: {a: {environment: ['DB_PASSWORD=x', 'MODE=y'], labels: {passwd: z}}}\n",
    )
    assert {key for key, one in found.items() if one.secret} == {
        "database.root_password",
        "backend.environment.DB_PWD",
        "backend.environment.STRIPE_TOKEN",
        "backend.environment.API_KEY",
        "backend.environment.SHOP_SECRET",
        "services.a.environment[0]",
        "services.a.labels.passwd",
    }
