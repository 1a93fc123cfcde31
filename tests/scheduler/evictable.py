"""A server's side of evictions, for tests of who decides them: it answers and it changes the pods.

tests/cluster/test_lifecycle_real.py holds the same behaviour against the real one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec

from scheduler.app.claims import Claim, Claims, ClaimSettings
from scheduler.app.evicting import Evicting
from scheduler.core.member import Member
from slacktide.kube.budgets import Budget
from slacktide.kube.objects import Meta, Node, Pod
from slacktide.kube.queues import Amounts, Queue, QueueSpec
from slacktide.kube.writing import Writer
from slacktide.testing.clock import VirtualClock
from tests.scheduler.boards import NOW_S, Planner


@dataclass
class Door:
    """What a writer's client does: pods by path, and whom a budget keeps."""

    planner: Planner
    kept: set[str] = field(default_factory=set)  # names the budget keeps
    slow: bool = False  # evicted pods stay on their way out
    asked: list[str] = field(default_factory=list)  # dry runs, by name
    evicted: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    patched: list[tuple[str, Any]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)

    async def request(
        self, method: str, url: str, *, content: bytes | None, headers: Mapping[str, str]
    ) -> httpx.Response:
        del headers
        await asyncio.sleep(0)
        body = msgspec.json.decode(content) if content else None
        name = url.split("/pods/")[1].split("/", maxsplit=1)[0].split("?", maxsplit=1)[0]
        if method == "PATCH":
            self.patched.append((name, body))
            return httpx.Response(200)
        if method == "DELETE":
            self.deleted.append(name)
            return httpx.Response(200)
        if name in self.kept:
            return httpx.Response(429, json={"message": "it would violate the pod's budget"})
        self._evict(name, body or {}, dry_run=url.endswith("dryRun=All"))
        return httpx.Response(201)

    def _evict(self, name: str, body: dict[str, Any], *, dry_run: bool) -> None:
        if dry_run:
            self.asked.append(name)
            return
        self.evicted.append(name)
        self.bodies.append(body)
        pod = self.planner.pods[f"uid-{name}"]
        if self.slow:
            meta = msgspec.structs.replace(pod.metadata, deletion_timestamp="2026-01-01T01:00:00Z")
            self.planner.sees(msgspec.structs.replace(pod, metadata=meta))
        else:
            self.planner.gone(pod)


class Contested:
    """A planner with claims, over pods that a test holds."""

    def __init__(
        self,
        nodes: list[Node],
        pods: list[Pod],
        *,
        guaranteed: Mapping[str, int],
        budgets: tuple[Budget, ...] = (),
        **settings: Any,
    ) -> None:
        self.planner = Planner(nodes, pods)
        self.planner.rounds.queues_changed(
            [
                Queue(Meta(name=name), QueueSpec(guaranteed=Amounts(cpu=cores)))
                for name, cores in guaranteed.items()
            ]
        )
        self.door = Door(self.planner)
        self.steady, self.wall = VirtualClock(100.0), VirtualClock(NOW_S)
        self.copied: list[str] = []
        self.told: list[Claim] = []
        self.is_fresh = True
        writer = Writer(self.door, clock=self.steady, per_s=1e6, burst=10**6, again=frozenset())
        evicting = Evicting(self.planner.board, self.planner.pods.get, writer, self._copy)
        self.claims = Claims(
            self.planner.board,
            self.planner.rounds,
            self.planner.lives,
            evicting,
            budgets=lambda: budgets,
            fresh=lambda: self.is_fresh,
            told=lambda claim, _: self.told.append(claim),
            steady=self.steady,
            wall=self.wall,
            settings=ClaimSettings(**{"after_s": 0.0, "per_minute": 1_000} | settings),
        )

    def round(self, *, after_s: float = 0.0) -> set[str]:
        """Time passes, then a round and a look. Returns who was placed."""
        self.steady.advance(after_s)
        self.wall.advance(after_s)

        async def both() -> set[str]:
            outcome = await self.planner.rounds.once(
                now_s=self.wall.now_s(), steady_s=self.steady.now_s()
            )
            await self.claims.look()
            return {one.name for placed in outcome.placed for one in placed.members}

        return asyncio.run(both())

    async def _copy(self, one: Member) -> bool:
        self.copied.append(one.name)
        return True
