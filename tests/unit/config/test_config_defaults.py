"""What an empty file means in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from devenv.config.defaults import RESOURCES, defaults_for
from devenv.config.document import Document
from devenv.config.parse import parse_settings
from devenv.config.production import Production
from devenv.config.source import load_document
from tests.harness import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

MIGRATE = {"run": "python manage.py migrate", "service": "backend"}


def test_an_empty_folder_is_the_packaged_reference_environment(tmp_path: Path) -> None:
    defaults = defaults_for(tmp_path)
    assert defaults.mappings == ()
    assert defaults.seed == (str(RESOURCES / "fixtures" / "*.sql.zst"), MIGRATE)
    assert defaults.backend_build == str(RESOURCES / "compose" / "backend")
    assert defaults.frontend_build == str(RESOURCES / "compose" / "frontend")
    assert RESOURCES.is_absolute()
    assert (RESOURCES / "compose").is_dir()


def test_a_folder_with_its_own_files_uses_them(tmp_path: Path) -> None:
    for folder in ("compose/backend/app", "compose/frontend", "fixtures"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "fixtures" / "a.sql.zst").touch()
    defaults = defaults_for(tmp_path)
    assert defaults.mappings == ("./compose/backend/app:/opt/app",)
    assert defaults.seed == ("fixtures/*.sql.zst", MIGRATE)
    assert (defaults.backend_build, defaults.frontend_build) == ("compose/backend", "compose/frontend")


def test_what_the_example_says_is_what_an_empty_file_means() -> None:
    defaults = defaults_for(REPOSITORY)
    example = load_document(REPOSITORY, {})
    empty = parse_settings(Document({"name": "qwaya"}, {}), defaults)
    assert parse_settings(example, defaults) == empty


def test_another_backend_has_no_manifest_by_default() -> None:
    defaults = defaults_for(REPOSITORY)
    own = parse_settings(Document({"backend": {"image": "shop/backend:1"}}, {}), defaults)
    assert own.production == Production()


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("shop", "shop"), ("My Shop 2.0", "my-shop-2-0"), ("_x_", "x"), ("été", "t"), ("日本", "devenv"), ("...", "devenv"),
        ("a" * 60, "a" * 41), ("a" * 40 + "-b", "a" * 40), ("under_score", "under_score"),
    ],
)  # fmt: skip
def test_the_name_of_the_folder_is_made_valid(tmp_path: Path, folder: str, name: str) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    defaults = defaults_for(tmp_path / folder)
    assert defaults.name == name
    assert parse_settings(Document({}, {}), defaults).name == name
