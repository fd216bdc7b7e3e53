"""Every way to fail, for people and for scripts: the words, the document, and the exit status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from devenv.cli.app import main
from devenv.errors import (
    ConfigError,
    DevenvError,
    DriftError,
    EngineUnavailableError,
    ImageError,
    OperationError,
    PullDeniedError,
    RefusedError,
    RegistryUnreachableError,
    SeedError,
    ServiceFailedError,
    UsageError,
)
from tests.fakes import FakeEngine, fake_wiring
from tests.harness import DevenvProject, Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Outcome
    from tests.shop import Shop

ENVELOPE = ["schema", "ok", "data", "warnings", "errors"]
ROW = ["code", "message", "where", "hint", "detail"]

ERRORS: list[tuple[type[DevenvError], str, int]] = [
    (DevenvError, "failed", 1),
    (UsageError, "usage", 2),
    (EngineUnavailableError, "engine_unavailable", 3),
    (OperationError, "failed", 1),
    (ImageError, "image_unavailable", 1),
    (RegistryUnreachableError, "registry_unreachable", 1),
    (PullDeniedError, "pull_denied", 1),
    (SeedError, "seed_failed", 1),
    (ServiceFailedError, "service_unhealthy", 4),
    (DriftError, "drift", 5),
    (RefusedError, "refused", 6),
]


def failing(shop: Shop, error: BaseException, *arguments: str) -> Outcome:
    """How a command ends whose engine fails so."""
    shop.engine.failures.clear()
    shop.engine.fail("info", error)
    return shop.run("status", *arguments)


@pytest.mark.parametrize(("error", "code", "status"), ERRORS, ids=[error.__name__ for error, _, _ in ERRORS])
def test_every_error_as_a_document(shop: Shop, error: type[DevenvError], code: str, status: int) -> None:
    found = failing(shop, error("it failed", where="a.yaml:1:2", hint="mend it", detail={"x": [1]}), "--json")
    assert found.code == status
    assert found.err == ""
    assert list(found.json) == ENVELOPE
    assert found.json == {
        "schema": "devenv.error/1",
        "ok": False,
        "data": None,
        "warnings": [],
        "errors": [
            {
                "code": code,
                "message": "it failed",
                "where": "a.yaml:1:2",
                "hint": "mend it",
                "detail": {"x": [1]},
            }
        ],
    }


def test_an_error_for_people(shop: Shop) -> None:
    error = RefusedError(
        "it failed", where="a.yaml:1:2", hint="mend it", detail={"x": 1}, evidence=("one", "two")
    )
    found = failing(shop, error)
    assert (found.code, found.out) == (6, "")
    assert found.err == "error: a.yaml:1:2: it failed\n  one\n  two\nhint: mend it\n"


def test_every_error_of_the_tree_is_tried() -> None:
    def below(error: type[DevenvError]) -> set[type[DevenvError]]:
        return {error}.union(*(below(child) for child in error.__subclasses__()))

    assert {error for error, _, _ in ERRORS} == below(DevenvError) - {ConfigError}


def test_an_error_needs_no_more_than_a_message(shop: Shop) -> None:
    assert failing(shop, OperationError("it failed")).err == "error: it failed\n"
    assert failing(shop, OperationError("it failed"), "--json").error == {
        "code": "failed",
        "message": "it failed",
        "where": None,
        "hint": None,
        "detail": {},
    }


def test_evidence_is_in_the_document_too(shop: Shop) -> None:
    error = OperationError("it failed", code="odd", detail={"a": 1}, evidence=("one", "two"))
    found = failing(shop, error, "--json").error
    assert (found["code"], found["detail"]) == ("odd", {"a": 1, "evidence": ["one", "two"]})


def test_what_looks_like_markup_is_shown_as_it_is(shop: Shop) -> None:
    text = "[red]x[/red] :smile: \\[0] https://x.test/[y]"
    found = failing(shop, OperationError(text, evidence=(text,), hint=text)).err
    assert found == f"error: {text}\n  {text}\nhint: {text}\n"


def test_a_long_message_is_not_broken_into_lines(shop: Shop) -> None:
    text = "word " * 500
    assert failing(shop, OperationError(text.strip())).err == f"error: {text.strip()}\n"


BROKEN = """\
name: shop
database: {port: 99999}
frontend: {prot: 80}
images: sometimes
"""
PROBLEMS = [
    ("devenv.yaml:2:18", "database.port: expected 1-65535, got 99999"),
    ("devenv.yaml:3:12", 'frontend.prot: unknown key; did you mean "port"?'),
    ("devenv.yaml:4:9", 'images: expected auto, pull or build, got "sometimes"'),
]


def test_every_problem_of_the_configuration_for_people(tmp_path: Path) -> None:
    project = DevenvProject(tmp_path, {"devenv.yaml": BROKEN}, fake_wiring(FakeEngine()))
    found = project.run("up")
    assert (found.code, found.out) == (2, "")
    assert found.err.splitlines() == [f"error: {where}: {text}" for where, text in PROBLEMS]


@pytest.mark.parametrize("command", ["up", "down", "status", "config", "reset-db", "logs", "check"])
def test_every_command_reports_every_problem_of_the_configuration(tmp_path: Path, command: str) -> None:
    engine = FakeEngine()
    project = DevenvProject(tmp_path, {"devenv.yaml": BROKEN}, fake_wiring(engine))
    found = project.run(command, "--json")
    assert (found.code, found.err) == (2, "")
    assert [(row["where"], row["message"]) for row in found.json["errors"]] == PROBLEMS
    assert {row["code"] for row in found.json["errors"]} == {"config_invalid"}
    assert all(list(row) == ROW for row in found.json["errors"])
    assert engine.calls == []


def test_without_a_configuration(tmp_path: Path) -> None:
    project = DevenvProject(tmp_path, {}, fake_wiring(FakeEngine()))
    (tmp_path / "devenv.yaml").unlink()
    found = project.run("status", "--json")
    assert (found.code, found.error["code"]) == (2, "config_not_found")
    assert found.error["message"] == "no devenv.yaml here or in a folder above"
    assert found.error["where"] == str(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "No such command 'nonsense'."),
        (["up", "--nonsense"], "No such option: --nonsense"),
        (["up", "--timeout", "soon"], "Invalid value for '--timeout': 'soon' is not a valid float range."),
        (["up", "--timeout", "0"], "Invalid value for '--timeout': 0.0 is not in the range x>=1."),
        (["restart"], "Missing argument 'SERVICE...'."),
        (["exec", "backend"], "Missing argument '-- COMMAND...'."),
        (["exec"], "Missing argument 'SERVICE'."),
        (["status", "extra"], "Got unexpected extra argument(s) (extra)"),
        (["logs", "--tail", "-1"], "Invalid value for '--tail' / '-n': -1 is not in the range x>=0."),
        (["status", "--env"], "No such option: --env"),
        ([], "Missing command."),
    ],
)
def test_a_line_that_does_not_fit(shop: Shop, arguments: list[str], message: str) -> None:
    found = shop.run(*arguments)
    assert (found.code, found.out) == (2, "")
    assert found.err == f"error: {message}\nhint: `devenv --help` lists commands and options\n"
    found = shop.run("--json", *arguments)
    assert (found.code, found.err) == (2, "")
    assert list(found.json) == ENVELOPE
    assert (found.error["code"], found.error["message"]) == ("usage", message)


def test_a_folder_that_is_none(shop: Shop) -> None:
    found = shop.run("-C", "/not/there", "status", "--json")
    assert (found.code, found.error["message"]) == (2, "-C: expected a folder, got /not/there")


def test_a_name_that_is_none(shop: Shop) -> None:
    found = shop.run("--env", "No Name", "status", "--json")
    assert found.code == 2
    assert found.error["message"] == '--env: expected a name such as "feature-x", got "No Name"'


@pytest.mark.parametrize("since", ["x", "10", "-1m", "1w", ""])
def test_a_time_that_is_none(shop: Shop, since: str) -> None:
    found = shop.run("logs", f"--since={since}", "--json")
    assert found.code == 2
    assert found.error["message"] == f'--since: expected a time such as 30s, 10m, 2h or 1d, got "{since}"'


@pytest.mark.usefixtures("clock")
def test_an_expression_that_is_none(shop: Shop) -> None:
    shop.up()
    found = shop.run("logs", "--grep", "(", "--json")
    assert found.code == 2
    assert found.error["message"].startswith('--grep: expected a regular expression, got "(": ')


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_ctrl_c_leaves_what_runs(shop: Shop, arguments: list[str]) -> None:
    found = failing(shop, KeyboardInterrupt(), *arguments)
    assert (found.code, found.out) == (130, "")
    assert (
        found.err == "interrupted: what runs is left as it is; `devenv up` goes on, `devenv down` ends it\n"
    )


def test_ctrl_c_at_a_question(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.up()
    monkeypatch.setattr(Terminal, "readline", interrupted)
    found = shop.run("down", "--volumes", typed="y\n")
    assert (found.code, found.out.strip()) == (130, "")
    assert found.err.splitlines()[-1].startswith("interrupted: what runs is left as it is")
    assert len(shop.engine.containers) == 5


def test_ctrl_c_where_nothing_had_to_be_read(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.run("up").ok()
    monkeypatch.setattr(shop.engine, "observe", interrupted)
    found = shop.run("status")
    assert (found.code, found.out) == (130, "")


def interrupted(*arguments: object) -> NoReturn:
    del arguments
    raise KeyboardInterrupt


def test_a_defect_of_ours_is_not_hidden(shop: Shop) -> None:
    with pytest.raises(ZeroDivisionError):
        failing(shop, ZeroDivisionError())


def test_the_end_of_a_command_without_a_status_is_success(shop: Shop) -> None:
    assert shop.run("status").code == 0


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_help(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Usage: devenv [OPTIONS] COMMAND [ARGS]...\n")
    assert err == ""


def test_warnings_stand_in_the_document(shop: Shop, clock: Any) -> None:
    del clock
    shop.engine.registry = None
    for image in ("shop/backend:1", "shop/frontend:1"):
        shop.engine.add_image(image)
    found = shop.run("up", "--json").ok()
    assert found.json["warnings"] == [
        "images: no registry can be reached: building images from Debian's packages instead"
    ]
    assert shop.run("status", "--json").json["warnings"] == []


def test_warnings_before_an_error_stand_in_its_document(shop: Shop) -> None:
    shop.engine.registry = None
    found = shop.run("up", "--json")
    assert found.code == 1
    assert found.error["code"] == "registry_unreachable"
    assert found.json["warnings"] != []
