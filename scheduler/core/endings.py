"""The room there will be: what running batch tasks hold, and when they are predicted to let go.

Always holds: the room at a later time is never less, so the first time a gang fits can be found by
halving. Online's part is the forecast's, which already covers each horizon whole.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from scheduler.core.fit import Room, TaskClasses, total_tasks
from scheduler.core.snapshot import NodeColumns, RunningColumns, cells, predicted_end_s, tail_sums
from slacktide.messages import IntArray


@dataclass(frozen=True, slots=True)
class Endings:
    """Running tasks of one cluster by the time they end."""

    nodes: NodeColumns
    running: RunningColumns
    end_s: IntArray  # [R] predicted, all after now
    cell: IntArray  # [R] node and last horizon of each bundle

    @staticmethod
    def of(nodes: NodeColumns, running: RunningColumns, *, now_s: int) -> Endings:
        """Of what runs now."""
        end_s = predicted_end_s(running, nodes.horizons_s, now_s=now_s)
        cell = cells(running.node, end_s - now_s, nodes.horizons_s)
        return Endings(nodes=nodes, running=running, end_s=end_s, cell=cell)

    def room(self, *, by_s: int | None = None) -> Room:
        """The room once the tasks predicted to end by `by_s` (None: all) have ended."""
        ended = np.ones(len(self.end_s)) if by_s is None else (self.end_s <= by_s).astype(float)
        shape = self.nodes.free_cpu_cores.shape
        cpu = tail_sums(self.cell, self.running.cpu_cores * ended, shape=shape)
        memory = tail_sums(self.cell, self.running.memory_bytes * ended, shape=shape)
        nodes, holds = self.nodes, self.running.gpus
        if nodes.gpus is not None and holds is not None:
            free = nodes.gpus.without(holds, self.running.node, ended > 0)
            nodes = replace(nodes, gpus=free)
        return Room.of(
            nodes,
            cpu_cores=self.nodes.free_cpu_cores + cpu,
            memory_bytes=self.nodes.free_memory_bytes + memory,
        )

    def first_fit_s(
        self, kind: TaskClasses, *, tasks: int, allowed: Callable[[int], bool] = lambda _: True
    ) -> int:
        """When `tasks` of a class fit for the first time; they must fit once all have ended.

        `allowed` says whether something else is in the way at a time; once it is not, it stays so.
        """
        times_s: list[int] = np.unique(self.end_s).tolist()
        first = bisect_left(
            times_s,
            x=True,
            hi=len(times_s) - 1,
            key=lambda by_s: (
                allowed(by_s) and bool(total_tasks(self.room(by_s=by_s), kind)[0] >= tasks)
            ),
        )
        return times_s[first]
