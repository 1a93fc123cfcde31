"""Running offline tasks as those who may lose them see it: what an eviction would cost, and frees.

The harm of evicting a task is the work it loses: its cores times the seconds since its last
checkpoint, and the time it takes to start again. A gang that would fall below `min_available` loses
all its tasks with the first. An eviction is free of nothing else: a budget for disruptions, a
guarantee of a queue or a gang evicted lately forbids it.

Always holds for `Stakes`: what `allows` refuses is never evicted, whoever chooses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scheduler.core.queues import CORES_TOLERANCE, QueueTree
from scheduler.core.snapshot import horizon_index
from slacktide.messages import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class RunningGangs:
    """R gangs that run, offline all of them."""

    ids: tuple[str, ...]
    queue: IntArray  # [R]
    priority: IntArray  # [R]
    min_available: IntArray  # [R] below so many tasks it is worth nothing
    may_lose: IntArray  # [R] pods that its disruption budgets allow to be evicted now
    evicted_s: IntArray  # [R] when it was evicted last; a time long ago for never


@dataclass(frozen=True, slots=True)
class RunningTasks:
    """B bundles: identical tasks of one gang on one node."""

    gang: IntArray  # [B] index of a running gang
    node: IntArray  # [B]
    tasks: IntArray  # [B]
    cpu_cores: FloatArray  # [B] of one task
    memory_bytes: FloatArray  # [B] of one task
    end_s: IntArray  # [B] predicted
    saved_s: IntArray  # [B] when its work was last safe: the checkpoint, else the start
    row: IntArray | None = None  # [B] of the constraints: the nodes it may run on; None for all


@dataclass(frozen=True, slots=True)
class Stakes:
    """What may be evicted for one claim, and what it would cost. B bundles, R gangs, Q queues."""

    running: RunningTasks
    queue: IntArray  # [R]
    harm_core_s: FloatArray  # [B] of one task
    level: IntArray  # [B] index of the last horizon a task holds its node through
    size: IntArray  # [R] tasks that run
    slack: IntArray  # [R] tasks that may go and leave the gang alive
    whole: BoolArray  # [R] whether all of it may go
    candidate: BoolArray  # [B]
    spare_cores: FloatArray  # [Q] that may be taken from a queue and those below it
    below: BoolArray  # [Q, R] whether a gang waits in a queue or below it

    def harm(self, evicted: IntArray) -> float:
        """Of so many tasks of each bundle [B]."""
        return float((evicted * self.harm_core_s).sum())

    def allows(self, evicted: IntArray) -> bool:
        """Whether gangs, budgets and queues bear it."""
        lost = np.bincount(self.running.gang, weights=evicted, minlength=len(self.size))
        alive = lost <= self.slack
        dead = self.whole & (lost == self.size)
        # tolerance once for all: cores of a queue are sums of a few tasks
        within = self.cores(evicted) <= self.spare_cores + CORES_TOLERANCE
        return bool((alive | dead).all() and within.all() and not evicted[~self.candidate].any())

    def cores(self, evicted: IntArray) -> FloatArray:
        """[Q] taken from each queue and those below it."""
        cores = evicted * self.running.cpu_cores
        by_gang = np.bincount(self.running.gang, weights=cores, minlength=len(self.size))
        return np.asarray(self.below @ by_gang, np.float64)


def stakes(
    gangs: RunningGangs,
    running: RunningTasks,
    *,
    may_go: BoolArray,
    spare_cores: FloatArray,
    tree: QueueTree,
    horizons_s: IntArray,
    now_s: int,
    restart_s: int,
) -> Stakes:
    """What is at stake for a claim that may evict the gangs of `may_go` [R].

    `spare_cores` [Q] may be taken from each queue; infinite for no limit.
    """
    size = np.bincount(running.gang, weights=running.tasks, minlength=len(gangs.ids))
    size = size.astype(np.int64)
    slack = np.minimum(np.maximum(size - gangs.min_available, 0), gangs.may_lose)
    slack = np.where(may_go, slack, 0)
    whole = may_go & (gangs.may_lose >= size)
    lost_s = np.maximum(now_s - running.saved_s, 0) + restart_s
    left_s = np.maximum(running.end_s - now_s, horizons_s[0])
    below = np.zeros((len(tree.names), len(gangs.ids)), np.bool_)
    for gang, queue in enumerate(gangs.queue.tolist()):
        below[list(tree.paths[queue]), gang] = True
    return Stakes(
        running=running,
        queue=gangs.queue,
        harm_core_s=lost_s * np.maximum(running.cpu_cores, CORES_TOLERANCE),
        level=horizon_index(left_s, horizons_s),
        size=size,
        slack=slack,
        whole=whole,
        candidate=((slack > 0) | whole)[running.gang],
        spare_cores=spare_cores,
        below=below,
    )
