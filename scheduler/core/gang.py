"""A gang placed whole, or not at all.

Always holds: the tasks placed are none, or between `min_available` and `tasks`; every node gets at
most what fits it; the cheapest nodes are filled first, so a gang spreads over few.

An elastic gang takes as many tasks as there is room for, up to `tasks`. The rest is not this
round's business: the caller offers it again later as a gang of its own with `min_available` 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from slacktide.messages import FloatArray, IntArray


def nodes_for_gang(
    fitting: IntArray, cost: Callable[[IntArray], FloatArray], *, tasks: int, min_available: int
) -> tuple[IntArray, IntArray]:
    """Nodes and the number of tasks on each; both empty where the gang does not fit whole.

    Args:
        fitting: [N] how many of its tasks fit on each node.
        cost: of the given nodes, which all fit at least one task; lowest first, ties by index.
        tasks: place no more than this.
        min_available: place no fewer than this.
    """
    able = np.flatnonzero(fitting)
    wanted = min(tasks, int(fitting[able].sum()))
    if wanted < min_available:
        return able[:0], able[:0]
    costs = cost(able)
    if len(able) > wanted:  # each takes a task at least, so the cheapest `wanted` are enough
        chosen = cheapest(costs, wanted)
        able, costs = able[chosen], costs[chosen]
    able = able[np.argsort(costs, kind="stable")]
    filled = np.cumsum(fitting[able])
    last = int(np.searchsorted(filled, wanted))
    count = fitting[able[: last + 1]].copy()
    count[-1] -= filled[last] - wanted
    return able[: last + 1], count


def cheapest(costs: FloatArray, many: int) -> IntArray:
    """Places of the `many` lowest costs, ascending; of equal ones those that come first."""
    limit = np.partition(costs, many - 1)[many - 1]
    below = costs < limit
    below[np.flatnonzero(costs == limit)[: many - int(below.sum())]] = True
    return np.flatnonzero(below)
