"""A big gang is not starved by small ones: after a while it gets a date, and nobody delays it.

Small gangs fit into every gap, so the gap a big one needs never grows. Conservative backfilling
with one reservation (EASY: Lifka, "The ANL/IBM SP scheduling system", JSSPP 1995; Mu'alem &
Feitelson, TPDS 2001) ends that: running tasks have predicted ends, so there is a first time at
which the gang fits. It is booked there, and another gang may start now only if it is predicted to
end before that time, or fits beside the booked tasks.

The quota of the gang's queue is booked like the nodes: the small gangs of its own queue would take
it in the same way (`quota_ahead.py`).

One gang holds the reservation at a time, and keeps it from round to round until it starts, so that
two big gangs cannot take turns in losing it. It goes to an overdue gang that does not fit now and
would fit if running batch tasks ended: of the queue whose turn it is, the first in line. A gang of
higher priority than the holder's is not bound by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scheduler.core.contenders import least_cores
from scheduler.core.endings import Endings
from scheduler.core.fit import Room, Task, TaskClasses, gangs_that_fit, whole
from scheduler.core.gang import nodes_for_gang
from scheduler.core.queue_order import FairShares, in_line
from scheduler.core.quota_ahead import QuotaAhead
from scheduler.core.score import Scoring
from scheduler.core.snapshot import GangColumns
from slacktide.messages import BoolArray, IntArray


@dataclass(frozen=True, slots=True)
class Reservation:
    """The date of the one gang that is not delayed further."""

    gang: int  # index in the round that made it
    gang_id: str  # what the next round knows it by
    start_s: int  # when it is predicted to fit
    nodes: IntArray  # [K] where
    count: IntArray  # [K] how many of its `min_available` tasks on each


def holder(
    gangs: GangColumns,
    overdue: IntArray,
    emptied: Room,
    *,
    level: IntArray,
    shares: FairShares,
    kept_by: int | None,
    quota: QuotaAhead | None = None,
) -> int | None:
    """Which gang gets the reservation, by its lead; None for none.

    Args:
        gangs: all of them.
        overdue: rows of those that cannot start now and have waited long enough.
        emptied: the room if all running batch tasks ended; who does not fit that waits for online.
        level: [G] index of each gang's horizon.
        shares: says whose turn it is.
        kept_by: who held it last round.
        quota: of queues over time; None where only nodes are booked.
    """
    possible = whole(gangs, gangs_that_fit(emptied, gangs, overdue, level=level))
    possible = possible[gangs.leads[possible] == possible]
    if quota is not None:
        cores, queue_of = least_cores(gangs), gangs.queue
        fits = [quota.fits(int(queue_of[g]), float(cores[g])) for g in possible.tolist()]
        possible = possible[np.array(fits, np.bool_)]
    if kept_by is not None and kept_by in possible:
        return kept_by
    if not len(possible):
        return None
    queue_of = gangs.queue[possible]
    queue = min(np.unique(queue_of).tolist(), key=shares.turn)
    return int(in_line(gangs, possible[queue_of == queue])[0])


def reserve(
    gangs: GangColumns,
    row: int,
    task: Task,
    *,
    endings: Endings,
    scoring: Scoring,
    quota: QuotaAhead | None = None,
) -> tuple[Reservation, Room]:
    """Book the earliest predicted time at which the gang fits, by its heaviest role.

    Args:
        gangs: all of them.
        row: the heaviest role of the gang.
        task: one of its tasks.
        endings: when nodes get free.
        scoring: which nodes.
        quota: when quota gets free; None where only nodes are booked.

    Returns:
        The reservation, and the room at that time beside it.
    """
    kind, least = TaskClasses.one(task), int(gangs.min_available[row])
    lead = int(gangs.leads[row])
    queue, cores = int(gangs.queue[lead]), float(least_cores(gangs)[lead])
    start_s = endings.first_fit_s(
        kind,
        tasks=least,
        allowed=lambda by_s: quota is None or quota.fits(queue, cores, by_s=by_s),
    )
    room = endings.room(by_s=start_s)
    nodes, count = nodes_for_gang(
        room.tasks_per_node(kind)[0],
        lambda able: scoring.cost(room, able, task),
        tasks=least,
        min_available=least,
    )
    room.take(nodes, count, task)
    return Reservation(lead, gangs.ids[lead], start_s, nodes, count), room


def outlasting(gangs: GangColumns, reservation: Reservation, *, now_s: int) -> BoolArray:
    """[G] gangs that, started now, would still run at the reserved start."""
    return now_s + gangs.duration_s > reservation.start_s
