"""Values over time, as they are drawn."""

from __future__ import annotations

from devenv.cli.plot import plot


def test_a_drain() -> None:
    assert plot([16, 12, 8, 4, 1, 0], height=2) == [
        "16 │█▄",
        " 0 │███▄▁",
    ]


def test_little_is_more_than_nothing() -> None:
    assert plot([10000, 1, 0], height=1) == ["10000 │█▁"]


def test_the_last_values_are_drawn() -> None:
    assert plot([99, 2, 1], width=2, height=1) == ["2 │█▄"]


def test_nothing() -> None:
    assert plot([], height=2) == ["0 │", "0 │"]
    assert plot([0, 0], height=2) == ["0 │", "0 │"]
