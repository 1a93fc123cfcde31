"""Who begins to use the disk begins slowly, so that harm is met while what caused it is small.

A device takes direct writes at full speed into its own cache, and nobody is hurt; a second or two
later it must write them out, and reads take 20 ms at once (measured). To wait for harm is too late
there. So a newcomer starts at `start_share` of `full_bytes_per_s` and doubles each `doubling_s`
while online is well: slow start, as in TCP (Jacobson, Congestion avoidance and control, 1988).
Always holds: only in calm; each pod begins slowly once; who writes through the page cache does not,
since few dirty pages hold it back already.
"""

from __future__ import annotations

from dataclasses import replace

from qos_controller.core import pace as pacing
from qos_controller.core.batch_io import BatchOnDisk, is_writing
from qos_controller.core.node_settings import DiskSettings
from qos_controller.core.pace import FREE, Held, Pace


def met(before: frozenset[str], batch: BatchOnDisk, settings: DiskSettings) -> frozenset[str]:
    """Those that use the disk now or did before, as long as they are here."""
    here = {pod.uid for pod in batch.pods}
    users = {held.pod for held in pacing.users(batch.pods, settings)}
    now = before & here | users
    return before if now == before else now


def next_pace(
    pace: Pace, known: frozenset[str], batch: BatchOnDisk, dt_s: float, settings: DiskSettings
) -> Pace:
    """The pace of those who have begun, one step further, or that of those who begin now."""
    if not pace.held:
        held = _newcomers(known, batch, settings)
        return Pace(held, settings.start_share) if held else FREE
    share = pace.share * 2.0 ** (dt_s / settings.doubling_s)
    if share >= 1.0:
        return FREE
    if pace.held[0].pod or not pacing.users(batch.pods, settings):
        return Pace(pace.held, share)
    named = _newcomers(frozenset(), batch, settings)
    return Pace(named, share) if named else FREE


def _newcomers(
    known: frozenset[str], batch: BatchOnDisk, settings: DiskSettings
) -> tuple[Held, ...]:
    """The new users of the disk; all together while no pod's own counters have been seen."""
    users = pacing.users(batch.pods, settings)
    new = [one for one in users if one.pod not in known and not one.buffered]
    fast = [one for one in new if one.bytes_per_s >= settings.min_bytes_per_s]
    seen_at_once = batch.bytes_per_s >= settings.min_bytes_per_s
    if not users and not known and seen_at_once and not is_writing(batch, settings):
        fast = list(pacing.everybody(0.0, batch.offline_cores, buffered=False))
    return tuple(replace(one, bytes_per_s=settings.full_bytes_per_s) for one in fast)
