"""Verdicts, what is allowed, and that nothing secret is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devenv.config.production import Allowed
from devenv.production.combine import read_manifest
from devenv.production.compare import compare
from devenv.production.facts import Facts
from devenv.production.judge import Judge, unused
from devenv.production.rows import Verdict
from tests.five_containers import COMPOSE, FACTS

SECRETS = ("s3cret of production", "toor")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("serve --password hunter2 --port 1", "serve --password *** --port 1"),
        ("serve --api-token=hunter2", "serve --api-token=***"),
        ("DB_PWD=hunter2 serve", "DB_PWD=*** serve"),
        ("mysql://root:hunter2@database/app", "mysql://root:***@database/app"),
        ("mysqladmin -ptoor ping", "mysqladmin -p*** ping"),
        ("say 's3cret of production'", "say '***'"),
        ("python manage.py db_worker", "python manage.py db_worker"),
        ("run --password x", "run --password ***"),
        ("motoor toor.example.com /toor", "motoor toor.example.com /toor"),
    ],
)
def test_what_is_secret_is_hidden(text: str, shown: str) -> None:
    assert Judge(frozenset(SECRETS)).cleaned(text) == shown


def test_no_secret_is_in_any_row() -> None:
    text = COMPOSE["production.yaml"].replace(
        "db_worker", "db_worker --key 's3cret of production' --password toor"
    )
    found = compare(read_manifest({"production.yaml": text}, "p"), FACTS)
    for row in found.rows:
        assert not any(secret in str(row) for secret in SECRETS), row
    assert any("***" in (row.production or "") for row in found.rows)


def test_what_is_allowed_is_expected_for_its_reason() -> None:
    text = COMPOSE["production.yaml"].replace("512m", "2g").replace("LANGUAGE=sv", "LANGUAGE=en")
    allowed = (
        Allowed(what="*.limits.*", reason="a laptop has less"),
        Allowed(what="frontend.*", reason="nothing of it"),
    )
    found = compare(read_manifest({"production.yaml": text}, "p"), FACTS, allowed)
    assert [row.what for row in found.drift] == ["backend.environment.LANGUAGE"]
    (row,) = (row for row in found.rows if row.what == "backend.limits.memory")
    assert (row.verdict, row.reason, row.fix) == (Verdict.EXPECTED, "a laptop has less", None)
    assert unused(allowed, found.rows) == ("frontend.*",)


@pytest.mark.parametrize(
    ("here", "policy", "verdict"),
    [
        ("", "always", "expected"),
        ("on-failure", "always", "expected"),
        ("on-failure", "on-failure:3", "same"),
        ("always", "always", "same"),
        ("always", "unless-stopped", "drift"),
        ("on-failure", "no", "expected"),
    ],
)
def test_what_devenv_restarts_is_its_own_affair(here: str, policy: str, verdict: str) -> None:
    facts = Facts((replace(FACTS.services[-1], restart=here),))
    text = f"services: {{frontend: {{image: x, restart: '{policy}'}}}}"
    rows = {row.what: row for row in compare(read_manifest({"production.yaml": text}, "p"), facts).rows}
    assert rows["frontend.restart"].verdict == verdict
