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

SHORT: Final = 1024  # nodes kept of one look; a look at 100,000 costs as much as thirty at these

Cost = Callable[[IntArray], FloatArray]
Fitting = Callable[[IntArray | None], IntArray]  # of the nodes given, or of all
Open = Callable[[IntArray], BoolArray]  # of the nodes given


@dataclass(slots=True)
class _Short:
    """One class's."""

    nodes: IntArray  # ascending
    bound: tuple[float, int]  # cost and index up to which nobody is missing
    seen: int  # of the nodes touched, how many are taken into account


class Shortlists:
    """One a class, and the nodes touched since each was made."""

    def __init__(self, nodes: int) -> None:
        """Nothing was looked at of so many nodes."""
        # to sort what was touched costs some eight times a look at as many nodes
        self._too_many = max(2 * SHORT, nodes // 8)
        self._of: dict[int, _Short] = {}
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
            nodes, fits, costs = self._among(short, fitting, cost)
            fits = fits * is_open(nodes)
            if fits.sum() >= tasks:
                return _chosen(nodes, fits, costs, tasks=tasks, min_available=min_available)
        everywhere = fitting(None)
        able = np.flatnonzero(everywhere)
        costs = cost(able)
        self._of[kind] = self._shortest(able, costs, keep=max(SHORT, 4 * tasks))
        fits = everywhere[able] * is_open(able)
        return _chosen(able, fits, costs, tasks=tasks, min_available=min_available)

    def _shortest(self, able: IntArray, costs: FloatArray, *, keep: int) -> _Short:
        if len(able) <= keep:
            return _Short(able, (np.inf, 0), self._size)
        inside = cheapest(costs, keep)
        limit = float(costs[inside].max())
        last = int(able[inside[costs[inside] == limit][-1]])
        return _Short(able[inside], (limit, last), self._size)

    def _among(
        self, short: _Short, fitting: Fitting, cost: Cost
    ) -> tuple[IntArray, IntArray, FloatArray]:
        """The nodes of a list with what has changed since, what fits and what it costs."""
        nodes = np.union1d(short.nodes, self._touched[short.seen : self._size])
        fits = fitting(nodes)
        able = fits > 0
        nodes, fits = nodes[able], fits[able]
        costs = cost(nodes)
        bound_cost, bound_node = short.bound
        inside = (costs < bound_cost) | ((costs == bound_cost) & (nodes <= bound_node))
        short.nodes, short.seen = nodes[inside], self._size
        return short.nodes, fits[inside], costs[inside]


def _chosen(
    nodes: IntArray, fits: IntArray, costs: FloatArray, *, tasks: int, min_available: int
) -> tuple[IntArray, IntArray]:
    chosen, count = nodes_for_gang(
        fits, lambda able: costs[able], tasks=tasks, min_available=min_available
    )
    return nodes[chosen], count
