"""The tree of queues as its owner wrote it, and what each queue uses now.

The tree changes when somebody edits it, the use at every round, so they are two values. Always
holds for a `QueueTree`: it has no cycle, a queue's guarantee covers the sum of its children's, no
maximum lies below its guarantee, and weights are positive. Gangs wait in leaves; an inner queue is
what its subtree shares.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from slacktide.messages import BoolArray, FloatArray, IntArray

TOP = -1  # the parent of a queue that has none
CORES_TOLERANCE = 1e-6  # binary noise of summed cores; a thousandth of the smallest request


@dataclass(frozen=True, slots=True)
class QueueTree:
    """Q queues. A queue's place in `names` is its index everywhere else.

    Raises:
        ValueError: the tree is no tree, or its numbers contradict one another.
    """

    names: tuple[str, ...]
    parent: IntArray  # [Q] index of the parent, TOP for none
    guaranteed_cpu_cores: FloatArray  # [Q] served before anybody's fair share
    max_cpu_cores: FloatArray  # [Q] never used beyond, infinite for no limit
    weight: FloatArray  # [Q] share among siblings once guarantees are met
    paths: tuple[tuple[int, ...], ...] = field(init=False)  # [Q] from the top down to the queue
    leaf: BoolArray = field(init=False)  # [Q]

    def __post_init__(self) -> None:
        _same_length(self)
        leaf = ~np.isin(np.arange(len(self.names)), self.parent)
        object.__setattr__(self, "leaf", leaf)
        object.__setattr__(self, "paths", _paths(self.names, self.parent.tolist()))
        _check_numbers(self)


@dataclass(frozen=True, slots=True)
class QueueUse:
    """What the running tasks submitted to each queue hold; zero for inner queues."""

    cpu_cores: FloatArray  # [Q]
    memory_bytes: FloatArray  # [Q]

    @staticmethod
    def none(queues: int) -> QueueUse:
        """Nothing runs."""
        return QueueUse(cpu_cores=np.zeros(queues), memory_bytes=np.zeros(queues))


def _same_length(tree: QueueTree) -> None:
    for name in ("parent", "guaranteed_cpu_cores", "max_cpu_cores", "weight"):
        if getattr(tree, name).shape != (len(tree.names),):
            raise ValueError(f"queues: {name} must have one value for each of the names")


def _paths(names: tuple[str, ...], parent: list[int]) -> tuple[tuple[int, ...], ...]:
    for queue, above in enumerate(parent):
        if not TOP <= above < len(names):
            raise ValueError(f"queue {names[queue]}: there is no queue {above} to be its parent")
    return tuple(_path(names, parent, queue) for queue in range(len(names)))


def _path(names: tuple[str, ...], parent: list[int], queue: int) -> tuple[int, ...]:
    path = [queue]
    while parent[path[-1]] != TOP:
        path.append(parent[path[-1]])
        if len(path) > len(names):
            raise ValueError(f"queue {names[queue]}: it is its own ancestor")
    return tuple(reversed(path))


def _check_numbers(tree: QueueTree) -> None:
    promised = np.zeros(len(tree.names))
    inner = tree.parent != TOP
    np.add.at(promised, tree.parent[inner], tree.guaranteed_cpu_cores[inner])
    for broken, sentence in (
        (~(tree.weight > 0), "its weight must be above 0"),
        (~(tree.guaranteed_cpu_cores >= 0), "its guarantee must be a number of cores, 0 or more"),
        (
            ~(tree.max_cpu_cores >= tree.guaranteed_cpu_cores),
            "its maximum is below its own guarantee",
        ),
        (
            promised > tree.guaranteed_cpu_cores + CORES_TOLERANCE,
            "its children are guaranteed more cores than it is itself",
        ),
    ):
        if broken.any():
            raise ValueError(f"queue {tree.names[int(broken.argmax())]}: {sentence}")
