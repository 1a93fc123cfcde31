"""Moves are proposed where everybody has a place afterwards and where they pay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scheduler.core.defragment import MoveSettings, defragment
from tests.scheduler.clusters import HOUR_S, Bundle, Gang, Node, World
from tests.scheduler.contested import LONG_AGO_S, Contest, contests

HALF_FULL = 100 * HOUR_S


def scattered(*, started_s: int = 0, ends_s: int = HALF_FULL, spare: float = 4.0) -> Contest:
    """Two nodes of 8 cores with a task of 4 on each; a gang that wants a whole node waits."""
    world = World([Node("a", (8.0,)), Node("b", (4.0 + spare,))], horizons_s=(200 * HOUR_S,))
    world.now_s = 3 * HOUR_S
    world.running = [
        Bundle(Gang(name, cores=4, submit_s=started), node, 1, ends_s)
        for name, node, started in (("old", 0, started_s), ("young", 1, 2 * HOUR_S))
    ]
    world.pending = [Gang("large", cores=8, for_s=HOUR_S)]
    return Contest(world)


def test_the_younger_task_moves_to_the_other_node_and_the_large_gang_starts() -> None:
    contest = scattered()
    gangs, running, _ = contest.columns()
    found = defragment(contest.world.dry_run(), gangs, running)
    assert found is not None
    assert found.victims.evicted.tolist() == [0, 1]
    assert [(b, n.tolist(), c.tolist()) for b, n, c in found.back] == [(1, [0], [1])]
    assert found.reason == (
        "moves 1 task of 1 running gangs to other nodes so that large starts now and not in "
        "4.04 d: 4.07 h of one core's work are lost, 32.3 d of waiting are saved"
    )


def test_the_next_rounds_carry_the_moves_out() -> None:
    contest = scattered()
    gangs, running, _ = contest.columns()
    found = defragment(contest.world.dry_run(), gangs, running)
    assert found is not None
    contest.evict(found.victims.evicted.tolist())
    contest.world.reservation = found.reservation
    contest.world.plan()
    assert contest.names_running() == {"old", "young", "large"}


@pytest.mark.parametrize(
    ("contest", "settings"),
    [
        (scattered(ends_s=3 * HOUR_S + 60), MoveSettings()),  # waiting a minute costs less
        (scattered(spare=3.0), MoveSettings()),  # the sum does not fit
        (scattered(), MoveSettings(most_tasks=0)),
        (scattered(), MoveSettings(restart_s=300 * HOUR_S)),  # starting again costs too much
    ],
)
def test_nothing_moves_where_it_would_not_help_or_not_pay(
    contest: Contest, settings: MoveSettings
) -> None:
    gangs, running, _ = contest.columns()
    assert defragment(contest.world.dry_run(), gangs, running, settings=settings) is None


def test_who_moved_lately_is_left_alone() -> None:
    contest = scattered()
    gangs, running, _ = contest.columns()
    gangs = replace(gangs, evicted_s=np.array([LONG_AGO_S, contest.world.now_s - HOUR_S]))
    found = defragment(contest.world.dry_run(), gangs, running)
    assert found is not None
    assert found.victims.evicted.tolist() == [1, 0]


def test_who_finds_no_other_place_does_not_make_way() -> None:
    """Moving the young one would lose less, but its memory fits node b alone."""
    contest = scattered()
    old, young = contest.world.running
    contest.world.nodes[0] = Node("a", (8.0,), (900.0,))
    contest.world.running[1] = replace(young, gang=replace(young.gang, gib=950.0))
    gangs, running, _ = contest.columns()
    found = defragment(contest.world.dry_run(), gangs, running)
    assert found is not None
    assert found.victims.evicted.tolist() == [1, 0]
    assert [(b, n.tolist()) for b, n, _ in found.back] == [(0, [1])]
    assert old.node == 0


def test_everybody_fits_where_the_moves_put_them() -> None:
    proposed = 0
    for seed in range(60):
        contest = contests(seed)
        outcome = contest.world.plan()
        gangs, running, _ = contest.columns()
        found = defragment(outcome, gangs, running, settings=MoveSettings(restart_s=0))
        if found is None:
            continue
        proposed += 1
        room = outcome.aftermath.room.cpu_cores[0].copy()
        np.add.at(room, running.node, found.victims.evicted * running.cpu_cores)
        claim = outcome.aftermath.snapshot.gangs.cpu_cores[found.gang]
        np.subtract.at(room, found.reservation.nodes, found.reservation.count * claim)
        for bundle, nodes, count in found.back:
            assert count.sum() == found.victims.evicted[bundle]
            np.subtract.at(room, nodes, count * running.cpu_cores[bundle])
        assert room.min() >= -1e-5
        assert found.victims.harm_core_s < found.waiting_saved_core_s
    assert proposed
