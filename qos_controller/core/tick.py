"""One new sample made sense of: what the ladder, the quota and the guards all look at.

Always holds: a tick is made from one sample and the memory before it, and never changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from qos_controller.core.feed_forward import kept_for_online, left_for_offline
from qos_controller.core.pressure import Pressure, measure, slow_sum_after
from qos_controller.core.settings import Settings
from qos_controller.core.signals import Signals
from qos_controller.core.state import EVICT, NodeState


@dataclass(frozen=True, slots=True)
class Tick:
    """A sample, the time, and what follows from both."""

    signals: Signals
    settings: Settings
    now_s: float
    dt_s: float  # since the last decision
    kept_cores: float
    allowed_cores: float  # by feed-forward
    slow_sum: float
    pressure: Pressure
    highest: int = EVICT  # the stage that what is known justifies

    @property
    def covered_s(self) -> float:
        """Length of the interval that the sample covers."""
        return self.signals.covered_s

    @property
    def floor_cores(self) -> float:
        """The least that offline keeps."""
        return self.settings.min_quota_share * self.signals.capacity_cores

    @property
    def offline_is_idle(self) -> bool:
        """Offline uses too little to be the cause of CPU pressure."""
        innocent_cores = self.settings.innocent_share * self.signals.capacity_cores
        return self.signals.offline_used_cores < innocent_cores


def make_sense(signals: Signals, before: NodeState, *, now_s: float, settings: Settings) -> Tick:
    """The tick of a readable new sample."""
    dt_s = max(0.0, now_s - before.decided_s)
    kept_cores = kept_for_online(
        before.kept_cores, signals.online_used_cores, dt_s=dt_s, slow_s=settings.slow_down_s
    )
    slow_sum = slow_sum_after(before.slow_sum, signals, dt_s=dt_s, settings=settings)
    return Tick(
        signals,
        settings,
        now_s,
        dt_s,
        kept_cores,
        left_for_offline(signals, kept_cores, settings),
        slow_sum,
        measure(signals, slow_sum, settings),
    )
