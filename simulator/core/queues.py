"""The queue tree of a job trace, which names queues and nothing else.

A name with slashes is a path (`research/nlp` stands below `research`); all stand below one root.
A share of the nodes' cores is guaranteed, evenly; the rest is lent by equal weight. That is a
choice of the replay, said in its report, not a fact of the trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from federation.core.quota_tree import QueueSpec, QuotaTree, plant
from slacktide.messages import FloatArray

ROOT = "batch"
GUARANTEED_SHARE = 0.3  # of the nodes' cores: about half of what forecasts offer on real traces


def tree_of(queues: Sequence[str], *, capacity_cores: float) -> tuple[QuotaTree, dict[str, int]]:
    """The tree over the queues of a job trace, and the leaf (index into L) of each queue name.

    A queue that has queues below it and gangs of its own gets a leaf `<queue>/own` for those (with
    a star where a queue is called so).

    Args:
        queues: the name on each job, doubled or not.
        capacity_cores: of all nodes.
    """
    names = sorted(set(queues))
    each = GUARANTEED_SHARE * capacity_cores / len(names)
    inner = {above for name in names for above in _ancestors(name)}
    leaf_of = {
        name: _own_leaf(name, inner | set(names)) if name in inner else name for name in names
    }
    guaranteed = dict.fromkeys(sorted(inner, key=lambda name: (name != ROOT, name)), 0.0)
    for leaf in leaf_of.values():
        for above in _ancestors(leaf):
            guaranteed[above] += each
    guaranteed |= dict.fromkeys(leaf_of.values(), each)
    tree = plant(
        [
            QueueSpec(name, parent=_parent(name), guaranteed_cpu_cores=cores)
            for name, cores in guaranteed.items()
        ]
    )
    index = {name: leaf for leaf, name in enumerate(tree.leaf_names)}
    return tree, {name: index[leaf] for name, leaf in leaf_of.items()}


def _parent(name: str) -> str | None:
    if name == ROOT:
        return None
    return name.rpartition("/")[0] or ROOT


def _own_leaf(name: str, taken: set[str]) -> str:
    leaf = f"{name}/own"
    while leaf in taken:
        leaf += "*"
    return leaf


def _ancestors(leaf: str) -> list[str]:
    """All queues above one, each once: a path may begin with a slash or with the root's name."""
    parts = leaf.split("/")
    above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
    return list(dict.fromkeys([ROOT, *filter(None, above)]))


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One queue as a page shows it."""

    name: str
    parent: str | None
    guaranteed_cores: float
    max_cores: float  # inf for none
    weight: float
    used_cores: float
    borrowed_cores: float  # used above the guarantee
    pending_gangs: int


def queue_rows(tree: QuotaTree, used_cores: FloatArray, pending: FloatArray) -> list[QueueRow]:
    """Every queue with what is used and pending below it; `used_cores` and `pending` are [L]."""
    used, waiting = tree.sum_up(used_cores), tree.sum_up(pending)
    borrowed = np.maximum(used - tree.guaranteed_cpu_cores, 0.0)
    return [
        QueueRow(
            name=name,
            parent=None if tree.parent[queue] < 0 else tree.names[tree.parent[queue]],
            guaranteed_cores=float(tree.guaranteed_cpu_cores[queue]),
            max_cores=float(tree.max_cpu_cores[queue]),
            weight=float(tree.weight[queue]),
            used_cores=float(used[queue]),
            borrowed_cores=float(borrowed[queue]),
            pending_gangs=int(waiting[queue]),
        )
        for queue, name in enumerate(tree.names)
    ]
