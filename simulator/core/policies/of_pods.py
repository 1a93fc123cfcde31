"""The peers' formulas that size every pod by itself and add up.

Decayed histograms are fed as time goes, from the beginning of the history on, as the running
systems do. A replica is a workload of its own here: what runs beside it on other nodes is not
pooled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from predictor.core.histogram import (
    CPU_BUCKETS,
    MEMORY_BUCKETS,
    Buckets,
    Histograms,
    empty_histograms,
)
from predictor.core.history import HOUR_S, Samples
from simulator.core.policies.of_nodes import DAY_S
from simulator.core.policies.rules import Known, Looked, alike
from slacktide.messages import FloatArray

# Percentiles at which a week of every pod is measured; between two of them a line is drawn.
LEVELS: Final = (
    0.5,
    0.7,
    0.8,
    0.9,
    0.95,
    0.97,
    0.98,
    0.985,
    0.99,
    0.993,
    0.996,
    0.998,
    0.999,
    0.9995,
    1.0,
)


@dataclass(frozen=True, slots=True)
class ResourceCentralLike:
    """The sum of every pod's own percentile over a week.

    Source: 'Take it to the limit' (EuroSys'21) calls it RC-like, after Resource Central (SOSP'17).
    A knob above 1 is a factor on the pods' maxima: a percentile cannot ask for more.
    """

    window_s: int = 7 * DAY_S

    def look(self, known: Known) -> Looked:
        """The sum at each of the levels, [N, 1, L]."""
        there = known.resident
        window = np.nan_to_num(known.window(self.window_s)[there])
        if not window.shape[1]:
            return (np.full((len(known.capacity), 1, len(LEVELS)), np.inf),)
        ordered, at = np.sort(window, axis=1), known.history.node[there]
        sums = np.zeros((len(known.capacity), 1, len(LEVELS)))
        np.add.at(sums[:, 0], at, _quantiles(ordered, LEVELS))
        return (sums,)

    def keep(self, looked: Looked, knob: float) -> FloatArray:
        """The sum at the percentile."""
        (sums,) = looked
        if knob >= 1:
            return np.asarray(knob * sums[..., -1])
        above = int(np.searchsorted(LEVELS, knob, side="right").clip(1, len(LEVELS) - 1))
        below = above - 1
        share = (max(knob, LEVELS[0]) - LEVELS[below]) / (LEVELS[above] - LEVELS[below])
        return np.asarray((1 - share) * sums[..., below] + share * sums[..., above])


def _quantiles(ordered: Samples, levels: tuple[float, ...]) -> FloatArray:
    """[R, L] of rows in ascending order, as numpy's linear method has them."""
    rank = np.asarray(levels) * (ordered.shape[1] - 1)
    low = np.floor(rank).astype(np.int64)
    high = np.minimum(low + 1, ordered.shape[1] - 1)
    part = rank - low
    return np.asarray((1 - part) * ordered[:, low] + part * ordered[:, high])


Cut = Callable[
    [int, int], Samples | FloatArray
]  # (first, last) -> those columns, [R, last - first]


@dataclass(slots=True)
class Fed:
    """Histograms of rows that take in every sample once, as time goes."""

    histograms: Histograms
    next_column: int = 0

    @staticmethod
    def new(rows: int, buckets: Buckets, half_life_s: float) -> Fed:
        """Nothing seen yet."""
        return Fed(empty_histograms(rows, buckets, half_life_s=half_life_s))

    def take(self, cut: Cut, known: Known) -> Histograms:
        """After the samples up to now, a day at a time."""
        step_s, end = known.history.interval_s, known.columns
        while self.next_column < end:
            first, last = self.next_column, min(end, self.next_column + DAY_S // step_s)
            self.histograms = self.histograms.with_samples(
                np.asarray(cut(first, last)), first_s=first * step_s, interval_s=step_s
            )
            self.next_column = last
        return self.histograms.decayed_to(known.now_s)

    def take_days(self, cut: Cut, known: Known) -> Histograms:
        """After one peak for each day that is over, with today's so far for the time being."""
        day, end = DAY_S // known.history.interval_s, known.columns
        while self.next_column + day <= end:
            peaks = _peaks(cut(self.next_column, self.next_column + day))
            self.next_column += day
            over_s = self.next_column * known.history.interval_s
            self.histograms = self.histograms.with_samples(peaks, first_s=over_s, interval_s=DAY_S)
        today = _peaks(cut(self.next_column, end))
        return self.histograms.with_samples(today, first_s=known.now_s, interval_s=DAY_S)


def _peaks(samples: Samples | FloatArray) -> FloatArray:
    """[R, 1] the highest sample of each row; NaN where there is none."""
    peaks = np.where(np.isnan(samples), -np.inf, samples).max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(peaks), peaks, np.nan)[:, None].astype(np.float64)


