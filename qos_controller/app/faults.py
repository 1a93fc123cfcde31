"""What went wrong in the loop: each kind told once, all counted, nothing thrown.

Always holds: a fault that comes back every tick costs a dictionary look-up, not a log line.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
MOST_KINDS: Final = 256
"""Beyond it all others are one kind, so that odd messages cannot fill the memory."""
OTHER: Final = ("other", "other")


class Faults:
    """The counts, and how each kind is told the first time."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._counts: dict[tuple[str, str], int] = {}

    def kept(self, where: str, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """What `do` answers; None where it raised."""
        try:
            return do(*args, **kwargs)
        except Exception as why:  # noqa: BLE001  whatever it is, the next tick must come
            self.count(where, why)
            return None

    def count(self, where: str, why: Exception) -> None:
        """One more of its kind: the place and the exception's class and errno."""
        number = getattr(why, "errno", None)
        kind = (where, type(why).__name__ if number is None else f"{type(why).__name__} {number}")
        if kind not in self._counts and len(self._counts) >= MOST_KINDS:
            kind = OTHER
        seen = self._counts.get(kind, 0)
        self._counts[kind] = seen + 1
        if not seen:
            self._tell(f"{where}: {type(why).__name__}: {why}; counted from now on, not repeated")

    @property
    def counts(self) -> dict[str, int]:
        """How often, by `place: kind`."""
        return {f"{where}: {what}": n for (where, what), n in self._counts.items()}


def say(line: str) -> None:
    """One line on stderr with the time, as the other processes' logs have it."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stderr.write(f"{stamp} slacktide agent loop: {line}\n")
    sys.stderr.flush()
