"""What the deciding process does besides placing: lives, evictions, checks, and queues' status.

Each goes at its own pace beside the rounds, through writers that are slow by design: placing comes
first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import httpx

from scheduler.adapters.group_mirrors import GroupMirrors
from scheduler.app.checking import Checking
from scheduler.app.claims import Claims, ClaimSettings
from scheduler.app.evicting import Evicting
from scheduler.app.lives import PER_S as LIVES_PER_S
from scheduler.app.notices import PER_S, Notices
from scheduler.app.queue_states import QueueStates
from scheduler.app.rounds import Rounds
from scheduler.app.stopping import Stopping
from scheduler.core.member import Member
from slacktide.clock import Clock
from slacktide.kube.writing import Writer

OLD_S = 120.0  # bookmarks come each minute: what is silent for longer is not known any more
UNSURE = frozenset({502, 503, 504})  # tried again; 429 is a budget's answer, and no reason to


class Upkeep:
    """All of it, while `run` runs."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        groups: GroupMirrors,
        rounds: Rounds,
        notices: Notices,
        copied: Callable[[Member], Awaitable[bool]],
        *,
        clocks: tuple[Clock, Clock],
        may_write: Callable[[], bool],
        heard: Callable[[], Iterable[float | None]],
        settings: ClaimSettings,
    ) -> None:
        """`clocks` are one that does not jump, and the wall's; `heard` is of pods and nodes."""
        self._steady, wall = clocks
        self._groups, self._rounds, self._notices = groups, rounds, notices
        self._heard, self._may_write, self._client = heard, may_write, client
        board, pod_of = rounds.board, rounds.pod_of
        self.evicting = Evicting(board, pod_of, self._writer(PER_S, again=UNSURE), copied)
        self._claims = Claims(
            board,
            rounds,
            rounds.lives,
            self.evicting,
            budgets=groups.budgets,
            fresh=self._is_fresh,
            told=lambda claim, first: notices.of_claim(claim.victims, claim.gang, first),
            steady=self._steady,
            wall=wall,
            settings=settings,
        )
        few = self._writer(LIVES_PER_S)
        self._stopping = Stopping(board, pod_of, few, self._steady)
        self._checking = Checking(board, groups.checks, groups.workloads, few, wall)
        self._states = QueueStates(board, rounds, groups.queues, few, wall)

    def begin(self) -> None:
        """Before the first round."""
        self._claims.begin()

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._claims.run())
            group.create_task(self._rounds.lives.run(self._writer(LIVES_PER_S)))
            group.create_task(self._checking.run())
            group.create_task(self._states.run())
            group.create_task(self._stop())

    def after_round(self) -> None:
        """Tells what gangs have entered."""
        news, self._rounds.lives.news = self._rounds.lives.news, {}
        for gang, life in news.items():
            self._notices.of_life(gang, life.phase)

    async def _stop(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            await self._stopping.look(self._rounds.lives.overdue)

    def _writer(self, per_s: float, *, again: frozenset[int] | None = None) -> Writer:
        given = {} if again is None else {"again": again}
        return Writer(
            self._client,
            clock=self._steady,
            per_s=per_s,
            burst=int(per_s),
            may_write=self._may_write,
            **given,
        )

    def _is_fresh(self) -> bool:
        """Whether pods, nodes and budgets are known as of now."""
        now_s = self._steady.now_s()
        heard = [*self._heard(), self._groups.heard_s("budgets")]
        return all(at_s is not None and now_s - at_s <= OLD_S for at_s in heard)