@dataclass(slots=True)
class HistogramSum:
    """The sum over a node's pods of a percentile of each one's own decayed histogram.

    A pod without any sample keeps its request.
    """

    buckets: Buckets
    half_life_s: float
    percentile: float
    of_days: bool = False  # one peak a day, not every sample
    by_load: bool = False  # a bucket weighs what its samples used
    _fed: Fed | None = None

    def look(self, known: Known) -> Looked:
        """The sum of the percentiles, and of the requests of pods never seen."""
        rows = len(known.samples)
        fed = self._fed = self._fed or Fed.new(rows, self.buckets, self.half_life_s)
        seen = (fed.take_days if self.of_days else fed.take)(known.cut, known)
        if self.by_load:
            seen = replace(seen, weight=seen.weight * seen.buckets.ends)
        target = seen.percentile(self.percentile)
        unseen = np.where(np.isnan(target), np.nan_to_num(known.request), 0.0)
        return alike(known.over_nodes(np.nan_to_num(target))), alike(known.over_nodes(unseen))

    def keep(self, looked: Looked, knob: float) -> FloatArray:
        """Knob x percentiles, and the requests."""
        target, unseen = looked
        return knob * target + unseen


def vpa_sum(*, memory: bool) -> HistogramSum:
    """What VPA would request for every pod.

    Source: the VPA recommender's target: a half-life of a day, CPU p90 of all samples, memory p90
    of one peak a day, x 1.15.
    """
    if memory:
        return HistogramSum(MEMORY_BUCKETS, DAY_S, 0.9, of_days=True)
    return HistogramSum(CPU_BUCKETS, DAY_S, 0.9)


def autopilot_sum(*, memory: bool) -> HistogramSum:
    """What Autopilot would set for every pod as a serving job.

    Source: Autopilot (EuroSys'20), moving-window recommender: CPU p95 with a half-life of 12 h,
    memory p98 with 48 h, by load, x 1.15. Its maximum over the last hour's answers is left out:
    with such half-lives an hour changes nothing that would show.
    """
    if memory:
        return HistogramSum(MEMORY_BUCKETS, 48 * HOUR_S, 0.98, by_load=True)
    return HistogramSum(CPU_BUCKETS, 12 * HOUR_S, 0.95, by_load=True)


@dataclass(slots=True)
class KoordinatorPeaks:
    """What Koordinator's predictor leaves to pods: per pod and for the node, whichever is more.

    Source: koordlet's peak predictor: histograms with buckets growing by 5 %, half-life 12 h (CPU)
    and 24 h (memory), CPU p95 and memory p98, x 1.1. Reclaimable is the smaller of the pods'
    requests less their own peaks, and of the requests less the peak of the node's sum; a pod
    younger than a day gives nothing back.
    """

    buckets: Buckets
    half_life_s: float
    percentile: float
    _pods: Fed | None = None
    _nodes: Fed | None = None

    @staticmethod
    def of(*, memory: bool) -> KoordinatorPeaks:
        """For one resource."""
        if memory:
            return KoordinatorPeaks(Buckets(5 << 20, 1.05, 190), 24 * HOUR_S, 0.98)
        return KoordinatorPeaks(Buckets(0.025, 1.05, 160), 12 * HOUR_S, 0.95)

    def look(self, known: Known) -> Looked:
        """The sum of the pods' peaks, of young pods' requests, and the peak of the node's sum."""
        shape = self.buckets, self.half_life_s
        pods = self._pods = self._pods or Fed.new(len(known.samples), *shape)
        nodes = self._nodes = self._nodes or Fed.new(len(known.capacity), *shape)
        peak = np.nan_to_num(pods.take(known.cut, known).percentile(self.percentile))
        whole = nodes.take(known.cut_of_nodes, known).percentile(self.percentile)
        young = known.now_s - known.history.start_s < DAY_S
        request = np.where(np.isnan(known.request), np.inf, known.request)
        return (
            alike(known.over_nodes(np.where(young, 0.0, np.minimum(peak, request)))),
            alike(known.over_nodes(np.where(young, np.nan_to_num(known.request), 0.0))),
            alike(np.nan_to_num(whole)),
        )

    def keep(self, looked: Looked, knob: float) -> FloatArray:
        """The larger of both."""
        pods, young, whole = looked
        return np.maximum(knob * pods + young, knob * whole)
