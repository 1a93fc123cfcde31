"""Suppressed too long: when online has really grown, parking every task at 5 % helps nobody.

Always holds: starvation begins only while offline uses what it is given, and ends as soon as it may
use enough; one task goes at a time, so that the rest can run.
"""

from __future__ import annotations

from qos_controller.core.settings import Settings
from qos_controller.core.state import NOT_NOW
from qos_controller.core.tick import Tick


def starved_since(since_s: float, *, quota_cores: float, tick: Tick) -> float:
    """Since when offline has been parked; `NOT_NOW` while it gets enough."""
    signals, settings = tick.signals, tick.settings
    if quota_cores >= settings.starved_share * signals.offline_held_cores:
        return NOT_NOW
    if signals.offline_used_cores < settings.starved_use_share * quota_cores:
        return since_s
    return min(since_s, tick.now_s)


def is_starved(since_s: float, *, now_s: float, settings: Settings) -> bool:
    """Whether it has lasted long enough to let one go."""
    return now_s - since_s >= settings.starved_after_s
