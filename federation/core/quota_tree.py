"""The tree of queues that share the federation's supply, as columns.

Inner queues are departments, leaves are what gangs are queued on. A queue is *guaranteed* some
cores, never gets more than its *max*, takes part in what is left by its *weight*, and lends the
lendable share of the guarantee it does not use.

Always holds: every name is unique, the tree has no circle, children are guaranteed no more than
their parent, and 0 <= guaranteed <= max. A tree that breaks this is refused with one line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slacktide.errors import BadInput
from slacktide.messages import FloatArray, IntArray

NO_PARENT = -1
_ROUNDING_CORES = 1e-9  # sums of decimal fractions differ by less than this


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """One queue as its owner writes it."""

    name: str
    parent: str | None = None
    guaranteed_cpu_cores: float = 0.0
    max_cpu_cores: float = math.inf
    weight: float = 1.0
    lendable_share: float = 1.0  # of the unused guarantee; 0 keeps all of it back


@dataclass(frozen=True, slots=True)
class QuotaTree:
    """Q queues as columns; made by `plant`, which checks them.

    Attributes:
        names: [Q] in the order they were written.
        parent: [Q] index of the parent, `NO_PARENT` for a root.
        guaranteed_cpu_cores: [Q]
        max_cpu_cores: [Q] `inf` where unbounded.
        weight: [Q] > 0.
        lendable_share: [Q] 0..1.
        leaves: [L] indices of the queues without children, ascending.
        levels: indices by depth, roots first; together they hold each queue once.
    """

    names: tuple[str, ...]
    parent: IntArray
    guaranteed_cpu_cores: FloatArray
    max_cpu_cores: FloatArray
    weight: FloatArray
    lendable_share: FloatArray
    leaves: IntArray
    levels: tuple[IntArray, ...]

    @property
    def leaf_names(self) -> tuple[str, ...]:
        """[L] the queues gangs stand in; all [L] columns of this room are in this order."""
        return tuple(self.names[queue] for queue in self.leaves.tolist())

    def sum_up(self, leaf_values: FloatArray) -> FloatArray:
        """[L] -> [Q]: every queue with the sum over the leaves below it."""
        total = np.zeros(len(self.names))
        total[self.leaves] = leaf_values
        for level in reversed(self.levels[1:]):
            np.add.at(total, self.parent[level], total[level])
        return total

    def path(self, queue: int) -> list[int]:
        """A queue and all above it, root last."""
        path = [queue]
        while self.parent[path[-1]] != NO_PARENT:
            path.append(int(self.parent[path[-1]]))
        return path


def plant(specs: Sequence[QueueSpec]) -> QuotaTree:
    """The tree of these queues.

    Raises:
        BadInput: no queue at all, a bad number, a doubled name, an unknown parent, a circle, or
            children guaranteed more than their parent; the message names the queue.
    """
    if not specs:
        raise BadInput("quota tree: no queue given; gangs need at least one to stand in")
    for spec in specs:
        _check_numbers(spec)
    index = _index(specs)
    parent = np.array([_parent_index(spec, index) for spec in specs], dtype=np.int64)
    has_children = np.zeros(len(specs), dtype=np.bool_)
    has_children[parent[parent != NO_PARENT]] = True
    tree = QuotaTree(
        names=tuple(index),
        parent=parent,
        guaranteed_cpu_cores=np.array([spec.guaranteed_cpu_cores for spec in specs], dtype=float),
        max_cpu_cores=np.array([spec.max_cpu_cores for spec in specs], dtype=float),
        weight=np.array([spec.weight for spec in specs], dtype=float),
        lendable_share=np.array([spec.lendable_share for spec in specs], dtype=float),
        leaves=np.flatnonzero(~has_children),
        levels=_levels(tuple(index), parent),
    )
    _check_guarantees(tree)
    return tree


def _check_numbers(spec: QueueSpec) -> None:
    name = f"quota tree: queue {spec.name!r}"
    if not spec.name:
        raise BadInput("quota tree: a queue without a name")
    if not (math.isfinite(spec.guaranteed_cpu_cores) and spec.guaranteed_cpu_cores >= 0):
        raise BadInput(
            f"{name}: guaranteed_cpu_cores must be >= 0, got {spec.guaranteed_cpu_cores}"
        )
    if not spec.max_cpu_cores >= spec.guaranteed_cpu_cores:
        raise BadInput(
            f"{name}: max_cpu_cores ({spec.max_cpu_cores:g}) is less than its "
            f"guaranteed_cpu_cores ({spec.guaranteed_cpu_cores:g})"
        )
    if not (math.isfinite(spec.weight) and spec.weight > 0):
        raise BadInput(f"{name}: weight must be > 0, got {spec.weight}")
    if not 0 <= spec.lendable_share <= 1:
        raise BadInput(f"{name}: lendable_share must be in 0..1, got {spec.lendable_share}")


def _index(specs: Sequence[QueueSpec]) -> dict[str, int]:
    index: dict[str, int] = {}
    for row, spec in enumerate(specs):
        if spec.name in index:
            raise BadInput(f"quota tree: queue {spec.name!r} is written twice")
        index[spec.name] = row
    return index


def _parent_index(spec: QueueSpec, index: dict[str, int]) -> int:
    if spec.parent is None:
        return NO_PARENT
    if spec.parent not in index:
        raise BadInput(f"quota tree: queue {spec.name!r}: parent {spec.parent!r} is not a queue")
    return index[spec.parent]


def _levels(names: tuple[str, ...], parent: IntArray) -> tuple[IntArray, ...]:
    levels: list[IntArray] = [np.flatnonzero(parent == NO_PARENT)]
    while levels[-1].size:
        levels.append(np.flatnonzero(np.isin(parent, levels[-1])))
    reached = np.concatenate(levels)
    if reached.size < len(names):
        circle = sorted(set(range(len(names))) - set(reached.tolist()))
        raise BadInput(f"quota tree: a circle of parents: {', '.join(names[q] for q in circle)}")
    return tuple(levels[:-1])


def _check_guarantees(tree: QuotaTree) -> None:
    children = np.zeros(len(tree.names))
    below = tree.parent != NO_PARENT
    np.add.at(children, tree.parent[below], tree.guaranteed_cpu_cores[below])
    broken = np.flatnonzero(children > tree.guaranteed_cpu_cores + _ROUNDING_CORES)
    broken = broken[~np.isin(broken, tree.leaves)]
    if broken.size:
        queue = int(broken[0])
        raise BadInput(
            f"quota tree: queue {tree.names[queue]!r} is guaranteed "
            f"{tree.guaranteed_cpu_cores[queue]:g} cores, its children {children[queue]:g}"
        )
