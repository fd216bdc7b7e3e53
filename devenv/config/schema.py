"""The JSON Schema of `devenv.yaml`, for editors and for `devenv schema`. Pure."""

from __future__ import annotations

from typing import Any

from devenv.config.settings import Settings

_REFERENCE = {"$ref": "#/$defs/Reference"}


def json_schema() -> dict[str, Any]:
    """Every key with its forms and its default; short forms and `${NAME}` included."""
    schema = Settings.model_json_schema()
    for model in (schema, *schema["$defs"].values()):
        for name, field in model["properties"].items():
            model["properties"][name] = _accepting(field)
    for name, field in schema["properties"].items():
        # pydantic leaves a description out where the section's own docstring says the same.
        field.setdefault("description", Settings.model_fields[name].description)
    schema.pop("required", None)  # the name has a default too: the folder's
    schema["patternProperties"] = {"^x-": {"description": "Not read; a place for anchors."}}
    schema["$defs"]["Reference"] = {
        "type": "string",
        "pattern": r"\$\{.+\}",
        "description": "${NAME}, ${NAME:-default} or ${NAME:?message}, from the environment or .env.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "devenv.yaml",
        "description": "A development environment that mirrors production. Everything has a default.",
    }


def _accepting(field: dict[str, Any]) -> dict[str, Any]:
    """`field`, and the other things that may stand in its place."""
    if field.get("type") == "array":
        items = field.get("items")
        return {**field, "items": _accepting(items)} if isinstance(items, dict) else field
    outer: dict[str, Any] = {key: field[key] for key in ("title", "description", "default") if key in field}
    inner = {key: value for key, value in field.items() if key not in outer}
    if field.get("type") == "object" or "$ref" in field:
        return {**outer, "anyOf": [inner, {"type": "null"}]}
    alternatives = inner["anyOf"] if set(inner) == {"anyOf"} else [inner]
    return {**outer, "anyOf": [*alternatives, _REFERENCE]}
