"""How much CPU offline may use: below what online leaves, up by addition, down by multiplication.

Source: Chiu and Jain, "Analysis of the increase and decrease algorithms" (1989): many nodes that
climb slowly and fall fast settle at a fair, stable share without knowing the capacity.
Always holds: minimum <= quota <= capacity, and above the minimum never more than online leaves.
"""

from __future__ import annotations

from qos_controller.core.state import CALM, MINIMUM, THROTTLE, Ladder
from qos_controller.core.tick import Tick


def next_quota(quota_cores: float, ladder: Ladder, tick: Tick) -> float:
    """The quota that the stage and the feed-forward allow: falls at once, grows step by step."""
    if ladder.stage >= MINIMUM:
        return tick.floor_cores
    if tick.now_s < ladder.locked_until_s:
        allowed_cores = max(tick.floor_cores, tick.settings.backoff * tick.allowed_cores)
        return _grown(quota_cores, allowed_cores, tick)
    if ladder.stage == THROTTLE and ladder.since_s == ladder.breached_s == tick.now_s:
        return _throttled(quota_cores, tick)
    if is_rested(ladder, tick.now_s) and tick.pressure.level < tick.settings.calm_level:
        return _grown(quota_cores, tick.allowed_cores, tick)
    return max(tick.floor_cores, min(quota_cores, tick.allowed_cores))


def is_rested(ladder: Ladder, now_s: float) -> bool:
    """Whether it has been clean for as long as the hold asks."""
    return ladder.stage == CALM or now_s - ladder.breached_s >= ladder.hold_s


def is_at_allowed(quota_cores: float, tick: Tick) -> bool:
    """Whether what is missing is not worth a write."""
    short_cores = tick.allowed_cores - quota_cores
    return short_cores < tick.settings.ignore_share * tick.signals.capacity_cores


def _throttled(quota_cores: float, tick: Tick) -> float:
    """A share of what offline really uses: half of an unused quota would change nothing."""
    base = min(quota_cores, tick.allowed_cores, tick.signals.offline_used_cores)
    return max(tick.floor_cores, tick.settings.backoff * base)


def _grown(quota_cores: float, allowed_cores: float, tick: Tick) -> float:
    """One step towards what is allowed; a step too small to matter is left out."""
    capacity = tick.signals.capacity_cores
    short_cores = allowed_cores - quota_cores
    if 0.0 <= short_cores < tick.settings.ignore_share * capacity:
        return max(tick.floor_cores, quota_cores)
    step_cores = tick.settings.growth_share_per_s * capacity * tick.dt_s
    return max(tick.floor_cores, min(allowed_cores, quota_cores + step_cores))
