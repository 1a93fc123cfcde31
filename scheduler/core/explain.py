"""The sentence for every gang: why here, or why not yet, with the numbers behind it.

Sentences are made when somebody asks, from the numbers the round ended with: a round over
thousands of pending gangs pays for none it does not show. One constraint is named as the blocking
one, the first of these that holds: larger than the cluster, its own rules about nodes, holds a
reservation, queue at its maximum, its rules about neighbours, behind a reservation, roles that do
not fit at once, closed nodes, other batch tasks, online. Of a gang of several roles it is the
first role that is blocked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from scheduler.core.arrange import Candidates, Wanted, arrange
from scheduler.core.contenders import least_cores
from scheduler.core.endings import Endings
from scheduler.core.fit import BYTES_TOLERANCE, Room, Task, TaskClasses, task_of, total_tasks
from scheduler.core.nearby import Nearby
from scheduler.core.queue_order import FairShares, in_line
from scheduler.core.queues import CORES_TOLERANCE
from scheduler.core.refusal import refusals
from scheduler.core.reserve import Reservation
from scheduler.core.snapshot import Snapshot
from slacktide.messages import IntArray


class Blocked(StrEnum):
    """What keeps a gang from starting."""

    LARGER_THAN_CLUSTER = "larger than the cluster"
    NO_NODE_ALLOWED = "no node it may run on"
    QUEUE_AT_MAX = "queue at its maximum"
    HOLDS_RESERVATION = "holds the reservation"
    NEIGHBOURS = "its neighbours"
    BEHIND_RESERVATION = "behind a reservation"
    NOT_TOGETHER = "its roles do not fit at once"
    NODES_CLOSED = "nodes closed"
    NO_ROOM_NOW = "no room now"
    ONLINE_NEEDS_THE_ROOM = "online needs the room"


@dataclass(frozen=True, slots=True)
class Placement:
    """A gang's tasks on nodes, and what was true when they were put there."""

    gang: int
    nodes: IntArray  # [K] indexes
    count: IntArray  # [K] tasks on each, at least 1
    horizon_s: int  # at which it was judged
    room_tasks: int  # how many of its tasks the cluster had room for
    queue_used_cpu_cores: float  # before
    note: str = ""  # what else there is to say about how it was found

    @property
    def tasks(self) -> int:
        """How many were placed; below the gang's `tasks` for an elastic one with room to grow."""
        return int(self.count.sum())


