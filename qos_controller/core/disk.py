"""The disk's law: online's reads against what batch reads, writes and piles up.

Weights and an idle class stand all the time. As soon as batch uses the disk, before anybody is
hurt, the device takes small requests, few at once, dirty pages are few, and newcomers begin slowly
(`slow_start`). Harm then climbs a ladder: hold back the one to blame, or all that use the disk
(`pace`), then the floors, then the freezer, then one goes. How far depends on who says so: a device
alone can only say that it is slow, clients or online's own stall that somebody is hurt.
Always holds: without news of the disk nothing moves; while batch leaves the disk alone nothing
climbs, and what online's reads usually take is learned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from qos_controller.core import pace as pacing
from qos_controller.core import slow_start
from qos_controller.core.batch_io import BatchOnDisk, is_active, is_writing
from qos_controller.core.decision import Action, Freeze, Reason, SetDirty, SetQueue, Verdict
from qos_controller.core.ladder import step
from qos_controller.core.node_settings import DiskSettings
from qos_controller.core.pace import FREE, Held, Pace
from qos_controller.core.pressure import Pressure
from qos_controller.core.quota import is_rested
from qos_controller.core.sample import DiskSample
from qos_controller.core.services import Latency
from qos_controller.core.settings import Settings
from qos_controller.core.state import (
    CALM,
    EVICT,
    FREEZE,
    MINIMUM,
    NEVER,
    STAGE_NAMES,
    THROTTLE,
    Ladder,
)

_MIB: Final = float(2**20)
_IDLE: Final = "disk calm: batch leaves it alone; online's reads usually take {0:.2f} ms"
_SAYS: Final = (
    "disk {0}: {1} at {2:.2f} of its limit (reads take {3:.2f} ms, usually {4:.2f}); batch moves "
    "{5:.1f} MiB/s, {6:.1f} MiB dirty; {7} may do {8:.0%} of what it did"
)
_LOCKED: Final = "; held down without effect, online loads the disk itself: no more for {9:.0f} s"
NO_HARM: Final = DiskSample()
UNSEEN: Final = Verdict(CALM, 0.0, Reason("disk calm: not seen yet"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskMemory:
    """What is remembered of the disk."""

    ladder: Ladder
    heard_s: float = NEVER
    level: float = 0.0
    usual_read_s: float = 0.0
    """Mean read latency while batch leaves the disk alone; 0: not learned."""
    usual_full_share: float = 0.0
    pace: Pace = FREE
    whom: str = ""
    """The one to freeze; empty: all."""
    met: frozenset[str] = frozenset()
    """Pods that have used the disk before: they begin slowly no more."""
    used_s: float = NEVER
    """When batch last used the disk."""
    dirtied_s: float = NEVER
    """When batch last dirtied pages fast, or had many."""
    dirty_bytes: float = 0.0
    """On the node, as last seen."""
    small_queue: bool = False
    dirty_limited: bool = False
    verdict: Verdict = UNSEEN


@dataclass(frozen=True, slots=True)
class DiskLook:
    """One sample, as the ladder wants to know it."""

    now_s: float
    dt_s: float
    covered_s: float
    settings: Settings
    pressure: Pressure
    offline_is_idle: bool
    highest: int


def first(settings: DiskSettings) -> DiskMemory:
    """A disk just met."""
    return DiskMemory(ladder=Ladder(hold_s=settings.ladder.hold_s))


def level_of(sample: DiskSample, memory: DiskMemory, settings: DiskSettings) -> float:
    """Read latency and online's stall over what is usual for them."""
    return max(_device_level(sample, memory, settings), _stall_level(sample, memory, settings))


