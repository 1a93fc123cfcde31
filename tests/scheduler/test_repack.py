"""The second look places more, takes nothing away, and keeps every sum."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings

from scheduler.core.constraints import HostPort, Rules
from scheduler.core.plan import Plan, plan
from scheduler.core.repack import repack
from scheduler.core.snapshot import Snapshot
from tests.scheduler.clusters import Gang, Node, Queue, World, worlds
from tests.scheduler.test_neighbours import Site, ruled, tasks_on
from tests.scheduler.test_plan_properties import placed_by_level, planned


def two_looks(snapshot: Snapshot) -> tuple[Plan, Plan]:
    greedy = plan(snapshot, now_s=0)
    return greedy, repack(greedy)


def test_driver_and_workers_that_greedy_put_in_each_others_way_start() -> None:
    driver, workers = Gang("driver", cores=1), Gang("workers", tasks=2, cores=2)
    snapshot = ruled([Site(2), Site(3)], [(driver, Rules()), (workers, Rules())], lead=[0, 0])
    greedy, better = two_looks(snapshot)
    assert greedy.placements == ()
    assert tasks_on(better, 0) == [1]
    assert sorted(tasks_on(better, 1)) == [0, 1]
    assert better.pending.tolist() == []
    assert "found by CP-SAT with 0 other placements of this round" in better.reason(0)


def test_an_early_small_gang_makes_way_on_another_node() -> None:
    world = World([Node("a", (2.0,)), Node("b", (3.0,))])
    world.pending = [Gang("small", cores=1), Gang("big", tasks=2, cores=2, submit_s=1)]
    greedy, better = two_looks(world.snapshot())
    assert [p.gang for p in greedy.placements] == [0]
    assert tasks_on(better, 0) == [1]
    assert sorted(tasks_on(better, 1)) == [0, 1]


def test_who_is_bound_to_neighbours_or_beyond_the_quota_is_left_alone() -> None:
    port = Rules(ports=(HostPort("TCP", 80, ""),))
    small, big = Gang("small", cores=1), Gang("big", tasks=2, cores=2, submit_s=1)
    greedy, better = two_looks(ruled([Site(2), Site(3)], [(small, port), (big, Rules())]))
    assert better is greedy
    world = World([Node("a", (2.0,)), Node("b", (3.0,))], [Queue("q", maximum=4)])
    world.pending = [small, big]
    greedy, better = two_looks(world.snapshot())
    assert better is greedy


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_whoever_was_placed_stays_placed_and_all_sums_hold(world: World) -> None:
    snapshot, greedy = planned(world)
    better = repack(greedy)
    before = {placement.gang: placement.tasks for placement in greedy.placements}
    after = Counter({placement.gang: placement.tasks for placement in better.placements})
    assert all(after[gang] == tasks for gang, tasks in before.items())
    assert sorted([*after, *better.pending.tolist()]) == list(range(len(world.pending)))
    for resource in ("cpu_cores", "memory_bytes"):
        by_level = placed_by_level(snapshot, better, getattr(snapshot.gangs, resource))
        through = np.cumsum(by_level[:, ::-1], axis=1)[:, ::-1]
        free = getattr(snapshot.nodes, f"free_{resource}")
        assert (through <= np.maximum(free, 0) + 1.0e-3 * (free > 1e3) + 2e-6).all()
    for queue, path in enumerate(snapshot.queues.paths):
        assert better.aftermath.shares.used_cpu_cores[path[0]] >= 0
        if snapshot.queues.max_cpu_cores[queue] < better.aftermath.shares.used_cpu_cores[queue]:
            assert (
                better.aftermath.shares.used_cpu_cores[queue]
                <= greedy.aftermath.shares.used_cpu_cores[queue] + 1e-5
            )
    for gang in range(len(world.pending)):
        assert better.reason(gang)
