"""Every command once, on an engine in memory: what stands on standard output and on standard error, word for word."""

from __future__ import annotations

import json
import re
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from devenv import __version__
from devenv.cli.app import main
from devenv.engine.host import HostCommand
from devenv.engine.observed import PortHolder
from devenv.engine.setup_plan import SetupStep
from devenv.errors import EngineUnavailableError, RefusedError
from tests.fakes import STARTING, exited, unhealthy
from tests.samples import ADDRESS, SHOP_IMAGES

if TYPE_CHECKING:
    from tests.harness import Outcome
    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")

HEALTHY_TABLE = """
    SERVICE         STATE    REACHED AT                                           IMAGE
    databasemaster  healthy  mysql://127.9.8.101:33061                            mysql:8.4 (pulled)
    mailcatcher     healthy  http://127.9.8.101:10801/  smtp://127.9.8.101:10251  sj26/mailcatcher:v0.10.0 (pulled)
    backend         healthy  http://127.9.8.101:18000/                            shop/backend:1 (pulled)
    taskrunner      healthy  -                                                    shop/backend:1 (pulled)
    frontend        healthy  http://127.9.8.101:18080/                            shop/frontend:1 (pulled)
    data: volume shop_database_1, branch of snapshot <key> (reflink)
"""
CHECK_FAILED = """
            LINK  TIME    SEEN
    failed  page  0.00 s  GET / on port 18080 got no answer: [Errno 111] Connection refused
"""
HINT_TO_LOGS = "hint: `devenv logs` shows what the services say; `devenv status` how they are"
ALL_HEALTHY = """
    ok databasemaster: healthy
    ok mailcatcher: healthy
    ok backend: healthy
    ok taskrunner: healthy
    ok frontend: healthy
"""


def block(text: str) -> str:
    return dedent(text).strip("\n").replace("127.9.8.101", ADDRESS)


def shown(text: str) -> str:
    """The text without what differs from run to run, and without blanks at the end of lines."""
    text = re.sub(r"\bsnapshot [0-9a-f]{16}\b", "snapshot <key>", text)
    return "\n".join(line.rstrip() for line in text.splitlines())


def assert_said(found: Outcome, code: int, out: str, err: str = "") -> None:
    assert (shown(found.out), shown(found.err), found.code) == (block(out), block(err), code)


def test_up_from_nothing(shop: Shop) -> None:
    found = shop.run("up").ok()
    assert shown(found.out) == block(HEALTHY_TABLE) + "\n\nshop is healthy after 0.3 s (11 steps)"
    lines = shown(found.err).splitlines()
    pulls = [line for line in lines if "image" in line]
    assert sorted(pulls) == sorted(
        line
        for image, key in zip(
            sorted(SHOP_IMAGES), ("database", "backend", "frontend", "mailcatcher"), strict=True
        )
        for line in (
            f".. image {key}: pulling {image}, not on this machine",
            f".. image {key}: pulling {image}: 1 of 2 MB",
            f"ok image {key}: pulled {image}",
        )
    )
    assert [line for line in lines if line not in pulls] == block("""
        .. database: preparing an empty server, once for all seeds
        .. database: initialising an empty data directory
        .. database: sealing the snapshot
        .. containers: creating
        .. database: seeding
        .. database: going on from snapshot <key>
        ok containers: created
        .. database: seed 1 of 2: seed.sql
        .. database: seed 2 of 2: backend: python manage.py migrate
        .. database: sealing the snapshot
        .. database: branching off snapshot <key>
        ok database: seeded in 0.0 s (reflink)
        .. containers: creating
        ok containers: created
        .. databasemaster: starting
        ok mailcatcher: healthy
        .. backend: waiting for databasemaster
        .. taskrunner: waiting for databasemaster
        .. frontend: waiting for backend
        ok databasemaster: healthy
        .. backend: starting
        .. taskrunner: starting
        ok backend: healthy
        ok taskrunner: healthy
        .. frontend: starting
        ok frontend: healthy
    """).splitlines()


def test_up_again(shop: Shop) -> None:
    shop.up()
    out = block(HEALTHY_TABLE) + "\n\nshop is healthy after 0.0 s (nothing to do)"
    assert_said(shop.run("up"), 0, out, ALL_HEALTHY)


