"""Takes back what cannot become whole: gangs bound in part, and pins to nodes that are gone.

A pod that was let go cannot be held again (a gate may only be lifted), so it is deleted, and its
controller makes another one that is gated. A pod that nobody owns is copied first, gated and under
a new name; the copy counts only when the pod it is for is gone. The window begins anew with each
member that is bound, so that a big gang behind a slow kube-scheduler is not taken back on its way.

Always holds: of a gang the bound go first (see `standing.to_withdraw`); a gang that ever was whole
is left alone; a deletion names its UID.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import structlog

from scheduler.adapters.board import Board
from scheduler.adapters.copying import copy_of
from scheduler.app.committing import path_of
from scheduler.core.member import Member
from scheduler.core.standing import Standing, to_withdraw
from scheduler.core.ways_in.shape import Key
from slacktide.clock import Clock
from slacktide.kube.writing import Writer

WINDOW_S: Final = 20.0  # in part without one more bound, for a planner that saw it begin
INHERITED_S: Final = 10.0  # what another planner left: the take-over took its time already
AGAIN_S: Final = 3.0  # as long as the watch may take to tell that pods are gone
NODE_GONE_S: Final = 3.0  # a node that is made anew at once is the same to kube-scheduler
CONFLICT: Final = 409

log = structlog.get_logger()


@dataclass(slots=True)
class Patience:
    """Since when each gang is bound in part; and what is done about it."""

    board: Board
    client: httpx.AsyncClient
    writer: Writer
    clock: Clock
    window_s: float = WINDOW_S
    withdrawn: int = 0
    _partly_until_s: dict[Key, float] = field(default_factory=dict)
    _placed: dict[Key, int] = field(default_factory=dict)  # when last looked
    _lost_until_s: dict[str, float] = field(default_factory=dict)

    def inherit(self, gangs: list[Key]) -> None:
        """These were bound in part when this process began to decide."""
        until_s = self.clock.now_s() + min(INHERITED_S, self.window_s)
        self._partly_until_s = dict.fromkeys(gangs, until_s)

    async def look(self, standings: dict[Key, Standing]) -> list[Key]:
        """Withdraws what is due. Returns the gangs that were."""
        now_s = self.clock.now_s()
        partly = {gang: found.placed for gang, found in standings.items() if found.partly}
        for gang, placed in partly.items():
            if placed > self._placed.get(gang, placed):  # it goes on, however slowly
                self._partly_until_s.pop(gang, None)
        self._placed = partly
        self._partly_until_s = {
            gang: self._partly_until_s.get(gang, now_s + self._window_s(standings[gang]))
            for gang in partly
        }
        due = [gang for gang in partly if self._partly_until_s[gang] <= now_s]
        for gang in due:
            await self._withdraw(gang)
        await self._unpin(now_s)
        return due

    def _window_s(self, found: Standing) -> float:
        """As its owner says, else ours."""
        return self.window_s if found.gang.wait_s is None else found.gang.wait_s

    async def _withdraw(self, gang: Key) -> None:
        bound, released = to_withdraw(self.board.members(gang))
        log.warning("gang withdrawn", gang="/".join(gang), bound=len(bound), released=len(released))
        self.withdrawn += 1
        self._partly_until_s[gang] = self.clock.now_s() + AGAIN_S
        for part in (bound, released):
            await asyncio.gather(*(self.take_back(one) for one in part))

    async def _unpin(self, now_s: float) -> None:
        """Released to a node that is gone: nobody can bind it."""
        lost = [
            one
            for uid in self.board.released - self.board.assumed.keys()
            if (one := self.board.member(uid)) is not None and one.node not in self.board.nodes
        ]
        self._lost_until_s = {
            one.uid: self._lost_until_s.get(one.uid, now_s + NODE_GONE_S) for one in lost
        }
        for one in lost:
            if self._lost_until_s[one.uid] <= now_s:
                if one.pinned:
                    await self.take_back(one)
                else:
                    self.board.unplace(one.uid)

    async def take_back(self, one: Member) -> None:
        """Deletes a pod; one that nobody owns is copied first."""
        if not one.owned and not await self.copied(one):
            return
        await self.writer.delete(path_of(one), {"preconditions": {"uid": one.uid}})

    async def copied(self, one: Member) -> bool:
        """Copies a pod that nobody owns. Returns whether there is a copy now."""
        try:
            answer = await self.client.get(path_of(one))
        except httpx.HTTPError:
            return False
        if not answer.is_success:
            return False
        found: dict[str, Any] = answer.json()
        if found["metadata"]["uid"] != one.uid:
            return False
        where = f"/api/v1/namespaces/{one.namespace}/pods"
        made = await self.writer.post(where, copy_of(found))
        return made.done or made.status == CONFLICT