@dataclass(frozen=True, slots=True)
class Aftermath:
    """The state a round ended in; it answers questions and changes no more."""

    snapshot: Snapshot
    now_s: int
    level: IntArray  # [G]
    room: Room
    shares: FairShares
    reservation: Reservation | None
    near: Nearby | None = None

    def blocked(self, gang: int) -> Blocked:
        """The one thing that keeps a pending gang from starting."""
        gangs = self.snapshot.gangs
        rows = np.flatnonzero(gangs.leads == gangs.leads[gang]).tolist()
        return next(
            (code for code in map(self._blocked_alone, rows) if code is not None),
            self._blocked_as_a_whole(gang),
        )

    def _blocked_alone(self, row: int) -> Blocked | None:
        """What would block a role even if it had no others; None where it has a place."""
        gangs, nodes = self.snapshot.gangs, self.snapshot.nodes
        least, queue = int(gangs.min_available[row]), int(gangs.queue[row])
        bare = Room(
            nodes.cpu_cores[None, :] + CORES_TOLERANCE,
            nodes.memory_bytes[None, :]
            + BYTES_TOLERANCE,  # as Room.of: nothing asked of nothing fits
        )
        ruled = replace(bare, constraints=nodes.constraints)
        cores = float(least_cores(gangs)[gangs.leads[row]])
        first_that_holds: tuple[tuple[Blocked, Callable[[], bool]], ...] = (
            (Blocked.LARGER_THAN_CLUSTER, lambda: self._fits(row, bare, level=0) < least),
            (Blocked.NO_NODE_ALLOWED, lambda: self._fits(row, ruled, level=0) < least),
            (Blocked.HOLDS_RESERVATION, lambda: self._holds_reservation(row)),
            (Blocked.QUEUE_AT_MAX, lambda: cores > self.shares.room_cpu_cores(queue)),
            (Blocked.NEIGHBOURS, lambda: self.fits_now(row) >= least > self._arranged(row)),
        )
        code = next((code for code, holds in first_that_holds if holds()), None)
        if code is not None or self.fits_now(row) >= least:
            return code
        return self._lacks_room(row)

    def _lacks_room(self, row: int) -> Blocked:
        """Who has the room a role lacks."""
        least = int(self.snapshot.gangs.min_available[row])
        if self._fits(row, self._reopened()) >= least:
            return Blocked.NODES_CLOSED
        if self.fits_without_batch(row) >= least:
            return Blocked.NO_ROOM_NOW
        if self._fits(row, self._emptied(_all_open(self.snapshot))) >= least:
            return Blocked.NODES_CLOSED
        return Blocked.ONLINE_NEEDS_THE_ROOM

    def _blocked_as_a_whole(self, gang: int) -> Blocked:
        """Every role of the gang would have a place."""
        if self.reservation is not None:
            return Blocked.BEHIND_RESERVATION
        kind = None if self.near is None else self.near.kind(self.snapshot.gangs, gang)
        packed = kind is not None and kind.pack is not None and kind.pack.required
        return Blocked.NEIGHBOURS if packed else Blocked.NOT_TOGETHER

    def _holds_reservation(self, gang: int) -> bool:
        leads = self.snapshot.gangs.leads
        return self.reservation is not None and self.reservation.gang == leads[gang]

    def _arranged(self, row: int) -> int:
        """How many tasks of a role, up to its least, its neighbours leave places for."""
        if self.near is None:
            return self.fits_now(row)
        gangs, kind = self.snapshot.gangs, self.near.kind(self.snapshot.gangs, row)
        least = int(gangs.min_available[row])
        task = self._task(row, int(self.level[row]))
        fitting = self.room.tasks_per_node(TaskClasses.one(task))[0]
        able = np.flatnonzero(fitting)
        places = arrange(
            self.near,
            kind,
            Candidates(able, fitting[able]),
            lambda nodes: np.zeros(len(nodes)),
            Wanted(least, least),
        )
        return int(places[1].sum())

    def fits_now(self, gang: int) -> int:
        """How many of its tasks there is room for, reservations aside."""
        return self._fits(gang, self.room)

    def fits_without_batch(self, gang: int) -> int:
        """How many there would be room for if no batch task ran on open nodes."""
        return self._fits(gang, self._emptied(self.snapshot))

    def _fits(self, gang: int, room: Room, *, level: int | None = None) -> int:
        task = self._task(gang, int(self.level[gang]) if level is None else level)
        return int(total_tasks(room, TaskClasses.one(task))[0])

    def _task(self, gang: int, level: int) -> Task:
        constraints = self.snapshot.nodes.constraints
        return task_of(self.snapshot.gangs, gang, level=level, constraints=constraints)

    def _emptied(self, snapshot: Snapshot) -> Room:
        return Endings.of(snapshot.nodes, snapshot.running, now_s=self.now_s).room()

    def _reopened(self) -> Room:
        """The room left, closed nodes included: nothing was placed there."""
        nodes = _all_open(self.snapshot).nodes
        before = Room.of(
            nodes, cpu_cores=nodes.free_cpu_cores, memory_bytes=nodes.free_memory_bytes
        )
        is_open = self.snapshot.nodes.open
        return Room(
            np.where(is_open, self.room.cpu_cores, before.cpu_cores),
            np.where(is_open, self.room.memory_bytes, before.memory_bytes),
            constraints=nodes.constraints,
        )


def placed_reason(after: Aftermath, placement: Placement) -> str:
    """Why a gang was placed as it was."""
    gang = placement.gang
    tasks = int(after.snapshot.gangs.tasks[gang])
    names = after.snapshot.nodes.names
    first = ", ".join(names[node] for node in placement.nodes[:3])
    more = f" and {len(placement.nodes) - 3} more" if len(placement.nodes) > 3 else ""
    return (
        f"placed {placement.tasks} of {tasks} tasks on {first}{more}: {_needs(after, gang)}; "
        f"there was room for {placement.room_tasks}; "
        f"{_queue(after, _queue_of(after, gang), used=placement.queue_used_cpu_cores)} before"
        f"{placement.note}{_unjudged(after, gang)}"
    )


def pending_reason(after: Aftermath, gang: int, pending: IntArray) -> str:
    """Why a gang waits, what it would take, and where it stands in its queue."""
    blocked = after.blocked(gang)
    gangs = after.snapshot.gangs
    line = in_line(gangs, pending[gangs.leads[pending] == pending])
    line = line[gangs.queue[line] == gangs.queue[gang]]
    place = int(np.flatnonzero(line == gangs.leads[gang])[0]) + 1
    queue = _queue_of(after, gang)
    shown = after.shares.tightest(queue) if blocked is Blocked.QUEUE_AT_MAX else queue
    return (
        f"waits, number {place} of {len(line)} in its queue, "
        f"{_blocking(after, gang, blocked)}{_aged(after, blocked)}: "
        f"{_needs(after, gang)}; there is room for {after.fits_now(gang)} now; "
        f"{_queue(after, shown, used=after.shares.used_cpu_cores[shown])}"
        f"{_unjudged(after, gang)}"
    )