def test_up_verbose_shows_what_compose_says(shop: Shop) -> None:
    assert "   containers: Container shop-backend-1  Created" in shop.run("--verbose", "up").err.splitlines()


def test_up_as_json(shop: Shop) -> None:
    found = shop.run("up", "mailcatcher", "--json").ok()
    assert (found.json["schema"], found.json["ok"], found.json["errors"]) == ("devenv.up/1", True, [])
    assert list(found.data) == ["plan", "status", "ports", "seconds", "profile"]
    assert found.data["profile"] is None
    assert found.data["plan"]["steps"][-1] == {
        "resource": "mailcatcher",
        "action": "create and start",
        "cause": "it has no container",
    }
    assert found.data["status"]["state"] == "partial"
    assert found.data["ports"][0] == {
        "key": "frontend.port",
        "configured": 18080,
        "port": 18080,
        "holder": None,
    }
    assert "ok mailcatcher: healthy\n" in found.err


def test_up_dry_run(shop: Shop) -> None:
    shop.up()
    shop.configure("port: 10801", "port: 10802")
    assert_said(
        shop.run("up", "--dry-run"),
        0,
        """
        [1] compose file: write, its content changed
        [2] mailcatcher: recreate and start, its definition changed
        """,
    )
    found = shop.run("up", "--dry-run", "--json").ok()
    assert found.json["schema"] == "devenv.plan/1"
    assert [step["resource"] for step in found.data["steps"]] == ["compose file", "mailcatcher"]
    assert shop.engine.changes == []


def test_up_that_finds_a_port_taken(shop: Shop) -> None:
    shop.engine.foreign = [PortHolder(10801, "other-mail-1", "other")]
    line = shop.run("up").ok().err.splitlines()[0]
    assert re.fullmatch(
        r"!! mail\.port: port 10801 is held by container other-mail-1: published on \d+ \(devenv\.yaml:4:14\)",
        line,
    )


def test_up_that_fails(shop: Shop) -> None:
    shop.engine.scripts["backend"] = [unhealthy("OperationalError: no database", 22)]
    shop.engine.written = [("backend", "Booting worker")]
    found = shop.run("up")
    assert (found.code, found.out) == (4, "")
    assert (
        found.err.splitlines()[-7:]
        == block("""
        XX backend: is unhealthy
        error: devenv.yaml:5:1: backend is unhealthy
          last probe: exit status 22
          probe: OperationalError: no database
          log: Booting worker
          therefore: frontend was not started: it depends on backend
        hint: read on with `devenv logs backend`; after mending the cause, `devenv up` goes on
    """).splitlines()
    )


def test_up_takes_its_patience_from_the_line(shop: Shop) -> None:
    shop.engine.scripts["frontend"] = [STARTING]
    found = shop.run("up", "--timeout", "7", "--json")
    assert (found.code, found.error["code"]) == (4, "timeout")
    assert found.error["message"] == "frontend is not healthy after 7 s"


def test_status(shop: Shop) -> None:
    shop.up()
    assert_said(shop.run("status"), 0, HEALTHY_TABLE)


def test_status_of_what_was_never_up(shop: Shop) -> None:
    assert_said(
        shop.run("status"),
        0,
        """
        SERVICE         STATE   REACHED AT                                           IMAGE
        databasemaster  absent  mysql://127.9.8.101:33061                            -
        mailcatcher     absent  http://127.9.8.101:10801/  smtp://127.9.8.101:10251  -
        backend         absent  http://127.9.8.101:18000/                            -
        taskrunner      absent  -                                                    -
        frontend        absent  http://127.9.8.101:18080/                            -
        """,
    )


def test_status_counts_replicas(shop: Shop) -> None:
    shop.add("taskrunner: {replicas: 3}\n")
    shop.up()
    assert "\ntaskrunner x3   healthy  -  " in shop.run("status").out


def test_status_as_json(shop: Shop) -> None:
    shop.up()
    found = shop.run("status", "--json").ok()
    assert found.json["schema"] == "devenv.status/1"
    assert list(found.data) == ["environment", "project", "state", "services", "database", "authority"]
    assert list(found.data["services"][0]) == [
        "name",
        "state",
        "health",
        "image",
        "image_source",
        "replicas",
        "ports",
        "since",
        "restarts",
    ]
    assert found.out.count("\n") == 1


