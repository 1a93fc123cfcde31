"""From signals to one number: how many times over its limit is the worst of them?

Always holds: a signal that is missing adds nothing; level > 1 is a breach; the cause names the
signal that gave the level. Latency is judged by a CUSUM over requests (Page, "Continuous
inspection schemes", Biometrika 1954): S = max(0, S + slow - budget * requests), alarm at S > h.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from qos_controller.core.settings import Settings
from qos_controller.core.signals import Signals


@dataclass(frozen=True, slots=True)
class Pressure:
    """The worst signal over its limit."""

    level: float
    cause: str
    alarm: bool = False
    """The CUSUM rang: many samples stand behind it, so it needs no second one."""


def slow_sum_after(before: float, signals: Signals, *, dt_s: float, settings: Settings) -> float:
    """The CUSUM of slow requests after this sample; it fades where nobody asks."""
    if before == 0.0 and not signals.slow_requests:
        return 0.0
    faded = before * math.exp(-dt_s / settings.slow_forget_s)
    if signals.requests is None:
        return faded
    drift = settings.slow_budget_share * max(signals.requests, signals.slow_requests)
    # Twice the alarm is enough to ring; more would only ring longer after the harm is over.
    return min(max(0.0, faded + signals.slow_requests - drift), 2 * settings.slow_alarm)


def over_memory(signals: Signals, settings: Settings) -> bool:
    """Whether memory is used beyond its limit, which only an eviction (or online) can cure."""
    used, capacity = signals.memory_used_bytes, signals.memory_capacity_bytes
    if used is None or not capacity:
        return False
    return used > settings.memory_limit_share * capacity


def measure(signals: Signals, slow_sum: float, settings: Settings) -> Pressure:
    """The worst of CPU stall, latency, memory and I/O, each over its limit."""
    level, cause = 0.0, "cpu"
    if signals.online_full_share is not None:
        level = signals.online_full_share / settings.full_limit_share
    if slow_sum > level * settings.slow_alarm:
        level, cause = slow_sum / settings.slow_alarm, "latency"
    memory = _memory_level(signals, settings)
    if memory > level:
        level, cause = memory, "memory"
    if signals.io_pressure_share is not None:
        io = signals.io_pressure_share / settings.io_pressure_limit_share
        if io > level:
            level, cause = io, "io"
    return Pressure(level, cause, slow_sum > settings.slow_alarm)


def _memory_level(signals: Signals, settings: Settings) -> float:
    """Stall over its limit; use counts only beyond its limit: a full page cache is no harm."""
    level = 0.0
    if signals.memory_pressure_share is not None:
        level = signals.memory_pressure_share / settings.memory_pressure_limit_share
    if over_memory(signals, settings):
        used, capacity = signals.memory_used_bytes or 0.0, signals.memory_capacity_bytes or 1.0
        level = max(level, used / (settings.memory_limit_share * capacity))
    return level
