"""Which cluster a waiting gang goes to: whole, to one, or it waits and is told why.

In the order given, each gang takes the cluster where its data is, if it fits there, else the one
that keeps the largest share of its supply free after it. "Fits" means: its queue has the headroom,
and the cluster's supply holds for as long as the gang is predicted to run. What a gang takes is
deducted before the next one looks, so a thousand gangs do not pile onto the cluster that looked
emptiest at the start (Karmada #6518, #1385).

Always holds: no gang is split; what is placed exceeds neither a queue's headroom nor a cluster's
free supply; room only shrinks during a pass, so a gang passed over need not be looked at again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from federation.core.shares import Shares
from federation.core.supply import holding_cpu, holding_memory, horizon_of
from slacktide.messages import BoolArray, FloatArray, IntArray

WAITS = -1  # no cluster yet
_LOOK_AGAIN_AFTER = 8  # gangs passed over, before all that no longer fit are dropped at once
_SAME_CORES = 1e-9  # binary noise that must not keep a gang out


@dataclass(frozen=True, slots=True)
class Gangs:
    """G gangs waiting at the hub, in the order in which they may choose."""

    ids: tuple[str, ...]
    leaf: IntArray  # [G] index into the tree's leaves
    tasks: IntArray  # [G]
    min_available: IntArray  # [G] tasks it needs at once to start
    cpu_cores: FloatArray  # [G] a task
    memory_bytes: FloatArray  # [G] a task
    duration_s: FloatArray  # [G] predicted
    data_cluster: tuple[str, ...]  # [G] name of the cluster its data is in, "" for anywhere

    def pick(self, rows: IntArray) -> Gangs:
        """[n] of the G gangs, in the order of `rows`."""
        chosen = rows.tolist()
        return Gangs(
            tuple(self.ids[row] for row in chosen),
            self.leaf[rows],
            self.tasks[rows],
            self.min_available[rows],
            self.cpu_cores[rows],
            self.memory_bytes[rows],
            self.duration_s[rows],
            tuple(self.data_cluster[row] for row in chosen),
        )


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Where each gang goes. G gangs, L leaves, C clusters."""

    cluster: IntArray  # [G] index into the clusters, `WAITS` for none
    cpu_cores: FloatArray  # [L, C] what was placed, for `grants.grant`
    reasons: Callable[[int], str]  # gang index -> the sentence


def dispatch(gangs: Gangs, shares: Shares) -> Dispatch:
    """One pass over the waiting gangs.

    Where no horizon is as long as a gang's duration, the longest one known decides. A gang that
    may start with fewer tasks than it has is placed when those fit, and takes what it finds.
    """
    seats = _Seats(gangs, shares)
    waiting = np.flatnonzero(seats.fitting(np.arange(len(gangs.ids))))
    while waiting.size:
        done = passed_over = 0
        for gang in waiting.tolist():
            passed_over += not seats.offer(gang)
            done += 1
            if passed_over == _LOOK_AGAIN_AFTER:
                break
        waiting = waiting[done:]
        waiting = waiting[seats.fitting(waiting)]
    return Dispatch(seats.cluster, seats.placed_cpu, seats.reason)


