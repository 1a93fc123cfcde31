"""Why a task is on its node: the costs that order nodes, part by part, as nodes are now.

The numbers of the moment of the decision are not kept, so a task's room is given back and its node
is held against all others as if it were placed now.

Always holds: the parts sum up to the cost that the planner orders nodes by if this task alone asks
(wishes aside).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scheduler.core.fit import Room, Task, TaskClasses
from scheduler.core.plan import PlanSettings
from scheduler.core.score import Scoring
from scheduler.core.snapshot import NodeColumns, horizon_index
from slacktide.messages import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyHere:
    """One node among those that fit."""

    node: str
    fitting: int  # nodes that fit such a task; 0: its own does not
    rank: int  # 1 is the cheapest
    cost: float
    lifetime: float
    emptiness: float
    imbalance: float
    best: str
    best_cost: float


def why_here(
    nodes: NodeColumns,
    node: int,
    *,
    cpu_cores: float,
    memory_bytes: float,
    duration_s: int,
    kind: int = 0,
) -> WhyHere:
    """How a node compares for a task that holds its room there already.

    Args:
        nodes: as they are, the task's room taken.
        node: the index of its node.
        cpu_cores: of the task.
        memory_bytes: of the task.
        duration_s: that it is expected to run.
        kind: of the nodes' constraints.
    """
    level = int(horizon_index(np.array([duration_s]), nodes.horizons_s)[0])
    room = _without_it(nodes, node, cpu_cores=cpu_cores, memory_bytes=memory_bytes)
    row = 0 if nodes.constraints is None else int(nodes.constraints.row_of[kind])
    task = Task(cpu_cores, memory_bytes, level, row)
    able = np.flatnonzero(room.tasks_per_node(TaskClasses.one(task))[0])
    if node not in able:
        return WhyHere(
            node=nodes.names[node], fitting=0, rank=0, cost=0.0, lifetime=0.0, emptiness=0.0,
            imbalance=0.0, best="", best_cost=0.0,
        )  # fmt: skip
    lifetime, emptiness, imbalance = _parts(room, able, task)
    cost = lifetime + emptiness + imbalance
    place, best = int(np.flatnonzero(able == node)[0]), int(np.argmin(cost))
    return WhyHere(
        node=nodes.names[node],
        fitting=len(able),
        rank=int(np.count_nonzero(cost < cost[place])) + 1,
        cost=float(cost[place]),
        lifetime=float(lifetime[place]),
        emptiness=float(emptiness[place]),
        imbalance=float(imbalance[place]),
        best=nodes.names[int(able[best])],
        best_cost=float(cost[best]),
    )


def _without_it(nodes: NodeColumns, node: int, *, cpu_cores: float, memory_bytes: float) -> Room:
    cpu, memory = nodes.free_cpu_cores.copy(), nodes.free_memory_bytes.copy()
    cpu[node] += cpu_cores
    memory[node] += memory_bytes
    return Room.of(nodes, cpu_cores=cpu, memory_bytes=memory)


def _parts(room: Room, nodes: IntArray, task: Task) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Each cost by itself, as weighed."""
    settings = PlanSettings()
    nothing = Scoring.over(
        room,
        asked_cpu_cores=task.cpu_cores,
        asked_memory_bytes=task.memory_bytes,
        lifetime_weight=0,
        emptiness_weight=0,
        imbalance_weight=0,
    )
    alone = (
        replace(nothing, lifetime_weight=settings.lifetime_weight),
        replace(nothing, emptiness_weight=settings.emptiness_weight),
        replace(nothing, imbalance_weight=settings.imbalance_weight),
    )
    lifetime, emptiness, imbalance = (one.cost(room, nodes, task) for one in alone)
    return lifetime, emptiness, imbalance
