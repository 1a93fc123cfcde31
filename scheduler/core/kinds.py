"""What gangs ask of nodes and neighbours, ready to plan with: masks over nodes, and counters.

Everything a pod may ask about its neighbours is one of three things, asked of a *counter*: how many
pods of some kind each domain of a topology has.

    apart      the domain has none             anti-affinity, another's anti-affinity, host ports
    together   the domain has some             affinity
    even       the domain has few more than    topology spread
               the domain with the fewest

A gang that itself counts (`itself`) is also bound by its own tasks: apart is then one a domain,
together one domain for all where no such pod runs yet, and even a level to fill.

Always holds: gangs of one kind may run on the same nodes and have the same neighbours counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scheduler.core.constraints import Pack, Rules
from scheduler.core.node_table import Domains, NodeTable
from slacktide.messages import BoolArray, FloatArray, IntArray


class Apart(NamedTuple):
    """Only where the counter is 0."""

    counter: int
    itself: bool


class Together(NamedTuple):
    """Only where the counter is above 0; anywhere in one domain if it is 0 everywhere."""

    counter: int
    itself: bool


class Even(NamedTuple):
    """The counter at most `skew` above the least of the eligible domains; a wish if infinite."""

    counter: int
    itself: bool
    skew: float
    min_domains: int


class Lean(NamedTuple):
    """Rather where the counter is above 0; rather not, for a negative weight."""

    counter: int
    weight: float  # share of all the pod's wishes


class Kind(NamedTuple):
    """One distinct set of demands."""

    row: int = 0  # of `allowed`, `eligible` and `avoided`
    adds: tuple[int, ...] = ()  # counters that each of its tasks adds to
    apart: tuple[Apart, ...] = ()
    together: tuple[Together, ...] = ()
    even: tuple[Even, ...] = ()
    lean: tuple[Lean, ...] = ()
    pack: Pack | None = None
    unjudged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Constraints:
    """S kinds over N nodes; M distinct demands on nodes alone."""

    table: NodeTable
    kinds: tuple[Kind, ...]  # [S]
    rules: tuple[Rules, ...]  # [S] one pod's of each kind, for the sentences
    row_of: IntArray  # [S] the row of each kind
    allowed: BoolArray  # [M, N] by labels and taints
    eligible: BoolArray  # [M, N] by labels alone: the nodes a spread counts
    avoided: FloatArray | None  # [M, N] share of the wishes not met; None where nobody wishes
    at_most_one: BoolArray  # [M] one task a node
    wide: BoolArray  # [S] a task on one node may close another one
    topology: tuple[str, ...]  # [counters] the label whose values are its domains
    counts: tuple[Mapping[int, int], ...]  # [counters] domain -> pods that run there

    def domains(self, counter: int) -> Domains:
        """Over which a counter counts."""
        return self.table.domains(self.topology[counter])

    def cut(self, fitting: IntArray, rows: IntArray, nodes: IntArray | None) -> None:
        """Take from [C, N] numbers of fitting tasks what labels, taints and ports forbid."""
        if len(rows) == 1:
            of_one = self.allowed[rows[0]]
            fitting *= of_one if nodes is None else of_one[nodes]
        else:
            fitting *= self.allowed[rows] if nodes is None else self.allowed[rows[:, None], nodes]
        single = self.at_most_one[rows]
        if single.any():
            fitting[single] = np.minimum(fitting[single], 1)
