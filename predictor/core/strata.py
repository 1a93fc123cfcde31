"""Whether a promise is kept everywhere or only on average: coverage by hour, age and size of node.

An overall share hides a night in which every second promise is broken. Pure counting: every window
is in one stratum of each kind, so the windows of a kind add up to all windows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from predictor.core.history import HOUR_S, History
from slacktide.messages import BoolArray, FloatArray, IntArray

DAY_S: Final = 24 * HOUR_S
AGE_DAYS: Final = (0, 7, 14, 28)  # where strata of age begin
SIZES: Final = ("small", "middle", "large")  # thirds of the fleet by capacity; equal ones together


@dataclass(frozen=True, slots=True)
class Stratum:
    """The windows that have something in common."""

    kind: str  # hour, age or size
    name: str
    windows: int
    broken_share: float


def coverage_by_stratum(
    broken: BoolArray,
    counted: BoolArray,
    *,
    times_s: IntArray,
    first_seen_s: IntArray,
    capacity: FloatArray,
) -> tuple[Stratum, ...]:
    """Every stratum that has windows.

    `broken` and `counted` [N, T], `times_s` [T] when each forecast was made, `first_seen_s` and
    `capacity` [N]. Hours are of the trace's own clock.
    """
    hour = np.broadcast_to(times_s // HOUR_S % 24, broken.shape)
    age_days = (times_s[None, :] - first_seen_s[:, None]) // DAY_S
    age = np.searchsorted(AGE_DAYS, np.maximum(age_days, 0), side="right") - 1
    size = np.broadcast_to(_third(capacity)[:, None], broken.shape)
    from_day = [f"from day {day}" for day in AGE_DAYS]
    return (
        *_counted("hour", hour, [f"{h:02d}:00" for h in range(24)], broken, counted),
        *_counted("age", age, from_day, broken, counted),
        *_counted("size", size, list(SIZES), broken, counted),
    )


def _third(capacity: FloatArray) -> IntArray:
    """[N] 0, 1 or 2: how much of the fleet is smaller, in thirds."""
    smaller = np.searchsorted(np.sort(capacity), capacity) / max(len(capacity), 1)
    return (smaller * len(SIZES)).astype(np.int64)


def _counted(
    kind: str, stratum: IntArray, names: list[str], broken: BoolArray, counted: BoolArray
) -> Iterator[Stratum]:
    windows = np.bincount(stratum[counted], minlength=len(names))
    short = np.bincount(stratum[counted & broken], minlength=len(names))
    for at in np.flatnonzero(windows):
        share = float(short[at] / windows[at])
        yield Stratum(kind, names[at], windows=int(windows[at]), broken_share=share)


def first_seen_s(history: History) -> IntArray:
    """[N] when the first pod of each node began; 0 for a node that never had one."""
    never = np.iinfo(np.int64).max
    first = np.full(len(history.nodes), never, dtype=np.int64)
    placed = history.node >= 0
    np.minimum.at(first, history.node[placed], history.start_s[placed])
    return np.where(first == never, 0, first)
