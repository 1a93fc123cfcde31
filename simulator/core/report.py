"""What a replay came to, one row a policy, in plain columns that a table or a page can show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulator.core.fleet import DONE, Fleet
from slacktide.messages import FloatArray

HOUR_S = 3_600.0

# What each column means, for help texts and the page.
COLUMNS: Final = {
    "policy": "who decides what is kept for online",
    "utilisation": "mean CPU use of the nodes, online and offline together",
    "utilisation_without": "the same without any offline work",
    "sold_core_hours": "cores held by offline tasks, over time",
    "used_core_hours": "CPU that offline tasks really got",
    "jobs_done": "gangs finished",
    "jobs_pending": "gangs still waiting at the end",
    "wait_p50_s": "median wait from submission to the first start, of gangs that started",
    "wait_p95_s": "95th percentile of the same",
    "violation": "share of (node, time) whose 24 h peak exceeded what was kept: realised",
    "promised_risk": "the same as promised; null where the policy promises nothing",
    "online_lost_share": "core-seconds that online lost to offline / demanded",
    "online_lost_core_hours": "the same, not divided",
    "evicted_share": "tasks evicted / tasks started",
    "evicted_tasks": "tasks evicted",
    "work_lost_core_hours": "work thrown away by evictions",
    "throttled_share": "core-seconds that offline held and did not get",
    "partial_gangs": "gangs that ever ran with fewer tasks than their minimum",
}


@dataclass(slots=True)
class Totals:
    """Sums over a replay, in core-seconds unless said."""

    capacity: float = 0.0
    online_demand: float = 0.0
    online_lost: float = 0.0
    sold: float = 0.0
    offline: float = 0.0
    judged: int = 0  # (node, time) pairs whose 24 h peak has come
    exceeded: int = 0
    partial_gangs: int = 0


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One policy's outcome; the meaning of each field is in `COLUMNS`."""

    policy: str
    utilisation: float
    utilisation_without: float
    sold_core_hours: float
    used_core_hours: float
    jobs_done: int
    jobs_pending: int
    wait_p50_s: float
    wait_p95_s: float
    violation: float
    promised_risk: float
    online_lost_share: float
    online_lost_core_hours: float
    evicted_share: float
    evicted_tasks: int
    work_lost_core_hours: float
    throttled_share: float
    partial_gangs: int


def summarise(policy: str, promised_risk: float, totals: Totals, fleet: Fleet) -> ReportRow:
    """The row of one replay; shares of nothing are 0, what nobody waited or judged is NaN."""
    started = ~np.isnan(fleet.first_start_s)
    waits = (fleet.first_start_s - fleet.jobs.submit_s)[started]
    used = totals.online_demand - totals.online_lost + totals.offline
    return ReportRow(
        policy=policy,
        utilisation=_share(used, totals.capacity),
        utilisation_without=_share(totals.online_demand, totals.capacity),
        sold_core_hours=totals.sold / HOUR_S,
        used_core_hours=totals.offline / HOUR_S,
        jobs_done=int((fleet.state == DONE).sum()),
        jobs_pending=int((fleet.known & (fleet.placed == 0) & (fleet.state != DONE)).sum()),
        wait_p50_s=_percentile(waits, 50),
        wait_p95_s=_percentile(waits, 95),
        violation=totals.exceeded / totals.judged if totals.judged else math.nan,
        promised_risk=promised_risk,
        online_lost_share=_share(totals.online_lost, totals.online_demand),
        online_lost_core_hours=totals.online_lost / HOUR_S,
        evicted_share=_share(fleet.evicted_tasks, fleet.started_tasks),
        evicted_tasks=fleet.evicted_tasks,
        work_lost_core_hours=fleet.lost_core_s / HOUR_S,
        throttled_share=_share(totals.sold - totals.offline, totals.sold),
        partial_gangs=totals.partial_gangs,
    )


SHOWN: Final = {
    "policy": "policy",
    "utilisation": "CPU used",
    "sold_core_hours": "sold core-h",
    "jobs_done": "gangs done",
    "jobs_pending": "waiting",
    "wait_p50_s": "wait p50",
    "wait_p95_s": "wait p95",
    "violation": "exceeded",
    "promised_risk": "promised",
    "online_lost_share": "online lost",
    "evicted_share": "evicted",
    "work_lost_core_hours": "lost core-h",
}


def shown(row: ReportRow) -> list[str]:
    """The cells of a row under the headings `SHOWN`, as a person reads them."""
    return [_cell(name, getattr(row, name)) for name in SHOWN]


def shown_by_name(row: ReportRow) -> dict[str, tuple[str, str]]:
    """Heading and cell of each field that a person reads."""
    return {name: (heading, _cell(name, getattr(row, name))) for name, heading in SHOWN.items()}


def _cell(name: str, value: object) -> str:
    if not isinstance(value, (int, float)):
        return str(value)
    if math.isnan(value):
        return "-"
    if name.endswith("_s"):
        return _time(value)
    if isinstance(value, int) or name.endswith("_hours"):
        return f"{value:,.0f}"
    return "0" if value == 0 else f"{100 * value:.3g} %"


def _time(seconds: float) -> str:
    for unit, length_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length_s:
            return f"{seconds / length_s:.3g} {unit}"
    return f"{seconds:.0f} s"


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _percentile(values: FloatArray, percent: float) -> float:
    return float(np.percentile(values, percent)) if values.size else float("nan")
