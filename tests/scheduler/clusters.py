"""Small clusters for tests: columns from plain numbers, and a world in which planned gangs run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import strategies as st

from scheduler.core.plan import Plan, PlanSettings, plan
from scheduler.core.queues import TOP, QueueTree, QueueUse
from scheduler.core.reserve import Reservation
from scheduler.core.snapshot import (
    GangColumns,
    NodeColumns,
    RunningColumns,
    Snapshot,
    held_through,
)
from slacktide.messages import FloatArray, IntArray

GIB = 2.0**30
HOUR_S = 3600


def whole(values: list[int]) -> IntArray:
    return np.array(values, dtype=np.int64)


def real(values: Sequence[float]) -> FloatArray:
    return np.array(values, dtype=np.float64)


@dataclass(frozen=True)
class Node:
    """What the forecast leaves to batch through each horizon."""

    name: str
    cores: tuple[float, ...]
    gib: tuple[float, ...] = (1000.0,)
    is_open: bool = True
    all_cores: float = 64.0


@dataclass(frozen=True)
class Queue:
    name: str
    guaranteed: float = 0.0
    maximum: float = np.inf
    weight: float = 1.0
    parent: str = ""


@dataclass(frozen=True)
class Gang:
    name: str
    queue: str = "q"
    tasks: int = 1
    least: int = 0  # 0: all of them
    cores: float = 1.0
    gib: float = 1.0
    for_s: int = HOUR_S
    submit_s: int = 0
    priority: int = 0


@dataclass(frozen=True)
class Bundle:
    """Tasks of one gang on one node."""

    gang: Gang
    node: int
    count: int
    end_s: int


def tree(queues: list[Queue]) -> QueueTree:
    names = [queue.name for queue in queues]
    return QueueTree(
        names=tuple(names),
        parent=whole([names.index(q.parent) if q.parent else TOP for q in queues]),
        guaranteed_cpu_cores=real([q.guaranteed for q in queues]),
        max_cpu_cores=real([q.maximum for q in queues]),
        weight=real([q.weight for q in queues]),
    )


def gang_columns(gangs: list[Gang], queues: QueueTree) -> GangColumns:
    return GangColumns(
        ids=tuple(gang.name for gang in gangs),
        queue=whole([queues.names.index(gang.queue) for gang in gangs]),
        tasks=whole([gang.tasks for gang in gangs]),
        min_available=whole([gang.least or gang.tasks for gang in gangs]),
        cpu_cores=real([gang.cores for gang in gangs]),
        memory_bytes=real([gang.gib * GIB for gang in gangs]),
        duration_s=whole([gang.for_s for gang in gangs]),
        submit_s=whole([gang.submit_s for gang in gangs]),
        priority=whole([gang.priority for gang in gangs]),
    )


def running_columns(bundles: list[Bundle], queues: QueueTree | None = None) -> RunningColumns:
    names = () if queues is None else queues.names
    of = whole([names.index(bundle.gang.queue) for bundle in bundles]) if names else None
    return RunningColumns(
        node=whole([bundle.node for bundle in bundles]),
        cpu_cores=real([bundle.count * bundle.gang.cores for bundle in bundles]),
        memory_bytes=real([bundle.count * bundle.gang.gib * GIB for bundle in bundles]),
        end_s=whole([bundle.end_s for bundle in bundles]),
        queue=of,
    )


@dataclass
class World:
    """A cluster that does what the plan says; tasks end exactly when predicted."""

    nodes: list[Node]
    queues: list[Queue] = field(default_factory=lambda: [Queue("q")])
    horizons_s: tuple[int, ...] = (HOUR_S,)
    pending: list[Gang] = field(default_factory=list)
    running: list[Bundle] = field(default_factory=list)
    settings: PlanSettings = field(default_factory=PlanSettings)
    now_s: int = 0
    reservation: Reservation | None = None

    def reclaimable(self) -> tuple[FloatArray, FloatArray]:
        shape = (len(self.nodes), len(self.horizons_s))
        cores = np.array([np.broadcast_to(node.cores, shape[1:]) for node in self.nodes])
        gib = np.array([np.broadcast_to(node.gib, shape[1:]) for node in self.nodes])
        return cores.reshape(shape).astype(float), gib.reshape(shape) * GIB

    def snapshot(self) -> Snapshot:
        cores, memory = self.reclaimable()
        queues = tree(self.queues)
        running = running_columns(self.running, queues)
        held_cpu, held_memory = held_through(
            running,
            horizons_s=whole(list(self.horizons_s)),
            nodes=len(self.nodes),
            now_s=self.now_s,
        )
        return Snapshot(
            nodes=NodeColumns(
                names=tuple(node.name for node in self.nodes),
                horizons_s=whole(list(self.horizons_s)),
                free_cpu_cores=cores - held_cpu,
                free_memory_bytes=memory - held_memory,
                cpu_cores=real([node.all_cores for node in self.nodes]),
                memory_bytes=real([1024 * GIB] * len(self.nodes)),
                open=np.array([node.is_open for node in self.nodes], dtype=np.bool_),
            ),
            running=running,
            gangs=gang_columns(self.pending, queues),
            queues=queues,
            used=self.used(queues),
        )

    def used(self, queues: QueueTree) -> QueueUse:
        cpu, memory = np.zeros(len(self.queues)), np.zeros(len(self.queues))
        for bundle in self.running:
            queue = queues.names.index(bundle.gang.queue)
            cpu[queue] += bundle.count * bundle.gang.cores
            memory[queue] += bundle.count * bundle.gang.gib * GIB
        return QueueUse(cpu_cores=cpu, memory_bytes=memory)

    def dry_run(self) -> Plan:
        return plan(
            self.snapshot(), now_s=self.now_s, settings=self.settings, kept=self.reservation
        )

    def plan(self) -> Plan:
        """Plan, start what was placed, and keep the reservation for the next round."""
        outcome = self.dry_run()
        self.reservation = outcome.reservation
        for placement in outcome.placements:
            gang = self.pending[placement.gang]
            for node, count in zip(placement.nodes, placement.count, strict=True):
                bundle = Bundle(gang, int(node), int(count), self.now_s + gang.for_s)
                self.running.append(bundle)
        self.pending = [self.pending[gang] for gang in outcome.pending]
        return outcome

    def pass_time(self, to_s: int) -> None:
        self.now_s = to_s
        self.running = [bundle for bundle in self.running if bundle.end_s > to_s]

    def submit(self, gang: Gang) -> None:
        self.pending.append(replace(gang, submit_s=self.now_s))

    def tasks_running(self) -> Counter[str]:
        tasks: Counter[str] = Counter()
        for bundle in self.running:
            tasks[bundle.gang.name] += bundle.count
        return tasks


cores = st.integers(0, 40).map(lambda tenths: tenths / 10)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Any small cluster: up to 4 nodes, 3 horizons, a two-level tree, running and pending gangs."""
    horizons_s = tuple(sorted(draw(st.sets(st.integers(1, 9), min_size=1, max_size=3))))
    amounts = st.tuples(*[cores for _ in horizons_s])
    nodes = [
        Node(f"n{n}", draw(amounts), draw(amounts), draw(st.booleans()), all_cores=8.0)
        for n in range(draw(st.integers(1, 4)))
    ]
    maximum = st.sampled_from([0.5, 1.0, 3.0, np.inf])
    queues = [
        Queue("top", maximum=draw(maximum)),
        Queue("a", maximum=draw(maximum), weight=draw(st.sampled_from([1.0, 2.5])), parent="top"),
        Queue("b", maximum=draw(maximum), parent="top"),
        Queue("c", guaranteed=draw(st.sampled_from([0.0, 1.0])), maximum=np.inf),
    ]
    pending = [draw(gangs(f"g{g}")) for g in range(draw(st.integers(0, 8)))]
    running = [
        Bundle(draw(gangs(f"r{r}")), draw(st.integers(0, len(nodes) - 1)), 1, draw(_ends))
        for r in range(draw(st.integers(0, 4)))
    ]
    settings = PlanSettings(reserve_after_s=draw(st.sampled_from([5, 10**9])))
    return World(nodes, queues, horizons_s, pending, running, settings, now_s=10)


_ends = st.integers(8, 25)


@st.composite
def gangs(draw: st.DrawFn, name: str) -> Gang:
    tasks = draw(st.integers(1, 6))
    size = draw(st.tuples(cores, cores).filter(lambda pair: sum(pair) > 0))
    return Gang(
        name,
        queue=draw(st.sampled_from("abc")),
        tasks=tasks,
        least=draw(st.integers(1, tasks)),
        cores=size[0],
        gib=size[1],
        for_s=draw(st.integers(0, 12)),
        submit_s=draw(st.integers(0, 10)),
        priority=draw(st.integers(0, 1)),
    )
