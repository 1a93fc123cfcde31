"""Who gets how much of a supply: weighted max-min fairness over the quota tree.

From the root down, every queue shares what it got among its children: first each child's
guarantee as far as it is wanted (short supply is shared in proportion to the guarantees), then
the rest by weight, raising all children together until each is full (progressive filling,
Bertsekas & Gallager, Data Networks, 6.5.2). A guarantee that is not lendable is kept back
by letting the queue *want* it: it counts as taken, and nobody else gets it.

Always holds, up to float rounding: the leaves together get no more than the supply; no queue gets
more than its max, no leaf more than its demand; among siblings nobody could get more of the rest
unless one who has less of it per weight got less.
"""

from __future__ import annotations

import numpy as np

from federation.core.quota_tree import NO_PARENT, QuotaTree
from slacktide.messages import FloatArray, IntArray


def waterfill(
    tree: QuotaTree,
    *,
    supply_cpu_cores: float,
    demand_cpu_cores: FloatArray,
    elsewhere_cpu_cores: FloatArray | None = None,
) -> FloatArray:
    """The cores of this supply that each leaf gets.

    Args:
        tree: Q queues, L leaves.
        supply_cpu_cores: what is shared, >= 0.
        demand_cpu_cores: [L] what each leaf could use of it.
        elsewhere_cpu_cores: [L] what each leaf holds outside this supply; it uses up guarantees
            and maxima first.

    Returns:
        [L] cores.
    """
    guaranteed, maximum = _what_is_left(tree, elsewhere_cpu_cores)
    wanted = _wanted(tree, demand_cpu_cores, guaranteed, maximum)
    floor = np.minimum(wanted, guaranteed)
    got = np.zeros(len(tree.names) + 1)  # the last is the sky above the roots: parent -1
    got[NO_PARENT] = supply_cpu_cores
    for level in tree.levels:
        got[level] = _share(
            got,
            tree.parent[level],
            floor=floor[level],
            wanted=wanted[level],
            guaranteed=guaranteed[level],
            weight=tree.weight[level],
        )
    return np.minimum(got[tree.leaves], demand_cpu_cores)


def _what_is_left(
    tree: QuotaTree, elsewhere_cpu_cores: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """[Q] guarantees and maxima after what the leaves hold elsewhere."""
    if elsewhere_cpu_cores is None:
        return tree.guaranteed_cpu_cores, tree.max_cpu_cores
    held = tree.sum_up(elsewhere_cpu_cores)
    maximum = np.maximum(tree.max_cpu_cores - held, 0.0)
    guaranteed = np.maximum(tree.guaranteed_cpu_cores - held, 0.0)
    for level in reversed(tree.levels[1:]):
        # One child's loan elsewhere must not eat its sibling's guarantee: a parent keeps at
        # least what its children still have.
        children = np.zeros(len(tree.names))
        np.add.at(children, tree.parent[level], guaranteed[level])
        guaranteed = np.maximum(guaranteed, children)
    return np.minimum(guaranteed, maximum), maximum


def _wanted(
    tree: QuotaTree, demand_cpu_cores: FloatArray, guaranteed: FloatArray, maximum: FloatArray
) -> FloatArray:
    """[Q] demand, summed up and capped on the way, plus the guarantee that is not lent."""
    wanted = np.zeros(len(tree.names))
    wanted[tree.leaves] = demand_cpu_cores
    for level in reversed(tree.levels):
        idle = np.maximum(guaranteed[level] - wanted[level], 0.0)
        kept_back = (1.0 - tree.lendable_share[level]) * idle
        wanted[level] = np.minimum(wanted[level] + kept_back, maximum[level])
        below = level[tree.parent[level] != NO_PARENT]
        np.add.at(wanted, tree.parent[below], wanted[below])
    return wanted


def _share(
    got: FloatArray,
    parent: IntArray,
    *,
    floor: FloatArray,
    wanted: FloatArray,
    guaranteed: FloatArray,
    weight: FloatArray,
) -> FloatArray:
    """[n] what the n queues of one level get of what their parents got ([Q + 1])."""
    first = fill_evenly(got, parent, room=floor, weight=guaranteed)
    rest = got.copy()
    np.subtract.at(rest, parent, first)
    np.maximum(rest, 0.0, out=rest)
    return first + fill_evenly(rest, parent, room=wanted - first, weight=weight)


def fill_evenly(
    amount: FloatArray, group: IntArray, *, room: FloatArray, weight: FloatArray
) -> FloatArray:
    """Progressive filling of many vessels from several sources at once.

    Args:
        amount: [G] what each source holds; it is not changed.
        group: [n] the source of each vessel; -1 is the last one.
        room: [n] what each vessel takes at most.
        weight: [n] how fast it fills; > 0 where there is room.

    Returns:
        [n] `min(level of its group x weight, room)`, summing to `min(amount, sum of room)`.
    """
    left = amount.copy()
    poured = np.zeros(room.size)
    still_open = room > 0
    while still_open.any():
        speed = np.zeros(left.size)
        np.add.at(speed, group, np.where(still_open, weight, 0.0))
        level = np.divide(left, speed, out=np.zeros(left.size), where=speed > 0)
        rising = level[group] * weight
        full = still_open & (room <= rising)
        if not full.any():
            return np.where(still_open, rising, poured)
        poured[full] = room[full]
        np.subtract.at(left, group[full], room[full])
        np.maximum(left, 0.0, out=left)
        still_open &= ~full
    return poured
