"""The disk's law: what batch reads and writes, and what it has piled up, against online's reads.

Weights and an idle class stand all the time; a dirty limit comes as soon as batch dirties pages
fast, before anybody is hurt. Harm then halves batch's `share` of what it did before: as a limit in
bytes a second, and, since no throttle sees writes through the page cache, as the share of each turn
in which the writer runs (it is frozen for the rest). Above the share that hurt last, growth is only
a probe, as in CUBIC (Ha, Rhee, Xu, 2008), so that recovery does not hurt again and again.
Always holds: a writer runs at least `floor_run_share` of the time below stage 3; without news of
the disk nobody is frozen and no limit moves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from qos_controller.core.decision import (
    Action,
    Freeze,
    Reason,
    SetDirty,
    SetDisk,
    Verdict,
)
from qos_controller.core.ladder import step
from qos_controller.core.node_settings import DiskSettings
from qos_controller.core.pressure import Pressure
from qos_controller.core.quota import is_rested
from qos_controller.core.sample import DiskSample, PodUse
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
_SAYS: Final = (
    "disk {0}: {1} at {2:.2f} of its limit (reads take {3:.1f} ms, usually {4:.1f}); batch reads "
    "or writes {5:.1f} MiB/s, {6:.1f} MiB dirty; {7} may do {8:.0%} of {9:.1f} MiB/s"
)
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
    share: float = 1.0
    """Of `before_bytes_per_s` and of each turn; 1: not held back."""
    hurt_share: float = 1.0
    """Share at which it hurt last."""
    before_bytes_per_s: float = 0.0
    """What the one held back did before it was."""
    whom: str = ""
    buffered: bool = False
    """Whether it writes through the page cache, where only the freezer reaches it."""
    written_share: float = 1.0
    """Share in the limit that was last written."""
    frozen_until_s: float = NEVER
    dirty_bytes: float = 0.0
    dirtied_s: float = NEVER
    """When batch last dirtied pages fast, or had many."""
    dirty_limited: bool = False
    verdict: Verdict = UNSEEN


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOnDisk:
    """What batch does there, all together and the one to blame."""

    bytes_per_s: float = 0.0
    """The larger of reads and writes."""
    dirty_bytes: float = 0.0
    dirty_growth_bytes_per_s: float = 0.0
    blamed: str = ""
    blamed_bytes_per_s: float = 0.0


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


def on_disk(pods: tuple[PodUse, ...], blamed: str, *, dirty_growth: float = 0.0) -> BatchOnDisk:
    """The sums over all batch pods."""
    read = written = dirty = alone = 0.0
    for pod in pods:
        read += pod.read_bytes_per_s or 0.0
        written += pod.written_bytes_per_s or 0.0
        dirty += pod.dirty_bytes or 0.0
        if pod.uid == blamed:
            alone = max(pod.read_bytes_per_s or 0.0, pod.written_bytes_per_s or 0.0)
    return BatchOnDisk(
        bytes_per_s=max(read, written),
        dirty_bytes=dirty,
        dirty_growth_bytes_per_s=dirty_growth,
        blamed=blamed,
        blamed_bytes_per_s=alone,
    )


def bytes_of(pod: PodUse) -> float:
    """What it does a second, and what it has piled up: buffered writes are nobody's once queued."""
    moved = (pod.read_bytes_per_s or 0.0) + (pod.written_bytes_per_s or 0.0)
    return moved + (pod.dirty_bytes or 0.0)


def is_active(batch: BatchOnDisk, settings: DiskSettings) -> bool:
    """Whether batch does enough on the disk to be the cause of anything."""
    return (
        batch.bytes_per_s >= settings.idle_bytes_per_s
        or batch.dirty_bytes >= settings.buffered_bytes
    )


def level_of(sample: DiskSample, memory: DiskMemory, settings: DiskSettings) -> float:
    """Read latency and online's stall over what is usual for them."""
    level = 0.0
    if sample.read_latency_s is not None:
        usual_s = settings.rise * memory.usual_read_s
        level = sample.read_latency_s / max(settings.read_latency_s, usual_s)
    if sample.online_full_share is not None:
        above = sample.online_full_share - memory.usual_full_share
        level = max(level, above / settings.full_limit_share)
    return level


