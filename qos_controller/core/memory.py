"""Memory's law: watermarks, and the time in which growth would reach the end.

Throttling frees no memory, so there is no stage that waits: batch gives back what it holds over its
request, then may not grow, then the one goes that loses the least work for what it frees. Always
holds: online's own memory is never touched; where batch holds next to nothing, nothing happens; a
stage is entered at once and left one by one. The second watermark, time, is oomd's lesson: a level
alone comes too late for fast growth and too early for slow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from qos_controller.core.decision import Action, Reason, Reclaim, SetMemory, Verdict
from qos_controller.core.node_settings import MemorySettings
from qos_controller.core.sample import MemorySample, PodUse
from qos_controller.core.state import NEVER

CALM: Final = 0
RECLAIM: Final = 1
LIMIT: Final = 2
EVICT: Final = 3
MEMORY_STAGES: Final = ("calm", "reclaim", "limit", "evict")
_GIB: Final = float(2**30)

_SAYS = Reason(
    "memory {0}: {1:.2f} of {2:.2f} GiB available, falling by {3:.2f} GiB/s, "
    "{4:.1f} s until none is left; online stalls {5:.3f} of the time; batch holds {6:.2f} GiB"
)
UNSEEN: Final = Verdict(CALM, 0.0, Reason("memory calm: not seen yet"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomMemory:
    """What is remembered of the node's memory."""

    stage: int = CALM
    since_s: float = NEVER
    pressed_s: float = NEVER
    """When the present stage was last called for."""
    heard_s: float = NEVER
    available_bytes: float = 0.0
    growth_bytes_per_s: float = 0.0
    reclaimed_s: float = NEVER
    limits: tuple[tuple[str, float], ...] = ()
    """Limits in force, by pod."""
    verdict: Verdict = UNSEEN


def decide_memory(
    sample: MemorySample,
    before: RoomMemory,
    pods: tuple[PodUse, ...],
    *,
    asked: Mapping[str, float],
    now_s: float,
    settings: MemorySettings,
) -> tuple[RoomMemory, list[Action]]:
    """The memory after one look, and what batch must give; `asked` is what each pod requested."""
    growth = _growth(sample, before, now_s=now_s, settings=settings)
    left_s = sample.available_bytes / growth if growth > 0.0 else math.inf
    stage, pressed = _stage(sample, before, left_s, now_s=now_s, settings=settings)
    after = RoomMemory(
        stage=stage,
        since_s=now_s if stage != before.stage else before.since_s,
        pressed_s=now_s if pressed else before.pressed_s,
        heard_s=now_s,
        available_bytes=sample.available_bytes,
        growth_bytes_per_s=growth,
        reclaimed_s=before.reclaimed_s,
        limits=before.limits,
        verdict=_verdict(sample, stage, growth, left_s, settings),
    )
    if stage == CALM:
        return replace(after, limits=()), [SetMemory(None, uid) for uid, _ in before.limits]
    after, actions = _limited(after, pods)
    ranked = sorted(
        pods, key=lambda pod: (pod.memory_bytes or 0.0) - asked.get(pod.uid, 0.0), reverse=True
    )
    return _reclaimed(after, sample, ranked, actions, now_s=now_s, settings=settings)


def level_of(sample: MemorySample, settings: MemorySettings) -> float:
    """1 where the first watermark is reached, or where online stalls as long as is allowed."""
    stall = (sample.online_full_share or 0.0) / settings.full_limit_share
    available_bytes = max(sample.available_bytes, 1.0)
    return max(stall, settings.reclaim_share * sample.capacity_bytes / available_bytes)


def wants_eviction(memory: RoomMemory, now_s: float) -> bool:
    """Whether one must go now; asked in the tick of a new look."""
    return memory.stage == EVICT and memory.pressed_s == now_s


