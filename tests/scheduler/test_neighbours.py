"""Placements held against Kubernetes' rules about neighbours, written out pod by pod."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.compiling import RunningPods, compile_constraints
from scheduler.core.constraints import HostPort, Pack, PeerTerm, Rules, Spread, Toleration
from scheduler.core.explain import Blocked
from scheduler.core.labels import Need, PodGroup, match
from scheduler.core.level import Levels
from scheduler.core.node_table import NodeTable
from scheduler.core.plan import Plan, plan
from scheduler.core.snapshot import Snapshot
from slacktide.kube.objects import Taint
from tests.scheduler.clusters import Gang, Node, World, whole

TAINT = Taint(key="gpu", value="yes", effect="NoSchedule")
NO_PODS: list[tuple[int, Rules]] = []


@dataclass(frozen=True)
class Site:
    """A node with what there is to say about it."""

    cores: int = 4
    zone: str = ""
    host: str = ""
    tainted: bool = False

    @property
    def labels(self) -> dict[str, str]:
        given = {"zone": self.zone, "host": self.host}
        return {key: value for key, value in given.items() if value}


def ruled(
    sites: list[Site],
    gangs: list[tuple[Gang, Rules]],
    running: list[tuple[int, Rules]] = NO_PODS,
    lead: list[int] | None = None,
) -> Snapshot:
    world = World([Node(f"n{n}", (float(site.cores),)) for n, site in enumerate(sites)])
    world.pending = [gang for gang, _ in gangs]
    bare = world.snapshot()
    table = NodeTable(
        bare.nodes.names,
        tuple(site.labels for site in sites),
        tuple((TAINT,) if site.tainted else () for site in sites),
    )
    pods = RunningPods(
        tuple(rules for _, rules in running),
        np.arange(len(running)),
        whole([node for node, _ in running]),
    )
    constraints, kind = compile_constraints(table, [rules for _, rules in gangs], pods)
    return replace(
        bare,
        nodes=replace(bare.nodes, constraints=constraints),
        gangs=replace(bare.gangs, kind=kind, lead=None if lead is None else whole(lead)),
    )


def tasks_on(outcome: Plan, gang: int) -> list[int]:
    """The node of each of a gang's tasks."""
    return [
        int(node)
        for placement in outcome.placements
        if placement.gang == gang
        for node in np.repeat(placement.nodes, placement.count)
    ]


def app(name: str) -> PodGroup:
    return PodGroup(("default",), (Need("app", "In", (name,)),))


def has(group: PodGroup, rules: Rules) -> bool:
    return group.needs is not None and match(group.needs, dict(rules.labels))


def near(sites: list[Site], key: str, one: int, other: int) -> bool:
    mine, others = sites[one].labels.get(key), sites[other].labels.get(key)
    return mine is not None and mine == others


def allows(sites: list[Site], pods: list[tuple[int, Rules]], node: int, rules: Rules) -> bool:
    """Whether kube-scheduler's filters would let one more pod onto a node."""
    if sites[node].tainted and not rules.tolerations:
        return False
    if not _chosen(sites[node], rules):
        return False
    for there, other in pods:
        if there == node and set(rules.ports) & set(other.ports):
            return False
        for term in rules.apart:
            if has(term.group, other) and near(sites, term.topology_key, node, there):
                return False
        for term in other.apart:
            if has(term.group, rules) and near(sites, term.topology_key, node, there):
                return False
    return _together(sites, pods, node, rules) and _even(sites, pods, node, rules)


def _chosen(site: Site, rules: Rules) -> bool:
    return all(any(match(n, site.labels) for n in choice) for choice in rules.choices)


def _together(sites: list[Site], pods: list[tuple[int, Rules]], node: int, rules: Rules) -> bool:
    if any(term.topology_key not in sites[node].labels for term in rules.together):
        return False
    matching = [
        [
            there
            for there, other in pods
            if has(term.group, other) and term.topology_key in sites[there].labels
        ]
        for term in rules.together
    ]
    if not any(matching) and all(has(term.group, rules) for term in rules.together):
        return True  # the first of its kind may start anywhere
    return all(
        any(near(sites, term.topology_key, node, there) for there in found)
        for term, found in zip(rules.together, matching, strict=True)
    )


def _even(sites: list[Site], pods: list[tuple[int, Rules]], node: int, rules: Rules) -> bool:
    for spread in rules.spreads:
        key = spread.term.topology_key
        if math.isinf(spread.max_skew):
            continue
        if key not in sites[node].labels:
            return False
        eligible = [site for site in sites if _chosen(site, rules) and key in site.labels]
        count = dict.fromkeys([site.labels[key] for site in eligible], 0)
        for there, other in pods:
            if sites[there] in eligible and has(spread.term.group, other):
                count[sites[there].labels[key]] += 1
        least = min(count.values()) if len(count) >= spread.min_domains else 0
        own = has(spread.term.group, rules)
        if count[sites[node].labels[key]] + own - least > spread.max_skew:
            return False
    return True


