"""Settings that were kept are the settings that were parsed, and no longer than they are true."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

import pytest

from devenv.config import kept, production, settings
from devenv.config.parse import parse_settings
from devenv.config.reference import Defaults
from devenv.config.section import Section
from devenv.config.source import load_document

if TYPE_CHECKING:
    from pathlib import Path

DEFAULTS = Defaults("shop", (), (), "compose/backend", "compose/frontend")
TEXT = """\
name: ${NAME:-shop}
database: {seed: [a.sql, {run: b}], parameters: {time_zone: null, x: 1.5}, undo: {size: 1GB}}
backend: {image: "shop:1", command: [a, b], mappings: ["./app:/opt/app:ro"]}
services: {extra: {image: x, ports: ["1:1"], labels: {section: one, tuple: [1]}}}
production: {allow: [{what: a, reason: b}], contents: {backend: {pip: c}}}
"""


def parsed(root: Path, text: str) -> settings.Settings:
    (root / "devenv.yaml").write_text(text)
    return parse_settings(load_document(root, {}), DEFAULTS)


def attributes(value: Any) -> Any:
    """The value as text that knows the types of all but the sections."""
    if hasattr(type(value), "model_fields") or type(value).__name__ == "SimpleNamespace":
        names = getattr(type(value), "model_fields", None) or vars(value)
        return {name: attributes(getattr(value, name)) for name in names}
    if isinstance(value, list | tuple):
        return type(value)(attributes(item) for item in value)
    if isinstance(value, dict):
        return {key: attributes(item) for key, item in value.items()}
    return value


def test_what_is_read_back_has_the_same_values_of_the_same_types(tmp_path: Path) -> None:
    before = parsed(tmp_path, TEXT)
    after = kept.load(kept.dump(before, "d"), "d")
    assert attributes(after) == attributes(before)
    assert repr(attributes(after)) == repr(attributes(before))


def test_settings_hold_values_and_nothing_else() -> None:
    """A property or a method of a section would be missing in settings that were kept."""
    members = (
        *inspect.getmembers(settings, inspect.isclass),
        *inspect.getmembers(production, inspect.isclass),
    )
    for name, section in members:
        if issubclass(section, Section) and section is not Section:
            own = {word for word in vars(section) if not word.startswith("_")} - {"model_config"}
            assert own <= set(section.model_fields), name


def test_other_sources_or_a_damaged_file_are_no_settings(tmp_path: Path) -> None:
    text = kept.dump(parsed(tmp_path, ""), "d")
    assert kept.load(text, "e") is None
    for damaged in ("", text[:-5], "[]", "{}", json.dumps({"sources": "d"})):
        assert kept.load(damaged, "d") is None


def digest(root: Path, environ: dict[str, str] | None = None, defaults: Defaults = DEFAULTS) -> str:
    return kept.sources_digest(root, environ or {}, defaults)


@pytest.mark.parametrize("name", ["devenv.yaml", "devenv.local.yaml", ".env"])
def test_each_file_counts_by_its_content(tmp_path: Path, name: str) -> None:
    missing = digest(tmp_path)
    (tmp_path / name).write_text("")
    empty = digest(tmp_path)
    (tmp_path / name).write_text("name: shop")
    assert len({missing, empty, digest(tmp_path)}) == 3


def test_the_variables_that_are_named_count_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "devenv.yaml").write_text("name: ${NAME:-a}\n")
    (tmp_path / ".env").write_text("OTHER=${INNER}\n")
    none = digest(tmp_path)
    assert digest(tmp_path, {"UNKNOWN": "x"}) == none
    assert len({none, digest(tmp_path, {"NAME": ""}), digest(tmp_path, {"INNER": "x"})}) == 3


def test_what_the_folder_means_by_default_counts(tmp_path: Path) -> None:
    other = Defaults("other", (), (), "compose/backend", "compose/frontend")
    assert digest(tmp_path) != digest(tmp_path, defaults=other)
