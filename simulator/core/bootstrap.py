"""How sure a score is: the same score over node-days drawn again.

Windows of one node on one day overlap and break together, so whole node-days are drawn, with
replacement, and every policy is scored on the same draw: that is what makes the differences sharp.
Source: the block bootstrap (Künsch, 1989) with a node's day as the block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulator.core.backtest import Trial
from simulator.core.policies.of_nodes import DAY_S
from slacktide.messages import FloatArray

RESAMPLES: Final = 1_000
SEED: Final = 1
AT_ONCE: Final = 50  # resamples whose weights are held in memory together
INSIDE: Final = (2.5, 97.5)  # percent


@dataclass(frozen=True, slots=True)
class Interval:
    """The 95 % interval of a score."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Sureness:
    """Intervals of one policy's scores, and of how much more ours saves; None without ours."""

    violation: Interval
    savings: Interval
    of_oracle: Interval
    ours_more: Interval | None


def sureness(
    kept: Sequence[FloatArray],
    trial: Trial,
    *,
    ours: Sequence[int | None],
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> list[Sureness]:
    """The intervals of each policy.

    Args:
        kept: [N, T] of each of P policies.
        trial: what came.
        ours: for each of them, which of them is ours to be held against.
        seed: of the draws.
        resamples: how many are drawn.
    """
    sums = _draws(_blocks(kept, trial), seed=seed, resamples=resamples)
    policies = len(kept)
    short, answered, saved = (
        sums[:, at : at + policies] for at in range(0, 3 * policies, policies)
    )
    best, capacity = sums[:, [-2]], sums[:, [-1]]
    violation, savings = short / np.maximum(answered, 1), saved / capacity
    of_oracle = saved / np.maximum(best, 1e-12)
    return [
        Sureness(
            violation=_interval(violation[:, at]),
            savings=_interval(savings[:, at]),
            of_oracle=_interval(of_oracle[:, at]),
            ours_more=None if beside is None else _interval(savings[:, beside] - savings[:, at]),
        )
        for at, beside in enumerate(ours)
    ]


def _interval(draws: FloatArray) -> Interval:
    low, high = np.percentile(draws, INSIDE)
    return Interval(float(low), float(high))


def _blocks(kept: Sequence[FloatArray], trial: Trial) -> FloatArray:
    """[B, 3 P + 2] sums of each node-day: exceeded, answered, saved; the oracle's, the capacity."""
    days = np.asarray(trial.times_s) // DAY_S
    of_day = (days[:, None] == np.unique(days)).astype(np.float64)  # [T, D]
    capacity = np.broadcast_to(trial.capacity[:, None], trial.came.shape)
    bounded = [np.minimum(each, capacity) for each in kept]
    columns = [
        *(trial.exceeded(each) for each in bounded),
        *(~np.isnan(each) for each in bounded),
        *(np.nan_to_num(capacity - each) for each in bounded),
        capacity - np.minimum(trial.came, capacity),
        capacity,
    ]
    return np.stack([(column @ of_day).ravel() for column in columns], axis=1)


def _draws(blocks: FloatArray, *, seed: int, resamples: int) -> FloatArray:
    """[R, C] the sums of as many blocks as there are, drawn with replacement."""
    rng, count = np.random.default_rng(seed), len(blocks)
    sums = np.empty((resamples, blocks.shape[1]))
    for first in range(0, resamples, AT_ONCE):
        some = min(AT_ONCE, resamples - first)
        drawn = rng.integers(count, size=(some, count)) + count * np.arange(some)[:, None]
        weight = np.bincount(drawn.ravel(), minlength=some * count).reshape(some, count)
        sums[first : first + some] = weight @ blocks
    return sums
