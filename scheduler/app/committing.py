"""Writes what was decided: one patch a task, or one binding, until the API server says it is so.

Gangs go in their order, a few at a time where kube-scheduler binds them (`flow`). What is assumed
and not read back yet is sent, many at once and again after a while where there was no answer. So an
API server that was away, a lost answer and a task that is gone by now are one case each:

    written                 wait for the watch to say so
    no answer               again later; the room stays held meanwhile
    it is there already     compared with what was wanted: same node and plan, or dropped
    refused                 dropped, and its task is not asked for again for a while

Always holds: nothing is sent for a task that is not assumed any more, nor for a node that is gone.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx
import msgspec
import structlog

from scheduler.adapters.board import Board
from scheduler.adapters.release import binding, nomination, release
from scheduler.core.extender import WAITS, Binding
from scheduler.core.flow import to_let_go
from scheduler.core.member import Decision, Member, Stage, decision_of
from scheduler.core.ways_in.shape import Key
from slacktide.clock import Clock
from slacktide.contract import ANNOTATION_DECISION
from slacktide.kube.cache import Cache
from slacktide.kube.objects import Pod
from slacktide.kube.writing import JSON, Writer, Written

AT_ONCE: Final = 16
UNREAD_S: Final = 5.0  # after a write: as long as the watch may take to tell of it
SWEEP_S: Final = 1.0  # what needs sending again is looked for this often
ON_WAY_S: Final = 3.0  # what takes longer is stuck, and keeps nobody else
REFUSED_S: Final = 5.0  # a refused task is not asked for again sooner

OK: Final = 200
UNKNOWN: Final = (0, 429)  # no answer, or a server that asks for patience
SERVER_FAILED: Final = 500

KINDS: Final = ("patch", "bind", "refused")

_POD: Final = msgspec.json.Decoder(Pod)

log = structlog.get_logger()


@dataclass(slots=True)
class Commits:
    """The writer's desk."""

    board: Board
    pods: Cache[Pod]
    client: httpx.AsyncClient
    writer: Writer
    clock: Clock
    refuse: Callable[[str, float], None]  # (UID, until)
    direct: bool = False  # bind what needs no kube-scheduler
    nominate: bool = False  # the node, instead of pinning the pod to it
    written: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    _line: deque[tuple[str, ...]] = field(default_factory=deque)  # gangs that were not let go yet
    _on_way_s: dict[str, float] = field(default_factory=dict)  # UID -> since when, until bound
    _due: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    _again_s: dict[str, float] = field(default_factory=dict)  # UID -> not to be sent before
    _swept_s: float = float("-inf")  # when all was last looked at

    def send(self, gangs: Iterable[Sequence[str]]) -> None:
        """These were decided now, each by the UIDs of its tasks."""
        for uids in gangs:
            self._again_s.update(dict.fromkeys(uids, float("inf")))
            self._line.append(tuple(uids))
        self.flow()

    def flow(self) -> None:
        """Lets the next gangs go, as far as those on their way leave room."""
        if not self._line:
            return
        now_s, still = self.clock.now_s(), self.board.released
        self._on_way_s = {
            uid: s for uid, s in self._on_way_s.items() if uid in still and s > now_s - ON_WAY_S
        }
        count = len(self._line)
        if not self.direct:  # there the order of the binds is that of the line
            count = to_let_go(len(self._on_way_s), map(len, self._line))
        for _ in range(count):
            for uid in self._line.popleft():
                self._on_way_s[uid] = now_s
                self._due.put_nowait(uid)

    def send_again(self) -> None:
        """Whatever is assumed for longer than it takes to be read back."""
        now_s = self.clock.now_s()
        if now_s >= self._swept_s + SWEEP_S:
            self._swept_s = now_s
            due = self.board.released if self.direct else self.board.assumed
            self._again_s = {uid: s for uid, s in self._again_s.items() if uid in due}
            self.send(self._by_gang(u for u in due if self._again_s.get(u, 0.0) <= now_s))
        self.flow()

    def _by_gang(self, uids: Iterable[str]) -> list[list[str]]:
        gangs = defaultdict[Key, list[str]](list)
        for uid in uids:
            one = self.board.member(uid)
            if one is not None:
                gangs[one.gang].append(uid)
        return list(gangs.values())

    async def run(self) -> None:
        """Sends for ever."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._worker())

    async def _worker(self) -> None:
        while True:
            uid = await self._due.get()
            await self._one(uid)
            self._again_s[uid] = self.clock.now_s() + UNREAD_S

    async def _one(self, uid: str) -> None:
        member, pod = self.board.member(uid), self.pods.get(uid)
        decision = member.decision if member is not None else None
        if member is None or decision is None or pod is None or member.stage is not Stage.RELEASED:
            return
        if decision.node not in self.board.nodes:
            self.board.drop(uid)
            return
        written = await self._sent(pod, member, decision)
        if written.done or written.status in UNKNOWN or written.status >= SERVER_FAILED:
            return
        bound = self.direct and member.plain
        if not await self._is_so(member, decision, bound=bound):
            self.written["refused"] += 1
            log.warning("refused", pod=f"{member.namespace}/{member.name}", why=written.said)
            self.refuse(uid, self.clock.now_s() + REFUSED_S)
            self.board.drop(uid)

    async def bind(self, asked: Binding) -> str:
        """Binds for kube-scheduler what was planned so; empty, or why not."""
        member = self.board.member(asked.uid)
        if member is None or member.decision is None:
            return WAITS
        written = await self._bound(member, member.decision)
        if written.done or await self._is_so(member, member.decision, bound=True):
            return ""
        return written.said or "not bound"

    async def _sent(self, pod: Pod, member: Member, decision: Decision) -> Written:
        at_once = self.direct and member.plain
        assumed = member.uid in self.board.assumed  # not read back: the patch may be missing yet
        if not at_once or (member.gated and assumed):
            if not assumed:
                return Written(OK)
            written = await self._patched(pod, member, decision, pin=not at_once)
            if not at_once or not written.done:
                return written
        return await self._bound(member, decision)

    async def _bound(self, member: Member, decision: Decision) -> Written:
        self.written["bind"] += 1
        return await self.writer.post(f"{path_of(member)}/binding", binding(member, decision))

    async def _patched(self, pod: Pod, member: Member, decision: Decision, *, pin: bool) -> Written:
        self.written["patch"] += 1
        if self.nominate:
            status = nomination(member, decision)
            written = await self.writer.patch(f"{path_of(member)}/status", status, kind=JSON)
            if not written.done:
                return written
        operations = release(pod, member, decision, pin=pin and not self.nominate)
        return await self.writer.patch(path_of(member), operations, kind=JSON)

    async def _is_so(self, member: Member, decision: Decision, *, bound: bool) -> bool:
        """Whether the API server has it as wanted already. No answer counts as so, for now."""
        try:
            answer = await self.client.get(path_of(member))
        except httpx.HTTPError:
            return True
        if answer.status_code == httpx.codes.NOT_FOUND:
            return False
        if not answer.is_success:
            return True
        found = _POD.decode(answer.content)
        if found.metadata.uid != member.uid:
            return False
        if found.spec.node_name or bound:
            return found.spec.node_name == decision.node
        there = decision_of((found.metadata.annotations or {}).get(ANNOTATION_DECISION))
        return there is not None and there.plan == decision.plan


def path_of(member: Member) -> str:
    """Where its pod is found."""
    return f"/api/v1/namespaces/{member.namespace}/pods/{member.name}"
