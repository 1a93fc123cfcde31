from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.fleet import DONE, RUNNING, WAITING, Fleet
from slacktide.trace import Jobs


def jobs(*rows: tuple[int, int, int, float]) -> Jobs:
    """Rows of (tasks, min_available, duration_s, cpu_cores)."""
    tasks, least, duration, cores = (np.array(column) for column in zip(*rows, strict=True))
    return Jobs(
        job=tuple(f"job-{n}" for n in range(len(rows))),
        queue=("q",) * len(rows),
        submit_s=np.zeros(len(rows), np.int64),
        tasks=tasks.astype(np.int64),
        min_available=least.astype(np.int64),
        duration_s=duration.astype(np.int64),
        priority=np.zeros(len(rows), np.int64),
        cpu_cores=cores.astype(np.float64),
        memory_bytes=cores.astype(np.float64) * 2**30,
    )


def started(*rows: tuple[int, int, int, float]) -> Fleet:
    """Every gang whole, spread over nodes 0 and 1."""
    fleet = Fleet(jobs(*rows), 2)
    fleet.submit(0)
    for gang, (tasks, _, _, _) in enumerate(rows):
        counts = np.array([tasks - tasks // 2, tasks // 2])
        used = counts > 0
        fleet.start(gang, np.arange(2)[used], counts[used], cluster=0, now_s=0)
    return fleet


def test_a_gang_at_full_speed_is_done_after_its_duration() -> None:
    fleet = started((2, 2, 600, 1.0))
    assert fleet.run(np.ones(2), now_s=0, length_s=300).size == 0
    assert fleet.run(np.ones(2), now_s=300, length_s=300).tolist() == [0]
    assert fleet.state[0] == DONE
    assert fleet.done_s[0] == 600
    assert fleet.held_cores().tolist() == [0, 0]


def test_a_gang_is_as_fast_as_its_slowest_node() -> None:
    fleet = started((2, 2, 600, 1.0))
    fleet.run(np.array([1.0, 0.25]), now_s=0, length_s=300)
    assert fleet.left_s[0] == pytest.approx(600 - 75)


def test_what_is_held_is_the_sum_of_the_rows() -> None:
    fleet = started((3, 3, 600, 2.0), (4, 1, 600, 0.5))
    assert fleet.held_cores().tolist() == [2 * 2 + 2 * 0.5, 1 * 2 + 2 * 0.5]
    assert fleet.held_bytes().sum() == pytest.approx((3 * 2 + 4 * 0.5) * 2**30)


def test_evicting_a_member_of_a_tight_gang_sends_the_whole_gang_back() -> None:
    fleet = started((4, 4, 600, 1.0))
    fleet.run(np.ones(2), now_s=0, length_s=300)
    fleet.evict(0, 1)
    assert fleet.state[0] == WAITING
    assert fleet.evicted_tasks == 4
    assert fleet.lost_core_s == pytest.approx(4 * 300)
    assert fleet.left_s[0] == 600
    assert fleet.waiting().tolist() == [0]


def test_an_elastic_gang_loses_only_the_members_on_that_node() -> None:
    fleet = started((4, 2, 600, 1.0))
    fleet.run(np.ones(2), now_s=0, length_s=300)
    fleet.evict(0, 1)
    assert fleet.state[0] == RUNNING
    assert (fleet.placed[0], fleet.evicted_tasks) == (2, 2)
    assert fleet.lost_core_s == pytest.approx(2 * 300)
    assert fleet.held_cores().tolist() == [2, 0]


def test_evicting_one_that_has_finished_changes_nothing() -> None:
    fleet = started((1, 1, 100, 1.0))
    fleet.run(np.ones(2), now_s=0, length_s=300)
    fleet.evict(0, 0)
    assert (fleet.state[0], fleet.evicted_tasks) == (DONE, 0)


@given(
    shapes=st.lists(
        st.tuples(st.integers(1, 6), st.integers(60, 3_000), st.floats(0.1, 4)),
        min_size=1,
        max_size=6,
    ),
    speeds=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8),
    victims=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1)), max_size=4),
)
def test_books_balance_whatever_happens(
    shapes: list[tuple[int, int, float]],
    speeds: list[tuple[float, float]],
    victims: list[tuple[int, int]],
) -> None:
    rows = [(tasks, max(1, tasks // 2), duration, cores) for tasks, duration, cores in shapes]
    fleet = started(*rows)
    for step, speed in enumerate(speeds):
        fleet.run(np.array(speed), now_s=300 * step, length_s=300)
        if step < len(victims) and victims[step][0] < len(rows):
            fleet.evict(*victims[step])
        running = fleet.state == RUNNING
        assert (fleet.placed[running] >= fleet.jobs.min_available[running]).all()
        assert (fleet.placed[~running] == 0).all()
        placed = np.bincount(fleet.row_gang, fleet.row_count, len(rows))
        assert placed.tolist() == fleet.placed.tolist()
        assert (fleet.left_s <= fleet.jobs.duration_s).all()
        assert (np.diff(fleet.row_gang) >= 0).all()
