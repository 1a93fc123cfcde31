"""What one planning round knows, as columns that do not change while it plans.

A horizon is a length of time the forecast answers for. `free[n, h]` is what node n keeps free from
now *through* horizon h: the forecast's reclaimable amount less what running batch tasks still hold
by then. A task predicted to end within an earlier horizon holds nothing at a later one, so a node
may be full for the next hour and empty for the day after.

Always holds: columns of one kind have one length, indexes point at something, amounts are finite
and not negative (free amounts may be negative: online grew into what batch holds).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scheduler.core.kinds import Constraints
from scheduler.core.queues import QueueTree, QueueUse
from slacktide.messages import BoolArray, FloatArray, IntArray, NodeForecasts


@dataclass(frozen=True, slots=True)
class NodeColumns:
    """N nodes over H ascending horizons."""

    names: tuple[str, ...]
    horizons_s: IntArray  # [H]
    free_cpu_cores: FloatArray  # [N, H]
    free_memory_bytes: FloatArray  # [N, H]
    cpu_cores: FloatArray  # [N] the whole node, online's part included
    memory_bytes: FloatArray  # [N]
    open: BoolArray  # [N] False: cordoned, under pressure, or its forecast is stale
    constraints: Constraints | None = None  # what gangs ask beyond room; None: nothing
    supply_note: str = ""  # what there is to say about how old the forecasts are

    def __post_init__(self) -> None:
        nodes, horizons = len(self.names), len(self.horizons_s)
        _shape("nodes", self.free_cpu_cores, self.free_memory_bytes, shape=(nodes, horizons))
        _shape("nodes", self.cpu_cores, self.memory_bytes, self.open, shape=(nodes,))
        if horizons == 0 or (np.diff(self.horizons_s) <= 0).any():
            raise ValueError("nodes: there must be horizons, and they must ascend")
        if not np.isfinite(self.free_cpu_cores + self.free_memory_bytes).all():
            raise ValueError("nodes: free amounts must be finite; give 0 where one is unknown")


@dataclass(frozen=True, slots=True)
class RunningColumns:
    """R bundles of running batch tasks: those of a gang on one node are one row."""

    node: IntArray  # [R]
    cpu_cores: FloatArray  # [R] held by the whole bundle
    memory_bytes: FloatArray  # [R]
    end_s: IntArray  # [R] predicted
    queue: IntArray | None = None  # [R] index of a leaf; None where nobody knows

    def __post_init__(self) -> None:
        _shape("running", self.cpu_cores, self.memory_bytes, self.end_s, shape=self.node.shape)
        if self.queue is not None:
            _shape("running", self.queue, shape=self.node.shape)

    @staticmethod
    def none() -> RunningColumns:
        """Nothing runs."""
        whole, real = np.zeros(0, np.int64), np.zeros(0)
        return RunningColumns(node=whole, cpu_cores=real, memory_bytes=real, end_s=whole)


@dataclass(frozen=True, slots=True)
class GangColumns:
    """G pending gangs, each of identical tasks; or their roles, where a gang has several.

    The roles of a gang (a driver and its workers) are rows with one `lead`, which is the first of
    them and says queue, priority and age for all. They start together or not at all.

    A gang with `min_available < tasks` is elastic: it may start with fewer. Its missing tasks are
    offered by the caller in a later round as a gang of `tasks - placed` with `min_available` 1.
    """

    ids: tuple[str, ...]
    queue: IntArray  # [G] index of a leaf
    tasks: IntArray  # [G] at most this many
    min_available: IntArray  # [G] at least this many, or none
    cpu_cores: FloatArray  # [G] of one task
    memory_bytes: FloatArray  # [G] of one task
    duration_s: IntArray  # [G] predicted
    submit_s: IntArray  # [G]
    priority: IntArray  # [G] higher first, within a queue
    kind: IntArray | None = None  # [G] of the nodes' constraints; None where there are none
    lead: IntArray | None = None  # [G] the first row of its gang; None: each row is a gang

    @property
    def leads(self) -> IntArray:
        """[G] the row that stands for the gang."""
        return np.arange(len(self.ids)) if self.lead is None else self.lead

    def __post_init__(self) -> None:
        whole = (self.queue, self.tasks, self.min_available, self.duration_s, self.submit_s)
        given = [column for column in (self.kind, self.lead) if column is not None]
        real = (self.cpu_cores, self.memory_bytes)
        _shape("gangs", *whole, *given, *real, self.priority, shape=(len(self.ids),))
        for broken, sentence in (
            (
                (self.min_available < 1) | (self.min_available > self.tasks),
                "it must need at least 1 task and at most all of them",
            ),
            (
                ~np.isfinite(self.cpu_cores + self.memory_bytes)
                | (np.minimum(self.cpu_cores, self.memory_bytes) < 0)
                | (self.cpu_cores + self.memory_bytes <= 0),
                "a task must ask for an amount above 0 of cores or memory",
            ),
            (self.duration_s < 0, "its duration is negative"),
            (self.leads[self.leads] != self.leads, "its lead is a role of another gang"),
            (self.queue[self.leads] != self.queue, "its roles wait in different queues"),
        ):
            if broken.any():
                raise ValueError(f"gang {self.ids[int(broken.argmax())]}: {sentence}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One cluster at one time."""

    nodes: NodeColumns
    running: RunningColumns
    gangs: GangColumns
    queues: QueueTree
    used: QueueUse

    def __post_init__(self) -> None:
        queues = len(self.queues.names)
        _shape("used", self.used.cpu_cores, self.used.memory_bytes, shape=(queues,))
        _indexes("running: node", self.running.node, below=len(self.nodes.names))
        if self.running.queue is not None:
            _indexes("running: queue", self.running.queue, below=queues)
        _indexes("gangs: queue", self.gangs.queue, below=queues)
        constraints = self.nodes.constraints
        if constraints is not None and self.gangs.kind is not None:
            _indexes("gangs: kind", self.gangs.kind, below=len(constraints.kinds))
        inner = ~self.queues.leaf[self.gangs.queue]
        if inner.any():
            gang = int(inner.argmax())
            queue = self.queues.names[self.gangs.queue[gang]]
            raise ValueError(
                f"gang {self.gangs.ids[gang]}: queue {queue} has queues below it; wait in one"
            )


