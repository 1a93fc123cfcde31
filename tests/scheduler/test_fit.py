"""Room through a horizon, held against the rule it stands for, written out plainly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.fit import Room, Task, TaskClasses, classes_of, gangs_that_fit, total_tasks
from scheduler.core.snapshot import NodeColumns, horizon_index
from tests.scheduler.clusters import GIB, Gang, Queue, gang_columns, real, tree, whole


@pytest.mark.parametrize(
    ("duration_s", "judged_at_s"),
    [(0, 60), (60, 60), (61, 600), (600, 600), (3600, 3600), (10**9, 3600)],
)
def test_a_duration_is_judged_at_the_shortest_horizon_that_covers_it(
    duration_s: int, judged_at_s: int
) -> None:
    horizons_s = whole([60, 600, 3600])
    assert horizons_s[horizon_index(whole([duration_s]), horizons_s)] == [judged_at_s]


def room(cores: list[list[float]], *, is_open: list[bool] | None = None) -> Room:
    """Room of nodes with the given cores free through each horizon, and memory in plenty."""
    free = np.array(cores)
    nodes = NodeColumns(
        names=tuple(f"n{n}" for n in range(len(cores))),
        horizons_s=np.arange(1, free.shape[1] + 1),
        free_cpu_cores=free,
        free_memory_bytes=np.full(free.shape, 1000 * GIB),
        cpu_cores=np.full(len(cores), 64.0),
        memory_bytes=np.full(len(cores), 1000 * GIB),
        open=np.array(is_open or [True] * len(cores)),
    )
    return Room.of(nodes, cpu_cores=free, memory_bytes=nodes.free_memory_bytes)


def fitting(where: Room, task: Task) -> list[int]:
    counts: list[int] = where.tasks_per_node(TaskClasses.one(task))[0].tolist()
    return counts


def test_a_long_horizon_promises_no_more_than_a_short_one() -> None:
    assert fitting(room([[2.0, 5.0]]), Task(1.0, GIB, 1)) == [2]


def test_three_tenths_hold_three_tasks_of_a_tenth() -> None:
    assert fitting(room([[0.3]]), Task(0.1, GIB, 0)) == [3]


def test_a_node_that_online_grew_into_and_a_closed_one_hold_nothing() -> None:
    assert fitting(room([[-3.0], [8.0]], is_open=[True, False]), Task(1.0, GIB, 0)) == [0, 0]


def test_a_task_that_asks_for_no_cores_is_held_to_its_memory() -> None:
    assert fitting(room([[0.0]]), Task(0.0, 400 * GIB, 0)) == [2]


def test_a_short_task_leaves_the_time_after_it_to_long_ones() -> None:
    """4 cores are free for the first hour, 2 after it: 2 short tasks cost the long ones nothing."""
    where = room([[4.0, 2.0]])
    where.take(whole([0]), whole([2]), Task(1.0, GIB, 0))
    assert fitting(where, Task(1.0, GIB, 1)) == [2]
    where.take(whole([0]), whole([1]), Task(1.0, GIB, 0))
    assert fitting(where, Task(1.0, GIB, 1)) == [1]


amounts = st.integers(0, 12).map(float)
moves = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 3)), max_size=12)


@given(st.lists(st.tuples(amounts, amounts, amounts), min_size=3, max_size=3), moves)
def test_room_is_what_every_shorter_horizon_leaves_after_those_who_outlive_it(
    free: list[tuple[float, float, float]], moves: list[tuple[int, int, int]]
) -> None:
    where = room([list(cores) for cores in free])
    taken = np.zeros((3, 3))  # [node, level]
    for node, level, cores in moves:
        outlive = np.cumsum(taken[:, ::-1], axis=1)[:, ::-1]
        left = np.minimum.accumulate(np.array(free) - outlive, axis=1)
        # placing at `level` must leave every horizon up to it with room, by the rule
        by_rule = (np.array(free) - outlive)[node, : level + 1].min()
        assert where.cpu_cores[level, node] == pytest.approx(by_rule, abs=1e-5)
        assert (where.cpu_cores.T - left < 1e-5).all()
        if by_rule >= cores:
            where.take(whole([node]), whole([1]), Task(float(cores), GIB, level))
            taken[node, level] += cores


def columns(*, sizes: list[tuple[float, int]]) -> list[Gang]:
    return [Gang(f"g{g}", cores=c, for_s=s) for g, (c, s) in enumerate(sizes)]


def test_gangs_with_the_same_request_and_horizon_are_one_class() -> None:
    queues = tree([Queue("q")])
    gangs = gang_columns(columns(sizes=[(2, 1), (1, 1), (2, 2), (2, 1), (1, 1)]), queues)
    level = gangs.duration_s - 1
    classes, of = classes_of(gangs, np.arange(5), level=level, guarded=np.zeros(5, np.int64))
    assert len(classes) == 3
    assert of[0] == of[3] != of[2]
    assert of[1] == of[4]
    assert classes.cpu_cores[of].tolist() == gangs.cpu_cores.tolist()
    assert classes.level[of].tolist() == level.tolist()


@given(
    st.lists(st.tuples(amounts, amounts), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(1, 2)), max_size=8),
)
def test_a_gang_fits_exactly_when_enough_whole_tasks_do(
    free: list[tuple[float, float]], sizes: list[tuple[int, int, int]]
) -> None:
    queues = tree([Queue("q")])
    gangs = [
        Gang(f"g{g}", cores=float(c), tasks=tasks, for_s=s) for g, (c, tasks, s) in enumerate(sizes)
    ]
    level = whole([s - 1 for _, _, s in sizes])
    found = gangs_that_fit(
        room([list(f) for f in free]),
        gang_columns(gangs, queues),
        np.arange(len(gangs)),
        level=level,
    )
    by_hand = [
        g
        for g, (c, tasks, s) in enumerate(sizes)
        if sum(int(min(f[:s]) // c) for f in free) >= tasks
    ]
    assert found.tolist() == by_hand


def test_classes_are_counted_the_same_in_one_step_and_in_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    where = room([[float(n), n / 2] for n in range(40)])
    classes = TaskClasses(
        cpu_cores=real([0.5, 1.0, 3.0, 7.0, 11.0]),
        memory_bytes=real([GIB] * 5),
        level=whole([0, 1, 0, 1, 0]),
        guarded=whole([0] * 5),
        row=whole([0] * 5),
        gpu=whole([-1] * 5),
    )
    at_once = total_tasks(where, classes)
    monkeypatch.setattr("scheduler.core.fit.CELLS_AT_ONCE", 80)
    assert total_tasks(where, classes).tolist() == at_once.tolist()
