"""When a round's plan gets a second look with CP-SAT (`repack`): seldom, and less where in vain.

The look is part of the round's thread, so the extender answers beside it, and what it finds is
assumed like any plan: only where tasks still wait and nodes are still open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from scheduler.core.plan import Plan
from scheduler.core.repack import repack

EVERY_S: Final = 5.0
LONGEST_S: Final = 80.0


@dataclass(slots=True)
class SecondLook:
    """Whose turn it is by time."""

    wait_s: float = EVERY_S
    not_before_s: float = 0.0

    def at(self, outcome: Plan, *, now_s: float) -> Plan:
        """The plan, or a better one that also places gangs that were left out."""
        if now_s < self.not_before_s or not len(outcome.pending):
            return outcome
        found = repack(outcome)
        self.wait_s = EVERY_S if found is not outcome else min(2 * self.wait_s, LONGEST_S)
        self.not_before_s = now_s + self.wait_s
        return found
