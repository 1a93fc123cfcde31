"""Gangs that ask, as the planner's columns: a row for each role, and what its tasks ask of nodes.

Rows of one gang have one lead where they start together. What neighbours matter is worked out only
when somebody minds them: the batch tasks that have a place; what online pods mind is left to
kube-scheduler, which verifies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from scheduler.adapters.board import Board
from scheduler.adapters.bound_volumes import BoundVolumes
from scheduler.core.compiling import RunningPods, compile_constraints
from scheduler.core.constraints import NodeSelector, Pack, Rules, rules_of
from scheduler.core.gpu import GpuAsk, asked_of
from scheduler.core.members import Gang
from scheduler.core.node_table import NodeTable
from scheduler.core.snapshot import GangColumns, NodeColumns
from scheduler.core.standing import Ask, Standing
from scheduler.core.ways_in.shape import Key
from slacktide.errors import BadInput
from slacktide.kube.objects import Pod
from slacktide.messages import IntArray

MILLI: Final = 1_000.0
AT_ONCE: Final = 500  # rows made to numbers: NumPy lets no other thread go on meanwhile
MOST_READ: Final = 200_000  # pods whose rules are remembered
_With = tuple[Pack | None, dict[str, NodeSelector]]  # what else rules depend on
PodOf = Callable[[str], Pod | None]  # by UID


class Row(NamedTuple):
    """One role of one gang that asks."""

    gang: Key
    standing: Standing
    ask: Ask
    rules: Rules
    lead: int  # the row of the first role it starts together with; its own for that one


class Rows(NamedTuple):
    """All rows of a round, and what has to be known of the world for them."""

    rows: tuple[Row, ...]
    queues: frozenset[str]
    mind: bool  # somebody minds who else is there


@dataclass(frozen=True, slots=True)
class Ground:
    """What a round plans on, all of one moment; nothing changes it, so any thread may read it."""

    nodes: NodeColumns  # without constraints
    table: NodeTable  # of the same nodes
    running: RunningPods  # where anybody minds them
    queues: Mapping[str, int]  # those of the rows
    duration_of: Callable[[Gang], int]


@dataclass(frozen=True, slots=True)
class Asking:
    """What a round asks for."""

    rows: tuple[Row, ...]
    columns: GangColumns
    nodes: NodeColumns


class ReadRules:
    """What pods ask beyond room, read once a version: most rounds ask about the same ones."""

    def __init__(self, bound: BoundVolumes | None = None) -> None:
        self._bound = bound or BoundVolumes()
        self._read: dict[str, tuple[Pod, _With, Rules]] = {}

    def of(self, pod: Pod, pack: Pack | None = None) -> Rules:
        """Its rules. Raises `BadInput` for what cannot be read."""
        known, volumes = self._read.get(pod.metadata.uid), self._bound.of(pod)
        if known is not None and known[0] is pod and known[1] == (pack, volumes):
            return known[2]
        if len(self._read) >= MOST_READ:
            self._read.clear()
        rules = rules_of(pod, pack=pack, volumes=volumes)
        self._read[pod.metadata.uid] = (pod, (pack, volumes), rules)
        return rules


def rows_of(standings: Mapping[Key, Standing], *, pod_of: PodOf, read: ReadRules) -> Rows:
    """A row for each ask whose pods can be read."""
    rows: list[Row] = []
    for gang, found in standings.items():
        rules = [_rules(found, ask, pod_of, read) for ask in found.asks]
        if any(one is None for one in rules):
            continue
        first = len(rows)
        for ask, one in zip(found.asks, rules, strict=True):
            if one is not None:
                lead = first if found.together else len(rows)
                rows.append(Row(gang, found, ask, one, lead))
    queues = frozenset(row.standing.gang.queue for row in rows)
    return Rows(tuple(rows), queues, any(_minds(row.rules) for row in rows))


def ground(
    wanted: Rows,
    board: Board,
    *,
    queue_of: Callable[[str], int],
    duration_of: Callable[[Gang], int],
    pod_of: PodOf,
    read: ReadRules,
    now_s: float,
) -> Ground:
    """What is there now, as far as these rows need to know."""
    running = RunningPods.none()
    if board.minding or wanted.mind:
        running = _neighbours(board, pod_of, read)
    queues = {name: queue_of(name) for name in wanted.queues}
    nodes = board.node_columns(None, now_s=now_s)
    return Ground(nodes, board.nodes.table(), running, queues, duration_of)


def asking(rows: tuple[Row, ...], on: Ground) -> Asking:
    """The rows as columns over the nodes as they were then."""
    constraints, kind = compile_constraints(on.table, [row.rules for row in rows], on.running)
    asks, gpu = _gpu_asks(rows)
    nodes = replace(on.nodes, constraints=constraints, gpus=asked_of(on.nodes.gpus, asks))
    return Asking(rows, _columns(rows, on, kind, gpu), nodes)


def _rules(found: Standing, ask: Ask, pod_of: PodOf, read: ReadRules) -> Rules | None:
    """What its tasks ask; None where that cannot be read, or the pod is just going."""
    pod = pod_of(ask.waiting[0].uid)
    near = found.gang.near
    pack = Pack(near.topology_key, near.required) if near is not None else None
    try:
        return read.of(pod, pack) if pod is not None else None
    except BadInput:
        return None


def _minds(rules: Rules) -> bool:
    return bool(rules.apart or rules.together or rules.leanings or rules.spreads or rules.ports)


def _neighbours(board: Board, pod_of: PodOf, read: ReadRules) -> RunningPods:
    index: dict[Rules, int] = {}
    rules, node = [], []
    for one in board.placed():
        pod, row = pod_of(one.uid), board.nodes.row_of.get(one.node)
        if pod is None or row is None:
            continue
        try:
            asks = read.of(pod)
        except BadInput:
            continue
        rules.append(index.setdefault(asks, len(index)))
        node.append(row)
    return RunningPods(tuple(index), np.array(rules, np.int64), np.array(node, np.int64))


def _gpu_asks(rows: tuple[Row, ...]) -> tuple[tuple[GpuAsk, ...], IntArray]:
    """What the rows ask of GPUs, each ask once; and the index of each row's, -1 for none."""
    of = [row.ask.waiting[0].gpu for row in rows]
    asks = tuple(dict.fromkeys(ask for ask in of if ask is not None))
    index = {ask: place for place, ask in enumerate(asks)}
    return asks, np.array([-1 if ask is None else index[ask] for ask in of], np.int64)


