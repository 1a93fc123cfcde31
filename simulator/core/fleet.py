"""The offline side of a replay: which gang runs where, how far it is, what was lost.

Columns over gangs and over placements (one row a gang and node). Always holds: a gang is either
waiting, running whole (at least its minimum) or done; memory and cores held on a node are the sum
of its rows; work done is never more than delivered.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from slacktide.messages import BoolArray, FloatArray, IntArray
from slacktide.trace import Jobs

WAITING, RUNNING, DONE = 0, 1, 2


@dataclass(slots=True)
class Fleet:
    """Gangs and their placements. G gangs, R placement rows, N nodes.

    A gang's `left_s` is what it still needs, in seconds with all tasks at full speed.
    """

    jobs: Jobs
    node_count: int
    state: IntArray = field(init=False)  # [G]
    left_s: FloatArray = field(init=False)  # [G]
    placed: IntArray = field(init=False)  # [G] tasks running now
    cluster: IntArray = field(init=False)  # [G] where it runs, -1 while waiting
    known: BoolArray = field(init=False)  # [G] submitted by now
    first_start_s: FloatArray = field(init=False)  # [G] NaN until it starts
    done_s: FloatArray = field(init=False)  # [G] NaN until it is done
    started_s: FloatArray = field(init=False)  # [G] of the present run
    row_gang: IntArray = field(init=False)  # [R] ascending
    row_node: IntArray = field(init=False)  # [R]
    row_count: IntArray = field(init=False)  # [R]
    started_tasks: int = 0
    evicted_tasks: int = 0
    lost_core_s: float = 0.0  # work thrown away by evictions

    def __post_init__(self) -> None:
        """Everything waits."""
        gangs = len(self.jobs.job)
        self.state = np.full(gangs, WAITING, np.int64)
        self.left_s = self.jobs.duration_s.astype(np.float64)
        self.placed = np.zeros(gangs, np.int64)
        self.cluster = np.full(gangs, -1, np.int64)
        self.known = np.zeros(gangs, np.bool_)
        self.first_start_s = np.full(gangs, np.nan)
        self.done_s = np.full(gangs, np.nan)
        self.started_s = np.full(gangs, np.nan)
        self.row_gang = self.row_node = self.row_count = np.zeros(0, np.int64)

    def held_cores(self) -> FloatArray:
        """Cores held on every node, [N]."""
        cores = self.jobs.cpu_cores[self.row_gang] * self.row_count
        return _sums(self.row_node, cores, self.node_count)

    def held_bytes(self) -> FloatArray:
        """Memory held on every node, [N]."""
        size = self.jobs.memory_bytes[self.row_gang] * self.row_count
        return _sums(self.row_node, size, self.node_count)

    def held_by_queue(
        self, queue: IntArray, queues: int, node_cluster: IntArray, clusters: int
    ) -> tuple[FloatArray, FloatArray]:
        """Cores and bytes each queue holds in each cluster, both [C, Q]."""
        cell = node_cluster[self.row_node] * queues + queue[self.row_gang]
        cores = self.jobs.cpu_cores[self.row_gang] * self.row_count
        size = self.jobs.memory_bytes[self.row_gang] * self.row_count
        shape = (clusters, queues)
        return (
            _sums(cell, cores, clusters * queues).reshape(shape),
            _sums(cell, size, clusters * queues).reshape(shape),
        )

    def submit(self, now_s: float) -> IntArray:
        """Lets in what was submitted by now; returns the newcomers (jobs come in that order)."""
        first = int(self.known.sum())
        last = int(np.searchsorted(self.jobs.submit_s, now_s, side="right"))
        self.known[first:last] = True
        return np.arange(first, last)

    def waiting(self) -> IntArray:
        """Gangs that are submitted and do not run."""
        return np.flatnonzero(self.known & (self.state == WAITING))

    def start(
        self, gang: int, nodes: IntArray, counts: IntArray, *, cluster: int, now_s: float
    ) -> None:
        """Places a gang; its rows are kept in order of gangs."""
        at = int(np.searchsorted(self.row_gang, gang))
        self.row_gang = np.insert(self.row_gang, at, np.full(len(nodes), gang))
        self.row_node = np.insert(self.row_node, at, nodes)
        self.row_count = np.insert(self.row_count, at, counts)
        self.state[gang] = RUNNING
        self.placed[gang] = int(counts.sum())
        self.cluster[gang] = cluster
        self.started_s[gang] = now_s
        if np.isnan(self.first_start_s[gang]):
            self.first_start_s[gang] = now_s
        self.started_tasks += int(counts.sum())

    def run(self, speed: FloatArray, *, now_s: float, length_s: float) -> IntArray:
        """Lets every gang work for an interval and returns those that finished in it.

        A gang is as fast as its slowest node and as the share of its tasks that was placed.

        Args:
            speed: [N] share of what is held that was really delivered on each node.
            now_s: when the interval begins.
            length_s: of the interval.
        """
        if not self.row_gang.size:
            return np.zeros(0, np.int64)
        gangs, first = np.unique(self.row_gang, return_index=True)
        slowest = np.minimum.reduceat(speed[self.row_node], first)
        pace = slowest * self.placed[gangs] / self.jobs.tasks[gangs]
        before = self.left_s[gangs]
        self.left_s[gangs] = before - pace * length_s
        over = self.left_s[gangs] <= 0.0
        done = gangs[over]
        self.done_s[done] = now_s + before[over] / pace[over]
        self._leave(done, DONE)
        return done

    def evict(self, gang: int, node: int) -> None:
        """Sends a gang's tasks on one node away; the whole gang where it would break without them.

        Without a checkpoint all work of those that go is lost; the gang waits again with its age.
        """
        rows = np.flatnonzero((self.row_gang == gang) & (self.row_node == node))
        if not rows.size:
            return  # it finished, or went with another of its nodes
        going = int(self.row_count[rows].sum())
        if self.placed[gang] - going >= self.jobs.min_available[gang]:
            self._lose(gang, going)
            self.placed[gang] -= going
            self._drop_rows(rows)
            return
        self._lose(gang, int(self.placed[gang]))
        self.left_s[gang] = self.jobs.duration_s[gang]
        self._leave(np.array([gang]), WAITING)

    def _lose(self, gang: int, tasks: int) -> None:
        """Counts the work of so many of the gang's tasks as thrown away."""
        done_s = (self.jobs.duration_s[gang] - self.left_s[gang]) * self.jobs.tasks[gang]
        share = tasks / self.placed[gang]
        self.lost_core_s += float(done_s * self.jobs.cpu_cores[gang] * share)
        self.left_s[gang] += share * (self.jobs.duration_s[gang] - self.left_s[gang])
        self.evicted_tasks += tasks

    def _leave(self, gangs: IntArray, state: int) -> None:
        self.state[gangs] = state
        self.placed[gangs] = 0
        self.cluster[gangs] = -1
        self._drop_rows(np.flatnonzero(np.isin(self.row_gang, gangs)))

    def _drop_rows(self, rows: IntArray) -> None:
        self.row_gang = np.delete(self.row_gang, rows)
        self.row_node = np.delete(self.row_node, rows)
        self.row_count = np.delete(self.row_count, rows)


def _sums(cell: IntArray, amount: FloatArray, cells: int) -> FloatArray:
    return np.bincount(cell, amount, cells).astype(np.float64, copy=False)
