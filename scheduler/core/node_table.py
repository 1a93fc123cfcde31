"""Facts about nodes as columns: labels as codes, taints as sets, domains as numbers.

A question about a label is asked of its distinct values, not of every node: ten thousand nodes in
three zones cost three comparisons and one look-up. A column is made when it is first asked for and
kept as long as the table, so a table lives until a node changes.

Source: k8s.io/component-helpers/scheduling/corev1 (node affinity, tolerations).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from scheduler.core.constraints import NodeChoice, Toleration
from scheduler.core.labels import NODE_NAME, Need, Needs, holds
from slacktide.kube.objects import Taint
from slacktide.messages import BoolArray, IntArray

ITSELF: Final = ""  # the topology in which every node is its own domain
NOWHERE: Final = -1  # the domain of a node that lacks the label
KEEPS_OUT: Final = ("NoSchedule", "NoExecute")


class Codes(NamedTuple):
    """One label over all nodes."""

    of: IntArray  # [N] index into values, NOWHERE where missing
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Domains:
    """One topology: which nodes lie together."""

    of: IntArray  # [N] domain of each node, NOWHERE where it has none
    names: tuple[str, ...]  # [D]
    single: bool  # no two nodes share one


class NodeTable:
    """N nodes. Its answers never change; only what has been asked before is remembered."""

    def __init__(
        self,
        names: tuple[str, ...],
        labels: tuple[Mapping[str, str], ...],
        taints: tuple[tuple[Taint, ...], ...],
    ) -> None:
        """Of the names, labels and taints of the nodes, in one order."""
        self.names = names
        self._labels = labels
        sets = {found: index for index, found in enumerate(dict.fromkeys(taints))}
        self._taint_sets = tuple(sets)
        self._taints_of = np.array([sets[found] for found in taints], np.int64)
        self._codes: dict[str, Codes] = {}
        self._domains: dict[str, Domains] = {}

    def __len__(self) -> int:
        return len(self.names)

    def codes(self, key: str) -> Codes:
        """A label as codes."""
        if key not in self._codes:
            found = self.names if key == NODE_NAME else [has.get(key) for has in self._labels]
            values = {value: i for i, value in enumerate(dict.fromkeys(found)) if value is not None}
            if None in found:
                values = {value: index for index, value in enumerate(values)}
            of = np.array([NOWHERE if v is None else values[v] for v in found], np.int64)
            self._codes[key] = Codes(of, tuple(values))
        return self._codes[key]

    def domains(self, key: str) -> Domains:
        """A topology by its label; `ITSELF` has every node apart."""
        if key not in self._domains:
            codes = Codes(np.arange(len(self)), self.names) if key == ITSELF else self.codes(key)
            placed = codes.of[codes.of != NOWHERE]
            single = len(placed) == len(codes.values)
            self._domains[key] = Domains(codes.of, codes.values, single)
        return self._domains[key]

    def having(self, need: Need) -> BoolArray:
        """[N] where one need holds."""
        codes = self.codes(need.key)
        answers = [holds(need, value) for value in codes.values]
        # NOWHERE is -1: the last answer is that for a node without the label
        return np.array([*answers, holds(need, None)], np.bool_)[codes.of]

    def meeting(self, needs: Needs) -> BoolArray:
        """[N] where all needs hold."""
        met = np.ones(len(self), np.bool_)
        for need in needs:
            met &= self.having(need)
        return met

    def chosen(self, choice: NodeChoice) -> BoolArray:
        """[N] where one of the terms holds; no term holds nowhere."""
        met = np.zeros(len(self), np.bool_)
        for needs in choice:
            met |= self.meeting(needs)
        return met

    def untolerated(
        self, tolerations: tuple[Toleration, ...], *, effects: tuple[str, ...] = KEEPS_OUT
    ) -> tuple[Taint | None, ...]:
        """The first taint of each set of taints that keeps such a pod out; None for none."""
        return tuple(
            next(
                (
                    taint
                    for taint in taints
                    if taint.effect in effects and not _tolerated(taint, tolerations)
                ),
                None,
            )
            for taints in self._taint_sets
        )

    def tainted(
        self, tolerations: tuple[Toleration, ...], *, effects: tuple[str, ...] = KEEPS_OUT
    ) -> BoolArray:
        """[N] where a taint is not tolerated."""
        found = self.untolerated(tolerations, effects=effects)
        kept_out = np.array([taint is not None for taint in found], np.bool_)
        return kept_out[self._taints_of]

    def nodes_with(self, taint: Taint) -> BoolArray:
        """[N] which nodes have a taint."""
        having = np.array([taint in found for found in self._taint_sets], np.bool_)
        return having[self._taints_of]


def _tolerated(taint: Taint, tolerations: tuple[Toleration, ...]) -> bool:
    return any(
        toleration.effect in {"", taint.effect}
        and (toleration.key == taint.key or not toleration.key)
        and (toleration.operator == "Exists" or toleration.value == taint.value)
        for toleration in tolerations
    )
