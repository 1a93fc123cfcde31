"""One cluster's batch side at one moment: the same facts for command lines, JSON and pages.

Always holds: a picture is complete and never changes; what could not be read is in `unseen`, in
words, and the facts that follow from it are left out, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.core.gang_facts import GangFact
from scheduler.core.lifecycle import LIVE
from scheduler.core.member import Member, Stage
from scheduler.core.queue_facts import QueueFact
from scheduler.core.snapshot import NodeColumns

MILLI = 1_000.0
NEWEST = 20  # decisions shown


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFact:
    """What one node sells, and what of that is used."""

    node: str
    open: bool
    sold_cpu_cores: float
    used_cpu_cores: float
    free_cpu_cores: float  # through the shortest horizon; nothing where the node is closed
    sold_memory_bytes: float
    used_memory_bytes: float
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFact:
    """All nodes and all batch tasks together."""

    nodes: int
    closed_nodes: int
    sold_cpu_cores: float
    used_cpu_cores: float
    free_cpu_cores: float
    sold_memory_bytes: float
    used_memory_bytes: float
    running_gangs: int
    waiting_gangs: int
    running_tasks: int
    waiting_tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionFact:
    """One plan for one gang, read from its pods."""

    at_s: int
    namespace: str
    gang: str
    tasks: int
    bound: int
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannerFact:
    """The process that decides, as its lease tells."""

    holder: str
    heard_s: float  # ago
    alive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Everything."""

    at_s: float
    cluster: ClusterFact
    queues: tuple[QueueFact, ...]
    gangs: tuple[GangFact, ...]
    nodes: tuple[NodeFact, ...]
    decisions: tuple[DecisionFact, ...]  # the newest first
    planner: PlannerFact | None  # None: no lease was seen
    unseen: tuple[str, ...]


def node_facts(columns: NodeColumns, members: Iterable[Member]) -> tuple[NodeFact, ...]:
    """By name. Free is what the planner may sell now, so it may be less than sold less used."""
    held: dict[str, tuple[int, int, int]] = {}  # tasks, milli-cores, bytes
    for one in members:
        if one.holds:
            tasks, cpu, size = held.get(one.node, (0, 0, 0))
            held[one.node] = tasks + 1, cpu + one.cpu_milli, size + one.memory_bytes
    found = []
    for row, name in enumerate(columns.names):
        sold = float(columns.cpu_cores[row])
        if not name or (not sold and not columns.memory_bytes[row] and name not in held):
            continue
        tasks, cpu_milli, memory_bytes = held.get(name, (0, 0, 0))
        is_open = bool(columns.open[row])
        found.append(
            NodeFact(
                node=name,
                open=is_open,
                sold_cpu_cores=sold,
                used_cpu_cores=cpu_milli / MILLI,
                free_cpu_cores=max(float(columns.free_cpu_cores[row, 0]), 0.0) if is_open else 0.0,
                sold_memory_bytes=float(columns.memory_bytes[row]),
                used_memory_bytes=float(memory_bytes),
                tasks=tasks,
            )
        )
    return tuple(sorted(found, key=lambda one: one.node))


def cluster_fact(
    nodes: Sequence[NodeFact], gangs: Sequence[GangFact], members: Iterable[Member]
) -> ClusterFact:
    """The sums."""
    stages = [one.stage for one in members]
    return ClusterFact(
        nodes=len(nodes),
        closed_nodes=sum(not one.open for one in nodes),
        sold_cpu_cores=_sum(one.sold_cpu_cores for one in nodes),
        used_cpu_cores=_sum(one.used_cpu_cores for one in nodes),
        free_cpu_cores=_sum(one.free_cpu_cores for one in nodes),
        sold_memory_bytes=_sum(one.sold_memory_bytes for one in nodes),
        used_memory_bytes=_sum(one.used_memory_bytes for one in nodes),
        running_gangs=sum(one.state in LIVE for one in gangs),
        waiting_gangs=sum(one.waits for one in gangs),
        running_tasks=stages.count(Stage.BOUND),
        waiting_tasks=sum(stage in _NOT_BOUND for stage in stages),
    )


_NOT_BOUND = (Stage.GATED, Stage.WAITING, Stage.RELEASED)


def decision_facts(members: Iterable[Member], *, most: int = NEWEST) -> tuple[DecisionFact, ...]:
    """The newest plans that stand on pods."""
    by_plan: dict[tuple[str, str], list[Member]] = {}
    for one in members:
        if one.decision is not None and one.node:
            by_plan.setdefault((one.decision.plan, "/".join(one.gang)), []).append(one)
    newest = sorted(by_plan.values(), key=_decided_s, reverse=True)[:most]
    return tuple(
        DecisionFact(
            at_s=_decided_s(own),
            namespace=own[0].gang.namespace or own[0].namespace,
            gang=own[0].gang.name,
            tasks=len(own),
            bound=sum(one.stage is Stage.BOUND for one in own),
            nodes=tuple(sorted({one.node for one in own})),
        )
        for own in newest
    )


def _decided_s(own: Sequence[Member]) -> int:
    return max(one.decision.at_s for one in own if one.decision is not None)


def _sum(amounts: Iterable[float]) -> float:
    return float(np.sum(np.fromiter(amounts, float), initial=0.0))