def _columns(rows: tuple[Row, ...], on: Ground, kind: IntArray, gpu: IntArray) -> GangColumns:
    parts = [rows[begin : begin + AT_ONCE] for begin in range(0, len(rows), AT_ONCE)]
    whole = np.concatenate(
        [np.array([_numbers(row, on) for row in part], np.int64) for part in parts]
    )
    queue, tasks, least, duration, submit, priority, cpu, memory, lead = whole.T
    return GangColumns(
        ids=tuple(_id(row) for row in rows),
        queue=queue,
        tasks=tasks,
        min_available=least,
        cpu_cores=cpu / MILLI,
        memory_bytes=memory.astype(np.float64),
        duration_s=duration,
        submit_s=submit,
        priority=priority,
        kind=kind,
        lead=lead,
        gpu=gpu,
    )


def _numbers(row: Row, on: Ground) -> tuple[int, ...]:
    gang, ask = row.standing.gang, row.ask
    return (
        on.queues[gang.queue],
        len(ask.waiting),
        ask.least,
        on.duration_of(gang),
        int(gang.submit_s),
        gang.priority,
        max(one.cpu_milli for one in ask.waiting),
        max(one.memory_bytes for one in ask.waiting),
        row.lead,
    )


def _id(row: Row) -> str:
    gang = row.standing.gang.id
    return f"{gang} role {row.ask.role}" if row.ask.role else gang
