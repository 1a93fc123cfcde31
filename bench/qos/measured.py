"""What episodes come to: pooled quantiles, their intervals, reactions, recoveries, batch's share.

Pure functions over records' plain values. Always holds: a request never answered counts as the
slowest; an interval is a bootstrap over whole episodes, since requests of one episode are not
independent (Efron & Tibshirani, An Introduction to the Bootstrap, ch. 8).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NEVER_MS = 1e4
"""Stands for the latency of a request that was never answered."""
WINDOW_S = 0.1
STEP_S = 0.02
GOOD_WINDOWS = 3
"""Good windows in a row, a window long each, after which an episode is recovered."""


def quantile_ms(episodes: Sequence[Floats], q: float = 0.99) -> float:
    """Of all requests together; NaN without any."""
    pooled = np.concatenate(episodes) if episodes else np.zeros(0)
    return float(np.quantile(pooled, q)) if len(pooled) else float("nan")


def ratio_interval(
    ours: Sequence[Floats], beside: Sequence[Floats], *, seed: int, draws: int = 400
) -> tuple[float, float, float]:
    """(low, ratio, high): p99 of one arm over another's; 90 % interval over whole episodes."""
    random = np.random.default_rng(seed)
    ratio = quantile_ms(ours) / quantile_ms(beside)
    drawn = [
        quantile_ms(_again(ours, random)) / quantile_ms(_again(beside, random))
        for _ in range(draws)
    ]
    low, high = np.quantile(drawn, (0.05, 0.95))
    return float(low), ratio, float(high)


def windows_ms(meant_s: Floats, latency_ms: Floats, until_s: float) -> tuple[Floats, Floats]:
    """(begins, p99) of the 100 ms windows that begin every 20 ms from the step; NaN where empty."""
    begins = np.arange(0.0, until_s - WINDOW_S + 1e-9, STEP_S)
    p99 = np.full(len(begins), np.nan)
    order = np.argsort(meant_s)
    meant_s, latency_ms = meant_s[order], latency_ms[order]
    first = np.searchsorted(meant_s, begins)
    last = np.searchsorted(meant_s, begins + WINDOW_S)
    for n, (a, b) in enumerate(zip(first, last, strict=True)):
        if b > a:
            p99[n] = np.quantile(latency_ms[a:b], 0.99)
    return begins, p99


def usual_window_ms(episodes: Sequence[tuple[Floats, Floats, float]]) -> float:
    """What 95 % of an undisturbed arm's own windows stay below: p99 of 30 requests is noisy."""
    seen = [windows_ms(*episode)[1] for episode in episodes]
    pooled = np.concatenate(seen) if seen else np.zeros(0)
    pooled = pooled[~np.isnan(pooled)]
    return float(np.quantile(pooled, 0.95)) if len(pooled) else float("nan")


def harmed_s(meant_s: Floats, latency_ms: Floats, limit_ms: float) -> float | None:
    """When the first request above the limit was meant to go; None: no harm came."""
    harmed = meant_s[(meant_s >= 0) & (latency_ms > limit_ms)]
    return float(harmed.min()) if len(harmed) else None


def recovered_s(
    meant_s: Floats, latency_ms: Floats, *, limit_ms: float, from_s: float, until_s: float
) -> float:
    """Time from `from_s` until windows are good and stay so for three; `until_s` if never."""
    begins, p99 = windows_ms(meant_s, latency_ms, until_s)
    good = np.isnan(p99) | (p99 <= limit_ms)
    ahead = round(GOOD_WINDOWS * WINDOW_S / STEP_S)
    for n, begin_s in enumerate(begins):
        if begin_s >= from_s - STEP_S and good[n : n + ahead].all():
            return max(float(begin_s) - from_s, 0.0)
    return until_s - from_s


def reacted_s(ticks: Sequence[Sequence[float]], from_s: float, begin_s: float) -> float | None:
    """Time from `from_s` to the first tick with a stage; 0 where one stood before; None: never.

    `ticks` begin with [t, cpu, disk, memory, network stage]; those before `begin_s` do not count.
    """
    for row in ticks:
        if row[0] >= begin_s and any(row[1:5]):
            return max(row[0] - from_s, 0.0)
    return None


def share_of_free(*, batch_s: float, others_s: float, cores: int, seconds: float) -> float:
    """Batch's CPU over what all others left: 1 is all of it."""
    return batch_s / max(cores * seconds - others_s, 1e-9)


def median_interval(values: Sequence[float], *, seed: int, draws: int = 400) -> tuple[float, ...]:
    """(low, median, high), 90 % bootstrap; NaN without values."""
    if not values:
        return (float("nan"),) * 3
    random, known = np.random.default_rng(seed), np.asarray(values)
    drawn = np.median(random.choice(known, (draws, len(known))), axis=1)
    low, high = np.quantile(drawn, (0.05, 0.95))
    return float(low), float(np.median(known)), float(high)


def _again(episodes: Sequence[Floats], random: np.random.Generator) -> list[Floats]:
    return [episodes[n] for n in random.integers(0, len(episodes), len(episodes))]
