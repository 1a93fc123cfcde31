"""One planning round over the board: who asks, what the planner says, what is assumed from then on.

Two calls of the planner a round at most: gangs that are half placed first, by themselves, since
their room is there unless a node went; then all that ask. Nothing is written here: `committing`
does that, and until it has, what was decided is assumed.

Always holds: a gang's tasks are assumed together or not at all, and only where every one of them
still waits and every node still takes something new.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from scheduler.adapters.board import Board
from scheduler.adapters.queue_tree import Queues
from scheduler.core.explain import Blocked
from scheduler.core.member import Decision, Member, Stage
from scheduler.core.plan import Plan, plan
from scheduler.core.reserve import Reservation
from scheduler.core.snapshot import GangColumns, Snapshot
from scheduler.core.standing import Standing, inferred_whole, standing

MILLI: Final = 1_000.0
MOST_REASONS: Final = 20  # a round: each costs the planner a look at all nodes


@dataclass(frozen=True, slots=True)
class Placed:
    """A gang that was decided in a round."""

    gang: str
    members: tuple[Member, ...]  # as assumed: each with its decision
    reason: str


@dataclass(frozen=True, slots=True)
class Waits:
    """A gang that was not, and why."""

    gang: str
    member: Member  # its eldest
    blocked: Blocked
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a round came to."""

    placed: tuple[Placed, ...] = ()
    waits: tuple[Waits, ...] = ()
    asked: int = 0


@dataclass(slots=True)
class Rounds:
    """The planner's turn, again and again."""

    board: Board
    queues: Queues
    run: str = "0"  # unique to this process, so that no plan has the name of another
    epoch: int = 0
    standings: dict[str, Standing] = field(default_factory=dict)  # of every gang that is not whole
    refused: dict[str, float] = field(default_factory=dict)  # UID -> when it may be tried again
    _whole: set[str] = field(default_factory=set)
    _asking: set[str] = field(default_factory=set)
    _plans: int = 0
    _kept: Reservation | None = None
    _told: int = 0  # where the next look at reasons begins

    async def once(self, *, now_s: int, steady_s: float) -> Outcome:
        """Looks at what changed, plans, assumes. Planning runs beside this loop's other work."""
        self.look(steady_s=steady_s)
        half = [gang for gang in self._asking if self.standings[gang].half]
        outcome = await self._planned(half, now_s=now_s) if half else Outcome()
        rest = await self._planned(list(self._asking), now_s=now_s)
        return Outcome(outcome.placed + rest.placed, rest.waits, len(half) + rest.asked)

    def look(self, *, steady_s: float) -> None:
        """Brings the standings of touched gangs up to date."""
        back = [uid for uid, again_s in self.refused.items() if again_s <= steady_s]
        for uid in back:
            del self.refused[uid]
            one = self.board.member(uid)
            if one is not None:
                self.board.touched.add(one.gang)
        for gang in self.board.touched:
            self._look_at(gang)
        self.board.touched.clear()

    def begin(self, *, epoch: int, steady_s: float) -> None:
        """From now on this process decides; what was whole before it looked is whole."""
        self.epoch = epoch
        self._whole.update(g for g in self.board.gangs() if inferred_whole(self.board.members(g)))
        self.board.touched.update(self.board.gangs())
        self.look(steady_s=steady_s)

    def _look_at(self, gang: str) -> None:
        members = [
            one
            for one in self.board.members(gang)
            if one.uid not in self.refused and self.board.counts(one)
        ]
        if not members:
            self._forget(gang)
            return
        found = standing(members, was_whole=gang in self._whole)
        if found.whole:
            self._whole.add(gang)
        self.standings[gang] = found
        if found.asks:
            self._asking.add(gang)
        else:
            self._asking.discard(gang)

    def _forget(self, gang: str) -> None:
        self.standings.pop(gang, None)
        self._asking.discard(gang)
        self._whole.discard(gang)

    async def _planned(self, gangs: list[str], *, now_s: int) -> Outcome:
        asks = {gang: self.standings[gang] for gang in gangs if self.standings[gang].asks}
        if not asks:
            return Outcome()
        snapshot = self._snapshot(asks)
        outcome = await asyncio.to_thread(plan, snapshot, now_s=now_s, kept=self._kept)
        self._kept = outcome.reservation
        names, ids = snapshot.nodes.names, list(asks)
        placed = []
        for one in outcome.placements:
            nodes = [names[node] for node in np.repeat(one.nodes, one.count)]
            members = self._assumed(asks[ids[one.gang]], nodes, now_s=now_s)
            if members:
                placed.append(Placed(ids[one.gang], members, outcome.reason(one.gang)))
        self.look(steady_s=-np.inf)
        return Outcome(tuple(placed), self._reasons(ids, asks, outcome), len(ids))

    def _snapshot(self, asks: dict[str, Standing]) -> Snapshot:
        queue_of = self.queues.indexes({found.waiting[0].queue for found in asks.values()})
        return Snapshot(
            nodes=self.board.nodes.columns(),
            running=self.board.tasks.columns(),
            gangs=_columns(asks, queue_of),
            queues=self.queues.tree,
            used=self.queues.use(self.board.used),
        )

    def _assumed(self, asked: Standing, nodes: list[str], *, now_s: int) -> tuple[Member, ...]:
        """Takes a placement for true; nobody where the world has moved on while it was planned."""
        chosen = asked.waiting[: len(nodes)]
        if not all(self.board.nodes.is_open(node) for node in set(nodes)):
            return ()
        if not all(self._still_waits(one) for one in chosen):
            return ()
        self._plans += 1
        newest_s = max(one.created_s for one in chosen)
        for one, node in zip(chosen, nodes, strict=True):
            decision = Decision(
                plan=f"{self.epoch}-{self.run}-{self._plans}",
                node=node,
                tasks=len(chosen),
                epoch=self.epoch,
                newest_s=newest_s,
                at_s=now_s,
            )
            self.board.assume(one.uid, decision)
        found = (self.board.member(one.uid) for one in chosen)
        return tuple(one for one in found if one is not None)

    def _still_waits(self, one: Member) -> bool:
        now = self.board.member(one.uid)
        return now is not None and now.stage is Stage.WAITING

    def _reasons(
        self, ids: list[str], asks: dict[str, Standing], outcome: Plan
    ) -> tuple[Waits, ...]:
        """Why some of the pending wait; each round others, so that all are told in time."""
        pending = outcome.pending.tolist()
        if not pending:
            return ()
        begin = self._told % len(pending)
        self._told = begin + MOST_REASONS
        return tuple(
            Waits(ids[g], asks[ids[g]].waiting[0], outcome.blocked(g), outcome.reason(g))
            for g in pending[begin : begin + MOST_REASONS]
        )


def _columns(asks: dict[str, Standing], queue_of: dict[str, int]) -> GangColumns:
    """The asking gangs as columns; of unlike members the largest stands for all."""
    whole = [
        (
            queue_of[found.waiting[0].queue],
            found.tasks,
            found.least,
            max(one.duration_s for one in found.waiting),
            found.waiting[0].created_s,
            max(one.priority for one in found.waiting),
            max(one.cpu_milli for one in found.waiting),
            max(one.memory_bytes for one in found.waiting),
        )
        for found in asks.values()
    ]
    queue, tasks, least, duration, submit, priority, cpu, memory = np.array(whole, np.int64).T
    return GangColumns(
        ids=tuple(asks),
        queue=queue,
        tasks=tasks,
        min_available=least,
        cpu_cores=cpu / MILLI,
        memory_bytes=memory.astype(np.float64),
        duration_s=duration,
        submit_s=submit,
        priority=priority,
    )
