"""Who of several processes may write: a Lease, and the moment after which one may not any more.

The rule, pure: whoever holds the lease renews it; another takes it only when it was not renewed for
its whole duration *since this process first saw it so*, by its own clock, so clocks of two machines
are never compared. The holder stops writing a third of the duration before others may take over,
by the time at which its last renewal was *sent*: so two never write at once unless a write takes
longer than that.

Source: client-go's leaderelection, whose holder however goes on writing until it is told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

DURATION_S: Final = 15.0
RENEWALS: Final = 5  # in one duration: four may fail before the lease is lost
MARGIN: Final = 1 / 3  # of the duration, in which the holder writes no more


class Step(Enum):
    """What to do now."""

    CREATE = "create"
    TAKE = "take"
    RENEW = "renew"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Held:
    """A Lease object as it was read."""

    holder: str
    version: str  # resourceVersion: a write against an older one is refused
    transitions: int
    duration_s: float = DURATION_S


@dataclass(frozen=True, slots=True)
class Watcher:
    """What one process knows. `me` is unique to a process, not to a pod."""

    me: str
    seen: Held | None = None
    seen_since_s: float = 0.0
    sent_s: float | None = None  # when the renewal that succeeded last was sent

    def saw(self, held: Held | None, now_s: float) -> Watcher:
        """After reading the lease."""
        if held == self.seen:
            return self
        lost = held is None or held.holder != self.me
        return replace(self, seen=held, seen_since_s=now_s, sent_s=None if lost else self.sent_s)

    def step(self, now_s: float) -> Step:
        """What to do now, after the lease was read."""
        if self.seen is None:
            return Step.CREATE
        if self.seen.holder == self.me:
            return Step.RENEW
        expired = now_s - self.seen_since_s > self.seen.duration_s
        return Step.TAKE if expired or not self.seen.holder else Step.WAIT

    def left_s(self, now_s: float) -> float:
        """How long the holder may stay silent from now on; 0 where nobody holds it."""
        if self.seen is None or not self.seen.holder:
            return 0.0
        return max(self.seen_since_s + self.seen.duration_s - now_s, 0.0)

    def won(self, held: Held, *, sent_s: float, now_s: float) -> Watcher:
        """After a create, take or renewal that the server accepted."""
        return replace(self, seen=held, seen_since_s=now_s, sent_s=sent_s)

    def may_write(self, now_s: float) -> bool:
        """Whether this process holds the lease for certain, with time to finish a write."""
        if self.sent_s is None or self.seen is None or self.seen.holder != self.me:
            return False
        return now_s - self.sent_s < self.seen.duration_s * (1 - MARGIN)
