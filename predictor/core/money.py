"""What cores and GiB cost, where somebody says so; without prices there is no money anywhere.

Prices are for requests, since a node is bought for what is requested, and a month is 730 hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from predictor.core.ranking import Finding

MONTH_HOURS: Final = 730.0  # 365 days of 24 hours in 12 parts, as clouds bill
GIB: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Prices:
    """In any one currency; a resource without a price costs nothing."""

    per_core_hour: float = 0.0
    per_gib_hour: float = 0.0

    def monthly(self, cores: float, size_bytes: float) -> float:
        """What so much costs a month."""
        by_hour = cores * self.per_core_hour + size_bytes / GIB * self.per_gib_hour
        return MONTH_HOURS * by_hour

    def saving(self, found: Finding) -> float:
        """A month's saving by one finding, all replicas; negative where it costs more."""
        return self.monthly(found.freed_cores, found.freed_bytes)

    def savings(self, findings: Sequence[Finding]) -> float:
        """A month's saving by all of them, net."""
        return sum(self.saving(found) for found in findings)
