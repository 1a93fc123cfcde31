"""A backtest as one page that needs nothing else: curves, tables, where promises broke.

The page's own policy forbids scripts and requests; it says nothing of where it was made, so the
same trace, policies and seed give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from math import ceil, floor

import numpy as np

from simulator.adapters.charts import Axis, Line, bars, columns, line_chart
from simulator.core.backtest import Trial
from simulator.core.bootstrap import RESAMPLES
from simulator.core.families import Family
from simulator.core.result_cells import HEADINGS, WORDS, cells, percent, sure_percent
from simulator.core.results import Point, Result, curve, is_ours
from simulator.core.strata import by_day, by_node, strata

WORST = 10
PEER_COLOURS = 14
LISTED_AT = 0.01
VIOLATION = "violation (log)"

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif;
 --ink: light-dark(#1c2530, #e4e9ee); --soft: light-dark(#5d6b79, #9aa7b3);
 --rule: light-dark(#dde3e8, #2c353e); --page: light-dark(#fff, #12181e); --ours: light-dark(#0a6bb8, #58b2ff);
 --level: light-dark(#b3261e, #ff8a80); --band: light-dark(#eef5fb, #18293a) }}
body {{ margin: 2rem auto; max-width: 74rem; padding: 0 1.25rem; color: var(--ink); background: var(--page) }}
h1 {{ font-size: 1.7rem; margin: 0 0 .3rem }} h2 {{ font-size: 1.2rem; margin: 2.4rem 0 .4rem }} h3 {{ font-size: 1rem; margin: 1.2rem 0 0 }}
p {{ margin: .4rem 0; max-width: 48rem }} .about {{ color: var(--soft) }} .lead-in {{ font-size: 1.1rem }}
.scroll {{ overflow-x: auto }} table {{ border-collapse: collapse; margin: .5rem 0; font-size: .87rem }} td small {{ color: var(--soft) }} caption {{ text-align: left; font-weight: 600; padding: .6rem 0 .2rem }}
th, td {{ padding: .2rem .5rem; text-align: left; white-space: nowrap }} th {{ border-bottom: 1px solid var(--rule); color: var(--soft); font-weight: 500 }}
td.n, th.n {{ text-align: right; font-variant-numeric: tabular-nums }} tr.ours td {{ font-weight: 600; background: var(--band) }} tr.cannot td {{ color: var(--soft) }}
dt {{ font-weight: 600 }} dd {{ margin: 0 0 .4rem 1.5rem; max-width: 46rem }} svg {{ width: 100%; max-width: 68rem; height: auto; font: 12px system-ui, sans-serif; overflow: visible }} svg text {{ fill: var(--ink) }}
svg .grid {{ stroke: var(--rule) }} svg .tick, svg .label {{ fill: var(--soft) }} svg .middle {{ text-anchor: middle }} svg .end, svg .row {{ text-anchor: end }}
svg .level {{ stroke: var(--level); stroke-dasharray: 5 4 }} svg .note {{ fill: var(--level) }} svg .halo {{ paint-order: stroke; stroke: var(--page); stroke-width: 4px }}
svg .line polyline {{ fill: none; stroke: var(--c); stroke-width: 1.6 }} svg .line .spot {{ fill: var(--c); opacity: 0 }} svg .line .mark {{ fill: var(--page); stroke: var(--c); stroke-width: 2.2 }}
svg .line .name {{ fill: var(--c) }} svg .line:hover .spot {{ opacity: 1 }} svg .line:hover polyline {{ stroke-width: 3.5 }} svg .line:hover .name {{ font-weight: 700 }}
svg .ours {{ --c: var(--ours) }} svg .line.ours polyline {{ stroke-width: 3.2 }} svg .line.ours .name {{ font-weight: 700 }} svg .line.ours .mark {{ fill: var(--c) }}
svg .bar rect, svg .column {{ fill: var(--ours); opacity: .8 }} svg .bar .value {{ fill: var(--soft) }}
svg .c0 {{ --c: light-dark(#b5541c, #f29b66) }} svg .c1 {{ --c: light-dark(#2f7d4f, #6cc592) }} svg .c2 {{ --c: light-dark(#7a4fb0, #b99aea) }} svg .c3 {{ --c: light-dark(#8a6d00, #d8b94a) }}
svg .c4 {{ --c: light-dark(#b03a67, #f08db2) }} svg .c5 {{ --c: light-dark(#157f86, #5cc8cf) }} svg .c6 {{ --c: light-dark(#6b6f76, #a5abb3) }} svg .c7 {{ --c: light-dark(#9c3c2c, #ec8f80) }}
svg .c8 {{ --c: light-dark(#55771a, #a6c763) }} svg .c9 {{ --c: light-dark(#4d5fb8, #98a7f2) }} svg .c10 {{ --c: light-dark(#8d5a8f, #d3a1d5) }} svg .c11 {{ --c: light-dark(#7b5b3d, #c9a786) }}
svg .c12 {{ --c: light-dark(#c2410c, #ffb27a) }} svg .c13 {{ --c: light-dark(#4338ca, #b4b0ff) }}
</style></head><body>
"""  # noqa: E501  a style sheet reads better in few lines

