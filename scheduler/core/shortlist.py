"""The cheapest nodes for a class of tasks, without looking at every node for every gang.

A node's cost changes only when a task is put on it. So the nodes that were cheapest at one look,
and those touched since, hold the cheapest of all for as long as the costs among them stay below
what the first node left out had cost. Then another look is due.

Always holds: the nodes found are those that a look at all of them would find, in that order; the
shortlist saves time and changes nothing. Ten thousand gangs over a hundred thousand nodes would
otherwise cost a thousand million looks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from scheduler.core.gang import cheapest, nodes_for_gang
from slacktide.messages import BoolArray, FloatArray, IntArray

SHORT: Final = (
    4096  # nodes kept of one look: more are looked at less often, and cost more each time
)
MOST_EVERYWHERE: Final = 64  # classes whose fits are kept for all nodes: 8 bytes a node each

Cost = Callable[[IntArray], FloatArray]
Fitting = Callable[[IntArray | None], IntArray]  # of the nodes given, or of all
Open = Callable[[IntArray], BoolArray]  # of the nodes given


@dataclass(slots=True)
class _Short:
    """One class's: all nodes that fit a task and come no later than the bound, K of them."""

    nodes: IntArray  # [K] ascending
    fits: IntArray  # [K]
    costs: FloatArray  # [K]
    bound: tuple[float, int]  # cost and index up to which nobody is missing
    seen: int  # of the nodes touched, how many are taken into account


class Shortlists:
    """One a class, and the nodes touched since each was made."""

    def __init__(self, nodes: int) -> None:
        """Nothing was looked at of so many nodes."""
        # to sort what was touched costs some eight times a look at as many nodes
        self._too_many = max(2 * SHORT, nodes // 8)
        self._of: dict[int, _Short] = {}
        self._everywhere: dict[int, tuple[IntArray, int]] = {}  # fits [N], touched until then
        self._is_touched = np.zeros(nodes, np.bool_)
        self._touched = np.zeros(SHORT, np.int64)
        self._size = 0

    def touch(self, nodes: IntArray) -> None:
        """What is left on these nodes has changed."""
        after = self._size + len(nodes)
        if after > len(self._touched):
            longer = np.zeros(2 * after, np.int64)
            longer[: self._size] = self._touched[: self._size]
            self._touched = longer
        self._touched[self._size : after] = nodes
        self._size = after

    def everywhere(self, kind: int, fitting: Fitting) -> IntArray:
        """[N] how many of a class's tasks fit on each node; the caller does not change it."""
        fits, seen = self._everywhere.get(kind, (None, 0))
        if fits is None or self._size - seen > self._too_many:
            if len(self._everywhere) == MOST_EVERYWHERE:
                self._everywhere.pop(next(iter(self._everywhere)))
            fits = fitting(None)
        elif seen < self._size:
            touched = _distinct(self._touched[seen : self._size])
            fits[touched] = fitting(touched)
        self._everywhere[kind] = fits, self._size
        return fits

    def places(
        self,
        kind: int,
        fitting: Fitting,
        is_open: Open,
        cost: Cost,
        *,
        tasks: int,
        min_available: int,
    ) -> tuple[IntArray, IntArray]:
        """As `nodes_for_gang` over all nodes, where `tasks` are known to fit.

        Gangs of one class share a list and may still differ in the nodes open to them.
        """
        short = self._of.get(kind)
        if short is not None and self._size - short.seen <= self._too_many:
            self._refresh(short, fitting, cost)
            fits = short.fits * is_open(short.nodes)
            if fits.sum() >= tasks:
                return _chosen(
                    short.nodes, fits, short.costs, tasks=tasks, min_available=min_available
                )
        everywhere = fitting(None)
        able = np.flatnonzero(everywhere)
        every, costs = everywhere[able], cost(able)
        self._of[kind] = self._shortest(able, every, costs, keep=max(SHORT, 4 * tasks))
        fits = every * is_open(able)
        return _chosen(able, fits, costs, tasks=tasks, min_available=min_available)

    def _shortest(self, able: IntArray, fits: IntArray, costs: FloatArray, *, keep: int) -> _Short:
        if len(able) <= keep:
            return _Short(able, fits, costs, (np.inf, 0), self._size)
        inside = cheapest(costs, keep)
        limit = float(costs[inside].max())
        last = int(able[inside[costs[inside] == limit][-1]])
        return _Short(able[inside], fits[inside], costs[inside], (limit, last), self._size)

    def _refresh(self, short: _Short, fitting: Fitting, cost: Cost) -> None:
        """Look again at the nodes touched since; the others are as they were."""
        touched = _distinct(self._touched[short.seen : self._size])
        short.seen = self._size
        if not len(touched):
            return
        self._is_touched[touched] = True
        kept = ~self._is_touched[short.nodes]
        self._is_touched[touched] = False
        fits = fitting(touched)
        nodes, fits = touched[fits > 0], fits[fits > 0]
        costs = cost(nodes)
        bound_cost, bound_node = short.bound
        inside = (costs < bound_cost) | ((costs == bound_cost) & (nodes <= bound_node))
        together = np.concatenate([short.nodes[kept], nodes[inside]])
        order = np.argsort(together, kind="stable")
        short.nodes = together[order]
        short.fits = np.concatenate([short.fits[kept], fits[inside]])[order]
        short.costs = np.concatenate([short.costs[kept], costs[inside]])[order]


def _distinct(nodes: IntArray) -> IntArray:
    """Each once, ascending: for so few, quicker than np.unique."""
    nodes = np.sort(nodes)
    new = np.ones(len(nodes), np.bool_)
    np.not_equal(nodes[1:], nodes[:-1], out=new[1:])
    return nodes[new]


def _chosen(
    nodes: IntArray, fits: IntArray, costs: FloatArray, *, tasks: int, min_available: int
) -> tuple[IntArray, IntArray]:
    chosen, count = nodes_for_gang(
        fits, lambda able: costs[able], tasks=tasks, min_available=min_available
    )
    return nodes[chosen], count
