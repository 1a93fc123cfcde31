"""Rules of pods into masks and counters: each distinct demand is worked out once.

Whether a label matters is known only when everybody's selectors are read: ten thousand jobs that
differ in their names alone become one kind unless somebody selects by name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scheduler.core.constraints import ANY_ADDRESS, HostPort, PeerTerm, Rules
from scheduler.core.kinds import Apart, Constraints, Even, Kind, Lean, Together
from scheduler.core.labels import LabelIndex
from scheduler.core.node_table import ITSELF, NOWHERE, NodeTable
from slacktide.messages import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class RunningPods:
    """P pods that run, online ones too: a pod's neighbours are everybody."""

    rules: tuple[Rules, ...]  # distinct
    rules_of: IntArray  # [P]
    node: IntArray  # [P]

    @staticmethod
    def none() -> RunningPods:
        """Nothing runs."""
        nobody = np.zeros(0, np.int64)
        return RunningPods(rules=(), rules_of=nobody, node=nobody)


def compile_constraints(
    table: NodeTable, gang_rules: Sequence[Rules], running: RunningPods | None = None
) -> tuple[Constraints, IntArray]:
    """What the gangs ask, over the nodes of the table, and [G] the kind of each gang.

    Args:
        table: the nodes, in the snapshot's order.
        gang_rules: [G] what each gang's pods ask.
        running: who runs already.
    """
    distinct = tuple(dict.fromkeys(gang_rules))
    work = _Work(table, distinct, running or RunningPods.none())
    work.read()
    rows = _Rows(table)
    kinds = [work.kind(index, rows) for index in range(len(distinct))]
    by_kind = {kind: place for place, kind in enumerate(dict.fromkeys(kinds))}
    of_rules = {rules: by_kind[kind] for rules, kind in zip(distinct, kinds, strict=True)}
    example = dict(zip(reversed(kinds), reversed(distinct), strict=True))
    constraints = Constraints(
        table=table,
        kinds=tuple(by_kind),
        rules=tuple(example[kind] for kind in by_kind),
        row_of=np.array([kind.row for kind in by_kind], np.int64),
        allowed=rows.stacked(rows.allowed),
        eligible=rows.stacked(rows.eligible),
        avoided=rows.stacked(rows.avoided) if any(a.any() for a in rows.avoided) else None,
        at_most_one=np.array(rows.at_most_one, np.bool_),
        wide=np.array([work.is_wide(kind) for kind in by_kind], np.bool_),
        topology=tuple(work.topology),
        counts=tuple(work.counts),
    )
    return constraints, np.array([of_rules[rules] for rules in gang_rules], np.int64)


@dataclass(slots=True)
class _Rows:
    """Distinct demands on nodes alone, and whether a node takes one such task or more."""

    table: NodeTable
    seen: dict[object, int] = field(default_factory=dict)
    allowed: list[BoolArray] = field(default_factory=list)
    eligible: list[BoolArray] = field(default_factory=list)
    avoided: list[FloatArray] = field(default_factory=list)
    at_most_one: list[bool] = field(default_factory=list)

    def row(self, rules: Rules, *, once: bool) -> int:
        wishes = _wishes(rules)
        key = (rules.choices, rules.tolerations, rules.preferences, wishes, once)
        if key not in self.seen:
            self.seen[key] = len(self.seen)
            self._add(rules, wishes)
            self.at_most_one.append(once)
        return self.seen[key]

    def _add(self, rules: Rules, wishes: int) -> None:
        eligible = np.ones(len(self.table), np.bool_)
        for choice in rules.choices:
            eligible &= self.table.chosen(choice)
        self.eligible.append(eligible)
        self.allowed.append(eligible & ~self.table.tainted(rules.tolerations))
        soft = self.table.tainted(rules.tolerations, effects=("PreferNoSchedule",))
        avoided = soft.astype(np.float64)
        for wish in rules.preferences:
            avoided += wish.weight / wishes * ~self.table.meeting(wish.needs)
        self.avoided.append(avoided)

    def stacked(self, rows: Sequence[FloatArray | BoolArray]) -> NDArray[Any]:
        return np.array(rows).reshape(len(rows), len(self.table))