def test_status_watched_until_ctrl_c(shop: Shop) -> None:
    shop.up()
    looks = iter(range(3))

    def look() -> None:
        if next(looks, None) is None:
            raise KeyboardInterrupt
        shop.engine.turn("shop-backend-1", unhealthy())

    shop.engine.when("observe", look)
    found = shop.run("status", "--watch", "--json")
    assert found.code == 130
    assert [document["data"]["state"] for document in found.documents] == ["unhealthy"]


def test_another_environment(shop: Shop) -> None:
    assert shop.run("status", "--env", "feature-x", "--json").ok().data["project"] == "shop-feature-x"
    assert shop.run("status", "--env", "main", "--json").ok().data["project"] == "shop"


def test_a_folder_below_the_configuration_will_do(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop.root / "app")
    assert shop.project.wiring is not None
    assert main(["status", "--json"], shop.project.wiring) == 0
    assert shop.run("-C", str(shop.root / "app"), "status", "--json").ok().data["project"] == "shop"


def test_down(shop: Shop) -> None:
    shop.up()
    found = shop.run("down")
    assert_said(
        found,
        0,
        "shop: 5 containers removed; the data are kept",
        """
        .. containers: removing
        ok containers: removed
        """,
    )
    assert_said(shop.run("down"), 0, "shop: 0 containers removed; the data are kept")


def test_down_as_json(shop: Shop) -> None:
    shop.up("mailcatcher")
    assert shop.run("down", "--json").ok().json == {
        "schema": "devenv.down/1",
        "ok": True,
        "data": {"project": "shop", "containers": ["shop-mailcatcher-1"], "volumes": [], "put_aside": None},
        "warnings": [],
        "errors": [],
    }


REFUSED = """
    error: this would leave shop without its data: shop_database_1, shop_generated
    hint: say `devenv down --volumes --yes` if you mean it
"""
QUESTION = "Remove the generated files, and put the database's data aside (`devenv undo` has them)? [y/N]:"
PUT_ASIDE = (
    "shop: 5 containers removed, and shop_generated; the data are put aside in shop_database_1: "
    "`devenv undo` brings them back, `devenv gc --all` frees them"
)


def test_down_with_volumes_asks_nobody_who_is_not_there(shop: Shop) -> None:
    shop.up()
    assert_said(shop.run("down", "--volumes"), 6, "", REFUSED)
    assert len(shop.engine.containers) == 5


def test_down_with_volumes_asks_at_a_terminal(shop: Shop) -> None:
    shop.up()
    for answer, ending in (("n\n", ""), ("\n", ""), ("", "\n")):
        found = shop.run("down", "--volumes", typed=answer)
        assert found.code == 6
        assert shown(found.err) == QUESTION + ending + block(REFUSED)
    found = shop.run("down", "--volumes", typed="y\n").ok()
    assert found.out.strip() == PUT_ASIDE
    assert {"shop_database_1", "shop_generated"} & set(shop.engine.volume_labels) == {"shop_database_1"}


def test_down_with_volumes_and_yes(shop: Shop) -> None:
    shop.up()
    found = shop.run("down", "--volumes", "--yes").ok()
    assert found.out == f"{PUT_ASIDE}\n"


def test_stop(shop: Shop) -> None:
    shop.up()
    assert_said(
        shop.run("stop", "backend"),
        0,
        "shop: backend stopped",
        """
        .. containers: stopping
        ok containers: stopped
        """,
    )
    shop.run("stop").ok()
    assert_said(shop.run("stop"), 0, "shop: nothing stopped")
    assert shop.run("stop", "--json").ok().json["schema"] == "devenv.stop/1"


def test_restart(shop: Shop) -> None:
    shop.up()
    assert_said(
        shop.run("restart", "backend", "frontend"),
        0,
        "shop: backend, frontend restarted and healthy",
        """
        .. backend: restarting
        .. frontend: restarting
        ok backend: healthy
        ok frontend: healthy
        """,
    )
    found = shop.run("restart", "backend", "--json").ok()
    assert (found.json["schema"], found.data) == (
        "devenv.restart/1",
        {"project": "shop", "services": ["backend"]},
    )


