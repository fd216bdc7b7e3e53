"""Process and health of a service: one argument list and one probe, however a manifest cuts and writes them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from devenv.production.combine import read_manifest
from devenv.production.compare import compare
from devenv.production.facts import Facts, of_project
from tests.exported import exported, released
from tests.five_containers import FACTS
from tests.samples import IMAGES
from tests.unit.production.texts import read

if TYPE_CHECKING:
    from devenv.production.facts import ServiceFacts
    from devenv.production.rows import Row

WORKER = next(one for one in FACTS.services if one.name == "taskrunner")
PLAIN = replace(WORKER, own_entrypoint=(), own_command=("bash",))
"""A worker of an image without ENTRYPOINT."""
WRAPPED = replace(WORKER, own_entrypoint=("entrypoint",), own_command=("web",))
OWN_PROCESS = replace(WRAPPED, command=None)


def rows(here: ServiceFacts, container: str) -> dict[str, Row]:
    text = f"""\
        apiVersion: apps/v1
        kind: Deployment
        metadata: {{name: {here.name}}}
        spec: {{template: {{spec: {{containers: [{{name: it, image: x, {container}}}]}}}}}}
        """
    found = compare(read(text), Facts((here,))).rows
    return {row.what.removeprefix(f"{here.name}."): row for row in found}


@pytest.mark.parametrize(
    ("here", "container", "expected"),
    [
        (PLAIN, "command: [python, manage.py, db_worker]", {"entrypoint": "same", "command": "same"}),
        (PLAIN, "command: [python], args: [manage.py, db_worker]", {"entrypoint": "same", "command": "same"}),
        (PLAIN, "command: [python, manage.py, other]", {"entrypoint": "drift", "command": "drift"}),
        (WRAPPED, "command: [entrypoint, python, manage.py, db_worker]", {"entrypoint": "same", "command": "same"}),
        (WRAPPED, "command: [python, manage.py, db_worker]", {"entrypoint": "drift", "command": "drift"}),
        (OWN_PROCESS, "command: [entrypoint, web]", {"entrypoint": "same"}),
        (OWN_PROCESS, "command: [entrypoint], args: [web]", {"entrypoint": "same", "command": "same"}),
        (OWN_PROCESS, "command: [/start]", {"entrypoint": "drift"}),
        (replace(WRAPPED, entrypoint=("python", "manage.py"), command=("db_worker",)),
         "command: [python, manage.py, db_worker]", {"entrypoint": "same", "command": "same"}),
        (replace(WRAPPED, entrypoint=("entrypoint", "python"), command=("manage.py", "db_worker")),
         "args: [python, manage.py, db_worker]", {"entrypoint": "same", "command": "same"}),
        (WORKER, "command: [python, manage.py, db_worker]", {"entrypoint": "drift", "command": "drift"}),
    ],
)  # fmt: skip
def test_a_process_is_one_argument_list(here: ServiceFacts, container: str, expected: dict[str, str]) -> None:
    found = rows(here, container)
    assert {what: found[what].verdict for what in ("entrypoint", "command") if what in found} == expected


def test_each_side_of_an_equal_process_is_shown_as_it_is_written() -> None:
    found = rows(PLAIN, "command: [python, manage.py, db_worker]")
    sides = {what: (found[what].production, found[what].here) for what in ("entrypoint", "command")}
    assert sides == {
        "entrypoint": ("python manage.py db_worker", "the image's own"),
        "command": ("the image's own", "python manage.py db_worker"),
    }


@pytest.mark.parametrize(
    ("test", "verdict"),
    [
        ("[/bin/sh, -c, test -e /tmp/beat]", "same"),
        ("[sh, -c, test -e /tmp/beat]", "same"),
        ("[test, -e, /tmp/beat]", "same"),
        ("[/bin/sh, -c, test -e /tmp/other]", "drift"),
        ("[/bin/sh, -c, test -e /tmp/beat, more]", "drift"),
        ("[/bin/ssh, -c, test -e /tmp/beat]", "drift"),
    ],
)
def test_a_probe_through_a_shell_is_what_the_shell_is_given(test: str, verdict: str) -> None:
    here = replace(WORKER, health_test=("CMD-SHELL", "test -e /tmp/beat"))
    assert rows(here, f"livenessProbe: {{exec: {{command: {test}}}}}")["health.test"].verdict == verdict


def test_the_health_checks_of_our_own_export_are_the_same() -> None:
    project = released()
    found = compare(read_manifest(exported("kubernetes", project), "export"), of_project(project, IMAGES))
    checks = {row.what: row.verdict for row in found.rows if row.what.endswith("health.test")}
    assert checks == dict.fromkeys(
        ("backend.health.test", "taskrunner.health.test", "frontend.health.test"), "same"
    )
