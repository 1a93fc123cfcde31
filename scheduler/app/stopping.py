"""Ends gangs whose time is up: their Jobs, or else their pods, get an activeDeadlineSeconds of 1.

Kubernetes then ends them as it ends any Job or pod whose time is up, with reason DeadlineExceeded;
ours is their annotation.

Always holds: a write names the UID it was meant for; a gang is written to until the server has
taken it, or says that it is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from scheduler.adapters.board import Board
from scheduler.app.committing import path_of
from scheduler.core.member import Stage
from scheduler.core.ways_in.shape import Key
from slacktide.clock import Clock
from slacktide.contract import ANNOTATION_REASON
from slacktide.kube.objects import Owner, Pod
from slacktide.kube.writing import Writer

AGAIN_S: Final = 5.0
GONE: Final = frozenset({404, 409, 422})
OVER: Final = frozenset({Stage.DONE, Stage.FAILED, Stage.LEAVING})

PodOf = Callable[[str], Pod | None]

log = structlog.get_logger()


@dataclass(slots=True)
class Stopping:
    """Those that are still to be ended."""

    board: Board
    pod_of: PodOf
    writer: Writer
    clock: Clock
    _not_before_s: dict[Key, float] = field(default_factory=dict)

    async def look(self, overdue: dict[Key, str]) -> list[Key]:
        """Ends what is overdue, and takes it out of `overdue`. Returns what was ended."""
        ended = []
        for gang, why in list(overdue.items()):
            now_s = self.clock.now_s()
            if self._not_before_s.get(gang, 0.0) > now_s:
                continue
            if await self._stop(gang, why):
                del overdue[gang]
                self._not_before_s.pop(gang, None)
                ended.append(gang)
            else:
                self._not_before_s[gang] = now_s + AGAIN_S
        return ended

    async def _stop(self, gang: Key, why: str) -> bool:
        """Whether all of it was told."""
        log.warning("gang stopped", gang="/".join(gang), why=why)
        bodies: dict[str, dict[str, Any]] = {}
        for one in self.board.members(gang):
            if one.stage in OVER:
                continue
            job = _job(self.pod_of(one.uid))
            if job is not None:
                path = f"/apis/batch/v1/namespaces/{one.namespace}/jobs/{job.name}"
                bodies[path] = _body(job.uid, why)
            else:
                bodies[path_of(one)] = _body(one.uid, why)
        answers = [await self.writer.patch(path, body) for path, body in bodies.items()]
        return all(answer.done or answer.status in GONE for answer in answers)


def _job(pod: Pod | None) -> Owner | None:
    owners = pod.metadata.owner_references if pod is not None else ()
    return next((one for one in owners if one.controller and one.kind == "Job"), None)


def _body(uid: str, why: str) -> dict[str, Any]:
    meta = {"uid": uid, "annotations": {ANNOTATION_REASON: why}}
    return {"metadata": meta, "spec": {"activeDeadlineSeconds": 1}}
