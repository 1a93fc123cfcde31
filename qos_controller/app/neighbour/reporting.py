"""Writes the QosReport on this node's object, seldom: `core.qos_report` says when."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec
import structlog

from qos_controller.app.neighbour.following import Following
from qos_controller.core.pods import Book
from qos_controller.core.qos_report import OnlineLost, Pace, QosReport, is_due
from slacktide.clock import Clock
from slacktide.contract import ANNOTATION_QOS_REPORT
from slacktide.kube.writing import Writer

LOOK_S: Final = 0.5
LONGEST_REASON: Final = 300

log = structlog.get_logger()


@dataclass(slots=True)
class Reporting:
    """One node's report."""

    node: str
    following: Following
    book: Callable[[], Book | None]
    evictions: Callable[[], int]
    is_open: Callable[[], bool]
    writer: Writer
    clock: Clock  # of the wall
    steady: Clock
    pace: Pace = field(default_factory=Pace)
    told: QosReport | None = None
    told_s: deque[float] = field(default_factory=lambda: deque(maxlen=100))
    written: int = 0
    failed: int = 0

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            self.following.look()
            await self.tell()
            await asyncio.sleep(LOOK_S)

    async def tell(self) -> None:
        """Writes the report if that is worth it."""
        now, now_s = self.report(), self.steady.now_s()
        if not is_due(now, self.told, told_s=tuple(self.told_s), now_s=now_s, pace=self.pace):
            return
        self.told_s.append(now_s)  # an attempt costs the server as much as a success
        notes = {ANNOTATION_QOS_REPORT: encoded(now)}
        body = {"metadata": {"annotations": notes}}
        written = await self.writer.patch(f"/api/v1/nodes/{self.node}", body)
        if written.done:
            self.told, self.written = now, self.written + 1
        else:
            self.failed += 1
            log.warning("report not written", status=written.status, why=written.said)

    def report(self) -> QosReport:
        """As it is now."""
        diary, book = self.following, self.book()
        tick, pods = diary.tick, book.pods if book is not None else ()
        quota = tick.quota_cores if tick is not None else math.nan
        return QosReport(
            at_s=round(self.clock.now_s(), 1),
            since_s=round(diary.since_s, 1),
            alive=diary.alive,
            off=book is not None and book.off,
            open=self.is_open(),
            stage=diary.stages,
            level=round(_finite(tick.level if tick else 0.0), 2),
            quota_cores=round(quota, 3) if math.isfinite(quota) else None,
            frozen_share=round(_finite(tick.frozen if tick else 0.0), 2),
            online_pods=sum(not pod.batch for pod in pods),
            batch_pods=sum(pod.batch for pod in pods),
            evictions=self.evictions(),
            lost=_rounded(diary.lost),
            reason=diary.reason[:LONGEST_REASON],
        )


def encoded(report: QosReport) -> str:
    """Its JSON, with names as Kubernetes writes them and units at their ends."""
    return msgspec.json.encode(_camel(msgspec.to_builtins(report))).decode()


def _camel(value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {_joined(name): _camel(one) for name, one in value.items()}


def _joined(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _rounded(lost: OnlineLost) -> OnlineLost:
    return replace(
        lost,
        watched_s=round(lost.watched_s, 1),
        stalled_s=round(lost.stalled_s, 3),
        requests=round(lost.requests),
        slow_requests=round(lost.slow_requests, 1),
    )


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0