def decide_disk(
    sample: DiskSample | None,
    before: DiskMemory,
    batch: BatchOnDisk,
    *,
    latency: Latency,
    alarm: bool,
    cpu_level: float = 0.0,
    now_s: float,
    settings: DiskSettings,
) -> tuple[DiskMemory, list[Action]]:
    """The memory after a tick, and what changes for batch; nothing where nobody looked.

    `cpu_level` is online's stall on the CPU over its limit, where writers are the cause.
    """
    if sample is None:
        return before, []
    settings = _as_limited(settings, before)
    dt_s = now_s - before.heard_s if before.heard_s > NEVER else 0.0
    held, held_s = before.pace.held, now_s - before.ladder.since_s
    if not (held and held[0].pod == "" and held_s >= settings.name_within_s):
        batch = _with_node(sample, before, batch, dt_s)
    active = is_active(batch, settings)
    if before.ladder.stage == CALM and not active:
        after = _learned(sample, before, dt_s=dt_s, now_s=now_s, settings=settings)
    else:
        # While batch is idle, whoever is slow is not slow for its sake.
        judged = sample if active else NO_HARM
        look = _look(
            judged,
            before,
            batch,
            latency=latency,
            alarm=alarm,
            cpu_level=cpu_level,
            now_s=now_s,
            dt_s=dt_s,
            settings=settings,
        )
        after = _climbed(sample, before, batch, look, settings)
    after = _guarded(sample, after, batch, active=active, now_s=now_s, settings=settings)
    return after, _actions(before, after, settings)


def without(memory: DiskMemory, gone: set[str], now_s: float) -> DiskMemory:
    """They have left; where all who were held back did, the ladder begins anew."""
    paced = pacing.without(memory.pace, gone)
    if paced.held or not memory.pace.held:
        return replace(memory, pace=paced)
    ladder = replace(memory.ladder, stage=CALM, since_s=now_s)
    return replace(memory, pace=FREE, ladder=ladder)


def wants_eviction(memory: DiskMemory, now_s: float) -> bool:
    """Whether one must go now; asked in the tick of a new look."""
    ladder = memory.ladder
    return ladder.stage == EVICT and ladder.breached_s == now_s


def _device_level(sample: DiskSample, memory: DiskMemory, settings: DiskSettings) -> float:
    if sample.read_latency_s is None:
        return 0.0
    usual_s = settings.rise * memory.usual_read_s
    return sample.read_latency_s / max(settings.read_latency_s, usual_s)


def _stall_level(sample: DiskSample, memory: DiskMemory, settings: DiskSettings) -> float:
    if sample.online_full_share is None:
        return 0.0
    return (sample.online_full_share - memory.usual_full_share) / settings.full_limit_share


def _with_node(
    sample: DiskSample, before: DiskMemory, batch: BatchOnDisk, dt_s: float
) -> BatchOnDisk:
    """The node's own counters, seen long before each pod's, count as batch's where batch runs."""
    if not batch.pods or not batch.offline_cores:
        return batch
    growth = 0.0
    if sample.dirty_bytes is not None and dt_s > 0.0 and before.heard_s > NEVER:
        growth = (sample.dirty_bytes - before.dirty_bytes) / dt_s
    written = sample.written_bytes_per_s or 0.0
    return replace(
        batch,
        dirty_growth_bytes_per_s=growth,
        bytes_per_s=max(batch.bytes_per_s, written),
    )


def _learned(
    sample: DiskSample, before: DiskMemory, *, dt_s: float, now_s: float, settings: DiskSettings
) -> DiskMemory:
    """What is usual, while batch is silent; the first value is taken whole."""
    share = 1.0 - math.exp(-dt_s / settings.usual_s)
    read_s, full = before.usual_read_s, before.usual_full_share
    if sample.read_latency_s is not None:
        read_s += (share if read_s else 1.0) * (sample.read_latency_s - read_s)
    if sample.online_full_share is not None:
        full += (share if before.heard_s > NEVER else 1.0) * (sample.online_full_share - full)
    return replace(
        before,
        heard_s=now_s,
        level=0.0,
        pace=before.pace if now_s - before.used_s < settings.name_within_s else FREE,
        usual_read_s=read_s,
        usual_full_share=full,
        verdict=Verdict(CALM, 0.0, Reason(_IDLE, (1e3 * read_s,))),
    )


