"""The one place that writes: values as JSON, events as lines, colours only for who can see them."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from devenv.cli.output import Output, PlainSink, plain
from devenv.errors import OperationError
from devenv.events import Event, Status
from devenv.model import Condition
from tests.harness import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.shop import Shop


class Screen(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


@dataclass
class Streams:
    """Both standard streams, as terminals."""

    out: Screen
    err: Screen


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a terminal that can do all that terminals can."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR")


@contextmanager
def screens() -> Iterator[Streams]:
    """Somebody looks at both streams."""
    with redirect_stdout(Screen()) as out, redirect_stderr(Screen()) as err:
        yield Streams(out, err)


@dataclass(frozen=True)
class Value:
    """Something that a command may return."""

    path: Path
    condition: Condition
    inner: tuple[dict[int, Any], ...]


def test_any_value_of_ours_is_json() -> None:
    value = Value(Path("/x"), Condition.HEALTHY, ({1: {"a"}, 2: None},))
    assert plain(value) == {"path": "/x", "condition": "service_healthy", "inner": [{"1": ["a"], "2": None}]}
    assert json.dumps(plain([1, 2.5, True, "ß"]))


def test_a_document_is_one_line_of_utf8(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).document("devenv.x/1", {"text": "Größe\nzwei"})
    assert capsys.readouterr().out == (
        '{"schema": "devenv.x/1", "ok": true, "data": {"text": "Größe\\nzwei"}, "warnings": [], "errors": []}\n'
    )


def test_a_result_is_either_for_people_or_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).result("devenv.x/1", {}, lambda: pytest.fail("this is for people"))
    assert json.loads(capsys.readouterr().out)["data"] == {}
    Output().result("devenv.x/1", object(), lambda: Output().print("for people"))
    assert capsys.readouterr().out == "for people\n"


def events(*texts: str, status: Status = Status.WORKING, detail: str = "") -> list[Event]:
    return [Event("backend", status, text, detail) for text in texts]


@pytest.mark.parametrize(
    ("sent", "lines"),
    [
        (events("a"), [".. backend: a"]),
        (events("a", status=Status.DONE), ["ok backend: a"]),
        (events("a", status=Status.FAILED), ["XX backend: a"]),
        (events("a", status=Status.WARNING), ["!! backend: a"]),
        (events("a", status=Status.WARNING, detail="x.yaml:1:1"), ["!! backend: a (x.yaml:1:1)"]),
        (events("a", detail="hidden"), [".. backend: a"]),
        (events("a", "a", "b", "a"), [".. backend: a", ".. backend: b", ".. backend: a"]),
        ([*events("a"), Event("other", Status.WORKING, "a"), *events("a")], [".. backend: a", ".. other: a"]),
    ],
)
def test_events_as_lines(capsys: pytest.CaptureFixture[str], sent: list[Event], lines: list[str]) -> None:
    sink = PlainSink()
    for event in sent:
        sink.emit(event)
    assert capsys.readouterr().err.splitlines() == lines


def test_verbose_lines_show_every_detail(capsys: pytest.CaptureFixture[str]) -> None:
    sink = PlainSink(verbose=True)
    for detail in ("#1 one", "#2 two", ""):
        sink.emit(Event("image x", Status.WORKING, "building", detail))
    assert capsys.readouterr().err.splitlines() == [
        ".. image x: building",
        "   image x: #1 one",
        "   image x: #2 two",
    ]


def test_a_warning_is_collected_once(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    with output.progress() as sink:
        for event in [*events("careful", "careful", status=Status.WARNING), *events("fine")]:
            sink.emit(event)
    output.document("devenv.x/1", None)
    captured = capsys.readouterr()
    assert json.loads(captured.out)["warnings"] == ["backend: careful"]
    assert captured.err == "!! backend: careful\n.. backend: fine\n"


@pytest.mark.usefixtures("terminal")
def test_at_a_terminal_progress_is_redrawn_in_place() -> None:
    with screens() as seen, Output().progress() as sink:
        sink.emit(Event("backend", Status.WORKING, "starting", "a detail"))
        sink.emit(Event("[x]", Status.DONE, "built :x: [/x]"))
        sink.emit(Event("backend", Status.FAILED, "is unhealthy"))
    drawn = re.split(r"\x1b\[\d*A", seen.err.getvalue())
    assert "is unhealthy" in drawn[-1]
    assert "built :x: [/x]" in drawn[-1]
    assert "starting" not in drawn[-1]
    assert seen.out.getvalue() == ""


@pytest.mark.usefixtures("terminal")
def test_json_is_never_redrawn() -> None:
    with screens() as seen, Output(as_json=True).progress() as sink:
        sink.emit(Event("backend", Status.WORKING, "starting"))
    assert seen.err.getvalue() == ".. backend: starting\n"


def colourful(output: Output) -> str:
    """Something of everything that has a colour, as somebody at a terminal gets it."""
    with screens() as seen:
        output.table(("STATE",), [("healthy",)])
        output.print("text", "yellow")
        output.log_writer()("backend", "line")
        output.error(OperationError("it failed", hint="mend it"))
    return seen.out.getvalue() + seen.err.getvalue()


COLOURS = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-7]|38|9[0-7])(?=[;m])")


@pytest.mark.usefixtures("terminal")
def test_a_terminal_gets_colours() -> None:
    text = colourful(Output())
    assert "\x1b[32mhealthy" in text
    assert "\x1b[31merror: it failed" in text
    assert COLOURS.search(text)


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("way", ["the option", "the variable"])
def test_who_wants_no_colours_gets_none(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    if way == "the variable":
        monkeypatch.setenv("NO_COLOR", "1")
    text = colourful(Output(color=False if way == "the option" else None))
    assert "healthy" in text
    assert not COLOURS.search(text)


@pytest.mark.usefixtures("terminal")
def test_the_option_reaches_the_output(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    shop.engine.fail("info", OperationError("it failed"))
    assert COLOURS.search(shop.run("status").err)
    assert not COLOURS.search(shop.run("--no-color", "status").err)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not COLOURS.search(shop.run("status").err)


def test_a_pipe_gets_neither_colours_nor_broken_lines(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.table(("NAME", "VALUE"), [("a" * 100, "b" * 150), ("healthy", "x")])
    output.log_writer()("backend", "\x1b[31mred\x1b[0m " + "y" * 300)
    lines = capsys.readouterr().out.splitlines()
    assert [line.rstrip() for line in lines] == [
        f"{'NAME':<100}  VALUE",
        f"{'a' * 100}  {'b' * 150}",
        f"{'healthy':<100}  x",
        f"backend       | red {'y' * 300}",
    ]


@pytest.mark.usefixtures("clock")
def test_a_log_shows_brackets_and_colons_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    Output().log_writer()("backend", "[red]x[/red] :x: \\[0]")
    assert capsys.readouterr().out == "backend       | [red]x[/red] :x: \\[0]\n"


@pytest.mark.usefixtures("terminal")
def test_services_have_colours_of_their_own() -> None:
    with screens() as seen:
        write = Output().log_writer()
        for name in ("a", "b", "a"):
            write(name, "x")
    first, second, third = seen.out.getvalue().splitlines()
    assert first == third
    assert first.replace("a ", "b ") != second


def test_who_stops_reading_hears_no_complaint() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "devenv", "schema"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert (process.wait(timeout=30), process.stderr.read()) == (0, b"")
