"""How much each day of the week uses, to see whether a quiet weekend hides a busy Monday."""

from __future__ import annotations

from typing import Final

import numpy as np

from predictor.core.history import Samples
from predictor.core.use import percentile
from slacktide.messages import FloatArray

DAY_S: Final = 86_400
THURSDAY: Final = 3  # 1970-01-01; Monday is 0
NAMES: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
BAR: Final = 24  # characters of the largest


def usual_by_weekday(samples: Samples, *, interval_s: int) -> FloatArray:
    """[7] the 95th percentile of replicas [R, T] on each day of the week; NaN where none is known.

    Second 0 is a midnight, and day 0 comes first. Column k is stamped k intervals.
    """
    stamped = np.arange(samples.shape[1]) * interval_s
    day = np.maximum(stamped - 1, 0) // DAY_S % 7  # a sample speaks of the time up to its stamp
    rows = [samples[:, day == number].reshape(1, -1) for number in range(7)]
    return np.array([percentile(row, 0.95)[0] for row in rows])


def day_name(number: int, *, dated: bool) -> str:
    """A weekday where second 0 is one of the epoch's weeks, else its number."""
    return NAMES[(number + THURSDAY) % 7] if dated else f"day {number + 1}"


def bar(value: float, top: float) -> str:
    """A value as a bar of characters; unknown is said."""
    return "not seen" if np.isnan(value) else "#" * int(np.ceil(value / (top or 1.0) * BAR - 1e-9))
