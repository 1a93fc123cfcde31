"""Evictions do the least harm that would do, are allowed, and never go round in a circle."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.evict import Eviction, EvictionSettings, eviction
from scheduler.core.fit import Room, Task
from scheduler.core.harm import RunningGangs, RunningTasks, Stakes, stakes
from scheduler.core.least_harm import Need, least_harm
from tests.scheduler.clusters import GIB, HOUR_S, Gang, Node, Queue, World, real, tree, whole
from tests.scheduler.contested import Contest, contests

QUEUES = tree([Queue("q"), Queue("other")])


def stakes_of(
    bundles: list[tuple[int, int, int, int, int]],  # gang, node, tasks, cores, saved_s
    *,
    least: list[int],
    may_lose: list[int] | None = None,
    spare: float = np.inf,
    end_s: int = HOUR_S,
) -> Stakes:
    gang, node, tasks, cores, saved_s = (list(c) for c in zip(*bundles, strict=True))
    many = len(least)
    return stakes(
        RunningGangs(
            ids=tuple(f"r{g}" for g in range(many)),
            queue=whole([1] * many),
            priority=whole([0] * many),
            min_available=whole(least),
            may_lose=whole(may_lose or [100] * many),
            evicted_s=whole([-(10**9)] * many),
        ),
        RunningTasks(
            gang=whole(gang),
            node=whole(node),
            tasks=whole(tasks),
            cpu_cores=real([float(c) for c in cores]),
            memory_bytes=real([float(c) * GIB for c in cores]),
            end_s=whole([end_s] * len(gang)),
            saved_s=whole(saved_s),
        ),
        may_go=np.ones(many, np.bool_),
        spare_cores=np.array([np.inf, spare]),
        tree=QUEUES,
        horizons_s=whole([HOUR_S]),
        now_s=1000,
        restart_s=60,
    )


def needing(tasks: int, cores: int, free: list[int], stake: Stakes, *, owed: float = 0.0) -> Need:
    room = Room(np.array([[c + 1e-6 for c in free]]), np.array([[c * GIB + 1.0 for c in free]]))
    return Need(Task(float(cores), cores * GIB, 0), tasks, room, stake, real([0.0, owed]))


bundles_ = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, 2), st.integers(1, 2), st.integers(1, 3),
        st.integers(0, 1000),
    ),
    min_size=1,
    max_size=5,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    bundles_,
    st.lists(st.integers(1, 4), min_size=3, max_size=3),
    st.lists(st.integers(0, 6), min_size=3, max_size=3),
    st.lists(st.integers(0, 2), min_size=3, max_size=3),
    st.tuples(
        st.tuples(st.integers(1, 3), st.integers(1, 4)),
        st.sampled_from([3.0, 6.0, np.inf]),
        st.sampled_from([0.0, 0.0, 2.0, 5.0]),
    ),
)
def test_no_less_harmful_set_of_the_same_candidates_would_do(
    bundles: list[tuple[int, int, int, int, int]],
    least: list[int],
    may_lose: list[int],
    free: list[int],
    asked: tuple[tuple[int, int], float, float],
) -> None:
    claim, spare, owed = asked
    stake = stakes_of(bundles, least=least, may_lose=may_lose, spare=spare)
    need = needing(claim[0], claim[1], free, stake, owed=owed)
    every = itertools.product(*[range(tasks + 1) for _, _, tasks, _, _ in bundles])
    able = [e for e in map(np.array, every) if stake.allows(e) and need.is_met(e)]
    found = least_harm(need)
    if not able:
        assert found is None
        return
    assert found is not None
    assert stake.allows(found.evicted)
    assert need.is_met(found.evicted)
    assert found.harm_core_s == pytest.approx(min(stake.harm(e) for e in able), abs=len(bundles))


def test_one_member_too_many_costs_the_whole_gang() -> None:
    """Two tasks of a gang that needs both, or one of an older job alone: the latter loses less."""
    stake = stakes_of([(0, 0, 1, 4, 500), (0, 1, 1, 4, 500), (1, 2, 1, 4, 200)], least=[2, 1])
    found = least_harm(needing(1, 4, [0, 0, 0], stake))
    assert found is not None
    assert found.evicted.tolist() == [0, 0, 1]
    assert found.proven


def test_a_checkpoint_makes_a_task_cheap_to_evict() -> None:
    stake = stakes_of([(0, 0, 1, 4, 0), (1, 1, 1, 4, 990)], least=[1, 1])
    found = least_harm(needing(1, 4, [0, 0], stake))
    assert found is not None
    assert found.evicted.tolist() == [0, 1]
    assert found.harm_core_s == 4 * (10 + 60)


def world() -> tuple[World, RunningGangs, RunningTasks]:
    """Queue `other` uses 8 of 8 cores, of which 4 are guaranteed to `q`."""
    cluster = World([Node("a", (8.0,))], [Queue("q", guaranteed=4), Queue("other", guaranteed=4)])
    cluster.now_s = 1000
    cluster.running = []
    running = RunningTasks(
        gang=whole([0, 1, 2]),
        node=whole([0, 0, 0]),
        tasks=whole([1, 1, 1]),
        cpu_cores=real([4, 2, 2]),
        memory_bytes=real([GIB] * 3),
        end_s=whole([HOUR_S] * 3),
        saved_s=whole([900, 0, 500]),
    )
    gangs = RunningGangs(
        ids=("young", "old", "middle"),
        queue=whole([1, 1, 1]),
        priority=whole([0, 0, 0]),
        min_available=whole([1, 1, 1]),
        may_lose=whole([9, 9, 9]),
        evicted_s=whole([-(10**9)] * 3),
    )
    return cluster, gangs, running


def held_by(cluster: World, gangs: RunningGangs, running: RunningTasks) -> World:
    contest = Contest(cluster, gangs, running)
    return contest.world_with_bundles()


def test_a_queue_gets_its_guarantee_by_the_least_harm_and_says_so() -> None:
    cluster, gangs, running = world()
    cluster.pending = [Gang("claim", "q", tasks=2, cores=2)]
    found = eviction(held_by(cluster, gangs, running).dry_run(), gangs, running)
    assert found is not None
    assert found.victims.evicted.tolist() == [1, 0, 0]
    assert found.reason == (
        "evicts 1 of 1 tasks of young so that claim starts: 10.7 min of one core's work are lost, "
        "nothing less harmful would do; queue q uses 0 cores of 4 guaranteed"
    )


@pytest.mark.parametrize(
    ("claim", "changed"),
    [
        (Gang("beyond-its-guarantee", "q", tasks=3, cores=2), {}),
        (Gang("same-queue-same-priority", "other", cores=2), {}),
        (Gang("claim", "q", tasks=2, cores=2), {"evicted_s": whole([900] * 3)}),
        (Gang("claim", "q", tasks=2, cores=2), {"may_lose": whole([0] * 3)}),
    ],
)
def test_who_has_no_claim_or_may_not_be_touched(claim: Gang, changed: dict[str, object]) -> None:
    cluster, gangs, running = world()
    cluster.pending = [claim]
    gangs = replace(gangs, **changed)  # type: ignore[arg-type]  # one column by name
    assert eviction(held_by(cluster, gangs, running).dry_run(), gangs, running) is None


def test_a_higher_priority_evicts_a_lower_one_of_its_own_queue() -> None:
    cluster, gangs, running = world()
    cluster.pending = [Gang("urgent", "other", cores=2, priority=1)]
    found = eviction(held_by(cluster, gangs, running).dry_run(), gangs, running)
    assert found is not None
    assert found.victims.evicted.tolist() == [1, 0, 0]


def test_a_higher_priority_gets_quota_where_its_queue_is_at_its_maximum() -> None:
    """Nodes are free; what lacks is 2 of the queue's 8 cores, and `middle` has them."""
    cluster, gangs, running = world()
    cluster.nodes = [Node("a", (30.0,))]
    cluster.queues = [Queue("q"), Queue("other", maximum=8)]
    running = replace(running, saved_s=whole([0, 500, 900]))
    cluster.pending = [Gang("urgent", "other", cores=2, priority=1)]
    found = eviction(held_by(cluster, gangs, running).dry_run(), gangs, running)
    assert found is not None
    assert found.victims.evicted.tolist() == [0, 0, 1]


def test_evictions_come_to_an_end_even_without_a_cool_down() -> None:
    """The whole number, 10,000, is bench.victims'."""
    seen: list[Eviction] = []
    for seed in range(60):
        contest = contests(seed)
        contest.watch = seen.append
        assert contest.until_quiet(EvictionSettings(cool_down_s=0)) is not None
    assert len(seen) > 20


def test_no_queue_falls_below_its_guarantee_for_another() -> None:
    def bears(found: Eviction) -> None:
        need, evicted = found.need, found.victims.evicted
        assert need.stakes.allows(evicted)
        assert need.is_met(evicted)
        assert (need.stakes.cores(evicted) <= need.stakes.spare_cores + 1e-6).all()

    for seed in range(60, 100):
        contest = contests(seed)
        contest.watch = bears
        assert contest.until_quiet(EvictionSettings()) is not None


def test_the_claim_is_placed_where_room_was_made_for_it() -> None:
    cluster, gangs, running = world()
    cluster.pending = [Gang("claim", "q", tasks=2, cores=2), Gang("rival", "other", cores=4)]
    contest = Contest(cluster, gangs, running)
    assert contest.until_quiet(EvictionSettings()) is not None
    assert "claim" in contest.names_running()
