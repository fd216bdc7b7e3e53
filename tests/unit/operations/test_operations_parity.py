"""`devenv parity` on an engine in memory: what it asks for, what it says, and what --fix writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from devenv.errors import OperationError
from devenv.operations.parity import parity
from tests.shop import Shop

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """\
services:
  databasemaster:
    image: mysql:8.4
    environment: {MYSQL_ROOT_PASSWORD: "${DB_PWD}"}
    command: [--sql-mode=ANSI, --wait-timeout=600]
  backend:
    image: shop/backend:1
    environment: {DB_HOST: database, DB_USER: root, DB_PWD: never-shown}
    volumes: ["generated:/opt/app/generated_content"]
  taskrunner:
    image: shop/backend:1
    command: python manage.py db_worker
    environment: {DB_HOST: database, DB_USER: root, DB_PWD: never-shown, PROCESS_NAME: task}
    volumes: ["generated:/opt/app/generated_content"]
  frontend:
    image: shop/frontend:1
    volumes: ["generated:/opt/app/generated_content:ro"]
"""
MODES = "REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ONLY_FULL_GROUP_BY,ANSI"
VARIABLES = (
    f"version\t8.4.6\nsql_mode\t{MODES}\nwait_timeout\t600\ntime_zone\tSYSTEM\nsystem_time_zone\tUTC\n"
)
PYTHON = '{"python": "3.13.5", "packages": [{"name": "Django", "version": "5.2.19"}]}'


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """The shop, up, whose production manifest says what runs."""
    found = Shop(tmp_path)
    found.up()
    found.add("production: {manifest: deploy/production.yaml}\n")
    found.project.write("deploy/production.yaml", MANIFEST)
    found.engine.answer("SHOW GLOBAL VARIABLES", VARIABLES)
    return found


def drift(shop: Shop) -> list[str]:
    return [str(row) for row in parity(shop.session()).report.drift]


def test_it_only_looks(shop: Shop) -> None:
    assert drift(shop) == []
    assert [call for call in shop.engine.changes if not call.startswith("execute")] == []
    (asked,) = shop.engine.called("execute")
    assert asked.startswith("execute shop-databasemaster-1: mysql ")
    assert asked.endswith(" --execute SHOW GLOBAL VARIABLES")


def test_a_difference_ends_5_with_its_place_and_the_secret_is_not_shown(shop: Shop) -> None:
    shop.project.write("deploy/production.yaml", MANIFEST.replace("timeout=600", "timeout=60"))

    found = shop.run("parity")

    assert found.code == 5
    row = "drift     database.parameters.wait_timeout"
    assert row in found.out
    assert found.err.splitlines()[0] == "error: 1 difference from production"
    for text in (found.out, found.err, shop.run("parity", "--json").out, shop.run("parity", "--all").out):
        assert "never-shown" not in text
        assert "toor" not in text


def test_the_short_form_is_a_line_per_drift_and_nothing_without(shop: Shop) -> None:
    assert (shop.run("parity", "--short").code, shop.run("parity", "--short").out) == (0, "")
    shop.project.write("deploy/production.yaml", MANIFEST.replace("shop/frontend:1", "shop/frontend:2"))
    found = shop.run("parity", "--short")
    assert found.code == 5
    assert found.out == (
        "drift deploy/production.yaml:16:12: frontend.image: production shop/frontend:2, here shop/frontend:1\n"
    )


def test_json_has_every_row_and_the_error(shop: Shop) -> None:
    shop.project.write("deploy/production.yaml", MANIFEST.replace("timeout=600", "timeout=60"))
    found = shop.run("parity", "--json")
    document = found.json
    assert (found.code, document["schema"], document["ok"]) == (5, "devenv.parity/1", False)
    assert [error["code"] for error in document["errors"]] == ["drift"]
    data = document["data"]
    assert data["counts"]["drift"] == 1
    assert sum(data["counts"].values()) == len(data["rows"])
    assert [row for row in data["rows"] if row["verdict"] == "drift"] == [
        {
            "what": "database.parameters.wait_timeout",
            "production": "60",
            "here": "600",
            "verdict": "drift",
            "reason": None,
            "where": "deploy/production.yaml:5:32",
            "can_be_fixed": True,
        }
    ]


def test_no_drift_is_0_in_every_form(shop: Shop) -> None:
    for options in ((), ("--json",), ("--short",), ("--all",)):
        assert shop.run("parity", *options).code == 0


def test_what_is_allowed_is_shown_with_its_reason_and_what_allows_nothing_is_named(shop: Shop) -> None:
    shop.configure(
        "deploy/production.yaml}",
        "deploy/production.yaml, allow: [{what: '*.limits.*', reason: small}, {what: nothing, reason: x}]}",
    )
    limited = MANIFEST.replace("shop/frontend:1", "shop/frontend:1\n    mem_limit: 1g")
    shop.project.write("deploy/production.yaml", limited)
    found = shop.run("parity", "--json").ok()
    assert {row["what"]: row["reason"] for row in found.data["rows"]}["frontend.limits.memory"] == "small"
    assert found.json["warnings"] == ["production.allow: nothing allows nothing: no such difference"]


def test_what_is_inside_the_containers_is_asked_there(shop: Shop) -> None:
    shop.configure(
        "deploy/production.yaml}",
        "deploy/production.yaml, contents: {backend: {python: 3.13, pip: r.txt, dpkg: d}, frontend: {nginx: n}}}",
    )
    shop.project.write("r.txt", "Django==5.1\n")
    shop.project.write("d", "libc6\t2.41\n")
    shop.project.write("n", "worker_processes 4;\n")
    shop.engine.answer(r"backend-1: python ", PYTHON)
    shop.engine.answer(r"backend-1: dpkg-query", "libc6:amd64\t2.41\n")
    shop.engine.answer(
        r"frontend-1: sh -c nginx -T", "# configuration file /etc/nginx/nginx.conf:\nworker_processes auto;\n"
    )
    assert drift(shop) == [
        "r.txt:1:1: backend.pip.django: production 5.1, here 5.2.19",
        "n:1:1: frontend.nginx.worker_processes: production 4, here auto",
    ]


def test_what_cannot_be_found_out_is_drift(shop: Shop) -> None:
    shop.configure("production.yaml}", "production.yaml, contents: {backend: {python: '3.13'}}}")
    shop.engine.answer(r"backend-1: python", "not found", 127)
    assert drift(shop) == ["devenv.yaml:7:77: backend.python: production 3.13, here could not be found out"]


def test_a_service_that_does_not_run_is_drift(shop: Shop) -> None:
    shop.run("stop", "frontend").ok()
    assert drift(shop) == ["deploy/production.yaml:15:3: frontend: production shop/frontend:1, here -"]


def test_without_anything_that_runs_there_is_nothing_to_compare(shop: Shop) -> None:
    shop.run("down").ok()
    with pytest.raises(OperationError, match="nothing to compare") as caught:
        parity(shop.session())
    assert caught.value.code == "not_up"


@pytest.mark.parametrize(
    ("section", "code", "error"),
    [
        ("{}", 2, "error: devenv.yaml:7:13: production.manifest: expected the file or folder that describes production, got nothing"),
        ("{manifest: none.yaml}", 2, "error: devenv.yaml:7:24: production.manifest: expected a file or a folder, got none.yaml, which does not exist"),
        ("{manifest: seed.sql}", 2, "error: seed.sql: expected a Compose file, "),
        ("{manifest: bad}", 2, "error: bad/b.yaml:1:23: services.a.image: expected text, got a list\nerror: bad/c.json:1:2: not valid JSON"),
        ("{manifest: deploy, contents: {backend: {pip: none}}}", 2,
         "error: devenv.yaml:7:58: production.contents.backend.pip: expected a file, got none, which is none"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_with_its_place(shop: Shop, section: str, code: int, error: str) -> None:
    shop.configure("production: {manifest: deploy/production.yaml}", f"production: {section}")
    shop.project.write("bad/b.yaml", "services: {a: {image: [b]}}")
    shop.project.write("bad/c.json", "{")
    found = shop.run("parity")
    assert (found.code, found.out) == (code, "")
    assert error in found.err


def test_fix_shows_the_change_and_asks_before_it_writes(shop: Shop) -> None:
    text = (
        MANIFEST.replace("timeout=600", "timeout=60")
        .replace("frontend:1", "frontend:2")
        .replace("root, DB", "me, DB")
    )
    shop.project.write("deploy/production.yaml", text)
    before = shop.project.read("devenv.yaml")
    diff = """\
