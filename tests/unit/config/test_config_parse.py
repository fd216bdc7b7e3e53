"""Every key: its default, a value given, a wrong type, a value out of range, and the place in the message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from devenv.config.document import Document
from devenv.config.parse import parse_settings
from devenv.config.production import Allowed, Contents
from devenv.config.queue import Queue
from devenv.config.reference import Defaults
from devenv.config.settings import Healthcheck, Mapping, SeedCommand, SeedFile, Settings, Undo
from devenv.config.source import load_document
from devenv.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

REFERENCE = Defaults(
    name="folder",
    mappings=("./compose/backend/app:/opt/app",),
    seed=("fixtures/*.sql.zst", {"run": "python manage.py migrate", "service": "backend"}),
    backend_build="compose/backend",
    frontend_build="compose/frontend",
)


def parse(root: Path, text: str, local: str | None = None) -> Settings:
    (root / "devenv.yaml").write_text(text)
    if local is not None:
        (root / "devenv.local.yaml").write_text(local)
    return parse_settings(load_document(root, {}), REFERENCE)


def problems(root: Path, text: str, local: str | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(root, text, local)
    return [str(problem) for problem in caught.value.problems]


def value_at(settings: Settings, path: str) -> Any:
    value: Any = settings
    for part in path.split("."):
        value = value[part] if isinstance(value, dict) else getattr(value, part)
    return value


def nested(path: str, written: str) -> str:
    *outer, last = path.split(".")
    lines = [f"{'  ' * depth}{name}:" for depth, name in enumerate(outer)]
    return "\n".join([*lines, f"{'  ' * len(outer)}{last}: {written}"]) + "\n"


def place(path: str) -> str:
    depth = path.count(".")
    return f"devenv.yaml:{depth + 1}:{2 * depth + len(path.rpartition('.')[2]) + 3}"


KEYS: list[tuple[str, Any, str, Any]] = [
    ("name", "folder", "shop-2", "shop-2"),
    ("images", "auto", "pull", "pull"),
    ("bind", "127.0.0.1", "0.0.0.0", "0.0.0.0"),
    ("database.image", "mysql:8.4", "mysql:9", "mysql:9"),
    ("database.port", 3306, "65535", 65535),
    ("database.root_password", "toor", "s3cret", "s3cret"),
    ("database.databases", ("app",), "[a, b-c]", ("a", "b-c")),
    ("database.aliases", ("database",), "[]", ()),
    ("database.parameters", {}, "{sql_mode: '', time_zone: UTC, x: 1, y: 1.5, z: true, n: ~}",
     {"sql_mode": "", "time_zone": "UTC", "x": 1, "y": 1.5, "z": True, "n": None}),
    ("database.seed", (SeedFile(file="fixtures/*.sql.zst"), SeedCommand(run="python manage.py migrate")),
     "[a.sql, {file: b, database: app}, {run: c}, {run: d, service: mailcatcher}]",
     (SeedFile(file="a.sql"), SeedFile(file="b", database="app"), SeedCommand(run="c"), SeedCommand(run="d", service="mailcatcher"))),
    ("database.undo", Undo(keep=3, size=5 * 2**30), "{keep: 2}", Undo(keep=2)),
    ("database.spare", False, "true", True),
    ("database.undo.keep", 3, "1", 1),
    ("database.undo.size", 5 * 2**30, "500MB", 500 * 2**20),
    ("mail.image", "sj26/mailcatcher:v0.10.0", "x", "x"),
    ("mail.port", 1080, "1", 1),
    ("mail.smtp_port", 1025, "2525", 2525),
    ("backend.image", None, "a/b:1", "a/b:1"),
    ("backend.build", "compose/backend", "here", "here"),
    ("backend.port", 8000, "8001", 8001),
    ("backend.environment", {"DB_HOST": "database", "DB_USER": "root", "DB_PWD": "toor"}, "{A: b}",
     {"DB_HOST": "database", "DB_USER": "root", "DB_PWD": "toor", "A": "b"}),
    ("backend.mappings", (Mapping(source="./compose/backend/app", target="/opt/app"),),
     "['./a:/b', '/c:/d/:ro', '~/e:/f:rw', 'C:\\g:/h']",
     (Mapping(source="./a", target="/b"), Mapping(source="/c", target="/d", read_only=True),
      Mapping(source="~/e", target="/f"), Mapping(source="C:\\g", target="/h"))),
    ("backend.generated", "/opt/app/generated_content", "/x", "/x"),
    ("backend.healthcheck", Healthcheck(http="/health"), "{command: [a, b]}", Healthcheck(command=("a", "b"))),
    ("backend.healthcheck.http", "/health", "/up?full=1", "/up?full=1"),
    ("backend.healthcheck.command", None, "pg_isready -q", "pg_isready -q"),
    ("backend.healthcheck.heartbeat", None, "/run/beat", "/run/beat"),
    ("backend.healthcheck.interval", 2.0, "500ms", 0.5),
    ("backend.healthcheck.timeout", 5.0, "2.5", 2.5),
    ("backend.healthcheck.retries", 5, "1", 1),
    ("backend.healthcheck.start_period", 60.0, "1.5m", 90.0),
    ("taskrunner.healthcheck.stale_after", 15.0, "2s", 2.0),
    ("backend.command", None, "[gunicorn, -w, '4']", ("gunicorn", "-w", "4")),
    ("taskrunner.command", "python manage.py db_worker", "work", "work"),
    ("taskrunner.replicas", 1, "0", 0),
    ("taskrunner.environment", {}, "{A: 1}", {"A": "1"}),
    ("taskrunner.healthcheck", Healthcheck(heartbeat="/tmp/heartbeat"), "{interval: 1}", Healthcheck(heartbeat="/tmp/heartbeat", interval=1.0)),
    ("taskrunner.grace", 30.0, "1m", 60.0),
    ("taskrunner.queue", None, "{query: SELECT 1}", Queue(query="SELECT 1")),
    ("taskrunner.queue", None, "{command: [rq, info], service: taskrunner}", Queue(command=("rq", "info"), service="taskrunner")),
    ("frontend.image", None, "nginx:1", "nginx:1"),
    ("frontend.build", "compose/frontend", "web", "web"),
    ("frontend.port", 80, "8080", 8080),
    ("frontend.healthcheck", Healthcheck(http="/health"), "{http: /}", Healthcheck(http="/")),
    ("services", {}, "{redis: {image: 'redis:7'}}", {"redis": {"image": "redis:7"}}),
    ("check.page", "/", "/home", "/home"),
    ("check.report", "/api/reports/", "~", None),
    ("production.manifest", None, "deploy.yaml", "deploy.yaml"),
    ("production.contents", {}, "{backend: {python: '3.13'}}", {"backend": Contents(python="3.13")}),
    ("production.allow", (), "[{what: '*.limits.*', reason: r}]", (Allowed(what="*.limits.*", reason="r"),)),
    ("production.pods", 2, "20", 20),
    ("production.port", 8080, "80", 80),
    ("production.tls", False, "true", True),
    ("production.tls_port", 8443, "443", 443),
    ("production.loadbalancer", "haproxy:3.0", "haproxy:3.2", "haproxy:3.2"),
    ("production.environment", {}, "{A: 1}", {"A": "1"}),
    ("production.read_only", True, "false", False),
    ("production.cpus", 1.0, "0.5", 0.5),
    ("production.memory", 512 * 2**20, "1GB", 2**30),
    ("production.withheld", ("SECRET_KEY",), "[SIGNING]", ("SIGNING",)),
    ("production.migrate", "python manage.py migrate", "~", None),
]  # fmt: skip


@pytest.mark.parametrize(("path", "default", "written", "given"), KEYS, ids=[key[0] for key in KEYS])
def test_a_key_has_a_default_and_takes_a_value(
    tmp_path: Path, path: str, default: Any, written: str, given: Any
) -> None:
    assert value_at(parse(tmp_path, ""), path) == default
    assert value_at(parse(tmp_path, nested(path, written)), path) == given


def test_the_table_of_keys_is_complete() -> None:
    known: set[str] = set()
    for name, field in Settings.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        known |= {f"{name}.{key}" for key in inner} if inner else {name}
    assert known <= {path for path, *_ in KEYS}


WHOLE = "expected a whole number"
PORT = [("x", f'{WHOLE}, got "x"'), ("'80'", f'{WHOLE}, got "80"'), ("true", f"{WHOLE}, got true"), ("1.5", f"{WHOLE}, got 1.5"),
        ("", f"{WHOLE}, got nothing"), ("[1]", f"{WHOLE}, got a list"), ("0", "expected 1-65535, got 0"),
        ("99999", "expected 1-65535, got 99999")]  # fmt: skip
DURATION = "expected a duration such as 2.5, 500ms, 2s or 1m, above zero, at most a day"
DURATIONS = [(written, f"{DURATION}, got {got}") for written, got in
             [("soon", '"soon"'), ("'5'", '"5"'), ("0", "0"), ("-1", "-1"), ("2d", '"2d"'), ("true", "true"), (".nan", "NaN"),
              (".inf", "Infinity"), ("25h", '"25h"'), ("{}", "an empty mapping")]]  # fmt: skip
SIZE = "expected a size such as 500MB or 5GB, at most 1024TB"
TEXT = "expected text that is not empty"
NAME = "expected a name of a-z, 0-9, - and _, at most 41 characters"
WRONG = [
    *[(path, *one) for path in ("database.port", "mail.port", "mail.smtp_port", "backend.port", "frontend.port") for one in PORT],
    *[(f"backend.healthcheck.{key}", *one) for key in ("interval", "timeout", "start_period") for one in DURATIONS],
    *[("taskrunner.healthcheck.stale_after", *one) for one in DURATIONS],
    ("name", "Shop", f'{NAME}, got "Shop"'),
    ("name", '"a\\n"', f'{NAME}, got "a\\n"'),
    ("name", "a" * 42, f'{NAME}, got "{"a" * 42}"'),
    ("name", "[a]", f"{NAME}, got a list"),
    ("images", "some", 'expected auto, pull or build, got "some"'),
    ("images", "", "expected auto, pull or build, got nothing"),
    ("bind", "localhost", 'expected an IP address such as 127.0.0.1 or 0.0.0.0, got "localhost"'),
    ("bind", "1", "expected an IP address such as 127.0.0.1 or 0.0.0.0, got 1"),
    ("database", "7", "expected a mapping, got 7"),
    ("database.image", "'a b'", 'expected an image name such as mysql:8.4, got "a b"'),
    ("database.root_password", "''", f"{TEXT}, got something else"),
    ("database.root_password", "[toor]", f"{TEXT}, got a list"),
    ("database.databases", "[]", "expected at least one entry, got an empty list"),
    ("database.databases", "app", 'expected a list, got "app"'),
    ("database.aliases", "{}", "expected a list, got an empty mapping"),
    ("database.parameters", "[]", "expected a mapping, got an empty list"),
    ("database.seed", "", "expected a list, got nothing"),
    *[("database.undo.size", written, f"{SIZE}, got {got}") for written, got in
      [("5 apples", '"5 apples"'), ("5gb", '"5gb"'), ("-1", "-1"), ("1.5", "1.5"), ("true", "true"), ("2000TB", '"2000TB"'), ("", "nothing")]],
    ("database.undo.keep", "0", "expected 1-100, got 0"),
    ("backend.build", "''", f'{TEXT}, got ""'),
    ("backend.environment", "[A=1]", "expected a mapping, got a list"),
    ("backend.mappings", "x", 'expected a list, got "x"'),
    ("backend.generated", "opt", 'expected an absolute path such as /opt/app, got "opt"'),
    ("backend.healthcheck", "/health", 'expected a mapping, got "/health"'),
    ("backend.healthcheck.http", "health", 'expected a path that starts with /, got "health"'),
    ("backend.healthcheck.command", "[1]", "expected a command as text or as a list of texts, got a list"),
    ("backend.healthcheck.command", "[]", "expected a command as text or as a list of texts, got an empty list"),
    ("backend.healthcheck.heartbeat", "beat", 'expected an absolute path such as /opt/app, got "beat"'),
    ("backend.healthcheck.retries", "0", "expected 1-1000, got 0"),
    ("backend.command", "' '", 'expected a command as text or as a list of texts, got " "'),
    ("taskrunner.command", "''", f'{TEXT}, got ""'),
    ("taskrunner.replicas", "101", "expected 0-100, got 101"),
    ("taskrunner.replicas", "-1", "expected 0-100, got -1"),
    ("taskrunner.queue", "x", 'expected {query: ...} or {command: ...}, got "x"'),
    ("taskrunner.queue", "{table: t}", "expected {query: ...} or {command: ...}, got a mapping"),
    ("taskrunner.queue", "{query: a, command: b}", "expected {query: ...} or {command: ...}, got a mapping"),
    ("taskrunner.queue.query", "''", f'{TEXT}, got ""'),
    *[("taskrunner.grace", *one) for one in DURATIONS],
    ("services", "[]", "expected a mapping, got an empty list"),
    ("check.page", "home", 'expected a path that starts with /, got "home"'),
    ("check.report", "1", "expected a path that starts with /, got 1"),
    ("production.manifest", "1", f"{TEXT}, got 1"),
    ("production.allow", "{}", "expected a list, got an empty mapping"),
    ("production.contents.backend.python", "latest", 'expected a version such as 3.13, got "latest"'),
]  # fmt: skip


@pytest.mark.parametrize(("path", "written", "text"), WRONG)
def test_a_wrong_value_is_named_with_its_place(tmp_path: Path, path: str, written: str, text: str) -> None:
    (problem,) = problems(tmp_path, nested(path, written))
    assert problem.partition(": ")[2] == f"{path}: {text}"
    if written:
        assert problem.partition(": ")[0] == place(path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("database: {databases: [ok, 'b c']}", 'devenv.yaml:1:28: database.databases[1]: expected a database name of letters, digits, - and _, got "b c"'),
        ("database: {aliases: [-x]}", 'devenv.yaml:1:22: database.aliases[0]: expected a host name such as database, got "-x"'),
        ("database: {parameters: {Sql: 1}}", 'devenv.yaml:1:25: database.parameters.Sql: expected a parameter name of a-z, 0-9 and _, got "Sql"'),
        ("database: {parameters: {a: []}}", "devenv.yaml:1:28: database.parameters.a: expected text, a number, true or false, got an empty list"),
        ("database: {seed: [7]}", "devenv.yaml:1:19: database.seed[0]: expected a file pattern, {file: ...} or {run: ...}, got 7"),
        ("database: {seed: [{file: a, run: b}]}", "devenv.yaml:1:19: database.seed[0]: expected a file pattern, {file: ...} or {run: ...}, got a mapping"),
        ("database: {seed: [{run: [a]}]}", "devenv.yaml:1:25: database.seed[0].run: expected text that is not empty, got a list"),
        ("database: {seed: [{run: a, servce: backend}]}", 'devenv.yaml:1:28: database.seed[0].servce: unknown key; did you mean "service"?'),
        ("backend: {environment: {A: [1]}}", "devenv.yaml:1:28: backend.environment.A: expected text, got a list"),
        ("backend: {environment: {A-B c: 1}}", 'devenv.yaml:1:25: backend.environment.A-B c: expected a variable name such as DB_HOST, got "A-B c"'),
        ("backend: {environment: {API_TOKEN: [1]}}", "devenv.yaml:1:36: backend.environment.API_TOKEN: expected text, got a list"),
        ("backend: {mappings: ['src:/x']}", 'devenv.yaml:1:22: backend.mappings[0]: expected "./folder:/target" or "./folder:/target:ro", got "src:/x"'),
        ("backend: {mappings: ['./src:x']}", 'devenv.yaml:1:22: backend.mappings[0]: expected "./folder:/target" or "./folder:/target:ro", got "./src:x"'),
        ("backend: {mappings: ['./src:/x:rx']}", 'devenv.yaml:1:22: backend.mappings[0]: expected "./folder:/target" or "./folder:/target:ro", got "./src:/x:rx"'),
        ("services: {a: []}", "devenv.yaml:1:15: services.a: expected a mapping, got an empty list"),
        ("databse: {}", 'devenv.yaml:1:1: databse: unknown key; did you mean "database"?'),
        ("mail: {prt: 1}", 'devenv.yaml:1:8: mail.prt: unknown key; did you mean "port"?'),
        ("root_password: x", 'devenv.yaml:1:1: root_password: unknown key; did you mean "database.root_password"?'),
        ("taskrunner: {queue: {query: a, servce: b}}", 'devenv.yaml:1:32: taskrunner.queue.servce: unknown key; did you mean "service"?'),
        ("frontend: {healthcheck: {retry: 1}}", 'devenv.yaml:1:26: frontend.healthcheck.retry: unknown key; did you mean "retries"?'),
        ("production: {allow: [{what: a, reason: ''}]}", 'devenv.yaml:1:40: production.allow[0].reason: expected text that is not empty, got ""'),
        ("production: {allow: [{waht: a, what: b, reason: c}]}", 'devenv.yaml:1:23: production.allow[0].waht: unknown key; did you mean "what"?'),
        ("production: {contents: {backend: {pyton: '3'}}}", 'devenv.yaml:1:35: production.contents.backend.pyton: unknown key; did you mean "python"?'),
        ("production: {allow: [{what: a}]}", "devenv.yaml:1:22: production.allow[0].reason: expected a value, got nothing"),
        ("zzz: 1", "devenv.yaml:1:1: zzz: unknown key"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_named_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, text) == [problem]


def test_a_key_that_resembles_none_is_answered_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(tmp_path, "mail: {zzz: 1}")
    assert caught.value.hint == "known here: image, port, smtp_port"


def test_all_problems_come_at_once_in_the_order_of_the_files(tmp_path: Path) -> None:
    text = """\
