"""The steps of a seed in their order, and the key of the data that they give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from devenv.database.seed import LoadFile, RunCommand, SeedStep, expand, seed_inputs, seed_key
from devenv.errors import SeedError
from tests.samples import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path

MIGRATE = {"run": "python manage.py migrate", "service": "backend"}


def steps(root: Path, *seed: Any) -> list[str]:
    """The steps as text, with the database that a file goes into."""
    database = settings(database={"seed": list(seed), "databases": ["app", "stock"]}).database
    found = expand(database.seed, root, "app")
    return [f"{step} -> {step.database}" if isinstance(step, LoadFile) else str(step) for step in found]


def files(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def test_steps_come_in_the_order_of_the_list_and_files_by_name(tmp_path: Path) -> None:
    files(tmp_path, "b/2.sql", "b/10.sql", "b/1.sql", "a/z.sql.zst", "b/other.txt")
    assert steps(tmp_path, "b/*.sql", MIGRATE, "a/*") == [
        "b/1.sql -> app",
        "b/10.sql -> app",
        "b/2.sql -> app",
        "backend: python manage.py migrate",
        "a/z.sql.zst -> app",
    ]


def test_a_file_may_go_into_another_database(tmp_path: Path) -> None:
    files(tmp_path, "stock.sql")
    assert steps(tmp_path, {"file": "stock.sql", "database": "stock"}) == ["stock.sql -> stock"]


def test_a_pattern_may_reach_into_folders(tmp_path: Path) -> None:
    files(tmp_path, "seed/a.sql", "seed/deep/er/b.sql")
    assert steps(tmp_path, "seed/**/*.sql") == ["seed/a.sql -> app", "seed/deep/er/b.sql -> app"]


def test_a_file_elsewhere_is_shown_by_its_name(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    files(elsewhere, "dump.sql")
    assert steps(root, str(elsewhere / "*.sql")) == ["dump.sql -> app"]


@pytest.mark.parametrize("name", ["shop [copy]", "a*b", "what?"])
def test_the_folders_own_name_is_no_pattern(tmp_path: Path, name: str) -> None:
    files(tmp_path / name, "seed.sql")
    assert steps(tmp_path / name, "*.sql") == ["seed.sql -> app"]


def test_no_seed_has_no_steps(tmp_path: Path) -> None:
    assert steps(tmp_path) == []


@pytest.mark.parametrize("pattern", ["seed.sql", "*.sql", "missing/**"])
def test_a_pattern_without_a_file_is_an_error(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(SeedError) as caught:
        steps(tmp_path, pattern)
    error = caught.value
    assert (error.code, error.message) == ("seed_missing", f"no file matches the seed {pattern}")
    assert error.detail == {"pattern": pattern}


IMAGE, FLAGS = "sha256:1", ("--a", "--b")


def key_of(
    steps: Collection[SeedStep], code: Iterable[Path], image: str = IMAGE, flags: tuple[str, ...] = FLAGS
) -> str:
    return seed_key(seed_inputs(steps, code, image, flags))


@pytest.fixture
def seed(tmp_path: Path) -> tuple[SeedStep, ...]:
    files(tmp_path, "one.sql", "two.sql", "app/shop/migrations/0001_initial.py", "app/shop/views.py")
    return (
        LoadFile(tmp_path / "one.sql", "one.sql", "app"),
        LoadFile(tmp_path / "two.sql", "two.sql", "app"),
        RunCommand("migrate", "backend"),
    )


def rewritten(name: str) -> Callable[[tuple[SeedStep, ...], Path], tuple[SeedStep, ...]]:
    """The same steps after a file got another content."""

    def rewrite(seed: tuple[SeedStep, ...], root: Path) -> tuple[SeedStep, ...]:
        (root / name).write_text("changed")
        return seed

    return rewrite


CHANGES: dict[str, Callable[[tuple[SeedStep, ...], Path], tuple[SeedStep, ...]]] = {
    "the content of a file": rewritten("two.sql"),
    "the order of the files": lambda seed, _: (seed[1], seed[0], seed[2]),
    "the order of file and command": lambda seed, _: (seed[0], seed[2], seed[1]),
    "a file less": lambda seed, _: seed[1:],
    "a file twice": lambda seed, _: (seed[0], *seed),
    "the database": lambda seed, root: (LoadFile(root / "one.sql", "one.sql", "stock"), *seed[1:]),
    "the command": lambda seed, _: (*seed[:2], RunCommand("migrate --plan", "backend")),
    "the command's service": lambda seed, _: (*seed[:2], RunCommand("migrate", "taskrunner")),
    "a migration": rewritten("app/shop/migrations/0001_initial.py"),
    "a new migration": rewritten("app/shop/migrations/0002.py"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_all_that_goes_into_the_data_changes_the_key(
    seed: tuple[SeedStep, ...], tmp_path: Path, change: str
) -> None:
    before = key_of(seed, [tmp_path / "app"], IMAGE, FLAGS)
    changed = CHANGES[change](seed, tmp_path)
    assert key_of(changed, [tmp_path / "app"], IMAGE, FLAGS) != before


def test_the_server_and_its_options_change_the_key(seed: tuple[SeedStep, ...]) -> None:
    keys = {
        key_of(seed, [], IMAGE, FLAGS),
        key_of(seed, [], "sha256:2", FLAGS),
        key_of(seed, [], IMAGE, ("--a",)),
        key_of(seed, [], IMAGE, ("--a --b",)),
    }
    assert len(keys) == 4


def test_nothing_else_changes_the_key(seed: tuple[SeedStep, ...], tmp_path: Path) -> None:
    before = key_of(seed, [tmp_path / "app"], IMAGE, FLAGS)
    (tmp_path / "app/shop/views.py").write_text("changed")
    (tmp_path / "one.sql").rename(tmp_path / "1.sql")
    renamed = (LoadFile(tmp_path / "1.sql", "1.sql", "app"), *seed[1:])
    assert key_of(renamed, [tmp_path / "app"], IMAGE, FLAGS) == before


def test_a_key_is_the_same_in_another_folder(tmp_path: Path) -> None:
    keys = set()
    for name in ("here", "there"):
        files(tmp_path / name, "app/shop/migrations/0001.py")
        keys.add(key_of((), [tmp_path / name / "app"], IMAGE, FLAGS))
        (tmp_path / name / "app/shop/migrations/0001.py").write_text("same")
        keys.add(key_of((), [tmp_path / name / "app"], IMAGE, FLAGS))
    # the files' first content was their path: three different ones in all
    assert len(keys) == 2


def test_inputs_name_every_part_so_that_a_later_seed_sees_what_it_adds(
    seed: tuple[SeedStep, ...], tmp_path: Path
) -> None:
    before = seed_inputs(seed, [tmp_path / "app"], IMAGE, FLAGS)
    assert list(before) == [
        "format",
        "image",
        "options",
        "step 0: load into app",
        "step 1: load into app",
        "step 2: run in backend",
        "migration:shop/migrations/0001_initial.py",
    ]
    assert (before["image"], before["step 2: run in backend"]) == (IMAGE, "migrate")
    files(tmp_path, "app/shop/migrations/0002_more.py")
    after = seed_inputs(seed, [tmp_path / "app"], IMAGE, FLAGS)
    assert after.keys() - before.keys() == {"migration:shop/migrations/0002_more.py"}
    assert {name: after[name] for name in before} == before


def test_a_key_does_not_depend_on_the_order_of_the_inputs() -> None:
    assert seed_key({"a": "1", "b": "2"}) == seed_key({"b": "2", "a": "1"}) != seed_key({"a": "2", "b": "1"})


def test_fixtures_count_where_a_command_loads_them(seed: tuple[SeedStep, ...], tmp_path: Path) -> None:
    loads = (*seed, RunCommand("python manage.py loaddata demo", "backend"))
    code = [tmp_path / "app"]
    files(tmp_path, "app/shop/fixtures/demo.json", "app/shop/fixtures/deep/er.json")
    without, before = key_of(seed, code), key_of(loads, code)
    (tmp_path / "app/shop/fixtures/deep/er.json").write_text("changed")
    assert key_of(seed, code) == without
    assert key_of(loads, code) != before
    assert sorted(name for name in seed_inputs(loads, code, IMAGE, FLAGS) if name.startswith("fixture:")) == [
        "fixture:shop/fixtures/deep/er.json",
        "fixture:shop/fixtures/demo.json",
    ]
