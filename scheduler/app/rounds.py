"""One planning round over the board: who asks, what the planner says, what is assumed from then on.

Three calls of the planner a round at most: gangs that are half placed first, by themselves, since
their room is there unless a node went; then those that others make way for; then all that ask, in
what is left beside those. Nothing is written here: `committing` does that, and assumes till then.

Always holds: a gang's tasks are assumed together or not at all, and only where every one of them
still waits and every node still takes something new.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from typing import Final, NamedTuple

import numpy as np
import structlog

from scheduler.adapters.asking import (
    Asking,
    Ground,
    PodOf,
    ReadRules,
    Row,
    Rows,
    asking,
    ground,
    rows_of,
)
from scheduler.adapters.board import Board
from scheduler.adapters.queue_tree import Queues
from scheduler.adapters.setting_aside import Hold, set_aside
from scheduler.app.lives import Lives
from scheduler.app.outcome import Outcome, Placed, Unready, Waits
from scheduler.app.second_look import SecondLook
from scheduler.app.turns import Turns
from scheduler.core.explain import Blocked, Placement
from scheduler.core.member import Decision, Member, Stage
from scheduler.core.members import Gang, gang_of
from scheduler.core.plan import Plan, plan
from scheduler.core.queues import QueueTree, QueueUse
from scheduler.core.reserve import Reservation
from scheduler.core.run_times import Durations
from scheduler.core.settling import Settling
from scheduler.core.snapshot import RunningColumns, Snapshot
from scheduler.core.standing import Standing, inferred_whole, standing
from scheduler.core.ways_in.shape import Groups, Key
from slacktide.errors import BadInput
from slacktide.kube.queues import Queue

MOST_REASONS: Final = 20  # a round: each costs the planner a look at all nodes

log = structlog.get_logger()


class Place(NamedTuple):
    """Where a task goes."""

    member: Member
    node: str
    gpus: tuple[int, ...]  # devices of that node


class Held(NamedTuple):
    """What is taken already, of the moment of a `Ground`."""

    running: RunningColumns
    queues: QueueTree
    used: QueueUse


class Decided(NamedTuple):
    """What the planner said, and why some wait."""

    asked: Asking
    plan: Plan
    waits: tuple[Waits, ...]


@dataclass(slots=True)
class Rounds:
    """The planner's turn, again and again."""

    board: Board
    queues: Queues
    pod_of: PodOf
    groups: Groups
    lives: Lives
    read: ReadRules = field(default_factory=ReadRules)
    run: str = "0"  # unique to this process, so that no plan has the name of another
    epoch: int = 0
    standings: dict[Key, Standing] = field(default_factory=dict)
    refused: dict[str, float] = field(default_factory=dict)  # UID -> when it may be tried again
    claims: dict[Key, tuple[Hold, ...]] = field(default_factory=dict)  # others make way for them
    last: tuple[Asking, Plan] | None = None  # of all that asked in the last round
    _second: SecondLook = field(default_factory=SecondLook)
    durations: Durations = field(default_factory=Durations)
    _whole: set[Key] = field(default_factory=set)
    _asking: set[Key] = field(default_factory=set)
    _half: set[Key] = field(default_factory=set)  # of those
    _later_s: dict[Key, float] = field(default_factory=dict)  # gangs that only time keeps
    _plans: int = 0
    _kept: Reservation | None = None
    _unready: Settling[Unready] = field(default_factory=Settling)
    _told: int = 0  # where the next look at reasons begins

    def begin(self, *, epoch: int, now_s: float) -> None:
        """From now on this process decides; what was whole before it looked is whole."""
        self.epoch = epoch
        whole = {gang for gang in self.board.gangs() if inferred_whole(self.board.members(gang))}
        self.board.touched |= whole - self._whole
        self._whole |= whole
        self.look(now_s=now_s)

    async def once(self, *, now_s: float, steady_s: float) -> Outcome:
        """Looks at what changed, plans, assumes. Planning runs beside this loop's other work."""
        self._try_again(steady_s)
        await self.look_in_turns(now_s=now_s)
        half = await self._planned(list(self._half), now_s=now_s)
        claimed = await self._planned(
            [gang for gang in self.claims if gang in self._asking], now_s=now_s
        )
        others = list(self._asking - self.claims.keys())
        rest = await self._planned(others, now_s=now_s, beside=tuple(self.claims.values()))
        asked = half.asked + claimed.asked + rest.asked
        placed = half.placed + claimed.placed + rest.placed
        return Outcome(placed, rest.waits, self._unready.settled(now_s=now_s), asked)

    def asks(self, gang: Key) -> bool:
        """Whether it wants a place."""
        return gang in self._asking

    def queues_changed(self, objects: Iterable[Queue]) -> None:
        """Takes the Queue objects as they are now; every gang that waits is looked at again."""
        self.queues.plant(objects)
        self.board.touched.update(self.board.gangs())

    def only_look(self, *, now_s: float) -> None:
        """As `look`, for who never plans and so never tells what gangs wait for."""
        self.look(now_s=now_s)
        self._unready.clear()
        self.lives.only_look()

    def look(self, *, now_s: float) -> None:
        """Brings the standings of touched gangs up to date."""
        for gang in self._to_look_at(now_s):
            self._look_at(gang, now_s)

    async def look_in_turns(self, *, now_s: float) -> None:
        """The same; the loop has its turn in between, and what it brings is for the next look."""
        turns = Turns()
        for gang in self._to_look_at(now_s):
            self._look_at(gang, now_s)
            await turns.next()

    def _to_look_at(self, now_s: float) -> list[Key]:
        due = [gang for gang, at_s in self._later_s.items() if at_s <= now_s]
        for gang in due:
            del self._later_s[gang]
        touched = [*{*self.board.touched, *due}]
        self.board.touched.clear()
        return touched

    def _try_again(self, steady_s: float) -> None:
        for uid in [uid for uid, again_s in self.refused.items() if again_s <= steady_s]:
            del self.refused[uid]
            one = self.board.member(uid)
            if one is not None:
                self.board.touched.add(one.gang)

    def _look_at(self, key: Key, now_s: float) -> None:
        members = {
            one.uid: one
            for one in self.board.members(key)
            if one.uid not in self.refused and self.board.counts(one)
        }
        self._later_s.pop(key, None)
        self._asks(key, None)
        if not members:
            self._unready.drop(key)
            self.standings.pop(key, None)
            self._whole.discard(key)
            self.lives.without_pods(key, now_s=now_s)
            self._look_again(key, None, now_s)
            self.durations.gone(key)
            return
        pods = [pod for uid in members if (pod := self.pod_of(uid)) is not None]
        try:
            gang = gang_of(key, pods, self.groups, now_s=now_s)
        except (BadInput, ValueError) as why:
            log.warning("gang left alone", gang="/".join(key), why=str(why))
            return
        gang = self.lives.looked(gang, now_s=now_s)
        self._look_again(key, gang, now_s)
        _, no_queue = self.queues.leaf(gang.queue)
        if no_queue:
            gang = replace(gang, ready=False, ready_at_s=None, reason=gang.reason or no_queue)
        found = standing(gang, members, was_whole=key in self._whole)
        self.standings[key] = found
        (self._whole.add if found.whole else self._whole.discard)(key)
        self.durations.looked(gang, members.values(), now_s=now_s)
        self._lacks(gang, next(iter(members.values())), now_s=now_s)
        self._asks(key, found)
        for one in list(members.values()):
            if one.queue != gang.queue:
                self.board.requeue(one.uid, gang.queue)

    def _look_again(self, key: Key, gang: Gang | None, now_s: float) -> None:
        """By time alone, where time changes what it is."""
        limit_s, ready_s = (None, None) if gang is None else (gang.limit_s, gang.ready_at_s)
        own_s = self.lives.again_s(key, limit_s=limit_s, now_s=now_s)
        for at_s in (own_s, ready_s):
            if at_s is not None:
                self._later_s[key] = min(at_s, self._later_s.get(key, at_s))

    def _lacks(self, gang: Gang, first: Member, *, now_s: float) -> None:
        """Takes down what it waits for, where that is more than a moment."""
        if gang.reason and gang.ready_at_s is None:
            self._unready.put(gang.key, Unready(gang.key, first, gang.reason), now_s=now_s)
        else:
            self._unready.drop(gang.key)

    def _asks(self, key: Key, found: Standing | None) -> None:
        """Takes down whether it asks for places, and whether it has some of them."""
        asks = found is not None and bool(found.asks)
        half = asks and found is not None and found.half
        for those, belongs in ((self._asking, asks), (self._half, half)):
            those.add(key) if belongs else those.discard(key)

    async def _planned(
        self, gangs: Sequence[Key], *, now_s: float, beside: Sequence[Sequence[Hold]] | None = None
    ) -> Outcome:
        """`beside` is None for those whose room is known to be there: they see all there is.

        All but reading and changing the board is done beside this loop's other work. Standings are
        changed between rounds alone, so another thread may read them.
        """
        rest = beside is not None
        if rest:
            self.last = None
        if not gangs:
            return Outcome()
        wanted = await asyncio.to_thread(self._rows, gangs)
        if not wanted.rows or not all(self._is_there(queue) for queue in wanted.queues):
            return Outcome()
        with set_aside(self.board, chain.from_iterable(beside or ())):
            on = ground(
                wanted,
                self.board,
                queue_of=self.queues.index,
                duration_of=self.duration_s,
                pod_of=self.pod_of,
                read=self.read,
                now_s=now_s,
            )
            used = self.queues.use(self.board.used)
        held = Held(self.board.running(), self.queues.tree, used)
        found = await asyncio.to_thread(
            self._decided, wanted.rows, on, held, now_s=int(now_s), rest=rest
        )
        if rest:
            self._kept, self.last = found.plan.reservation, (found.asked, found.plan)
        placed = await self._all_assumed(found, now_s=int(now_s))
        await self.look_in_turns(now_s=now_s)
        return Outcome(placed, found.waits, asked=len(wanted.rows))

    def _rows(self, gangs: Sequence[Key]) -> Rows:
        standings = {gang: self.standings[gang] for gang in gangs}
        return rows_of(standings, pod_of=self.pod_of, read=self.read)

    def _is_there(self, queue: str) -> bool:
        """Whether a queue still is: all gangs are looked at again where it is not."""
        return self.queues.leaf(queue)[0] is not None

    def _decided(
        self, rows: tuple[Row, ...], on: Ground, held: Held, *, now_s: int, rest: bool
    ) -> Decided:
        asked = asking(rows, on)
        snapshot = Snapshot(
            nodes=asked.nodes,
            running=held.running,
            gangs=asked.columns,
            queues=held.queues,
            used=held.used,
        )
        outcome = plan(snapshot, now_s=now_s, kept=self._kept if rest else None)
        if not rest:
            return Decided(asked, outcome, ())
        outcome = self._second.at(outcome, now_s=now_s)
        return Decided(asked, outcome, self._reasons(rows, outcome))

    async def _all_assumed(self, found: Decided, *, now_s: int) -> tuple[Placed, ...]:
        """A gang at a time; between them the loop has its turn."""
        asked, together = found.asked, defaultdict[int, list[Placement]](list)
        for placement in found.plan.placements:
            together[asked.rows[placement.gang].lead].append(placement)
        placed = []
        turns = Turns()
        for lead, placements in together.items():
            where = [
                Place(one, asked.nodes.names[node], gpus)
                for placement in placements
                for one, node, gpus in zip(
                    asked.rows[placement.gang].ask.waiting,
                    np.repeat(placement.nodes, placement.count),
                    placement.devices or repeat(()),
                    strict=False,  # an elastic role may get fewer places than it has tasks
                )
            ]
            for_s = int(asked.columns.duration_s[lead])
            members = self._assumed(where, now_s=now_s, for_s=for_s)
            if members:
                placed.append(Placed(asked.rows[lead].gang, members))
            await turns.next()
        return tuple(placed)

    def _assumed(self, where: list[Place], *, now_s: int, for_s: int) -> tuple[Member, ...]:
        """Takes places for true; nobody's where the world has moved on while it was planned."""
        nodes = self.board.nodes
        if not all(nodes.is_open(node) for node in {place.node for place in where}):
            return ()
        if not all(nodes.gpus.sells(place.node, place.gpus) for place in where):
            return ()
        if not all(self._still_waits(place.member) for place in where):
            return ()
        self._plans += 1
        newest_s = max(place.member.created_s for place in where)
        for place in where:
            decision = Decision(
                plan=f"{self.epoch}-{self.run}-{self._plans}",
                node=place.node,
                tasks=len(where),
                epoch=self.epoch,
                newest_s=newest_s,
                at_s=now_s,
                gpus=place.gpus,
                for_s=for_s,
            )
            self.board.assume(place.member.uid, decision)
        found = (self.board.member(place.member.uid) for place in where)
        return tuple(one for one in found if one is not None)

    def duration_s(self, gang: Gang) -> int:
        """How long a gang is taken to run."""
        return self.durations.of(gang, longest_s=self.board.forecasts.longest_s)

    def _said(self, row: Row) -> str:
        return self.durations.said(row.standing.gang, longest_s=self.board.forecasts.longest_s)

    def _still_waits(self, one: Member) -> bool:
        now = self.board.member(one.uid)
        return now is not None and now.stage is Stage.WAITING

    def _reasons(self, rows: tuple[Row, ...], outcome: Plan) -> tuple[Waits, ...]:
        """Why some of the pending wait; each round others, so that all are told in time."""
        pending = [row for row in outcome.pending.tolist() if rows[row].lead == row]
        if not pending:
            return ()
        begin = self._told % len(pending)
        self._told = begin + MOST_REASONS
        return tuple(
            _waits(rows[row], outcome, row, said=self._said(rows[row]))
            for row in pending[begin : begin + MOST_REASONS]
        )


def _waits(row: Row, outcome: Plan, index: int, *, said: str) -> Waits:
    blocked, reservation = outcome.blocked(index), outcome.reservation
    holds = reservation is not None and blocked is Blocked.HOLDS_RESERVATION
    start_s = reservation.start_s if reservation is not None and holds else None
    return Waits(row.gang, row.ask.waiting[0], blocked, outcome.reason(index) + said, start_s)