def decide_disk(
    sample: DiskSample | None,
    before: DiskMemory,
    batch: BatchOnDisk,
    *,
    alarm: bool,
    highest: int,
    now_s: float,
    settings: DiskSettings,
) -> tuple[DiskMemory, list[Action]]:
    """The memory after a tick, and what changes for batch. Between two looks only turns go on."""
    if sample is None:
        return _turned(before, now_s, settings) if before.buffered else (before, [])
    dt_s = now_s - before.heard_s if before.heard_s > NEVER else 0.0
    active = is_active(batch, settings)
    if before.ladder.stage == CALM and not active:
        after = _learned(sample, before, dt_s=dt_s, now_s=now_s, settings=settings)
        return _dirty_limited(before, after, batch, now_s=now_s, settings=settings)
    level = level_of(sample, before, settings)
    pressure = Pressure(max(level, 2.0) if alarm else level, "latency" if alarm else "io", alarm)
    look = DiskLook(now_s, dt_s, dt_s, settings.ladder, pressure, not active, highest)
    ladder = step(before.ladder, look)
    after = replace(before, heard_s=now_s, level=pressure.level, ladder=ladder)
    after = _shared(before, after, batch, look, settings)
    after = replace(after, verdict=_verdict(sample, after, batch, pressure))
    after, actions = _dirty_limited(before, after, batch, now_s=now_s, settings=settings)
    after, more = _limited(before, after, settings)
    after, turns = _turned(after, now_s, settings)
    return after, actions + more + turns


def _learned(
    sample: DiskSample, before: DiskMemory, *, dt_s: float, now_s: float, settings: DiskSettings
) -> DiskMemory:
    """What is usual, while batch is silent; the first value is taken whole."""
    share = 1.0 - math.exp(-dt_s / settings.usual_s)
    read_s, full = before.usual_read_s, before.usual_full_share
    if sample.read_latency_s is not None:
        read_s = (
            read_s + share * (sample.read_latency_s - read_s) if read_s else (sample.read_latency_s)
        )
    if sample.online_full_share is not None:
        full += (share if before.heard_s > NEVER else 1.0) * (sample.online_full_share - full)
    verdict = Verdict(CALM, 0.0, Reason(_IDLE, (1e3 * read_s,)))
    return replace(
        before,
        heard_s=now_s,
        level=0.0,
        usual_read_s=read_s,
        usual_full_share=full,
        verdict=verdict,
    )


_IDLE: Final = "disk calm: batch leaves it alone; online's reads usually take {0:.2f} ms"


def _shared(
    before: DiskMemory,
    after: DiskMemory,
    batch: BatchOnDisk,
    look: DiskLook,
    settings: DiskSettings,
) -> DiskMemory:
    """The share that the stage allows: halved by each new throttle, grown when it is clean."""
    ladder, now_s = after.ladder, look.now_s
    if ladder.stage == CALM:
        return replace(after, share=1.0, whom="", buffered=False)
    if before.ladder.stage == CALM:
        return _begun(after, batch, settings)
    if ladder.stage >= MINIMUM:
        return replace(after, share=settings.floor_run_share, whom=_widened(before, after))
    if before.ladder.stage == THROTTLE and ladder.since_s == ladder.breached_s == now_s:
        share = max(settings.min_run_share, settings.ladder.backoff * before.share)
        return replace(after, share=share, hurt_share=before.share, whom="")
    if is_rested(ladder, now_s) and look.pressure.level < settings.ladder.calm_level:
        return _grown(after, look, settings)
    return after


def _begun(after: DiskMemory, batch: BatchOnDisk, settings: DiskSettings) -> DiskMemory:
    """The first answer to harm: half for the one to blame, or for all."""
    alone = batch.blamed
    rate = batch.blamed_bytes_per_s if alone else batch.bytes_per_s
    return replace(
        after,
        share=settings.ladder.backoff,
        hurt_share=1.0,
        before_bytes_per_s=rate,
        whom=alone,
        buffered=batch.dirty_bytes >= settings.buffered_bytes,
        written_share=1.0,
    )


def _widened(before: DiskMemory, after: DiskMemory) -> str:
    """At stage 2 all are held back; the freezer and the eviction come for the one to blame."""
    return "" if before.ladder.stage < MINIMUM <= after.ladder.stage < FREEZE else before.whom