@pytest.fixture
def talking(shop: Shop) -> Shop:
    """A shop whose services have said something."""
    shop.up()
    shop.engine.written = [
        ("backend", "hello"),
        ("frontend", "GET / \x1b[31m500\x1b[0m"),
        ("databasemaster", "ready"),
        ("backend", "[bold]bye[/bold] :x:"),
    ]
    return shop


def test_logs(talking: Shop) -> None:
    assert_said(
        talking.run("logs"),
        0,
        """
        backend       | hello
        frontend      | GET / 500
        databasemaster| ready
        backend       | [bold]bye[/bold] :x:
        """,
    )


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["backend"], ["hello", "[bold]bye[/bold] :x:"]),
        (["backend", "--tail", "1"], ["[bold]bye[/bold] :x:"]),
        (["-n", "0"], []),
        (["--grep", "^r"], ["ready"]),
        (["frontend", "databasemaster", "--grep", "d"], ["ready"]),
        (["mailcatcher"], []),
    ],
)
def test_logs_of_some(talking: Shop, arguments: list[str], texts: list[str]) -> None:
    found = talking.run("logs", *arguments, "--json").ok()
    assert [document["data"]["text"] for document in found.documents] == texts
    assert {document["schema"] for document in found.documents} <= {"devenv.log/1"}


@pytest.fixture
def mute(talking: Shop) -> Shop:
    """The backend's logging driver keeps nothing to be read."""
    container = talking.engine.containers["shop-backend-1"]
    container.definition = {**container.definition, "logging": {"driver": "none"}}
    return talking


UNREADABLE = "configured logging driver does not support reading"


@pytest.mark.parametrize("arguments", [(), ("-f",), ("backend", "frontend", "databasemaster")])
def test_a_log_that_cannot_be_read_is_left_out_and_said(mute: Shop, arguments: tuple[str, ...]) -> None:
    assert_said(
        mute.run("logs", *arguments),
        0,
        """
        frontend      | GET / 500
        databasemaster| ready
        """,
        f"""
        !! backend: its log cannot be read: {UNREADABLE}
        """,
    )


def test_a_log_that_cannot_be_read_is_a_warning_for_scripts(mute: Shop) -> None:
    found = mute.run("logs", "--json").ok()
    assert [document["data"]["text"] for document in found.documents] == ["GET / \x1b[31m500\x1b[0m", "ready"]
    assert found.documents[0]["warnings"] == [f"backend: its log cannot be read: {UNREADABLE}"]


def test_a_log_that_alone_is_asked_for_and_cannot_be_read_is_an_error(mute: Shop) -> None:
    assert_said(
        mute.run("logs", "backend"),
        1,
        "",
        f"""
        error: the log of backend cannot be read: {UNREADABLE}
        hint: `devenv status` shows whether it is there; a `logging:` driver such as local keeps what it writes
        """,
    )
    assert mute.run("logs", "backend", "--json").documents[0]["errors"][0]["code"] == "log_unreadable"


def test_logs_since_and_on(talking: Shop) -> None:
    talking.run("logs", "backend", "-f", "--since", "2m").ok()
    since = int(1_700_000_000 + 0.3) - 120
    assert talking.engine.called("logs") == [f"logs of shop-backend-1 tail=None since={since} follow=True"]


def test_logs_of_what_is_not_up(shop: Shop) -> None:
    assert_said(
        shop.run("logs"),
        1,
        "",
        """
        error: this environment has no containers, so it has no logs
        hint: bring it up with `devenv up`
        """,
    )


@pytest.mark.parametrize("arguments", [["logs", "varnish"], ["exec", "varnish", "ls"], ["shell", "varnish"]])
def test_a_service_that_does_not_exist(talking: Shop, arguments: list[str]) -> None:
    assert_said(
        talking.run(*arguments),
        2,
        "",
        """
        error: no service called "varnish" has a container; there are backend, databasemaster, frontend, mailcatcher, taskrunner
        hint: `devenv status` shows all services
        """,
    )


