"""The fingerprint of a recipe: the same inputs give the same tag anywhere, and any other input another."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from devenv.config.defaults import RESOURCES
from devenv.errors import ImageError
from devenv.images.recipe import fingerprint, folder_of, stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    folder = tmp_path / "recipe"
    (folder / "app" / "sub").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "app" / "manage.py").write_text("print()\n")
    (folder / "app" / "sub" / "data").write_bytes(b"\x00\xff")
    return folder


def rename(folder: Path) -> None:
    (folder / "app" / "manage.py").rename(folder / "app" / "manage2.py")


def move_between_files(folder: Path) -> None:
    """The same bytes in the same order, cut elsewhere."""
    (folder / "a").write_text("xy")
    (folder / "b").write_text("z")


def empty_both(folder: Path) -> None:
    (folder / "a").write_text("x")
    (folder / "b").write_text("yz")


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda folder: (folder / "app" / "sub" / "data").write_bytes(b"\x00\xfe"),
    "name": rename,
    "mode": lambda folder: (folder / "app" / "manage.py").chmod(0o755),
    "one file more": lambda folder: (folder / "extra").touch(),
    "one file less": lambda folder: (folder / "app" / "manage.py").unlink(),
    "another folder": lambda folder: (folder / "app" / "sub").rename(folder / "app" / "bus"),
    "a link": lambda folder: (folder / "link").symlink_to("app"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_gives_another_fingerprint(recipe: Path, change: str) -> None:
    before = fingerprint(recipe)
    CHANGES[change](recipe)
    assert fingerprint(recipe) != before


def test_the_same_bytes_in_other_files_are_another_recipe(recipe: Path, tmp_path: Path) -> None:
    other = shutil.copytree(recipe, tmp_path / "other")
    move_between_files(recipe)
    empty_both(other)
    assert fingerprint(recipe) != fingerprint(other)


def test_where_a_link_points_counts_not_what_is_there(recipe: Path) -> None:
    link = recipe / "link"
    link.symlink_to("nowhere")
    before = fingerprint(recipe)
    link.unlink()
    link.symlink_to("elsewhere")
    assert fingerprint(recipe) != before


def test_the_same_recipe_elsewhere_has_the_same_fingerprint(recipe: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(recipe, tmp_path / "deeper" / "down" / "copy")
    assert fingerprint(copied) == fingerprint(recipe)


def test_who_owns_it_and_when_it_was_written_do_not_count(recipe: Path) -> None:
    before = fingerprint(recipe)
    (recipe / "Dockerfile").chmod(0o600)
    (recipe / "Dockerfile").write_text("FROM scratch\n")
    assert fingerprint(recipe) == before


def test_the_image_it_builds_on_counts(recipe: Path) -> None:
    assert (
        len({fingerprint(recipe), fingerprint(recipe, base="base:1"), fingerprint(recipe, base="base:2")})
        == 3
    )


def test_what_tools_leave_behind_does_not_count(recipe: Path) -> None:
    before = fingerprint(recipe)
    for name in (
        "__pycache__",
        ".git",
        ".devenv",
        ".venv",
        "generated_content",
        ".pytest_cache",
        ".mypy_cache",
    ):
        (recipe / "app" / name).mkdir()
        (recipe / "app" / name / "file").write_text("x")
    assert fingerprint(recipe) == before


def test_mapped_folders_do_not_count(recipe: Path) -> None:
    mapped = [recipe / "app"]
    before = fingerprint(recipe, without=mapped)
    (recipe / "app" / "manage.py").write_text("print(1)\n")
    assert fingerprint(recipe, without=mapped) == before
    (recipe / "Dockerfile").write_text("FROM other\n")
    assert fingerprint(recipe, without=mapped) != before


def test_a_mapped_folder_counts_as_itself_by_whatever_way_it_is_named(recipe: Path) -> None:
    before = fingerprint(recipe, without=[recipe / "app"])
    assert fingerprint(recipe, without=[recipe / "app" / "sub" / ".."]) == before
    assert fingerprint(recipe, without=[recipe / "nothing"]) == fingerprint(recipe)


DOCKERFILE = """\
FROM python AS first
COPY --from=other /opt /opt
ADD --chown=1:1 "https://example.org/x" /x
COPY ["./one.conf", "conf.d/*.conf", "/etc/"]
RUN --mount=type=bind,source=constraints.txt,target=/c \\
    # and some more
    pip install -r requirements.txt
COPY --chmod=755 \\
    bin/ /usr/local/bin/
