"""Who is near whom while a round places gangs: the counters, kept as tasks are placed.

Counters are sparse (domain -> pods): most count a handful of pods among ten thousand nodes.
"""

from __future__ import annotations

import numpy as np

from scheduler.core.kinds import Constraints, Kind
from scheduler.core.node_table import NOWHERE
from scheduler.core.snapshot import GangColumns
from slacktide.messages import BoolArray, FloatArray, IntArray


class Nearby:
    """The counters of one round."""

    def __init__(self, constraints: Constraints) -> None:
        """Start from the pods that run."""
        self.constraints = constraints
        self._counts = [dict(counts) for counts in constraints.counts]
        self._eligible: dict[tuple[int, str], BoolArray] = {}

    def kind_index(self, gangs: GangColumns, row: int) -> int:
        """Which kind a gang's tasks are."""
        return 0 if gangs.kind is None else int(gangs.kind[row])

    def kind(self, gangs: GangColumns, row: int) -> Kind:
        """What a gang's tasks ask."""
        return self.constraints.kinds[self.kind_index(gangs, row)]

    def add(self, kind: Kind, nodes: IntArray, count: IntArray) -> None:
        """Count tasks that were placed; a negative count takes them back."""
        for counter in kind.adds:
            counts, domain = self._counts[counter], self.constraints.domains(counter).of[nodes]
            for where, tasks in zip(domain.tolist(), count.tolist(), strict=True):
                if where == NOWHERE:
                    continue
                counts[where] = counts.get(where, 0) + tasks
                if not counts[where]:
                    del counts[where]

    def is_empty(self, counter: int) -> bool:
        """Whether no such pod runs anywhere."""
        return not self._counts[counter]

    def by_domain(self, counter: int) -> IntArray:
        """[D] pods in each domain."""
        counts = self._counts[counter]
        pods = np.zeros(len(self.constraints.domains(counter).names), np.int64)
        pods[np.fromiter(counts, np.int64, len(counts))] = list(counts.values())
        return pods

    def eligible(self, kind: Kind, counter: int) -> BoolArray:
        """[D] domains in which some node meets the kind's rules on labels; taints aside."""
        key = (kind.row, self.constraints.topology[counter])
        if key not in self._eligible:
            domains = self.constraints.domains(counter)
            found = domains.of[self.constraints.eligible[kind.row] & (domains.of != NOWHERE)]
            self._eligible[key] = np.bincount(found, minlength=len(domains.names)) > 0
        return self._eligible[key]

    def open_to(self, kind: Kind, nodes: IntArray) -> BoolArray:
        """[len(nodes)] which of the nodes the pods that run leave to such a task."""
        is_open = np.ones(len(nodes), np.bool_)
        for apart in kind.apart:
            if not self.is_empty(apart.counter):
                is_open &= ~self._is_near(apart.counter, nodes)
        for together in kind.together:
            if not self.is_empty(together.counter):
                is_open &= self._is_near(together.counter, nodes)
            elif together.itself:
                is_open &= self.constraints.domains(together.counter).of[nodes] != NOWHERE
            else:
                is_open[:] = False
        return is_open

    def wished(self, kind: Kind, nodes: IntArray) -> FloatArray:
        """[len(nodes)] share of the pod's wishes that a node does not meet."""
        avoided = self.constraints.avoided
        unmet = np.zeros(len(nodes)) if avoided is None else avoided[kind.row, nodes]
        for lean in kind.lean:
            near = self._is_near(lean.counter, nodes)
            unmet = unmet + abs(lean.weight) * (near if lean.weight < 0 else ~near)
        return unmet

    def _is_near(self, counter: int, nodes: IntArray) -> BoolArray:
        domain = self.constraints.domains(counter).of[nodes]
        return np.append(self.by_domain(counter) > 0, values=False)[domain]  # NOWHERE is the last
