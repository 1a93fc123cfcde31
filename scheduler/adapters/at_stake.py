"""Running gangs as those who may have them evicted see them: columns from the board.

Always holds: a gang is among them only where everything is known that decides about it: it runs
whole, none of it is on its way in or out, its queue is there, and its nodes are the round's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np

from scheduler.adapters.asking import MILLI, PodOf
from scheduler.adapters.board import Board
from scheduler.core.budgets import Budgets
from scheduler.core.harm import RunningGangs, RunningTasks
from scheduler.core.member import Member, Stage
from scheduler.core.snapshot import NodeColumns, RunningColumns
from scheduler.core.standing import Standing
from scheduler.core.ways_in.shape import Key
from slacktide.contract import ANNOTATION_CHECKPOINT

LONG_AGO_S: Final = -(10**9)
MOVING: Final = frozenset({Stage.RELEASED, Stage.LEAVING})


class _Bundle(NamedTuple):
    gang: int
    node: int
    cpu_milli: int
    memory_bytes: int
    end_s: int
    saved_s: int


@dataclass(frozen=True, slots=True)
class AtStake:
    """What runs and might go."""

    keys: tuple[Key, ...]  # of the gangs
    gangs: RunningGangs
    tasks: RunningTasks
    members: tuple[tuple[Member, ...], ...]  # of each bundle, the youngest first


def at_stake(
    board: Board,
    standings: Mapping[Key, Standing],
    *,
    nodes: NodeColumns,
    queue_of: Callable[[str], int | None],
    pod_of: PodOf,
    budgets: Budgets,
    evicted_s: Callable[[Key], float | None],
    now_s: int,
) -> AtStake:
    """All gangs that could lose tasks, and their tasks in bundles of one kind on one node."""
    rows: list[tuple[str, int, int, int, int, int]] = []
    keys: list[Key] = []
    bundles: dict[_Bundle, list[Member]] = defaultdict(list)
    for key, found in standings.items():
        queue = queue_of(found.gang.queue) if found.whole else None
        if queue is None:
            continue
        members = list(board.members(key))
        bound = [one for one in members if one.stage is Stage.BOUND]
        if not bound or any(one.stage in MOVING for one in members):
            continue
        at = [_node(board, nodes, one.node) for one in bound]
        if any(row is None for row in at):
            continue
        may_lose = budgets.may_lose(_labelled(bound, pod_of))
        last_s = evicted_s(key)
        rows.append(
            (
                found.gang.id,
                queue,
                found.gang.priority,
                _least(found, len(bound)),
                may_lose,
                LONG_AGO_S if last_s is None else int(last_s),
            )
        )
        for one, row in zip(bound, at, strict=True):
            saved_s = _saved_s(one, pod_of, now_s=now_s)
            kind = (one.cpu_milli, one.memory_bytes, one.end_s, saved_s)
            bundles[_Bundle(len(keys), row or 0, *kind)].append(one)
        keys.append(key)
    return AtStake(tuple(keys), _gangs(rows), _tasks(bundles), _members(bundles))


def leaving(board: Board) -> RunningColumns:
    """What pods hold that are on their way out: room that needs no victim."""
    going = [one for one in board.placed() if one.stage is Stage.LEAVING]
    there = [one for one in going if one.node in board.nodes.row_of]
    return RunningColumns(
        node=np.array([board.nodes.row_of[one.node] for one in there], np.int64),
        cpu_cores=np.array([one.cpu_milli / MILLI for one in there], np.float64),
        memory_bytes=np.array([float(one.memory_bytes) for one in there], np.float64),
        end_s=np.array([one.end_s for one in there], np.int64),
    )


def _node(board: Board, nodes: NodeColumns, name: str) -> int | None:
    row = board.nodes.row_of.get(name)
    known = row is not None and row < len(nodes.names) and nodes.names[row] == name
    return row if known else None


def _least(found: Standing, bound: int) -> int:
    """A gang of several roles goes whole or not: nobody knows what a driver alone is worth."""
    roles = [role for role in found.gang.roles if role.members]
    return min(roles[0].least, bound) if len(roles) == 1 else bound


def _labelled(members: Iterable[Member], pod_of: PodOf) -> Iterable[tuple[str, Mapping[str, str]]]:
    for one in members:
        pod = pod_of(one.uid)
        yield one.namespace, (pod.metadata.labels or {}) if pod is not None else {}


def _saved_s(one: Member, pod_of: PodOf, *, now_s: int) -> int:
    """When its work was last safe: as its owner says, if that is after its start and past."""
    begun_s = one.decision.at_s if one.decision is not None else one.created_s
    pod = pod_of(one.uid)
    text = ((pod.metadata.annotations or {}) if pod is not None else {}).get(ANNOTATION_CHECKPOINT)
    try:
        said_s = int(datetime.fromisoformat(text).timestamp()) if text else begun_s
    except ValueError:
        return begun_s
    return min(max(begun_s, said_s), now_s)


def _gangs(rows: list[tuple[str, int, int, int, int, int]]) -> RunningGangs:
    columns = [np.array([row[column] for row in rows], np.int64) for column in range(1, 6)]
    queue, priority, least, may_lose, evicted_s = columns
    return RunningGangs(
        ids=tuple(row[0] for row in rows),
        queue=queue,
        priority=priority,
        min_available=least,
        may_lose=may_lose,
        evicted_s=evicted_s,
    )


def _tasks(bundles: Mapping[_Bundle, list[Member]]) -> RunningTasks:
    whole = np.array([[*kind, len(own)] for kind, own in bundles.items()], np.int64).reshape(-1, 7)
    gang, node, cpu, memory, end_s, saved_s, tasks = whole.T
    return RunningTasks(
        gang=gang,
        node=node,
        tasks=tasks,
        cpu_cores=cpu / MILLI,
        memory_bytes=memory.astype(np.float64),
        end_s=end_s,
        saved_s=saved_s,
    )


def _members(bundles: Mapping[_Bundle, list[Member]]) -> tuple[tuple[Member, ...], ...]:
    return tuple(
        tuple(sorted(own, key=lambda one: (-one.created_s, one.name))) for own in bundles.values()
    )