COPY $UNKNOWN ../outside <<EOF /opt/app/
COPY . /opt/app
USER app
"""
NAMED = ("Dockerfile", "one.conf", "conf.d/a.conf", "constraints.txt", "requirements.txt", "bin/deep/run")
NOT_NAMED = ("manage.py", "app/models.py", "conf.d/a.txt", ".devenv/runs.jsonl", "bin/__pycache__/run.pyc")


@pytest.fixture
def mapped(tmp_path: Path) -> Path:
    """A folder with the code that is mapped as it is, and the Dockerfile beside it."""
    folder = tmp_path / "mapped"
    for name in (*NAMED, *NOT_NAMED):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    return folder


@pytest.mark.parametrize("name", NAMED)
def test_in_a_folder_that_is_mapped_what_the_dockerfile_names_counts(mapped: Path, name: str) -> None:
    before = fingerprint(mapped, without=[mapped]), stamp([mapped], without=[mapped])
    with (mapped / name).open("a") as file:
        file.write("# more\n")
    after = fingerprint(mapped, without=[mapped]), stamp([mapped], without=[mapped])
    assert [one != two for one, two in zip(before, after, strict=True)] == [True, True]


@pytest.mark.parametrize("name", NOT_NAMED)
def test_in_a_folder_that_is_mapped_nothing_else_counts(mapped: Path, name: str) -> None:
    before = fingerprint(mapped, without=[mapped]), stamp([mapped], without=[mapped])
    (mapped / name).write_text("more\n")
    assert (fingerprint(mapped, without=[mapped]), stamp([mapped], without=[mapped])) == before


def test_what_dockerignore_keeps_out_does_not_count(recipe: Path) -> None:
    (recipe / ".dockerignore").write_text("# not these\n\n*.log\n**/data\n!app/kept.log\nDockerfile\n")
    (recipe / "app" / "kept.log").touch()
    before = fingerprint(recipe)
    (recipe / "a.log").write_text("x")
    (recipe / "app" / "sub" / "data").write_text("x")
    (recipe / "__pycache__").mkdir()
    (recipe / "__pycache__" / "x").touch()
    assert fingerprint(recipe) == before
    assert fingerprint(recipe, without=[recipe / "app"]) != before
    for name in ("app/kept.log", "app/manage.py", "Dockerfile"):
        (recipe / name).write_text("FROM scratch\n# more\n")
        assert fingerprint(recipe) != before, name
        before = fingerprint(recipe)


def test_what_dockerignore_keeps_out_need_not_be_read(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (recipe / ".dockerignore").write_text("data\nlogs\n!logs/kept\n!README.md\n")
    before = fingerprint(recipe)
    for name in ("data", "logs"):
        (recipe / name).mkdir()
        (recipe / name / "x").touch()
    read = Path.iterdir

    def refuse(path: Path) -> Iterator[Path]:
        if path.name in {"data", "logs"}:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert fingerprint(recipe) == before


def test_a_word_of_the_dockerfile_may_be_no_path_at_all(mapped: Path) -> None:
    before = fingerprint(mapped, without=[mapped])
    (mapped / "Dockerfile").write_text(f"{DOCKERFILE}ENV TOKEN={'x' * 300}\n")
    assert fingerprint(mapped, without=[mapped]) != before


def test_a_socket_and_a_pipe_are_in_no_image(recipe: Path) -> None:
    before = fingerprint(recipe)
    os.mkfifo(recipe / "pipe")
    assert fingerprint(recipe) == before


def test_what_cannot_be_read_is_said(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ImageError) as caught:
        fingerprint(recipe)
    assert (caught.value.code, caught.value.message) == (
        "recipe_unreadable",
        f"{recipe} cannot be read: Permission denied",
    )
    assert ".dockerignore" in str(caught.value.hint)
    stamp([recipe])  # which only says that something may have changed


def test_a_fingerprint_is_a_tag(recipe: Path) -> None:
    assert len(fingerprint(recipe)) == 12
    assert set(fingerprint(recipe)) <= set("0123456789abcdef")


@pytest.mark.parametrize("name", ["base", "database", "mailcatcher", "backend", "frontend"])
def test_our_own_recipes_are_named(name: str) -> None:
    assert folder_of(name) == RESOURCES / "compose" / name


def test_a_users_recipe_is_a_path(recipe: Path) -> None:
    assert folder_of(str(recipe)) == recipe


def test_a_folder_without_dockerfile_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        folder_of(str(tmp_path))
    assert (caught.value.code, caught.value.message) == ("recipe_missing", f"no Dockerfile in {tmp_path}")
    assert caught.value.hint is not None
