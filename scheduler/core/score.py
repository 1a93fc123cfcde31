"""Which of the nodes that fit should take the tasks: keep what is rare for those that need it.

Three costs, each in 0..1, weighed and summed; the lowest goes first:

- *lifetime*: the share of a task's request that would come out of room that holds through the
  longest horizon. A short task goes where only the next hours are free and costs nothing there; a
  node that stays free for days is kept for a task of days. (Lifetime-aware packing: Barbalho et
  al., "Virtual machine allocation with lifetime predictions", MLSys 2023.)
- *emptiness*: what the node would have left, so that full nodes fill up first and whole nodes stay
  whole for big tasks (best fit).
- *imbalance*: cores left with too little memory beside them, or memory with too few cores, so that
  neither is stranded (packing on several resources: Grandl et al., "Multi-resource packing for
  cluster schedulers", SIGCOMM 2014). To strand what is scarce counts in full, to strand what is
  plentiful in proportion: where the waiting gangs ask for half of the free memory and all of the
  cores, memory left behind costs half of what cores cost, and with memory in abundance nothing.

Always holds: a score orders nodes that fit and never makes one fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scheduler.core.fit import BYTES_TOLERANCE, Room, Task
from scheduler.core.queues import CORES_TOLERANCE
from slacktide.messages import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Scoring:
    """Weights of the three costs, and what amounts left on a node are held to."""

    mean_cpu_cores: float
    mean_memory_bytes: float
    cpu_scarcity: float  # 1 for the resource of which most of the room is asked for, else less
    memory_scarcity: float
    lifetime_weight: float
    emptiness_weight: float
    imbalance_weight: float

    @staticmethod
    def over(
        room: Room,
        *,
        asked_cpu_cores: float,
        asked_memory_bytes: float,
        lifetime_weight: float,
        emptiness_weight: float,
        imbalance_weight: float,
    ) -> Scoring:
        """Scoring that holds amounts to the mean of the room, and to what is asked of it."""
        nodes = max(room.cpu_cores.shape[1], 1)
        cpu_cores = max(room.total_cpu_cores(), CORES_TOLERANCE)
        memory_bytes = max(room.total_memory_bytes(), BYTES_TOLERANCE)
        cpu_asked = asked_cpu_cores / cpu_cores
        memory_asked = asked_memory_bytes / memory_bytes
        most_asked = max(cpu_asked, memory_asked, CORES_TOLERANCE)
        return Scoring(
            mean_cpu_cores=max(cpu_cores / nodes, CORES_TOLERANCE),
            mean_memory_bytes=max(memory_bytes / nodes, BYTES_TOLERANCE),
            cpu_scarcity=cpu_asked / most_asked,
            memory_scarcity=memory_asked / most_asked,
            lifetime_weight=lifetime_weight,
            emptiness_weight=emptiness_weight,
            imbalance_weight=imbalance_weight,
        )

    def cost(self, room: Room, nodes: IntArray, task: Task) -> FloatArray:
        """[len(nodes)] the cost of the first such task on each node, all of which fit it."""
        cpu_cores, memory_bytes, level, _ = task
        cpu, memory = room.cpu_cores[level, nodes], room.memory_bytes[level, nodes]
        lifetime = 0.5 * (
            _long_room_taken(cpu, room.cpu_cores[-1, nodes], max(cpu_cores, CORES_TOLERANCE))
            + _long_room_taken(
                memory, room.memory_bytes[-1, nodes], max(memory_bytes, BYTES_TOLERANCE)
            )
        )
        cpu_left = _emptiness(cpu - cpu_cores, self.mean_cpu_cores)
        memory_left = _emptiness(memory - memory_bytes, self.mean_memory_bytes)
        return (
            self.lifetime_weight * lifetime
            + self.emptiness_weight * 0.5 * (cpu_left + memory_left)
            + self.imbalance_weight * self._stranded(cpu_left - memory_left)
        )

    def _stranded(self, more_cpu: FloatArray) -> FloatArray:
        """From how much emptier a node is of cores than of memory."""
        stranded: FloatArray = np.maximum(
            self.cpu_scarcity * more_cpu, -self.memory_scarcity * more_cpu
        )
        return stranded


def _long_room_taken(through: FloatArray, longest: FloatArray, request: float) -> FloatArray:
    """Share of a request that room free only until its own horizon does not cover."""
    short_only = through - longest
    return np.clip(np.minimum(request - short_only, longest) / request, 0.0, 1.0)


def _emptiness(left: FloatArray, mean: float) -> FloatArray:
    """0 for nothing left, 1/2 for the cluster's mean, towards 1 for an empty giant."""
    left = np.maximum(left, 0.0)
    return left / (left + mean)
