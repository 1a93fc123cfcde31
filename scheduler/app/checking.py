"""The controller of Kueue's AdmissionChecks that name us: is there forecast capacity?

    an AdmissionCheck with our controllerName       gets the condition Active
    a Workload with quota and such a check Pending  gets Ready, Retry, or Pending with a message

What was answered Ready counts as taken for a while, until its pods are there and count themselves;
so two workloads are not promised the same room.

Always holds: a check is answered only by `kueue_check`'s rules; a Pending message is renewed once a
minute at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Final

import structlog

from scheduler.adapters.board import Board
from scheduler.adapters.group_mirrors import KUEUE
from scheduler.adapters.kueue_asks import question
from scheduler.core.kueue_check import PENDING, Forecast, answered, forecast_of, patch, waits_for_us
from scheduler.core.members import created_s
from slacktide.clock import Clock
from slacktide.contract import KUEUE_CHECK
from slacktide.kube.kueue import AdmissionCheck, Workload
from slacktide.kube.writing import JSON, Writer

EVERY_S: Final = 1.0
PENDING_AGAIN_S: Final = 60.0
PROMISED_S: Final = 30.0  # from Ready to its pods
MOST_AT_ONCE: Final = 200  # workloads of a look, the oldest first
NOTHING: Final = Forecast(True, "it asks for nothing that is oversold")

log = structlog.get_logger()


class Checking:
    """Answers while `run` runs."""

    def __init__(
        self,
        board: Board,
        checks: Callable[[], Collection[AdmissionCheck]],
        workloads: Callable[[], Collection[Workload]],
        writer: Writer,
        wall: Clock,
    ) -> None:
        """`checks` and `workloads` are Kueue's objects as they are now."""
        self._board, self._checks, self._workloads = board, checks, workloads
        self._writer, self._wall = writer, wall
        self._promised: dict[str, tuple[Workload, float]] = {}
        self._not_before_s: dict[str, float] = {}  # UID -> next time a Pending message is due

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Answers what waits for us."""
        ours = [one for one in self._checks() if one.spec.controller_name == KUEUE_CHECK]
        for check in ours:
            if not any(c.type == "Active" and c.status == "True" for c in check.status.conditions):
                await self._activate(check)
        names = {check.metadata.name for check in ours}
        now_s = self._wall.now_s()
        self._promised = {u: kept for u, kept in self._promised.items() if kept[1] > now_s}
        waiting = [
            one
            for one in self._workloads()
            if waits_for_us(one, names)
            and one.metadata.uid not in self._promised
            and self._not_before_s.get(one.metadata.uid, 0.0) <= now_s
        ]
        if waiting:
            waiting.sort(key=lambda one: (created_s(one.metadata), one.metadata.name))
            await self._answer(waiting[:MOST_AT_ONCE], names, now_s)

    async def _answer(self, waiting: list[Workload], ours: set[str], now_s: float) -> None:
        promised = [workload for workload, _ in self._promised.values()]
        asked = question(promised, waiting, self._board, now_s=now_s)
        outcome = await asyncio.to_thread(asked.answer, int(now_s))
        leads = {wish.workload.metadata.uid: wish.lead for wish in asked.wishes}
        self._not_before_s = {u: s for u, s in self._not_before_s.items() if s > now_s}
        for one in waiting:
            uid = one.metadata.uid
            if uid in asked.unreadable:
                forecast = Forecast(False, asked.unreadable[uid])
            elif uid in leads:
                forecast = await asyncio.to_thread(forecast_of, outcome, leads[uid])
            else:
                forecast = NOTHING
            await self._tell(one, ours, forecast, now_s)

    async def _tell(
        self, workload: Workload, ours: set[str], forecast: Forecast, now_s: float
    ) -> None:
        changes = patch(workload, ours, forecast, now_s=now_s)
        uid = workload.metadata.uid
        if forecast.fits:
            self._promised[uid] = (workload, now_s + PROMISED_S)
        elif PENDING in answered(workload, ours, forecast).values() or changes is None:
            self._not_before_s[uid] = now_s + PENDING_AGAIN_S
        if changes is None:
            return
        where = f"namespaces/{workload.metadata.namespace}/workloads/{workload.metadata.name}"
        path = f"{_version(workload.api_version)}/{where}/status"
        written = await self._writer.patch(path, changes, kind=JSON)
        if not written.done:
            self._promised.pop(uid, None)
            log.warning("check not answered", workload=where, why=written.said)

    async def _activate(self, check: AdmissionCheck) -> None:
        at = datetime.fromtimestamp(int(self._wall.now_s()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        condition = {
            "type": "Active",
            "status": "True",
            "reason": "Answered",
            "message": "slacktide's scheduler answers it",
            "lastTransitionTime": at,
        }
        body = {"metadata": {"uid": check.metadata.uid}, "status": {"conditions": [condition]}}
        path = f"{_version(check.api_version)}/admissionchecks/{check.metadata.name}/status"
        await self._writer.patch(path, body)


def _version(api_version: str) -> str:
    """Where objects of that version are: lists and watches say it of each."""
    return next((path for path in KUEUE if path.endswith(api_version)), KUEUE[-1])
