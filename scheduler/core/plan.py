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

from scheduler.core.contenders import Contenders
from scheduler.core.endings import Endings
from scheduler.core.explain import Aftermath, Blocked, Placement, pending_reason, placed_reason
from scheduler.core.fit import LEAST_CORES, Room, Task, gangs_that_fit
from scheduler.core.gang import nodes_for_gang
from scheduler.core.queue_order import FairShares
from scheduler.core.reserve import Reservation, holder, outlasting, reserve
from scheduler.core.score import Scoring
from scheduler.core.snapshot import GangColumns, Snapshot, horizon_index
from slacktide.messages import BoolArray, IntArray


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """What an operator may turn; each default with its reason."""

    reserve_after_s: int = 3600  # an hour: longer than most gangs run, shorter than patience
    lifetime_weight: float = 1.0  # long room is what runs out first, so it counts most
    emptiness_weight: float = 0.5  # packs within nodes of one lifetime
    imbalance_weight: float = 0.25  # a hint: where one resource is plentiful it should not decide


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
    fitting = gangs_that_fit(round_.room, snapshot.gangs, allowed, level=round_.level)
    kept_by = _index(snapshot.gangs, kept)
    first = kept_by if kept_by is not None and kept_by in fitting else None
    if first is None:
        round_.book(np.setdiff1d(allowed, fitting, assume_unique=True), kept_by)
    contenders = round_.line_up(fitting, first)
    while (gang := contenders.next()) is not None:
        round_.place(gang, contenders)
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
    reservation: Reservation | None = None
    placements: list[Placement] = field(default_factory=list)

    def within_maximum(self) -> IntArray:
        """Gangs whose queue, and every queue above it, could take them now."""
        gangs = self.snapshot.gangs
        room_cpu_cores = self.shares.room_by_queue()[gangs.queue]
        return np.flatnonzero(gangs.min_available * gangs.cpu_cores <= room_cpu_cores)

    def task(self, gang: int) -> Task:
        """What one of its tasks asks for."""
        gangs = self.snapshot.gangs
        return Task(
            cpu_cores=float(gangs.cpu_cores[gang]),
            memory_bytes=float(gangs.memory_bytes[gang]),
            level=int(self.level[gang]),
        )

    def book(self, waiting: IntArray, kept_by: int | None) -> None:
        """Reserve for one of the gangs that do not fit now and have waited long enough."""
        gangs = self.snapshot.gangs
        overdue = waiting[self.now_s - gangs.submit_s[waiting] > self.settings.reserve_after_s]
        if not len(overdue):
            return
        endings = Endings.of(self.snapshot.nodes, self.snapshot.running, now_s=self.now_s)
        gang = holder(
            gangs, overdue, endings.room(), level=self.level, shares=self.shares, kept_by=kept_by
        )
        if gang is None:
            return
        self.reservation, beside = reserve(
            gangs, gang, self.task(gang), endings=endings, scoring=self.scoring
        )
        self.room = replace(self.room, reserved=beside)
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
        )

    def place(self, gang: int, contenders: Contenders) -> None:
        """Place a gang that fits, as many of its tasks as there is room and quota for."""
        gangs, task = self.snapshot.gangs, self.task(gang)
        queue, least = int(gangs.queue[gang]), int(gangs.min_available[gang])
        in_maximum = self.shares.room_cpu_cores(queue) / max(task.cpu_cores, LEAST_CORES)
        fitting = contenders.fitting(gang)
        nodes, count = nodes_for_gang(
            fitting,
            lambda able: self.scoring.cost(self.room, able, task),
            tasks=max(least, int(min(gangs.tasks[gang], in_maximum))),
            min_available=least,
        )
        placement = Placement(
            gang=gang,
            nodes=nodes,
            count=count,
            horizon_s=int(self.snapshot.nodes.horizons_s[task.level]),
            room_tasks=int(fitting.sum()),
            queue_used_cpu_cores=self.shares.used_cpu_cores[queue],
        )
        self.placements.append(placement)
        contenders.take(nodes, count, task, outlasts=bool(self.outlasts[gang]))
        self.shares.add(
            queue,
            cpu_cores=placement.tasks * task.cpu_cores,
            memory_bytes=placement.tasks * task.memory_bytes,
        )

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
            lifetime_weight=settings.lifetime_weight,
            emptiness_weight=settings.emptiness_weight,
            imbalance_weight=settings.imbalance_weight,
        ),
        outlasts=np.zeros(len(gangs.ids), dtype=np.bool_),
    )


def _index(gangs: GangColumns, kept: Reservation | None) -> int | None:
    """Where the holder of the last round's reservation is now; None where it is gone."""
    if kept is None or kept.gang_id not in gangs.ids:
        return None
    return gangs.ids.index(kept.gang_id)
