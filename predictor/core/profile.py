"""What each workload is like: its hours, its days, how much of its variation repeats.

Profiles feed recommendations and the pages that explain them. Strengths are shares of variance
explained by the mean day (hour of the day) or the mean week (hour of the week), as in STL-based
seasonal strength, so 0 is noise and 1 is a clock. Too little history gives NaN, not a guess.

Source of the strengths: Wang, Smith, Hyndman 2006 (characteristic-based clustering of series).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from predictor.core.history import HOUR_S, Samples
from slacktide.messages import FloatArray

DAY_HOURS = 24
WEEK_HOURS = 168
LEAST_PERIODS = 2  # a season shows only when it came round twice


@dataclass(frozen=True, slots=True)
class Profiles:
    """W workloads, K whole hours from the first; NaN where an hour has no sample."""

    hourly_max: FloatArray  # [W, K]
    hourly_p95: FloatArray  # [W, K]
    hourly_mean: FloatArray  # [W, K]
    day_strength: FloatArray  # [W] 0..1
    week_strength: FloatArray  # [W] 0..1
    seen_hours: FloatArray  # [W] hours with any sample


def profiles(samples: Samples, *, interval_s: int) -> Profiles:
    """Profiles of [W, T] samples whose first column begins an hour; a started hour is left out."""
    per_hour = HOUR_S // interval_s
    hours = samples.shape[1] // per_hour
    blocks = samples[:, : hours * per_hour].reshape(len(samples), hours, per_hour)
    known = ~np.isnan(blocks)
    count = known.sum(axis=2)
    filled = np.where(known, blocks, np.inf)
    ranked = np.sort(filled, axis=2).astype(np.float64)
    rank = np.maximum(np.ceil(0.95 * count).astype(np.int64) - 1, 0)
    p95 = np.take_along_axis(ranked, rank[:, :, None], axis=2)[:, :, 0]
    top = np.take_along_axis(ranked, np.maximum(count - 1, 0)[:, :, None], axis=2)[:, :, 0]
    mean = np.where(known, blocks, 0.0).sum(axis=2) / np.maximum(count, 1)
    seen = count > 0
    mean = np.where(seen, mean, np.nan)
    return Profiles(
        hourly_max=np.where(seen, top, np.nan),
        hourly_p95=np.where(seen, p95, np.nan),
        hourly_mean=mean,
        day_strength=season_strength(mean, period=DAY_HOURS),
        week_strength=season_strength(mean, period=WEEK_HOURS),
        seen_hours=seen.sum(axis=1).astype(np.float64),
    )


def season_strength(hourly: FloatArray, *, period: int) -> FloatArray:
    """[W] share of the variance that the mean period explains; NaN with fewer than two periods."""
    periods = hourly.shape[1] // period
    if periods < LEAST_PERIODS:
        return np.full(len(hourly), np.nan)
    folded = hourly[:, -periods * period :].reshape(len(hourly), periods, period)
    known = ~np.isnan(folded)
    count = known.sum(axis=1)
    typical = np.where(known, folded, 0.0).sum(axis=1) / np.maximum(count, 1)
    rest = _variance(np.where(known, folded - typical[:, None, :], np.nan))
    whole = _variance(folded)
    enough = (count >= LEAST_PERIODS).mean(axis=1) >= 0.5
    strength = np.where(whole > 0, 1.0 - rest / np.where(whole > 0, whole, 1.0), 0.0)
    return np.where(enough, np.clip(strength, 0.0, 1.0), np.nan)


def _variance(values: FloatArray) -> FloatArray:
    """[W] over everything but the rows, of the known values; 0 where none is known."""
    flat = values.reshape(len(values), -1)
    known = ~np.isnan(flat)
    count = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, flat, 0.0).sum(axis=1) / count
    spread: FloatArray = np.where(known, (flat - mean[:, None]) ** 2, 0.0).sum(axis=1) / count
    return spread
