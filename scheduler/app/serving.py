"""The scheduler's process: what is there now, rounds of planning, and the extender, in one loop.

    pods, nodes --reflector--> board --round--> assumed --commits--> API server
                                 |                                       |
                                 '--> Places --> extender <-- kube-scheduler

Every process mirrors the cluster and answers the extender's calls by what is written on pods; only
the one that holds the lease plans and writes. Losing the lease ends the process.

Always holds: nothing is planned before pods and nodes were listed whole; planning goes on beside
the extender's answers, never instead of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx
import structlog

from scheduler.adapters.asking import ReadRules
from scheduler.adapters.board import Board
from scheduler.adapters.group_mirrors import GROUPS, GroupMirrors
from scheduler.adapters.queue_tree import Queues
from scheduler.app.claims import ClaimSettings
from scheduler.app.committing import AT_ONCE, Commits
from scheduler.app.extender_server import Extender
from scheduler.app.front import Front, answering
from scheduler.app.lives import Lives
from scheduler.app.notices import PER_S, Notices
from scheduler.app.outcome import Outcome
from scheduler.app.replanning import Replanning
from scheduler.app.rounds import Rounds
from scheduler.app.scheduler_metrics import SchedulerMetrics
from scheduler.app.upkeep import Upkeep
from scheduler.app.withdrawing import Patience
from scheduler.core.lifecycle import LifecycleSettings
from slacktide.clock import SteadyClock, WallClock
from slacktide.kube.cache import Cache, Change
from slacktide.kube.connection import Connection
from slacktide.kube.election import Election
from slacktide.kube.lanes import Requests, lanes
from slacktide.kube.objects import Node, Pod
from slacktide.kube.reading import Resource
from slacktide.kube.reflector import Reflector
from slacktide.kube.writing import Writer

CONNECTIONS: Final = 24
TICK_S: Final = 0.5  # patience is looked at this often
LEASE: Final = "slacktide-scheduler"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Serving:
    """How one process runs."""

    me: str
    namespace: str = "default"  # of the lease
    host: str = "127.0.0.1"
    port: int = 8082
    health_port: int | None = None  # of all addresses
    direct: bool = False
    nominate: bool = False
    every_s: float = 0.1  # rounds are no closer together
    window_s: float = 20.0
    lease_s: float = 7.0
    writes_per_s: float = 1_000.0
    claims: ClaimSettings = field(default_factory=ClaimSettings)
    lives: LifecycleSettings = field(default_factory=LifecycleSettings)


class Scheduler:
    """One process."""

    def __init__(self, client: httpx.AsyncClient, writes: Requests, serving: Serving) -> None:
        self._serving, self._steady, self._wall = serving, SteadyClock(), WallClock()
        self._changed, self._took_s = asyncio.Event(), 0.0  # the last round
        self.metrics = SchedulerMetrics()
        self._election = Election(
            client,
            namespace=serving.namespace,
            name=LEASE,
            me=serving.me,
            clock=self._steady,
            duration_s=serving.lease_s,
        )
        self._mirror(client)
        self._plan()
        self._write(client, writes)

    def _mirror(self, client: httpx.AsyncClient) -> None:
        """What is there."""
        self.board, self._held = Board(), Cache[Pod]()
        self._pods = Reflector(
            client,
            Resource("/api/v1/pods", Pod),
            self._held,
            clock=self._steady,
            deliver=self._pods_changed,
        )
        self._nodes = Reflector(
            client,
            Resource("/api/v1/nodes", Node),
            Cache[Node](),
            clock=self._steady,
            deliver=lambda changes: self._wake(concerned=self.board.nodes_changed(changes)),
        )
        self._groups = GroupMirrors(client, clock=self._steady, changed=self._object_changed)

    def _plan(self) -> None:
        """Who decides by it."""
        pod_of, groups = self._held.get, self._groups.groups
        self._lives = Lives(self.board, pod_of, groups, self._serving.lives)
        self._rounds = Rounds(
            self.board,
            Queues(),
            pod_of=pod_of,
            groups=groups,
            lives=self._lives,
            read=ReadRules(self._groups.bound),
            run=self._serving.me.rpartition("-")[2],
        )
        self._replanning = Replanning(self.board, self._steady, self._rounds.refused.__setitem__)

    def _write(self, client: httpx.AsyncClient, writes: Requests) -> None:
        """Who writes what was decided, and says why."""
        serving, steady, may_write = self._serving, self._steady, self._election.may_write
        per_s = serving.writes_per_s
        writer = Writer(
            writes, clock=steady, per_s=per_s, burst=int(2 * per_s), may_write=may_write
        )
        self._commits = Commits(
            self.board,
            self._held,
            client,
            writer,
            steady,
            refuse=self._rounds.refused.__setitem__,
            direct=serving.direct,
            nominate=serving.nominate,
        )
        self._patience = Patience(self.board, client, writer, steady, window_s=serving.window_s)
        few = Writer(client, clock=steady, per_s=PER_S, burst=int(PER_S), may_write=may_write)
        self._notices = Notices(self.board, self._held, few, serving.me)
        self._upkeep = Upkeep(
            client,
            self._groups,
            self._rounds,
            self._notices,
            self._patience.copied,
            clocks=(steady, self._wall),
            may_write=may_write,
            heard=lambda: (self._pods.heard_s, self._nodes.heard_s),
            settings=serving.claims,
        )

    async def run(self) -> None:
        """Until it is cancelled.

        Raises:
            LeaseLost: when another process decides now.
        """
        front = Front(
            Extender(self.board.places, self._commits.bind), self.metrics.page, self._is_ready
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pods.run())
            group.create_task(self._nodes.run())
            group.create_task(self._groups.run())
            at = self._serving
            group.create_task(answering(front, host=at.host, port=at.port))
            if at.health_port is not None:
                alone = front.health_alone()
                group.create_task(answering(alone, host="", port=at.health_port))
            await self._election.seen()
            await self._pods.synced.wait()
            await self._nodes.synced.wait()
            await self._groups.synced()
            gc.freeze()  # what was listed stays: looking it all over for garbage takes a second
            await self._won(group)
            try:
                group.create_task(self._election.hold())
                group.create_task(self._commits.run())
                group.create_task(self._notices.run())
                await self._decide(group)
            finally:
                await asyncio.shield(self._election.give_up())

    async def _won(self, group: asyncio.TaskGroup) -> None:
        """Until this process decides it keeps up with what is there, so as to begin at once."""
        won = group.create_task(self._election.won())
        while not won.done():
            await self._rounds.look_in_turns(now_s=self._wall.now_s())
            await asyncio.wait([won], timeout=TICK_S)

    def _is_ready(self) -> bool:
        return self._pods.synced.is_set() and self._nodes.synced.is_set()

    def _object_changed(self, kind: str, namespace: str, name: str) -> None:
        if kind == "queues":
            self._rounds.queues_changed(self._groups.queues())
            self._changed.set()
        elif kind == "forecasts":
            self.board.forecasts.take(name, self._groups.forecast(name))
            self._changed.set()
        elif kind in GROUPS:
            known = self._lives.group_changed(namespace, name)
            self._wake(concerned=self.board.group_changed(namespace, name) or known)

    def _pods_changed(self, changes: Sequence[Change[Pod]]) -> None:
        self._wake(concerned=self.board.pods_changed(changes))
        self._commits.flow()

    def _wake(self, *, concerned: bool) -> None:
        if concerned:
            self._changed.set()

    async def _decide(self, group: asyncio.TaskGroup) -> None:
        self._rounds.begin(epoch=self._election.epoch, now_s=self._wall.now_s())
        self._patience.inherit([g for g, s in self._rounds.standings.items() if s.partly])
        self._upkeep.begin()
        group.create_task(self._upkeep.run())
        log.warning("deciding", me=self._serving.me, epoch=self._election.epoch)
        while True:
            self._changed.clear()
            await self._round()
            # Half of the time at most, however many wait: who answers shares the interpreter.
            await asyncio.sleep(max(self._serving.every_s, self._took_s))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._changed.wait()

    async def _round(self) -> None:
        begun_s = self._steady.now_s()
        if self._serving.nominate:
            self._replanning.look()
        outcome = await self._rounds.once(now_s=self._wall.now_s(), steady_s=begun_s)
        self._commits.send([[one.uid for one in placed.members] for placed in outcome.placed])
        self._commits.send_again()
        self._notices.of_round(outcome)
        for gang in await self._patience.look(self._rounds.standings):
            self._notices.of_withdrawn(gang)
            self._lives.lost(gang, "it was bound in part for too long")
        self._upkeep.after_round()
        self._took_s = self._steady.now_s() - begun_s
        self._measure(outcome)

    def _measure(self, outcome: Outcome) -> None:
        self.metrics.forecasts(self.board.forecasts.by_rung(now_s=self._wall.now_s()))
        self.metrics.round(
            asked=outcome.asked,
            placed=len(outcome.placed),
            tasks=len(self.board),
            assumed=len(self.board.assumed),
            withdrawn=self._patience.withdrawn,
            written=self._commits.written,
            evicted=self._upkeep.evicting.evicted,
            took_s=self._took_s,
        )


async def run_scheduler(connection: Connection, serving: Serving) -> None:
    """Runs one process until it is cancelled."""
    async with (
        connection.client(connections=CONNECTIONS) as client,
        lanes(connection, AT_ONCE) as writes,
    ):
        await Scheduler(client, writes, serving).run()


def fresh_identity() -> str:
    """A name that no other process has, and not this one's next run either."""
    return f"{socket.gethostname()}-{os.getpid()}-{time.time_ns():x}"
