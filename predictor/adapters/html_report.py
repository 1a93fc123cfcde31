"""The findings as one page that needs nothing else: no script, no font, no request to anywhere.

Every text is escaped, and the page's own policy forbids what an escape might miss.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from predictor.adapters.cells import COLUMNS, GIB, NUMBERS, cells
from predictor.core.ranking import Finding, letter, score

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>slacktide: right-sizing</title>
<style>
:root { color-scheme: light dark; font: 14px/1.45 system-ui, sans-serif }
body { margin: 2rem } caption, h1 { text-align: left } caption { font-size: 1.2em; padding: 1em 0 .4em }
table { border-collapse: collapse } th, td { padding: .2em .7em; text-align: left; white-space: nowrap }
th { border-bottom: 1px solid } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
tbody tr:hover { background: #8883 } td.why { white-space: normal; min-width: 30em; font-size: .9em }
.CRITICAL { color: #d33 } .WARNING { color: #b70 } .GOOD { color: #292 } .UNKNOWN { color: #888 }
</style></head><body>
"""  # noqa: E501  a style sheet reads better in few lines


def html_report(findings: Sequence[Finding], *, title: str) -> str:
    """The page; findings in their order, a table for each side."""
    points = score(findings)
    cores = sum(found.freed_cores for found in findings)
    gib = sum(found.freed_bytes for found in findings) / GIB
    about = (
        f"<h1>{escape(title)}</h1>\n<p>Score {points} of 100 ({letter(points)}), as KRR counts it;"
        f" {len(findings)} containers; {cores:+.1f} cores and {gib:+.1f} GiB freed, net.</p>\n"
    )
    tables = (_table(side, list(group)) for side, group in groupby(findings, _side_of))
    return "".join([_HEAD, about, *tables, "</body></html>\n"])


def _side_of(found: Finding) -> str:
    return str(found.side)


def _table(side: str, group: Sequence[Finding]) -> str:
    head = "".join(f"<th{_kind(column)}>{escape(column)}</th>" for column in (*COLUMNS, "why"))
    rows = "".join(_row(found) for found in group)
    return (
        f"<table><caption>{escape(side)} ({len(group)})</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table>\n"
    )


def _row(found: Finding) -> str:
    texts = zip(COLUMNS, cells(found), strict=True)
    shown = "".join(f"<td{_kind(column)}>{escape(text)}</td>" for column, text in texts)
    why = f'<td class="why">{escape(found.advice.reason)}</td>'
    return f'<tr class="{found.severity}">{shown}{why}</tr>\n'


def _kind(column: str) -> str:
    return ' class="n"' if column in NUMBERS else ""
