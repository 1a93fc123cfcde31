"""The findings on a terminal: what lacks, what can be handed back, what is unknown, each apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from predictor.adapters.cells import COLUMNS, GIB, NUMBERS, cells
from predictor.core.ranking import Change, Finding, Severity, Side, letter, score
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

NAMING: Final = COLUMNS[:5]  # who it is, before what would change
NARROW: Final = ("container", "CPU request, limit", "memory request, limit", "frees", "severity")
WIDE: Final = 190  # terminal columns that hold a container in one line


def print_findings(findings: Sequence[Finding]) -> None:
    """A table for each side that has any, and what it all comes to."""
    console = Console()
    narrow = console.is_terminal and console.width < WIDE
    for side, group in groupby(findings, lambda found: found.side):
        print_table(side_table(side, list(group), narrow=narrow))
    print_table(_summary(findings))


def side_table(side: Side, group: Sequence[Finding], *, narrow: bool) -> Table:
    """One line a container, or two where the terminal is narrow; what is unknown with its reason.

    Cells are `Text`, not str: a name is never read as rich's markup.
    """
    table = Table(title=f"{TITLES[side]} ({len(group)})", title_justify="left", header_style="bold")
    rows = [
        [Text(text, style) for text, style in zip(cells(found), _styles(found), strict=True)]
        for found in group
    ]
    reasons = [Text(found.advice.reason) for found in group]
    if side is Side.UNKNOWN:
        return _filled(table, NAMING, [row[: len(NAMING)] for row in rows], reasons)
    if narrow:
        return _filled(table, NARROW, [_two_lines(row) for row in rows])
    return _filled(table, COLUMNS, rows)


def _filled(
    table: Table,
    columns: Sequence[str],
    rows: Sequence[Sequence[Text]],
    reasons: Sequence[Text] = (),
) -> Table:
    for column in columns:
        table.add_column(column, justify="right" if column in NUMBERS else "left", overflow="fold")
    if reasons:
        table.add_column("what is missing")
    for n, row in enumerate(rows):
        table.add_row(*row, *reasons[n : n + 1])
    return table


def _two_lines(row: Sequence[Text]) -> list[Text]:
    """The cells of `COLUMNS` as those of `NARROW`, limits and GiB below requests and cores."""
    namespace, workload, kind, container, replicas = row[:5]
    cpu, cpu_limit, memory, memory_limit, cores, gib, severity = row[5:]
    return [
        Text.assemble(namespace, "/", workload, "\n", kind, " ", container, " x", replicas),
        Text("\n").join([cpu, cpu_limit]),
        Text("\n").join([memory, memory_limit]),
        Text.assemble(cores, " cores\n", gib, " GiB"),
        severity,
    ]


def _styles(found: Finding) -> tuple[str, ...]:
    """One style for each column: a change by its own severity, the last by the worst."""
    changes: tuple[Change, ...] = (
        found.cpu_request,
        found.cpu_limit,
        found.memory_request,
        found.memory_limit,
    )
    of_changes = tuple(STYLES[change.severity] for change in changes)
    return ("", "", "", "", "", *of_changes, "", "", STYLES[found.severity])


def _summary(findings: Sequence[Finding]) -> Table:
    """Score and sums; needs and savings apart, so that neither hides the other."""
    points = score(findings)
    cores = [found.freed_cores for found in findings]
    gib = [found.freed_bytes / GIB for found in findings]
    needed = _above([-c for c in cores]), _above([-size for size in gib])
    table = Table.grid(padding=(0, 2))
    table.add_row("score", f"{points} of 100 ({letter(points)}), as KRR counts it")
    table.add_row("hand back", f"{_above(cores):.1f} cores, {_above(gib):.1f} GiB, all replicas")
    table.add_row("need more", f"{needed[0]:.1f} cores, {needed[1]:.1f} GiB, all replicas")
    return table


def _above(values: Sequence[float]) -> float:
    return sum(value for value in values if value > 0)
