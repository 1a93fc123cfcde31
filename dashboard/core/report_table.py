"""The report as a table that describes itself: every policy's figures, each with its unit.

Always holds: every field of the simulator's `ReportRow` has a column; a figure that a policy does
not have is null.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final, Literal

from dashboard.core.units import Text
from simulator.core.report import COLUMNS, ReportRow

Unit = Literal["text", "share", "core_hours", "s", "count"]
Better = Literal["higher", "lower"] | None
Cell = str | float | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportColumn:
    """One figure of the report. `better` says which way is good; `about` what it means."""

    key: Text
    label: Text
    unit: Unit
    better: Better
    about: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One row per policy, ours first. No rows while there is no report."""

    ours: Text
    columns: list[ReportColumn]
    rows: list[dict[str, Cell]]


# In the order a reader asks: what is gained, what it costs online, what it costs offline.
SHOWN: Final[dict[str, tuple[str, Unit, Better]]] = {
    "policy": ("Policy", "text", None),
    "utilisation": ("Utilisation", "share", "higher"),
    "utilisation_without": ("Without", "share", None),
    "sold_core_hours": ("Sold", "core_hours", "higher"),
    "used_core_hours": ("Used", "core_hours", "higher"),
    "online_lost_share": ("Online lost", "share", "lower"),
    "online_lost_core_hours": ("Lost", "core_hours", "lower"),
    "violation": ("Forecasts exceeded", "share", "lower"),
    "promised_risk": ("Promised", "share", None),
    "evicted_share": ("Evicted", "share", "lower"),
    "evicted_tasks": ("Evicted tasks", "count", "lower"),
    "work_lost_core_hours": ("Work lost", "core_hours", "lower"),
    "throttled_share": ("Throttled", "share", "lower"),
    "jobs_done": ("Jobs done", "count", "higher"),
    "jobs_pending": ("Jobs waiting", "count", "lower"),
    "wait_p50_s": ("Wait, median", "s", "lower"),
    "wait_p95_s": ("Wait, 95 %", "s", "lower"),
    "partial_gangs": ("Partial gangs", "count", "lower"),
}


def report_table(rows: Iterable[ReportRow], *, ours: str) -> Report:
    """The table of all policies; `ours` names the row to show first."""
    columns = [
        ReportColumn(key=key, label=label, unit=unit, better=better, about=COLUMNS[key])
        for key, (label, unit, better) in SHOWN.items()
    ]
    figures = [{key: _cell(value) for key, value in asdict(row).items()} for row in rows]
    figures.sort(key=lambda row: row["policy"] != ours)
    return Report(ours=ours, columns=columns, rows=figures)


def _cell(value: Cell) -> Cell:
    return None if isinstance(value, float) and not math.isfinite(value) else value
