"""Places for the tasks of one role, where they are bound to each other as well as to nodes.

    nothing binds them          the cheapest nodes, filled one after another        gang.py
    all in one domain           the smallest domain that takes them all; else the roomiest
    so many a domain            a level to fill, then the cheapest nodes of each    level.py
    several such at once        one task after another, as kube-scheduler would

Always holds: what is returned meets every demand at the counts given, whole or not at all. A wish
(preferred packing, a spread that may be broken) is tried as a demand and then dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from scheduler.core.gang import cheapest, nodes_for_gang
from scheduler.core.kinds import Even, Kind
from scheduler.core.level import Levels
from scheduler.core.nearby import Nearby
from scheduler.core.node_table import NOWHERE, Domains
from slacktide.messages import BoolArray, FloatArray, IntArray

DOMAINS_TRIED: Final = 8  # where one domain must take all and further demands bind
NO_CAP: Final = int(np.iinfo(np.int64).max)

Cost = Callable[[IntArray], FloatArray]
Places = tuple[IntArray, IntArray]  # nodes, tasks on each


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many tasks: at most `tasks`, at least `min_available`, or none."""

    tasks: int
    min_available: int


@dataclass(frozen=True, slots=True)
class Candidates:
    """K nodes that fit at least one task."""

    nodes: IntArray  # [K] ascending
    fits: IntArray  # [K] at least 1

    def where(self, chosen: BoolArray) -> Candidates:
        """Some of them."""
        return Candidates(self.nodes[chosen], self.fits[chosen])

    def by_domain(self, domains: Domains) -> IntArray:
        """[D + 1] tasks that fit each domain; the last is of nodes that lie in none."""
        size = len(domains.names)
        domain = _nowhere_last(domains, self.nodes)
        return np.bincount(domain, weights=self.fits, minlength=size + 1).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Role:
    """Tasks of one size that look for a domain."""

    candidates: Candidates
    wanted: Wanted
    cpu_cores: float  # of one task


@dataclass(frozen=True, slots=True)
class _Limit:
    """So many tasks a domain."""

    domains: Domains
    there: IntArray  # [D]
    counts: BoolArray  # [D] whether the least may be found here
    even: Even
    cap: int = NO_CAP  # of this gang's tasks


def arrange(
    near: Nearby | None, kind: Kind, candidates: Candidates, cost: Cost, wanted: Wanted
) -> Places:
    """Nodes and the number of tasks on each; both empty where the demands cannot be met.

    Args:
        near: who runs where; None where nobody asks for more than room.
        kind: what the tasks ask.
        candidates: nodes that fit by room, labels and taints.
        cost: of the given nodes.
        wanted: how many.
    """
    if near is None:
        return _bound_by([], candidates, cost, wanted)
    candidates = _left_open(near, kind, candidates)
    hard, soft = _limits(near, kind)
    for inside in _one_domain(near, kind, candidates, wanted):
        for limits in (soft[:1], hard) if soft and not hard else (hard,):
            places = _bound_by(limits, inside, cost, wanted)
            if len(places[0]):
                return places
    return candidates.nodes[:0], candidates.fits[:0]


def domains_by_fit(domains: Domains, roles: list[Role]) -> list[int]:
    """Domains that take all roles: the smallest that takes all tasks first, then the roomiest."""
    room = np.array([role.candidates.by_domain(domains)[:-1] for role in roles])
    least = np.array([role.wanted.min_available for role in roles])
    most = np.array([role.wanted.tasks for role in roles])
    cores = np.array([role.cpu_cores for role in roles])
    able = np.flatnonzero((room >= least[:, None]).all(axis=0))
    short = (room[:, able] < most[:, None]).any(axis=0)
    size = cores @ room[:, able]
    order = np.lexsort((able, np.where(short, -size, size), short))
    chosen: list[int] = able[order][:DOMAINS_TRIED].tolist()
    return chosen


def _left_open(near: Nearby, kind: Kind, candidates: Candidates) -> Candidates:
    is_open = near.open_to(kind, candidates.nodes)
    for even in kind.even:
        if np.isfinite(even.skew):
            domain = near.constraints.domains(even.counter).of[candidates.nodes]
            is_open &= _may_grow(near, kind, even)[domain]
    return candidates.where(is_open)


def _may_grow(near: Nearby, kind: Kind, even: Even) -> BoolArray:
    """[D + 1] domains that one more such pod may enter now, if it does not count itself.

    The last is for nodes without the label.
    """
    there = near.by_domain(even.counter)
    may = np.ones(len(there) + 1, np.bool_)
    may[NOWHERE] = False
    if not even.itself:
        eligible = near.eligible(kind, even.counter)
        floor = there[eligible].min(initial=NO_CAP) if eligible.sum() >= even.min_domains else 0
        may[:NOWHERE] = there - floor <= even.skew
    return may


def _limits(near: Nearby, kind: Kind) -> tuple[list[_Limit], list[_Limit]]:
    hard: list[_Limit] = []
    soft: list[_Limit] = []
    for even in kind.even:
        if even.itself:
            limit = _Limit(
                near.constraints.domains(even.counter),
                near.by_domain(even.counter),
                near.eligible(kind, even.counter),
                even,
            )
            (hard if np.isfinite(even.skew) else soft).append(limit)
    for apart in kind.apart:
        domains = near.constraints.domains(apart.counter)
        if apart.itself and not domains.single:
            size = len(domains.names)
            once = Even(apart.counter, itself=True, skew=np.inf, min_domains=0)
            hard.append(_Limit(domains, np.zeros(size, np.int64), np.ones(size, bool), once, 1))
    return hard, soft


