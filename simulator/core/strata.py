"""Whether a promise is kept everywhere or only on average: by hour, size, age and week."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from predictor.core.history import HOUR_S
from simulator.core.backtest import Trial
from simulator.core.policies.of_nodes import DAY_S
from slacktide.messages import BoolArray, FloatArray, IntArray

HOURS_TOGETHER: Final = 3
AGES_DAYS: Final = (2.0, 7.0, 14.0, 28.0)
SIZES: Final = (
    "least used third of the nodes",
    "middle third of the nodes",
    "most used third of the nodes",
)


@dataclass(frozen=True, slots=True)
class Stratum:
    """One part of the (node, time) grid."""

    by: str
    name: str
    windows: int
    violation: float


def strata(kept: FloatArray, trial: Trial) -> list[Stratum]:
    """The violation of [N, T] kept in every part that has windows at all."""
    short, answered = trial.exceeded(kept), ~np.isnan(kept)
    return [
        Stratum(by, name, int(part.sum()), float(short[part].mean()))
        for by, name, whole in _parts(trial)
        if (part := whole & answered).any()
    ]


def _parts(trial: Trial) -> Iterator[tuple[str, str, BoolArray]]:
    """What stratum a window is of: [N, T] masks."""
    times, shape = np.asarray(trial.times_s), trial.came.shape

    def column(mask: BoolArray) -> BoolArray:
        return np.broadcast_to(mask, shape)

    block = times // HOUR_S % 24 // HOURS_TOGETHER
    for at in range(24 // HOURS_TOGETHER):
        first = at * HOURS_TOGETHER
        yield "hour", f"{first:02d}:00 to {first + HOURS_TOGETHER:02d}:00", column(block == at)
    thirds = _thirds(trial)
    for at, name in enumerate(SIZES):
        yield "size", name, column((thirds == at)[:, None])
    ages = ages_days(trial)
    for low, high in zip((0.0, *AGES_DAYS), (*AGES_DAYS, np.inf), strict=True):
        name = f"{low:g} days and more" if np.isinf(high) else f"{low:g} to {high:g} days"
        yield "age of the pods", name, np.asarray((ages >= low) & (ages < high))
    weeks = times // (7 * DAY_S)
    for week in np.unique(weeks).tolist():
        yield "week", f"week {week + 1} of the trace", column(weeks == week)


def _thirds(trial: Trial) -> IntArray:
    """[N] 0 to 2 by the share of the node that its peaks take, on average."""
    share = (trial.came / trial.capacity[:, None]).mean(axis=1)
    order = np.argsort(np.argsort(share, kind="stable"), kind="stable")
    thirds: IntArray = order * len(SIZES) // max(len(order), 1)
    return thirds


def ages_days(trial: Trial) -> FloatArray:
    """[N, T] mean age of the pods resident on a node; NaN where there is none."""
    history, nodes = trial.history, len(trial.capacity)
    ages = np.full(trial.came.shape, np.nan)
    for at, now_s in enumerate(trial.times_s):
        there = history.resident(now_s)
        node = history.node[there]
        count = np.bincount(node, minlength=nodes)
        total = np.bincount(node, now_s - history.start_s[there], minlength=nodes)
        ages[:, at] = np.where(count, total / np.maximum(count, 1) / DAY_S, np.nan)
    return ages


def by_day(kept: FloatArray, trial: Trial) -> tuple[IntArray, FloatArray]:
    """[D] the days of the trial, and the share of each day's windows that was exceeded."""
    short, answered = trial.exceeded(kept), ~np.isnan(kept)
    days, of_day = np.unique(np.asarray(trial.times_s) // DAY_S, return_inverse=True)
    broken = np.bincount(of_day, short.sum(axis=0), len(days))
    windows = np.bincount(of_day, answered.sum(axis=0), len(days))
    return days, broken / np.maximum(windows, 1)


def by_node(kept: FloatArray, trial: Trial) -> FloatArray:
    """[N] the share of each node's windows that was exceeded."""
    answered = (~np.isnan(kept)).sum(axis=1)
    shares: FloatArray = trial.exceeded(kept).sum(axis=1) / np.maximum(answered, 1)
    return shares
