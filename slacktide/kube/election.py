"""Holds a Lease object at the API server, by the rule of `lease`.

A second process waits; it takes over when the first stopped renewing, or at once when the first
said goodbye. Losing is an exception, so the loser's process ends before it writes again.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import structlog

from slacktide.clock import Clock
from slacktide.kube.lease import DURATION_S, RENEWALS, Held, Step, Watcher

SOON_S: Final = 0.05

log = structlog.get_logger()


class LeaseLost(Exception):  # noqa: N818  named for what happened
    """Another process holds the lease now, or it could not be renewed in time."""


class Election:
    """One process' claim to one Lease."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        namespace: str,
        name: str,
        me: str,
        clock: Clock,
        duration_s: float = DURATION_S,
    ) -> None:
        """`clock` must not jump: use a monotonic one. `duration_s` is in whole seconds."""
        self._duration_s, self._renew_every_s = duration_s, duration_s / RENEWALS
        self._client, self._clock, self._watcher = client, clock, Watcher(me)
        self._all = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._path, self._name = f"{self._all}/{name}", name

    def may_write(self) -> bool:
        """Whether a write may be sent now."""
        return self._watcher.may_write(self._clock.now_s())

    @property
    def epoch(self) -> int:
        """How often the lease changed hands: greater for each holder than for the one before."""
        return self._watcher.seen.transitions if self._watcher.seen is not None else 0

    async def seen(self) -> None:
        """Begins to wait for the holder's silence, without a claim."""
        try:
            await self._read()
        except httpx.HTTPError as why:
            log.warning("lease not reached", lease=self._name, why=str(why))

    async def won(self) -> None:
        """Returns when this process holds the lease."""
        while not self.may_write():
            await self._try_once()
            if not self.may_write():
                left_s = self._watcher.left_s(self._clock.now_s()) or self._renew_every_s
                await asyncio.sleep(min(self._renew_every_s, left_s + SOON_S))

    async def hold(self) -> None:
        """Renews for ever.

        Raises:
            LeaseLost: when it is another's now, or could not be renewed while it was ours.
        """
        while True:
            await asyncio.sleep(self._renew_every_s)
            await self._try_once()
            if not self.may_write():
                raise LeaseLost(f"{self._name}: {self._why_not()}")

    async def give_up(self) -> None:
        """Lets the next take over at once; say it only when nothing will be written any more."""
        held = self._watcher.seen
        if self.may_write() and held is not None:
            self._watcher = Watcher(self._watcher.me)
            await self._client.put(self._path, json=self._body("", held))

    def _why_not(self) -> str:
        holder = self._watcher.seen.holder if self._watcher.seen else "nobody"
        return "not renewed in time" if holder == self._watcher.me else f"held by {holder}"

    async def _try_once(self) -> None:
        try:
            await self._read()
            step = self._watcher.step(self._clock.now_s())
            if step is not Step.WAIT:
                await self._claim(step)
        except httpx.HTTPError as why:
            log.warning("lease not reached", lease=self._name, why=str(why))

    async def _read(self) -> None:
        answer = await self._client.get(self._path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            held = None
        else:
            held = _held(answer.raise_for_status().json())
        self._watcher = self._watcher.saw(held, self._clock.now_s())

    async def _claim(self, step: Step) -> None:
        sent_s = self._clock.now_s()
        body = self._body(self._watcher.me, self._watcher.seen)
        if step is Step.CREATE:
            answer = await self._client.post(self._all, json=body)
        else:
            answer = await self._client.put(self._path, json=body)
        if answer.status_code == httpx.codes.CONFLICT:
            return  # another was faster; the next read tells who
        held = _held(answer.raise_for_status().json())
        self._watcher = self._watcher.won(held, sent_s=sent_s, now_s=self._clock.now_s())

    def _body(self, holder: str, seen: Held | None) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        changed = seen is None or seen.holder != holder
        transitions = 0 if seen is None else seen.transitions + changed
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "resourceVersion": seen.version if seen else ""},
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": int(self._duration_s),
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        }


def _held(lease: dict[str, Any]) -> Held:
    spec = lease.get("spec", {})
    return Held(
        holder=spec.get("holderIdentity") or "",
        version=lease["metadata"]["resourceVersion"],
        transitions=int(spec.get("leaseTransitions") or 0),
        duration_s=float(spec.get("leaseDurationSeconds") or DURATION_S),
    )