class _Work:
    """Terms into counters."""

    def __init__(self, table: NodeTable, pending: tuple[Rules, ...], running: RunningPods) -> None:
        self.table = table
        self.pending = pending
        self.running = running
        self.topology: list[str] = []
        self.counts: list[Mapping[int, int]] = []
        self._counter: dict[object, int] = {}
        self._adds: dict[int, list[int]] = defaultdict(list)
        self._apart: dict[int, list[Apart]] = defaultdict(list)
        self._index = LabelIndex([(rules.namespace, rules.labels) for rules in pending])
        self._near = LabelIndex([(rules.namespace, rules.labels) for rules in running.rules])
        order = np.argsort(running.rules_of, kind="stable")
        starts = np.searchsorted(running.rules_of[order], np.arange(len(running.rules)))
        self._nodes_of = np.split(running.node[order], starts[1:]) if len(running.rules) else []

    def read(self) -> None:
        """Everybody's terms, the running pods' own too, into counters."""
        owners, theirs = _owners(self.pending), _owners(self.running.rules)
        for term in dict.fromkeys([*owners, *theirs]):
            self._keep_apart(term, owners.get(term, []), theirs.get(term, []))
        self._keep_ports_apart()
        for rules in self.pending:
            spreads, wishes = rules.spreads, rules.leanings
            for term in (*rules.together, *[s.term for s in spreads], *[w.term for w in wishes]):
                self._pods_near(term)

    def kind(self, index: int, rows: _Rows) -> Kind:
        """What one set of rules comes to."""
        rules, wishes = self.pending[index], _wishes(self.pending[index])
        once = any(term.itself and self._is_single(term.counter) for term in self._apart[index])
        return Kind(
            row=rows.row(rules, once=once),
            adds=tuple(self._adds[index]),
            apart=tuple(self._apart[index]),
            together=tuple(Together(*self._counted(term, index)) for term in rules.together),
            even=tuple(
                Even(*self._counted(spread.term, index), spread.max_skew, spread.min_domains)
                for spread in rules.spreads
            ),
            lean=tuple(
                Lean(self._pods_near(wish.term), wish.weight / wishes) for wish in rules.leanings
            ),
            pack=rules.pack,
            unjudged=rules.unjudged,
        )

    def is_wide(self, kind: Kind) -> bool:
        far = any(not self._is_single(term.counter) for term in kind.apart)
        return bool(far or kind.together or kind.even or kind.lean or kind.pack)

    def _is_single(self, counter: int) -> bool:
        return self.table.domains(self.topology[counter]).single

    def _counted(self, term: PeerTerm, index: int) -> tuple[int, bool]:
        counter = self._pods_near(term)
        return counter, counter in self._adds[index]

    def _keep_apart(self, term: PeerTerm, owners: list[int], theirs: list[int]) -> None:
        """Who owns the term keeps away from whom it selects, and those from its owners."""
        selected = self._index.matching(term.group)
        if not (owners or (theirs and selected)):
            return
        near = self._near.matching(term.group)
        for owner in owners:
            self._apart[owner].append(Apart(self._pods_near(term), owner in set(selected)))
        if selected and (selected != owners or near != theirs):
            kept = self._new(("owns", term), term.topology_key, added_by=owners, there=theirs)
            for pod in selected:
                self._apart[pod].append(Apart(kept, pod in owners))

    def _pods_near(self, term: PeerTerm) -> int:
        """The counter of the pods a term selects."""
        known = self._counter.get(("near", term))
        if known is not None:
            return known
        return self._new(
            ("near", term),
            term.topology_key,
            added_by=self._index.matching(term.group),
            there=self._near.matching(term.group),
        )

    def _keep_ports_apart(self) -> None:
        asked, taken = _port_users(self.pending), _port_users(self.running.rules)
        for port in dict.fromkeys([*asked, *taken]):
            against = [other for other in asked if _clash(port, other)]
            if not against:
                continue
            counter = self._new(
                ("port", port), ITSELF, added_by=asked.get(port, []), there=taken.get(port, [])
            )
            for user in {user for other in against for user in asked[other]}:
                self._apart[user].append(Apart(counter, user in asked.get(port, [])))

    def _new(
        self, key: object, topology_key: str, *, added_by: Iterable[int], there: Iterable[int]
    ) -> int:
        counter = self._counter[key] = len(self.topology)
        self.topology.append(topology_key)
        for index in added_by:
            self._adds[index].append(counter)
        nodes = [self._nodes_of[rules] for rules in there]
        nowhere = np.zeros(0, np.int64)
        domain = self.table.domains(topology_key).of[np.concatenate([nowhere, *nodes])]
        found, pods = np.unique(domain, return_counts=True)
        counted = dict(zip(found.tolist(), pods.tolist(), strict=True))
        counted.pop(NOWHERE, None)
        self.counts.append(counted)
        return counter


def _wishes(rules: Rules) -> int:
    near = sum(abs(wish.weight) for wish in rules.leanings)
    return max(1, near + sum(wish.weight for wish in rules.preferences))


def _owners(rules: Sequence[Rules]) -> dict[PeerTerm, list[int]]:
    owners: dict[PeerTerm, list[int]] = defaultdict(list)
    for index, asked in enumerate(rules):
        for term in dict.fromkeys(asked.apart):
            owners[term].append(index)
    return owners


def _port_users(rules: Sequence[Rules]) -> dict[HostPort, list[int]]:
    users: dict[HostPort, list[int]] = defaultdict(list)
    for index, asked in enumerate(rules):
        for port in asked.ports:
            users[port].append(index)
    return users


def _clash(one: HostPort, other: HostPort) -> bool:
    same = (one.protocol, one.port) == (other.protocol, other.port)
    wild = one.address in ANY_ADDRESS or other.address in ANY_ADDRESS
    return same and (wild or one.address == other.address)
