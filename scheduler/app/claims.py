"""Claims on running tasks' room: when one is made, how fast, and what is kept for it meanwhile.

A gang that waits and has a claim (`core/evict`), or for which moving others pays (`defragment`),
gets its victims evicted, one claim at a time. Until it has its place, the room and quota that it
was promised are set aside, so no third gang takes them and nobody is evicted twice for it.

Always holds: no claim on data that is old or missing; no claim before a gang waited for a while; at
most so many tasks a minute, a gang's tasks together; a claim ends after a while, and a gang whose
claim came to nothing makes none for two minutes.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import structlog

from scheduler.adapters.asking import MILLI, Asking
from scheduler.adapters.at_stake import AtStake, at_stake, leaving
from scheduler.adapters.board import Board
from scheduler.adapters.setting_aside import Hold
from scheduler.app.evicting import Evicting, mark_of
from scheduler.app.lives import Lives
from scheduler.app.rounds import Rounds
from scheduler.core.budgets import Budgets
from scheduler.core.defragment import Moves, defragment
from scheduler.core.evict import Eviction, eviction, may_claim
from scheduler.core.explain import Aftermath
from scheduler.core.fit import Room, Task, TaskClasses
from scheduler.core.member import Member, Stage
from scheduler.core.plan import Plan
from scheduler.core.snapshot import RunningColumns, held_through
from scheduler.core.ways_in.shape import Key
from slacktide.clock import Clock
from slacktide.kube.budgets import Budget
from slacktide.messages import IntArray

LOOK_S: Final = 1.0
IN_VAIN_S: Final = 10.0  # after a look that found nobody
REFUSED_S: Final = 30.0  # after a budget's refusal
AGAIN_S: Final = 3.0  # victims that are still there are asked again
LASTS_S: Final = 120.0  # a claim; longer than most pods take to leave
SETTLES_S: Final = 10.0  # victims are gone, and still no place: somebody else was faster
MOVES_EVERY_S: Final = 60.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ClaimSettings:
    """What an operator may turn."""

    evict: bool = True
    defragment: bool = False
    per_minute: int = 30
    after_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Claim:
    """Who makes way for whom."""

    gang: Key
    victims: tuple[Member, ...]
    why: str
    until_s: float


@dataclass(slots=True)
class Claims:
    """The one that stands, and what was learned from those before."""

    board: Board
    rounds: Rounds
    lives: Lives
    evicting: Evicting
    budgets: Callable[[], Iterable[Budget]]
    fresh: Callable[[], bool]  # whether all that is known is of now
    told: Callable[[Claim, Member], None]  # the claim, and the eldest of the gang that makes it
    steady: Clock
    wall: Clock
    settings: ClaimSettings = field(default_factory=ClaimSettings)
    made: int = 0
    _claim: Claim | None = None
    _not_before_s: float = 0.0
    _again_s: float = 0.0
    _moves_s: float = 0.0
    _spent: float = 0.0  # tasks evicted beyond what time has given back
    _spent_s: float = 0.0
    _stale: list[Member] = field(default_factory=list)
    _empty_s: float = 0.0  # when the last victim was gone
    _cooled_s: dict[Key, float] = field(default_factory=dict)  # no claim of theirs before

    async def run(self) -> None:
        """For ever, beside the rounds."""
        self._not_before_s = self.steady.now_s() + self.settings.after_s
        await self.evicting.leave(self._stale)
        while self.settings.evict or self.settings.defragment or self._claim is not None:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """One look: at the claim that stands, or for one to make."""
        now_s = self.steady.now_s()
        if self._claim is not None:
            await self._go_on(self._claim, now_s)
            return
        last = self.rounds.last
        if last is None or now_s < self._not_before_s or not self.fresh():
            return
        self._not_before_s = now_s + IN_VAIN_S
        asked, outcome = last
        pending = self._pending(asked, outcome, now_s)
        if len(pending):
            await self._try(asked, replace(outcome, pending=pending), now_s)

    def _pending(self, asked: Asking, outcome: Plan, now_s: float) -> IntArray:
        """Rows of gangs that may make a claim: whole ones that have waited, and not in vain."""
        self._cooled_s = {gang: s for gang, s in self._cooled_s.items() if s > now_s}
        late_s = self.wall.now_s() - self.settings.after_s
        found = [
            row
            for row in outcome.pending.tolist()
            if asked.rows[row].standing.together
            and asked.rows[row].standing.gang.submit_s <= late_s
            and asked.rows[row].gang not in self._cooled_s
        ]
        return np.array(found, np.int64)

    async def _try(self, asked: Asking, outcome: Plan, now_s: float) -> None:
        outcome = replace(outcome, aftermath=self._once_left(outcome.aftermath))
        moves = self.settings.defragment and now_s >= self._moves_s
        claims = self.settings.evict and may_claim(outcome, self._least_priority())
        if not (moves or claims):
            return
        stake = self._at_stake(asked)
        found: Eviction | Moves | None = None
        if claims and stake.keys:
            found = await asyncio.to_thread(eviction, outcome, stake.gangs, stake.tasks)
        if found is None and moves and stake.keys:
            self._moves_s = now_s + MOVES_EVERY_S
            plain = self._plain_ones(stake)
            found = await asyncio.to_thread(defragment, outcome, plain.gangs, plain.tasks)
        if found is not None:
            await self._begin(found, asked, stake, now_s)

    async def _begin(
        self, found: Eviction | Moves, asked: Asking, stake: AtStake, now_s: float
    ) -> None:
        row = asked.rows[found.gang]
        victims = tuple(
            one
            for members, many in zip(stake.members, found.victims.evicted.tolist(), strict=True)
            for one in members[:many]
        )
        there = all(self.evicting.still_runs(one) for one in victims)
        if not there or not self.rounds.asks(row.gang) or not self._within_rate(len(victims)):
            return
        refused = await self.evicting.may_go(victims)
        if refused:
            log.warning("no eviction", gang="/".join(row.gang), why=refused)
            self._not_before_s = now_s + REFUSED_S
            return
        why = f"the scheduler {found.reason}"
        claim = Claim(row.gang, victims, why, now_s + LASTS_S)
        first = row.ask.waiting[0]
        holds = _holds(found, asked, {one.node for one in victims}, row.standing.gang.queue, first)
        self._stand(claim, holds)
        self._spent += len(victims)
        self.made += 1
        self.told(claim, first)
        self._note_losses(claim)
        await self._take(claim, victims)

    def _stand(self, claim: Claim, holds: tuple[Hold, ...]) -> None:
        self._claim, self._empty_s = claim, self.steady.now_s()
        self.rounds.claims[claim.gang] = holds
        log.warning("claim", gang="/".join(claim.gang), victims=len(claim.victims), why=claim.why)

    def _note_losses(self, claim: Claim) -> None:
        """In the victims' lives."""
        lost: dict[Key, int] = defaultdict(int)
        for one in claim.victims:
            lost[one.gang] += 1
        self.lives.evicted(lost, now_s=self.wall.now_s())
        for gang, many in lost.items():
            bound = sum(one.stage is Stage.BOUND for one in self.board.members(gang))
            if many >= bound:
                self.lives.lost(gang, f"made room for {'/'.join(claim.gang)}")

    async def _take(self, claim: Claim, victims: Iterable[Member]) -> None:
        now_s = self.wall.now_s()
        await self.evicting.take(tuple(victims), gang=claim.gang, why=claim.why, now_s=now_s)
        self._again_s = self.steady.now_s() + AGAIN_S

    async def _go_on(self, claim: Claim, now_s: float) -> None:
        left = [one for one in claim.victims if self.evicting.still_runs(one)]
        if any(self.board.member(one.uid) is not None for one in claim.victims):
            self._empty_s = now_s
        ends_s = min(claim.until_s, self._empty_s + SETTLES_S)
        if self.rounds.asks(claim.gang) and now_s < ends_s:
            if left and now_s >= self._again_s:
                await self._take(claim, left)
            return
        if self.rounds.asks(claim.gang):
            log.warning("claim came to nothing", gang="/".join(claim.gang))
            self._cooled_s[claim.gang] = now_s + LASTS_S
        await self.evicting.leave(left)
        self.rounds.claims.pop(claim.gang, None)
        self._claim, self._not_before_s = None, now_s + LOOK_S

    def begin(self) -> None:
        """Goes on where another planner ended, before the first round gives its room to others.

        Marks that are too old are taken back by `run`.
        """
        marked: dict[Key, list[Member]] = defaultdict(list)
        stale = self._stale
        for one in self.board.placed():
            mark = mark_of(self.evicting.pod_of(one.uid))
            if mark is None or one.stage is not Stage.BOUND:
                continue
            young = self.wall.now_s() - mark.at_s < LASTS_S
            (marked[Key(*mark.gang)] if young else stale).append(one)
        for gang, members in marked.items():
            if self._claim is not None or not self.rounds.asks(gang):
                stale += members
                continue
            claim = Claim(
                gang,
                tuple(members),
                f"the scheduler goes on making room for {'/'.join(gang)}",
                self.steady.now_s() + LASTS_S,
            )
            self._note_losses(claim)
            self._stand(claim, self._inherited(gang, members))

    def _inherited(self, gang: Key, victims: list[Member]) -> tuple[Hold, ...]:
        """What was set aside, as far as can be seen: where victims are, and what is free."""
        standing = self.rounds.standings[gang]
        ask = standing.asks[0]
        task = ask.waiting[0]
        nodes = self.board.node_columns(None, now_s=self.wall.now_s())
        cpu_cores, memory_bytes = nodes.free_cpu_cores.copy(), nodes.free_memory_bytes.copy()
        for one in victims:
            row = self.board.nodes.row_of[one.node]
            cpu_cores[row] += one.cpu_milli / MILLI
            memory_bytes[row] += one.memory_bytes
        room = Room.of(nodes, cpu_cores=cpu_cores, memory_bytes=memory_bytes)
        longest = len(nodes.horizons_s) - 1
        kind = Task(task.cpu_milli / MILLI, float(task.memory_bytes), longest)
        fits = room.tasks_per_node(TaskClasses.one(kind))[0].tolist()
        places = zip(nodes.names, fits, strict=True)
        return _near(places, {v.node for v in victims}, ask.least, standing.gang.queue, task)

    def _within_rate(self, many: int) -> bool:
        """Whether so many more may be evicted now: all at once, so a claim is never half met."""
        now_s, rate = self.steady.now_s(), self.settings.per_minute
        self._spent = max(self._spent - (now_s - self._spent_s) * rate / 60.0, 0.0)
        self._spent_s = now_s
        return self._spent + min(many, rate) <= rate

    def _least_priority(self) -> dict[int, int]:
        """Of gangs that run, by queue."""
        least: dict[int, int] = {}
        for found in self.rounds.standings.values():
            queue, _ = self.rounds.queues.leaf(found.gang.queue)
            if found.whole and queue is not None:
                least[queue] = min(least.get(queue, found.gang.priority), found.gang.priority)
        return least

    def _at_stake(self, asked: Asking) -> AtStake:
        return at_stake(
            self.board,
            self.rounds.standings,
            nodes=asked.nodes,
            queue_of=lambda name: self.rounds.queues.leaf(name)[0],
            pod_of=self.rounds.pod_of,
            budgets=Budgets(self.budgets()),
            evicted_s=self.lives.evicted_s,
            now_s=int(self.wall.now_s()),
        )

    def _plain_ones(self, stake: AtStake) -> AtStake:
        """Only gangs that may run anywhere are moved: others might find no place again.

        Who holds GPUs is not: places to move to are judged by cores and memory alone.
        """
        movable = np.array(
            [
                all(one.plain and one.gpu is None for one in self.board.members(key))
                for key in stake.keys
            ],
            np.bool_,
        )
        may_lose = np.where(movable, stake.gangs.may_lose, 0)
        return replace(stake, gangs=replace(stake.gangs, may_lose=may_lose))

    def _once_left(self, after: Aftermath) -> Aftermath:
        """The same with the room of tasks that are leaving already: it needs no victim."""
        nodes, going = after.snapshot.nodes, leaving(self.board)
        there = going.node < len(nodes.names)
        columns = RunningColumns(
            going.node[there],
            going.cpu_cores[there],
            going.memory_bytes[there],
            going.end_s[there],
        )
        cpu, memory = held_through(
            columns, horizons_s=nodes.horizons_s, nodes=len(nodes.names), now_s=after.now_s
        )
        room = after.room
        return replace(
            after,
            room=Room(
                room.cpu_cores + cpu.T,
                room.memory_bytes + memory.T,
                reserved=room.reserved,
                constraints=room.constraints,
            ),
        )


def _holds(
    found: Eviction | Moves, asked: Asking, freed: set[str], queue: str, task: Member
) -> tuple[Hold, ...]:
    """What the gang was promised: first where room is made, and no more than it needs."""
    kept, names = found.reservation, asked.nodes.names
    places = [
        (names[node], count)
        for node, count in zip(kept.nodes.tolist(), kept.count.tolist(), strict=True)
    ]
    return _near(places, freed, int(asked.columns.min_available[found.gang]), queue, task)


def _near(
    places: Iterable[tuple[str, int]], freed: set[str], missing: int, queue: str, task: Member
) -> tuple[Hold, ...]:
    """So many tasks on the places that have room for some, those that are freed first."""
    holds = []
    for node, count in sorted(places, key=lambda place: place[0] not in freed):
        tasks = min(count, missing)
        missing -= tasks
        if tasks:
            holds.append(Hold(node, queue, tasks * task.cpu_milli, tasks * task.memory_bytes))
    return tuple(holds)
