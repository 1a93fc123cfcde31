"""Stretches in which nothing was seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def gaps(hours: NDArray[np.int64]) -> list[tuple[int, int]]:
    """(first, end) of every stretch of missing hours between the first and the last [ascending]."""
    after = np.flatnonzero(np.diff(hours) > 1)
    return [(int(hours[k]) + 1, int(hours[k + 1])) for k in after]
