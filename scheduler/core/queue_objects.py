"""The tree of queues out of Queue objects, also where they contradict one another.

Objects are written one by one, so a tree may be broken for a while: a parent is deleted, children
are promised more than their parent has. No gang may stop waiting because of that. What is broken is
mended in the way that promises least, and said.

    broken                                         mended
    the parent is not there                        the queue is at the top
    a circle of parents                            its first queue by name is at the top
    children are guaranteed more than the parent   they are guaranteed the same share of it less
    a guarantee above the own maximum              the maximum is guaranteed
    a number that is none                          as if it were not written

Always holds: there is a queue `default`, under which nothing else is written unless somebody does;
every outcome is a tree; queues are in the order of their names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from scheduler.core.queues import TOP, QueueTree
from slacktide.contract import DEFAULT_QUEUE
from slacktide.errors import BadInput
from slacktide.kube.objects import Meta
from slacktide.kube.queues import Amounts, Queue
from slacktide.messages import FloatArray
from slacktide.quantity import parse_cpu_cores

MOST_CORES: Final = 1e9  # more than all machines there are; what is beyond is a slip


@dataclass(frozen=True, slots=True)
class Planted:
    """A tree, and what was odd about the objects it was made of."""

    tree: QueueTree
    lendable_share: FloatArray  # [Q] of the guarantee that a queue does not use
    problems: Mapping[str, str]  # queue -> sentence

    def leaf(self, name: str) -> tuple[int | None, str]:
        """The index of the queue that a gang named, or None and why it cannot wait there."""
        if name not in self.tree.names:
            return None, f"there is no queue {name}"
        queue = self.tree.names.index(name)
        if self.tree.leaf[queue]:
            return queue, ""
        below = [self.tree.names[one] for one in np.flatnonzero(self.tree.parent == queue)]
        return None, f"queue {name} has queues below it: wait in one, such as {below[0]}"


def planted(objects: Iterable[Queue]) -> Planted:
    """The tree of these objects, of which each name is one."""
    named = {one.metadata.name: one for one in objects}
    named.setdefault(DEFAULT_QUEUE, Queue(Meta(name=DEFAULT_QUEUE)))
    names = tuple(sorted(named))
    specs = [named[name].spec for name in names]
    said: dict[str, list[str]] = {name: [] for name in names}
    parent = _parents(names, [spec.parent for spec in specs], said)
    ceiling = [_cores(spec.max, "max", said[name]) for name, spec in zip(names, specs, strict=True)]
    own = [
        _cores(spec.guaranteed, "guaranteed", said[name])
        for name, spec in zip(names, specs, strict=True)
    ]
    most = np.array([math.inf if cores is None else cores for cores in ceiling])
    tree = QueueTree(
        names=names,
        parent=np.array(parent, dtype=np.int64),
        guaranteed_cpu_cores=_guarantees(names, parent, own, most, said),
        max_cpu_cores=most,
        weight=np.array([max(spec.weight, 1) for spec in specs], dtype=np.float64),
    )
    lendable = np.clip([spec.lendable_percent / 100 for spec in specs], 0.0, 1.0)
    problems = {name: "; ".join(sentences) for name, sentences in said.items() if sentences}
    return Planted(tree, lendable, problems)


def _parents(names: tuple[str, ...], written: list[str], said: dict[str, list[str]]) -> list[int]:
    index = {name: row for row, name in enumerate(names)}
    parent = [index.get(above, TOP) for above in written]
    for row, above in enumerate(written):
        if above and above not in index:
            said[names[row]].append(f"its parent {above} is not there: it counts as one at the top")
    for row, name in enumerate(names):
        if _meets_itself(row, parent):
            parent[row] = TOP
            said[name].append("it is its own ancestor: it counts as one at the top")
    return parent


def _meets_itself(start: int, parent: list[int]) -> bool:
    above, seen = parent[start], 0
    while above not in {TOP, start} and seen <= len(parent):
        above, seen = parent[above], seen + 1
    return above == start


def _cores(amounts: Amounts, what: str, said: list[str]) -> float | None:
    if amounts.cpu is None:
        return None
    try:
        cores = parse_cpu_cores(amounts.cpu)
    except BadInput as why:
        said.append(f"{what}.cpu counts as not written: {why}")
        return None
    if cores > MOST_CORES:
        said.append(f"{what}.cpu counts as not written: {cores:g} cores are more than there are")
        return None
    return cores


def _guarantees(
    names: tuple[str, ...],
    parent: list[int],
    own: list[float | None],
    most: FloatArray,
    said: dict[str, list[str]],
) -> FloatArray:
    """[Q] guaranteed cores: from the bottom up where a parent says nothing, then cut from above."""
    order = sorted(range(len(names)), key=lambda row: _depth(row, parent))
    promised = np.zeros(len(names))
    below = np.zeros(len(names))
    for row in reversed(order):
        written = own[row]
        promised[row] = min(below[row] if written is None else written, most[row])
        if written is not None and written > most[row]:
            said[names[row]].append(
                f"it is guaranteed its maximum of {most[row]:g} cores, not more"
            )
        if parent[row] != TOP:
            below[parent[row]] += promised[row]
    for row in order:
        if below[row] > promised[row]:
            share = promised[row] / below[row]
            children = [child for child in order if parent[child] == row]
            promised[children] *= share
            said[names[row]].append(
                f"its children are guaranteed {below[row]:g} cores and it has {promised[row]:g}: "
                f"each counts for {share:.0%} of its own"
            )
    return promised


def _depth(row: int, parent: list[int]) -> int:
    depth = 0
    while parent[row] != TOP:
        row, depth = parent[row], depth + 1
    return depth
