"""The quota there will be: what queues use, and when their running tasks are predicted to let go.

A gang larger than what its queue has left is starved by the small gangs of its own queue as surely
as by tasks on nodes: each takes the quota the moment it is free. So a reservation books both.

Always holds: a queue's use at a later time is never more, as nothing new is counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scheduler.core.queue_order import FairShares
from scheduler.core.queues import CORES_TOLERANCE, QueueTree, QueueUse
from scheduler.core.snapshot import RunningColumns, predicted_end_s
from slacktide.messages import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class QuotaAhead:
    """Use of the Q queues over time; R bundles run."""

    tree: QueueTree
    used_cpu_cores: FloatArray  # [Q] now, each queue's own
    queue: IntArray  # [R]
    cpu_cores: FloatArray  # [R]
    end_s: IntArray  # [R] predicted, all after now

    @staticmethod
    def of(
        tree: QueueTree,
        used: QueueUse,
        running: RunningColumns,
        *,
        horizons_s: IntArray,
        now_s: int,
    ) -> QuotaAhead | None:
        """None where nobody knows whose the running tasks are."""
        if running.queue is None:
            return None
        end_s = predicted_end_s(running, horizons_s, now_s=now_s)
        return QuotaAhead(tree, used.cpu_cores, running.queue, running.cpu_cores, end_s)

    def used(self, *, by_s: int | None = None) -> FloatArray:
        """[Q] each queue's own use once the tasks predicted to end by then (None: all) have."""
        ended = np.ones(len(self.end_s), np.bool_) if by_s is None else self.end_s <= by_s
        let_go = np.bincount(
            self.queue, weights=self.cpu_cores * ended, minlength=len(self.tree.names)
        )
        return np.maximum(self.used_cpu_cores - let_go, 0.0)

    def fits(self, queue: int, cores: float, *, by_s: int | None = None) -> bool:
        """Whether no maximum on the queue's path is in the way of so many cores by then."""
        path = list(self.tree.paths[queue])
        used = self.used(by_s=by_s)
        return bool(
            (
                self._with_below(used)[path] + cores
                <= self.tree.max_cpu_cores[path] + CORES_TOLERANCE
            ).all()
        )

    def beside(self, queue: int, cores: float, *, by_s: int) -> FairShares:
        """What a reservation of so many cores leaves of the maxima on its path at its start."""
        bound = np.full(len(self.tree.names), np.inf)
        path = list(self.tree.paths[queue])
        bound[path] = self.tree.max_cpu_cores[path]
        shares = FairShares(
            QueueTree(
                self.tree.names,
                self.tree.parent,
                np.zeros(len(bound)),
                bound,
                self.tree.weight,
            ),
            QueueUse(self.used(by_s=by_s), np.zeros(len(bound))),
            cpu_cores=1.0,
            memory_bytes=1.0,
        )
        shares.add(queue, cpu_cores=cores, memory_bytes=0.0)
        return shares

    def _with_below(self, used: FloatArray) -> FloatArray:
        total = np.zeros(len(used))
        for queue, cores in enumerate(used.tolist()):
            total[list(self.tree.paths[queue])] += cores
        return total
