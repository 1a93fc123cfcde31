"""Many rows to few points, so that a page draws a month as quickly as an hour.

Always holds: bucket k covers rows k*size to (k+1)*size - 1, so a bucket never moves while rows are
added; only the last one may still change. A bucket with nothing known in it is NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def bucket_rows(rows: int, points: int) -> int:
    """Rows in one bucket so that at most `points` buckets cover all rows; at least 1."""
    return max(1, -(-rows // points))


def bucket_starts(rows: int, size: int) -> NDArray[np.int64]:
    """The first row of each bucket [K]."""
    return np.arange(0, rows, size, dtype=np.int64)


def bucket_times(at_s: NDArray[np.int64], size: int, *, interval_s: int) -> list[int]:
    """When each bucket begins. Takes the rows' times, each the end of its interval [T]."""
    begins: list[int] = (at_s[bucket_starts(len(at_s), size)] - interval_s).tolist()
    return begins


def bucket_means(values: NDArray[Any], size: int) -> Numbers:
    """Means over buckets of rows, [T] to [K] or [T, N] to [K, N], of what is finite in them."""
    if not len(values):
        return np.empty(values.shape, dtype=np.float64)
    starts = bucket_starts(len(values), size)
    known = np.isfinite(values)
    sums = np.add.reduceat(np.where(known, values, 0.0), starts, axis=0, dtype=np.float64)
    counts = np.add.reduceat(known, starts, axis=0, dtype=np.int64)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def bucket_sums(values: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Sums of counts over buckets of rows, [T] to [K]."""
    if not len(values):
        return values
    return np.add.reduceat(values, bucket_starts(len(values), size))