name: My Shop
databse: {}
database:
  port: 99999
  seed: [{run: x, service: bakend}, 7]
mail:
  port: "1080"
backend: {image: a, build: b, healthcheck: {http: /a, command: b, retries: many}}
"""
    assert problems(tmp_path, text, local="frontend:\n  port: http\n") == [
        'devenv.yaml:1:7: name: expected a name of a-z, 0-9, - and _, at most 41 characters, got "My Shop"',
        'devenv.yaml:2:1: databse: unknown key; did you mean "database"?',
        "devenv.yaml:4:9: database.port: expected 1-65535, got 99999",
        'devenv.yaml:5:28: database.seed[0].service: expected a service, got "bakend"',
        "devenv.yaml:5:37: database.seed[1]: expected a file pattern, {file: ...} or {run: ...}, got 7",
        'devenv.yaml:7:9: mail.port: expected a whole number, got "1080"',
        "devenv.yaml:8:21: backend.build: expected either image or build, got both",
        "devenv.yaml:8:55: backend.healthcheck.command: expected exactly one of http, command and heartbeat, got http and command",
        'devenv.yaml:8:76: backend.healthcheck.retries: expected a whole number, got "many"',
        'devenv.local.yaml:2:9: frontend.port: expected a whole number, got "http"',
    ]


def test_the_error_itself_is_the_first_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(tmp_path, "mail:\n  port: x\nfrontend:\n  port: y\n")
    assert (caught.value.where, caught.value.message) == (
        "devenv.yaml:2:9",
        'mail.port: expected a whole number, got "x"',
    )
    assert caught.value.code == "config_invalid"


def test_text_stays_as_it_was_written(tmp_path: Path) -> None:
    settings = parse(
        tmp_path,
        "name: 2024\ndatabase: {root_password: 0123, databases: [01]}\n"
        "backend: {environment: {VERSION: 1.10, DEBUG: True, N: 1e3, NO: no}}\n",
    )
    assert (settings.name, settings.database.root_password, settings.database.databases) == (
        "2024",
        "0123",
        ("01",),
    )
    assert settings.backend.environment == {
        "DB_HOST": "database", "DB_USER": "root", "DB_PWD": "0123", "VERSION": "1.10", "DEBUG": "True", "N": "1e3", "NO": "no",
    }  # fmt: skip


def test_a_scalar_whose_text_is_unknown_is_text_as_yaml_writes_it() -> None:
    document = Document({"backend": {"environment": {"A": True, "B": False, "C": 1.5}}}, {})
    environment = parse_settings(document, REFERENCE).backend.environment
    assert [environment[name] for name in "ABC"] == ["true", "false", "1.5"]


def test_the_application_is_told_the_password_and_a_name_that_exists(tmp_path: Path) -> None:
    environment = parse(tmp_path, "database: {root_password: x, aliases: [db]}").backend.environment
    assert environment == {"DB_HOST": "db", "DB_USER": "root", "DB_PWD": "x"}
    assert parse(tmp_path, "database: {aliases: []}").backend.environment["DB_HOST"] == "databasemaster"
    assert parse(tmp_path, "backend: {environment: {DB_PWD: own}}").backend.environment["DB_PWD"] == "own"


def test_a_section_without_a_value_is_an_absent_section(tmp_path: Path) -> None:
    text = "database:\nmail:\nbackend:\n  environment:\n  healthcheck:\ntaskrunner:\nfrontend:\nservices:\ncheck:\nproduction:\n"
    assert parse(tmp_path, text) == parse(tmp_path, "")


def test_keys_for_anchors_are_not_read(tmp_path: Path) -> None:
    settings = parse(tmp_path, "x-common: &common {retries: 9}\nbackend: {healthcheck: {<<: *common}}\n")
    assert settings.backend.healthcheck == Healthcheck(http="/health", retries=9)


@pytest.mark.parametrize("text", ["", "backend: {build: compose/backend}", "backend: {image: ~}"])
def test_the_reference_backend_brings_its_mappings_and_its_seed(tmp_path: Path, text: str) -> None:
    settings = parse(tmp_path, text)
    assert settings.backend.build == "compose/backend"
    assert [str(mapping) for mapping in settings.backend.mappings] == ["./compose/backend/app:/opt/app"]
    assert len(settings.database.seed) == 2


@pytest.mark.parametrize("text", ["backend: {image: a}", "backend: {build: b}"])
def test_another_backend_starts_without_them(tmp_path: Path, text: str) -> None:
    settings = parse(tmp_path, text)
    assert (settings.backend.mappings, settings.database.seed) == ((), ())
    assert (settings.backend.image is None) != (settings.backend.build is None)


def test_another_backend_keeps_what_is_given(tmp_path: Path) -> None:
    settings = parse(tmp_path, "backend: {image: a, mappings: ['./a:/b:ro']}\ndatabase: {seed: [x.sql]}")
    assert str(settings.backend.mappings[0]) == "./a:/b:ro"
    assert settings.database.seed == (SeedFile(file="x.sql"),)


def test_the_document_is_not_changed() -> None:
    document = Document({"database": None, "backend": {"environment": {"A": 1}}, "x-y": 1}, {})
    parse_settings(document, REFERENCE)
    assert document.data == {"database": None, "backend": {"environment": {"A": 1}}, "x-y": 1}


def test_the_models_guard_themselves() -> None:
    with pytest.raises(ValueError, match="exactly one of http, command and heartbeat"):
        Healthcheck()
    with pytest.raises(ValueError, match="either image or build"):
        Settings.model_validate({"name": "a", "backend": {"image": "a", "build": "b"}})
    with pytest.raises(ValueError, match="frozen"):
        Settings(name="a").name = "b"  # type: ignore[misc]
