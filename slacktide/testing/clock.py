"""Virtual time for tests and the simulator: it moves only when told to."""

from __future__ import annotations


class VirtualClock:
    """A clock whose hands the test turns; it never goes back."""

    def __init__(self, now_s: float = 0.0) -> None:
        """Starts at `now_s` seconds."""
        self._now_s = now_s

    def now_s(self) -> float:
        """Seconds since the start."""
        return self._now_s

    def advance(self, by_s: float) -> None:
        """Moves on by `by_s` seconds. Raises `ValueError` for a step back."""
        if by_s < 0:
            raise ValueError(f"a virtual clock does not go back: {by_s} s")
        self._now_s += by_s
