"""Up and down the stages: calm, throttle, minimum, freeze, evict.

Always holds: one step up a sample at most, each after the one before had its time; the way down
leads through stage 1 and a hold that doubles when growth hurts again; frozen seconds are a bucket
of `freeze_budget_s` that refills at `freeze_refill_share`, so over any T seconds offline is frozen
at most budget + share x T.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from qos_controller.core.guard import is_futile, is_to_blame
from qos_controller.core.pressure import Pressure
from qos_controller.core.quota import is_at_allowed, is_rested
from qos_controller.core.settings import Settings
from qos_controller.core.state import (
    CALM,
    EVICT,
    FREEZE,
    MINIMUM,
    NEVER,
    NOT_NOW,
    THROTTLE,
    Ladder,
)
from qos_controller.core.tick import Tick

# Indexed by the last three samples as bits.
_TWO_OF_THREE = (False, False, False, True, False, True, True, True)


class Look(Protocol):
    """What a ladder must know of one sample, whichever resource it is for."""

    @property
    def now_s(self) -> float: ...  # noqa: D102 - the names are those of Tick
    @property
    def dt_s(self) -> float: ...  # noqa: D102
    @property
    def covered_s(self) -> float: ...  # noqa: D102
    @property
    def settings(self) -> Settings: ...  # noqa: D102
    @property
    def pressure(self) -> Pressure: ...  # noqa: D102
    @property
    def offline_is_idle(self) -> bool: ...  # noqa: D102
    @property
    def highest(self) -> int: ...  # noqa: D102


def step(ladder: Ladder, tick: Look) -> Ladder:
    """The ladder after one new sample."""
    ladder = _remembered(ladder, tick)
    if tick.pressure.level <= 1.0:
        return _descended(ladder, tick)
    return _climbed(ladder, tick) if _is_confirmed(ladder, tick) else ladder


def settled(ladder: Ladder, tick: Tick, *, before_cores: float, quota_cores: float) -> Ladder:
    """The ladder once the quota is known: growth is noted; at the feed-forward it is calm again."""
    if ladder.stage != THROTTLE or tick.now_s < ladder.locked_until_s:
        return ladder
    if not is_rested(ladder, tick.now_s):
        return ladder
    if quota_cores > before_cores:
        ladder = replace(ladder, grew_s=tick.now_s)
    if is_at_allowed(quota_cores, tick):
        ladder = replace(ladder, stage=CALM, since_s=tick.now_s)
    return ladder


def _remembered(ladder: Ladder, tick: Look) -> Ladder:
    """The last three samples, and the frozen seconds still counted."""
    breaches = (ladder.breaches << 1 | (tick.pressure.level > 1.0)) & 0b111
    if not (breaches or ladder.breaches or ladder.frozen_s):
        return ladder
    forgiven_s = tick.settings.freeze_refill_share * tick.dt_s
    return replace(ladder, breaches=breaches, frozen_s=max(0.0, ladder.frozen_s - forgiven_s))


def _is_confirmed(ladder: Ladder, tick: Look) -> bool:
    """Two breaches in three samples, one long sample, or the CUSUM's alarm."""
    if tick.pressure.alarm or tick.covered_s >= tick.settings.self_evident_s:
        return True
    return _TWO_OF_THREE[ladder.breaches]


def _climbed(ladder: Ladder, tick: Look) -> Ladder:
    """The answer to a confirmed breach."""
    now_s, settings = tick.now_s, tick.settings
    was_recovering = ladder.grew_s != NEVER
    hold_s = ladder.hold_s
    if now_s - ladder.grew_s <= settings.rebreach_s:
        hold_s = min(2.0 * hold_s, settings.hold_max_s)
    ladder = replace(ladder, breached_s=now_s, grew_s=NEVER, hold_s=hold_s, eased_s=now_s)
    if now_s < ladder.locked_until_s:
        return ladder
    if is_futile(ladder, tick):
        return _throttling(ladder, tick, locked_s=settings.futile_lock_s)
    if ladder.stage == CALM or (ladder.stage == THROTTLE and was_recovering):
        return _throttling(ladder, tick)
    if tick.highest < EVICT and ladder.stage >= tick.highest:
        return _once_more(ladder, tick)
    return _frozen(_one_up(ladder, tick), tick)


def _throttling(ladder: Ladder, tick: Look, *, locked_s: float = 0.0) -> Ladder:
    """Stage 1 anew, with today's pressure as the measure of what throttling gains."""
    return replace(
        ladder,
        stage=THROTTLE,
        since_s=tick.now_s,
        level_before=tick.pressure.level,
        low_since_s=NOT_NOW,
        locked_until_s=tick.now_s + locked_s,
    )


def _one_up(ladder: Ladder, tick: Look) -> Ladder:
    """The next stage where this one had its time and offline is to blame."""
    now_s, settings = tick.now_s, tick.settings
    waited_s = now_s - ladder.since_s
    if ladder.stage == THROTTLE:
        if tick.pressure.alarm or waited_s >= settings.minimum_after_s:
            return replace(ladder, stage=MINIMUM, since_s=now_s, low_since_s=now_s)
        return ladder
    if not is_to_blame(tick):
        return ladder
    if ladder.stage == MINIMUM and waited_s >= settings.freeze_after_s:
        return replace(ladder, stage=FREEZE, since_s=now_s)
    if ladder.stage == FREEZE and not _has_budget(ladder, settings):
        return replace(ladder, stage=EVICT, since_s=now_s)
    return ladder


def _once_more(ladder: Ladder, tick: Look) -> Ladder:
    """Stage 1 again, where what is known does not justify more: the quota is halved once more."""
    if ladder.stage != THROTTLE or tick.now_s - ladder.since_s < tick.settings.minimum_after_s:
        return ladder
    low_since_s = tick.now_s if tick.offline_is_idle else NOT_NOW
    return replace(ladder, since_s=tick.now_s, low_since_s=min(ladder.low_since_s, low_since_s))


def _frozen(ladder: Ladder, tick: Look) -> Ladder:
    """One more freeze where offline ran since the last, is to blame, and the budget has room."""
    now_s, settings = tick.now_s, tick.settings
    if ladder.stage < FREEZE or now_s < ladder.frozen_until_s + settings.thaw_s:
        return ladder
    if not (_has_budget(ladder, settings) and is_to_blame(tick)):
        return ladder
    return replace(
        ladder,
        frozen_until_s=now_s + settings.freeze_s,
        frozen_s=ladder.frozen_s + settings.freeze_s,
    )


def _has_budget(ladder: Ladder, settings: Settings) -> bool:
    return ladder.frozen_s + settings.freeze_s <= settings.freeze_budget_s


def _descended(ladder: Ladder, tick: Look) -> Ladder:
    """The way down: after the hold to stage 1, and a shorter hold after each long clean time."""
    now_s, settings = tick.now_s, tick.settings
    if ladder.stage >= MINIMUM and is_rested(ladder, now_s):
        return replace(ladder, stage=THROTTLE, since_s=now_s, low_since_s=NOT_NOW)
    if ladder.hold_s > settings.hold_s and now_s - ladder.eased_s >= settings.forgive_s:
        return replace(ladder, hold_s=max(settings.hold_s, ladder.hold_s / 2.0), eased_s=now_s)
    return ladder
