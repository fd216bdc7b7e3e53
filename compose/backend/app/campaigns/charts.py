"""Draws a campaign's figures as SVG. Pure: figures in, text out."""

from collections.abc import Sequence
from datetime import date
from html import escape

WIDTH, HEIGHT = 900, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 64, 48

Day = tuple[date, int, int]  # the day, its impressions, its clicks


def draw_chart(title: str, note: str, days: Sequence[Day]) -> str:
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>
<text x="{LEFT}" y="28" font-size="18" fill="#1f2933">{escape(title)}</text>
<text x="{LEFT}" y="46" fill="#7b8794">{escape(note)}</text>
{_plot(days) if days else _nothing()}
</svg>
"""


def _plot(days: Sequence[Day]) -> str:
    first, last = days[0][0], days[-1][0]
    span = max((last - first).days, 1)

    def x(day: date) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (day - first).days / span

    impressions = _line([(x(day), seen) for day, seen, _ in days])
    clicks = _line([(x(day), clicked) for day, _, clicked in days])
    floor = HEIGHT - BOTTOM
    return f"""\
<polygon points="{LEFT},{floor} {impressions} {x(last):.1f},{floor}" fill="#d9e8f6"/>
<polyline points="{clicks}" fill="none" stroke="#c2410c" stroke-width="1.5"/>
<line x1="{LEFT}" y1="{floor}" x2="{WIDTH - RIGHT}" y2="{floor}" stroke="#9aa5b1"/>
<text x="{LEFT}" y="{floor + 20}" fill="#52606d">{first:%d %b %Y}</text>
<text x="{WIDTH - RIGHT}" y="{floor + 20}" fill="#52606d" text-anchor="end">{last:%d %b %Y}</text>
{_legend("#7fb0dc", "impressions", sum(seen for _, seen, _ in days), WIDTH - 380)}
{_legend("#c2410c", "clicks", sum(clicked for _, _, clicked in days), WIDTH - 180)}"""


def _line(points: Sequence[tuple[float, int]]) -> str:
    """The points of a curve that uses the whole height."""
    highest = max(value for _, value in points) or 1

    def y(value: int) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / highest

    return " ".join(f"{x:.1f},{y(value):.1f}" for x, value in points)


def _legend(colour: str, name: str, total: int, x: int) -> str:
    return (
        f'<rect x="{x}" y="18" width="10" height="10" fill="{colour}"/>'
        f'<text x="{x + 16}" y="27" fill="#1f2933">{total:,} {name}</text>'
    )


def _nothing() -> str:
    return f'<text x="{WIDTH / 2}" y="{HEIGHT / 2}" text-anchor="middle" fill="#7b8794">No figures yet</text>'