class _Seats:
    """The room left while a pass goes on; the only thing in this module that changes."""

    def __init__(self, gangs: Gangs, shares: Shares) -> None:
        self.gangs, self.shares = gangs, shares
        self.need_cpu = gangs.min_available * gangs.cpu_cores
        self.need_memory = gangs.min_available * gangs.memory_bytes
        self.whole_cpu = gangs.tasks * gangs.cpu_cores
        self.whole_memory = gangs.tasks * gangs.memory_bytes
        self.headroom = shares.headroom_cpu_cores
        self.cpu, self.memory = _free(shares)
        self.supply = np.maximum(shares.supply_cpu_cores, 1.0)  # a share of nothing is no share
        self.all_clusters = np.arange(len(shares.reports))
        self.index = {name: index for index, name in enumerate(shares.clusters)}
        self.horizon = np.zeros((len(gangs.ids), len(shares.reports)), dtype=np.int64)
        self._look_up_horizons()
        self.cluster = np.full(len(gangs.ids), WAITS, dtype=np.int64)
        self.kept_free_share = np.zeros(len(gangs.ids))
        self.placed_cpu = np.zeros((len(shares.tree.leaves), len(shares.reports)))

    def _look_up_horizons(self) -> None:
        """[G, C] only for gangs that the emptiest cluster could take: most wait in a backlog."""
        most = self.cpu.max(initial=0.0) + _SAME_CORES
        rows = np.flatnonzero(
            self.need_cpu <= np.minimum(self.headroom[self.gangs.leaf] + _SAME_CORES, most)
        )
        self.horizon[rows] = _horizons(self.shares, self.gangs.duration_s[rows])

    def fitting(self, rows: IntArray) -> BoolArray:
        """[n] gangs -> [n] whether each could be seated now."""
        fits = self.need_cpu[rows] <= self.headroom[self.gangs.leaf[rows]] + _SAME_CORES
        some = np.flatnonzero(fits)
        gangs = rows[some]
        horizon = self.horizon[gangs]
        holds = self.need_cpu[gangs, None] <= self.cpu[self.all_clusters, horizon] + _SAME_CORES
        holds &= self.need_memory[gangs, None] <= self.memory[self.all_clusters, horizon]
        fits[some] = holds.any(axis=1)
        return fits

    def offer(self, gang: int) -> bool:
        """Seats one gang if it fits; says whether it did."""
        need = self.need_cpu[gang]
        if need > self.headroom[self.gangs.leaf[gang]] + _SAME_CORES:
            return False
        at = self.all_clusters, self.horizon[gang]
        cpu = self.cpu[at]
        fits = (need <= cpu + _SAME_CORES) & (self.need_memory[gang] <= self.memory[at])
        if not fits.any():
            return False
        kept = np.where(fits, (cpu - self.whole_cpu[gang]) / self.supply, -np.inf)
        data = self.index.get(self.gangs.data_cluster[gang], WAITS)
        chosen = data if data != WAITS and fits[data] else int(kept.argmax())
        self._seat(gang, chosen)
        self.kept_free_share[gang] = kept[chosen]
        return True

    def _seat(self, gang: int, cluster: int) -> None:
        leaf, horizon = self.gangs.leaf[gang], self.horizon[gang, cluster]
        room = min(self.headroom[leaf], self.cpu[cluster, horizon])
        taken = min(self.whole_cpu[gang], max(room, self.need_cpu[gang]))
        self.cluster[gang] = cluster
        self.headroom[leaf] -= taken
        self.cpu[cluster] -= taken
        self.memory[cluster] -= min(self.whole_memory[gang], self.memory[cluster, horizon])
        self.placed_cpu[leaf, cluster] += taken

    def reason(self, gang: int) -> str:
        """Why this gang went where it went, or what it waits for, by the room left at the end."""
        cluster = int(self.cluster[gang])
        return self._why_waiting(gang) if cluster == WAITS else self._why_there(gang, cluster)

    def _why_there(self, gang: int, cluster: int) -> str:
        data, chosen = self.gangs.data_cluster[gang], self.shares.clusters[cluster]
        goes = f"{self.gangs.ids[gang]} goes to {chosen}"
        if data == chosen:
            return f"{goes}: its data is there"
        full = ""
        if data:
            at = self.index.get(data)
            seen = at is not None and self.shares.in_sight[at]
            full = f"; {data}, where its data is, {'has no room' if seen else 'is out of sight'}"
        kept = self.kept_free_share[gang]
        return f"{goes}: it keeps the largest share free after it, {kept:.0%}{full}"

    def _why_waiting(self, gang: int) -> str:
        gangs, need, leaf = self.gangs, self.need_cpu[gang], self.gangs.leaf[gang]
        wants = (
            f"{gangs.ids[gang]} waits: {gangs.min_available[gang]} tasks need {need:g} cores "
            f"for {gangs.duration_s[gang]:g} s"
        )
        if not self.shares.in_sight.any():
            return f"{wants}; no cluster is in sight"
        if need > self.headroom[leaf] + _SAME_CORES:
            queue = self.shares.tree.leaf_names[leaf]
            return f"{wants}; {max(self.headroom[leaf], 0):g} cores are left of {queue}'s share"
        horizon = _horizons(self.shares, gangs.duration_s[[gang]])[0]
        free = self.cpu[self.all_clusters, horizon]
        best = int(free.argmax())
        bound = "memory" if need <= free[best] + _SAME_CORES else "supply"
        return (
            f"{wants} in one cluster; the most that holds so long is {max(free[best], 0):g} cores "
            f"in {self.shares.clusters[best]}, bound by {bound}"
        )


def _horizons(shares: Shares, duration_s: FloatArray) -> IntArray:
    """[n] durations -> [n, C] index of the horizon that decides; never one shorter than a lease."""
    index = np.zeros((duration_s.size, len(shares.reports)), dtype=np.int64)
    for cluster, report in enumerate(shares.reports):
        lease_ends_s = shares.standings[cluster].expires_s
        until_s = np.maximum(shares.at_s + duration_s, lease_ends_s)
        index[:, cluster] = horizon_of(report, until_s)
    return index


def _free(shares: Shares) -> tuple[FloatArray, FloatArray]:
    """[C, H] cores and bytes free over each horizon in clusters in sight; -inf out of sight."""
    longest = max((len(report.horizons_s) for report in shares.reports), default=0)
    cpu = np.full((len(shares.reports), longest), -np.inf)
    memory = np.full_like(cpu, -np.inf)
    for cluster, report in enumerate(shares.reports):
        if not shares.in_sight[cluster]:
            continue
        standing, horizons = shares.standings[cluster], len(report.horizons_s)
        stray = standing.supply_cpu_cores - shares.supply_cpu_cores[cluster]
        taken = stray + shares.settled_cpu_cores[:, cluster].sum()
        cpu[cluster, :horizons] = holding_cpu(report) - taken
        free_memory = holding_memory(report) - report.held_memory_bytes
        memory[cluster, :horizons] = np.nan_to_num(free_memory, nan=np.inf)
    return cpu, memory
