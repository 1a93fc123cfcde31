"""The last two weeks in hours: what each series and each node's resident pods peaked at.

Everything a forecast looks at is a maximum or a mean of whole hours that end *now*, so the samples
are read once and an hourly step reads one hour. The cache holds no knowledge of its own: extending
it and building it from the samples give the same numbers, bit for bit (a test holds them together).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.core.history import HOUR_S, Samples, node_sums
from slacktide.messages import BoolArray, FloatArray, IntArray

KEPT_HOURS = 14 * 24  # two weeks: enough for last week's window a week ago, little enough to hold
COLD_HOURS = 24  # a pod seen in fewer hours has shown neither its day nor its night


@dataclass(frozen=True, slots=True)
class SeriesHours:
    """Per series and hour; hour -1 ends at `end_s`. K = KEPT_HOURS."""

    end_s: int
    peak: NDArray[np.float32]  # [S, K] 0 where nothing was seen
    mean: NDArray[np.float32]  # [S, K] of the samples seen, 0 where none
    seen: NDArray[np.float32]  # [S, K] share of the hour's samples that exist


@dataclass(frozen=True, slots=True)
class NodeHours:
    """Per node and hour: use of the pods that are warm residents now, summed. K = KEPT_HOURS."""

    member: BoolArray  # [S] the warm residents the sums are over
    peak: FloatArray  # [N, K]
    mean: FloatArray  # [N, K]


def _window(samples: Samples, *, column: int, columns: int) -> Samples:
    """The `columns` samples that end with `column`; NaN before the first and after the last."""
    first = column + 1 - columns
    block = samples[:, max(first, 0) : max(column + 1, 0)]
    if block.shape[1] == columns:
        return block
    before = min(max(-first, 0), columns)
    after = columns - before - block.shape[1]
    return np.pad(block, ((0, 0), (before, after)), constant_values=np.nan)


def _measure(
    samples: Samples, *, column: int, hours: int, per_hour: int, end_s: int
) -> SeriesHours:
    block = _window(samples, column=column, columns=hours * per_hour)
    block = block.reshape(len(samples), hours, per_hour)
    missing = np.isnan(block)
    known = np.where(missing, np.float32(0), block)
    count = np.float32(per_hour) - missing.sum(axis=2, dtype=np.float32)
    return SeriesHours(
        end_s=end_s,
        peak=known.max(axis=2),
        mean=known.sum(axis=2) / np.maximum(count, np.float32(1)),
        seen=count / np.float32(per_hour),
    )


def series_hours(
    samples: Samples, *, column: int, now_s: int, per_hour: int, cached: SeriesHours | None
) -> SeriesHours:
    """Hours that end with sample `column`, reading only those the cache lacks."""
    fresh = missing_hours(now_s=now_s, rows=len(samples), cached=cached)
    if cached is not None and fresh == 0:
        return cached
    new = _measure(samples, column=column, hours=fresh, per_hour=per_hour, end_s=now_s)
    if cached is None or fresh == KEPT_HOURS:
        return new
    return SeriesHours(
        end_s=now_s,
        peak=np.concatenate((cached.peak[:, fresh:], new.peak), axis=1),
        mean=np.concatenate((cached.mean[:, fresh:], new.mean), axis=1),
        seen=np.concatenate((cached.seen[:, fresh:], new.seen), axis=1),
    )


def missing_hours(*, now_s: int, rows: int, cached: SeriesHours | None) -> int:
    """Whole hours since the cache; all of them when it is of another phase or other series."""
    if cached is None or len(cached.peak) != rows or now_s < cached.end_s:
        return KEPT_HOURS
    hours, off_phase = divmod(now_s - cached.end_s, HOUR_S)
    return KEPT_HOURS if off_phase else min(hours, KEPT_HOURS)


def node_hours(
    samples: Samples,
    member: BoolArray,
    node: IntArray,
    *,
    nodes: int,
    column: int,
    per_hour: int,
    fresh: int,
    cached: NodeHours | None,
) -> NodeHours:
    """Hours of the node sums; a node whose warm residents changed is summed anew.

    `fresh` is the number of hours the cache lacks.
    """

    def summed(members: BoolArray, hours: int) -> tuple[FloatArray, FloatArray]:
        block = _window(samples, column=column, columns=hours * per_hour)
        sums = node_sums(block, members, node, nodes=nodes).reshape(nodes, hours, per_hour)
        return sums.max(axis=2), sums.mean(axis=2)

    if cached is None or len(cached.member) != len(member) or fresh >= KEPT_HOURS:
        return NodeHours(member, *summed(member, KEPT_HOURS))
    peak, mean = cached.peak, cached.mean
    if fresh:
        new_peak, new_mean = summed(member, fresh)
        peak = np.concatenate((peak[:, fresh:], new_peak), axis=1)
        mean = np.concatenate((mean[:, fresh:], new_mean), axis=1)
    changed = np.zeros(nodes, dtype=np.bool_)
    changed[node[member != cached.member]] = True
    if changed.any():
        all_peak, all_mean = summed(member & changed[node], KEPT_HOURS)
        peak = np.where(changed[:, None], all_peak, peak)
        mean = np.where(changed[:, None], all_mean, mean)
    return NodeHours(member, peak, mean)
