"""Evicts batch pods that the loop gives up, through the Eviction API: budgets and grace are kept.

Always holds: one at a time, and the next only when that one was seen to leave, or `SETTLES_S` have
passed; only a batch pod of this node whose owner did not switch the agent off goes; a wish that is
older than `WISH_S` is forgotten, since the law judges anew by then, and one that a budget refused
gives way to another; every outcome is told.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from qos_controller.adapters.node_pods import LONGEST_GRACE_S, NodePod, classed, grace_s
from qos_controller.app.neighbour.telling import Telling
from qos_controller.app.neighbour.wishing import Wish
from slacktide.clock import Clock
from slacktide.contract import ANNOTATION_AGENT
from slacktide.kube.writing import Writer, Written

WISH_S: Final = 20.0  # the law's own pause after an eviction
SETTLES_S: Final = 5.0
FIRST_BACKOFF_S: Final = 1.0  # after a budget's refusal
GONE: Final = frozenset({404, 409})  # it is not there any more, or another has its name
AGAIN: Final = frozenset({500, 502, 503, 504})  # 429 is a budget's answer

log = structlog.get_logger()


@dataclass(slots=True)
class Evicting:
    """Carries wishes out."""

    find: Callable[[str], NodePod | None]
    changed: asyncio.Event  # set when any pod of the node changes
    writer: Writer  # which takes `AGAIN` for no answer
    telling: Telling
    clock: Clock  # steady
    allowed: bool = True
    memory_grace_s: float = 10.0
    outcomes: Counter[str] = field(default_factory=Counter)
    """evicted, refused (a budget), forbidden (by us), gone, expired, failed."""

    async def run(self, wishes: asyncio.Queue[tuple[float, Wish]]) -> None:
        """Until it is cancelled."""
        while True:
            asked_s, wish = await wishes.get()
            try:
                outcome = await self._carried_out(wish, asked_s, wishes)
            except Exception as why:  # noqa: BLE001  the next wish counts as much
                log.warning("eviction failed", pod=wish.pod, why=f"{type(why).__name__} {why}")
                outcome = "failed"
            self.outcomes[outcome] += 1
            log.warning("eviction", pod=wish.pod, outcome=outcome, why=wish.reason)

    async def _carried_out(
        self, wish: Wish, asked_s: float, others: asyncio.Queue[tuple[float, Wish]]
    ) -> str:
        backoff_s, told = FIRST_BACKOFF_S, False
        while self.clock.now_s() - asked_s < WISH_S and (others.empty() or not told):
            pod = self.find(wish.pod)
            if pod is None or pod.has_ended or pod.is_leaving:
                return "gone"
            if why := self._forbidden(pod):
                self._tell(pod, "Warning", "EvictionForbidden", f"{why}: {wish.reason}")
                return "forbidden"
            written = await self._evict(pod, wish)
            if written.done:
                self._tell(pod, "Warning", "Evicted", _sentence(wish))
                await self._settled(wish.pod)
                return "evicted"
            if written.status in GONE:
                return "gone"
            if not told:
                said = f"not evicted ({written.status} {written.said[:300]}): {_sentence(wish)}"
                self._tell(pod, "Warning", "EvictionRefused", said)
                told = True
            await asyncio.sleep(backoff_s)
            backoff_s *= 2
        return "refused" if told else "expired"

    def _forbidden(self, pod: NodePod) -> str:
        if not self.allowed:
            return "evictions are switched off on this node"
        if pod.is_static or not classed(pod).batch:
            return "it is no batch pod"
        if pod.notes.get(ANNOTATION_AGENT) == "off":
            return "its owner switched the agent off"
        return ""

    async def _evict(self, pod: NodePod, wish: Wish) -> Written:
        options: dict[str, Any] = {"preconditions": {"uid": pod.metadata.uid}}
        most_s = self.memory_grace_s if wish.cause == "memory" else LONGEST_GRACE_S
        given_s = grace_s(pod, most_s=most_s)
        if given_s is not None:
            options["gracePeriodSeconds"] = given_s
        meta = pod.metadata
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": meta.name, "namespace": meta.namespace},
            "deleteOptions": options,
        }
        path = f"/api/v1/namespaces/{meta.namespace}/pods/{meta.name}/eviction"
        return await self.writer.post(path, body)

    async def _settled(self, uid: str) -> None:
        """Returns when the pod is seen to be gone, or leaving takes its time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLES_S):
                while (pod := self.find(uid)) is not None and not pod.has_ended:
                    self.changed.clear()
                    await self.changed.wait()

    def _tell(self, pod: NodePod, kind: str, reason: str, message: str) -> None:
        name = f"{pod.metadata.namespace}/{pod.metadata.name}"
        self.telling.of_pod(pod, "Warning" if kind == "Warning" else "Normal", reason, message)
        self.telling.of_node("Warning", f"Pod{reason}", f"{name}: {message}")


def _sentence(wish: Wish) -> str:
    breaks = "; its gang breaks" if wish.breaks_gang else ""
    lost = f"{wish.work_lost_core_s:.0f} core-s of work are lost"
    return f"online needs the node ({wish.cause}); {lost}{breaks}: {wish.reason}"
