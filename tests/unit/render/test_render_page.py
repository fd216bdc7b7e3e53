"""The page of a waterfall: the same picture, whole in itself, and nothing in it that somebody named."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from devenv.events import Phase
from devenv.render.waterfall import COLOURS, page
from devenv.waterfall import Span, Waterfall

EVIL = "<script>alert('&')</script>"
START = Waterfall.of(
    f"shop{EVIL}",
    [
        Span("compose", Phase.CREATE, 1.0, 2.0, critical=True),
        Span("backend", Phase.START, 2.0, 4.0, critical=True),
        Span("backend", Phase.HEALTHY, 4.0, 9.0, critical=True, failed=True),
        Span(EVIL, Phase.START, 2.0, 3.0),
    ],
    10.0,
    failed=True,
)


class Reader(HTMLParser):
    """Tags with their attributes, and the text of the table's cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()


def test_it_holds_what_the_text_holds() -> None:
    rows = [row[:4] for row in Reader(page(START)).rows]
    assert rows[1:] == [
        ["compose", "create", "1.00", "1.00 s"],
        ["backend", "start", "2.00", "2.00 s"],
        ["", "healthy", "4.00", "5.00 s"],
        [EVIL, "start", "2.00", "1.00 s"],
        ["devenv itself", "", "", "2.00 s"],
    ]


def test_bars_lie_where_the_time_went() -> None:
    found = Reader(page(START))
    bars = [attrs for tag, attrs in found.tags if tag == "span" and attrs["class"] != "tick"]
    assert [bar["style"] for bar in bars] == [
        "left:10.00%;width:10.00%",
        "left:20.00%;width:20.00%",
        "left:40.00%;width:50.00%",
        "left:20.00%;width:10.00%",
        "left:0.00%;width:10.00%",
        "left:90.00%;width:10.00%",
    ]
    classes = [attrs["class"] for tag, attrs in found.tags if tag == "tr" and "class" in attrs]
    assert classes == ["critical", "critical", "critical failed", "", "itself"]


def test_names_are_only_text() -> None:
    found = Reader(page(START))
    assert "script" not in {tag for tag, _ in found.tags}
    assert EVIL in str(found.rows)


def test_it_needs_nothing_else() -> None:
    text = page(START)
    reaches_out = {"src", "href", "action", "onload", "onclick"}
    assert not [attrs for _, attrs in Reader(text).tags if reaches_out & attrs.keys()]
    assert not re.search(r"url\(|@import|://", text)


def test_every_phase_has_its_colours_on_light_and_on_dark() -> None:
    assert set(COLOURS) == set(Phase)
    text = page(START)
    for phase, (light, dark) in COLOURS.items():
        name = f"--{phase.name.lower()}"
        assert f"{name}: {light};" in text.partition("prefers-color-scheme: dark")[0]
        assert f"{name}: {dark};" in text.partition("prefers-color-scheme: dark")[2]


def test_a_start_of_no_time_has_a_page() -> None:
    assert "nothing to do" in page(Waterfall.of("shop", [], 0.0))
