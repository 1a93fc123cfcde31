"""Batch draws breath: where online waits for itself, batch pauses until a CPU falls idle.

A weight keeps batch from online's time, and yet batch can make online wait for itself: two of
online's threads queue on one CPU while batch holds the other, for a second sometimes, since it is
an idle CPU that pulls waiting tasks over (kernel/sched/fair.c, newidle and nohz balance), and a CPU
that always has batch to run is never idle. It shows in a sum: while online waits, a kernel that
moves work to where there is room would run online on every CPU, so its `some` stall S cannot be
more than the share of the node that it and the system use. S beyond that is waiting that batch's
CPU could have spared. A pause of 12 ms, three ticks of the scheduler, ends it (docs/benchmarks.md).
Where pauses must come often, batch is also limited to less and less of what online leaves, dealt
out in slices of 20 ms; it gets that back as they become rare, and whoever comes next finds it too.
Always holds: no pause where batch does not run; a pause after which online waits on is repeated
after twice the time each, so that batch loses little where the kernel has reasons of its own;
between pauses batch has at least `least_share` of what online left in the mean; no quota where no
batch is there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from qos_controller.core.node_settings import BreathSettings
from qos_controller.core.state import NEVER


@dataclass(frozen=True, slots=True)
class Breath:
    """What is remembered of it."""

    cores: float = math.inf
    """What batch may use now; the whole node is as good as no quota, and a pause then one write."""
    share: float = 1.0
    """Between pauses: of what online leaves; 1: no limit."""
    limit_cores: float = math.inf
    """That as cores."""
    used_cores: float | None = None
    """Mean of what online and the system use."""
    pause_until_s: float = NEVER
    """End of the last pause."""
    in_vain: int = 0
    """Pauses in a row after which online waited on."""

    @property
    def pauses(self) -> bool:
        """Whether batch stands in a pause."""
        return self.cores < self.limit_cores

    @property
    def is_sliced(self) -> bool:
        """Whether `cores` is a share that is dealt out evenly, not a pause or the whole node."""
        return self.share < 1.0 and not self.pauses


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One look at who runs and who waits."""

    waits_share: float | None
    """`some` of online's cpu.pressure; None: not known, so nobody pauses."""
    used_cores: float
    """By online and the system."""
    batch_cores: float
    capacity_cores: float
    batch_is_here: bool

    @property
    def spared_share(self) -> float:
        """Share of the time that online waited while there was room on another CPU."""
        if self.waits_share is None:
            return 0.0
        return self.waits_share - self.used_cores / self.capacity_cores


def next_breath(
    before: Breath, room: Room, *, now_s: float, dt_s: float, settings: BreathSettings
) -> Breath:
    """After one look."""
    if not settings.enabled:
        return before
    mean = room.used_cores
    if before.used_cores is not None:
        weight = 1.0 - math.exp(-dt_s / settings.mean_s)
        mean = before.used_cores + weight * (room.used_cores - before.used_cores)
    share = before.share
    if share < 1.0 and now_s - before.pause_until_s > settings.often_s:
        share = min(1.0, share + settings.growth_per_s * dt_s)
    if not room.batch_is_here:
        return Breath(share=share, used_cores=mean)
    limit = _limit(before, share, mean, room.capacity_cores, settings)
    after = replace(before, cores=limit, share=share, limit_cores=limit, used_cores=mean)
    if now_s < before.pause_until_s:
        return replace(after, cores=min(before.cores, limit))
    # What was seen in a pause was no room that batch took.
    return after if before.pauses else _perhaps_paused(after, room, now_s, settings)


def _limit(
    before: Breath, share: float, mean: float, capacity_cores: float, settings: BreathSettings
) -> float:
    if share >= 1.0:
        return capacity_cores
    cores = share * max(0.0, capacity_cores - mean)
    cores = max(settings.floor_share * capacity_cores, cores)
    near = abs(cores - before.limit_cores) < settings.step_share * capacity_cores
    return before.limit_cores if near else cores


def _perhaps_paused(after: Breath, room: Room, now_s: float, settings: BreathSettings) -> Breath:
    takes = room.batch_cores > settings.innocent_share * room.capacity_cores
    since_s = now_s - after.pause_until_s
    if room.spared_share <= settings.spared_share or not takes:
        helped = after.in_vain and since_s > settings.clean_s
        return replace(after, in_vain=0) if helped else after
    if since_s < settings.rest_s * (2.0 ** min(after.in_vain, settings.most_in_vain) - 1.0):
        return after
    share = after.share
    if since_s < settings.often_s:
        share = max(settings.least_share, settings.backoff * share)
    return replace(
        after,
        cores=min(after.limit_cores, settings.pause_share * room.capacity_cores),
        share=share,
        pause_until_s=now_s + settings.pause_s,
        in_vain=after.in_vain + 1,
    )
