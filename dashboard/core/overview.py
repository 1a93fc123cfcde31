"""The overview: the fleet's utilisation with and without offline work, and the headline figures.

Always holds: `without` counts what online demanded, `with` what online and offline work together
really used, both over all cores of all nodes. Every figure is of the part replayed so far.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dashboard.core.buckets import bucket_means, bucket_rows, bucket_sums, bucket_times
from dashboard.core.frame_log import RunView, planned_rows
from dashboard.core.units import (
    CORES_DIGITS,
    SHARE_DIGITS,
    CoreHours,
    Cores,
    Count,
    Seconds,
    SecondsColumn,
    Share,
    Shares,
    Text,
    column,
    number,
    share_of,
)

DEMAND, USED, OFFLINE, SOLD, KEPT = range(5)  # last axis of RunView.totals
EVICTED, RUNNING, PENDING = range(3)  # columns of RunView.gangs


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The big numbers, over what was replayed so far."""

    replayed_s: Seconds
    utilisation_without: Share
    utilisation_with: Share
    sold_core_hours: CoreHours
    offline_core_hours: CoreHours
    online_lost_share: Share
    online_lost_core_hours: CoreHours
    evicted_tasks: Count
    running_gangs: Count
    pending_gangs: Count
    promised_risk: Share
    realised_risk: Share
    judged_forecasts: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSeries:
    """Points over time, each the mean of `step_s`; evictions are sums."""

    at_s: SecondsColumn
    utilisation_without: Shares
    utilisation_with: Shares
    sold_share: Shares
    kept_share: Shares
    running_gangs: Shares
    pending_gangs: Shares
    evicted_tasks: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFigures:
    """One cluster beside its sisters."""

    cluster: Text
    nodes: Count
    cpu_cores: Cores
    utilisation_without: Share
    utilisation_with: Share
    sold_core_hours: CoreHours


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything the overview page draws but the report."""

    step_s: Seconds
    cpu_cores: Cores
    headline: Headline
    series: FleetSeries
    clusters: list[ClusterFigures]


def overview(view: RunView, *, points: int) -> Overview:
    """The whole page in at most `points` points."""
    size = bucket_rows(planned_rows(view.info), points)
    return Overview(
        step_s=size * view.info.interval_s,
        cpu_cores=number(view.capacity_cores, CORES_DIGITS),
        headline=headline(view),
        series=fleet_series(view, size=size),
        clusters=cluster_figures(view),
    )


def headline(view: RunView) -> Headline:
    """The figures from the totals alone: cheap enough for every tick."""
    rows, capacity = len(view.at_s), view.capacity_cores
    core_hours = view.totals.sum(axis=(0, 1)) * view.info.interval_s / 3600.0
    lost_core_hours = float(core_hours[DEMAND] - core_hours[USED])
    judged, exceeded = (int(total) for total in view.outcomes.sum(axis=0))
    available = capacity * rows * view.info.interval_s / 3600.0
    now_running, now_pending = view.gangs[-1, [RUNNING, PENDING]] if rows else (0, 0)
    return Headline(
        replayed_s=rows * view.info.interval_s,
        utilisation_without=_share(core_hours[DEMAND], available),
        utilisation_with=_share(core_hours[USED] + core_hours[OFFLINE], available),
        sold_core_hours=number(core_hours[SOLD], 1),
        offline_core_hours=number(core_hours[OFFLINE], 1),
        online_lost_share=number(share_of(lost_core_hours, core_hours[DEMAND]), 7),
        online_lost_core_hours=number(lost_core_hours, 2),
        evicted_tasks=int(view.gangs[:, EVICTED].sum()),
        running_gangs=int(now_running),
        pending_gangs=int(now_pending),
        promised_risk=number(view.info.cpu_risk, 7),
        realised_risk=number(exceeded / judged if judged else math.nan, 7),
        judged_forecasts=judged,
    )


def fleet_series(view: RunView, *, size: int, first_point: int = 0) -> FleetSeries:
    """The points from `first_point` on, with `size` rows in each."""
    rows = slice(first_point * size, None)
    means = bucket_means(view.totals[rows].sum(axis=1), size) / max(view.capacity_cores, 1e-9)
    gangs = bucket_means(view.gangs[rows], size)
    return FleetSeries(
        at_s=bucket_times(view.at_s[rows], size, interval_s=view.info.interval_s),
        utilisation_without=column(means[:, DEMAND], SHARE_DIGITS),
        utilisation_with=column(means[:, USED] + means[:, OFFLINE], SHARE_DIGITS),
        sold_share=column(means[:, SOLD], SHARE_DIGITS),
        kept_share=column(means[:, KEPT], SHARE_DIGITS),
        running_gangs=column(gangs[:, RUNNING], 1),
        pending_gangs=column(gangs[:, PENDING], 1),
        evicted_tasks=bucket_sums(view.gangs[rows, EVICTED], size).tolist(),
    )


def cluster_figures(view: RunView) -> list[ClusterFigures]:
    """One row per cluster, in the run's order."""
    core_hours = view.totals.sum(axis=0) * view.info.interval_s / 3600.0
    return [_cluster(view, index, core_hours[index]) for index in range(len(core_hours))]


def _cluster(view: RunView, index: int, core_hours: NDArray[np.float64]) -> ClusterFigures:
    inside = view.info.node_cluster == index
    cores = float(view.info.node_cpu_cores[inside].sum())
    available = cores * len(view.at_s) * view.info.interval_s / 3600.0
    return ClusterFigures(
        cluster=view.info.clusters[index],
        nodes=int(inside.sum()),
        cpu_cores=number(cores, CORES_DIGITS),
        utilisation_without=_share(core_hours[DEMAND], available),
        utilisation_with=_share(core_hours[USED] + core_hours[OFFLINE], available),
        sold_core_hours=number(core_hours[SOLD], 1),
    )


def _share(part: float, whole: float) -> float | None:
    return number(share_of(float(part), float(whole)), SHARE_DIGITS)