def may_come_in_some_order(
    sites: list[Site], pods: list[tuple[int, Rules]], nodes: list[int], rules: Rules
) -> bool:
    """Whether kube-scheduler could bind a gang's pods to these nodes, one after another."""
    left, pods = Counter(nodes), list(pods)
    while left:
        able = [node for node in sorted(left) if allows(sites, pods, node, rules)]
        if not able:
            return False
        # lowest domains first: what spread asks; for the other rules any order does
        counts = Counter(there for there, other in pods if other is rules)
        chosen = min(able, key=lambda node: (_lowest(sites, pods, node, rules), counts[node]))
        pods.append((chosen, rules))
        left -= Counter([chosen])
    return True


def _lowest(sites: list[Site], pods: list[tuple[int, Rules]], node: int, rules: Rules) -> int:
    return sum(
        near(sites, spread.term.topology_key, node, there)
        for spread in rules.spreads
        for there, other in pods
        if has(spread.term.group, other)
    )


zones = st.sampled_from(["a", "b", "c", ""])
sites_ = st.lists(
    st.builds(Site, st.integers(0, 3), zones, st.just(""), st.booleans()), min_size=1, max_size=5
).map(lambda sites: [replace(site, host=f"h{n}") for n, site in enumerate(sites)])
keys = st.sampled_from(["zone", "host"])
terms = st.builds(PeerTerm, keys, st.sampled_from([app("x"), app("y")]))
spreads = st.builds(Spread, terms, st.sampled_from([1.0, 2.0, math.inf]), st.integers(1, 3))
few = {"max_size": 1}
rules_ = st.builds(
    Rules,
    labels=st.sampled_from([(("app", "x"),), (("app", "y"),), ()]),
    choices=st.sampled_from([(), (((Need("zone", "In", ("a", "b")),),),)]),
    tolerations=st.sampled_from([(), (Toleration("", "Exists", "", ""),)]),
    apart=st.lists(terms, max_size=1).map(tuple),
    together=st.lists(terms, max_size=1).map(tuple),
    spreads=st.lists(spreads, max_size=2).map(tuple),
    ports=st.sampled_from([(), (HostPort("TCP", 80, ""),)]),
)


@settings(max_examples=150, deadline=None)
@given(
    sites_,
    st.lists(st.tuples(st.integers(0, 4), rules_), max_size=3),
    st.lists(st.tuples(st.integers(1, 4), rules_), min_size=1, max_size=3),
)
def test_kube_scheduler_would_let_through_what_was_planned(
    sites: list[Site], running: list[tuple[int, Rules]], asked: list[tuple[int, Rules]]
) -> None:
    pods = [(node % len(sites), replace(rules, spreads=())) for node, rules in running]
    gangs = [(Gang(f"g{g}", tasks=tasks), rules) for g, (tasks, rules) in enumerate(asked)]
    outcome = plan(ruled(sites, gangs, pods), now_s=0)
    for placement in outcome.placements:
        rules, nodes = asked[placement.gang][1], tasks_on(outcome, placement.gang)
        assert may_come_in_some_order(sites, pods, nodes, rules)
        pods += [(node, rules) for node in nodes]
    for gang in outcome.pending.tolist():
        assert outcome.reason(gang).startswith("waits")


def some_way_exists(
    sites: list[Site], pods: list[tuple[int, Rules]], tasks: int, rules: Rules
) -> bool:
    """By trying every multiset of nodes."""
    for nodes in itertools.combinations_with_replacement(range(len(sites)), tasks):
        fits = all(count <= sites[node].cores for node, count in Counter(nodes).items())
        if fits and may_come_in_some_order(sites, pods, list(nodes), rules):
            return True
    return False


@settings(max_examples=150, deadline=None)
@given(
    sites_,
    st.lists(st.tuples(st.integers(0, 4), rules_), max_size=2),
    st.integers(1, 4),
    rules_,
)
def test_a_gang_with_one_rule_about_neighbours_waits_only_if_there_is_no_way(
    sites: list[Site], running: list[tuple[int, Rules]], tasks: int, rules: Rules
) -> None:
    if len(rules.apart) + len(rules.together) + len(rules.spreads) + len(rules.ports) > 1:
        rules = replace(rules, apart=(), together=(), ports=(), spreads=rules.spreads[:1])
    pods = [(node % len(sites), replace(there, spreads=())) for node, there in running]
    outcome = plan(ruled(sites, [(Gang("g", tasks=tasks), rules)], pods), now_s=0)
    assert bool(outcome.placements) == some_way_exists(sites, pods, tasks, rules)


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), min_size=1, max_size=4
    ),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_the_level_places_as_many_as_one_after_another_can(
    domains: list[tuple[int, int, bool]], skew: int, min_domains: int
) -> None:
    there, room, counts = (np.array(column) for column in zip(*domains, strict=True))
    levels = Levels(there, room, counts, float(skew), min_domains)
    now, left, placed = there.copy(), room.copy(), 0
    while True:
        floor = now[counts].min(initial=10**6) if counts.sum() >= min_domains else 0
        able = np.flatnonzero((left > 0) & (now + 1 - floor <= skew))
        if not len(able):
            break
        lowest = able[np.argmin(now[able])]
        now[lowest] += 1
        left[lowest] -= 1
        placed += 1
    assert levels.most() == placed
    for tasks in range(1, placed + 1):
        taken = levels.fill(tasks, np.zeros(len(there)))
        assert taken.sum() == tasks
        assert (taken <= room).all()


