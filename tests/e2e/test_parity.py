"""`devenv parity` on the reference environment: 0 against its own manifest, 5 with what is planted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.e2e.support import Stack
    from tests.harness import Outcome

MANIFEST = "compose/production.yaml"


def drift(outcome: Outcome) -> dict[str, tuple[Any, Any]]:
    """What differs: both sides by name."""
    return {
        row["what"]: (row["production"], row["here"])
        for row in outcome.data["rows"]
        if row["verdict"] == "drift"
    }


def test_the_reference_environment_is_as_its_production(stack: Stack) -> None:
    outcome = stack.run("parity", "--json").ok()

    assert drift(outcome) == {}
    rows = {row["what"]: row for row in outcome.data["rows"]}
    for what in (
        "databasemaster.image", "backend.user", "backend.environment.DB_PWD", "backend.limits.memory", "backend.replicas",
        "backend.health.test", "backend.ports.8000", "backend.volumes./opt/app", "frontend.links.backend", "taskrunner.command",
        "database.version", "database.parameters.sql_mode", "database.parameters.time_zone", "backend.python", "backend.pip.django",
        "frontend.nginx.http > server > location /static > expires", "loadbalancer", "mailcatcher.image",
    ):  # fmt: skip
        assert what in rows, f"{what} was not compared"
    assert all(row["reason"] for row in rows.values() if row["verdict"] == "expected")


def test_what_is_planted_in_the_manifest_is_found_and_nothing_else(stack: Stack) -> None:
    stack.edit(MANIFEST, "max-allowed-packet=64M", "max-allowed-packet=16M")
    stack.edit(MANIFEST, "    image: boky", "    environment: {RELAY_PASSWORD: hunter2}\n    image: boky")
    stack.edit("compose/backend/requirements.txt", "sqlparse==0.5.3", "sqlparse==0.5.2")
    stack.edit(
        "compose/frontend/nginx.conf", "expires 24h;\n            log_", "expires 48h;\n            log_"
    )

    outcome = stack.run("parity", "--json")

    assert outcome.code == 5
    assert drift(outcome) == {
        "database.parameters.max_allowed_packet": ("16M", "67108864"),
        "mailcatcher.environment.RELAY_PASSWORD": ("set", None),
        "backend.pip.sqlparse": ("0.5.2", "0.5.3"),
        "frontend.nginx.http > server > location /static > expires": ("48h", "24h"),
    }
    assert [error["code"] for error in outcome.json["errors"]] == ["drift"]


def test_what_is_planted_in_what_runs_is_found(stack: Stack) -> None:
    before = stack.engine.mysql("SELECT @@GLOBAL.transaction_isolation")[0][0]
    stack.engine.mysql("SET GLOBAL transaction_isolation = 'READ-COMMITTED'")
    try:
        outcome = stack.run("parity", "--json")
    finally:
        stack.engine.mysql(f"SET GLOBAL transaction_isolation = '{before}'")

    assert outcome.code == 5
    assert drift(outcome) == {
        "database.parameters.transaction_isolation": ("REPEATABLE-READ", "READ-COMMITTED")
    }


def test_secrets_of_both_sides_are_in_no_output(stack: Stack) -> None:
    stack.edit(MANIFEST, "DB_PWD: ${DB_PWD}\n      DB_NAME", "DB_PWD: hunter2-of-production\n      DB_NAME")
    stack.edit(MANIFEST, "manage.py db_worker", "manage.py db_worker --token hunter2-of-production")

    for options in (("--all",), ("--json",), ("--short",)):
        outcome = stack.run("parity", *options)
        assert outcome.code == 5
        assert "taskrunner.command" in outcome.out
        for secret in ("hunter2", "toor"):
            assert secret not in outcome.out + outcome.err


def test_fix_writes_what_it_shows(stack: Stack) -> None:
    stack.edit(MANIFEST, "max-allowed-packet=64M", "max-allowed-packet=16M")

    refused = stack.run("parity", "--fix")
    done = stack.run("parity", "--fix", "--yes").ok()

    assert (refused.code, refused.out) == (6, done.out)
    assert "+" in done.out
    value = next(
        row["value"]
        for row in stack.run("config", "--json").ok().data["values"]
        if row["key"] == "database.parameters.max_allowed_packet"
    )
    assert value == "16M"
