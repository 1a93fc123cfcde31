"""How fast a counter of the kernel grows.

Always holds: the first reading, a counter that could not be read and one that fell (its group was
made anew) give None; a rate is the mean since the reading before it. Cost: 0.3 us.
"""

from __future__ import annotations


class Growth:
    """One counter's last reading, and the rate since."""

    __slots__ = ("_at_s", "_value", "rate")

    def __init__(self) -> None:
        self._at_s = 0.0
        self._value: float | None = None
        self.rate: float | None = None
        """Per second, in the counter's own unit; None: not known."""

    def see(self, value: float | None, now_s: float) -> float | None:
        """The rate with this reading; a second reading at the same time changes nothing."""
        before, self._value = self._value, value
        if value is None or before is None or value < before:
            self.rate = None
        elif now_s > self._at_s:
            self.rate = (value - before) / (now_s - self._at_s)
        else:
            self._value = before
            return self.rate
        self._at_s = now_s
        return self.rate