_DEFINITIONS = """<h2>Definitions</h2>
<dl>
<dt>window</dt><dd>one node at one time; what is kept is held against the highest sum of use, within
the horizon, of the pods that run there at that time. Pods that come later are not foreseen.</dd>
<dt>violation</dt><dd>the share of windows in which more came than was kept.</dd>
<dt>savings</dt><dd>1 - kept / capacity, over all nodes and times: what could be sold.</dd>
<dt>of the oracle</dt><dd>savings / the savings of one who knows what comes.</dd>
<dt>ours saves</dt><dd>slacktide's savings less this policy's, in points of the capacity.</dd>
<dt>worst node</dt><dd>the violation of the node that was exceeded most often.</dd>
<dt>as set</dt><dd>each policy at the value its authors publish, ours at the risk it promises. Each
forecast saw only what was known at its time.</dd>
<dt>at a violation</dt><dd>each policy at the value that, known only afterwards, saves most and
violates no more than that; ours moved by a share of the node. Nobody has this in practice.</dd>
</dl>
"""


_CURVES = """<h2>Savings over violation</h2>
<p>Each line is one policy over its knob; the ring is where its authors set it, the full dot
slacktide as it promised. Up and left is better. Rings at the left edge violate 0.1 % or less.</p>
"""

_FOOT = """<p class=about>Intervals in brackets are 95 %, from {draws:,} draws of whole node-days
with replacement, seed {seed}; every policy is scored on the same draws.</p>
</body></html>
"""

_OVER_TIME = """<h2>Violations over time</h2>
<p>Share of the windows that begin on each day in which slacktide kept too little. Bursts come
together, so a bad day has many.</p>
"""


@dataclass(frozen=True, slots=True)
class Page:
    """All that the page tells."""

    trace: str
    title: str
    trial: Trial
    found: Sequence[Result]
    families: Sequence[Family]
    promised: float
    seed: int


def backtest_page(page: Page) -> str:
    """The page, whole."""
    ours = next((r for r in page.found if is_ours(r.policy) and r.matched is None), None)
    title = f"slacktide backtest: {page.trace}"
    return "".join(
        [
            _HEAD.format(title=escape(title)),
            f"<h1>{escape(title)}</h1>\n<p class=about>{escape(page.title)}</p>\n",
            _summary(ours, page),
            _frontier(page),
            *(_table(list(rows), at) for at, rows in groupby(page.found, lambda r: r.matched)),
            *(_of_ours(ours, page) if ours is not None and ours.kept is not None else ()),
            _DEFINITIONS,
            _FOOT.format(draws=RESAMPLES, seed=page.seed),
        ]
    )


def _summary(ours: Result | None, page: Page) -> str:
    if ours is None or ours.score is None or ours.sure is None:
        return ""
    return (
        f'<p class="lead-in">slacktide promised that at most {percent(page.promised)} of windows'
        f" would exceed what it kept. {sure_percent(ours.score.violation, ours.sure.violation)}"
        f" did. It left {sure_percent(ours.score.savings, ours.sure.savings)} of the nodes to sell,"
        f" {ours.score.of_oracle:.3f} of what hindsight could have.</p>\n"
    )


