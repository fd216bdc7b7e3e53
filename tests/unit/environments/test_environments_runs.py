"""The starts that are kept: the last ones, whatever becomes of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.environments.runs import KEPT, Runs
from devenv.events import Phase
from devenv.waterfall import Span, Waterfall

if TYPE_CHECKING:
    from pathlib import Path

AT = "2026-01-02T03:04:05+00:00"
SPANS = (
    Span("compose", Phase.CREATE, 0.1, 0.5, critical=True),
    Span("backend", Phase.PROBE, 0.5, 0.9, critical=True, failed=True),
)


def run(seconds: float = 1.0) -> Waterfall:
    return Waterfall.of("shop", SPANS, seconds, failed=True)


def test_what_was_kept_is_read_as_it_was(tmp_path: Path) -> None:
    Runs(tmp_path / "runs.jsonl").add(run(), AT)
    assert Runs(tmp_path / "runs.jsonl").last() == (run(),)
    assert AT in (tmp_path / "runs.jsonl").read_text()


def test_the_last_fifty_are_kept(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "runs.jsonl")
    for seconds in range(1, 181):
        runs.add(run(seconds), AT)
    assert [one.seconds for one in runs.last()] == list(range(131, 181))
    assert (
        KEPT <= len([line for line in (tmp_path / "runs.jsonl").read_text().splitlines() if line]) < 2 * KEPT
    )


def test_the_seconds_of_those_that_had_the_same_to_do(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "runs.jsonl")
    for seconds in (1.0, 2.5, 9.0):
        runs.add(run(seconds), AT)
    runs.add(Waterfall.of("shop", SPANS, 3.0), AT)
    runs.add(Waterfall.of("shop", SPANS[:1], 4.0, failed=True), AT)
    file = tmp_path / "runs.jsonl"
    whole = file.read_text().split("\n")[1]
    file.write_text(f"{file.read_text()}{whole[: whole.index('seconds') + 10]}\n")
    assert runs.seconds_of(run()) == (1.0, 2.5, 9.0)


def test_damaged_lines_are_ignored(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    runs = Runs(file)
    runs.add(run(1), AT)
    whole = file.read_text().strip()
    file.write_bytes(
        b'{"a": 1}\nnull\n[1]\n\xff\xfe\n'
        + whole.replace("create", "dance").encode()
        + b"\n"
        + whole[:-9].encode()
    )
    runs.add(run(2), AT)
    assert [one.seconds for one in runs.last()] == [2]


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "missing" / "runs.jsonl")
    runs.add(run(), AT)
    assert runs.last() == ()
    assert not (tmp_path / "missing").exists()
