"""Time as a value: shells ask a clock, cores are handed `now_s`, tests turn the hands."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where a shell gets its time from."""

    def now_s(self) -> float:
        """Seconds since the epoch, or since the trace's origin."""
        ...


class WallClock:
    """The machine's own time. Lives in shells only; no core may import it."""

    def now_s(self) -> float:
        """Seconds since the epoch, by the machine."""
        return time.time()


class SteadyClock:
    """The machine's time that never jumps: for leases, pauses and patience. Shells only."""

    def now_s(self) -> float:
        """Seconds since some moment that is the same for this process alone."""
        return time.monotonic()
