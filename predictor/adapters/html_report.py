"""The findings as one page that needs nothing else: no font, no picture, no request to anywhere.

Every text is escaped, and the page's own policy forbids what an escape might miss: only the page's
one script, named by its hash, may run. Without it the page reads the same; it only sorts and finds.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from html import escape
from itertools import groupby
from typing import Final

from predictor.adapters.cells import (
    CLUSTER,
    NAMING,
    NUMBERS,
    bytes_text,
    cells,
    columns_of,
    cores_text,
)
from predictor.adapters.report_style import SCRIPT, STYLE
from predictor.adapters.sparkline import sparkline
from predictor.core.plot import Bars
from predictor.core.ranking import Change, Finding, Side, key_of, letter, score
from predictor.core.report import Report, summary

_HASH: Final = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
_POLICY: Final = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_HASH}'"
_HEAD: Final = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>slacktide: right-sizing</title>
<style>{STYLE}</style></head><body><main>
"""
TITLES: Final = {
    Side.UNDER: "Need more",
    Side.OVER: "Hand back",
    Side.FITS: "Fit",
    Side.UNKNOWN: "Not enough data",
}
LEGEND: Final = (
    '<p class="legend"><span class="usual"></span>p95 of 4 h <span class="most"></span>highest'
    ' <span class="now"></span>request now <span class="then"></span>recommended; a replica,'
    " two weeks, now right</p>\n"
)


def html_report(report: Report) -> str:
    """The page; findings in their order, a table for each side."""
    points = score(report.findings)
    cards = [("score", f"{points} of 100 ({letter(points)}), as KRR counts it"), *summary(report)]
    told = "".join(f"<div><dt>{escape(n)}</dt><dd>{escape(s)}</dd></div>" for n, s in cards)
    head = (
        f"<h1>{escape(report.title)}</h1>\n<dl>{told}</dl>\n"
        '<p><label>Find <input type="search" id="find" autocomplete="off"></label></p>\n'
        f"{LEGEND if report.pictures else ''}"
    )
    groups = groupby(report.findings, lambda found: found.side)
    tables = (_table(side, list(group), report) for side, group in groups)
    script = f"</main><script>{SCRIPT}</script></body></html>\n"
    return "".join([_HEAD, head, *tables, script])


def _table(side: Side, group: Sequence[Finding], report: Report) -> str:
    drawn = any(key_of(found.advice) in report.pictures for found in group)
    head = _heading("workload") + ('<th scope="col">two weeks</th>' if drawn else "")
    head += "".join(_heading(column) for column in _shown(report)) + '<th scope="col">why</th>'
    rows = "".join(_row(found, report, drawn=drawn) for found in group)
    return (
        f'<div class="wide"><table><caption>{escape(TITLES[side])} ({len(group)})</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    )


def _shown(report: Report) -> tuple[str, ...]:
    """The columns beside the name: what would change first, limits last."""
    rest = [column for column in columns_of(report) if column not in {CLUSTER, *NAMING}]
    return ("replicas", *sorted(rest, key=lambda column: column.endswith("limit")))


def _heading(column: str) -> str:
    return f'<th scope="col"{_kind(column)}><button type="button">{escape(column)}</button></th>'


def _row(found: Finding, report: Report, *, drawn: bool) -> str:
    by_column = dict(zip(columns_of(report), cells(found, report), strict=True))
    shown = "".join(
        f"<td{_kind(column)}{_order(column, found)}>{escape(by_column[column])}</td>"
        for column in _shown(report)
    )
    pictures = f'<td class="drawn">{_pictures(found, report)}</td>' if drawn else ""
    clauses = "".join(f"<li>{escape(part)}</li>" for part in found.advice.reason.split("; "))
    first = escape(found.advice.reason.split(":")[0])
    why = f'<td class="why"><details><summary>{first}</summary><ul>{clauses}</ul></details></td>'
    return f'<tr class="{found.severity}">{_name(found, report)}{pictures}{shown}{why}</tr>\n'


def _name(found: Finding, report: Report) -> str:
    """The workload, and under it where it is and which of its containers."""
    advice = found.advice
    where = [advice.namespace, advice.kind, advice.container]
    where = [advice.cluster, *where] if report.several_clusters else where
    under = " · ".join(escape(part) for part in where)
    return f'<td class="name"><b>{escape(advice.workload)}</b><small>{under}</small></td>'


def _pictures(found: Finding, report: Report) -> str:
    """CPU and memory side by side; nothing where nothing was drawn."""
    cpu, memory = report.pictures.get(key_of(found.advice), (None, None))
    return _picture("CPU", cpu, found.cpu_request, cores_text) + _picture(
        "memory", memory, found.memory_request, bytes_text
    )


def _picture(what: str, bars: Bars | None, change: Change, as_text: Callable[[float], str]) -> str:
    if bars is None:
        return ""
    now, then = _said(change.current, as_text), _said(change.recommended, as_text)
    said = f"{what} of two weeks; request {now}, recommended {then}"
    return sparkline(bars, current=change.current, recommended=change.recommended, said=said)


def _said(value: float | None, as_text: Callable[[float], str]) -> str:
    return "none" if value is None else as_text(value)


def _order(column: str, found: Finding) -> str:
    """What a cell sorts by, where that is not its text: changes by what they free."""
    frees = {
        "CPU request": found.cpu_request.frees,
        "CPU limit": found.cpu_limit.frees,
        "memory request": found.memory_request.frees,
        "memory limit": found.memory_limit.frees,
        "confidence": found.advice.confidence,
        "severity": -["CRITICAL", "WARNING", "OK", "GOOD", "UNKNOWN"].index(found.severity),
    }
    return f' data-by="{frees[column]:g}"' if column in frees else ""


def _kind(column: str) -> str:
    kinds = dict.fromkeys(NUMBERS, "n") | {"severity": "severity"}
    return f' class="{kinds[column]}"' if column in kinds else ""
