"""Which environment a folder is: of real git worktrees, copies, and folders that were moved."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from devenv.environments.identity import identify, valid_name, worktree_name
from devenv.environments.registry import Registry
from devenv.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "state")


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.test", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, timeout=30)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A main checkout with a linked worktree beside it."""
    main = tmp_path / "shop"
    (main / "deploy").mkdir(parents=True)
    git(main, "init")
    git(main, "commit", "--allow-empty", "-m", "first")
    git(main, "worktree", "add", "../Feature_X.1")
    return main


def test_a_main_checkout_has_the_base_name(checkout: Path, registry: Registry) -> None:
    found = identify(checkout, "shop", None, None, registry)
    assert (found.project, found.environment, found.worktree) == ("shop", "main", str(checkout))
    assert worktree_name(checkout / "deploy") is None


def test_a_linked_worktree_adds_its_own_name(checkout: Path, registry: Registry) -> None:
    linked = checkout.parent / "Feature_X.1"
    assert (linked / ".git").is_file()
    (linked / "deploy").mkdir()
    found = identify(linked, "shop", None, None, registry)
    assert (found.project, found.environment, found.worktree) == (
        "shop-feature_x-1",
        "feature_x-1",
        str(linked),
    )
    assert worktree_name(linked / "deploy") == "feature_x-1"


def test_a_submodule_is_no_worktree(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: ../.git/modules/shop\n")
    assert worktree_name(tmp_path) is None


def test_without_git_it_is_the_main_environment(tmp_path: Path, registry: Registry) -> None:
    assert identify(tmp_path, "shop", None, None, registry).environment == "main"


def test_a_named_environment_has_a_suffix(tmp_path: Path, registry: Registry) -> None:
    found = identify(tmp_path, "shop", "feature-x", None, registry)
    assert (found.project, found.environment) == ("shop-feature-x", "feature-x")


def test_the_name_main_is_the_unnamed_environment(tmp_path: Path, registry: Registry) -> None:
    assert identify(tmp_path, "shop", "main", None, registry).project == "shop"


@pytest.mark.parametrize("name", ["Feature", "a b", "-x", "", "x" * 42, "a/b", "../up"])
def test_a_name_that_cannot_be_one_is_refused(tmp_path: Path, registry: Registry, name: str) -> None:
    with pytest.raises(UsageError, match=r"--env: expected a name such as"):
        identify(tmp_path, "shop", name, None, registry)
    assert registry.projects() == {}


def test_a_second_clone_gets_a_number_and_keeps_it(tmp_path: Path, registry: Registry) -> None:
    first, second, third = tmp_path / "one", tmp_path / "two", tmp_path / "three"
    for folder in (first, second, third):
        folder.mkdir()
    assert identify(first, "shop", None, None, registry).project == "shop"
    assert identify(second, "shop", None, None, registry).project == "shop-2"
    assert identify(third, "shop", None, None, registry).project == "shop-3"
    assert identify(second, "shop", None, "shop-2", registry).project == "shop-2"
    assert identify(first, "shop", None, "shop", registry).project == "shop"


def test_what_was_remembered_counts_where_the_registry_was_lost(tmp_path: Path) -> None:
    fresh = Registry(tmp_path / "fresh")
    assert identify(tmp_path, "shop", None, "shop-2", fresh).project == "shop-2"


@pytest.mark.parametrize("remembered", ["other", "shop-x", "shop-2x", "shopping", "shop-"])
def test_another_base_name_is_another_project(tmp_path: Path, registry: Registry, remembered: str) -> None:
    assert identify(tmp_path, "shop", None, remembered, registry).project == "shop"


def test_a_folder_that_was_moved_keeps_its_project(tmp_path: Path, registry: Registry) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    assert identify(before, "shop", None, None, registry).project == "shop"
    before.rename(after)
    assert identify(after, "shop", None, "shop", registry).project == "shop"
    assert registry.projects() == {"shop": str(after)}


def test_a_copy_that_came_with_its_memory_does_not_take_the_original_over(
    tmp_path: Path, registry: Registry
) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()
    copy.mkdir()
    identify(original, "shop", None, None, registry)
    assert identify(copy, "shop", None, "shop", registry).project == "shop-2"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("feature", "feature"),
        ("Feature/Größe 2", "feature-gr-e-2"),
        ("--x--", "x"),
        ("___", "environment"),
        ("", "environment"),
        ("x" * 60, "x" * 40),
    ],
)
def test_any_text_becomes_a_name(text: str, name: str) -> None:
    assert valid_name(text) == name
