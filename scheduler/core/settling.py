"""What gangs still lack, told only once it has stayed so: most are whole a moment later.

A gang's pods come one after another, so each that comes leaves it short of others; whoever wrote
that down each time would write more often than the gang's owner does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from scheduler.core.ways_in.shape import Key

STAYS_S: Final = 2.0

T = TypeVar("T")


@dataclass(slots=True)
class Settling(Generic[T]):
    """What is to be told of gangs, the one that stayed the same the longest first."""

    stays_s: float = STAYS_S
    _since: dict[Key, tuple[float, T]] = field(default_factory=dict)

    def put(self, gang: Key, lacks: T, *, now_s: float) -> None:
        """A gang lacks that now."""
        before = self._since.get(gang)
        if before is None or before[1] != lacks:
            self._since.pop(gang, None)
            self._since[gang] = now_s, lacks

    def drop(self, gang: Key) -> None:
        """It lacks nothing any more."""
        self._since.pop(gang, None)

    def clear(self) -> None:
        """Nothing is to be told."""
        self._since.clear()

    def settled(self, *, now_s: float) -> tuple[T, ...]:
        """What has stayed so; each is told once."""
        due = []
        for gang, (since_s, _) in self._since.items():
            if since_s > now_s - self.stays_s:
                break
            due.append(gang)
        return tuple(self._since.pop(gang)[1] for gang in due)