def _grown(after: DiskMemory, look: DiskLook, settings: DiskSettings) -> DiskMemory:
    """One step back; at the whole share it is calm."""
    is_probe = after.share >= settings.safe_share * after.hurt_share
    rate = settings.growth_share_per_s * (settings.probe_share if is_probe else 1.0)
    share = after.share + rate * look.dt_s
    ladder = replace(after.ladder, grew_s=look.now_s)
    if share >= 1.0:
        calm = replace(ladder, stage=CALM, since_s=look.now_s)
        return replace(after, share=1.0, whom="", buffered=False, ladder=calm)
    return replace(after, share=share, ladder=ladder)


def _limited(
    before: DiskMemory, after: DiskMemory, settings: DiskSettings
) -> tuple[DiskMemory, list[Action]]:
    """The limit in bytes a second, where it changed by enough to be worth a write."""
    actions: list[Action] = []
    if after.whom != before.whom and before.written_share < 1.0:
        actions.append(SetDisk(None, None, before.whom))
        after = replace(after, written_share=1.0)
    if after.share == 1.0 and after.written_share < 1.0:
        return replace(after, written_share=1.0), [*actions, SetDisk(None, None, after.whom)]
    if abs(after.share - after.written_share) < 0.1 * after.written_share:
        return after, actions
    limit = max(settings.min_bytes_per_s, after.share * after.before_bytes_per_s)
    if after.ladder.stage >= MINIMUM:
        limit = settings.min_bytes_per_s
    if after.before_bytes_per_s < settings.idle_bytes_per_s:
        return after, actions  # it all went through the page cache: there is nothing to limit
    actions.append(SetDisk(limit, limit, after.whom))
    return replace(after, written_share=after.share), actions


def _turned(
    memory: DiskMemory, now_s: float, settings: DiskSettings
) -> tuple[DiskMemory, list[Action]]:
    """The writer's next rest: for the rest of its turn below stage 3, else as the ladder says."""
    ladder = memory.ladder
    if ladder.stage >= FREEZE:
        if ladder.frozen_until_s <= memory.frozen_until_s:
            return memory, []
        frozen = replace(memory, frozen_until_s=ladder.frozen_until_s)
        return frozen, [Freeze(ladder.frozen_until_s, memory.whom)]
    if ladder.stage == CALM or not memory.buffered or memory.share >= 1.0:
        return memory, []
    if now_s - memory.heard_s > settings.blind_s:
        return memory, []
    if now_s < memory.frozen_until_s + memory.share * settings.period_s:
        return memory, []
    until_s = now_s + (1.0 - memory.share) * settings.period_s
    return replace(memory, frozen_until_s=until_s), [Freeze(until_s, memory.whom)]


def _dirty_limited(
    before: DiskMemory,
    after: DiskMemory,
    batch: BatchOnDisk,
    *,
    now_s: float,
    settings: DiskSettings,
) -> tuple[DiskMemory, list[Action]]:
    """The limit of dirty pages: on before harm is seen, off when batch has not written for long."""
    writes = (
        batch.dirty_growth_bytes_per_s >= settings.dirty_growth_bytes_per_s
        or batch.dirty_bytes >= settings.buffered_bytes
    )
    dirtied_s = now_s if writes else before.dirtied_s
    limited = now_s - dirtied_s < settings.dirty_rest_s
    after = replace(
        after, dirty_bytes=batch.dirty_bytes, dirtied_s=dirtied_s, dirty_limited=limited
    )
    if limited == before.dirty_limited:
        return after, []
    return after, [SetDirty(settings.dirty_limit_bytes if limited else None)]


def wants_eviction(memory: DiskMemory, now_s: float) -> bool:
    """Whether one must go now; asked in the tick of a new look."""
    ladder = memory.ladder
    return ladder.stage == EVICT and ladder.breached_s == now_s


def _verdict(
    sample: DiskSample, after: DiskMemory, batch: BatchOnDisk, pressure: Pressure
) -> Verdict:
    values = (
        STAGE_NAMES[after.ladder.stage],
        pressure.cause,
        pressure.level,
        1e3 * (sample.read_latency_s or 0.0),
        1e3 * after.usual_read_s,
        batch.bytes_per_s / _MIB,
        batch.dirty_bytes / _MIB,
        after.whom or "all",
        after.share,
        after.before_bytes_per_s / _MIB,
    )
    return Verdict(after.ladder.stage, pressure.level, Reason(_SAYS, values))