def test_exec_passes_words_output_and_status_through(shop: Shop) -> None:
    shop.up()
    shop.engine.answer("shop-backend-1: ls", "manage.py\n", 3)
    for line in (
        ["exec", "backend", "--", "ls", "-la", "--json"],
        ["exec", "backend", "ls", "-la", "--json"],
    ):
        found = shop.run(*line)
        assert (found.code, found.out, found.err) == (3, "manage.py\n", "")
        assert shop.engine.called("attach") == ["attach shop-backend-1: ls -la --json"]


def test_exec_as_another_user(shop: Shop) -> None:
    shop.up()
    shop.run("exec", "-u", "root", "backend", "id").ok()
    assert shop.engine.executed[-1].user == "root"


def test_exec_takes_the_first_that_runs(shop: Shop) -> None:
    shop.add("taskrunner: {replicas: 2}\n")
    shop.up()
    shop.engine.turn("shop-taskrunner-1", exited(1))
    shop.run("exec", "taskrunner", "true").ok()
    assert shop.engine.called("attach") == ["attach shop-taskrunner-2: true"]


def test_exec_in_what_does_not_run(shop: Shop) -> None:
    shop.up()
    shop.engine.turn("shop-backend-1", exited(1))
    assert_said(
        shop.run("exec", "backend", "ls"),
        1,
        "",
        """
        error: backend does not run
        hint: start it with `devenv up backend`
        """,
    )


def test_shell(shop: Shop) -> None:
    shop.up()
    shop.engine.answer("exec bash", "$ ", 130)
    found = shop.run("shell", "backend")
    assert (found.code, found.out) == (130, "$ ")
    assert shop.engine.called("attach")[0].startswith("attach shop-backend-1: sh -c if command -v bash")


def test_a_terminal_is_passed_on_only_where_both_ends_are_one(shop: Shop) -> None:
    shop.up()
    shop.run("shell", "backend", typed="exit\n").ok()
    assert shop.engine.called("attach with a terminal") == []


def test_reset_db(shop: Shop) -> None:
    shop.up()
    own = shop.session().settings.database.databases[0]
    shop.engine.answer("information_schema.tables", f"{own}\t12\t0\n{own}\t0\t3145728\n")
    assert_said(
        shop.run("reset-db"),
        0,
        """
        the database is as it was seeded, after 0.00 s (a branch of snapshot <key>, by reflink):
          seed.sql
          backend: python manage.py migrate
        discarded: 12 tables, 3.0 MB, put aside in shop_database_1; `devenv undo` brings it back
        """,
        """
        .. database: branching off snapshot <key>
        ok database: branched off snapshot <key> in 0.0 s (reflink)
        .. databasemaster: starting on the other data
        ok databasemaster: answers
        """,
    )


def test_reset_db_as_json(shop: Shop) -> None:
    shop.up()
    found = shop.run("reset-db", "--json").ok()
    assert found.json["schema"] == "devenv.reset-db/1"
    assert found.data == {
        "volume": "shop_database_2",
        "snapshot": shop.project.memory["snapshot"],
        "driver": "reflink",
        "seeded": False,
        "seed_steps": ["seed.sql", "backend: python manage.py migrate"],
        "discarded": {"volume": "shop_database_1", "tables": None, "bytes": None},
        "seconds": 0.0,
        "running": True,
        "from_spare": False,
    }


def test_reset_db_of_what_does_not_run(shop: Shop) -> None:
    assert (
        shop.run("reset-db").ok().out.splitlines()[-1] == "the database does not run: `devenv up` starts it"
    )


def test_reset_db_with_a_broken_seed(shop: Shop) -> None:
    shop.up()
    shop.project.write("seed.sql", shop.project.read("seed.sql") + "-- changed\n")
    shop.engine.answer("utf8mb4 app$", "ERROR 1146 (42S02) at line 2: Table 'app.x' doesn't exist", 1)
    found = shop.run("reset-db")
    assert (found.code, found.out) == (1, "")
    assert found.err.splitlines()[-3:] == [
        "error: seed.sql:2: the seed seed.sql failed at line 2: ERROR 1146 (42S02): Table 'app.x' doesn't exist",
        "  statement: INSERT INTO campaign VALUES (1);",
        "hint: correct the statement at line 2 of seed.sql, then run the command again",
    ]


