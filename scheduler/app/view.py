"""The scheduler as somebody sees it who only looks: the same mirrors, the same cores, no writes.

    pods, nodes, groups --reflectors--> board --dry round--> answers --> picture

It needs no more than its user's own rights to list and watch. What may not be read is said and the
rest is told; without nodes, or with the pods of one namespace only, the planner cannot be asked,
and what it wrote on the pods itself takes the place of its answer.

Always holds: nothing is assumed and nothing is written; a picture is of one moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import httpx
import numpy as np

from scheduler.adapters.asking import Asking, ReadRules, asking, ground, rows_of
from scheduler.adapters.board import Board
from scheduler.adapters.group_mirrors import GROUPS, KINDS, OF_THE_PLANNER, GroupMirrors
from scheduler.adapters.planner_lease import planner_of
from scheduler.adapters.queue_tree import Queues
from scheduler.app.lives import Lives
from scheduler.app.reaching import NO_PODS, whence
from scheduler.app.rounds import Rounds
from scheduler.core.answers import DryRound
from scheduler.core.fit import Room
from scheduler.core.foresee import NEVER, NOBODY, Starts, foreseen
from scheduler.core.gang_facts import Answer, Cause, GangFact, gang_fact, in_reading_order
from scheduler.core.member import Member
from scheduler.core.members import Gang, gangs_of
from scheduler.core.picture import (
    Picture,
    PlannerFact,
    cluster_fact,
    decision_facts,
    node_facts,
)
from scheduler.core.plan import plan
from scheduler.core.queue_facts import Holdings, queue_facts, turns_of
from scheduler.core.reserve import Reservation
from scheduler.core.snapshot import NodeColumns, RunningColumns, Snapshot
from scheduler.core.ways_in.shape import Key
from slacktide.clock import SteadyClock, WallClock
from slacktide.contract import ANNOTATION_REASON, ANNOTATION_RESERVED
from slacktide.errors import BadInput
from slacktide.kube.cache import Cache, Change
from slacktide.kube.objects import Meta, Node, Pod
from slacktide.kube.queues import Queue
from slacktide.kube.reading import SILENCE_S, Resource
from slacktide.kube.reflector import Reflector
from slacktide.messages import IntArray

PODS: Final = "/api/v1/pods"
NODES: Final = "/api/v1/nodes"
MOST_REASONS: Final = 300
MILLI: Final = 1_000.0
_NEEDED: Final = {
    "queues": "queues may not be listed: of each nothing but its name is known, from gangs",
    "forecasts": "NodeForecasts may not be listed: nodes are taken to sell all that they hold",
    "volumes": "volumes may not be listed: nodes that cannot reach them are not left out",
    "claims": "volume claims may not be listed: nodes that cannot reach them are not left out",
}
_KINDS: Final = {
    "native": "PodGroups of scheduling.k8s.io",
    "coscheduling": "PodGroups of scheduling.x-k8s.io",
    "volcano": "PodGroups of Volcano",
    "jobs": "Jobs",
    "jobsets": "JobSets",
    "ray_clusters": "RayClusters",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """How much of a picture is wanted."""

    most_reasons: int = MOST_REASONS
    about: Callable[[Key], bool] = lambda _: True  # whose sentences are read
    starts: bool = True  # foresee them


class View:
    """What there is, kept true while `run` runs."""

    def __init__(self, client: httpx.AsyncClient, *, namespace: str = "") -> None:
        """`namespace`: looked at where all namespaces may not be."""
        self._client, self._namespace = client, namespace
        self._wall, self._steady = WallClock(), SteadyClock()
        self.board, self.pods = Board(), Cache[Pod]()
        self.changed = asyncio.Event()
        self._mirrors = GroupMirrors(
            client,
            clock=self._steady,
            changed=self._object_changed,
            namespace=namespace,
            kinds=KINDS.keys() - OF_THE_PLANNER,
        )
        self.groups = self._mirrors.groups
        self._queues = Queues()
        self.rounds = Rounds(
            self.board,
            self._queues,
            pod_of=self.pods.get,
            groups=self.groups,
            read=ReadRules(self._mirrors.bound),
            lives=Lives(self.board, self.pods.get, self.groups),
            run="view",
        )
        self._listed = asyncio.Event()
        self._unseen: list[str] = []
        self._may_ask = True
        self._begun = False
        self._reflectors: tuple[Reflector[Pod] | Reflector[Node], ...] = ()
        self._planner: PlannerFact | None = None
        self._no_planner = ""

    async def run(self) -> None:
        """For ever.

        Raises:
            BadInput: when the server cannot be reached, or lets nothing useful be seen.
        """
        pods = await whence(self._client, PODS, self._namespace)
        if not pods:
            raise BadInput(NO_PODS)
        nodes = await whence(self._client, NODES, self._namespace)
        if pods != PODS:
            self.cannot_ask(f"pods outside namespace {self._namespace} may not be listed")
        if not nodes:
            self.cannot_ask("nodes may not be listed: the planner's own last words are shown")
        of_pods = Reflector(
            self._client,
            Resource(pods, Pod),
            self.pods,
            clock=self._steady,
            deliver=self.pods_changed,
        )
        of_nodes = Reflector(
            self._client,
            Resource(NODES, Node),
            Cache[Node](),
            clock=self._steady,
            deliver=self.nodes_changed,
        )
        self._reflectors = (of_pods, of_nodes) if nodes else (of_pods,)
        async with asyncio.TaskGroup() as group:
            group.create_task(of_pods.run())
            group.create_task(self._mirrors.run())
            await of_pods.synced.wait()
            if nodes:
                group.create_task(of_nodes.run())
                await of_nodes.synced.wait()
            await self._mirrors.synced()
            await self.look_for_planner()
            self._listed.set()

    async def listed(self) -> None:
        """Returns when everything that may be read was read once."""
        await self._listed.wait()

    async def look_for_planner(self) -> None:
        """Reads the planner's lease again."""
        try:
            found = await planner_of(self._client, now_s=self._wall.now_s())
        except httpx.HTTPError as why:
            found = None, f"whether a planner runs could not be read: {type(why).__name__}"
        self._planner, self._no_planner = found

    def picture(self, wish: Wish | None = None, *, now_s: float | None = None) -> Picture:
        """Everything as it is now."""
        wish, now_s = wish or Wish(), self._wall.now_s() if now_s is None else now_s
        dry = self.dry_round(now_s=now_s, starts=wish.starts)
        facts = self._gang_facts(dry, wish, now_s=now_s)
        columns = self.board.node_columns(None, now_s=now_s)
        held = self._holdings(columns)
        members = list(self.members())
        nodes = node_facts(columns, members)
        return Picture(
            at_s=now_s,
            cluster=cluster_fact(nodes, facts, members),
            queues=queue_facts(held, facts),
            gangs=tuple(in_reading_order(facts, turns_of(held, facts))),
            nodes=nodes,
            decisions=decision_facts(members),
            planner=self._planner,
            unseen=self.unseen(),
        )

    def cannot_ask(self, why: str) -> None:
        """The planner goes by more than may be read here."""
        self._may_ask = False
        self._unseen.append(why)

    def pods_changed(self, changes: Sequence[Change[Pod]]) -> None:
        """Takes what a reflector delivers."""
        self.board.pods_changed(changes)
        self.changed.set()

    def nodes_changed(self, changes: Sequence[Change[Node]]) -> None:
        """Takes what a reflector delivers."""
        self.board.nodes_changed(changes)
        self.changed.set()

    def members(self) -> Iterable[Member]:
        """Every task."""
        return (one for key in self.board.gangs() for one in self.board.members(key))

    def gangs(self, *, now_s: float) -> dict[Key, Gang]:
        """All gangs, and the Jobs that wait without pods."""
        self._begin(now_s)
        self.rounds.only_look(now_s=now_s)
        empty = {gang.key: gang for gang in gangs_of((), self.groups, now_s=now_s)}
        seen = {key: standing.gang for key, standing in self.rounds.standings.items()}
        return {**empty, **seen}

    def dry_round(self, *, now_s: float, starts: bool = True) -> DryRound | None:
        """What the planner would decide now; None where nobody asks or too little is seen."""
        found = self._snapshot(now_s) if self._may_ask else None
        if found is None:
            return None
        asked, snapshot = found
        outcome = plan(snapshot, now_s=int(now_s), kept=self._reserved(asked))
        keys = tuple(row.gang for row in asked.rows)
        unknown = Starts(np.full(len(keys), NEVER), int(now_s))
        running, queue = self._running()
        whole = Snapshot(snapshot.nodes, running, snapshot.gangs, snapshot.queues, snapshot.used)
        ahead = (
            foreseen(whole, outcome, now_s=int(now_s), queue_of_running=queue)
            if starts
            else unknown
        )
        return DryRound(snapshot, outcome, keys, ahead, self._said(asked))

    def unseen(self) -> tuple[str, ...]:
        """What may not be read, in words."""
        queues = [said for kind, said in _NEEDED.items() if kind in self._mirrors.unread]
        planner = [self._no_planner] if self._no_planner else []
        return (*self._unseen, *queues, *self._unread(), *planner, *self._silence())

    def _unread(self) -> list[str]:
        """Kinds of group objects that may be there; whoever may not list them is not told."""
        kinds = [said for kind, said in _KINDS.items() if kind in self._mirrors.unread]
        listed = ", ".join(kinds)
        return [f"{listed} may not be listed: gangs by them wait for theirs"] if kinds else []

    def _silence(self) -> list[str]:
        """How old this is, where the server has fallen silent: it says something each minute."""
        heard_s = [one.heard_s for one in self._reflectors if one.heard_s is not None]
        quiet_s = self._steady.now_s() - min(heard_s, default=self._steady.now_s())
        if quiet_s <= SILENCE_S:
            return []
        return [f"the API server was last heard of {quiet_s:.0f} s ago: this is as old"]

    def _snapshot(self, now_s: float) -> tuple[Asking, Snapshot] | None:
        """What a round would plan; None where nobody asks. Equal gangs are in one order for all."""
        self._begin(now_s)
        self.rounds.only_look(now_s=now_s)
        asks = {
            key: one for key, one in sorted(self.rounds.standings.items(), key=_by_key) if one.asks
        }
        wanted = rows_of(asks, pod_of=self.pods.get, read=self.rounds.read)
        if not wanted.rows:
            return None
        on = ground(
            wanted,
            self.board,
            queue_of=self._queues.index,
            duration_of=self.rounds.duration_s,
            pod_of=self.pods.get,
            read=self.rounds.read,
            now_s=now_s,
        )
        asked = asking(wanted.rows, on)
        return asked, Snapshot(
            nodes=asked.nodes,
            running=self.board.running(),
            gangs=asked.columns,
            queues=self._queues.tree,
            used=self._queues.use(self.board.used),
        )

    def _said(self, asked: Asking) -> Callable[[int], str]:
        """What a row's sentence ends with: where its duration comes from."""
        longest_s, durations = self.board.forecasts.longest_s, self.rounds.durations
        return lambda row: durations.said(asked.rows[row].standing.gang, longest_s=longest_s)

    def _begin(self, now_s: float) -> None:
        if "queues" in self._mirrors.unread:
            self._guess_queues(now_s)
        if not self._begun:
            self._begun = True
            self.rounds.begin(epoch=0, now_s=now_s)

    def _guess_queues(self, now_s: float) -> None:
        """Takes every queue that a gang names for one that is there."""
        self.rounds.only_look(now_s=now_s)
        named = {found.gang.queue for found in self.rounds.standings.values()}
        if not named <= set(self._queues.tree.names):
            self.rounds.queues_changed([Queue(Meta(name=name)) for name in named])

    def _gang_facts(self, dry: DryRound | None, wish: Wish, *, now_s: float) -> list[GangFact]:
        said: dict[Key, Answer] = {}
        if dry is not None:
            said = dry.answers(most_reasons=wish.most_reasons, about=wish.about)
        return [
            gang_fact(
                gang,
                self.rounds.standings.get(key),
                list(self.board.members(key)),
                said.get(key) or self._written(key),
                self.rounds.lives.lives.get(key),
                now_s=now_s,
            )
            for key, gang in self.gangs(now_s=now_s).items()
        ]

    def _written(self, key: Key) -> Answer | None:
        """What the planner wrote on a gang's pods, where it cannot be asked."""
        standing = self.rounds.standings.get(key)
        if standing is None or not standing.asks:
            return None
        for one in self.board.members(key):
            pod = self.pods.get(one.uid)
            reason = (pod.metadata.annotations or {}).get(ANNOTATION_REASON) if pod else None
            if reason:
                return Answer(cause=Cause.UNSEEN.name, reason=f"as the planner wrote: {reason}")
        return None

    def _holdings(self, columns: NodeColumns) -> Holdings:
        use = self._queues.use(self.board.used)
        room = Room.of(
            columns,
            cpu_cores=columns.free_cpu_cores,
            memory_bytes=columns.free_memory_bytes,
        )
        return Holdings(
            tree=self._queues.tree,
            use=use,
            cpu_cores=room.total_cpu_cores() + float(use.cpu_cores.sum()),
            memory_bytes=room.total_memory_bytes() + float(use.memory_bytes.sum()),
            problems=self._queues.problems,
        )

    def _running(self) -> tuple[RunningColumns, IntArray]:
        """What holds room, and the queue of each."""
        placed = [one for one in self.board.placed() if one.node in self.board.nodes.row_of]
        leaf = {name: self._queues.leaf(name)[0] for name in {one.queue for one in placed}}
        queue = [NOBODY if (row := leaf[one.queue]) is None else row for one in placed]
        running = RunningColumns(
            node=np.array([self.board.nodes.row_of[one.node] for one in placed], np.int64),
            cpu_cores=np.array([one.cpu_milli / MILLI for one in placed], np.float64),
            memory_bytes=np.array([one.memory_bytes for one in placed], np.float64),
            end_s=np.array([one.end_s for one in placed], np.int64),
        )
        return running, np.array(queue, np.int64)

    def _reserved(self, asked: Asking) -> Reservation | None:
        """The reservation that the planner wrote on a pod of its holder."""
        for row, one in enumerate(asked.rows):
            pod = self.pods.get(one.ask.waiting[0].uid) if one.lead == row else None
            if pod is not None and ANNOTATION_RESERVED in (pod.metadata.annotations or {}):
                nowhere = np.zeros(0, np.int64)
                return Reservation(row, asked.columns.ids[row], 0, nowhere, nowhere)
        return None

    def _object_changed(self, kind: str, namespace: str, name: str) -> None:
        if kind == "queues":
            self.rounds.queues_changed(self._mirrors.queues())
        elif kind == "forecasts":
            self.board.forecasts.take(name, self._mirrors.forecast(name))
        elif kind in GROUPS:
            self.rounds.lives.group_changed(namespace, name)
            self.board.group_changed(namespace, name)
        self.changed.set()


def _by_key(one: tuple[Key, object]) -> Key:
    return one[0]
