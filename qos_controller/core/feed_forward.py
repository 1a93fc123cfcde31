"""What online leaves: the quota that would be right if CPU time were all that is shared.

It reacts to online's rise before any harm is measured; the ladder corrects it where it is wrong.
Always holds: the result is at least the minimum quota, and falls at once when online rises.
"""

from __future__ import annotations

import math

from qos_controller.core.settings import Settings
from qos_controller.core.signals import Signals


def kept_for_online(before_cores: float, used_cores: float, *, dt_s: float, slow_s: float) -> float:
    """Estimate of online's need: up at once, down with time constant `slow_s`."""
    if used_cores >= before_cores:
        return used_cores
    return used_cores + (before_cores - used_cores) * math.exp(-dt_s / slow_s)


def left_for_offline(signals: Signals, kept_cores: float, settings: Settings) -> float:
    """Capacity less reserve, online and system, but at least the minimum.

    All of it where a weight alone gives online what it needs.
    """
    capacity = signals.capacity_cores
    if not settings.feed_forward:
        return capacity
    left = capacity * (1.0 - settings.reserve_share) - kept_cores - signals.system_used_cores
    return max(settings.min_quota_share * capacity, left)
