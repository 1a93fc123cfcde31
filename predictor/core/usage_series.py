"""Use over time of any set of containers: summed at each stamp, then told step by step.

What always holds: a stamp at which nobody reported is no zero, and a step without any stamp is
null. Sums come first, so the p95 of a step is that of the summed series' samples within the step
(nearest rank), which is less than the sum of the containers' own p95. Long windows are read piece
by piece: sums of pieces add up, because each sample is in one piece.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

P95: Final = 0.95

USAGE: Final = pa.schema(
    [
        pa.field("ts_s", pa.int64(), nullable=False),  # the step's first second
        pa.field("cpu_mean_cores", pa.float64()),
        pa.field("cpu_max_cores", pa.float64()),
        pa.field("cpu_p95_cores", pa.float64()),
        pa.field("memory_mean_bytes", pa.float64()),
        pa.field("memory_max_bytes", pa.float64()),
        pa.field("memory_p95_bytes", pa.float64()),
        pa.field("containers", pa.int64(), nullable=False),  # most that reported CPU at one stamp
    ]
)


@dataclass(frozen=True, slots=True)
class Steps:
    """A window of whole steps, each of whole intervals; a sample belongs where its stamp lies."""

    from_s: int
    to_s: int
    step_s: int
    interval_s: int

    def __post_init__(self) -> None:
        """Raises ValueError unless the window is whole steps, and a step whole intervals."""
        if self.step_s <= 0 or self.step_s % self.interval_s:
            raise ValueError(f"step {self.step_s} is no multiple of the interval {self.interval_s}")
        if self.to_s <= self.from_s or (self.to_s - self.from_s) % self.step_s:
            raise ValueError(f"{self.from_s}..{self.to_s} is no whole number of {self.step_s} s")

    @property
    def stamps(self) -> int:
        """Intervals in the window."""
        return (self.to_s - self.from_s) // self.interval_s

    @property
    def per_step(self) -> int:
        """Intervals in a step."""
        return self.step_s // self.interval_s


@dataclass(frozen=True, slots=True)
class Sums:
    """Over all containers, at each of T stamps: their use, and how many reported it."""

    cpu_cores: Floats  # [T]
    memory_bytes: Floats  # [T]
    cpu_reported: Counts  # [T]
    memory_reported: Counts  # [T]

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.cpu_cores + other.cpu_cores,
            self.memory_bytes + other.memory_bytes,
            self.cpu_reported + other.cpu_reported,
            self.memory_reported + other.memory_reported,
        )


def sums_of(samples: pa.Table, steps: Steps) -> Sums:
    """Sums of samples with ts_s, cpu_cores and memory_bytes, all within the window."""
    stamp = (np.asarray(samples["ts_s"]) - steps.from_s) // steps.interval_s
    cpu_cores, cpu_reported = _sum(samples["cpu_cores"], stamp, steps.stamps)
    memory_bytes, memory_reported = _sum(samples["memory_bytes"], stamp, steps.stamps)
    return Sums(cpu_cores, memory_bytes, cpu_reported, memory_reported)


def usage_by_step(sums: Sums, steps: Steps) -> pa.Table:
    """A row a step, of `USAGE`."""
    columns: list[pa.Array] = [pa.array(np.arange(steps.from_s, steps.to_s, steps.step_s))]
    for total, reported in (
        (sums.cpu_cores, sums.cpu_reported),
        (sums.memory_bytes, sums.memory_reported),
    ):
        cells = np.where(reported > 0, total, np.nan).reshape(-1, steps.per_step)
        columns += [pa.array(values, from_pandas=True) for values in _mean_max_p95(cells)]
    most = sums.cpu_reported.reshape(-1, steps.per_step).max(axis=1)
    return pa.Table.from_arrays([*columns, pa.array(most)], schema=USAGE)


def _sum(column: pa.ChunkedArray, stamp: Counts, stamps: int) -> tuple[Floats, Counts]:
    values = column.to_numpy().astype(np.float64)
    known = ~np.isnan(values)
    at = stamp[known]
    total = np.bincount(at, values[known], stamps).astype(np.float64)
    return total, np.bincount(at, minlength=stamps)


def _mean_max_p95(cells: Floats) -> tuple[Floats, Floats, Floats]:
    """Of each row [S, K], NaN where it has nothing."""
    known = np.count_nonzero(~np.isnan(cells), axis=1)
    ascending = np.sort(cells, axis=1)  # NaN goes last
    rank = np.array([max(math.ceil(P95 * count), 1) - 1 for count in known.tolist()], np.int64)
    rows = np.arange(len(cells))
    mean = np.nansum(cells, axis=1) / np.where(known > 0, known, np.nan)
    return mean, ascending[rows, np.maximum(known, 1) - 1], ascending[rows, rank]
