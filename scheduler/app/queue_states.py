"""Tells each Queue object how its queue stands, in its status.

Always holds: nothing is written where nothing changed, no queue oftener than every `EVERY_S`, and
a queue's spec is never touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Final

import msgspec

from scheduler.adapters.board import Board
from scheduler.app.rounds import Rounds
from scheduler.core.lifecycle import LIVE, Phase
from scheduler.core.queue_status import QueueStatus, statuses
from slacktide.clock import Clock
from slacktide.kube.queues import Queue
from slacktide.kube.writing import Writer

EVERY_S: Final = 5.0
WAITING: Final = frozenset({Phase.QUEUED, Phase.PREEMPTED, Phase.ADMITTED})
QUEUES: Final = "/apis/slacktide.io/v1alpha1/queues"


class QueueStates:
    """What was written last is what stands on the objects."""

    def __init__(
        self,
        board: Board,
        rounds: Rounds,
        objects: Callable[[], Collection[Queue]],
        writer: Writer,
        wall: Clock,
    ) -> None:
        """`objects` are the Queue objects as they are now."""
        self._board, self._rounds, self._objects = board, rounds, objects
        self._writer, self._wall = writer, wall

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Writes what changed."""
        objects = list(self._objects())
        if not objects:
            return
        live, waits = self._by_phase(LIVE), self._by_phase(WAITING)
        now = statuses(
            self._rounds.queues.planted, used=self._board.used, waiting=waits, running=live
        )
        for queue in objects:
            if queue.metadata.name in now:
                await self._tell(queue, now[queue.metadata.name])

    def _by_phase(self, phases: Collection[Phase]) -> list[str]:
        """The queue of each gang in one of them."""
        lives = self._rounds.lives.lives
        standings = self._rounds.standings.items()
        return [one.gang.queue for key, one in standings if lives[key].phase in phases]

    async def _tell(self, queue: Queue, status: QueueStatus) -> None:
        body = status.body(self._since(queue, status))
        there = msgspec.to_builtins(queue.status)
        if there == msgspec.to_builtins(msgspec.convert(body, type(queue.status))):
            return
        meta = {"uid": queue.metadata.uid}
        path = f"{QUEUES}/{queue.metadata.name}/status"
        await self._writer.patch(path, {"metadata": meta, "status": body})

    def _since(self, queue: Queue, status: QueueStatus) -> str:
        """When its condition changed last."""
        for one in queue.status.conditions:
            if one.status == ("False" if status.message else "True") and one.last_transition_time:
                return one.last_transition_time
        return datetime.fromtimestamp(int(self._wall.now_s()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
