"""The gangs that may still start in this round, and whose turn is next.

A round over thousands of pending gangs places a few, so nothing here loops over gangs. Tasks are
kept by class with the exact number of each that the room takes, brought up to date after every
placement on the nodes it touched; a queue's line is cut, all at once, when its head cannot start.

Always holds: within a round room only shrinks and use only grows, so a gang cut from its line
could not have started later in the round either. (A gang that needs a neighbour who starts in this
very round is the exception: it starts in the next.)
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from scheduler.core.fit import CELLS_AT_ONCE, Room, Saved, Task, classes_of, total_tasks
from scheduler.core.queue_order import FairShares, in_line
from scheduler.core.shortlist import Cost, Open, Shortlists
from scheduler.core.snapshot import GangColumns
from slacktide.messages import BoolArray, FloatArray, IntArray


@dataclass(slots=True)
class Mark:
    """A moment to go back to."""

    capacity: IntArray
    taken: list[Saved] = field(default_factory=list)


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
        quota_beside: FairShares | None = None,
    ) -> None:
        """Line up.

        Args:
            gangs: all of them.
            members: [M] rows of gangs that may start; a gang's line has its lead only.
            room: what is left; only `take` changes it from here on.
            shares: what queues use.
            level: [G] index of each gang's horizon.
            guarded: [G] 1 where the gang must respect the room's reservation.
            first: a lead whose turn comes before all others, if any.
            quota_beside: what a reservation leaves of the queues' maxima to guarded gangs.
        """
        self._room = room
        self._shares = shares
        self._least_tasks = gangs.min_available
        self._least_cores = least_cores(gangs)
        self._guarded = guarded.astype(np.bool_)
        self._quota_beside = quota_beside
        members = in_line(gangs, members)
        self._classes, of = classes_of(
            gangs, members, level=level, guarded=guarded, constraints=room.constraints
        )
        self._class_of = np.zeros(len(gangs.ids), dtype=np.int64)
        self._class_of[members] = of
        self._capacity = total_tasks(room, self._classes)  # [C], at all times
        self._lists = Shortlists(room.cpu_cores.shape[1])
        self._mark: Mark | None = None
        leads = members[gangs.leads[members] == members]
        self._lines = _by_queue(gangs, leads if first is None else leads[leads != first])
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

    def capacity(self, gang: int) -> int:
        """How many of the gang's tasks fit: exactly, where nothing binds them to each other."""
        return int(self._capacity[self._class_of[gang]])

    def quota_cores(self, gang: int, queue: int) -> float:
        """Cores the maxima leave to a gang of a queue, a reservation's share aside."""
        room = self._shares.room_cpu_cores(queue)
        if self._quota_beside is None or not self._guarded[gang]:
            return room
        return min(room, self._quota_beside.room_cpu_cores(queue))

    def fitting(self, gang: int, nodes: IntArray | None = None) -> IntArray:
        """[N] how many of the gang's tasks fit on each node, or on those given; to be read only."""
        kind = int(self._class_of[gang])
        if nodes is None:
            return self._lists.everywhere(kind, lambda some: self._fits(kind, some))
        return self._fits(kind, nodes)

    def places(
        self, gang: int, is_open: Open, cost: Cost, *, tasks: int, min_available: int
    ) -> tuple[IntArray, IntArray]:
        """The cheapest nodes and the tasks on each, for tasks that do not bind each other.

        `is_open`: which of the nodes given their neighbours leave to them.
        """
        wanted = min(tasks, self.capacity(gang))
        if wanted < min_available:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        kind = int(self._class_of[gang])
        return self._lists.places(
            kind,
            lambda nodes: self._fits(kind, nodes),
            is_open,
            cost,
            tasks=wanted,
            min_available=min_available,
        )

    def take(self, nodes: IntArray, count: IntArray, task: Task, *, outlasts: bool = False) -> None:
        """Take room on some nodes, and keep the capacity of every class exact."""
        if self._mark is not None:
            self._mark.taken.append(self._room.saved(nodes))
        self._lists.touch(nodes)
        if len(self._classes) * len(nodes) > CELLS_AT_ONCE:
            self._room.take(nodes, count, task, outlasts=outlasts)
            self._capacity = total_tasks(self._room, self._classes)
            return
        before = self._room.tasks_per_node(self._classes, nodes)
        self._room.take(nodes, count, task, outlasts=outlasts)
        lost = before - self._room.tasks_per_node(self._classes, nodes)
        self._capacity -= lost.sum(axis=1)

    def mark(self) -> Mark:
        """Remember this moment until `go_back` or `keep`."""
        self._mark = Mark(self._capacity.copy())
        return self._mark

    def go_back(self) -> None:
        """Undo everything since the mark."""
        mark, self._mark = self._mark, None
        if mark is not None:
            for saved in reversed(mark.taken):
                self._room.put_back(saved)
                self._lists.touch(saved[0])
            self._capacity = mark.capacity

    def keep(self) -> None:
        """Let what was done since the mark stand."""
        self._mark = None

    def _fits(self, kind: int, nodes: IntArray | None) -> IntArray:
        classes = self._classes.part(slice(kind, kind + 1))
        fits: IntArray = self._room.tasks_per_node(classes, nodes)[0]
        return fits

    def _can_start(self, queue: int, line: IntArray) -> BoolArray:
        in_maximum = self._least_cores[line] <= self._shares.room_cpu_cores(queue)
        if self._quota_beside is not None:
            beside = self._least_cores[line] <= self._quota_beside.room_cpu_cores(queue)
            in_maximum &= beside | ~self._guarded[line]
        return in_maximum & (self._least_tasks[line] <= self._capacity[self._class_of[line]])


def least_cores(gangs: GangColumns) -> FloatArray:
    """[G] cores a gang needs at least, all its roles; those of other rows mean nothing."""
    each = gangs.min_available * gangs.cpu_cores
    return np.bincount(gangs.leads, weights=each, minlength=len(each)).astype(np.float64)


def _by_queue(gangs: GangColumns, members: IntArray) -> dict[int, IntArray]:
    """`members`, which are in line, split where the queue changes."""
    queue_of = gangs.queue[members]
    starts = np.flatnonzero(np.diff(queue_of, prepend=-1))
    lines = np.split(members, starts[1:]) if len(starts) else []
    return {int(gangs.queue[line[0]]): line for line in lines}
