"""One planning round: a snapshot in, gangs placed whole and a reason for every other out.

The chain: line up by queue -> keep what can fit -> whose turn -> score the nodes -> place whole ->
next. `plan` is a pure function of its arguments; the order of gangs in the snapshot decides only
between gangs equal in everything else.

Always holds for a plan: every gang is placed with at least `min_available` and at most `tasks`
tasks, or not at all; on every node the tasks judged at horizon h or later fit `free[n, h]`; no
queue ends above its maximum because of it; no gang that could still start is left pending.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from scheduler.core.contenders import Contenders, least_cores
from scheduler.core.endings import Endings
from scheduler.core.explain import Aftermath, Blocked, Placement, pending_reason, placed_reason
from scheduler.core.fit import Room, Task, gangs_that_fit, task_of, whole
from scheduler.core.nearby import Nearby
from scheduler.core.queue_order import FairShares
from scheduler.core.queues import CORES_TOLERANCE
from scheduler.core.quota_ahead import QuotaAhead
from scheduler.core.reserve import Reservation, holder, outlasting, reserve
from scheduler.core.score import Scoring
from scheduler.core.seats import Seats
from scheduler.core.snapshot import GangColumns, Snapshot, horizon_index
from slacktide.messages import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """What an operator may turn; each default with its reason."""

    reserve_after_s: int = 3600  # an hour: longer than most gangs run, shorter than patience
    lifetime_weight: float = 1.0  # long room is what runs out first, so it counts most
    emptiness_weight: float = 0.5  # packs within nodes of one lifetime
    imbalance_weight: float = 0.5  # as emptiness: below it, greedy strands memory behind cores
    wishes_weight: float = 2.0  # what a pod says it prefers outweighs what we think of a node


@dataclass(frozen=True, slots=True)
class Plan:
    """The outcome of a round. Indexes are those of the snapshot; sentences are made when asked."""

    placements: tuple[Placement, ...]  # in the order they were decided
    pending: IntArray  # [P] gangs not placed, ascending
    reservation: Reservation | None  # hand it to the next round
    aftermath: Aftermath

    def blocked(self, gang: int) -> Blocked:
        """The one thing that keeps a pending gang from starting."""
        return self.aftermath.blocked(gang)

    def reason(self, gang: int) -> str:
        """Why a gang was placed as it was, or why it waits."""
        for placement in self.placements:
            if placement.gang == gang:
                return placed_reason(self.aftermath, placement)
        return pending_reason(self.aftermath, gang, self.pending)


def plan(
    snapshot: Snapshot,
    *,
    now_s: int,
    settings: PlanSettings | None = None,
    kept: Reservation | None = None,
) -> Plan:
    """Place what can start now.

    Args:
        snapshot: one cluster at `now_s`.
        now_s: the time, on the clock of `submit_s` and `end_s`.
        settings: the defaults where None.
        kept: the reservation of the round before, so that its holder keeps it.
    """
    round_ = _open_round(snapshot, now_s=now_s, settings=settings or PlanSettings())
    allowed = round_.within_maximum()
    fitting = whole(
        snapshot.gangs,
        gangs_that_fit(round_.room, snapshot.gangs, allowed, level=round_.level),
    )
    kept_by = _index(snapshot.gangs, kept)
    first = kept_by if kept_by is not None and kept_by in fitting else None
    if first is None:
        round_.book(round_.waiting(allowed, fitting), kept_by)
    contenders = round_.line_up(fitting, first)
    seats = round_.seats(contenders)
    while (gang := contenders.next()) is not None:
        round_.place(gang, seats)
    return round_.outcome()


@dataclass(slots=True)
class _Round:
    """What changes while a plan is made, and only then."""

    snapshot: Snapshot
    now_s: int
    settings: PlanSettings
    level: IntArray  # [G]
    room: Room
    shares: FairShares
    scoring: Scoring
    outlasts: BoolArray  # [G] would still run at the reserved start
    near: Nearby | None  # None where nobody asks for more than room
    roles: dict[int, tuple[int, ...]]  # rows of gangs of several roles, by their lead
    reservation: Reservation | None = None
    quota_beside: FairShares | None = None  # what the reservation leaves of the queues' maxima
    placements: list[Placement] = field(default_factory=list)

    def within_maximum(self) -> IntArray:
        """Rows of gangs whose queue, and every queue above it, could take them now."""
        gangs = self.snapshot.gangs
        room_cpu_cores = self.shares.room_by_queue()[gangs.queue]
        return np.flatnonzero(least_cores(gangs)[gangs.leads] <= room_cpu_cores)

    def task(self, gang: int) -> Task:
        """What one of its tasks asks for."""
        constraints = self.snapshot.nodes.constraints
        level = int(self.level[gang])
        return task_of(self.snapshot.gangs, gang, level=level, constraints=constraints)

    def waiting(self, allowed: IntArray, fitting: IntArray) -> IntArray:
        """Rows of gangs that cannot start now and could once others have ended."""
        gangs = self.snapshot.gangs
        if self.snapshot.running.queue is not None:
            most = self.shares.most_cpu_cores()[gangs.queue] + CORES_TOLERANCE
            allowed = np.flatnonzero(least_cores(gangs)[gangs.leads] <= most)
        return np.setdiff1d(allowed, fitting, assume_unique=True)

    def book(self, waiting: IntArray, kept_by: int | None) -> None:
        """Reserve for one of the gangs that do not fit now and have waited long enough."""
        gangs = self.snapshot.gangs
        since_s = gangs.submit_s[gangs.leads[waiting]]
        overdue = waiting[self.now_s - since_s > self.settings.reserve_after_s]
        if not len(overdue):
            return
        nodes, running = self.snapshot.nodes, self.snapshot.running
        endings = Endings.of(nodes, running, now_s=self.now_s)
        quota = QuotaAhead.of(
            self.snapshot.queues,
            self.snapshot.used,
            running,
            horizons_s=nodes.horizons_s,
            now_s=self.now_s,
        )
        gang = holder(
            gangs,
            overdue,
            endings.room(),
            level=self.level,
            shares=self.shares,
            kept_by=kept_by,
            quota=quota,
        )
        if gang is None or not len(endings.end_s):
            return
        cores = gangs.min_available * gangs.cpu_cores
        row = max(self.roles.get(gang, (gang,)), key=lambda role: float(cores[role]))
        self.reservation, beside = reserve(
            gangs, row, self.task(row), endings=endings, scoring=self.scoring, quota=quota
        )
        self.room = replace(self.room, reserved=beside)
        if quota is not None:
            self.quota_beside = quota.beside(
                int(gangs.queue[gang]),
                float(least_cores(gangs)[gang]),
                by_s=self.reservation.start_s,
            )
        self.outlasts = outlasting(gangs, self.reservation, now_s=self.now_s)

    def line_up(self, fitting: IntArray, first: int | None) -> Contenders:
        """Those that fit now, each bound by the reservation if it would delay its holder."""
        gangs = self.snapshot.gangs
        guarded = self.outlasts
        if self.reservation is not None:
            guarded = guarded & (gangs.priority <= gangs.priority[self.reservation.gang])
        return Contenders(
            gangs,
            fitting,
            room=self.room,
            shares=self.shares,
            level=self.level,
            guarded=guarded.astype(np.int64),
            first=first,
            quota_beside=self.quota_beside,
        )

    def place(self, lead: int, seats: Seats) -> None:
        """Place a gang, as many of its tasks as there is room and quota for; or none of it."""
        rows = self.roles.get(lead, (lead,))
        room_tasks = {row: seats.contenders.capacity(row) for row in rows}
        queue = int(self.snapshot.gangs.queue[lead])
        found = seats.seat(rows, quota_cores=seats.contenders.quota_cores(lead, queue))
        for row, (nodes, count) in found.items():
            self._note(
                Placement(
                    gang=row,
                    nodes=nodes,
                    count=count,
                    horizon_s=int(self.snapshot.nodes.horizons_s[self.level[row]]),
                    room_tasks=room_tasks[row],
                    queue_used_cpu_cores=self.shares.used_cpu_cores[queue],
                )
            )

    def _note(self, placement: Placement) -> None:
        task, queue = self.task(placement.gang), int(self.snapshot.gangs.queue[placement.gang])
        self.placements.append(placement)
        cpu_cores, memory_bytes = (
            placement.tasks * task.cpu_cores,
            placement.tasks * task.memory_bytes,
        )
        self.shares.add(queue, cpu_cores=cpu_cores, memory_bytes=memory_bytes)
        if self.quota_beside is not None and self.outlasts[placement.gang]:
            self.quota_beside.add(queue, cpu_cores=cpu_cores, memory_bytes=memory_bytes)

    def seats(self, contenders: Contenders) -> Seats:
        """Where gangs are seated in this round."""
        return Seats(
            self.snapshot.gangs, contenders, self.near, self.task, self.cost, self.outlasts
        )

    def cost(self, gang: int, nodes: IntArray) -> FloatArray:
        """[len(nodes)] what putting one of its tasks on each node costs."""
        cost = self.scoring.cost(self.room, nodes, self.task(gang))
        if self.near is None:
            return cost
        kind = self.near.kind(self.snapshot.gangs, gang)
        return cost + self.settings.wishes_weight * self.near.wished(kind, nodes)

    def outcome(self) -> Plan:
        """What was decided, and who is left."""
        pending = np.ones(len(self.level), dtype=np.bool_)
        pending[[placement.gang for placement in self.placements]] = False
        return Plan(
            placements=tuple(self.placements),
            pending=np.flatnonzero(pending),
            reservation=self.reservation,
            aftermath=Aftermath(
                snapshot=self.snapshot,
                now_s=self.now_s,
                level=self.level,
                room=self.room,
                shares=self.shares,
                reservation=self.reservation,
                near=self.near,
            ),
        )


def _open_round(snapshot: Snapshot, *, now_s: int, settings: PlanSettings) -> _Round:
    nodes, gangs, used = snapshot.nodes, snapshot.gangs, snapshot.used
    room = Room.of(nodes, cpu_cores=nodes.free_cpu_cores, memory_bytes=nodes.free_memory_bytes)
    return _Round(
        snapshot=snapshot,
        now_s=now_s,
        settings=settings,
        level=horizon_index(gangs.duration_s, nodes.horizons_s),
        room=room,
        shares=FairShares(
            snapshot.queues,
            used,
            cpu_cores=room.total_cpu_cores() + float(used.cpu_cores.sum()),
            memory_bytes=room.total_memory_bytes() + float(used.memory_bytes.sum()),
        ),
        scoring=Scoring.over(
            room,
            asked_cpu_cores=float(gangs.min_available @ gangs.cpu_cores),
            asked_memory_bytes=float(gangs.min_available @ gangs.memory_bytes),
            lifetime_weight=settings.lifetime_weight,
            emptiness_weight=settings.emptiness_weight,
            imbalance_weight=settings.imbalance_weight,
        ),
        outlasts=np.zeros(len(gangs.ids), dtype=np.bool_),
        near=None if nodes.constraints is None else Nearby(nodes.constraints),
        roles=_roles(gangs),
    )


def _roles(gangs: GangColumns) -> dict[int, tuple[int, ...]]:
    """Rows of the gangs that have several, by their lead."""
    roles: dict[int, tuple[int, ...]] = {}
    for row in np.flatnonzero(gangs.leads != np.arange(len(gangs.ids))).tolist():
        lead = int(gangs.leads[row])
        roles[lead] = (*roles.get(lead, (lead,)), row)
    return roles


def _index(gangs: GangColumns, kept: Reservation | None) -> int | None:
    """Where the holder of the last round's reservation is now; None where it is gone."""
    if kept is None or kept.gang_id not in gangs.ids:
        return None
    return gangs.ids.index(kept.gang_id)
