"""What holds for every plan, over random clusters, queues and gangs."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.explain import Blocked
from scheduler.core.plan import Plan, plan
from scheduler.core.snapshot import Snapshot, horizon_index
from slacktide.messages import FloatArray
from tests.scheduler.clusters import Gang, World, worlds


def planned(world: World) -> tuple[Snapshot, Plan]:
    snapshot = world.snapshot()
    return snapshot, plan(snapshot, now_s=world.now_s, settings=world.settings)


def placed_by_level(snapshot: Snapshot, outcome: Plan, amount: FloatArray) -> FloatArray:
    """[N, H] amounts placed on each node, by the horizon they were judged at."""
    placed = np.zeros(snapshot.nodes.free_cpu_cores.shape)
    level = horizon_index(snapshot.gangs.duration_s, snapshot.nodes.horizons_s)
    for placement in outcome.placements:
        np.add.at(
            placed,
            (placement.nodes, level[placement.gang]),
            placement.count * amount[placement.gang],
        )
    return placed


@given(worlds())
def test_a_gang_is_placed_whole_or_not_at_all(world: World) -> None:
    snapshot, outcome = planned(world)
    for placement in outcome.placements:
        assert (placement.count >= 1).all()
        assert len(set(placement.nodes.tolist())) == len(placement.nodes)
        least = snapshot.gangs.min_available[placement.gang]
        assert least <= placement.tasks <= snapshot.gangs.tasks[placement.gang]


@given(worlds())
def test_every_gang_is_either_placed_once_or_pending(world: World) -> None:
    snapshot, outcome = planned(world)
    placed = [placement.gang for placement in outcome.placements]
    assert sorted(placed + outcome.pending.tolist()) == list(range(len(snapshot.gangs.ids)))


@pytest.mark.parametrize("resource", ["cpu_cores", "memory_bytes"])
@given(world=worlds())
def test_tasks_judged_at_a_horizon_or_later_fit_what_is_free_through_it(
    resource: str, world: World
) -> None:
    snapshot, outcome = planned(world)
    by_level = placed_by_level(snapshot, outcome, getattr(snapshot.gangs, resource))
    through = np.cumsum(by_level[:, ::-1], axis=1)[:, ::-1]
    free = getattr(snapshot.nodes, f"free_{resource}")
    assert (through <= np.maximum(free, 0) + 1.0e-3 * (free > 1e3) + 2e-6).all()


@given(worlds())
def test_nothing_is_placed_on_a_closed_node(world: World) -> None:
    snapshot, outcome = planned(world)
    for placement in outcome.placements:
        assert snapshot.nodes.open[placement.nodes].all()


@given(worlds())
def test_no_queue_ends_above_its_maximum_because_of_the_plan(world: World) -> None:
    snapshot, outcome = planned(world)
    tree, added = snapshot.queues, np.zeros(len(snapshot.queues.names))
    used = np.zeros(len(tree.names))
    for queue, path in enumerate(tree.paths):
        used[list(path)] += snapshot.used.cpu_cores[queue]
    for placement in outcome.placements:
        above = list(tree.paths[snapshot.gangs.queue[placement.gang]])
        added[above] += placement.tasks * snapshot.gangs.cpu_cores[placement.gang]
    assert ((used + added <= tree.max_cpu_cores + 1e-5) | (added <= 1e-9)).all()


@given(worlds())
def test_the_same_snapshot_has_one_plan(world: World) -> None:
    first, again = planned(world)[1], planned(world)[1]
    assert [p.gang for p in first.placements] == [p.gang for p in again.placements]
    for one, other in zip(first.placements, again.placements, strict=True):
        assert one.nodes.tolist() == other.nodes.tolist()
        assert one.count.tolist() == other.count.tolist()
    gangs = range(len(world.pending))
    assert [first.reason(g) for g in gangs] == [again.reason(g) for g in gangs]


@given(worlds(), st.randoms(use_true_random=False))
def test_gangs_that_differ_are_planned_alike_in_whatever_order_they_are_listed(
    world: World, random: Random
) -> None:
    world.pending = [replace(gang, submit_s=g) for g, gang in enumerate(world.pending)]
    before = {world.pending[p.gang].name: p.tasks for p in planned(world)[1].placements}
    random.shuffle(world.pending)
    after = {world.pending[p.gang].name: p.tasks for p in planned(world)[1].placements}
    assert before == after


@given(worlds())
def test_nobody_who_could_still_start_is_left_pending_except_behind_a_reservation(
    world: World,
) -> None:
    """After the plan is carried out, a second round at the same time places nothing more."""
    world.settings = replace(world.settings, reserve_after_s=10**9)
    world.plan()
    assert world.plan().placements == ()


@given(worlds())
def test_a_pending_gang_has_room_only_if_its_queue_or_a_reservation_stops_it(world: World) -> None:
    outcome = planned(world)[1]
    for gang in outcome.pending.tolist():
        fits = outcome.aftermath.fits_now(gang) >= (
            world.pending[gang].least or world.pending[gang].tasks
        )
        stopped = outcome.blocked(gang) in {
            Blocked.QUEUE_AT_MAX,
            Blocked.HOLDS_RESERVATION,  # its queue's maximum is in the way, not room
            Blocked.BEHIND_RESERVATION,
            Blocked.LARGER_THAN_CLUSTER,
        }
        assert stopped or not fits
        assert world.pending[gang].queue in outcome.reason(gang)


@given(worlds(), st.integers(0, 4), st.integers(1, 4))
def test_a_gang_that_fits_alone_in_an_empty_cluster_is_placed(
    world: World, wanted: int, tasks: int
) -> None:
    world.running = []
    node = replace(world.nodes[wanted % len(world.nodes)], is_open=True)
    world.nodes[wanted % len(world.nodes)] = node
    smallest = min(*node.cores, *node.gib) / tasks
    if smallest < 0.01:
        return
    gang = Gang("alone", queue="c", tasks=tasks, cores=smallest, gib=smallest, for_s=12)
    world.pending = [gang]
    outcome = planned(world)[1]
    assert [p.tasks for p in outcome.placements] == [tasks]


@settings(max_examples=40)
@given(worlds(), st.integers(2, 12))
def test_rounds_over_time_never_run_a_part_of_a_gang(world: World, rounds: int) -> None:
    least = {gang.name: gang.least for gang in world.pending}
    for _ in range(rounds):
        world.plan()
        for name, tasks in world.tasks_running().items():
            assert tasks >= least.get(name, 0)
        world.pass_time(world.now_s + 2)
