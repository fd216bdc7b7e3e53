"""What a user's own service takes from outside: every change of it gives another word, and nothing else does."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from devenv.config.surroundings import named_files, surroundings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NOTHING: list[dict[str, Any]] = [
    {},
    {"image": "redis", "command": "echo $$HOME", "environment": {"A": "b", "C": 1}},
    {"image": "redis", "environment": ["A=b"], "extends": "other"},
    {"image": "redis", "env_file": None, "build": {"context": "."}},
]
VARIABLE: list[dict[str, Any]] = [
    {"command": "echo $X"},
    {"command": ["echo", "${X:-${Y}}"]},
    {"labels": {"a": "$$${X?it is needed}"}},
    {"environment": {"X": None}},
    {"environment": ["X"]},
]
FILE: list[dict[str, Any]] = [
    {"env_file": "x.env"},
    {"env_file": ["other.env", "./x.env"]},
    {"env_file": [{"path": "x.env", "required": False}]},
    {"label_file": "x.env"},
    {"extends": {"file": "x.env", "service": "x"}},
]


@pytest.mark.parametrize("definition", NOTHING)
def test_what_is_all_in_the_definition_takes_nothing(tmp_path: Path, definition: dict[str, Any]) -> None:
    (tmp_path / ".env").write_text("A=1\n")
    assert surroundings(definition, tmp_path, {"A": "2"}) == ""
    assert named_files(definition, tmp_path) == ()


@pytest.mark.parametrize("definition", VARIABLE)
def test_a_variable_counts_with_its_value(tmp_path: Path, definition: Mapping[str, Any]) -> None:
    definition = MappingProxyType(definition)  # as a service has it
    found = [surroundings(definition, tmp_path, {}), surroundings(definition, tmp_path, {"X": "1"})]
    (tmp_path / ".env").write_text("X=2\nOTHER=3\n")
    found.append(surroundings(definition, tmp_path, {}))
    assert len({"", *found}) == 4
    assert (
        surroundings(definition, tmp_path, {"X": "1"}) == found[1]
    )  # the shell's comes before that in the file
    (tmp_path / ".env").write_text("X=2\nOTHER=4\n")
    assert surroundings(definition, tmp_path, {"UNNAMED": "x"}) == found[2]


@pytest.mark.parametrize("definition", FILE)
def test_a_file_counts_with_its_content(tmp_path: Path, definition: dict[str, Any]) -> None:
    file = tmp_path / "x.env"
    assert file in named_files(definition, tmp_path)
    found = [surroundings(definition, tmp_path, {})]
    for content in ("A=1\n", "A=2\n"):
        file.write_text(content)
        found.append(surroundings(definition, tmp_path, {}))
    assert len({"", *found}) == 4


def test_a_file_whose_name_is_not_known_before_is_left_to_compose(tmp_path: Path) -> None:
    assert named_files({"env_file": "$NAME.env"}, tmp_path) == ()
