"""Is offline to blame at all? Two questions that keep the ladder from punishing the innocent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qos_controller.core.state import Ladder

if TYPE_CHECKING:
    from qos_controller.core.ladder import Look


def is_to_blame(tick: Look) -> bool:
    """Whether offline ran while the pressure was seen; asked before a freeze and an eviction.

    Only CPU pressure can be pinned so: a stopped writer's pages are still on their way to the disk.
    """
    return tick.pressure.cause != "cpu" or not tick.offline_is_idle


def is_futile(ladder: Ladder, tick: Look) -> bool:
    """Whether offline has been as good as gone for a while and the pressure stayed.

    Then online saturates itself (or something else hurts it), and more throttling only costs work.
    Memory is exempt: it is judged by what is held, not by what runs.
    """
    low_s = tick.now_s - ladder.low_since_s
    if tick.pressure.cause == "memory" or low_s < tick.settings.futile_after_s:
        return False
    no_gain = (1.0 - tick.settings.futile_gain_share) * ladder.level_before
    return tick.offline_is_idle and tick.pressure.level > no_gain