def test_undo(shop: Shop) -> None:
    shop.up()
    assert_said(
        shop.run("undo"),
        1,
        "",
        """
        error: there is nothing to undo
        hint: `devenv reset-db` puts data aside
        """,
    )
    shop.run("reset-db").ok()
    assert_said(
        shop.run("undo"),
        0,
        """
        the data of shop_database_1 are back, after 0.0 s
        put aside: shop_database_2; `devenv undo` takes this back too
        """,
        """
        .. databasemaster: starting on the other data
        ok databasemaster: answers
        """,
    )
    assert shop.run("undo", "--json").ok().json == {
        "schema": "devenv.undo/1",
        "ok": True,
        "data": {
            "volume": "shop_database_2",
            "put_aside": "shop_database_1",
            "seconds": 0.0,
            "running": True,
        },
        "warnings": [],
        "errors": [],
    }


def test_check_that_fails(shop: Shop) -> None:
    shop.up()
    assert_said(shop.run("check"), 1, CHECK_FAILED, HINT_TO_LOGS)
    found = shop.run("check", "--json")
    assert (found.code, found.json["ok"], found.json["schema"]) == (1, False, "devenv.check/1")
    assert list(found.data["findings"][0]) == ["name", "ok", "text", "seconds"]


def test_check_of_what_is_not_up(shop: Shop) -> None:
    assert_said(
        shop.run("check"),
        1,
        "",
        """
        error: this environment is not up
        hint: bring it up with `devenv up`
        """,
    )


def test_config(shop: Shop) -> None:
    lines = shown(shop.run("config").ok().out).splitlines()
    assert (
        lines[:7]
        == block("""
        KEY                                  VALUE                         ORIGIN
        name                                 "shop"                        devenv.yaml:1:7
        images                               "auto"                        default
        bind                                 "127.9.8.101"                 devenv.yaml:2:7
        database.image                       "mysql:8.4"                   default
        database.port                        33061                         devenv.yaml:3:18
        database.root_password               "***"                         default
    """).splitlines()
    )
    assert shop.engine.calls == []


def test_config_shows_no_secret(shop: Shop) -> None:
    shop.configure("port: 33061", "port: 33061, root_password: s3cret")
    for arguments in (["config"], ["config", "--json"]):
        assert "s3cret" not in shop.run(*arguments).ok().out
    rows = {row["key"]: row for row in shop.run("config", "--json").data["values"]}
    assert rows["database.root_password"] == {
        "key": "database.root_password",
        "value": "***",
        "origin": "devenv.yaml:3:40",
    }
    assert rows["database.seed[0].file"]["value"] == "seed.sql"


def test_schema_needs_no_project(shop: Shop) -> None:
    (shop.root / "devenv.yaml").unlink()
    schema = json.loads(shop.run("schema").ok().out)
    assert schema["title"] == "devenv.yaml"
    assert shop.run("schema", "--json").ok().data == schema


def test_doctor(shop: Shop) -> None:
    lines = shown(shop.run("doctor").ok().out).splitlines()
    assert lines[0].split() == ["CHECK", "SEEN"]
    assert "ok  engine               26.1.5 at memory://, storage overlay2" in lines
    assert f"ok  port mail.port       10801 on {ADDRESS}" in lines


def test_doctor_says_what_to_do(shop: Shop) -> None:
    shop.engine.foreign = [PortHolder(10801, "other-mail-1", "other")]
    found = shop.run("doctor").ok()
    assert found.out.splitlines()[-1] == (
        "hint: port mail.port: stop container other-mail-1, or set mail.port in devenv.yaml"
    )


def test_doctor_fails_where_something_is_wrong(shop: Shop) -> None:
    shop.engine.fail("info", EngineUnavailableError("no engine", hint="start it"))
    found = shop.run("doctor", "--json")
    assert (found.code, found.json["ok"], found.json["schema"]) == (1, False, "devenv.doctor/1")
    assert found.data["checks"] == [
        {"name": "engine", "verdict": "failed", "text": "no engine", "fix": "start it", "where": None}
    ]


