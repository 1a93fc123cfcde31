"""What the peak over the next hours depends on: two weeks of a node and of its pods, as ratios.

The *reference* of a node is the geometric mean of two peaks of the last week: the peak of the sum
of its pods (what happened) and the sum of their peaks (what if they burst together). Features are
logs of ratios to it, so nodes of any size and either resource share one model, and a column holds
the same meaning on a fleet never seen before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from predictor.core.history import HOUR_S, node_sums
from predictor.core.hours import COLD_HOURS, KEPT_HOURS, NodeHours, SeriesHours
from slacktide.messages import BoolArray, FloatArray, IntArray

DAY_HOURS = 24
WEEK_HOURS = 7 * DAY_HOURS
SEEN_SHARE = 0.75  # an hour in which less of a node's usual use reported says little about it
LEAST = 1e-9  # below this a ratio is noise; keeps logs finite
LOG_BOUND = 6.0  # a ratio of 400 is as telling as any larger one

FeatureTable = NDArray[np.float32]
Scalar = TypeVar("Scalar", bound=np.generic)
Columns = dict[str, FloatArray]  # each [N]

# A larger value of these never makes the forecast smaller; of the others it may.
UNORDERED = frozenset({"std", "capacity", "pods", "bursty", "hour", "weekday"})
COMMON = (
    *(f"peak_{h}h" for h in (1, 4, 12, 24, 48, 96, WEEK_HOURS, KEPT_HOURS)),
    *("mean_4h", "mean_24h", "mean_168h"),
    *("second_day", "fourth_day", "q50", "q90", "q98", "std"),
    *("sum_24h", "sum_168h", "sum_336h", "largest_168h", "largest_336h", "headroom", "spread"),
    *("second_days_sum", "capacity"),
)
SEASONAL = ("yesterday", "last_week", "two_days_ago")
PLAIN = ("pods", "bursty", "hour", "weekday")  # not ratios
FEATURES = (*COMMON, *SEASONAL, *PLAIN)


@dataclass(frozen=True, slots=True)
class Outlook:
    """Of every node at one time. N nodes, H horizons, F features."""

    reference: FloatArray  # [N] cores or bytes, > 0
    scale: FloatArray  # [N] the capacity, what margins are shares of
    features: FeatureTable  # [N, H, F]
    week_peak: FloatArray  # [N] of the sum of the warm pods
    week_sum_of_peaks: FloatArray  # [N] of the warm pods
    last_week: FloatArray  # [N, H] peak of the same window a week ago
    silent_hours: IntArray  # [N] hours since most of the node's use last reported


def cold_series(series: SeriesHours, resident: BoolArray, start_s: IntArray) -> BoolArray:
    """[S] residents that have not shown their day and night: seen in fewer than a day's hours.

    One that runs for longer than a day and reported nothing in the last is not cold but off: its
    neighbours report, and counting it at its request for weeks would only hide capacity. It is cold
    again as soon as it reports. (Where a whole node is silent, the gap factor speaks.)
    """
    little: BoolArray = np.count_nonzero(series.seen, axis=1) < COLD_HOURS
    new = start_s > series.end_s - COLD_HOURS * HOUR_S
    reports = series.seen[:, -COLD_HOURS:].any(axis=1)
    return resident & little & (new | reports)


def outlook(
    series: SeriesHours,
    sums: NodeHours,
    node: IntArray,
    *,
    capacity: FloatArray,
    horizons_s: tuple[int, ...],
    now_s: int,
) -> Outlook:
    """Features of each node and horizon. `node` [S], `capacity` [N] in the unit of the sums."""
    nodes = len(capacity)
    heard = _seen_share(series, sums, node, nodes) >= SEEN_SHARE
    silent = _silent_hours(heard)
    if silent.any():
        series, sums, heard = _as_last_heard(series, sums, heard, silent, node)
    common = _node_columns(sums, heard) | _pod_columns(series, sums, node, nodes)
    common["capacity"] = capacity
    week, together = common["peak_168h"], common["sum_168h"]
    reference = np.sqrt(np.maximum(week, LEAST) * np.maximum(together, LEAST))
    seasons = [_seasons(sums.peak, common, h // HOUR_S) for h in horizons_s]
    plain = {
        "pods": np.bincount(node[sums.member], minlength=nodes).astype(np.float64),
        "bursty": common["bursty"],
        "hour": np.full(nodes, now_s // HOUR_S % DAY_HOURS, dtype=np.float64),
        "weekday": np.full(nodes, now_s // (HOUR_S * DAY_HOURS) % 7, dtype=np.float64),
    }
    return Outlook(
        reference=reference,
        scale=capacity,
        features=np.stack([_table(common | s, plain, reference) for s in seasons], axis=1),
        week_peak=week,
        week_sum_of_peaks=together,
        last_week=np.stack([s["last_week"] for s in seasons], axis=1),
        silent_hours=silent,
    )


def _table(ratios: Columns, plain: Columns, reference: FloatArray) -> FeatureTable:
    """[N, F] logs of the ratios to the reference, then the plain columns."""
    values = np.stack([ratios[name] for name in (*COMMON, *SEASONAL)], axis=1)
    logs = np.log(np.maximum(values, LEAST) / reference[:, None])
    rest = np.stack([plain[name] for name in PLAIN], axis=1)
    bounded = np.clip(logs, -LOG_BOUND, LOG_BOUND)
    return np.concatenate((bounded, rest), axis=1, dtype=np.float32, casting="same_kind")


def _seen_share(series: SeriesHours, sums: NodeHours, node: IntArray, nodes: int) -> FloatArray:
    """[N, K] share of the node's usual use (its pods' weekly peaks) that reported in each hour."""
    weight = series.peak[:, -WEEK_HOURS:].max(axis=1) + np.float32(LEAST)
    reported = node_sums(series.seen * weight[:, None], sums.member, node, nodes=nodes)
    usual = np.bincount(node[sums.member], weight[sums.member], minlength=nodes)
    return reported / np.maximum(usual, LEAST)[:, None]


def _silent_hours(heard: BoolArray) -> IntArray:
    """[N] hours at the end in which too little reported; 0 where a node was never heard."""
    return np.where(heard.any(axis=1), heard[:, ::-1].argmax(axis=1), 0).astype(np.int64)


def _as_last_heard(
    series: SeriesHours, sums: NodeHours, heard: BoolArray, silent: IntArray, node: IntArray
) -> tuple[SeriesHours, NodeHours, BoolArray]:
    """Silent nodes as they stood when last heard, so that a gap never pushes a peak out of sight.

    What did report in the silent hours still counts, in the newest one.
    """
    of_series = np.where(sums.member, silent[node], 0)
    peak = _shifted(series.peak, of_series)
    peak[:, -1] = np.maximum(peak[:, -1], _newest(series.peak, of_series))
    series = replace(series, peak=peak, mean=_shifted(series.mean, of_series))
    node_peak = _shifted(sums.peak, silent)
    node_peak[:, -1] = np.maximum(node_peak[:, -1], _newest(sums.peak, silent))
    sums = replace(sums, peak=node_peak, mean=_shifted(sums.mean, silent))
    return series, sums, _shifted(heard, silent)


def _shifted(hours: NDArray[Scalar], by: IntArray) -> NDArray[Scalar]:
    """Each row moved `by` hours towards now; what it has no hours for is 0."""
    source = np.arange(hours.shape[1]) - by[:, None]
    moved: NDArray[Scalar] = np.where(
        source >= 0, np.take_along_axis(hours, np.maximum(source, 0), axis=1), 0
    ).astype(hours.dtype)
    return moved


def _newest(hours: NDArray[Scalar], count: IntArray) -> NDArray[Scalar]:
    """Each row's largest of its newest `count` hours, 0 where there is none to look at."""
    among = np.arange(hours.shape[1]) >= hours.shape[1] - count[:, None]
    newest: NDArray[Scalar] = np.where(among, hours, 0).max(axis=1).astype(hours.dtype)
    return newest


