"""Evicts pods: asked first, marked, copied where nobody makes them anew, then evicted.

    asked      a dry run of every eviction: the server judges budgets for disruptions
    marked     why, on each pod, before it goes: for people, and for a planner that takes over
    copied     a pod that nobody owns gets a successor that counts once it is gone (`copying`)
    evicted    through the eviction subresource, with the pod's UID

Always holds: nobody is evicted where the dry run of any of them is refused; a pod is evicted at
most once, since every step names its UID; of a pod that stays, mark and copy are taken back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog

from scheduler.adapters.board import Board
from scheduler.adapters.copying import copy_name
from scheduler.adapters.release import annotated
from scheduler.app.committing import path_of
from scheduler.core.member import Member, Stage
from scheduler.core.ways_in.shape import Key
from slacktide.contract import ANNOTATION_EVICTION, ANNOTATION_GRACE, ANNOTATION_REASON
from slacktide.durations import parse_duration_s
from slacktide.kube.objects import Pod
from slacktide.kube.writing import JSON, Writer, Written

AT_ONCE: Final = 8
LONGEST_GRACE_S: Final = 3_600
GONE: Final = frozenset({404, 409})  # it is not there any more, or another has its name

PodOf = Callable[[str], Pod | None]

log = structlog.get_logger()


class Mark(msgspec.Struct, frozen=True, rename="camel"):
    """What stands on a pod that is about to be evicted."""

    gang: tuple[str, str, str]  # for which room is made
    at_s: int


_MARK: Final = msgspec.json.Decoder(Mark)


def mark_of(pod: Pod | None) -> Mark | None:
    """The mark of a pod; None where there is none, or none of ours."""
    text = (pod.metadata.annotations or {}).get(ANNOTATION_EVICTION) if pod is not None else None
    if not text or len(text) > 1_024:
        return None
    try:
        return _MARK.decode(text)
    except msgspec.DecodeError:
        return None


@dataclass(slots=True)
class Evicting:
    """Carries evictions out."""

    board: Board
    pod_of: PodOf
    writer: Writer  # which takes a refusal (429) for an answer
    copied: Callable[[Member], Awaitable[bool]]
    evicted: int = 0
    refused: int = 0

    async def may_go(self, members: Sequence[Member]) -> str:
        """Empty where the server would evict each of them, else why not."""
        answers = await self._each(members, lambda one: self._evict(one, dry_run=True))
        said = [one.said for one in answers if not one.done and one.status not in GONE]
        return said[0] or "refused" if said else ""

    async def take(self, members: Sequence[Member], *, gang: Key, why: str, now_s: float) -> None:
        """Marks, copies and evicts those that are still there."""
        mark = Mark((gang.source, gang.namespace, gang.name), int(now_s))
        await self._each(members, lambda one: self._taken(one, mark, why))

    async def leave(self, members: Sequence[Member]) -> None:
        """Those that are still there may stay after all."""
        there = [one for one in members if self.still_runs(one)]
        await self._each(there, self._unmarked)

    def still_runs(self, one: Member) -> bool:
        """Whether it is bound and not on its way out."""
        now = self.board.member(one.uid)
        return now is not None and now.stage is Stage.BOUND

    async def _taken(self, one: Member, mark: Mark, why: str) -> Written:
        pod = self.pod_of(one.uid)
        if pod is None or not self.still_runs(one):
            return Written(404)
        marked = await self._marked(one, pod, mark, why)
        if not marked.done:
            return marked
        if not one.owned and not await self.copied(one):
            return Written(0, "it could not be copied")
        written = await self._evict(one, dry_run=False)
        if written.done:
            self.evicted += 1
            log.warning("evicted", pod=f"{one.namespace}/{one.name}", why=why)
        elif written.status not in GONE:
            self.refused += 1
        return written

    async def _marked(self, one: Member, pod: Pod, mark: Mark, why: str) -> Written:
        text = msgspec.json.encode(mark).decode()
        there = pod.metadata.annotations or {}
        if there.get(ANNOTATION_EVICTION) == text:
            return Written(200)
        notes = {**there, ANNOTATION_EVICTION: text, ANNOTATION_REASON: why}
        operations: list[dict[str, Any]] = [_same(one)]
        if there:
            for name in (ANNOTATION_EVICTION, ANNOTATION_REASON):
                operations += annotated(pod, name, notes[name])
        else:
            operations.append({"op": "add", "path": "/metadata/annotations", "value": notes})
        return await self.writer.patch(path_of(one), operations, kind=JSON)

    async def _unmarked(self, one: Member) -> Written:
        if not one.owned:
            copy = path_of(one).rpartition("/")[0] + "/" + copy_name(one.name, one.uid)
            await self.writer.delete(copy)
        pod = self.pod_of(one.uid)
        there = (pod.metadata.annotations or {}) if pod is not None else {}
        gone = [name for name in (ANNOTATION_EVICTION, ANNOTATION_REASON) if name in there]
        operations = [{"op": "remove", "path": f"/metadata/annotations/{_key(n)}"} for n in gone]
        return await self.writer.patch(path_of(one), [_same(one), *operations], kind=JSON)

    async def _evict(self, one: Member, *, dry_run: bool) -> Written:
        options: dict[str, Any] = {"preconditions": {"uid": one.uid}}
        grace_s = _grace_s(self.pod_of(one.uid))
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        if dry_run:
            options["dryRun"] = ["All"]
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": one.name, "namespace": one.namespace},
            "deleteOptions": options,
        }
        query = "?dryRun=All" if dry_run else ""
        return await self.writer.post(f"{path_of(one)}/eviction{query}", body)

    async def _each(
        self, members: Sequence[Member], act: Callable[[Member], Awaitable[Written]]
    ) -> list[Written]:
        turns = asyncio.Semaphore(AT_ONCE)

        async def one_by_one(one: Member) -> Written:
            async with turns:
                return await act(one)

        return list(await asyncio.gather(*map(one_by_one, members)))


def _same(one: Member) -> dict[str, Any]:
    return {"op": "test", "path": "/metadata/uid", "value": one.uid}


def _key(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _grace_s(pod: Pod | None) -> int | None:
    """As its owner says it takes to save the work; None: as the pod's own grace period."""
    text = (pod.metadata.annotations or {}).get(ANNOTATION_GRACE) if pod is not None else None
    try:
        return min(int(parse_duration_s(text)), LONGEST_GRACE_S) if text else None
    except ValueError:
        return None
