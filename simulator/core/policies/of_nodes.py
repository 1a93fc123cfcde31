"""The peers' formulas that look at a node's use as a whole.

They are baselines, written from their definitions; a missing sample counts as no use, as in the
published backtests, unless the peer says otherwise. Memory follows the same formula as CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from predictor.core.history import HOUR_S
from simulator.core.policies.rules import Known, Looked, alike
from slacktide.messages import BoolArray, FloatArray, IntArray

DAY_S: Final = 86_400
HOURS: Final = 24


@dataclass(frozen=True, slots=True)
class RequestsOnly:
    """No colocation: what online pods requested is theirs, used or not (plain Kubernetes)."""

    def look(self, known: Known) -> Looked:
        """The sum of the running pods' requests."""
        return (alike(known.over_nodes(np.nan_to_num(known.request))),)

    def keep(self, looked: Looked, knob: float) -> FloatArray:
        """All of it; the knob is the share of the requests."""
        return knob * looked[0]


@dataclass(frozen=True, slots=True)
class BorgDefault:
    """A constant share of every node, taken as fully requested.

    Source: 'Take it to the limit' (EuroSys'21) calls it borg-default, with 0.9.
    """

    def look(self, known: Known) -> Looked:
        """The capacity."""
        return (alike(known.capacity),)

    def keep(self, looked: Looked, knob: float) -> FloatArray:
        """A share of it."""
        return knob * looked[0]


@dataclass(frozen=True, slots=True)
class NSigma:
    """Mean plus standard deviations of the node's use over the last 10 h.

    Source: 'Take it to the limit' (EuroSys'21), whose released settings are 120 samples of 5 min
    and 5 sigmas.
    """

    window_s: int = 36_000

    def look(self, known: Known) -> Looked:
        """Mean and deviation (ddof 1); everything before the second sample."""
        use = known.sums(self.window_s)
        if use.shape[1] < 2:
            return alike(np.full(len(use), np.inf)), alike(np.zeros(len(use)))
        return alike(use.mean(1)), alike(use.std(1, ddof=1))

    def keep(self, looked: Looked, knob: float) -> FloatArray:
        """Mean + knob x deviation."""
        mean, deviation = looked
        return mean + knob * deviation


@dataclass(frozen=True, slots=True)
class NSigmaOfSamples(NSigma):
    """The same over the last 120 samples that exist: after a gap those before it.

    Source: the released code counts samples, not hours. Over hours, a node that was silent for all
    of them keeps nothing at any number of sigmas.
    """

    samples: int = 120
    reach_s: int = 3 * DAY_S  # for samples before a gap

    def look(self, known: Known) -> Looked:
        """Mean and deviation (ddof 1); everything before the second sample."""
        use = known.sums_heard(self.reach_s)
        newest = np.take_along_axis(use, np.argsort(~np.isnan(use), axis=1, kind="stable"), axis=1)
        newest = newest[:, -self.samples :]
        count = (~np.isnan(newest)).sum(axis=1)
        mean = np.nansum(newest, axis=1) / np.maximum(count, 1)
        square = np.nansum((newest - mean[:, None]) ** 2, axis=1)
        deviation = np.sqrt(square / np.maximum(count - 1, 1))
        return alike(np.where(count < 2, np.inf, mean)), alike(deviation)


@dataclass(frozen=True, slots=True)
class MaxOfWindow:
    """The highest use of the last seven days (or of another window) times a factor."""

    window_s: int = 7 * DAY_S

    def look(self, known: Known) -> Looked:
        """The peak."""
        return (alike(known.sums(self.window_s).max(1, initial=0.0)),)

    def keep(self, looked: Looked, knob: float) -> FloatArray:
        """Knob x peak."""
        return knob * looked[0]


@dataclass(frozen=True, slots=True)
class Persistence:
    """What the last window of the same length peaked at, shifted by one.

    Source: Christofidi and Doudali (SoCC'23) find learned usage forecasts hardly ahead of it, so
    it belongs into every comparison.
    """

    def look(self, known: Known) -> Looked:
        """The peak of the last window of each horizon's length."""
        return (np.stack([known.sums(h).max(1, initial=0.0) for h in known.horizons_s], axis=1),)

    def keep(self, looked: Looked, knob: float) -> FloatArray:
        """Knob x that peak."""
        return knob * looked[0]


