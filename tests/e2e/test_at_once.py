"""Commands at the same time: on one database they take turns, on branches of one snapshot they do not meet."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.e2e.support import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.support import Stack

BRANCHES = 20
AT_ONCE = 4
DUMP = "CREATE TABLE kept (id INT PRIMARY KEY);\nINSERT INTO kept VALUES (7), (8);\n"


def test_two_commands_on_one_database_take_turns(own: Stack) -> None:
    own.up("databasemaster")
    own.run("snapshot", "save", "base").ok()
    dump = str(own.write("dump.sql", DUMP))
    for one, other, may in (
        (("reset-db",), ("reset-db",), {3}),
        (("reset-db",), ("db", "import", dump), {2, 3}),
        (("snapshot", "restore", "base"), ("undo",), {2, 3}),
    ):
        with own.spawned(*one) as first, own.spawned(*other) as second:
            outcomes = (first.wait(), second.wait())
        assert [outcome.code for outcome in outcomes] == [0, 0], outcomes
        assert own.engine.count("kept") in may
        assert own.engine.builders() == []
        assert own.up("databasemaster").data["plan"]["steps"] == []


@pytest.fixture
def branches(own: Stack) -> Iterator[list[Engine]]:
    """Environments of one folder, each a project of its own."""
    engines = [Engine(own.engine.api, f"{own.name}-b{number}") for number in range(BRANCHES)]
    yield engines
    for engine in engines:
        engine.remove_all()


@pytest.mark.long
def test_twenty_branches_leave_the_snapshot_as_it_was(own: Stack, branches: list[Engine]) -> None:
    own.up("databasemaster")
    key = own.memory["snapshot"]
    environments = [engine.project.removeprefix(f"{own.name}-") for engine in branches]

    def each(*words: str) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            done = list(pool.map(lambda name: own.call("--env", name, *words), environments))
        assert [one.returncode for one in done] == [0] * BRANCHES, [
            one.stderr for one in done if one.returncode
        ]

    each("up", "databasemaster")
    for number, engine in enumerate(branches):
        engine.mysql(f"INSERT INTO kept VALUES ({100 + number})")
    for number, engine in enumerate(branches):
        assert engine.mysql("SELECT id FROM kept WHERE id > 3") == [[str(100 + number)]]
    each("reset-db")
    for engine in branches:
        assert engine.mysql("SELECT id FROM kept") == [["1"], ["2"], ["3"]]

    image = own.engine.service("databasemaster")["Config"]["Image"]
    check = "cd /snapshot/data && sha256sum --quiet --strict --check ../checksums && find . -type f | wc -l"
    mount = f"devenv_snapshot_{key}_data:/snapshot:ro"
    argv = [
        "docker",
        "run",
        "--rm",
        "--network",
        "none",
        "-v",
        mount,
        "--entrypoint",
        "sh",
        image,
        "-c",
        check,
    ]
    found = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert int(found.stdout) > 10
