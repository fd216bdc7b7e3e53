"""The list of failures for people: every row's test is there, and every code of the program's tables is in it."""

from __future__ import annotations

import ast
import re

from devenv.causes import ROWS as CAUSES
from devenv.engine.docker.refusals import ROWS as REFUSALS
from tests.harness import REPOSITORY

FOLDER = REPOSITORY / "tests" / "e2e"
LISTED = (FOLDER / "FAILURES.md").read_text(encoding="utf-8")
REFERENCE = re.compile(r"`(test_\w+\.py)(?:::(test_\w+)(?:\[(\w+)\])?)?`")
IN_UNIT_TESTS = {
    "device_missing",
    "network_missing",
    "volume_missing",
    "volume_in_use",
    "name_taken",
    "env_file_missing",
}


def test_every_row_has_tests_that_are_there() -> None:
    rows = [line for line in LISTED.splitlines() if line.startswith("| `")]
    assert len(rows) > 15
    missing = []
    for row in rows:
        references = REFERENCE.findall(row)
        assert references, row
        for file, function, case in references:
            text = (FOLDER / file).read_text(encoding="utf-8")
            functions = {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
            if (function and function not in functions) or (case and f'"{case}": Case(' not in text):
                missing.append(f"{file}::{function}[{case}]")
    assert not missing


def test_every_code_that_a_table_gives_is_listed() -> None:
    codes = {code for _, code, _ in REFUSALS} | {row.cause.code for row in CAUSES if row.cause.code}
    codes |= {
        "service_unhealthy",
        "service_exited",
        "service_crash_loop",
        "service_oom_killed",
        "service_paused",
        "dependency_failed",
        "timeout",
        "migration_failed",
        "seed_failed",
        "engine_unavailable",
    }
    in_rows = set(re.findall(r"^\| `(\w+)`", LISTED, re.MULTILINE))
    assert codes - in_rows == IN_UNIT_TESTS
