"""When a start counts as slow, and what is named as the cause."""

from __future__ import annotations

import pytest

from devenv.events import Phase
from devenv.pace import slowdown
from devenv.waterfall import Span, Waterfall


def start(*, failed: bool = False, own: float = 0.0, count: int = 1, **took: float) -> Waterfall:
    """A start of these services one after the other, of the last `count` containers; each with the seconds until it was healthy."""
    spans, at = [], 0.5 + own
    for service, seconds in took.items():
        many = count if service == [*took][-1] else 1
        spans += [
            Span(service, Phase.START, at, at + 0.1, critical=True, count=many),
            Span(service, Phase.HEALTHY, at + 0.1, at + seconds, critical=True, count=many),
        ]
        at += seconds
    return Waterfall.of("shop", spans, at, failed=failed)


USUAL = [start(mysql=1.0, backend=one) for one in (1.4, 1.5, 1.6, 1.5, 9.0)]


def test_the_service_and_phase_that_grew_most_is_named() -> None:
    assert str(slowdown(start(mysql=1.2, backend=5.5), USUAL)) == (
        "this start took 7.2 s, the median of the last 5 like it 3.0 s; "
        "what grew most is backend, healthy: 5.4 s, usually 1.4 s"
    )


def test_what_nobody_waited_for_is_not_named() -> None:
    slow = start(mysql=1.2, backend=5.5)
    beside = Span("backend", Phase.START, 0.5, 7.0)
    found = slowdown(Waterfall.of("shop", [*slow.spans, beside], slow.seconds), USUAL)
    assert found is not None
    assert found.part == "backend, healthy"


def test_devenv_itself_may_be_what_grew() -> None:
    found = slowdown(start(own=4.0, mysql=1.0, backend=1.5), USUAL)
    assert found is not None
    assert (found.part, found.part_seconds, found.part_median) == ("devenv itself", 4.5, 0.5)


@pytest.mark.parametrize(
    ("backend", "is_slow"), [(1.5, False), (2.9, False), (3.0, True), (9.0, True)], ids=str
)
def test_slow_begins_at_half_as_much_again(backend: float, *, is_slow: bool) -> None:
    assert (slowdown(start(mysql=1.0, backend=backend), USUAL) is not None) is is_slow


@pytest.mark.parametrize(("seconds", "is_slow"), [(1.4, False), (1.6, True)])
def test_less_than_a_second_is_not_worth_a_word(seconds: float, *, is_slow: bool) -> None:
    usual = [start(mail=0.5)] * 5
    assert (slowdown(start(mail=seconds), usual) is not None) is is_slow


@pytest.mark.parametrize(
    "other",
    [
        start(mysql=1.0),
        start(mysql=1.0, backend=1.0, frontend=1.0),
        start(backend=1.5, mail=1.0),
        start(count=10, mysql=1.0, backend=1.5),
    ],
    ids=lambda one: str(one.work),
)
def test_like_is_compared_with_like(other: Waterfall) -> None:
    """Starts that had something else to do do not count, whichever way they differ."""
    assert slowdown(start(mysql=1.0, backend=9.0), [other] * 50) is None


def test_four_starts_are_too_few() -> None:
    slow = start(mysql=1.0, backend=9.0)
    assert slowdown(slow, USUAL[:4]) is None
    assert slowdown(slow, [*USUAL[:4], start(failed=True, mysql=1.0, backend=1.5)]) is None
    assert slowdown(slow, USUAL) is not None


def test_a_start_that_failed_is_not_called_slow() -> None:
    assert slowdown(start(failed=True, mysql=1.0, backend=9.0), USUAL) is None


def test_an_even_number_has_its_median_in_the_middle() -> None:
    usual = [start(mail=seconds) for seconds in (1.0, 1.0, 1.0, 2.0, 2.0, 2.0)]
    found = slowdown(start(mail=4.5), usual)
    assert found is not None
    assert [found.median, found.part_median] == pytest.approx([2.0, 1.4])
