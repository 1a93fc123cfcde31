"""Which of the nodes that fit should take the tasks: keep what is rare for those that need it.

Three costs, each in 0..1, weighed and summed; the lowest goes first:

- *lifetime*: the share of a task's request that would come out of room that holds through the
  longest horizon. A short task goes where only the next hours are free and costs nothing there; a
  node that stays free for days is kept for a task of days. (Lifetime-aware packing: Barbalho et
  al., "Virtual machine allocation with lifetime predictions", MLSys 2023.)
- *emptiness*: what the node would have left, so that full nodes fill up first and whole nodes stay
  whole for big tasks (best fit).
- *imbalance*: how unequal the cores and the memory left would be, so that neither is stranded
  (packing on several resources: Grandl et al., "Multi-resource packing for cluster schedulers",
  SIGCOMM 2014).

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
    """Weights of the three costs, and the cluster's mean room a node that amounts are held to."""

    mean_cpu_cores: float
    mean_memory_bytes: float
    lifetime_weight: float
    emptiness_weight: float
    imbalance_weight: float

    @staticmethod
    def over(
        room: Room, *, lifetime_weight: float, emptiness_weight: float, imbalance_weight: float
    ) -> Scoring:
        """Scoring that holds amounts to the mean of the room given."""
        nodes = max(room.cpu_cores.shape[1], 1)
        return Scoring(
            mean_cpu_cores=max(room.total_cpu_cores() / nodes, CORES_TOLERANCE),
            mean_memory_bytes=max(room.total_memory_bytes() / nodes, BYTES_TOLERANCE),
            lifetime_weight=lifetime_weight,
            emptiness_weight=emptiness_weight,
            imbalance_weight=imbalance_weight,
        )

    def cost(self, room: Room, nodes: IntArray, task: Task) -> FloatArray:
        """[len(nodes)] the cost of the first such task on each node, all of which fit it."""
        cpu_cores, memory_bytes, level = task[:3]
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
            + self.imbalance_weight * np.abs(cpu_left - memory_left)
        )


def _long_room_taken(through: FloatArray, longest: FloatArray, request: float) -> FloatArray:
    """Share of a request that room free only until its own horizon does not cover."""
    short_only = through - longest
    return np.clip(np.minimum(request - short_only, longest) / request, 0.0, 1.0)


def _emptiness(left: FloatArray, mean: float) -> FloatArray:
    """0 for nothing left, 1/2 for the cluster's mean, towards 1 for an empty giant."""
    left = np.maximum(left, 0.0)
    return left / (left + mean)
