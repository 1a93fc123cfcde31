"""The findings on a terminal: what lacks, what can be handed back, what is unknown, each apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from predictor.adapters.cells import CLUSTER, MONEY, NAMING, NUMBERS, cells, columns_of
from predictor.core.ranking import Finding, Severity, Side, letter, score
from predictor.core.report import Report, summary
from slacktide.output import print_table

STYLES: Final = {
    Severity.CRITICAL: "red",
    Severity.WARNING: "yellow",
    Severity.OK: "",
    Severity.GOOD: "green",
    Severity.UNKNOWN: "dim",
}
TITLES: Final = {
    Side.UNDER: "under-provisioned: need more, the largest need first",
    Side.OVER: "over-provisioned: hand back, the largest saving first",
    Side.FITS: "fit: within a tenth of what is declared",
    Side.UNKNOWN: "not enough data",
}

NARROW: Final = ("container", "CPU request, limit", "memory request, limit", "frees", "severity")
WIDE: Final = 200  # terminal columns that hold a container in one line

Row = dict[str, Text]  # by column


def print_findings(report: Report) -> None:
    """A table for each side that has any, and what it all comes to."""
    console = Console()
    narrow = console.is_terminal and console.width < WIDE
    for side, group in groupby(report.findings, lambda found: found.side):
        print_table(side_table(side, list(group), report, narrow=narrow))
    print_table(_summary(report))


def side_table(side: Side, group: Sequence[Finding], report: Report, *, narrow: bool) -> Table:
    """One line a container, or two where the terminal is narrow; what is unknown with its reason.

    Cells are `Text`, not str: a name is never read as rich's markup.
    """
    table = Table(title=f"{TITLES[side]} ({len(group)})", title_justify="left", header_style="bold")
    columns = columns_of(report)
    rows = [_row(found, report) for found in group]
    if side is Side.UNKNOWN:
        naming = [column for column in columns if column in {CLUSTER, *NAMING}]
        reasons = [Text(found.advice.reason) for found in group]
        lines = [[*(row[c] for c in naming), why] for row, why in zip(rows, reasons, strict=True)]
        return _filled(table, (*naming, "what is missing"), lines)
    if narrow:
        return _filled(table, NARROW, [_two_lines(row) for row in rows])
    return _filled(table, columns, [list(row.values()) for row in rows])


def _filled(table: Table, columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> Table:
    for column in columns:
        table.add_column(column, justify="right" if column in NUMBERS else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _row(found: Finding, report: Report) -> Row:
    """A change bears the style of its own severity, the last column that of the worst."""
    styles = {
        "CPU request": found.cpu_request.severity,
        "CPU limit": found.cpu_limit.severity,
        "memory request": found.memory_request.severity,
        "memory limit": found.memory_limit.severity,
        "severity": found.severity,
    }
    texts = zip(columns_of(report), cells(found, report), strict=True)
    return {
        column: Text(text, STYLES[styles[column]] if column in styles else "")
        for column, text in texts
    }


def _two_lines(row: Row) -> list[Text]:
    """A row as the cells of `NARROW`, limits, GiB and money below requests and cores."""
    where = (row[CLUSTER], " ") if CLUSTER in row else ()
    who = (row["kind"], " ", row["container"], " x", row["replicas"])
    frees = [Text.assemble(row["frees cores"], " cores"), Text.assemble(row["frees GiB"], " GiB")]
    if MONEY in row:
        frees.append(Text.assemble(row[MONEY], " a month"))
    return [
        Text.assemble(*where, row["namespace"], "/", row["workload"], "\n", *who),
        Text("\n").join([row["CPU request"], row["CPU limit"]]),
        Text("\n").join([row["memory request"], row["memory limit"]]),
        Text("\n").join(frees),
        Text.assemble(row["severity"], "\n", row["confidence"]),
    ]


def _summary(report: Report) -> Table:
    """Score and sums."""
    points = score(report.findings)
    table = Table.grid(padding=(0, 2))
    table.add_row("score", f"{points} of 100 ({letter(points)}), as KRR counts it")
    for name, said in summary(report):
        table.add_row(Text(name), Text(said))
    return table
