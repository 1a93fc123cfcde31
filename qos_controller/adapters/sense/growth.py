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

    def see(self, value: float | None, now_s: float, *, still_s: float = 0.0) -> float | None:
        """The rate with this reading; a second reading at the same time changes nothing.

        Args:
            value: What the counter says; None where it could not be read.
            now_s: When it was read.
            still_s: Until then it is known not to have moved, so all growth came later.
        """
        before = self._value
        if value is None or before is None or value < before:
            self.rate = None
        else:
            elapsed_s = now_s - max(self._at_s, still_s)
            if elapsed_s <= 0.0:
                return self.rate
            self.rate = (value - before) / elapsed_s
        self._value, self._at_s = value, now_s
        return self.rate
