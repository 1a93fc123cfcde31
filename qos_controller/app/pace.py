"""A period without drift: each tick has its deadline, counted from the first.

Always holds: a late tick delays no other; deadlines that have passed are skipped and counted, never
made up for, since two looks at once see less than one; an early look moves no deadline.
"""

from __future__ import annotations

import math
import time


class Pace:
    """The deadlines of one loop, on CLOCK_MONOTONIC."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._next_s = time.monotonic()
        self.late = 0
        """Deadlines that were skipped."""

    def wait(self, early_s: float = math.inf) -> float:
        """Sleeps until the next deadline, or until `early_s` if that comes first; the time then."""
        now_s = time.monotonic()
        if now_s < early_s < self._next_s + self._period_s:
            time.sleep(early_s - now_s)
            return time.monotonic()
        self._next_s += self._period_s
        behind_s = now_s - self._next_s
        if behind_s > 0.0:
            missed = int(behind_s / self._period_s) + 1
            self.late += missed
            self._next_s += missed * self._period_s
        # Since Python 3.11 this is clock_nanosleep to an absolute time.
        time.sleep(max(0.0, self._next_s - now_s))
        return time.monotonic()
