"""What a person wants to know about queues: who holds what, who waits, whose turn is next and why.

Always holds: parents come before their children, siblings in the order of their turns; what a queue
uses is what its subtree uses; turns are those of `queue_order`, so the queue that is 1 is the one
that the planner serves first.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.core.gang_facts import GangFact
from scheduler.core.lifecycle import LIVE
from scheduler.core.queue_order import FairShares
from scheduler.core.queues import CORES_TOLERANCE, TOP, QueueTree, QueueUse
from slacktide.messages import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFact:
    """One queue now."""

    queue: str
    parent: str  # empty at the top
    depth: int
    guaranteed_cpu_cores: float
    max_cpu_cores: float | None  # None: as much as there is
    weight: float
    used_cpu_cores: float
    used_memory_bytes: float
    share: float  # the larger of its shares of all that batch can have, cores and memory
    running_gangs: int
    waiting_gangs: int
    waiting_tasks: int
    turn: int | None  # 1 is served next; None: nobody waits in it
    why: str  # of its turn
    problem: str  # what is odd about its object, and what was made of that


@dataclass(frozen=True, slots=True)
class Holdings:
    """What queues have, and all there is."""

    tree: QueueTree
    use: QueueUse  # of what runs, zero for inner queues
    cpu_cores: float  # that batch can have
    memory_bytes: float
    problems: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Level:
    """The tree with what each subtree uses."""

    tree: QueueTree
    shares: FairShares
    cpu_cores: FloatArray  # [Q] used by the subtree
    memory_bytes: FloatArray  # [Q]
    share: FloatArray  # [Q]

    def why(self, row: int) -> str:
        """What decides a queue's turn: its standing at each level that has others beside it."""
        parent, path = self.tree.parent, self.tree.paths[row]
        several = [one for one in path if np.count_nonzero(parent == parent[one]) > 1]
        return ", then ".join(self._standing(one) for one in several or path[-1:])

    def _standing(self, row: int) -> str:
        name, guaranteed = self.tree.names[row], float(self.tree.guaranteed_cpu_cores[row])
        if not self.shares.guarantee_is_met(row):
            used = float(self.cpu_cores[row])
            return f"{name} uses {used:.6g} of the {guaranteed:.6g} cores it is guaranteed"
        weight = float(self.tree.weight[row])
        return f"{name} has a share of {self.share[row]:.1%} at weight {weight:.6g}"


def queue_facts(held: Holdings, gangs: Sequence[GangFact]) -> tuple[QueueFact, ...]:
    """The tree from the top down."""
    tree = held.tree
    level = _level(held)
    running = _counted(tree, [one.queue for one in gangs if one.state in LIVE])
    waiting = _counted(tree, [one.queue for one in gangs if one.waits])
    tasks = _counted(tree, [one.queue for one in gangs if one.waits for _ in range(_tasks(one))])
    turns = turns_of(held, gangs)
    return tuple(
        QueueFact(
            queue=tree.names[row],
            parent="" if tree.parent[row] == TOP else tree.names[int(tree.parent[row])],
            depth=len(tree.paths[row]) - 1,
            guaranteed_cpu_cores=float(tree.guaranteed_cpu_cores[row]),
            max_cpu_cores=_finite(float(tree.max_cpu_cores[row])),
            weight=float(tree.weight[row]),
            used_cpu_cores=float(level.cpu_cores[row]),
            used_memory_bytes=float(level.memory_bytes[row]),
            share=float(level.share[row]),
            running_gangs=int(running[row]),
            waiting_gangs=int(waiting[row]),
            waiting_tasks=int(tasks[row]),
            turn=turns.get(tree.names[row]),
            why=level.why(row) if tree.names[row] in turns else "",
            problem=held.problems.get(tree.names[row], ""),
        )
        for row in _from_the_top(tree, level.shares)
    )


def turns_of(held: Holdings, gangs: Sequence[GangFact]) -> dict[str, int]:
    """When each queue in which somebody waits for a place is served: 1 first."""
    shares = _level(held).shares
    asking = {one.queue for one in gangs if one.asks}
    rows = [row for row, name in enumerate(held.tree.names) if name in asking]
    order = sorted(rows, key=shares.turn)
    return {held.tree.names[row]: place for place, row in enumerate(order, start=1)}


def inclusive(tree: QueueTree, amounts: FloatArray) -> FloatArray:
    """[Q] what each queue's subtree has."""
    whole = np.zeros(len(tree.names))
    for row, path in enumerate(tree.paths):
        whole[list(path)] += amounts[row]
    return whole


def _level(held: Holdings) -> _Level:
    cpu = inclusive(held.tree, held.use.cpu_cores)
    memory = inclusive(held.tree, held.use.memory_bytes)
    return _Level(
        tree=held.tree,
        shares=FairShares(
            held.tree, held.use, cpu_cores=held.cpu_cores, memory_bytes=held.memory_bytes
        ),
        cpu_cores=cpu,
        memory_bytes=memory,
        share=np.maximum(
            cpu / max(held.cpu_cores, CORES_TOLERANCE), memory / max(held.memory_bytes, 1.0)
        ),
    )


def _counted(tree: QueueTree, queues: Iterable[str]) -> FloatArray:
    """[Q] how often each queue, or one below it, is among the names."""
    counts = Counter(queues)
    return inclusive(tree, np.array([float(counts[name]) for name in tree.names]))


def _tasks(gang: GangFact) -> int:
    return max(gang.have - gang.placed, 0)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _from_the_top(tree: QueueTree, shares: FairShares) -> list[int]:
    """Parents before children, siblings by turn."""
    return sorted(range(len(tree.names)), key=shares.turn)
