"""Whose turn it is: guarantees first, then weighted dominant shares, level by level of the tree.

At each level the child that is furthest below its guarantee goes first; once all guarantees are
met, the one with the least *dominant share over weight*, where a queue's dominant share is the
larger of its shares of the cluster's cores and memory (Ghodsi et al., NSDI 2011; by levels as in
Bhattacharya et al., SoCC 2013). Within a queue: higher priority, then longer wait.

Always holds: turns are a total order (ties go to the queue written first), so a round has one
outcome; and a gang is offered only where its queue and every queue above stay within their maximum.
"""

from __future__ import annotations

from copy import copy

import numpy as np

from scheduler.core.queues import CORES_TOLERANCE, QueueTree, QueueUse
from scheduler.core.snapshot import GangColumns
from slacktide.messages import FloatArray, IntArray

# (guarantee is met, how well served, index): smaller is served first
Turn = tuple[bool, float, int]


class FairShares:
    """What every queue uses while a round places gangs, and what follows from it."""

    def __init__(
        self, tree: QueueTree, used: QueueUse, *, cpu_cores: float, memory_bytes: float
    ) -> None:
        """Start from what runs; `cpu_cores` and `memory_bytes` are all that batch can use."""
        self.tree = tree
        self._all_cpu_cores = max(cpu_cores, CORES_TOLERANCE)
        self._all_memory_bytes = max(memory_bytes, 1.0)
        self.used_cpu_cores = [0.0] * len(tree.names)
        self._used_memory_bytes = [0.0] * len(tree.names)
        self._guaranteed: list[float] = tree.guaranteed_cpu_cores.tolist()
        self._max: list[float] = tree.max_cpu_cores.tolist()
        self._weight: list[float] = tree.weight.tolist()
        self._turn: list[Turn] = [(False, 0.0, queue) for queue in range(len(tree.names))]
        for queue, amounts in enumerate(zip(used.cpu_cores, used.memory_bytes, strict=True)):
            self.add(queue, cpu_cores=float(amounts[0]), memory_bytes=float(amounts[1]))

    def add(self, queue: int, *, cpu_cores: float, memory_bytes: float) -> None:
        """Count what was placed for a queue, in it and in every queue above."""
        for above in self.tree.paths[queue]:
            self.used_cpu_cores[above] += cpu_cores
            self._used_memory_bytes[above] += memory_bytes
            self._turn[above] = self._turn_among_siblings(above)

    def copy(self) -> FairShares:
        """The same use, to be counted on apart from this one."""
        other = copy(self)
        other.used_cpu_cores = list(self.used_cpu_cores)
        other._used_memory_bytes = list(self._used_memory_bytes)  # noqa: SLF001  its own class
        other._turn = list(self._turn)  # noqa: SLF001  its own class
        return other

    def turn(self, queue: int) -> tuple[Turn, ...]:
        """The queue whose turn compares smallest is served next: the tree walked from the top."""
        return tuple([self._turn[above] for above in self.tree.paths[queue]])

    def guarantee_is_met(self, queue: int) -> bool:
        """Whether the queue uses all it is guaranteed."""
        return self.used_cpu_cores[queue] >= self._guaranteed[queue] - CORES_TOLERANCE

    def room_cpu_cores(self, queue: int) -> float:
        """Cores the queue may still take before it or a queue above is at its maximum."""
        return min(self._room(above) for above in self.tree.paths[queue])

    def tightest(self, queue: int) -> int:
        """The queue on the path whose maximum leaves that room."""
        return min(self.tree.paths[queue], key=self._room)

    def room_by_queue(self) -> FloatArray:
        """[Q] `room_cpu_cores` of every queue."""
        return np.array([self.room_cpu_cores(queue) for queue in range(len(self.tree.names))])

    def most_cpu_cores(self) -> FloatArray:
        """[Q] cores a queue could hold if nobody used any: the least maximum on its path."""
        return np.array([min(self._max[above] for above in path) for path in self.tree.paths])

    def _room(self, queue: int) -> float:
        return self._max[queue] - self.used_cpu_cores[queue] + CORES_TOLERANCE

    def _turn_among_siblings(self, queue: int) -> Turn:
        used = self.used_cpu_cores[queue]
        if not self.guarantee_is_met(queue):
            return (False, used / self._guaranteed[queue], queue)
        dominant = max(
            used / self._all_cpu_cores, self._used_memory_bytes[queue] / self._all_memory_bytes
        )
        return (True, dominant / self._weight[queue], queue)


def in_line(gangs: GangColumns, members: IntArray) -> IntArray:
    """`members` by queue, and within each by priority, wait and the caller's order."""
    keys = (members, gangs.submit_s[members], -gangs.priority[members], gangs.queue[members])
    return members[np.lexsort(keys)]