def _node_columns(sums: NodeHours, heard: BoolArray) -> Columns:
    """Peaks, means and quantiles of the sum; an unheard window takes the next longer one's."""
    peak, columns = sums.peak, {}
    longer = peak.max(axis=1)
    for hours in (KEPT_HOURS, WEEK_HOURS, 96, 48, 24, 12, 4, 1):
        known = heard[:, -hours:].any(axis=1)
        longer = np.where(known, peak[:, -hours:].max(axis=1), longer)
        columns[f"peak_{hours}h"] = longer
    for hours in (4, 24, WEEK_HOURS):
        count = heard[:, -hours:].sum(axis=1)
        total = (sums.mean[:, -hours:] * heard[:, -hours:]).sum(axis=1)
        columns[f"mean_{hours}h"] = np.where(count, total / np.maximum(count, 1), longer)
    usual = columns[f"mean_{WEEK_HOURS}h"][:, None]
    week = np.where(heard[:, -WEEK_HOURS:], peak[:, -WEEK_HOURS:], usual)
    days = np.sort(week.reshape(len(week), 7, DAY_HOURS).max(axis=2), axis=1)
    ranked = np.sort(week, axis=1)
    return columns | {
        "second_day": days[:, -2],
        "fourth_day": days[:, -4],
        "q50": ranked[:, WEEK_HOURS // 2],
        "q90": ranked[:, int(0.9 * WEEK_HOURS)],
        "q98": ranked[:, int(0.98 * WEEK_HOURS)],
        "std": week.std(axis=1),
    }


def _pod_columns(series: SeriesHours, sums: NodeHours, node: IntArray, nodes: int) -> Columns:
    """What the warm pods of each node did apart: sums and largest of their peaks."""
    rows = np.flatnonzero(sums.member)
    at, peak = node[rows], series.peak[rows].astype(np.float64)
    week, both = peak[:, -WEEK_HOURS:].max(axis=1), peak.max(axis=1)
    mean = series.mean[rows, -WEEK_HOURS:].mean(axis=1, dtype=np.float64)
    days = peak[:, -WEEK_HOURS:].reshape(len(rows), 7, DAY_HOURS).max(axis=2)

    def total(values: FloatArray) -> FloatArray:
        return np.bincount(at, values, minlength=nodes).astype(np.float64)

    def largest(values: FloatArray) -> FloatArray:
        most = np.zeros(nodes)
        np.maximum.at(most, at, values)
        return most

    pods = np.maximum(np.bincount(at, minlength=nodes), 1)
    return {
        "sum_24h": total(peak[:, -DAY_HOURS:].max(axis=1)),
        "sum_168h": total(week),
        "sum_336h": total(both),
        "largest_168h": largest(week),
        "largest_336h": largest(both),
        "headroom": largest(week - mean),
        "spread": np.sqrt(total((week - mean) ** 2)),
        "second_days_sum": total(np.sort(days, axis=1)[:, -2]),
        "bursty": total((week > 2 * days.mean(axis=1)).astype(np.float64)) / pods,
    }


def _seasons(peak: FloatArray, common: Columns, hours: int) -> Columns:
    """Peaks of the coming hours a day, two days and a week ago; the week's where unknown."""

    def back(ago: int) -> FloatArray:
        end = -ago + hours
        window = peak[:, -ago : end if end < 0 else None].max(axis=1)
        return np.where(window > 0, window, common["peak_168h"])

    days = -(-hours // DAY_HOURS) * DAY_HOURS  # the youngest whole day that is over
    return {
        "yesterday": back(days),
        "two_days_ago": back(2 * days),
        "last_week": back(WEEK_HOURS),
    }
