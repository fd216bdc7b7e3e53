"""`scale` and `queue`: what stands on standard output, for people and for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.test_cli_commands import assert_said, block, shown

if TYPE_CHECKING:
    from tests.clock import Clock
    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")

ROWS = "READY\t{}\nRUNNING\t1\nFAILED\t1\nSUCCESSFUL\t{}\nput off\t4\nlast_error\tcampaigns.tasks.draw_report: KeyError: 7\n"


def test_scale(shop: Shop) -> None:
    shop.up()
    found = shop.run("scale", "taskrunner=3").ok()
    assert shown(found.out) == block("""
        SERVICE     RUNNING  WANTED  SAID BY
        taskrunner  3        3       devenv scale
        shop is scaled after 0.1 s
    """)
    assert_said(
        shop.run("scale"),
        0,
        """
        SERVICE     RUNNING  WANTED  SAID BY
        taskrunner  3        3       devenv scale
        """,
    )


def test_scale_as_json(shop: Shop) -> None:
    shop.up()
    document = shop.run("scale", "taskrunner=0", "--json").ok().json
    assert document["schema"] == "devenv.scale/1"
    assert document["data"] == {
        "project": "shop",
        "services": [{"name": "taskrunner", "running": 0, "wanted": 0, "origin": "devenv scale"}],
        "seconds": 0.0,
    }


@pytest.mark.parametrize(
    "word", ["taskrunner", "taskrunner=", "=3", "taskrunner=-1", "taskrunner=101", "taskrunner=x"]
)
def test_scale_wants_a_number(shop: Shop, word: str) -> None:
    found = shop.run("scale", word)
    assert found.code == 2
    assert f'expected SERVICE=N with N of 0-100, such as taskrunner=10, got "{word}"' in found.err


def draining(shop: Shop, clock: Clock, *readings: tuple[int, int]) -> None:
    """The queue gives one reading after the other; after the last one somebody presses Ctrl-C."""
    texts = [ROWS.format(*reading) for reading in readings]

    def interrupt() -> None:
        raise KeyboardInterrupt

    shop.engine.answer("dbtaskresult", texts[0])
    for number, text in enumerate(texts[1:], start=1):
        clock.after[clock.waits + number] = lambda text=text: shop.engine.answer("dbtaskresult", text)  # type: ignore[misc]
    clock.after[clock.waits + len(texts)] = interrupt


def test_queue(shop: Shop, clock: Clock) -> None:
    shop.up()
    draining(shop, clock, (200, 0), (151, 49))
    assert_said(
        shop.run("queue"),
        0,
        """
        BACKLOG  RUNNING  FAILED  DONE  PUT OFF  WORKERS  RATE    DRAINED IN
        151      1        1       49    4        1        49.0/s  3 s
        last error: campaigns.tasks.draw_report: KeyError: 7
        """,
    )


def test_queue_as_json(shop: Shop, clock: Clock) -> None:
    shop.up()
    draining(shop, clock, (200, 0), (210, 20))
    document = shop.run("queue", "--json").ok().json
    assert document["schema"] == "devenv.queue/1"
    assert document["data"] == {
        "backlog": 210,
        "running": 1,
        "failed": 1,
        "done": 20,
        "last_error": "campaigns.tasks.draw_report: KeyError: 7",
        "other": {"put off": 4},
        "workers": 1,
        "rate": 20.0,
        "drain_seconds": None,
    }


def test_queue_watched_as_json_is_a_document_per_line(shop: Shop, clock: Clock) -> None:
    shop.up()
    draining(shop, clock, (9, 0), (5, 4), (0, 9))
    found = shop.run("queue", "--watch", "--json")
    assert found.code == 130
    assert [row["data"]["backlog"] for row in found.documents] == [9, 5, 0]
    assert {row["schema"] for row in found.documents} == {"devenv.queue/1"}


def test_queue_watched_is_drawn(shop: Shop, clock: Clock) -> None:
    shop.up()
    draining(shop, clock, (15, 0), (7, 8))
    lines = shop.run("queue", "-w").out.splitlines()
    assert lines[-8:] == [
        "16 │█",
        "   │█",
        "   │█",
        "   │█",
        "   │██",
        "   │██",
        "   │██",
        " 0 │██",
    ]


@pytest.mark.parametrize(
    ("backlog", "text"),
    [(4, "5 s"), (100, "1 min 41 s"), (7199, "2 h 0 min"), (9000, "2 h 30 min")],
)
def test_the_time_to_drain_in_words(shop: Shop, clock: Clock, backlog: int, text: str) -> None:
    shop.up()
    draining(shop, clock, (backlog + 1, 0), (backlog, 1))
    assert text in shop.run("queue").out


def test_a_backlog_that_grows_is_never_drained(shop: Shop, clock: Clock) -> None:
    shop.up()
    draining(shop, clock, (5, 0), (6, 1))
    assert "never, at this pace" in shop.run("queue").out
