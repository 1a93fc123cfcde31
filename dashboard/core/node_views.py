"""The node pages: a heat map of all nodes, and one node's cores hour by hour with its forecast.

Always holds: the number of cells and points is bounded by what was asked for, however long the run
and however many the nodes; `came` is null until a forecast's 24 hours are over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dashboard.core.buckets import bucket_means, bucket_rows, bucket_times
from dashboard.core.frame_log import RunView, outcomes, planned_rows, replay_start_s
from dashboard.core.units import (
    CORES_DIGITS,
    Cores,
    CoresColumn,
    Count,
    Seconds,
    SecondsColumn,
    Share,
    Shares,
    Text,
    column,
    number,
)

CELL_DIGITS = 3  # a colour shows no more


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """One line of the heat map: a node's utilisation in every column, and over all of them."""

    node: Text
    cluster: Text
    cpu_cores: Cores
    mean_without: Share
    mean_with: Share
    utilisation_without: Shares
    utilisation_with: Shares


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """Nodes times time. `total` counts all that match, `rows` holds those from `offset` on."""

    total: Count
    offset: Count
    column_s: Seconds
    start_s: Seconds
    end_s: Seconds
    at_s: SecondsColumn
    rows: list[NodeRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSeries:
    """One node over time, each point the mean of `step_s`."""

    node: Text
    cluster: Text
    cpu_cores: Cores
    step_s: Seconds
    start_s: Seconds
    end_s: Seconds
    at_s: SecondsColumn
    online_cores: CoresColumn
    offline_cores: CoresColumn
    sold_cores: CoresColumn
    kept_cores: CoresColumn
    came_cores: CoresColumn
    judged_forecasts: Count
    exceeded_forecasts: Count
    reason: Text


def heat_map(
    view: RunView, *, columns: int, offset: int, limit: int, cluster: str | None = None
) -> HeatMap:
    """Utilisation of `limit` nodes from `offset` on, in at most `columns` columns of hours."""
    info = view.info
    chosen = _nodes_of(view, cluster)
    nodes = chosen[offset : offset + limit]
    hour_rows = max(1, 3600 // info.interval_s)
    size = -(-bucket_rows(planned_rows(info), columns) // hour_rows) * hour_rows
    without = bucket_means(view.online_cores[:, nodes], size) / info.node_cpu_cores[nodes]
    offline = bucket_means(view.offline_cores[:, nodes], size) / info.node_cpu_cores[nodes]
    return HeatMap(
        total=len(chosen),
        offset=offset,
        column_s=size * info.interval_s,
        start_s=replay_start_s(info),
        end_s=info.end_s,
        at_s=bucket_times(view.at_s, size, interval_s=info.interval_s),
        rows=[
            _heat_row(view, int(node), without[:, place], without[:, place] + offline[:, place])
            for place, node in enumerate(nodes)
        ],
    )


def node_series(view: RunView, node: int, *, points: int, reason: str) -> NodeSeries:
    """One node's cores in at most `points` points. Takes the node's index in the run."""
    info = view.info
    size = bucket_rows(planned_rows(info), points)
    came = _came(view, node)
    judged, exceeded = _outcomes(view, node)

    def cores(values: NDArray[np.float32]) -> list[float | None]:
        return column(bucket_means(values, size), CORES_DIGITS)

    return NodeSeries(
        node=info.nodes[node],
        cluster=info.clusters[int(info.node_cluster[node])],
        cpu_cores=number(info.node_cpu_cores[node], CORES_DIGITS),
        step_s=size * info.interval_s,
        start_s=replay_start_s(info),
        end_s=info.end_s,
        at_s=bucket_times(view.at_s, size, interval_s=info.interval_s),
        online_cores=cores(view.online_cores[:, node]),
        offline_cores=cores(view.offline_cores[:, node]),
        sold_cores=cores(view.sold_cores[:, node]),
        kept_cores=cores(view.kept_cores[:, node]),
        came_cores=cores(came),
        judged_forecasts=judged,
        exceeded_forecasts=exceeded,
        reason=reason,
    )


def _nodes_of(view: RunView, cluster: str | None) -> NDArray[np.int64]:
    if cluster is None:
        return np.arange(len(view.info.nodes))
    if cluster not in view.info.clusters:
        return np.arange(0)
    return np.flatnonzero(view.info.node_cluster == view.info.clusters.index(cluster))


def _heat_row(
    view: RunView, node: int, without: NDArray[np.float64], together: NDArray[np.float64]
) -> NodeRow:
    info = view.info
    return NodeRow(
        node=info.nodes[node],
        cluster=info.clusters[int(info.node_cluster[node])],
        cpu_cores=number(info.node_cpu_cores[node], CORES_DIGITS),
        mean_without=_mean(without),
        mean_with=_mean(together),
        utilisation_without=column(without, CELL_DIGITS),
        utilisation_with=column(together, CELL_DIGITS),
    )


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return number(known.mean(), CELL_DIGITS) if known.size else None


def _came(view: RunView, node: int) -> NDArray[np.float32]:
    """What came in the 24 hours of the forecast in force on each row [T]; NaN until it matured."""
    came = np.full(len(view.at_s), np.nan, dtype=np.float32)
    matured = view.forecast_of < len(view.came_cores)
    came[matured] = view.came_cores[view.forecast_of[matured], node]
    return came


def _outcomes(view: RunView, node: int) -> tuple[int, int]:
    """How many of the node's forecasts could be judged, and how many were exceeded."""
    issued = np.flatnonzero(np.diff(view.forecast_of, prepend=-1))[: len(view.came_cores)]
    came, kept = view.came_cores[:, node], view.kept_cores[issued, node]
    judged, exceeded = outcomes(came, kept)
    return int(judged.sum()), int(exceeded.sum())
