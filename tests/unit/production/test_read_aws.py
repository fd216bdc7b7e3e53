"""RDS as `aws rds describe-...` prints it, for 8.0 and 8.4, against a server; and an ECS task definition."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devenv.production import reasons
from devenv.production.combine import read_manifest
from devenv.production.compare import compare
from devenv.production.facts import DatabaseFacts, Facts
from devenv.production.manifest import Database, MountKind
from devenv.production.rows import Report, Verdict
from tests.five_containers import COMPOSE, FACTS
from tests.unit.production.aws import PARAMETERS_8_0, PARAMETERS_8_4, TASK, VARIABLES, instance, printed
from tests.unit.production.texts import environment, problems, read

HERE = replace(FACTS, database=DatabaseFacts("8.4.6", VARIABLES, {"sql_mode": VARIABLES["sql_mode"]}))


def report(parameters: str, version: str, facts: Facts = HERE, port: int = 3306) -> Report:
    texts = {"aws/parameters.json": parameters, "aws/instance.json": instance(version, port)}
    return compare(read_manifest(texts, "aws"), facts)


def of_the_database(found: Report, verdict: Verdict) -> dict[str, tuple[str | None, str | None]]:
    return {
        row.what.removeprefix("database."): (row.production, row.here)
        for row in found.of(verdict)
        if row.what.startswith("database.")
    }


def test_both_documents_are_one_database() -> None:
    texts = {"b.json": PARAMETERS_8_4, "a.json": instance("8.4.3")}
    found = read_manifest(texts, "aws").database
    assert isinstance(found, Database)
    assert found.engine
    assert found.version
    assert found.port
    assert (found.engine.value, found.version.value, found.port.value) == ("mysql", "8.4.3", 3306)
    assert str(found.version.at) == "a.json:21:30"
    names = {one.name for one in found.parameters}
    assert {"sql_mode", "basedir"} <= names
    assert not names & {"activate_all_roles_on_login", "auto_increment_increment"}, "nobody set them"
    (mode,) = (one for one in found.parameters if one.name == "sql_mode")
    line, column = (int(number) for number in str(mode.at).split(":")[1:])
    assert PARAMETERS_8_4.splitlines()[line - 1][column - 1 :] == f'"{mode.value}",'
    assert not mode.managed


def test_parameters_of_8_4_that_a_server_of_8_4_has() -> None:
    found = report(PARAMETERS_8_4, "8.4.3")
    assert of_the_database(found, Verdict.DRIFT) == {}
    assert of_the_database(found, Verdict.SAME) == {
        "engine": ("mysql", "mysql"),
        "version": ("8.4.3", "8.4.6"),
        "port": ("3306", "3306"),
        "parameters.binlog_cache_size": ("32768", "32768"),
        "parameters.binlog_expire_logs_seconds": ("259200", "259200"),
        "parameters.character_set_server": ("utf8mb4", "utf8mb4"),
        "parameters.collation_server": ("utf8mb4_unicode_ci", "utf8mb4_unicode_ci"),
        "parameters.innodb_lock_wait_timeout": ("20", "20"),
        "parameters.long_query_time": ("1.5", "1.500000"),
        "parameters.max_allowed_packet": ("67108864", "67108864"),
        "parameters.replica_net_timeout": ("60", "60"),
        "parameters.require_secure_transport": ("0", "OFF"),
        "parameters.slow_query_log": ("1", "ON"),
        "parameters.sql_mode": (
            "NO_ENGINE_SUBSTITUTION,STRICT_TRANS_TABLES",
            "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION",
        ),
        "parameters.time_zone": ("Europe/Stockholm", "Europe/Stockholm"),
        "parameters.transaction_isolation": ("READ-COMMITTED", "READ-COMMITTED"),
    }
    assert {
        row.what.removeprefix("database.parameters."): row.reason
        for row in found.of(Verdict.EXPECTED)
        if row.what.startswith("database.")
    } == {
        "basedir": reasons.MACHINE,
        "datadir": reasons.MACHINE,
        "innodb_buffer_pool_size": reasons.FORMULA,
        "innodb_flush_log_at_trx_commit": reasons.MACHINE,
        "innodb_redo_log_capacity": reasons.MACHINE,
        "max_connections": reasons.FORMULA,
        "socket": reasons.MACHINE,
    }


def test_parameters_of_8_0_against_a_server_of_8_4() -> None:
    found = report(PARAMETERS_8_0, "8.0.39")
    assert of_the_database(found, Verdict.DRIFT) == {
        "version": ("8.0.39", "8.4 (runs 8.4.6)"),
        "parameters.expire_logs_days": ("3", None),
    }
    same = of_the_database(found, Verdict.SAME)
    assert same["parameters.transaction_isolation"] == ("READ-COMMITTED", "READ-COMMITTED")
    assert same["parameters.replica_net_timeout"] == ("60", "60"), "slave_net_timeout until 8.0.26"
    assert same["parameters.log_replica_updates"] == ("1", "ON")


@pytest.mark.parametrize(
    ("name", "here"),
    [
        ("sql_mode", "NO_ENGINE_SUBSTITUTION"), ("character_set_server", "latin1"), ("collation_server", "utf8mb4_0900_ai_ci"),
        ("time_zone", "SYSTEM"), ("transaction_isolation", "REPEATABLE-READ"), ("max_allowed_packet", "16777216"),
        ("innodb_lock_wait_timeout", "50"), ("long_query_time", "10.000000"), ("slow_query_log", "OFF"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("parameters", "version"), [(PARAMETERS_8_0, "8.0.39"), (PARAMETERS_8_4, "8.4.3")])
def test_one_variable_that_is_another_here(name: str, here: str, parameters: str, version: str) -> None:
    changed = replace(HERE, database=DatabaseFacts("8.4.6", {**VARIABLES, name: here}))
    before = of_the_database(report(parameters, version), Verdict.DRIFT)
    after = of_the_database(report(parameters, version, changed), Verdict.DRIFT)
    assert set(after) - set(before) == {f"parameters.{name}"}
    assert after[f"parameters.{name}"][1] == here


def test_a_fix_names_the_image_and_parameters_that_the_server_knows() -> None:
    changed = replace(HERE, database=DatabaseFacts("8.4.6", {**VARIABLES, "sql_mode": "ANSI"}))
    fixes = {
        row.fix.path: row.fix.value
        for row in report(PARAMETERS_8_0, "8.0.39", changed).drift
        if row.fix is not None
    }
    assert fixes == {
        ("database", "image"): "mysql:8.0",
        ("database", "parameters", "sql_mode"): "NO_ENGINE_SUBSTITUTION,STRICT_TRANS_TABLES",
    }


def test_what_is_set_here_alone_is_drift() -> None:
    changed = replace(HERE, database=DatabaseFacts("8.4.6", VARIABLES, {"innodb_strict_mode": "OFF"}))
    found = report(PARAMETERS_8_4, "8.4.3", changed)
    assert "parameters.innodb_strict_mode" in of_the_database(found, Verdict.DRIFT)


def test_the_database_is_a_container_here_and_another_port_is_drift() -> None:
    found = report(PARAMETERS_8_4, "8.4.3", port=3307)
    assert of_the_database(found, Verdict.DRIFT) == {"port": ("3307", "3306")}
    (row,) = (row for row in found.rows if row.what == "databasemaster")
    assert (row.production, row.reason) == ("a managed database", reasons.MANAGED)


def test_services_beside_a_managed_database_reach_another_host() -> None:
    services = (
        COMPOSE["production.yaml"].partition("\n\n")[2].replace("databasemaster:database", "mailcatcher")
    )
    services = services.replace("DB_HOST=database", "DB_HOST=shop.rds.example.com")
    texts = {"production.yaml": services, "p.json": PARAMETERS_8_4, "i.json": instance("8.4.3")}
    rows = {row.what: row for row in compare(read_manifest(texts, "deploy"), HERE).rows}
    assert rows["backend.environment.DB_HOST"].reason == reasons.OUR_DATABASE


def test_a_task_definition() -> None:
    backend, frontend = read(printed(TASK), "task.json").services
    assert (backend.name, backend.role) == ("backend", "backend")
    assert environment(backend) == {"DB_HOST": "database", "DB_PWD": None}
    assert [said.value for said in backend.env_files] == ["arn:aws:s3:::shop/backend.env"]
    assert [(one.target, one.published) for one in (*backend.ports, *frontend.ports)] == [
        (8000, None),
        (80, 80),
    ]
    assert [(one.kind, one.source, one.read_only) for one in backend.mounts] == [
        (MountKind.VOLUME, "generated", False),
        (MountKind.BIND, "/var/log/shop", True),
    ]
    assert (backend.entrypoint, backend.command) == (None, None), "AWS prints empty lists for what is not set"
    assert frontend.command
    assert frontend.command.value == ("nginx",)
    assert backend.limits.memory
    assert backend.limits.cpus
    assert (backend.limits.memory.value, backend.limits.cpus.value) == (512 * 2**20, 0.5)
    assert frontend.limits.cpus is None
    assert backend.healthcheck
    assert (backend.healthcheck.interval, backend.healthcheck.retries) == (30, 3)
    assert [said.value for said in frontend.volumes_from] == ["backend"]
    assert [(link.service, link.alias) for link in frontend.links] == [("backend", "backend")]
    assert frontend.is_linked_only
    assert backend.read_only
    assert backend.read_only.value is True


def test_a_name_in_several_tasks_is_told_apart_by_the_family() -> None:
    def task(family: str) -> str:
        return printed(
            {
                "family": family,
                "containerDefinitions": [
                    {
                        "name": "app",
                        "links": ["log_router:logs"],
                        "volumesFrom": [{"sourceContainer": "log_router"}],
                    },
                    {"name": "log_router"},
                    {"name": f"nginx-{family}", "links": ["app"]},
                ],
            }
        )

    services = read_manifest({"web.json": task("web"), "worker.json": task("worker")}, "deploy").services
    assert [one.name for one in services] == [
        "web/app", "web/log_router", "nginx-web", "worker/app", "worker/log_router", "nginx-worker",
    ]  # fmt: skip
    for family in ("web", "worker"):
        app, _, nginx = (one for one in services if family in one.name)
        assert [(link.service, link.alias) for link in app.links] == [(f"{family}/log_router", "logs")]
        assert [said.value for said in app.volumes_from] == [f"{family}/log_router"]
        assert [(link.service, link.alias) for link in nginx.links] == [(f"{family}/app", "app")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"Parameters": [{"ParameterValue": "1", "Source": "user"}, 7]}', [
            "aws.json:1:17: Parameters[0]: expected a ParameterName", "aws.json:1:60: Parameters[1]: expected a mapping, got 7"]),
        ('{"DBInstances": []}', ["aws.json:1:1: expected one database instance, got 0"]),
        ('{"Parameters": [\n\t{"ParameterName" "x"}\n]}',
         ["aws.json:2:19: not valid JSON: expected ',' or '}', but got '<scalar>' while parsing a flow mapping"]),
        ('{"containerDefinitions": [{"image": "a"}]}', ["aws.json:1:27: containerDefinitions[0]: expected a name"]),
        ('{"taskDefinition": {"family": "a"}}', ["aws.json:1:20: taskDefinition: expected containerDefinitions"]),
        ('{"DBInstances": [{"Endpoint": {"Port": "x"}}]}',
         ['aws.json:1:40: DBInstances[0].Endpoint.Port: expected a whole number, got "x"']),
    ],
)  # fmt: skip
def test_what_is_malformed_has_its_place(text: str, expected: list[str]) -> None:
    assert problems(text, "aws.json") == expected
