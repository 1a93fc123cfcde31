"""One tick of one node: signals, memory and the time in; actions, memory and a sentence out.

This is all the controller is; the simulator, the agent and the tests call the same function.
Always holds: same input, same output; quota within [minimum, capacity]; at most one eviction a
call, and none for lack of news; nothing is frozen beyond its budget.
"""

from __future__ import annotations

from dataclasses import replace

from qos_controller.core import reasons
from qos_controller.core.decision import Action, Decision, Evict, Freeze, SetOpen, SetQuota
from qos_controller.core.guard import is_to_blame
from qos_controller.core.ladder import settled, step
from qos_controller.core.pressure import over_memory
from qos_controller.core.quota import next_quota
from qos_controller.core.settings import Settings
from qos_controller.core.signals import Signals
from qos_controller.core.stale import decayed_quota, is_news
from qos_controller.core.starvation import is_starved, starved_since
from qos_controller.core.state import EVICT, NOT_NOW, NodeState
from qos_controller.core.tick import Tick, make_sense
from qos_controller.core.victims import least_lost


def decide(signals: Signals, state: NodeState, now_s: float, settings: Settings) -> Decision:
    """What to do on this node now.

    Any interval between calls will do, from 20 ms to minutes. `now_s` and the sample's time come
    from one clock that never goes back.
    """
    if not is_news(signals, state, now_s=now_s, settings=settings):
        return _without_news(state, now_s, settings)
    tick = make_sense(signals, state, now_s=now_s, settings=settings)
    after = remembered(state, tick)
    eviction = _eviction(after, tick)
    if eviction is not None:
        after = replace(after, evicted_s=now_s, open=False)
    reason = reasons.of_eviction(eviction) if eviction else reasons.of_tick(after, tick)
    return Decision(_changes(state, after, eviction), after, reason)


def _without_news(state: NodeState, now_s: float, settings: Settings) -> Decision:
    after = blind(state, now_s, settings)
    return Decision(_changes(state, after, None), after, reasons.of_no_news(state, after))


def blind(state: NodeState, now_s: float, settings: Settings) -> NodeState:
    """The memory after a tick without news: hold, then give back, then close the door."""
    return replace(
        state,
        decided_s=now_s,
        quota_cores=decayed_quota(state, now_s=now_s, settings=settings),
        open=state.open and now_s - state.heard_s < settings.stale_close_s,
    )


def remembered(state: NodeState, tick: Tick) -> NodeState:
    """The memory after a tick, before anybody is evicted."""
    signals, settings, now_s = tick.signals, tick.settings, tick.now_s
    ladder = step(state.ladder, tick)
    quota_cores = next_quota(state.quota_cores, ladder, tick)
    ladder = settled(ladder, tick, before_cores=state.quota_cores, quota_cores=quota_cores)
    memory = over_memory(signals, settings)
    starved_s = starved_since(state.starved_since_s, quota_cores=quota_cores, tick=tick)
    return NodeState(
        decided_s=now_s,
        heard_s=now_s,
        sampled_s=signals.sampled_s,
        capacity_cores=signals.capacity_cores,
        kept_cores=tick.kept_cores,
        quota_cores=quota_cores,
        # An alarm is told once; what comes after it is counted anew.
        slow_sum=0.0 if tick.pressure.alarm else tick.slow_sum,
        ladder=ladder,
        memory_since_s=min(state.memory_since_s, now_s) if memory else NOT_NOW,
        starved_since_s=starved_s,
        evicted_s=state.evicted_s,
        open=(
            ladder.stage != EVICT
            and not memory
            and now_s - state.evicted_s >= settings.cooldown_s
            and not is_starved(starved_s, now_s=now_s, settings=settings)
        ),
    )


def _eviction(after: NodeState, tick: Tick) -> Evict | None:
    """The one that must go now, if any."""
    cause = _cause_to_evict(after, tick)
    if not cause:
        return None
    victim = least_lost(
        tick.signals.offline_tasks,
        for_memory=cause == "memory",
        now_s=tick.now_s,
        settings=tick.settings,
    )
    if victim is None:
        return None
    return Evict(
        victim.task,
        cause,
        victim.freed_cores,
        victim.freed_bytes,
        victim.work_lost_core_s,
        victim.breaks_gang,
    )


def _cause_to_evict(after: NodeState, tick: Tick) -> str:
    """Why one must go; empty where none must, or the last one left too short a time ago."""
    now_s, settings, ladder = tick.now_s, tick.settings, after.ladder
    cooled_s = now_s - after.evicted_s
    if now_s - after.memory_since_s >= settings.memory_evict_after_s:
        return "memory" if cooled_s >= settings.memory_cooldown_s else ""
    if ladder.stage == EVICT and ladder.breached_s == now_s and is_to_blame(tick):
        return tick.pressure.cause if cooled_s >= settings.cooldown_s else ""
    if is_starved(after.starved_since_s, now_s=now_s, settings=settings):
        return "starvation" if cooled_s >= settings.starved_cooldown_s else ""
    return ""


def _changes(before: NodeState, after: NodeState, eviction: Evict | None) -> tuple[Action, ...]:
    """Only what is new: the steady loop writes nothing."""
    actions: list[Action] = []
    if after.quota_cores != before.quota_cores:
        actions.append(SetQuota(after.quota_cores))
    if after.ladder.frozen_until_s != before.ladder.frozen_until_s:
        actions.append(Freeze(after.ladder.frozen_until_s))
    if eviction is not None:
        actions.append(eviction)
    if after.open != before.open:
        actions.append(SetOpen(after.open))
    return tuple(actions)