def _one_domain(
    near: Nearby, kind: Kind, candidates: Candidates, wanted: Wanted
) -> Iterator[Candidates]:
    """Candidates in one domain where all must lie in one; simply all where they need not."""
    keys = [t.counter for t in kind.together if t.itself and near.is_empty(t.counter)]
    if not keys:
        yield candidates
        return
    domains = near.constraints.domains(keys[0])
    others = [near.constraints.domains(counter) for counter in keys[1:]]
    for domain in domains_by_fit(domains, [Role(candidates, wanted, 1.0)]):
        inside = candidates.where(domains.of[candidates.nodes] == domain)
        for other in others:
            best = [*domains_by_fit(other, [Role(inside, wanted, 1.0)]), NOWHERE][0]
            inside = inside.where(other.of[inside.nodes] == best)
        yield inside


def _bound_by(limits: list[_Limit], candidates: Candidates, cost: Cost, wanted: Wanted) -> Places:
    if not limits:
        chosen, count = nodes_for_gang(
            candidates.fits,
            lambda able: cost(candidates.nodes[able]),
            tasks=wanted.tasks,
            min_available=wanted.min_available,
        )
        return candidates.nodes[chosen], count
    if len(limits) == 1:
        return _by_level(limits[0], candidates, cost, wanted)
    return _one_by_one(limits, candidates, cost, wanted)


def _by_level(limit: _Limit, candidates: Candidates, cost: Cost, wanted: Wanted) -> Places:
    """Each domain gets its number; within it the cheapest nodes are filled.

    Nodes without the label are bound by nothing: a last domain that takes what fits.
    """
    room = candidates.by_domain(limit.domains)
    room[:-1] = np.minimum(room[:-1], limit.cap)
    levels = Levels(
        there=np.append(limit.there, 0),
        room=room,
        counts=np.append(limit.counts, values=False),
        skew=limit.even.skew,
        min_domains=limit.even.min_domains,
    )
    tasks = min(wanted.tasks, levels.most())
    if tasks < wanted.min_available:
        return candidates.nodes[:0], candidates.fits[:0]
    quota = levels.fill(tasks, -room.astype(np.float64))  # the roomiest take one more
    domain = _nowhere_last(limit.domains, candidates.nodes)
    asked = quota[domain] > 0
    candidates, domain = candidates.where(asked), domain[asked]
    costs = cost(candidates.nodes)
    order = _cheapest_of_each(domain, costs, quota)
    return _filled(candidates.nodes[order], candidates.fits[order], domain[order], quota)


def _nowhere_last(domains: Domains, nodes: IntArray) -> IntArray:
    """The domain of each node; those that lie in none share one more, the last."""
    domain = domains.of[nodes]
    last: IntArray = np.where(domain == NOWHERE, len(domains.names), domain)
    return last


def _cheapest_of_each(domain: IntArray, costs: FloatArray, quota: IntArray) -> IntArray:
    """Places of as many nodes of each domain as it has tasks, by domain and cost."""
    wanted = np.flatnonzero(quota)
    if len(wanted) * len(domain) > 50 * len(domain):  # many small domains: one sort is cheaper
        return np.lexsort((costs, domain))
    parts = []
    for one in wanted.tolist():
        members = np.flatnonzero(domain == one)
        keep = int(quota[one])
        if keep < len(members):
            members = members[cheapest(costs[members], keep)]
        parts.append(members[np.argsort(costs[members], kind="stable")])
    return np.concatenate(parts)


def _filled(nodes: IntArray, fits: IntArray, domain: IntArray, quota: IntArray) -> Places:
    """Nodes in order of domain and cost, each filled until its domain has its number."""
    before = np.cumsum(fits) - fits
    starts = np.searchsorted(domain, domain)
    count = np.clip(quota[domain] - (before - before[starts]), 0, fits)
    return nodes[count > 0], count[count > 0]


def _one_by_one(limits: list[_Limit], candidates: Candidates, cost: Cost, wanted: Wanted) -> Places:
    """The cheapest node that breaks no limit, task after task."""
    costs, left = cost(candidates.nodes), candidates.fits.copy()
    domain = [limit.domains.of[candidates.nodes] for limit in limits]
    there = [limit.there.copy() for limit in limits]
    for _ in range(wanted.tasks):
        may = left > 0
        for limit, counts, of in zip(limits, there, domain, strict=True):
            may &= np.append(_below(limit, counts), values=True)[of]
        if not may.any():
            break
        chosen = int(np.argmin(np.where(may, costs, np.inf)))
        left[chosen] -= 1
        for counts, of in zip(there, domain, strict=True):
            if of[chosen] != NOWHERE:
                counts[of[chosen]] += 1
    count = candidates.fits - left
    if count.sum() < wanted.min_available:
        return candidates.nodes[:0], count[:0]
    return candidates.nodes[count > 0], count[count > 0]


def _below(limit: _Limit, counts: IntArray) -> BoolArray:
    """[D] domains that may take one more."""
    enough = limit.counts.sum() >= limit.even.min_domains
    floor = counts[limit.counts].min(initial=NO_CAP) if enough else 0
    below: BoolArray = (counts + 1 - limit.there <= limit.cap) & (
        counts + 1 - floor <= limit.even.skew
    )
    return below
