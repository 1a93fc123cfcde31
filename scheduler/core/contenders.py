"""The gangs that may still start in this round, and whose turn is next.

A round over thousands of pending gangs places a few, so nothing here loops over gangs. Tasks are
kept by class with the exact number of each that the room takes, brought up to date after every
placement on the nodes it touched; a queue's line is cut, all at once, when its head cannot start.

Always holds: within a round room only shrinks and use only grows, so a gang cut from its line
could not have started later in the round either.
"""

from __future__ import annotations

import numpy as np

from scheduler.core.fit import CELLS_AT_ONCE, Room, Task, classes_of, total_tasks
from scheduler.core.queue_order import FairShares, in_line
from scheduler.core.snapshot import GangColumns
from slacktide.messages import BoolArray, IntArray


class Contenders:
    """Lines of gangs, one a queue, cut as the room shrinks."""

    def __init__(
        self,
        gangs: GangColumns,
        members: IntArray,
        *,
        room: Room,
        shares: FairShares,
        level: IntArray,
        guarded: IntArray,
        first: int | None,
    ) -> None:
        """Line up.

        Args:
            gangs: all of them.
            members: [M] those that may start.
            room: what is left; only `take` changes it from here on.
            shares: what queues use.
            level: [G] index of each gang's horizon.
            guarded: [G] 1 where the gang must respect the room's reservation.
            first: a member whose turn comes before all others, if any.
        """
        self._gangs = gangs
        self._room = room
        self._shares = shares
        members = in_line(gangs, members)
        self._classes, of = classes_of(gangs, members, level=level, guarded=guarded)
        self._class_of = np.zeros(len(gangs.ids), dtype=np.int64)
        self._class_of[members] = of
        self._capacity = total_tasks(room, self._classes)  # [C], exact at all times
        self._lines = _by_queue(gangs, members if first is None else members[members != first])
        self._first = first

    def next(self) -> int | None:
        """The gang whose turn it is, taken out of its line; None when nobody else can start."""
        first, self._first = self._first, None
        if first is not None:
            return first
        while self._lines:
            queue = min(self._lines, key=self._shares.turn)
            line = self._lines[queue]
            if not self._can_start(queue, line[:1])[0]:
                line = line[self._can_start(queue, line)]
            self._lines[queue] = line[1:]
            if len(line) <= 1:
                del self._lines[queue]
            if len(line):
                return int(line[0])
        return None

    def fitting(self, gang: int) -> IntArray:
        """[N] how many of the gang's tasks fit on each node."""
        kind = int(self._class_of[gang])
        fitting: IntArray = self._room.tasks_per_node(self._classes.part(slice(kind, kind + 1)))[0]
        return fitting

    def take(self, nodes: IntArray, count: IntArray, task: Task, *, outlasts: bool = False) -> None:
        """Take room on some nodes, and keep the capacity of every class exact."""
        if len(self._classes) * len(nodes) > CELLS_AT_ONCE:
            self._room.take(nodes, count, task, outlasts=outlasts)
            self._capacity = total_tasks(self._room, self._classes)
            return
        before = self._room.tasks_per_node(self._classes, nodes)
        self._room.take(nodes, count, task, outlasts=outlasts)
        lost = before - self._room.tasks_per_node(self._classes, nodes)
        self._capacity -= lost.sum(axis=1)

    def _can_start(self, queue: int, line: IntArray) -> BoolArray:
        least = self._gangs.min_available[line]
        in_maximum = least * self._gangs.cpu_cores[line] <= self._shares.room_cpu_cores(queue)
        return in_maximum & (least <= self._capacity[self._class_of[line]])


def _by_queue(gangs: GangColumns, members: IntArray) -> dict[int, IntArray]:
    """`members`, which are in line, split where the queue changes."""
    queue_of = gangs.queue[members]
    starts = np.flatnonzero(np.diff(queue_of, prepend=-1))
    lines = np.split(members, starts[1:]) if len(starts) else []
    return {int(gangs.queue[line[0]]): line for line in lines}