_ALWAYS_SAID = {
    Blocked.LARGER_THAN_CLUSTER: "it is larger than the nodes hold even with nothing else on them",
    Blocked.NEIGHBOURS: "its spread, affinity or packing leaves no place for enough of its tasks",
    Blocked.NOT_TOGETHER: "each of its roles would fit alone, but not all at once",
    Blocked.NODES_CLOSED: "there would be room on nodes that are closed",
}


def _blocking(after: Aftermath, gang: int, blocked: Blocked) -> str:
    without_batch = after.fits_without_batch(gang)
    if blocked in _ALWAYS_SAID:
        return _ALWAYS_SAID[blocked]
    if blocked is Blocked.NO_NODE_ALLOWED:
        return _refused(after, gang)
    if blocked is Blocked.QUEUE_AT_MAX:
        queue = after.shares.tightest(_queue_of(after, gang))
        return f"queue {after.snapshot.queues.names[queue]} would exceed its maximum"
    if blocked is Blocked.NO_ROOM_NOW:
        return f"other batch tasks hold the room ({without_batch} would fit without them)"
    if blocked is Blocked.ONLINE_NEEDS_THE_ROOM:
        return f"online needs the room (only {without_batch} would fit if no batch task ran)"
    return _about_reservation(after, blocked)


def _aged(after: Aftermath, blocked: Blocked) -> str:
    """How old the forecasts are, where that may be why."""
    said = after.snapshot.nodes.supply_note
    by_supply = blocked in (Blocked.NODES_CLOSED, Blocked.ONLINE_NEEDS_THE_ROOM)
    return f" ({said})" if said and by_supply else ""


def _refused(after: Aftermath, gang: int) -> str:
    constraints, kind = after.snapshot.nodes.constraints, after.snapshot.gangs.kind
    if constraints is None or kind is None:
        raise ValueError("no node is refused where there are no constraints")
    return f"{refusals(constraints, int(kind[gang]))}, and those do not hold it"


def _unjudged(after: Aftermath, gang: int) -> str:
    """What the planner leaves to kube-scheduler."""
    if after.near is None:
        return ""
    left = after.near.kind(after.snapshot.gangs, gang).unjudged
    return f"; left to kube-scheduler: {', '.join(left)}" if left else ""


def _about_reservation(after: Aftermath, blocked: Blocked) -> str:
    reservation = after.reservation
    if reservation is None:
        raise ValueError(f"{blocked} without a reservation")
    in_text = duration_text(reservation.start_s - after.now_s)
    if blocked is Blocked.HOLDS_RESERVATION:
        return f"it holds the reservation and is predicted to start in {in_text}"
    return f"starting now would delay {reservation.gang_id}, reserved to start in {in_text}"


def _needs(after: Aftermath, gang: int) -> str:
    gangs, nodes = after.snapshot.gangs, after.snapshot.nodes
    least, tasks = int(gangs.min_available[gang]), int(gangs.tasks[gang])
    size = f"{tasks}" if least == tasks else f"{least} to {tasks}"
    cores, gib = float(gangs.cpu_cores[gang]), float(gangs.memory_bytes[gang]) / 2**30
    duration_s = int(gangs.duration_s[gang])
    horizon_s = int(nodes.horizons_s[after.level[gang]])
    judged = f"judged at the {duration_text(horizon_s)} horizon"
    if duration_s > horizon_s:
        judged += ", the longest there is"
    return (
        f"it needs {size} {'task' if tasks == 1 else 'tasks'} of {cores:.4g} "
        f"{'core' if cores == 1 else 'cores'} and "
        f"{gib:.4g} GiB for {duration_text(duration_s)} ({judged})"
    )


def _queue(after: Aftermath, queue: int, *, used: float) -> str:
    tree = after.snapshot.queues
    maximum = float(tree.max_cpu_cores[queue])
    limit = "" if np.isinf(maximum) else f", at most {maximum:.6g}"
    return (
        f"queue {tree.names[queue]} uses {used:.6g} cores "
        f"(guaranteed {float(tree.guaranteed_cpu_cores[queue]):.6g}{limit})"
    )


def _queue_of(after: Aftermath, gang: int) -> int:
    return int(after.snapshot.gangs.queue[gang])


def _all_open(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, nodes=replace(snapshot.nodes, open=np.ones_like(snapshot.nodes.open)))


def duration_text(seconds: int) -> str:
    """A duration as a person says it: `90 s`, `5 min`, `1.5 h`, `3 d`."""
    for unit_s, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit_s or seconds == unit_s:
            return f"{seconds / unit_s:.3g} {unit}"
    return f"{seconds} s"
