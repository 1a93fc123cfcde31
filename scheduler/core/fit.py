"""How many tasks fit what the forecast keeps free for as long as they will run.

A task predicted to run for d seconds is judged at horizon k, the shortest that covers d, and holds
its node through k and no further. So it fits where every horizon up to k has room, and it takes
from those alone:

    for every node n and horizon h:  sum of tasks judged at h or later  <=  free[n, h]

which is what keeps online whole: a task gone by h cannot meet the peak that comes after it, and
the peak that comes before is the shorter horizon's, where the task counts.

`Room` keeps that as one array a resource, `room[h, n] = min over h' <= h of what is left`, so that
one look-up answers "how much through h", and taking from it is exact:

    room[h]  <-  room[h] - x                 for h <= k
    room[h]  <-  min(room[h], room[k] - x)   for h > k   (nothing is left later if not now)

Always holds: tasks of one class are identical and need no packing, so the sum over nodes of
`floor(room / request)` is the exact number that can be placed, not a bound; where tasks are bound
to each other by spread or affinity (`arrange.py`) it is a bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from scheduler.core.kinds import Constraints
from scheduler.core.queues import CORES_TOLERANCE
from scheduler.core.snapshot import GangColumns, NodeColumns
from slacktide.messages import BoolArray, FloatArray, IntArray

BYTES_TOLERANCE = 1.0
LEAST_CORES = CORES_TOLERANCE * 1e-6
LEAST_BYTES = BYTES_TOLERANCE * 1e-6
CELLS_AT_ONCE = 1 << 20  # (class, node) pairs judged in one step: 8 MB an array


class Task(NamedTuple):
    """One task: what it asks for, and the index of the horizon it is judged at."""

    cpu_cores: float
    memory_bytes: float
    level: int
    row: int = 0  # of the room's constraints: the nodes it may run on


@dataclass(frozen=True, slots=True)
class TaskClasses:
    """C kinds of identical tasks: same request, judged at the same horizon.

    A request of nothing is one so small that a million of it are noise, so that it can divide.
    """

    cpu_cores: FloatArray  # [C] above 0
    memory_bytes: FloatArray  # [C] above 0
    level: IntArray  # [C] index of the horizon it is judged at
    guarded: IntArray  # [C] 1 where a reservation must be respected, else 0
    row: IntArray  # [C] of the room's constraints; 0 where there are none

    def __len__(self) -> int:
        return len(self.level)

    @staticmethod
    def one(task: Task, *, guarded: bool = False) -> TaskClasses:
        """The class of a single kind of task."""
        return TaskClasses(
            cpu_cores=np.maximum([task.cpu_cores], LEAST_CORES),
            memory_bytes=np.maximum([task.memory_bytes], LEAST_BYTES),
            level=np.array([task.level]),
            guarded=np.array([int(guarded)]),
            row=np.array([task.row]),
        )

    def part(self, chosen: slice | IntArray) -> TaskClasses:
        """Some of the classes."""
        return TaskClasses(
            cpu_cores=self.cpu_cores[chosen],
            memory_bytes=self.memory_bytes[chosen],
            level=self.level[chosen],
            guarded=self.guarded[chosen],
            row=self.row[chosen],
        )


def task_of(gangs: GangColumns, gang: int, *, level: int, constraints: Constraints | None) -> Task:
    """What one task of a gang asks for, judged at a horizon."""
    row = 0
    if constraints is not None and gangs.kind is not None:
        row = int(constraints.row_of[gangs.kind[gang]])
    return Task(
        cpu_cores=float(gangs.cpu_cores[gang]),
        memory_bytes=float(gangs.memory_bytes[gang]),
        level=level,
        row=row,
    )


def classes_of(
    gangs: GangColumns,
    members: IntArray,
    *,
    level: IntArray,
    guarded: IntArray,
    constraints: Constraints | None = None,
) -> tuple[TaskClasses, IntArray]:
    """Group gangs by what their tasks ask for.

    Args:
        gangs: all of them.
        members: [M] indexes of those to group.
        level: [G] index of each gang's horizon.
        guarded: [G] 1 where the gang must respect a reservation.
        constraints: what they ask beyond room.

    Returns:
        The classes, and [M] the class of each member.
    """
    row = np.zeros_like(members)
    if constraints is not None and gangs.kind is not None:
        row = constraints.row_of[gangs.kind[members]]
    levels = int(level.max(initial=0)) + 1
    columns = (
        gangs.cpu_cores[members],
        gangs.memory_bytes[members],
        (row * levels + level[members]) * 2 + guarded[members],
    )
    order = np.lexsort(columns)
    new = np.zeros(len(members), dtype=np.bool_)
    new[:1] = True
    for column in columns:
        new[1:] |= np.diff(column[order]) != 0
    of = np.empty(len(members), dtype=np.int64)
    of[order] = np.cumsum(new) - 1
    first = members[order[new]]
    classes = TaskClasses(
        cpu_cores=np.maximum(gangs.cpu_cores[first], LEAST_CORES),
        memory_bytes=np.maximum(gangs.memory_bytes[first], LEAST_BYTES),
        level=level[first],
        guarded=guarded[first],
        row=row[order[new]],
    )
    return classes, of


# nodes [K], cores and bytes [H, K] left on them, and the same of the reserved room
Saved = tuple[IntArray, FloatArray, FloatArray, Any]


@dataclass(frozen=True, slots=True)
class Room:
    """What is left on each node through each horizon; the one thing a round changes.

    Amounts are a hair above what there is, so that binary noise turns no task away.
    """

    cpu_cores: FloatArray  # [H, N], never rises with h
    memory_bytes: FloatArray  # [H, N]
    reserved: Room | None = None  # at the start of a reservation, what it leaves to guarded tasks
    constraints: Constraints | None = None  # what the kinds of tasks ask beyond room

    @staticmethod
    def of(nodes: NodeColumns, *, cpu_cores: FloatArray, memory_bytes: FloatArray) -> Room:
        """Room from free amounts [N, H]; a closed node has less than nothing."""
        room = Room(
            np.minimum.accumulate(cpu_cores.T, axis=0) + CORES_TOLERANCE,
            np.minimum.accumulate(memory_bytes.T, axis=0) + BYTES_TOLERANCE,
            constraints=nodes.constraints,
        )
        room.cpu_cores[:, ~nodes.open] = -np.inf
        room.memory_bytes[:, ~nodes.open] = -np.inf
        return room

    def total_cpu_cores(self) -> float:
        """Cores free now, over all open nodes."""
        return float(np.maximum(self.cpu_cores[0], 0.0).sum())

    def total_memory_bytes(self) -> float:
        """Bytes free now, over all open nodes."""
        return float(np.maximum(self.memory_bytes[0], 0.0).sum())

    def tasks_per_node(self, classes: TaskClasses, nodes: IntArray | None = None) -> IntArray:
        """[C, N] how many tasks of each class fit on each node (or on those given)."""
        by_cpu = _at(self.cpu_cores, classes.level, nodes) / classes.cpu_cores[:, None]
        by_memory = _at(self.memory_bytes, classes.level, nodes) / classes.memory_bytes[:, None]
        fitting: IntArray = np.maximum(np.minimum(by_cpu, by_memory), 0.0).astype(np.int64)
        if self.reserved is not None and (guarded := np.flatnonzero(classes.guarded)).size:
            beside = self.reserved.tasks_per_node(classes.part(guarded), nodes)
            fitting[guarded] = np.minimum(fitting[guarded], beside)
        if self.constraints is not None:
            self.constraints.cut(fitting, classes.row, nodes)
        return fitting

    def take(self, nodes: IntArray, count: IntArray, task: Task, *, outlasts: bool = False) -> None:
        """Hold `count` of a task on each of `nodes`, through the horizon it is judged at.

        `outlasts`: it still runs at the reserved start, and holds its node then too.
        """
        for room, amount in (
            (self.cpu_cores, task.cpu_cores),
            (self.memory_bytes, task.memory_bytes),
        ):
            left = room[:, nodes]
            left[: task.level + 1] -= count * amount
            np.minimum(left[task.level + 1 :], left[task.level], out=left[task.level + 1 :])
            room[:, nodes] = left
        if self.reserved is not None and outlasts:
            self.reserved.take(nodes, count, task)

    def saved(self, nodes: IntArray) -> Saved:
        """What is left on some nodes, to be put back."""
        beside = None if self.reserved is None else self.reserved.saved(nodes)
        return nodes, self.cpu_cores[:, nodes], self.memory_bytes[:, nodes], beside

    def put_back(self, saved: Saved) -> None:
        """As it was when saved."""
        nodes, cpu_cores, memory_bytes, beside = saved
        self.cpu_cores[:, nodes], self.memory_bytes[:, nodes] = cpu_cores, memory_bytes
        if self.reserved is not None and beside is not None:
            self.reserved.put_back(beside)


def _at(left: FloatArray, level: IntArray, nodes: IntArray | None) -> FloatArray:
    """[C, K] what is left through each class's horizon, on all nodes or on those given."""
    found: FloatArray
    if len(level) == 1:  # what other horizons hold is not even read
        row = left[level[0]]
        found = (row if nodes is None else row[nodes])[None, :]
    else:
        found = (left if nodes is None else left[:, nodes])[level]
    return found


