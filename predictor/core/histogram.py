"""Decayed histograms of many workloads at once, with exponential buckets.

A histogram of 176 buckets stands for weeks of samples, can be merged, and forgets by half-lives.
Rows are workloads; nothing here loops over them. Invariants: weights are never negative; merging
then asking equals asking of all samples together; a percentile is never below the sample it names,
and at most one bucket ratio above it.

Sources: VPA recommender (first bucket 0.01 core or 10 MB, ratio 1.05, half-life 24 h, percentile =
end of the bucket); Autopilot, EuroSys'20, section 3.2 (weights 2^(-age / half-life)).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from slacktide.messages import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Buckets:
    """Bucket 0 holds [0, first); bucket k ends at first * (ratio^(k+1) - 1) / (ratio - 1)."""

    first: float  # cores or bytes
    ratio: float
    count: int

    @property
    def ends(self) -> FloatArray:
        """[B] where each bucket ends; samples beyond the last count in it."""
        grown = np.power(self.ratio, np.arange(1, self.count + 1, dtype=np.float64))
        ends: FloatArray = self.first * (grown - 1) / (self.ratio - 1)
        return ends

    def of(self, values: FloatArray) -> IntArray:
        """Which bucket each value falls in; negative values in the first."""
        grown = np.log1p(np.maximum(values, 0.0) / self.first * (self.ratio - 1))
        bucket: IntArray = np.floor(grown / np.log(self.ratio)).astype(np.int64)
        return np.minimum(bucket, self.count - 1)


CPU_BUCKETS = Buckets(first=0.01, ratio=1.05, count=176)  # up to 1,000 cores
MEMORY_BUCKETS = Buckets(first=1e7, ratio=1.05, count=176)  # up to 1 TB
HALF_LIFE_S = 24 * 3_600


@dataclass(frozen=True, slots=True)
class Histograms:
    """[W, B] weights as of `at_s`, for W workloads."""

    buckets: Buckets
    half_life_s: float
    at_s: int
    weight: FloatArray

    def decayed_to(self, at_s: int) -> Histograms:
        """The same samples, seen from a later (or earlier) time."""
        factor = np.exp2((self.at_s - at_s) / self.half_life_s)
        return replace(self, at_s=at_s, weight=self.weight * factor)

    def with_samples(self, values: FloatArray, *, first_s: int, interval_s: int) -> Histograms:
        """Adds [W, T] samples, column k stamped `first_s + k * interval_s`; NaN adds nothing."""
        workloads, columns = values.shape
        if not columns:
            return self
        last_s = first_s + (columns - 1) * interval_s
        age_s = (last_s - first_s) - np.arange(columns) * interval_s
        weight = np.broadcast_to(np.exp2(-age_s / self.half_life_s), values.shape)
        known = ~np.isnan(values)
        row = np.nonzero(known)[0]
        flat = row * self.buckets.count + self.buckets.of(values[known].astype(np.float64))
        size = workloads * self.buckets.count
        added = np.bincount(flat, weight[known], minlength=size).reshape(workloads, -1)
        now = self.decayed_to(last_s)
        return replace(now, weight=now.weight + added)

    def merged_with(self, other: Histograms) -> Histograms:
        """Both together, as of the later of the two times."""
        at_s = max(self.at_s, other.at_s)
        mine, theirs = self.decayed_to(at_s), other.decayed_to(at_s)
        return replace(mine, weight=mine.weight + theirs.weight)

    def percentile(self, share: float) -> FloatArray:
        """[W] end of the bucket in which the share of the weight is reached; NaN where empty."""
        below = np.cumsum(self.weight, axis=1)
        total = below[:, -1]
        reached = below >= share * total[:, None] * (1 - 1e-12)
        return np.where(total > 0, self.buckets.ends[reached.argmax(axis=1)], np.nan)


def empty_histograms(
    workloads: int, buckets: Buckets, *, at_s: int = 0, half_life_s: float = HALF_LIFE_S
) -> Histograms:
    """Histograms of `workloads` rows with nothing in them."""
    return Histograms(buckets, half_life_s, at_s, np.zeros((workloads, buckets.count)))