@dataclass(frozen=True, slots=True)
class HourlySigma:
    """For each hour of the day mean plus standard deviations; the highest hour ahead counts.

    Source: the controllers of the Katalyst family: 24 buckets of an hour, factor 3, at least a day
    and at most seven of history.
    """

    window_s: int = 7 * DAY_S

    def look(self, known: Known) -> Looked:
        """Mean and deviation of each hour of the day; minus infinity for hours not ahead."""
        use, step_s = known.sums(self.window_s), known.history.interval_s
        if use.shape[1] < DAY_S // step_s:
            everything = np.full((len(use), 1, HOURS), np.inf)
            return everything, np.zeros_like(everything)
        newest = known.history.column(known.now_s)
        stamps_s = (newest - np.arange(use.shape[1])[::-1]) * step_s
        mean, deviation = _by_hour(use, hours_of_day(stamps_s))
        ahead = np.stack([_ahead(known.now_s, horizon, step_s) for horizon in known.horizons_s])
        return np.where(ahead, mean[:, None], -np.inf), np.where(ahead, deviation[:, None], 0.0)

    def keep(self, looked: Looked, knob: float) -> FloatArray:
        """The highest of mean + knob x deviation."""
        mean, deviation = looked
        kept: FloatArray = (mean + knob * deviation).max(axis=-1)
        return kept


def hours_of_day(stamps_s: IntArray) -> IntArray:
    """The hour of the day of samples stamped at the end of their interval."""
    hours: IntArray = (stamps_s - 1) // HOUR_S % HOURS
    return hours


def _by_hour(use: FloatArray, hours: IntArray) -> tuple[FloatArray, FloatArray]:
    """[N, 24] mean and deviation (ddof 1) of [N, W] samples."""
    member = (hours[:, None] == np.arange(HOURS)).astype(np.float64)
    count = np.maximum(member.sum(axis=0), 1.0)
    mean = use @ member / count
    square = (use - mean[:, hours]) ** 2 @ member
    return mean, np.sqrt(square / np.maximum(count - 1, 1.0))


def _ahead(now_s: int, horizon_s: int, step_s: int) -> FloatArray:
    """[24] 1 for the hours of the day that samples in (now, now + horizon] are of."""
    stamps_s = now_s + np.arange(step_s, min(horizon_s, DAY_S) + 1, step_s)
    return np.isin(np.arange(HOURS), hours_of_day(stamps_s)).astype(np.float64)


@dataclass(frozen=True, slots=True)
class SeasonalMaximum:
    """The highest of the same time of day over 15 days, or what is used now if that is more.

    Source: Crane's node reclaim, capacity less the larger of its prediction's peak and the use of
    now. Its predictor finds a period of a day or a week and picks the best of nine estimators; this
    is the simplest of them alone, `maxValue` (the maximum over the periods at the same phase), with
    a period of a day and Crane's margin of 15 %. Fifteen days are what it fetches.
    """

    window_s: int = 15 * DAY_S

    def look(self, known: Known) -> Looked:
        """The prediction's peak within each horizon, and what is used now."""
        use, day = known.sums(self.window_s), DAY_S // known.history.interval_s
        missing = -use.shape[1] % day
        days = np.pad(use, ((0, 0), (missing, 0))).reshape(len(use), -1, day)
        phases = days.max(axis=1, initial=0.0)  # phase 0 is the next sample, a day after the oldest
        ahead = [
            phases[:, : max(1, min(horizon_s // known.history.interval_s, day))].max(axis=1)
            for horizon_s in known.horizons_s
        ]
        used = use[:, -1:] if use.shape[1] else np.zeros((len(use), 1))
        return np.stack(ahead, axis=1), used

    def keep(self, looked: Looked, knob: float) -> FloatArray:
        """The larger of knob x peak and what is used."""
        peak, used = looked
        return np.maximum(knob * peak, used)


@dataclass(frozen=True, slots=True)
class KoordinatorUsage:
    """Koordinator's batch formula: capacity - margin - used, from the last five minutes.

    Source: its slo-controller's `usage` policy, margins 40 % CPU and 35 % memory; a node whose
    metrics are older than 15 minutes is degraded and offers nothing.
    """

    degrade_s: int | None = 900  # None: the bare formula, as published backtests score it

    def look(self, known: Known) -> Looked:
        """The capacity and what is used, or everything where the metrics are too old."""
        used = known.sums(known.history.interval_s)
        now = used[:, -1] if used.shape[1] else np.full(len(used), np.inf)
        if self.degrade_s is not None:
            now = np.where(_degraded(known, self.degrade_s), np.inf, now)
        return alike(known.capacity), alike(now)

    def keep(self, looked: Looked, knob: float) -> FloatArray:
        """Knob x capacity + used."""
        capacity, used = looked
        return knob * capacity + used


def _degraded(known: Known, degrade_s: int) -> BoolArray:
    """[N] where a node with pods was not heard of for so long."""
    heard = np.any(~np.isnan(known.window(degrade_s)), axis=1).astype(np.float64)
    pods, reporting = known.over_nodes(np.ones_like(heard)), known.over_nodes(heard)
    silent: BoolArray = (pods > 0) & (reporting == 0)
    return silent