RACKS = [Site(2, "a"), Site(2, "a"), Site(4, "b"), Site(4, "b")]
X = (("app", "x"),)


def test_a_gang_that_wants_one_rack_gets_the_smallest_that_holds_it() -> None:
    packed = Rules(pack=Pack("zone", required=True))
    outcome = plan(ruled(RACKS, [(Gang("g", tasks=4), packed)]), now_s=0)
    assert set(tasks_on(outcome, 0)) == {0, 1}


@pytest.mark.parametrize("required", [True, False])
def test_one_rack_is_a_demand_or_a_wish(*, required: bool) -> None:
    packed = Rules(pack=Pack("zone", required=required))
    outcome = plan(ruled(RACKS, [(Gang("g", tasks=9), packed)]), now_s=0)
    assert len(tasks_on(outcome, 0)) == (0 if required else 9)
    if required:
        assert outcome.blocked(0) is Blocked.NEIGHBOURS


def test_driver_and_workers_start_together_in_one_rack_or_not_at_all() -> None:
    packed = Rules(pack=Pack("zone", required=True))
    driver, workers = Gang("job/driver", cores=2), Gang("job/workers", tasks=6, least=3)
    snapshot = ruled(RACKS, [(driver, packed), (workers, packed)], lead=[0, 0])
    outcome = plan(snapshot, now_s=0)
    assert len(tasks_on(outcome, 0)) == 1
    assert len(tasks_on(outcome, 1)) == 6
    assert set(tasks_on(outcome, 0) + tasks_on(outcome, 1)) == {2, 3}


def test_roles_that_fit_alone_but_not_at_once_wait_together_and_take_nothing() -> None:
    driver, workers = Gang("job/driver", cores=3), Gang("job/workers", tasks=2, cores=2)
    small = Gang("small", cores=4, submit_s=1)
    sites = [Site(4), Site(1)]
    snapshot = ruled(
        sites, [(driver, Rules()), (workers, Rules()), (small, Rules())], lead=[0, 0, 2]
    )
    outcome = plan(snapshot, now_s=0)
    assert [placement.gang for placement in outcome.placements] == [2]
    before = plan(ruled(sites, [(driver, Rules()), (workers, Rules())], lead=[0, 0]), now_s=0)
    assert before.blocked(0) is Blocked.NOT_TOGETHER
    assert "number 1 of 1" in before.reason(1)


def test_a_label_no_node_has_is_named_in_the_reason() -> None:
    rules = Rules(choices=(((Need("zone", "In", ("z",)),),),), unjudged=("a volume",))
    outcome = plan(ruled(RACKS, [(Gang("g"), rules)]), now_s=0)
    assert outcome.blocked(0) is Blocked.NO_NODE_ALLOWED
    assert "its rules leave 0 of 4 nodes: 4 without zone In (z)" in outcome.reason(0)
    assert outcome.reason(0).endswith("; left to kube-scheduler: a volume")


def test_a_spread_that_may_be_broken_is_kept_as_far_as_there_is_room() -> None:
    wish = Rules(labels=X, spreads=(Spread(PeerTerm("zone", app("x")), math.inf, 1),))
    outcome = plan(ruled(RACKS, [(Gang("g", tasks=6), wish)]), now_s=0)
    assert sorted(RACKS[node].zone for node in tasks_on(outcome, 0)) == ["a"] * 3 + ["b"] * 3
    outcome = plan(ruled(RACKS, [(Gang("g", tasks=12), wish)]), now_s=0)
    assert len(tasks_on(outcome, 0)) == 12


def test_gangs_on_one_port_go_to_different_nodes() -> None:
    port = Rules(ports=(HostPort("TCP", 80, ""),))
    outcome = plan(ruled(RACKS, [(Gang(f"g{g}", tasks=2), port) for g in range(3)]), now_s=0)
    assert sorted(tasks_on(outcome, 0) + tasks_on(outcome, 1)) == [0, 1, 2, 3]
    assert outcome.blocked(2) is Blocked.NEIGHBOURS