def total_tasks(room: Room, classes: TaskClasses) -> IntArray:
    """[C] how many tasks of each class the cluster can take."""
    step = max(1, CELLS_AT_ONCE // max(1, room.cpu_cores.shape[1]))
    parts = [
        room.tasks_per_node(classes.part(slice(first, first + step))).sum(axis=1)
        for first in range(0, len(classes), step)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def gangs_that_fit(
    room: Room, gangs: GangColumns, members: IntArray, *, level: IntArray
) -> IntArray:
    """Those of `members` whose `min_available` tasks fit the room, each taken alone.

    Two bounds that cost one comparison a gang go first (a task fits the roomiest node; the gang
    fits the sum), so that thousands that wait behind a full cluster cost next to nothing.
    """
    members = members[_may_fit(room, gangs, members, level=level[members])]
    unguarded = np.zeros(len(gangs.ids), dtype=np.int64)
    classes, of = classes_of(
        gangs, members, level=level, guarded=unguarded, constraints=room.constraints
    )
    return members[total_tasks(room, classes)[of] >= gangs.min_available[members]]


def whole(gangs: GangColumns, rows: IntArray) -> IntArray:
    """Those rows whose gang has all its roles among them."""
    leads = gangs.leads
    roles = np.bincount(leads, minlength=len(leads))
    here = np.bincount(leads[rows], minlength=len(leads))
    complete: IntArray = rows[here[leads[rows]] == roles[leads[rows]]]
    return complete


def _may_fit(room: Room, gangs: GangColumns, members: IntArray, *, level: IntArray) -> BoolArray:
    least = gangs.min_available[members]
    may = np.ones(len(members), dtype=np.bool_)
    for left, request in (
        (room.cpu_cores, gangs.cpu_cores[members]),
        (room.memory_bytes, gangs.memory_bytes[members]),
    ):
        roomy = np.maximum(left, 0.0)
        may &= request <= roomy.max(axis=1, initial=0.0)[level]
        may &= request * least <= roomy.sum(axis=1)[level]
    return may