STEPS = (
    SetupStep(
        "install docker.io", "a Docker engine not found", HostCommand(("apt-get", "install", "docker.io"))
    ),
)
READY = """
    engine     26.1.5
    compose    2.26.1
    buildx     0.13.1
    endpoint   memory://
    this machine is ready
"""


def test_setup_with_nothing_to_do(shop: Shop) -> None:
    assert_said(shop.run("setup"), 0, block(READY) + ": nothing to do")
    assert shop.engine.calls == []


def test_setup_shows_its_steps_and_asks_nobody_who_is_not_there(shop: Shop) -> None:
    shop.setup.steps = STEPS
    found = shop.run("setup")
    assert (found.code, found.out) == (6, "")
    assert found.err.splitlines()[0] == f"[1] {str(STEPS[0]).splitlines()[0]}"
    assert found.err.splitlines()[-2:] == [
        "error: these steps change this machine",
        "hint: say `devenv setup --yes` to do them",
    ]
    assert shop.setup.done == []


def test_setup_asks_at_a_terminal(shop: Shop) -> None:
    shop.setup.steps = STEPS
    found = shop.run("setup", typed="n\n")
    assert found.code == 6
    assert "error: nothing was changed on this machine" in found.err
    shop.run("setup", typed="y\n").ok()
    assert shop.setup.done == ["install docker.io"]


def test_setup_with_yes(shop: Shop) -> None:
    shop.setup.steps, shop.setup.warnings = STEPS, ("the package lists are old",)
    found = shop.run("setup", "--yes").ok()
    assert shown(found.out) == block(READY)
    assert found.err.splitlines()[-2:] == ["=> install docker.io", "!! the package lists are old"]
    assert shop.run("setup", "--json").ok().data == {
        "done": [],
        "engine": "26.1.5",
        "compose": "2.26.1",
        "buildx": "0.13.1",
        "endpoint": "memory://",
    }


def test_onboard(shop: Shop) -> None:
    shop.setup.steps = STEPS
    found = shop.run("onboard", "--yes")
    assert found.code == 1, "nobody serves the page here"
    lines = shown(found.out).splitlines()
    assert lines[:7] == block(HEALTHY_TABLE).splitlines()
    assert lines[8] == "shop is healthy after 0.3 s (11 steps)"
    assert lines[10:12] == dedent(CHECK_FAILED).strip("\n").splitlines()
    assert (
        lines[13:]
        == block("""
        Next:
          devenv status          what runs, and where it is reached
          devenv logs -f backend what the backend says
          devenv reset-db        the database as it was seeded
          devenv shell backend   a shell beside the code
          devenv down            take it down; the data stay
    """).splitlines()
    )
    assert shop.setup.done == ["install docker.io"]


def test_onboard_on_an_engine_elsewhere_leaves_the_check_to_its_machine(shop: Shop) -> None:
    shop.engine.is_here = False
    shop.setup.steps = ()
    assert "not checked from here: run `devenv check`" in shop.run("onboard", "--yes").ok().out
    assert shop.run("onboard", "--yes", "--json").ok().data["check"] is None


def test_onboard_without_yes_changes_nothing_on_the_machine(shop: Shop) -> None:
    shop.setup.steps = STEPS
    found = shop.run("onboard", "--json")
    assert (found.code, found.error["code"]) == (6, "confirmation_needed")
    assert found.error["hint"] == "say `devenv onboard --yes` to do them"
    assert shop.engine.changes == []


def test_onboard_as_json(shop: Shop) -> None:
    found = shop.run("onboard", "--json")
    assert (found.json["schema"], found.json["ok"]) == ("devenv.onboard/1", False)
    assert list(found.data) == ["setup", "up", "check"]


def test_version(shop: Shop) -> None:
    assert_said(shop.run("--version"), 0, f"devenv {__version__}")


def test_what_belongs_to_another_folder_is_refused(shop: Shop) -> None:
    shop.engine.fail(
        "observe", RefusedError("the environment shop belongs to /other", hint="choose another name")
    )
    assert_said(
        shop.run("up"),
        6,
        "",
        """
        error: the environment shop belongs to /other
        hint: choose another name
        """,
    )
