"""Kueue's workloads as gangs of a round of their own: would they have room now?

Always holds: what a workload asks is judged by the rules of its pods like any gang's; quota is not
judged here, since Kueue has reserved it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from scheduler.adapters.asking import MILLI
from scheduler.adapters.board import Board
from scheduler.adapters.pods import DEFAULT_DURATION_S, requests_of
from scheduler.core.compiling import RunningPods, compile_constraints
from scheduler.core.constraints import Rules, rules_of
from scheduler.core.kueue_check import asked
from scheduler.core.members import created_s
from scheduler.core.plan import Plan, plan
from scheduler.core.queue_objects import planted
from scheduler.core.queues import QueueUse
from scheduler.core.snapshot import GangColumns, NodeColumns, RunningColumns, Snapshot
from slacktide.contract import ANNOTATION_DURATION
from slacktide.durations import parse_duration_s
from slacktide.errors import BadInput
from slacktide.kube.kueue import Workload
from slacktide.kube.objects import Meta, Pod
from slacktide.messages import IntArray

TREE: Final = planted(()).tree


class Wish(NamedTuple):
    """Identical pods of one workload."""

    workload: Workload
    lead: int
    pods: int
    cpu_milli: int
    memory_bytes: int
    duration_s: int
    rules: Rules


class Question(NamedTuple):
    """What is asked of the planner; a workload that asks for nothing has no row."""

    wishes: tuple[Wish, ...]
    snapshot: Snapshot
    unreadable: dict[str, str]  # UID -> why

    def answer(self, now_s: int) -> Plan:
        """The plan; slow enough for a thread."""
        return plan(self.snapshot, now_s=now_s)


def question(
    promised: Sequence[Workload], waiting: Sequence[Workload], board: Board, *, now_s: float
) -> Question:
    """All of these workloads, those that were promised room first, over the nodes as they are."""
    wishes: list[Wish] = []
    unreadable: dict[str, str] = {}
    for one in (*promised, *waiting):
        try:
            wishes += _wishes(one, lead=len(wishes), longest_s=board.forecasts.longest_s)
        except (BadInput, ValueError) as why:
            unreadable[one.metadata.uid] = f"what it asks for cannot be read: {why}"
    constraints, kind = compile_constraints(
        board.nodes.table(), [wish.rules for wish in wishes], RunningPods.none()
    )
    nodes: NodeColumns = board.node_columns(constraints, now_s=now_s)
    running: RunningColumns = board.tasks.columns()
    gangs = _columns(wishes, kind, {one.metadata.uid for one in promised})
    return Question(
        tuple(wishes),
        Snapshot(nodes, running, gangs, TREE, QueueUse.none(len(TREE.names))),
        unreadable,
    )


def _wishes(workload: Workload, *, lead: int, longest_s: int | None) -> Iterable[Wish]:
    found = []
    for one in asked(workload):
        meta = Meta(
            name=one.name,
            namespace=workload.metadata.namespace,
            labels=one.template.metadata.labels,
            annotations=one.template.metadata.annotations,
        )
        pod = Pod(metadata=meta, spec=one.template.spec)
        cpu_milli, memory_bytes = requests_of(pod)
        if one.pods < 1 or not cpu_milli + memory_bytes:
            continue
        text = (meta.annotations or {}).get(ANNOTATION_DURATION)
        duration_s = int(parse_duration_s(text)) if text else longest_s or DEFAULT_DURATION_S
        found.append(
            Wish(workload, lead, one.pods, cpu_milli, memory_bytes, duration_s, rules_of(pod))
        )
    return found


def _columns(wishes: Sequence[Wish], kind: IntArray, first: set[str]) -> GangColumns:
    whole = np.array(
        [
            (
                wish.pods,
                wish.cpu_milli,
                wish.memory_bytes,
                wish.duration_s,
                int(created_s(wish.workload.metadata)),
                wish.lead,
                wish.workload.metadata.uid in first,
            )
            for wish in wishes
        ],
        np.int64,
    ).reshape(-1, 7)
    pods, cpu, memory, duration_s, submit_s, lead, priority = whole.T
    metas = [wish.workload.metadata for wish in wishes]
    return GangColumns(
        ids=tuple(f"workload {meta.namespace}/{meta.name}" for meta in metas),
        queue=np.zeros(len(wishes), np.int64),
        tasks=pods,
        min_available=pods,
        cpu_cores=cpu / MILLI,
        memory_bytes=memory.astype(np.float64),
        duration_s=duration_s,
        submit_s=submit_s,
        priority=priority,
        kind=kind,
        lead=lead,
    )
