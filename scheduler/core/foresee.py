"""When each gang that waits is predicted to start: rounds of planning, played forward.

"When do I start" depends on who ends, on whose turn it is by then, and on who goes before. The
planner itself answers all of that, so it is asked again at the times at which running tasks are
predicted to end, each time over what is left, until nobody waits or nothing that ends makes room.

    now ──plan──> some start ──first end──> plan ──> some start ──next ends──> plan ...

Times that lie close together are one time (a tenth of how far ahead they are), so that a cluster of
any size takes some tens of rounds and a prediction is good to a tenth.

Always holds: what starts now in the given plan starts now; nothing starts before something ends;
a gang that no end makes room for has no start. It is a prediction: durations are taken as stated,
nobody new comes, the forecast and neighbours stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from scheduler.core.plan import Plan, plan
from scheduler.core.queues import QueueUse
from scheduler.core.reserve import Reservation
from scheduler.core.snapshot import (
    GangColumns,
    RunningColumns,
    Snapshot,
    held_through,
    predicted_end_s,
)
from slacktide.messages import BoolArray, FloatArray, IntArray

MOST_ROUNDS = 60
MOST_ROWS = 600_000  # of gangs and nodes, looked at by all rounds together: some ten seconds
NEAR_SHARE = 0.1  # of the way ahead: ends so close together count as one
NOBODY = -1  # the queue of a task whose queue is not known
NEVER = -1


class Starts(NamedTuple):
    """What is foreseen. Of a gang of several roles each row has the start of the whole."""

    start_s: IntArray  # [G] on the clock of the round; NEVER where no start is foreseen
    until_s: int | None  # who has no start by then may start later; None: to the end was looked


@dataclass(slots=True)
class _Ahead:
    """The cluster at a time to come."""

    snapshot: Snapshot  # as it is now
    offered_cpu_cores: FloatArray  # [N, H] free with nothing running
    offered_memory_bytes: FloatArray  # [N, H]
    node: IntArray  # [R] of what runs by then
    cpu_cores: FloatArray  # [R]
    memory_bytes: FloatArray  # [R]
    end_s: IntArray  # [R] predicted, all still to come
    queue: IntArray  # [R] or NOBODY
    used_cpu_cores: FloatArray  # [Q]
    used_memory_bytes: FloatArray  # [Q]

    def start(self, outcome: Plan, gangs: GangColumns, *, now_s: int) -> None:
        """What a plan places runs from then on."""
        for placement in outcome.placements:
            row, nodes = placement.gang, placement.nodes
            cpu = placement.count * float(gangs.cpu_cores[row])
            memory = placement.count * float(gangs.memory_bytes[row])
            queue, end_s = int(gangs.queue[row]), now_s + max(int(gangs.duration_s[row]), 1)
            self.node = np.concatenate([self.node, nodes])
            self.cpu_cores = np.concatenate([self.cpu_cores, cpu])
            self.memory_bytes = np.concatenate([self.memory_bytes, memory])
            self.end_s = np.concatenate([self.end_s, np.full(len(nodes), end_s)])
            self.queue = np.concatenate([self.queue, np.full(len(nodes), queue)])
            self.used_cpu_cores[queue] += cpu.sum()
            self.used_memory_bytes[queue] += memory.sum()

    def end(self, by_s: int) -> None:
        """What is predicted to end by then gives back what it holds."""
        ended = self.end_s <= by_s
        known = ended & (self.queue != NOBODY)
        np.subtract.at(self.used_cpu_cores, self.queue[known], self.cpu_cores[known])
        np.subtract.at(self.used_memory_bytes, self.queue[known], self.memory_bytes[known])
        for name in ("node", "cpu_cores", "memory_bytes", "queue", "end_s"):
            setattr(self, name, getattr(self, name)[~ended])

    def next_end_s(self, *, now_s: int, begun_s: int) -> int:
        """The time after which the next ends count as one."""
        first_s = int(self.end_s.min())
        reach_s = begun_s + (first_s - begun_s) * (1 + NEAR_SHARE)
        return max(int(self.end_s[self.end_s <= reach_s].max()), now_s + 1)

    def seen(self, gangs: GangColumns, *, now_s: int) -> Snapshot:
        """As the planner would see it."""
        running = RunningColumns(self.node, self.cpu_cores, self.memory_bytes, self.end_s)
        nodes = self.snapshot.nodes
        held_cpu, held_memory = held_through(
            running, horizons_s=nodes.horizons_s, nodes=len(nodes.names), now_s=now_s
        )
        free = replace(
            nodes,
            free_cpu_cores=self.offered_cpu_cores - held_cpu,
            free_memory_bytes=self.offered_memory_bytes - held_memory,
        )
        used = QueueUse(
            np.maximum(self.used_cpu_cores, 0.0), np.maximum(self.used_memory_bytes, 0.0)
        )
        return Snapshot(free, running, gangs, self.snapshot.queues, used)


def foreseen(
    snapshot: Snapshot,
    outcome: Plan,
    *,
    now_s: int,
    queue_of_running: IntArray | None = None,
    most_rounds: int = MOST_ROUNDS,
) -> Starts:
    """When each gang starts.

    Args:
        snapshot: the cluster at `now_s`.
        outcome: the plan made of it.
        now_s: the time.
        queue_of_running: [R] index of the queue of each bundle that runs, NOBODY where that is
            not known; None: of none, so no queue is predicted to come down from its maximum.
        most_rounds: looked ahead no further than so many rounds, and fewer of a large cluster.
    """
    size = len(snapshot.gangs.ids) + len(snapshot.nodes.names)
    most_rounds = min(most_rounds, max(MOST_ROWS // max(size, 1), 2))
    start_s = np.full(len(snapshot.gangs.ids), NEVER, np.int64)
    rows = np.arange(len(start_s))  # of those left, in `snapshot`
    ahead = _begun(snapshot, queue_of_running, now_s=now_s)
    gangs, at_s = snapshot.gangs, now_s
    for _ in range(most_rounds):
        started = _started(outcome, gangs)
        start_s[rows[started]] = at_s
        ahead.start(outcome, gangs, now_s=at_s)
        gangs, rows = _without(gangs, started), rows[~started]
        if not len(rows) or not len(ahead.end_s):
            return Starts(start_s, None)
        at_s = ahead.next_end_s(now_s=at_s, begun_s=now_s)
        ahead.end(at_s)
        kept = _kept(outcome.reservation, gangs)
        outcome = plan(ahead.seen(gangs, now_s=at_s), now_s=at_s, kept=kept)
    return Starts(start_s, at_s)


def _begun(snapshot: Snapshot, queue: IntArray | None, *, now_s: int) -> _Ahead:
    running, nodes = snapshot.running, snapshot.nodes
    held_cpu, held_memory = held_through(
        running, horizons_s=nodes.horizons_s, nodes=len(nodes.names), now_s=now_s
    )
    return _Ahead(
        snapshot=snapshot,
        offered_cpu_cores=nodes.free_cpu_cores + held_cpu,
        offered_memory_bytes=nodes.free_memory_bytes + held_memory,
        node=running.node,
        cpu_cores=running.cpu_cores,
        memory_bytes=running.memory_bytes,
        end_s=predicted_end_s(running, nodes.horizons_s, now_s=now_s),
        queue=np.full(len(running.node), NOBODY) if queue is None else queue,
        used_cpu_cores=snapshot.used.cpu_cores.copy(),
        used_memory_bytes=snapshot.used.memory_bytes.copy(),
    )


def _started(outcome: Plan, gangs: GangColumns) -> BoolArray:
    """[G] rows of gangs that have a place, all roles of each."""
    leads = gangs.leads
    placed = np.zeros(len(leads), np.bool_)
    placed[leads[[placement.gang for placement in outcome.placements]]] = True
    found: BoolArray = placed[leads]
    return found


def _without(gangs: GangColumns, gone: BoolArray) -> GangColumns:
    """The gangs that are left, in their order."""
    left = np.flatnonzero(~gone)
    place = np.cumsum(~gone) - 1
    return GangColumns(
        ids=tuple(gangs.ids[row] for row in left.tolist()),
        **{
            name: getattr(gangs, name)[left]
            for name in (
                "queue",
                "tasks",
                "min_available",
                "cpu_cores",
                "memory_bytes",
                "duration_s",
                "submit_s",
                "priority",
            )
        },
        kind=None if gangs.kind is None else gangs.kind[left],
        lead=None if gangs.lead is None else place[gangs.lead[left]],
    )


def _kept(reservation: Reservation | None, gangs: GangColumns) -> Reservation | None:
    """The reservation, as far as its holder still waits."""
    return reservation if reservation is not None and reservation.gang_id in gangs.ids else None
