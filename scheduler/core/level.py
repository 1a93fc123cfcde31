"""Filling domains evenly: the lowest first, none further above the lowest than the skew allows.

kube-scheduler asks of every single pod that its domain ends at most `skew` above the least one.
Tasks put where there are fewest, one after another, meet that at every step, so a level to fill up
to is all that has to be found. Source: core/v1 TopologySpreadConstraint.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from slacktide.messages import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Levels:
    """D domains to fill."""

    there: IntArray  # [D] pods that count already
    room: IntArray  # [D] tasks that fit
    counts: BoolArray  # [D] whether the least may be found here
    skew: float
    min_domains: int

    def highest(self) -> int:
        """The level no domain may be filled beyond."""
        full = self.there + self.room
        top = int(full.max(initial=0))
        least = full[self.counts]
        if len(least) < self.min_domains:
            least = np.zeros(1, np.int64)
        return int(min(top, least.min(initial=top) + self.skew))

    def filled_to(self, level: int) -> IntArray:
        """[D] tasks that each domain takes."""
        return np.clip(level - self.there, 0, self.room)

    def most(self) -> int:
        """How many tasks can be placed."""
        return int(self.filled_to(self.highest()).sum())

    def fill(self, tasks: int, cost: FloatArray) -> IntArray:
        """[D] tasks in each domain, `tasks` in all; the dearest go without where some must.

        `tasks` must be at most `most()`.
        """
        level = bisect_left(
            range(self.highest()), tasks, key=lambda level: int(self.filled_to(level).sum())
        )
        taken = self.filled_to(level)
        last = np.flatnonzero((taken > 0) & (self.there + taken == level))
        spare = int(taken.sum()) - tasks
        taken[last[np.argsort(-cost[last], kind="stable")][:spare]] -= 1
        return taken
