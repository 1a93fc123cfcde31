"""Requests held against the week that came: what they waste, and what they leave unmet.

A request made at a time is compared with the seven days after it, for every series with most of
the week before it known and a day of the week after it. Slack is request less mean use, unmet the
use above the request as a share of all use, an OOM day one with any sample above the memory
request. The peers' rules are their published ones, written anew: KRR (robusta-dev/krr, `simple`
strategy) and VPA (kubernetes/autoscaler, recommender defaults; without its floor of 250 MiB, which
would only cost it slack). Over replicas KRR takes the hungriest, VPA pools their samples. Tallies
of several times add up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from predictor.core.history import History, Samples
from predictor.core.use import percentile
from slacktide.messages import BoolArray, FloatArray, IntArray

DAY_S = 86_400
WEEK_DAYS = 7
KNOWN_DAYS = 5  # of the week before
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Requests:
    """What each series asks for; NaN where nothing is asked."""

    cpu_cores: FloatArray  # [S]
    memory_bytes: FloatArray  # [S]


# From what is known and nothing later, and which workload's container [S] each series is of.
Rule = Callable[[History, IntArray], Requests]


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over series and weeks."""

    cpu_slack_cores: float = 0.0
    cpu_unmet: float = 0.0  # core-samples above the requests
    cpu_use: float = 0.0  # core-samples
    memory_slack_bytes: float = 0.0
    oom_days: int = 0
    days: int = 0  # with memory samples and a request

    def __add__(self, other: Tally) -> Tally:
        """The sums of both."""
        return Tally(
            self.cpu_slack_cores + other.cpu_slack_cores,
            self.cpu_unmet + other.cpu_unmet,
            self.cpu_use + other.cpu_use,
            self.memory_slack_bytes + other.memory_slack_bytes,
            self.oom_days + other.oom_days,
            self.days + other.days,
        )

    @property
    def unmet_share(self) -> float:
        """Of all use."""
        return self.cpu_unmet / self.cpu_use if self.cpu_use else 0.0

    @property
    def oom_share(self) -> float:
        """Of all days."""
        return self.oom_days / self.days if self.days else 0.0


def judged(history: History, at_s: int) -> BoolArray:
    """[S] series with five days of samples in the week before, and one in the week after."""
    day = DAY_S // history.interval_s
    at = at_s // history.interval_s
    known = ~np.isnan(history.cpu_cores[:, max(at - WEEK_DAYS * day, 0) : at + WEEK_DAYS * day])
    before = known[:, : min(at, WEEK_DAYS * day)].sum(axis=1)
    after = known[:, min(at, WEEK_DAYS * day) :].sum(axis=1)
    enough: BoolArray = (before >= KNOWN_DAYS * day) & (after >= day)
    return enough


def held_against_week(history: History, at_s: int, asked: Requests) -> Tally:
    """What requests made at a time cost and miss in the seven days after it."""
    rows = np.flatnonzero(judged(history, at_s))
    day, at = DAY_S // history.interval_s, at_s // history.interval_s
    use = history.cpu_cores[rows, at : at + WEEK_DAYS * day].astype(np.float64)
    cores = asked.cpu_cores[rows]
    found = Tally(
        cpu_slack_cores=float((cores - np.nanmean(use, axis=1)).sum()) if rows.size else 0.0,
        cpu_unmet=float(np.nansum(np.maximum(use - cores[:, None], 0.0))),
        cpu_use=float(np.nansum(use)),
    )
    if history.memory_bytes is None:
        return found
    window = history.memory_bytes[rows, at : at + WEEK_DAYS * day].astype(np.float64)
    return found + _memory(window, asked.memory_bytes[rows], day)