def _look(
    sample: DiskSample,
    before: DiskMemory,
    batch: BatchOnDisk,
    *,
    latency: Latency,
    alarm: bool,
    cpu_level: float,
    now_s: float,
    dt_s: float,
    settings: DiskSettings,
) -> DiskLook:
    """The pressure that counts, and the stage that it can justify."""
    stall = _stall_level(sample, before, settings)
    level = max(stall, cpu_level, _device_level(sample, before, settings))
    within = latency.within
    if latency.hurt and before.ladder.stage > CALM:
        level = max(level, 1.0)
    if alarm or stall > 1.0:
        highest = EVICT if alarm or not within else THROTTLE
    else:
        highest = THROTTLE if within or is_writing(batch, settings) else MINIMUM
    # A client's alarm is a breach even where the device looks well.
    pressure = Pressure(max(level, 2.0), "latency", alarm=True) if alarm else Pressure(level, "io")
    moves = batch.bytes_per_s > 2.0 * settings.min_bytes_per_s * max(1, len(before.pace.held))
    idle = not (moves or is_writing(batch, settings))
    return DiskLook(now_s, dt_s, dt_s, settings.ladder, pressure, idle, highest)


def _climbed(
    sample: DiskSample,
    before: DiskMemory,
    batch: BatchOnDisk,
    look: DiskLook,
    settings: DiskSettings,
) -> DiskMemory:
    """The ladder, and whom it holds back how far."""
    ladder = step(before.ladder, look)
    pace = _paced(before, ladder, batch, look, settings)
    if pace == FREE and ladder.stage != CALM:
        ladder = replace(ladder, stage=CALM, since_s=look.now_s)
    elif ladder.stage != CALM and _has_grown(before.pace, pace):
        ladder = replace(ladder, grew_s=look.now_s)
    after = replace(
        before,
        heard_s=look.now_s,
        level=look.pressure.level,
        ladder=ladder,
        pace=pace,
        met=slow_start.met(before.met, batch, settings),
        whom=batch.blamed if ladder.stage >= FREEZE else "",
    )
    return replace(after, verdict=_verdict(sample, after, batch, look))


def _paced(
    before: DiskMemory, ladder: Ladder, batch: BatchOnDisk, look: DiskLook, settings: DiskSettings
) -> Pace:
    """Half at each new throttle, the floors from stage 2 on, growth when it is clean."""
    if ladder.stage == CALM:
        return _calm_pace(before, batch, look, settings)
    pace = pacing.named(before.pace, batch.pods, settings)
    if before.ladder.stage == CALM and not pace.held:
        new = slow_start.next_pace(FREE, before.met, batch, 0.0, settings)
        is_named = new.held and new.held[0].pod
        return new if is_named else pacing.begun(_first_held(batch, settings), settings)
    if ladder.stage >= MINIMUM:
        return pacing.least(pace, _all_held(batch, settings))
    if ladder.since_s == ladder.breached_s == look.now_s:
        return pacing.tightened(pace, _all_held(batch, settings), settings)
    if is_rested(ladder, look.now_s) and look.pressure.level < settings.ladder.calm_level:
        # Who does nothing on the disk is let go at once: a share of nothing cannot be judged.
        grows = is_active(batch, settings)
        return pacing.grown(pace, look.dt_s, settings) if grows else FREE
    return pace


def _calm_pace(
    before: DiskMemory, batch: BatchOnDisk, look: DiskLook, settings: DiskSettings
) -> Pace:
    """Nobody is held back but newcomers, whose rate grows while online is well."""
    if before.ladder.stage != CALM:
        return FREE
    if look.pressure.level >= settings.ladder.calm_level:
        return before.pace
    return slow_start.next_pace(before.pace, before.met, batch, look.dt_s, settings)


