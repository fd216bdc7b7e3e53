"""What readings of a queue say, and what is no reading."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.operations.drain import (
    Pace,
    Reading,
    UnreadableQueueError,
    counts_of_json,
    counts_of_rows,
    pace,
    reading_of,
)


def at(seconds: float, backlog: int, **others: Any) -> Reading:
    return Reading(seconds, backlog, **others)


def test_names_in_the_words_of_several_queues() -> None:
    assert reading_of({"READY": 5, "Running": 2, "FAILED": 1, "SUCCESSFUL": 9}, 7) == Reading(7, 5, 2, 1, 9)
    assert reading_of({"queued": 1, "pending": 2}, 0) == Reading(0, 3)
    assert reading_of({"backlog": 1, "put off": 4, "last_error": "it broke"}, 0) == Reading(
        0, 1, last_error="it broke", other={"put off": 4}
    )


@pytest.mark.parametrize(
    "nothing", [{}, {"backlog": 0}, {"done": 0, "last_error": None}, {"backlog": 0, "last_error": ""}]
)
def test_an_empty_queue(nothing: dict[str, Any]) -> None:
    found = reading_of(nothing, 0)
    assert (found.left, found.failed, found.last_error) == (0, 0, None)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"backlog": "5"}, 'expected a whole number for "backlog", got "5"'),
        ({"backlog": True}, 'expected a whole number for "backlog", got true'),
        (
            {"blue": 1, "red": 2},
            'expected one of backlog, running, failed, done among the names, got "blue", "red"',
        ),
    ],
)
def test_what_is_no_count(counts: dict[str, Any], message: str) -> None:
    with pytest.raises(UnreadableQueueError) as caught:
        reading_of(counts, 0)
    assert str(caught.value) == message


def test_rows_and_json() -> None:
    assert counts_of_rows("READY\t5\nlast_error\t404\n") == {"READY": 5, "last_error": "404"}
    assert counts_of_rows("") == {}
    assert counts_of_rows("done\t5\nfailed\t1\ndone\t2\n") == {"done": 7, "failed": 1}
    assert counts_of_json('{"backlog": 3}\n') == {"backlog": 3}


@pytest.mark.parametrize("text", ["5", "a\t5\t6"])
def test_rows_have_two_columns(text: str) -> None:
    with pytest.raises(UnreadableQueueError, match="expected rows of a name and a number"):
        counts_of_rows(text)


@pytest.mark.parametrize("text", ["", "[]", "3", "usage: rq info"])
def test_json_is_one_object(text: str) -> None:
    with pytest.raises(UnreadableQueueError, match="expected one JSON object"):
        counts_of_json(text)


@pytest.mark.parametrize(
    ("readings", "found"),
    [
        ([at(0, 5)], Pace(None, None)),
        ([at(0, 0)], Pace(None, 0)),
        # What ends per second, and how long the rest takes at the pace at which it gets less.
        ([at(0, 100, done=0), at(2, 80, done=20)], Pace(10, 8)),
        ([at(0, 100, running=4, done=0, failed=2), at(4, 82, running=2, done=10, failed=12)], Pace(5, 16.8)),
        # More is put into it than is done.
        ([at(0, 10, done=0), at(1, 15, done=3)], Pace(3, None)),
        ([at(0, 10, done=5), at(1, 10, done=5)], Pace(0, None)),
        # A queue that does not count what it did.
        ([at(0, 10), at(2, 4)], Pace(3, 4 / 3)),
        ([at(0, 10), at(1, 12)], Pace(None, None)),
        # Somebody threw old ones away.
        ([at(0, 10, done=500), at(1, 9, done=0)], Pace(None, 9)),
        # Only the last seconds count.
        ([at(0, 1000, done=0), at(50, 100, done=900), at(60, 50, done=950)], Pace(5, 10)),
        ([at(0, 3, done=0), at(1, 0, done=3)], Pace(3, 0)),
    ],
)
def test_the_pace(readings: list[Reading], found: Pace) -> None:
    assert pace(readings) == found
