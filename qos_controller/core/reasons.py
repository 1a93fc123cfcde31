"""The sentence an operator reads at night, for each outcome.

Always holds: it names the inputs, the formula and what bound; numbers are those of the decision.
"""

from __future__ import annotations

from qos_controller.core.decision import Evict, Reason
from qos_controller.core.quota import is_at_allowed
from qos_controller.core.state import CALM, FREEZE, STAGE_NAMES, THROTTLE, NodeState
from qos_controller.core.tick import Tick

_FORMULA = "{1:.2f} x (1 - {2:g}) - {3:.2f} kept for online - {4:.2f} system"
_FOLLOWS = "calm: quota {0:.2f} cores = " + _FORMULA
_GROWS = "calm: quota {0:.2f} cores grows towards {5:.2f} = " + _FORMULA
_NEAR = "calm: quota {0:.2f} cores, near enough to {5:.2f} = " + _FORMULA
_UNBELIEVED = (
    "calm: {7} is at {6:.2f} of its limit, one sample is not believed; quota {0:.2f} of {5:.2f} "
    "cores = " + _FORMULA
)
_WAITS = "calm: quota {0:.2f} cores waits below {5:.2f}: {7} is at {6:.2f} of its limit"
_FLOOR = "calm: quota {0:.2f} cores, the minimum, is more than " + _FORMULA

_LIMITED = "{0}: {1} is at {2:.2f} of its limit; quota {3:.2f} cores"
_FREEZES = _LIMITED + ", frozen for {4:.2f} s more, {5:.1f} of {6:g} s spent"
_HOLDS = "{0}: clean for {1:.2f} of {2:g} s; quota {3:.2f} cores"
_RECOVERS = "{0}: clean for {1:.2f} s; quota grows to {3:.2f} cores"
_LOCKED = (
    "{0}: offline was held down without effect, {1} is at {2:.2f} of its limit: online saturates "
    "itself; no more than that for {4:.1f} s; quota {3:.2f} cores"
)
_EVICTS = (
    "evict {0} for {1}: it loses the least work for what it frees "
    "({2:.0f} core-s for {3:.2f} cores, {4:.2f} GiB){5}"
)
_GANG = "; its gang has no member to spare and goes with it"
_NO_NEWS = "no readable news for {0:.2f} s: quota {1:.2f} cores {2}; nobody is evicted blindly"


def of_tick(after: NodeState, tick: Tick) -> Reason:
    """Why the quota and the stage are what they are."""
    return _of_calm(after, tick) if after.ladder.stage == CALM else _of_stage(after, tick)


def of_eviction(eviction: Evict) -> Reason:
    """Who goes, and what it costs."""
    price = (eviction.work_lost_core_s, eviction.freed_cores, eviction.freed_bytes / 2**30)
    gang = _GANG if eviction.breaks_gang else ""
    return Reason(_EVICTS, (eviction.task, eviction.cause, *price, gang))


def of_no_news(before: NodeState, after: NodeState) -> Reason:
    """What became of the quota while nothing could be seen."""
    does = "decays" if after.quota_cores < before.quota_cores else "does not grow"
    if not after.open:
        does += ", closed to new tasks"
    return Reason(_NO_NEWS, (after.decided_s - after.heard_s, after.quota_cores, does))


def _of_calm(after: NodeState, tick: Tick) -> Reason:
    values = (
        after.quota_cores,
        tick.signals.capacity_cores,
        tick.settings.reserve_share,
        after.kept_cores,
        tick.signals.system_used_cores,
        tick.allowed_cores,
        tick.pressure.level,
        tick.pressure.cause,
    )
    if tick.pressure.level > 1.0:
        return Reason(_UNBELIEVED, values)
    if after.quota_cores == tick.allowed_cores:
        return Reason(_FOLLOWS if tick.allowed_cores > tick.floor_cores else _FLOOR, values)
    if is_at_allowed(after.quota_cores, tick):
        return Reason(_NEAR, values)
    grows = tick.pressure.level < tick.settings.calm_level
    return Reason(_GROWS if grows else _WAITS, values)


def _of_stage(after: NodeState, tick: Tick) -> Reason:
    ladder, settings, pressure = after.ladder, tick.settings, tick.pressure
    name = STAGE_NAMES[ladder.stage]
    limited = (name, pressure.cause, pressure.level, after.quota_cores)
    if tick.now_s < ladder.locked_until_s:
        return Reason(_LOCKED, (*limited, ladder.locked_until_s - tick.now_s))
    if ladder.stage >= FREEZE and tick.now_s < ladder.frozen_until_s:
        spent = (ladder.frozen_until_s - tick.now_s, ladder.frozen_s, settings.freeze_budget_s)
        return Reason(_FREEZES, (*limited, *spent))
    if pressure.level >= settings.calm_level:
        return Reason(_LIMITED, limited)
    clean = (name, tick.now_s - ladder.breached_s, ladder.hold_s, after.quota_cores)
    grows = ladder.stage == THROTTLE and ladder.grew_s == tick.now_s
    return Reason(_RECOVERS if grows else _HOLDS, clean)
