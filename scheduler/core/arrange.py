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

from scheduler.core.gang import nodes_for_gang
from scheduler.core.kinds import Even, Kind
from scheduler.core.level import Levels
from scheduler.core.nearby import Nearby
from scheduler.core.node_table import NOWHERE, Domains
from slacktide.messages import BoolArray, FloatArray, IntArray

DOMAINS_TRIED: Final = 8  # where one domain must take all and further demands bind

Cost = Callable[[IntArray], FloatArray]
Places = tuple[IntArray, IntArray]  # nodes, tasks on each


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many tasks: at most `tasks`, at least `min_available`, or none."""

    tasks: int
    min_available: int


@dataclass(frozen=True, slots=True)
class Role:
    """Tasks of one size that look for a domain."""

    fitting: IntArray  # [N]
    wanted: Wanted
    cpu_cores: float  # of one task


@dataclass(frozen=True, slots=True)
class _Limit:
    """So many tasks a domain."""

    domains: Domains
    there: IntArray  # [D]
    cap: int  # of this gang's tasks
    counts: IntArray  # [N] 1 where a node makes its domain count for the least
    even: Even


def arrange(
    near: Nearby | None, kind: Kind, fitting: IntArray, cost: Cost, wanted: Wanted
) -> Places:
    """Nodes and the number of tasks on each; both empty where the demands cannot be met.

    Args:
        near: who runs where; None where nobody asks for more than room.
        kind: what the tasks ask.
        fitting: [N] how many fit by room, labels and taints.
        cost: of the given nodes.
        wanted: how many.
    """
    if near is None:
        return _bound_by([], fitting, cost, wanted)
    fitting = _left_open(near, kind, fitting)
    hard, soft = _limits(near, kind)
    for within in _one_domain(near, kind, fitting, wanted):
        for limits in (soft[:1], hard) if soft and not hard else (hard,):
            places = _bound_by(limits, within, cost, wanted)
            if len(places[0]):
                return places
    return fitting[:0], fitting[:0]


def domains_by_fit(domains: Domains, roles: list[Role]) -> list[int]:
    """Domains that take all roles: the smallest that takes all tasks first, then the roomiest."""
    if not domains.names:
        return []
    room = np.array([_by_domain(domains, role.fitting) for role in roles])
    least = np.array([role.wanted.min_available for role in roles])
    most = np.array([role.wanted.tasks for role in roles])
    cores = np.array([role.cpu_cores for role in roles])
    able = np.flatnonzero((room >= least[:, None]).all(axis=0))
    short = (room[:, able] < most[:, None]).any(axis=0)
    size = cores @ room[:, able]
    order = np.lexsort((able, np.where(short, -size, size), short))
    chosen: list[int] = able[order][:DOMAINS_TRIED].tolist()
    return chosen


def within_domain(domains: Domains, domain: int, fitting: IntArray) -> IntArray:
    """[N] what fits inside one domain."""
    return np.where(domains.of == domain, fitting, 0)


def _left_open(near: Nearby, kind: Kind, fitting: IntArray) -> IntArray:
    able = np.flatnonzero(fitting)
    left = np.zeros_like(fitting)
    is_open = near.open_to(kind, able)
    for even in kind.even:
        if np.isfinite(even.skew):
            is_open &= _may_grow(near, kind, even)[near.constraints.domains(even.counter).of[able]]
    left[able] = fitting[able] * is_open
    return left


def _may_grow(near: Nearby, kind: Kind, even: Even) -> BoolArray:
    """[D + 1] domains that one more such pod may enter now, if it does not count itself.

    The last is for nodes without the label.
    """
    domains = near.constraints.domains(even.counter)
    there = near.by_domain(even.counter)
    may = np.ones(len(there) + 1, np.bool_)
    may[NOWHERE] = False
    if not even.itself:
        eligible = _by_domain(domains, near.constraints.eligible[kind.row].astype(np.int64)) > 0
        floor = there[eligible].min(initial=0) if eligible.sum() >= even.min_domains else 0
        may[:NOWHERE] = there - floor <= even.skew
    return may


def _limits(near: Nearby, kind: Kind) -> tuple[list[_Limit], list[_Limit]]:
    constraints = near.constraints
    eligible = constraints.eligible[kind.row].astype(np.int64)
    hard: list[_Limit] = []
    soft: list[_Limit] = []
    for even in kind.even:
        if even.itself:
            limit = _Limit(
                constraints.domains(even.counter),
                near.by_domain(even.counter),
                np.iinfo(np.int64).max,
                eligible,
                even,
            )
            (hard if np.isfinite(even.skew) else soft).append(limit)
    for apart in kind.apart:
        domains = constraints.domains(apart.counter)
        if apart.itself and not domains.single:
            nobody = np.zeros(len(domains.names), np.int64)
            once = Even(apart.counter, itself=True, skew=np.inf, min_domains=0)
            hard.append(_Limit(domains, nobody, 1, eligible, once))
    return hard, soft


def _one_domain(near: Nearby, kind: Kind, fitting: IntArray, wanted: Wanted) -> Iterator[IntArray]:
    """[N] what fits where all must lie in one domain; simply what fits where they need not."""
    keys = [t.counter for t in kind.together if t.itself and near.is_empty(t.counter)]
    if not keys:
        yield fitting
        return
    domains = near.constraints.domains(keys[0])
    others = [near.constraints.domains(counter) for counter in keys[1:]]
    for domain in domains_by_fit(domains, [Role(fitting, wanted, 1.0)]):
        inside = within_domain(domains, domain, fitting)
        for other in others:
            best = domains_by_fit(other, [Role(inside, wanted, 1.0)])[:1]
            inside = within_domain(other, best[0] if best else NOWHERE, inside)
        yield inside


def _bound_by(limits: list[_Limit], fitting: IntArray, cost: Cost, wanted: Wanted) -> Places:
    if not limits:
        return nodes_for_gang(fitting, cost, tasks=wanted.tasks, min_available=wanted.min_available)
    if len(limits) == 1:
        return _by_level(limits[0], fitting, cost, wanted)
    return _one_by_one(limits, fitting, cost, wanted)


def _by_level(limit: _Limit, fitting: IntArray, cost: Cost, wanted: Wanted) -> Places:
    """Each domain gets its number; within it the cheapest nodes are filled."""
    able = np.flatnonzero(fitting)
    costs = cost(able)
    # a node without the label is bound by nothing: a last domain that takes what fits
    domain = limit.domains.of[able]
    size = len(limit.domains.names)
    domain = np.where(domain == NOWHERE, size, domain)
    room = np.bincount(domain, weights=fitting[able], minlength=size + 1).astype(np.int64)
    room[:size] = np.minimum(room[:size], limit.cap)
    levels = Levels(
        there=np.append(limit.there, 0),
        room=room,
        counts=np.append(_by_domain(limit.domains, limit.counts) > 0, values=False),
        skew=limit.even.skew,
        min_domains=limit.even.min_domains,
    )
    tasks = min(wanted.tasks, levels.most())
    if tasks < wanted.min_available:
        return able[:0], able[:0]
    cheapest = np.full(size + 1, np.inf)
    np.minimum.at(cheapest, domain, costs)
    quota = levels.fill(tasks, cheapest)
    order = np.lexsort((costs, domain))
    return _filled(able[order], fitting[able[order]], domain[order], quota)


def _filled(nodes: IntArray, fitting: IntArray, domain: IntArray, quota: IntArray) -> Places:
    """Nodes in order of domain and cost, each filled until its domain has its number."""
    before = np.cumsum(fitting) - fitting
    starts = np.searchsorted(domain, np.arange(len(quota)))
    begun = np.append(before, 0)[np.minimum(starts, len(before) - 1)]
    count = np.clip(quota[domain] - (before - begun[domain]), 0, fitting)
    return nodes[count > 0], count[count > 0]


def _one_by_one(limits: list[_Limit], fitting: IntArray, cost: Cost, wanted: Wanted) -> Places:
    """The cheapest node that breaks no limit, task after task."""
    able = np.flatnonzero(fitting)
    costs, left = cost(able), fitting[able].copy()
    domain = [limit.domains.of[able] for limit in limits]
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
    count = fitting[able] - left
    if count.sum() < wanted.min_available:
        return able[:0], able[:0]
    return able[count > 0], count[count > 0]


def _below(limit: _Limit, counts: IntArray) -> BoolArray:
    """[D] domains that may take one more."""
    eligible = _by_domain(limit.domains, limit.counts) > 0
    enough = eligible.sum() >= limit.even.min_domains
    floor = counts[eligible].min(initial=np.iinfo(np.int64).max) if enough else 0
    below: BoolArray = (counts + 1 - limit.there <= limit.cap) & (
        counts + 1 - floor <= limit.even.skew
    )
    return below


def _by_domain(domains: Domains, amount: IntArray) -> IntArray:
    placed = domains.of != NOWHERE
    sums = np.bincount(domains.of[placed], weights=amount[placed], minlength=len(domains.names))
    return sums.astype(np.int64)