--- devenv.yaml
+++ devenv.yaml
@@ -1,7 +1,7 @@
 name: shop
 bind: {bind}
-database: {{port: 33061, seed: [seed.sql, {{run: python manage.py migrate, service: backend}}]}}
+database: {{parameters: {{wait_timeout: 60}}, port: 33061, seed: [seed.sql, {{run: python manage.py migrate, service: backend}}]}}
 mail: {{port: 10801, smtp_port: 10251}}
 backend: {{image: "shop/backend:1", port: 18000, mappings: ["./app:/opt/app"]}}
-frontend: {{image: "shop/frontend:1", port: 18080}}
+frontend: {{image: shop/frontend:2, port: 18080}}
 production: {{manifest: deploy/production.yaml}}
""".format(bind=before.splitlines()[1].removeprefix("bind: "))

    refused = shop.run("parity", "--fix")
    assert (refused.code, refused.out) == (6, diff)
    assert "devenv parity --fix --yes" in refused.err
    assert shop.run("parity", "--fix", typed="n\n").code == 6
    assert shop.project.read("devenv.yaml") == before

    done = shop.run("parity", "--fix", "--yes")
    assert (done.code, done.out) == (5, diff), "two of the differences cannot be written"
    assert done.err.splitlines()[-2:] == ["devenv.yaml is written; `devenv up` brings what runs in line with it",
                                          "error: 2 differences from production"]  # fmt: skip
    after = shop.project.read("devenv.yaml")
    assert after != before
    assert "wait_timeout: 60" in after
    (row,) = (
        row for row in shop.run("config", "--json").ok().data["values"] if row["key"] == "frontend.image"
    )
    assert row["value"] == "shop/frontend:2"


def test_fix_in_json_tells_what_it_wrote(shop: Shop) -> None:
    shop.project.write("deploy/production.yaml", MANIFEST.replace("timeout=600", "timeout=60"))
    found = shop.run("parity", "--fix", "--yes", "--json").ok()
    assert found.data["fix"]["written"] == ["database.parameters.wait_timeout"]
    assert "+database: {parameters: {wait_timeout: 60}" in found.data["fix"]["diff"]


def test_fix_writes_nothing_that_is_not_valid(shop: Shop) -> None:
    """A variable of a plugin has a name that devenv.yaml does not take; the others are written all the same."""
    shop.engine.answer("SHOW GLOBAL VARIABLES", VARIABLES + "upper.name\t5\n")
    text = MANIFEST.replace("--wait-timeout=600", "--wait-timeout=60, --UPPER.name=1")
    shop.project.write("deploy/production.yaml", text)
    found = shop.run("parity", "--fix", "--yes")
    assert found.code == 5
    assert "not written: database.parameters.upper.name: " in found.err
    assert "wait_timeout: 60" in shop.project.read("devenv.yaml")
    assert "upper" not in shop.project.read("devenv.yaml")


def test_fix_writes_no_option_that_the_server_does_not_know(shop: Shop) -> None:
    shop.project.write(
        "deploy/production.yaml", MANIFEST.replace("--wait-timeout=600", "--expire-logs-days=3")
    )
    before = shop.project.read("devenv.yaml")
    found = shop.run("parity", "--fix", "--yes")
    assert (found.code, shop.project.read("devenv.yaml")) == (5, before)
    assert "nothing that can be written into devenv.yaml" in found.err


def test_what_the_local_file_says_cannot_be_mended_in_the_other(shop: Shop) -> None:
    shop.project.write("devenv.local.yaml", "frontend: {image: shop/frontend:1}\n")
    shop.project.write("deploy/production.yaml", MANIFEST.replace("frontend:1", "frontend:2"))
    found = shop.run("parity", "--fix", "--yes")
    assert found.code == 5
    assert (
        "not written: frontend.image: devenv.local.yaml:1:19 says otherwise, and is laid over devenv.yaml"
        in found.err
    )
