"""What the controller remembers of one node between two decisions.

Always holds: this is all memory there is; the same signals, state and time give the same decision.
`Ladder` changes only under pressure or while recovering, so a calm node keeps the same one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from qos_controller.core.settings import Settings

CALM: Final = 0  # feed-forward alone
THROTTLE: Final = 1
MINIMUM: Final = 2
FREEZE: Final = 3
EVICT: Final = 4
STAGE_NAMES: Final = ("calm", "throttle", "minimum", "freeze", "evict")

NEVER: Final = -math.inf
NOT_NOW: Final = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Where the node stands on the ladder, and how it came there."""

    stage: int = CALM
    since_s: float = NEVER
    breaches: int = 0
    """The last three samples as bits, newest lowest: 1 was over a limit."""
    breached_s: float = NEVER
    """Last confirmed breach."""
    grew_s: float = NEVER
    """Last growth after that breach; `NEVER` again as soon as there is a new one."""
    hold_s: float
    eased_s: float = NEVER
    """When the hold was last halved."""
    level_before: float = 0.0
    """Pressure that started the climb, as a multiple of its limit."""
    low_since_s: float = NOT_NOW
    """Since when offline has been at the minimum or below."""
    locked_until_s: float = NEVER
    """Until then the ladder stays at stage 1: throttling was found futile."""
    frozen_until_s: float = NEVER
    frozen_s: float = 0.0
    """Frozen seconds not yet forgiven."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """One node's memory; make the first one with `begin`."""

    decided_s: float
    heard_s: float
    """When the last readable new sample was used."""
    sampled_s: float = NEVER
    """That sample's own time."""
    capacity_cores: float
    kept_cores: float = 0.0
    """Estimate of what online needs: up at once, down slowly."""
    quota_cores: float
    """In force for all offline groups together."""
    slow_sum: float = 0.0
    """CUSUM of slow requests."""
    ladder: Ladder
    memory_since_s: float = NOT_NOW
    """Since when memory has been over its limit."""
    starved_since_s: float = NOT_NOW
    """Since when offline has been getting too little to make progress."""
    evicted_s: float = NEVER
    open: bool = True
    """Whether new offline tasks may come."""


def begin(*, capacity_cores: float, now_s: float, settings: Settings) -> NodeState:
    """A node just met: offline starts at the minimum and earns the rest by calm samples.

    Where weights keep online safe there is nothing to earn, and it starts without a quota.
    """
    share = settings.min_quota_share if settings.feed_forward else 1.0
    return NodeState(
        decided_s=now_s,
        heard_s=now_s,
        capacity_cores=capacity_cores,
        quota_cores=share * capacity_cores,
        ladder=Ladder(hold_s=settings.hold_s),
    )