def _frontier(page: Page) -> str:
    """The curves whole, and those near the oracle at the violations that matter."""
    lines = _lines(page)
    if not lines:
        return ""
    best = next((r.score.savings for r in page.found if r.policy == "oracle" and r.score), None)
    levels = [] if best is None else [(best, "oracle")]
    alt = "Savings of every policy over its violation; the tables below hold the numbers"
    whole = line_chart(
        lines,
        Axis(0.001, 0.5, (0.001, 0.003, 0.01, 0.03, 0.1, 0.3), VIOLATION, log=True),
        Axis(0.0, 1.0, (0, 0.2, 0.4, 0.6, 0.8, 1.0), "savings"),
        alt=alt,
        levels=levels,
    )
    top = best if best is not None else max(b for line in lines for _, b in line.points)
    low, high = floor(20 * top - 5) / 20, ceil(20 * top + 0.2) / 20
    near = line_chart(
        lines,
        Axis(0.001, 0.05, (0.001, 0.002, 0.005, 0.01, 0.02, 0.05), VIOLATION, log=True),
        Axis(
            low,
            high,
            tuple(at / 20 for at in range(round(20 * low), round(20 * high) + 1)),
            "savings",
        ),
        alt=f"{alt}; up to 5 % only",
        levels=levels,
    )
    return f"{_CURVES}{whole}<h3>The same, closer</h3>\n{near}"


def _lines(page: Page) -> list[Line]:
    as_set = {
        result.policy.partition(":")[0]: (result.score.violation, result.score.savings)
        for result in reversed(page.found)
        if result.matched is None and result.score is not None
    }
    curves = {family.name: curve(family, page.trial) for family in page.families}
    return [
        Line(
            name=name,
            points=tuple((max(p.violation, 0.001), p.savings) for p in points),
            style="ours" if is_ours(name) else f"c{at % PEER_COLOURS}",
            mark=_mark(as_set.get(name.partition(":")[0])),
        )
        for at, (name, points) in enumerate(_best_first(curves))
    ]


def _mark(at: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if at is None else (max(at[0], 0.001), at[1])


def _best_first(curves: dict[str, list[Point]]) -> list[tuple[str, list[Point]]]:
    """Ours, then by what is saved at 1 %; those that cannot come last."""

    def order(named: tuple[str, list[Point]]) -> tuple[bool, float]:
        saved = [point.savings for point in named[1] if point.violation <= LISTED_AT]
        return not is_ours(named[0]), -max(saved, default=0.0)

    return sorted(curves.items(), key=order)


def _table(rows: Sequence[Result], matched: float | None) -> str:
    title = "As set"
    if matched is not None:
        title = f"At a violation of {percent(matched)}, in hindsight"
    head = "".join(f"<th{_kind(at)}>{escape(name)}</th>" for at, name in enumerate(HEADINGS))
    body = "".join(
        f"<tr{_row_kind(result)}>"
        + "".join(f"<td{_kind(at)}>{_cell(cell)}</td>" for at, cell in enumerate(row))
        + "</tr>\n"
        for result, row in zip(rows, cells(rows), strict=True)
    )
    return (
        f'<div class="scroll"><table><caption>{title}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>\n"
    )


def _cell(text: str) -> str:
    """The interval smaller than what it is about."""
    number, bracket, interval = escape(text).partition(" [")
    return f"{number} <small>[{interval}</small>" if bracket else number


def _kind(at: int) -> str:
    return "" if at < WORDS else ' class="n"'


def _row_kind(result: Result) -> str:
    if is_ours(result.policy):
        return ' class="ours"'
    return ' class="cannot"' if result.score is None else ""


def _of_ours(ours: Result, page: Page) -> list[str]:
    """Where and when the promise of ours broke."""
    kept, trial = ours.kept, page.trial
    assert kept is not None  # noqa: S101  the caller asked
    days, broken = by_day(kept, trial)
    promised, name = page.promised, f"promised, {percent(page.promised)}"
    parts = [
        _OVER_TIME,
        columns(
            list(zip(days.tolist(), broken.tolist(), strict=True)),
            level=promised,
            level_name=name,
            label="day of the trace",
            alt="Share of windows exceeded on each day",
        ),
        "<h2>Where the promise held</h2>\n",
    ]
    for by, group in groupby(strata(kept, trial), lambda stratum: stratum.by):
        values = [
            (s.name, s.violation, f"{s.name}: {percent(s.violation)} of {s.windows:,} windows")
            for s in group
        ]
        drawn = bars(values, level=promised, level_name=name, alt=f"Share exceeded by {by}")
        parts.append(f"<h3>By {escape(by)}</h3>\n{drawn}")
    shares = by_node(kept, trial)
    worst = np.argsort(-shares, kind="stable")[:WORST].tolist()
    nodes = [
        (trial.history.nodes[at], float(shares[at]), f"{percent(float(shares[at]))} exceeded")
        for at in worst
    ]
    drawn = bars(nodes, level=promised, level_name=name, alt="Share exceeded of the worst nodes")
    parts.append(f"<h3>The nodes exceeded most often</h3>\n{drawn}")
    return parts
