"""How long a gang will run, predicted from its queue's finished gangs.

A user names a queue (often a class of run time), rarely a duration. The 90th percentile of what
ran in that queue is wrong for one gang in ten, and then the gang outlives the horizon it was
judged at, which the node's control loop has to bear; a queue with too few finished gangs counts as
unknown, which a scheduler judges at its longest horizon.

Always holds: a prediction uses only gangs that have finished.
"""

from __future__ import annotations

import math
from bisect import insort
from dataclasses import dataclass, field

ENOUGH = 20  # finished gangs; below it a 90th percentile is the maximum of a handful
UNKNOWN_S = 2**40  # longer than any horizon


@dataclass(slots=True)
class Durations:
    """What has finished in every queue, kept sorted."""

    percentile: float = 0.9
    finished_s: dict[int, list[float]] = field(default_factory=dict)  # queue -> run times

    def learn(self, queue: int, duration_s: float) -> None:
        """A gang of the queue has finished after `duration_s`."""
        insort(self.finished_s.setdefault(queue, []), duration_s)

    def predict_s(self, queue: int) -> int:
        """The queue's percentile, `UNKNOWN_S` where too few have finished (nearest rank)."""
        known = self.finished_s.get(queue, [])
        if len(known) < ENOUGH:
            return UNKNOWN_S
        return math.ceil(known[math.ceil(self.percentile * len(known)) - 1])

    def reason(self, queue: int) -> str:
        """The sentence behind a prediction."""
        known = self.finished_s.get(queue, [])
        if len(known) < ENOUGH:
            return f"unknown: only {len(known)} gangs of its queue have finished, {ENOUGH} needed"
        return (
            f"{self.predict_s(queue)} s: {self.percentile:.0%} of the {len(known)} finished gangs "
            "of its queue were shorter"
        )