def _growth(
    sample: MemorySample, before: RoomMemory, *, now_s: float, settings: MemorySettings
) -> float:
    """How fast what is available falls, as an exponentially weighted mean, never below 0."""
    dt_s = now_s - before.heard_s
    if dt_s <= 0.0:
        return before.growth_bytes_per_s
    if dt_s > 10.0 * settings.growth_s:
        return 0.0
    new = (before.available_bytes - sample.available_bytes) / dt_s
    share = 1.0 - math.exp(-dt_s / settings.growth_s)
    old = before.growth_bytes_per_s
    return max(0.0, old + share * (new - old))


def _stage(
    sample: MemorySample,
    before: RoomMemory,
    left_s: float,
    *,
    now_s: float,
    settings: MemorySettings,
) -> tuple[int, bool]:
    """The stage, and whether it is called for right now."""
    called = _called_for(sample, before, left_s, now_s=now_s, settings=settings)
    if called >= before.stage:
        return called, called > CALM
    if now_s - before.pressed_s >= settings.hold_s and now_s - before.since_s >= settings.hold_s:
        return before.stage - 1, False
    return before.stage, False


def _called_for(
    sample: MemorySample,
    before: RoomMemory,
    left_s: float,
    *,
    now_s: float,
    settings: MemorySettings,
) -> int:
    offline_bytes = sample.offline_bytes
    if offline_bytes is not None and offline_bytes < settings.idle_share * sample.capacity_bytes:
        return CALM
    share = sample.available_bytes / sample.capacity_bytes
    if share >= settings.growth_below_share:
        left_s = math.inf
    stalls = (sample.online_full_share or 0.0) > settings.full_limit_share
    limits = share < settings.limit_share or left_s < settings.limit_left_s
    waited = before.stage >= LIMIT and now_s - before.since_s >= settings.evict_after_s
    if share < settings.evict_share or (waited and (share < settings.reclaim_share or stalls)):
        return EVICT
    if limits or (stalls and before.stage >= RECLAIM and now_s - before.since_s >= 1.0):
        return LIMIT
    if share < settings.reclaim_share or left_s < settings.reclaim_left_s or stalls:
        return RECLAIM
    return CALM


def _limited(after: RoomMemory, pods: tuple[PodUse, ...]) -> tuple[RoomMemory, list[Action]]:
    """From stage `LIMIT` on each pod keeps what it has and gets no more, until all is calm."""
    if after.stage < LIMIT:
        return after, []
    held = {uid for uid, _ in after.limits}
    new = [
        (pod.uid, pod.memory_bytes)
        for pod in pods
        if pod.uid not in held and pod.memory_bytes is not None and pod.memory_bytes > 0.0
    ]
    if not new:
        return after, []
    limits = (*after.limits, *new)
    return replace(after, limits=limits), [SetMemory(size, uid) for uid, size in new]


def _reclaimed(
    after: RoomMemory,
    sample: MemorySample,
    ranked: list[PodUse],
    actions: list[Action],
    *,
    now_s: float,
    settings: MemorySettings,
) -> tuple[RoomMemory, list[Action]]:
    """What is missing to the watermark, from who is furthest over its request first."""
    if now_s - after.reclaimed_s < settings.reclaim_every_s or after.pressed_s != now_s:
        return after, actions
    missing = settings.reclaim_share * sample.capacity_bytes - sample.available_bytes
    missing += after.growth_bytes_per_s * settings.reclaim_left_s
    for pod in ranked:
        most = settings.reclaim_max_share * (pod.memory_bytes or 0.0)
        if min(missing, most) < settings.reclaim_least_bytes:
            break
        actions.append(Reclaim(min(missing, most), pod.uid))
        missing -= most
    return replace(after, reclaimed_s=now_s), actions


def _verdict(
    sample: MemorySample, stage: int, growth: float, left_s: float, settings: MemorySettings
) -> Verdict:
    values = (
        MEMORY_STAGES[stage],
        sample.available_bytes / _GIB,
        sample.capacity_bytes / _GIB,
        growth / _GIB,
        left_s,
        sample.online_full_share or 0.0,
        (sample.offline_bytes or 0.0) / _GIB,
    )
    return Verdict(stage, level_of(sample, settings), Reason(_SAYS.template, values))
