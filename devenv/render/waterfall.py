"""A waterfall as a page of its own: HTML and CSS in one file, without a script and without a link to anywhere."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from devenv.events import Phase
from devenv.waterfall import ITSELF

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from devenv.waterfall import Span, Waterfall

TICKS = 4
COLOURS: dict[Phase, tuple[str, str]] = {
    Phase.WAIT: ("#8b8f98", "#8b8f98"),
    Phase.IMAGE: ("#7c5cc4", "#a48be0"),
    Phase.SEED: ("#b5651d", "#e0954e"),
    Phase.BRANCH: ("#a08a00", "#d0b93a"),
    Phase.CREATE: ("#2f6fb8", "#6aa5e6"),
    Phase.START: ("#1a8f8a", "#4cc3bd"),
    Phase.PROBE: ("#93a1ad", "#71808d"),
    Phase.HEALTHY: ("#2e8b45", "#5dbd74"),
    Phase.SPARE: ("#b0578d", "#d888b7"),
}
"""Of each phase's bars, on light and on dark."""
STYLE = """\
:root { color-scheme: light dark; --ground: #ffffff; --text: #1d2025; --dim: #666c75; --line: #e3e6ea;
  --band: #f5f7f9; --mark: #c2261d; LIGHT }
@media (prefers-color-scheme: dark) { :root { --ground: #16181c; --text: #e4e7eb; --dim: #979ea8; --line: #2c3037;
  --band: #1c1f24; --mark: #ff7b6b; DARK } }
body { background: var(--ground); color: var(--text); font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto;
  max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.25rem; margin: 0 0 .25rem; }
p { color: var(--dim); margin: .25rem 0; }
ul { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; list-style: none; margin: 1rem 0; padding: 0; }
i { border-radius: 2px; display: inline-block; height: .75em; margin-right: .4em; width: .75em; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .15rem .5rem; text-align: left; white-space: nowrap; }
thead th { border-bottom: 1px solid var(--line); color: var(--dim); font-weight: normal; }
tbody { border-bottom: 1px solid var(--line); }
tbody:nth-of-type(odd) { background: var(--band); }
.n { font-variant-numeric: tabular-nums; text-align: right; }
.t { padding: 0; width: 60%; }
.t div { height: 1.1em; position: relative; }
.t span { border-radius: 2px; box-sizing: border-box; height: .8em; min-width: 2px; opacity: .55; position: absolute;
  top: .15em; }
.t .tick { background: none; height: auto; opacity: 1; top: 0; transform: translateX(-50%); }
.t .tick:first-child { transform: none; }
.t .tick:last-child { transform: translateX(-100%); }
.critical .t span { box-shadow: 0 0 0 2px var(--mark); opacity: 1; }
.critical td:nth-of-type(1)::after { color: var(--mark); content: " \\2217"; font-weight: bold; }
.failed .t span { background: var(--mark) !important; opacity: 1; }
.failed td:nth-of-type(1)::after { color: var(--mark); content: " failed"; }
.itself span { background: var(--dim); }
.mark { background: none; box-shadow: 0 0 0 2px var(--mark); }
"""


def page(waterfall: Waterfall) -> str:
    """The whole page."""
    body = [
        f"<h1>{escape(waterfall.title)}</h1>",
        f"<p>{ITSELF}: {waterfall.overhead:.2f} s, in which it waited for nothing else.</p>",
        *_critical_path(waterfall),
        *_legend(waterfall),
        "<table>",
        _head(waterfall.seconds),
        *_rows(waterfall),
        _itself(waterfall),
        "</table>",
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(waterfall.title)}</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _style() -> str:
    light, dark = (
        " ".join(f"--{_name(phase)}: {colours[place]};" for phase, colours in COLOURS.items())
        for place in (0, 1)
    )
    bars = "".join(f".{_name(phase)} {{ background: var(--{_name(phase)}); }}\n" for phase in COLOURS)
    return STYLE.replace("LIGHT", light).replace("DARK", dark) + bars


def _name(phase: Phase) -> str:
    """What CSS calls a phase."""
    return phase.name.lower()


def _critical_path(waterfall: Waterfall) -> Iterator[str]:
    if waterfall.path:
        yield f"<p>Critical path: {escape(' → '.join(waterfall.path))}</p>"


def _legend(waterfall: Waterfall) -> Iterator[str]:
    phases = {span.phase for span in waterfall.spans}
    yield "<ul>"
    yield from (f'<li><i class="{_name(phase)}"></i>{phase}</li>' for phase in COLOURS if phase in phases)
    if waterfall.path:
        yield '<li><i class="mark"></i>on the critical path</li>'
    yield "</ul>"


def _ticks(seconds: float) -> Iterator[str]:
    for number in range(TICKS + 1):
        part = number / TICKS
        yield f'<span class="tick" style="left:{part:.0%}">{part * seconds:.2f} s</span>'


def _head(seconds: float) -> str:
    return (
        '<thead><tr><th>Service<th>Phase<th class="n">At<th class="n">Took<th class="t">'
        f"<div>{''.join(_ticks(seconds))}</div></tr></thead>"
    )


def _rows(waterfall: Waterfall) -> Iterator[str]:
    """A group per service, its name on the first of its rows."""
    before = ""
    for span in waterfall.spans:
        if span.service != before:
            yield "<tbody>"
        yield _row(span, waterfall.seconds, "" if span.service == before else span.service)
        before = span.service


def _row(span: Span, seconds: float, shown: str) -> str:
    words = [word for word, holds in (("critical", span.critical), ("failed", span.failed)) if holds]
    bar = _bars([(span.begin, span.end)], seconds, _name(span.phase))
    return (
        f'<tr class="{" ".join(words)}"><th>{escape(shown)}<td>{span.phase}'
        f'<td class="n">{span.begin:.2f}<td class="n">{span.seconds:.2f} s<td class="t"><div>{bar}</div></tr>'
    )


def _itself(waterfall: Waterfall) -> str:
    bars = _bars(waterfall.gaps, waterfall.seconds, "")
    return (
        f'<tbody><tr class="itself"><th>{ITSELF}<td><td class="n"><td class="n">{waterfall.overhead:.2f} s'
        f'<td class="t"><div>{bars}</div></tr>'
    )


def _bars(stretches: Iterable[tuple[float, float]], seconds: float, name: str) -> str:
    whole = seconds or 1.0
    return "".join(
        f'<span class="{name}" style="left:{begin / whole:.2%};width:{(end - begin) / whole:.2%}"></span>'
        for begin, end in stretches
    )