def _memory(window: FloatArray, size: FloatArray, day: int) -> Tally:
    kept = np.isfinite(size) & np.isfinite(window).any(axis=1)
    window, size = window[kept], size[kept]
    if not size.size:
        return Tally()
    lacking = -window.shape[1] % day
    days = np.pad(window, ((0, 0), (0, lacking)), constant_values=np.nan)
    peaks = np.where(np.isnan(days), -np.inf, days).reshape(len(days), -1, day).max(axis=2)
    return Tally(
        memory_slack_bytes=float((size - np.nanmean(window, axis=1)).sum()),
        oom_days=int((peaks > size[:, None]).sum()),
        days=int(np.isfinite(peaks).sum()),
    )


def krr(*, cpu_share: float = 0.95, memory_factor: float = 1.15) -> Rule:
    """KRR's simple strategy: CPU percentile and memory maximum of two weeks, times a buffer."""

    def rule(known: History, group: IntArray) -> Requests:
        cores = percentile(_last(known.cpu_cores, known, days=14), cpu_share)
        cores = np.maximum(_hungriest(cores, group), 0.01)
        if known.memory_bytes is None:
            return Requests(cores, np.full(len(cores), np.nan))
        highest = percentile(_last(known.memory_bytes, known, days=14), 1.0)
        size = _hungriest(highest, group) * memory_factor
        return Requests(cores, np.maximum(size, 100.0 * MIB))

    return rule


def vpa(*, share: float = 0.90, margin: float = 1.15) -> Rule:
    """VPA's target: a decayed percentile of eight days, times a margin; of memory's daily peaks."""

    def rule(known: History, group: IntArray) -> Requests:
        day = DAY_S // known.interval_s
        window = _last(known.cpu_cores, known, days=8)
        ages = np.arange(window.shape[1])[::-1] / day
        cores = np.maximum(margin * _pooled(window, 0.5**ages, share, group), 0.025)
        if known.memory_bytes is None:
            return Requests(cores, np.full(len(cores), np.nan))
        memory = _last(known.memory_bytes, known, days=8)
        whole = memory[:, memory.shape[1] % day :].reshape(len(memory), -1, day)
        peaks = np.where(np.isnan(whole), -np.inf, whole).max(axis=2)
        peaks = np.where(np.isinf(peaks), np.nan, peaks)
        ages = np.arange(peaks.shape[1])[::-1].astype(np.float64)
        return Requests(cores, margin * _pooled(peaks, 0.5**ages, share, group))

    return rule


def _hungriest(values: FloatArray, group: IntArray) -> FloatArray:
    """[S] the largest of each series' group."""
    most = np.full(int(group.max(initial=-1)) + 1, -np.inf)
    np.fmax.at(most, group, values)
    found: FloatArray = np.where(np.isinf(most), np.nan, most)[group]
    return found


def _pooled(samples: Samples, weight: FloatArray, share: float, group: IntArray) -> FloatArray:
    """[S] the decayed percentile of all samples of each series' group together."""
    found = np.empty(len(samples))
    for one in np.unique(group):
        rows = np.flatnonzero(group == one)
        together = samples[rows].reshape(1, -1)
        found[rows] = decayed_percentile(together, np.tile(weight, len(rows)), share)
    return found


def decayed_percentile(samples: Samples, weight: FloatArray, share: float) -> FloatArray:
    """[S] smallest sample of [S, T] that at least `share` of the weight [T] does not exceed."""
    if not samples.shape[1]:
        return np.full(len(samples), np.nan)
    order = np.argsort(samples, axis=1)  # NaN last
    ranked = np.take_along_axis(samples, order, axis=1).astype(np.float64)
    known = np.where(np.isnan(ranked), 0.0, weight[order])
    reached = np.cumsum(known, axis=1)
    at = np.argmax(reached >= share * reached[:, -1:], axis=1)
    return np.take_along_axis(ranked, at[:, None], axis=1)[:, 0]


def _last(samples: Samples, history: History, *, days: int) -> Samples:
    columns = days * DAY_S // history.interval_s
    return samples[:, max(samples.shape[1] - columns, 0) :]
