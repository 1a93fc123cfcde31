"""What to do without news: stop growing, then give back, then close the door; never evict.

Always holds: no eviction, no freeze and no growth comes from here, so a dead sensor or a dead
feed cannot cost a single task, and cannot open the node either.
"""

from __future__ import annotations

import math

from qos_controller.core.settings import Settings
from qos_controller.core.signals import Signals
from qos_controller.core.state import NodeState


def is_news(signals: Signals, state: NodeState, *, now_s: float, settings: Settings) -> bool:
    """Whether the sample is newer than the last, of now (not of the future), and readable."""
    if signals.sampled_s <= state.sampled_s:
        return False
    if not abs(now_s - signals.sampled_s) <= settings.stale_after_s:
        return False
    used = signals.online_used_cores + signals.offline_used_cores + signals.system_used_cores
    return 0.0 <= used < math.inf and 0.0 < signals.capacity_cores < math.inf


def decayed_quota(state: NodeState, *, now_s: float, settings: Settings) -> float:
    """The quota after a tick without news: unchanged at first, then halving down to the minimum."""
    blind_s = now_s - max(state.decided_s, state.heard_s + settings.stale_after_s)
    if blind_s <= 0.0:
        return state.quota_cores
    floor = settings.min_quota_share * state.capacity_cores
    decayed: float = state.quota_cores * 0.5 ** (blind_s / settings.stale_half_life_s)
    return max(min(floor, state.quota_cores), decayed)
