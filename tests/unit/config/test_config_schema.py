"""The JSON Schema accepts what the documentation shows; checked by the few words of the standard that it uses."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from devenv.config.schema import json_schema
from devenv.config.settings import Settings
from devenv.config.source import load_document

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTED = """\
name: qwaya
images: auto
database:
  image: mysql:8.4
  port: 3306
  root_password: toor
  databases: [app]
  aliases: [database]
  parameters: {}
  seed:
    - fixtures/*.sql.zst
    - {run: python manage.py migrate, service: backend}
    - {file: a.sql, database: app}
mail: {port: 1080}
backend:
  build: compose/backend
  port: 8000
  environment: {DB_HOST: database, DB_USER: root, DB_PWD: toor, N: 1}
  mappings: ["./compose/backend/app:/opt/app"]
  generated: /opt/app/generated_content
  healthcheck: {http: /health, interval: 500ms, timeout: 2}
taskrunner: {command: python manage.py db_worker, replicas: 1, grace: 1m, queue: {command: [rq, info], service: backend}}
frontend: {build: compose/frontend, port: 80}
services: {redis: {image: redis}}
production: {manifest: deploy/production.yaml, allow: []}
check:
x-anchors: [1]
"""

TYPES: dict[str, Any] = {"string": str, "integer": int, "number": int | float, "boolean": bool, "null": type(None),
                         "object": dict, "array": list}  # fmt: skip
KNOWN = {"$ref", "$schema", "$defs", "title", "description", "default", "type", "anyOf", "enum", "pattern", "properties", "minItems",
         "patternProperties", "additionalProperties", "items", "minimum", "maximum", "exclusiveMinimum", "required", "minLength",
         "format", "propertyNames"}  # fmt: skip


def fits(value: Any, schema: Any, root: dict[str, Any]) -> bool:
    if isinstance(schema, bool):
        return schema
    assert set(schema) <= KNOWN, set(schema) - KNOWN
    if "$ref" in schema and not fits(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root):
        return False
    if "anyOf" in schema and not any(fits(value, one, root) for one in schema["anyOf"]):
        return False
    if "type" in schema:
        names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        if not any(
            isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))
            for name in names
        ):
            return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    return fits_inside(value, schema, root)


def fits_inside(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    if isinstance(value, str):
        return len(value) >= schema.get("minLength", 0) and bool(re.search(schema.get("pattern", ""), value))
    if isinstance(value, int | float):
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        return bool(low <= value <= high and value > schema.get("exclusiveMinimum", value - 1))
    if isinstance(value, list):
        return len(value) >= schema.get("minItems", 0) and all(
            fits(one, schema.get("items", True), root) for one in value
        )
    if isinstance(value, dict):
        if not set(schema.get("required", ())) <= set(value):
            return False
        for name, one in value.items():
            matching = [
                inner
                for pattern, inner in schema.get("patternProperties", {}).items()
                if re.search(pattern, name)
            ]
            if name in schema.get("properties", {}):
                matching.append(schema["properties"][name])
            if not all(
                fits(one, inner, root) for inner in matching or [schema.get("additionalProperties", True)]
            ):
                return False
    return True


def accepted(root: Path, text: str) -> bool:
    (root / "devenv.yaml").write_text(text)
    schema = json_schema()
    return fits(load_document(root, {}).data, schema, schema)


@pytest.mark.parametrize("text", ["", DOCUMENTED])
def test_the_documented_file_fits(tmp_path: Path, text: str) -> None:
    assert accepted(tmp_path, text)


def test_a_reference_fits_where_a_number_is_expected(tmp_path: Path) -> None:
    assert accepted(tmp_path, "mail: {port: '$${PORT:-1080}'}")
    assert accepted(tmp_path, "images: '$${IMAGES}'")


@pytest.mark.parametrize(
    "text",
    [
        "prot: 1", "mail: {port: 0}", "mail: {port: x}", "mail: {prt: 1}", "images: some", "database: {seed: [7]}",
        "database: {seed: [{file: a, run: b}]}", "backend: {healthcheck: {interval: soon}}", "backend: {mappings: ['a:b']}",
        "database: {databases: []}", "name: 'A B'", "backend: {command: []}", "services: {a: 1}", "taskrunner: {replicas: 101}",
    ],
)  # fmt: skip
def test_what_is_refused_does_not_fit(tmp_path: Path, text: str) -> None:
    assert not accepted(tmp_path, text)


def test_every_key_is_described() -> None:
    schema = json_schema()
    assert (schema["title"], schema["$schema"]) == (
        "devenv.yaml",
        "https://json-schema.org/draft/2020-12/schema",
    )
    assert schema["description"]
    assert "required" not in schema
    for name, model in {"": schema, **schema["$defs"]}.items():
        for key, field in model.get("properties", {}).items():
            assert field.get("description"), f"{name}.{key}"
    assert set(schema["properties"]) == set(Settings.model_fields)


def test_it_is_plain_json_and_the_same_every_time() -> None:
    assert json.dumps(json_schema()) == json.dumps(json.loads(json.dumps(json_schema())))
