"""What the benchmarks conclude from measured times, and the client that they ask with."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.bench import devservices
from tests.bench.application import Sight, Visit, sight
from tests.bench.dataset import Dataset
from tests.bench.devservices import MINIMUM, configuration, is_older, wrapper
from tests.bench.figures import Bar, Line, beside, median, ratio, table
from tests.bench.lifecycle import Times
from tests.bench.prober import Connection, ServerError, answers_again, ask, is_unmarked, probing
from tests.bench.report import Imports, Measured, Resets, bars, growth, report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOOPBACK = "127.0.0.1"
GREETING = b"\x0a9.7.4-2\x00"
OK = b"\x00\x00\x00\x02\x00\x00\x00"
DENIED = b"\xff\x15\x04#28000Access denied"
END = b"\xfe\x00\x00\x02\x00"
ROWS = (b"\x01", b"\x03def", END, b"\x0245", b"\xfb", END)


def packets(*payloads: bytes) -> bytes:
    return b"".join(len(one).to_bytes(3, "little") + b"\x00" + one for one in payloads)


@contextmanager
def server(*conversations: tuple[bytes, ...]) -> Iterator[int]:
    """Serves one client per conversation: the greeting, then one answer to each thing that the client sends."""
    with socket.create_server((LOOPBACK, 0)) as listening:

        def serve() -> None:
            for conversation in conversations:
                connection, _ = listening.accept()
                with connection:
                    connection.sendall(packets(GREETING))
                    for answer in conversation:
                        connection.recv(4096)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def measured(megabytes: int, driver: str = "overlay") -> Measured:
    """Resets that take 1 s at 10 MB, and 0.25 s more per GB."""
    resets = []
    for size in (10, megabytes):
        one = Resets(Dataset(size, 1), size * 1_000_000, branch_bytes=[150_000_000])
        ready = 1 + size / 4000
        times = {"reset": ready, "reset, read": ready + size / 1000, "floor": 1.0, "copy": 2.5}
        for name, seconds in {**times, "copy, read": 2.5, "dump": 25.0}.items():
            one.add(name, seconds)
        resets.append(one)
    visits = {"reset": [Sight(0, 1, 20.0, 900.0, 50.0), Sight(1, 0, 30.0, 1000.0, 70.0)]}
    return Measured({"branch driver": driver}, resets, Imports(Dataset(300, 12), 1, [3.0], [10.0]), visits)


def by_name(found: Measured) -> dict[str, Bar]:
    return {bar.name: bar for bar in bars(found)}


def test_a_ratio_is_the_median_of_those_of_the_rounds() -> None:
    assert ratio([1, 1, 9], [1, 2, 10]) == 0.9
    assert ratio([6, 100], [3]) == 2
    assert ratio([], [1]) is None
    assert median([]) is None


def test_a_line_goes_through_points_that_lie_on_one() -> None:
    line = Line.through([(0.1, 1.05), (1, 1.5), (5, 3.5)])
    assert (round(line.base, 9), round(line.slope, 9)) == (1.0, 0.5)


@pytest.mark.parametrize(
    ("figure", "judged", "verdict"),
    [
        (1.1, True, "aim"),
        (1.2, True, "must"),
        (1.3, True, "must"),
        (1.31, True, "missed"),
        (1.31, False, "(missed)"),
        (None, True, "-"),
    ],
)
def test_a_bar_says_how_far_it_is_met(figure: float | None, judged: bool, verdict: str) -> None:
    assert Bar("x", 1.3, 1.1, figure, is_judged=judged).verdict == verdict


def test_a_table_has_columns_as_wide_as_their_widest_cell() -> None:
    assert table(("", "ms"), [("reset", "1234"), ("copy", "5")]) == "         ms\nreset  1234\ncopy      5\n"


def test_bars_are_ratios_to_the_peers_of_the_same_data() -> None:
    found = {name: bar.measured for name, bar in by_name(measured(1000)).items()}
    assert found == {
        "reset 1 GB in 1 table / 10 MB": pytest.approx(1.25 / 1.0025),
        "reset / kill+start, 1 GB in 1 table": 1.25,
        "reset / mysql < dump, 1 GB in 1 table": 0.05,
        "reset / volume copy, 1 GB in 1 table": 0.5,
        "the two, all tables read, 1 GB in 1 table": 0.9,
        "disk of a branch, 1 GB in 1 table": 150.0,
        "db import / mysql < dump, 300 MB in 12 tables": 0.3,
        "application, reset: failed requests after it": 1,
        "application, reset: first fresh page after it": 25.0,
    }


def test_bars_of_another_size_are_not_judged() -> None:
    assert by_name(measured(1000))["reset / volume copy, 1 GB in 1 table"].verdict == "must"
    assert by_name(measured(100))["reset / volume copy, 100 MB in 1 table"].verdict == "(must)"


def test_where_blocks_are_shared_a_branch_may_take_and_cost_less() -> None:
    overlay, reflink = by_name(measured(1000)), by_name(measured(1000, "reflink"))
    read, disk = "the two, all tables read, 1 GB in 1 table", "disk of a branch, 1 GB in 1 table"
    assert (overlay[read].must, overlay[disk].must) == (1.1, 200)
    assert (reflink[read].must, reflink[disk].must) == (0.6, 140)
    assert reflink[disk].verdict == "missed"


def test_a_spare_has_a_bar_of_its_own_once_it_was_measured() -> None:
    found = measured(1000)
    found.resets[1].add("spare", 0.25)
    assert by_name(found)["reset --spare / kill+start, 1 GB in 1 table"].measured == 0.25


def test_growth_tells_the_first_reading_from_the_start() -> None:
    lines = {name: (line.base, line.slope) for name, line in growth(measured(1000).resets).items()}
    assert lines == {
        "ready, 1 table": pytest.approx((1, 0.25)),
        "first reading, 1 table": pytest.approx((0, 1)),
    }


def test_the_report_names_the_machine_the_times_and_the_bars() -> None:
    text = report(measured(1000))
    assert text.startswith("branch driver: overlay\n")
    assert re.search(r"^1 GB in 1 table +1000 MB +1250 +2250 +1000 +2500 +2500 +25000$", text, re.MULTILINE)
    assert "application, reset: 950 ms without a good page, which takes 60 ms otherwise" in text
    assert re.search(r"^reset / volume copy, 1 GB in 1 table +0\.7 +0\.4 +0\.5 +must$", text, re.MULTILINE)


@pytest.mark.parametrize("tables", [1, 200])
def test_a_seed_doubles_up_to_its_size(tables: int) -> None:
    data = Dataset(10, tables)
    sql = data.sql("run")
    added = [int(number) for number in re.findall(r"FROM item_1 WHERE id <= (\d+);", sql)]
    assert 1 + sum(added) == data.rows == 10_000 // tables
    assert len(re.findall(r"^CREATE TABLE item_", sql, re.MULTILINE)) == tables
    assert sql.count("SELECT * FROM item_1;") == tables - 1


def test_requests_are_judged_from_the_moment_at_which_the_command_returned() -> None:
    visits = [
        Visit(1.0, 1.125, good=True, fresh=False),
        Visit(1.25, 1.375, good=False, fresh=False),
        Visit(1.5, 2.0625, good=False, fresh=False),
        Visit(2.125, 2.25, good=True, fresh=True),
        Visit(2.375, 2.5, good=True, fresh=False),
    ]
    assert sight(visits, [], 2.0) == Sight(1, 1, first_fresh_ms=250, away_ms=1125, page_ms=125)
    with pytest.raises(ValueError, match="no fresh page"):
        sight(visits[:3], [], 2.0)


def test_one_who_comes_when_the_command_returned_waits_for_no_request_of_before() -> None:
    visits = [
        Visit(1.0, 1.125, good=True, fresh=False),
        Visit(1.5, 3.0, good=True, fresh=True),
    ]
    arrivals = [Visit(2.0, 2.25, good=False, fresh=False), Visit(2.25, 2.5, good=True, fresh=True)]
    assert sight(visits, arrivals, 2.0) == Sight(1, 0, first_fresh_ms=500, away_ms=1875, page_ms=125)


def test_the_client_reads_rows_and_their_end() -> None:
    with server((packets(OK), packets(*ROWS), packets(OK))) as port, Connection(port) as connection:
        assert connection.query("SELECT id FROM t") == ["45", ""]
        assert connection.query("INSERT INTO t VALUES (1)") == []


@pytest.mark.parametrize(
    "conversation",
    [(packets(DENIED),), (packets(OK), packets(DENIED)), (packets(OK), b""), (b"\x07\x00",)],
    ids=["refused", "error", "hung up", "cut"],
)
def test_whatever_is_not_the_answer_is_none(conversation: tuple[bytes, ...]) -> None:
    with server(conversation) as port:
        assert ask(port, "SELECT 1") is None


def test_an_error_says_what_the_server_said() -> None:
    with (
        server((packets(OK), packets(DENIED))) as port,
        Connection(port) as connection,
        pytest.raises(ServerError, match=r"^Access denied$"),
    ):
        connection.query("SELECT 1")


def test_nobody_listening_is_no_answer() -> None:
    with socket.create_server((LOOPBACK, 0)) as listening:
        port = listening.getsockname()[1]
    assert ask(port, "SELECT 1") is None


def test_the_prober_goes_on_until_the_answer_is_right() -> None:
    old, new = (
        packets(b"\x01", b"\x03def", END, b"\x011", END),
        packets(b"\x01", b"\x03def", END, b"\x010", END),
    )
    talks = [(packets(OK), old), (packets(DENIED),), (packets(OK), new)]
    with server(*talks) as port, probing(port, "SELECT COUNT(*) FROM mark", is_unmarked) as prober:
        prober.wait(10)


def test_the_same_server_counts_only_after_it_was_away() -> None:
    assert not answers_again("1", was_away=False)
    assert not answers_again(None, was_away=True)
    assert answers_again("1", was_away=True)


def test_two_sides_are_shown_with_their_ratio() -> None:
    assert beside("down", [1.0, 3.0, 2.0], [2.0, 2.0, 2.0]) == ("down", "2.00 s", "2.00 s", "1.00")
    assert beside("down", [], [2.0]) == ("down", "-", "2.00 s", "-")


def test_devservices_gets_the_same_services_under_another_name() -> None:
    generated = {
        "name": "shop",
        "services": {"web": {"image": "nginx", "labels": {"devenv.service": "web"}}},
        "networks": {"default": {"name": "shop_default"}},
        "volumes": {"database": {"name": "shop_database_1", "external": True}},
    }
    written = configuration(generated, "peer")
    assert written["services"] == {"web": {"image": "nginx"}}
    assert (written["name"], written["x-sentry-service-config"]["modes"]) == ("peer", {"default": ["web"]})
    assert written["networks"] == {"default": {"name": "peer_default"}}
    assert written["volumes"] == {"database": {"name": "peer_database"}}
    assert "labels" in generated["services"]["web"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("version", "older"),
    [("2.26.1-4", True), ("v2.29.6", True), (MINIMUM, False), ("5.0.0", False), ("?", True)],
)
def test_an_older_compose_is_known_by_its_numbers(version: str, older: bool) -> None:
    assert is_older(version) is older


def test_the_wrapper_answers_for_the_version_and_nothing_else(tmp_path: Path) -> None:
    real, script = tmp_path / "real docker", tmp_path / "docker"
    real.write_text('#!/bin/sh\necho "$@"\n')
    real.chmod(0o755)
    script.write_text(wrapper(str(real)))
    script.chmod(0o755)

    def said(*words: str) -> str:
        return subprocess.run(
            [str(script), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    assert said("compose", "version", "--short") == MINIMUM
    assert said("compose", "up", "a b") == "compose up a b"


def test_beside_devservices_only_what_was_measured_is_shown() -> None:
    times = Times()
    times.add("down", 1.0)
    assert devservices.report(times) == ""
    times.add("devservices down", 2.0)
    assert "down  " in devservices.report(times)
    assert "0.50" in devservices.report(times)
    assert "told that this were one" in devservices.described("2.26.1-4")
    assert devservices.described(MINIMUM) == devservices.VERSION