def _has_grown(before: Pace, after: Pace) -> bool:
    return after.share > before.share or (before.is_least and not after.is_least)


def _first_held(batch: BatchOnDisk, settings: DiskSettings) -> tuple[Held, ...]:
    """The one to blame, else all."""
    held = _all_held(batch, settings)
    return tuple(one for one in held if one.pod == batch.blamed) or held


def _all_held(batch: BatchOnDisk, settings: DiskSettings) -> tuple[Held, ...]:
    found = pacing.users(batch.pods, settings)
    if found:
        return found
    buffered = is_writing(batch, settings)
    return pacing.everybody(batch.bytes_per_s, batch.offline_cores, buffered=buffered)


def _guarded(
    sample: DiskSample,
    after: DiskMemory,
    batch: BatchOnDisk,
    *,
    active: bool,
    now_s: float,
    settings: DiskSettings,
) -> DiskMemory:
    """Small queue and dirty limit: on before harm is seen, off when batch has long been silent."""
    used_s = now_s if active else after.used_s
    dirtied_s = now_s if is_writing(batch, settings) else after.dirtied_s
    dirty_bytes = after.dirty_bytes if sample.dirty_bytes is None else sample.dirty_bytes
    return replace(
        after,
        used_s=used_s,
        dirtied_s=dirtied_s,
        dirty_bytes=dirty_bytes,
        small_queue=now_s - used_s < settings.rest_s,
        dirty_limited=now_s - dirtied_s < settings.rest_s,
    )


def _actions(before: DiskMemory, after: DiskMemory, settings: DiskSettings) -> list[Action]:
    """Only what is new; the writers' quotas are joined with the CPU's in `node`."""
    actions: list[Action] = []
    dirty_limit = _dirty_limit(after, settings)
    if dirty_limit != _dirty_limit(before, settings):
        actions.append(SetDirty(dirty_limit))
    if after.small_queue != before.small_queue:
        actions.append(SetQueue(after.small_queue))
    actions += pacing.limit_changes(before.pace, after.pace, settings)
    until_s = after.ladder.frozen_until_s
    if until_s != before.ladder.frozen_until_s:
        actions.append(Freeze(until_s, after.whom))
    return actions


def _dirty_limit(memory: DiskMemory, settings: DiskSettings) -> float | None:
    """Tight while a writer is paced: what its CPU lets through is to reach the disk evenly."""
    if not memory.dirty_limited:
        return None
    return settings.dirty_tight_bytes if memory.pace.is_of_writers else settings.dirty_limit_bytes


def _as_limited(settings: DiskSettings, memory: DiskMemory) -> DiskSettings:
    """Under the tight limit nobody has many dirty pages, however much goes through them."""
    limit = _dirty_limit(memory, settings)
    if limit is None or limit >= settings.dirty_limit_bytes:
        return settings
    share = limit / settings.dirty_limit_bytes
    return replace(settings, buffered_bytes=share * settings.buffered_bytes)


def _verdict(sample: DiskSample, after: DiskMemory, batch: BatchOnDisk, look: DiskLook) -> Verdict:
    ladder, held = after.ladder, after.pace.held
    values = (
        STAGE_NAMES[ladder.stage],
        look.pressure.cause,
        look.pressure.level,
        1e3 * (sample.read_latency_s or 0.0),
        1e3 * after.usual_read_s,
        batch.bytes_per_s / _MIB,
        batch.dirty_bytes / _MIB,
        ", ".join(one.pod or "all" for one in held) or "everybody",
        after.pace.share,
        ladder.locked_until_s - look.now_s,
    )
    template = _SAYS + _LOCKED if look.now_s < ladder.locked_until_s else _SAYS
    return Verdict(ladder.stage, look.pressure.level, Reason(template, values))
