"""Values over time as text: a column per moment, drawn in eighths of a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

EIGHTHS = " ▁▂▃▄▅▆▇█"


def plot(values: Sequence[float], width: int = 60, height: int = 8) -> list[str]:
    """The last `width` values as lines, from the top one, with a scale from 0 to the highest of them.

    What is more than nothing is seen, however little it is.
    """
    shown = list(values)[-width:]
    highest = max(shown, default=0)
    label = len(f"{highest:g}")
    heights = [_eighths(value, highest, height) for value in shown]
    lines = []
    for line in range(height - 1, -1, -1):
        name = f"{highest:g}" if line == height - 1 else "0" if line == 0 else ""
        columns = "".join(EIGHTHS[min(max(full - line * 8, 0), 8)] for full in heights)
        lines.append(f"{name:>{label}} │{columns}".rstrip())
    return lines


def _eighths(value: float, highest: float, height: int) -> int:
    if value <= 0 or highest <= 0:
        return 0
    return max(round(value / highest * height * 8), 1)
