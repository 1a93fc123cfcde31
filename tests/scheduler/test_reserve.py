"""A big gang gets its turn, and others may start before it only where they do not delay it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.endings import Endings
from scheduler.core.explain import Blocked
from scheduler.core.fit import Task, TaskClasses
from scheduler.core.plan import PlanSettings, plan
from tests.scheduler.clusters import GIB, HOUR_S, Bundle, Gang, Node, Queue, World

NEVER = PlanSettings(reserve_after_s=10**9)


def filled(*, ends_h: list[int], spare: float = 0.0) -> World:
    """Nodes of 4 cores, each with `spare` free beside a task that ends as given, in hours."""
    world = World([Node(f"n{n}", (4.0,)) for n in range(len(ends_h))], horizons_s=(100 * HOUR_S,))
    world.running = [
        Bundle(Gang(f"r{n}", cores=4 - spare), n, 1, end_h * HOUR_S)
        for n, end_h in enumerate(ends_h)
    ]
    return world


def test_the_reservation_is_the_first_time_at_which_the_whole_gang_fits() -> None:
    world = filled(ends_h=[5, 2, 9, 3])
    world.pending = [Gang("big", tasks=3, cores=4, submit_s=-7200)]
    reservation = world.dry_run().reservation
    assert reservation is not None
    assert reservation.start_s == 5 * HOUR_S
    assert sorted(reservation.nodes.tolist()) == [0, 1, 3]
    assert reservation.count.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("small", "starts"),
    [
        (Gang("ends-before", cores=1, for_s=2 * HOUR_S), True),
        (Gang("ends-after", cores=1, for_s=3 * HOUR_S), False),
        (Gang("ends-after-but-outranks", cores=1, for_s=3 * HOUR_S, priority=1), True),
    ],
)
def test_a_small_gang_backfills_only_if_it_does_not_delay_the_big_one(
    small: Gang, *, starts: bool
) -> None:
    world = filled(ends_h=[2], spare=1)
    world.pending = [Gang("big", cores=4, submit_s=-7200), small]
    outcome = world.dry_run()
    assert [world.pending[p.gang].name for p in outcome.placements] == [small.name] * starts
    assert outcome.blocked(0) is Blocked.HOLDS_RESERVATION
    if not starts:
        assert outcome.blocked(1) is Blocked.BEHIND_RESERVATION


def test_a_long_gang_may_start_beside_the_reserved_tasks() -> None:
    """2 cores are free now; of the 8 at the reserved start 7 are booked: one long task, not two."""
    world = World([Node("n", (8.0,))], running=[Bundle(Gang("r", cores=6), 0, 1, 7200)])
    world.pending = [Gang("big", tasks=7, cores=1, submit_s=-7200)]
    world.pending += [Gang(f"long{n}", for_s=90 * HOUR_S) for n in range(2)]
    outcome = world.dry_run()
    assert [world.pending[p.gang].name for p in outcome.placements] == ["long0"]
    assert outcome.blocked(2) is Blocked.BEHIND_RESERVATION


def test_a_task_that_outlived_its_prediction_is_awaited_one_shortest_horizon_from_now() -> None:
    world = World([Node("n", (4.0,))], horizons_s=(600, HOUR_S), now_s=9000)
    world.running = [Bundle(Gang("late", cores=4), 0, 1, 8000)]
    world.pending = [Gang("big", cores=4)]
    reservation = world.dry_run().reservation
    assert reservation is not None
    assert reservation.start_s == 9600


def test_who_has_not_waited_long_holds_nothing_back() -> None:
    world = filled(ends_h=[2], spare=1)
    world.pending = [Gang("big", cores=4, submit_s=-3600), Gang("long", for_s=90 * HOUR_S)]
    outcome = world.dry_run()
    assert outcome.reservation is None
    assert [p.gang for p in outcome.placements] == [1]


def test_the_holder_keeps_its_reservation_when_another_queue_comes_first() -> None:
    world = filled(ends_h=[2, 4])
    world.queues = [Queue("q"), Queue("other")]
    world.pending = [
        Gang("big", tasks=2, cores=4, submit_s=-7200),
        Gang("rival", "other", tasks=2, cores=4, submit_s=-9000),
    ]
    chosen = world.dry_run().reservation
    assert chosen is not None
    assert chosen.gang_id == "rival"  # queue `q` uses 8 cores, queue `other` none
    world.reservation = replace(chosen, gang=0, gang_id="big")
    kept = world.dry_run().reservation
    assert kept is not None
    assert kept.gang_id == "big"


def test_the_holder_starts_before_all_others_once_it_fits() -> None:
    world = filled(ends_h=[2])
    world.queues = [Queue("q"), Queue("other", guaranteed=4)]
    world.pending = [Gang("big", cores=4, submit_s=-7200)]
    world.plan()
    world.pending.append(Gang("rival", "other", cores=4, submit_s=-9000))
    world.pass_time(2 * HOUR_S)
    outcome = world.plan()
    assert world.tasks_running() == {"big": 1}
    assert outcome.reservation is None


def test_a_gang_that_only_online_keeps_out_holds_nothing_back() -> None:
    world = filled(ends_h=[2], spare=1)
    world.pending = [Gang("bigger", cores=5, submit_s=-7200), Gang("long", for_s=90 * HOUR_S)]
    outcome = world.dry_run()
    assert outcome.reservation is None
    assert [p.gang for p in outcome.placements] == [1]


def start_of_the_big_one(settings: PlanSettings) -> int | None:
    """Small gangs without end, of two queues; when does one that needs every node start?"""
    world = World([Node(f"n{n}", (4.0,)) for n in range(3)], [Queue("q"), Queue("other")])
    world.settings = settings
    for step in range(80):
        for queue in ("q", "other"):
            for n in range(8):
                life_s = HOUR_S + 600 * ((step + n) % 5)
                world.submit(Gang(f"{queue}{step}.{n}", queue, cores=1, for_s=life_s))
        if step == 4:
            world.submit(Gang("big", tasks=3, cores=4))
        world.plan()
        if "big" in world.tasks_running():
            return world.now_s
        world.pass_time(world.now_s + 600)
    return None


def test_a_reservation_ends_starvation_by_small_gangs() -> None:
    assert start_of_the_big_one(NEVER) is None
    started_s = start_of_the_big_one(PlanSettings(reserve_after_s=HOUR_S))
    assert started_s is not None
    assert started_s <= 2400 + HOUR_S + 2 * HOUR_S  # submitted, overdue, one generation drained


def start_of_the_one_that_needs_all_quota(settings: PlanSettings) -> int | None:
    """Small gangs of its own queue without end; nodes are plenty, the queue has 8 cores."""
    world = World([Node("n", (64.0,))], [Queue("q", maximum=8)])
    world.settings = settings
    for step in range(80):
        for n in range(6):
            world.submit(Gang(f"s{step}.{n}", cores=1, for_s=HOUR_S + 600 * ((step + n) % 5)))
        if step == 4:
            world.submit(Gang("big", tasks=8, cores=1))
        world.plan()
        if "big" in world.tasks_running():
            return world.now_s
        world.pass_time(world.now_s + 600)
    return None


def test_a_reservation_books_quota_too() -> None:
    assert start_of_the_one_that_needs_all_quota(NEVER) is None
    started_s = start_of_the_one_that_needs_all_quota(PlanSettings(reserve_after_s=HOUR_S))
    assert started_s is not None
    # submitted, overdue, its elders of the same queue first, one generation drained
    assert started_s <= 2400 + HOUR_S + HOUR_S + 2 * HOUR_S


def test_quota_is_not_booked_where_nobody_knows_whose_the_running_tasks_are() -> None:
    world = World([Node("n", (64.0,))], [Queue("q", maximum=8)], now_s=9000)
    world.running = [Bundle(Gang("r", cores=4), 0, 1, 12000)]
    world.pending = [Gang("big", tasks=8, cores=1), Gang("small", for_s=90 * HOUR_S)]
    snapshot = world.snapshot()
    blind = replace(snapshot, running=replace(snapshot.running, queue=None))
    assert plan(blind, now_s=9000).reservation is None
    booked = plan(snapshot, now_s=9000)
    assert booked.reservation is not None
    assert booked.reservation.start_s == 12000
    assert booked.blocked(1) is Blocked.BEHIND_RESERVATION
    assert "would delay big" in booked.reason(1)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.integers(1, 30)), max_size=8),
    st.integers(1, 6),
)
def test_the_first_fit_is_found_as_by_trying_every_ending(
    running: list[tuple[int, int, int]], tasks: int
) -> None:
    world = World([Node(f"n{n}", (8.0,)) for n in range(3)], horizons_s=(5, 20))
    world.running = [
        Bundle(Gang(f"r{r}", cores=cores), node, 1, end_s)
        for r, (node, cores, end_s) in enumerate(running)
    ]
    snapshot = world.snapshot()
    endings = Endings.of(snapshot.nodes, snapshot.running, now_s=0)
    kind = TaskClasses.one(Task(3.0, GIB, 1))
    fits = [
        end_s
        for end_s in sorted({end_s for _, _, end_s in running})
        if endings.room(by_s=end_s).tasks_per_node(kind).sum() >= tasks
    ]
    if fits:
        assert endings.first_fit_s(kind, tasks=tasks) == fits[0]
    assert (np.diff(endings.room().cpu_cores, axis=0) <= 1e-9).all()