def nodes_from_forecasts(
    forecasts: NodeForecasts, running: RunningColumns, *, now_s: int, is_open: BoolArray
) -> NodeColumns:
    """Node columns: what the forecasts give to batch, less what batch holds already.

    `is_open` is [N]. An amount the forecast does not know is sold to nobody: NaN becomes 0.
    """
    horizons_s = np.array(forecasts.horizons_s, dtype=np.int64)
    held_cpu, held_memory = held_through(
        running, horizons_s=horizons_s, nodes=len(forecasts.nodes), now_s=now_s
    )
    cpu = np.nan_to_num(forecasts.reclaimable_cpu_cores)
    memory = np.nan_to_num(forecasts.reclaimable_memory_bytes)
    return NodeColumns(
        names=forecasts.nodes,
        horizons_s=horizons_s,
        free_cpu_cores=cpu - held_cpu,
        free_memory_bytes=memory - held_memory,
        cpu_cores=cpu[:, 0] + np.nan_to_num(forecasts.peak_cpu_cores[:, 0]),
        memory_bytes=memory[:, 0] + np.nan_to_num(forecasts.peak_memory_bytes[:, 0]),
        open=is_open,
    )


def held_through(
    running: RunningColumns, *, horizons_s: IntArray, nodes: int, now_s: int
) -> tuple[FloatArray, FloatArray]:
    """Cores and bytes [N, H] that running tasks still hold at each horizon, all of them at once."""
    still_s = predicted_end_s(running, horizons_s, now_s=now_s) - now_s
    cell, shape = cells(running.node, still_s, horizons_s), (nodes, len(horizons_s))
    return (
        tail_sums(cell, running.cpu_cores, shape=shape),
        tail_sums(cell, running.memory_bytes, shape=shape),
    )


def predicted_end_s(running: RunningColumns, horizons_s: IntArray, *, now_s: int) -> IntArray:
    """When each bundle ends [R], always after now.

    One that has outlived its prediction is taken to run for one more shortest horizon, every
    round anew: nobody knows better, and it must not count as gone.
    """
    return np.where(running.end_s > now_s, running.end_s, now_s + horizons_s[0])


def horizon_index(duration_s: IntArray, horizons_s: IntArray) -> IntArray:
    """The shortest horizon that covers each duration; the longest where none does."""
    return np.minimum(np.searchsorted(horizons_s, duration_s), len(horizons_s) - 1)


def cells(node: IntArray, still_s: IntArray, horizons_s: IntArray) -> IntArray:
    """[R] the place of each (node, last horizon held) in a flat [N, H]."""
    return node * len(horizons_s) + horizon_index(still_s, horizons_s)


def tail_sums(cell: IntArray, amount: FloatArray, *, shape: tuple[int, ...]) -> FloatArray:
    """[N, H] sums of amounts over each node and all horizons from each on."""
    ending = np.bincount(cell, weights=amount, minlength=shape[0] * shape[1]).reshape(shape)
    sums: FloatArray = np.cumsum(ending[:, ::-1], axis=1, dtype=np.float64)[:, ::-1]
    return sums


def _shape(kind: str, *columns: FloatArray | IntArray | BoolArray, shape: tuple[int, ...]) -> None:
    for column in columns:
        if column.shape != shape:
            raise ValueError(f"{kind}: a column has shape {column.shape} where {shape} belongs")


def _indexes(what: str, column: IntArray, *, below: int) -> None:
    if column.size and not (column.min() >= 0 and column.max() < below):
        raise ValueError(f"{what} must be between 0 and {below - 1}")
