"""The queue is read as the configuration says, and an unreadable one says what to do."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest

from devenv.errors import OperationError
from devenv.operations.queue import QueueReport, queue, watch

if TYPE_CHECKING:
    from tests.clock import Clock
    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")

ERROR = "campaigns.tasks.draw_report: ValueError: no figures"


def rows(backlog: int, done: int) -> str:
    return f"READY\t{backlog}\nRUNNING\t2\nFAILED\t1\nSUCCESSFUL\t{done}\nlast_error\t{ERROR}\n"


def test_the_references_queue(shop: Shop, clock: Clock) -> None:
    shop.up()
    shop.engine.answer("dbtaskresult", rows(100, 0))
    clock.after[clock.waits + 1] = lambda: shop.engine.answer("dbtaskresult", rows(78, 22))

    found = queue(shop.session())

    assert found == QueueReport(78, 2, 1, 22, ERROR, {}, 1, rate=22, drain_seconds=80 / 22)
    read = shop.engine.executed[-1]
    assert read.container == "shop-databasemaster-1"
    assert read.command[-1].startswith("USE `app`; SELECT CASE WHEN status = 'READY'")


def test_a_watch_remembers_what_was_left(shop: Shop, clock: Clock) -> None:
    shop.up()
    shop.engine.answer("dbtaskresult", rows(10, 0))
    for number, backlog in enumerate((6, 3), start=1):
        text = rows(backlog, 10 - backlog)
        clock.after[clock.waits + number] = lambda text=text: shop.engine.answer("dbtaskresult", text)  # type: ignore[misc]

    glances = list(islice(watch(shop.session()), 3))

    assert [glance.left for glance in glances] == [(12,), (12, 8), (12, 8, 5)]
    assert [glance.report.rate for glance in glances] == [None, 4, 3.5]


def test_any_query(shop: Shop) -> None:
    shop.add("taskrunner: {queue: {query: 'SELECT state, COUNT(*) FROM job GROUP BY state'}}\n")
    shop.up()
    shop.engine.answer("FROM job", "queued\t3\nblocked\t1\n")
    found = queue(shop.session())
    assert (found.backlog, found.done, found.other) == (3, None, {"blocked": 1})
    assert (found.rate, found.drain_seconds) == (0, None)


@pytest.mark.parametrize(
    ("written", "words"),
    [("rq info --json", ("sh", "-c", "rq info --json")), ("[rq, info]", ("rq", "info"))],
)
def test_any_command(shop: Shop, written: str, words: tuple[str, ...]) -> None:
    shop.add(f"taskrunner: {{queue: {{command: {written}, service: taskrunner}}}}\n")
    shop.up()
    shop.engine.answer("rq info", '{"queued": 0, "started": 1, "last_error": "gone"}')
    found = queue(shop.session())
    assert (found.backlog, found.running, found.last_error) == (0, 1, "gone")
    assert (shop.engine.executed[-1].container, shop.engine.executed[-1].command) == (
        "shop-taskrunner-1",
        words,
    )


def test_another_queue_than_the_references_needs_words(shop: Shop) -> None:
    shop.up()
    shop.engine.answer("dbtaskresult", "ERROR 1146 (42S02) at line 1: Table 'x' doesn't exist", 1)
    with pytest.raises(OperationError) as caught:
        queue(shop.session())
    error = caught.value
    assert (error.code, error.where) == ("queue_unreadable", None)
    assert error.evidence == ("ERROR 1146 (42S02) at line 1: Table 'x' doesn't exist",)
    assert error.hint is not None
    assert "taskrunner: {queue: {query: ...}}" in error.hint


def test_what_was_said_about_it_is_wrong(shop: Shop) -> None:
    shop.add("taskrunner: {queue: {query: SELECT 5}}\n")
    shop.up()
    shop.engine.answer("SELECT 5", "5\n")
    with pytest.raises(OperationError) as caught:
        queue(shop.session())
    assert caught.value.message == 'expected rows of a name and a number, got "5"'
    assert (caught.value.where, caught.value.hint) == ("devenv.yaml:7:21", "mend what taskrunner.queue says")


def test_without_a_database_there_is_nothing_to_read(shop: Shop) -> None:
    with pytest.raises(OperationError) as caught:
        queue(shop.session())
    assert caught.value.code == "not_up"
