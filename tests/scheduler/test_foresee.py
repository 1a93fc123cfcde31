"""Starts are foreseen by the planner itself, over the ends that are expected of running work."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.foresee import NEVER, foreseen
from scheduler.core.plan import plan
from scheduler.core.queues import TOP, QueueTree, QueueUse
from scheduler.core.snapshot import GangColumns, NodeColumns, RunningColumns, Snapshot

NOW_S = 10_000
HOUR_S = 3_600


def tree(*most: float) -> QueueTree:
    count = len(most)
    return QueueTree(
        names=tuple(f"q{k}" for k in range(count)),
        parent=np.full(count, TOP),
        guaranteed_cpu_cores=np.zeros(count),
        max_cpu_cores=np.array(most),
        weight=np.ones(count),
    )


def cluster(
    gangs: list[tuple[int, int, int]],
    runs: list[tuple[int, float, int]],
    *,
    nodes: int = 2,
    cores: float = 4.0,
    queues: QueueTree | None = None,
) -> Snapshot:
    """`gangs`: (tasks of 1 core, duration, queue), the eldest first; `runs`: (node, cores, end)."""
    node = np.array([one[0] for one in runs], np.int64)
    held = np.array([one[1] for one in runs], np.float64)
    end_s = np.array([one[2] for one in runs], np.int64)
    free = np.full(nodes, cores) - np.bincount(node, weights=held, minlength=nodes).astype(float)
    count, queues = len(gangs), queues or tree(np.inf)
    tasks = np.array([one[0] for one in gangs], np.int64)
    used = np.zeros(len(queues.names))
    used[0] = held.sum()
    return Snapshot(
        nodes=NodeColumns(
            names=tuple(f"n{k}" for k in range(nodes)),
            horizons_s=np.array([HOUR_S]),
            free_cpu_cores=free[:, None],
            free_memory_bytes=np.zeros((nodes, 1)),
            cpu_cores=np.full(nodes, cores),
            memory_bytes=np.zeros(nodes),
            open=np.ones(nodes, np.bool_),
        ),
        running=RunningColumns(node, held, np.zeros(len(node)), end_s),
        gangs=GangColumns(
            ids=tuple(f"g{k}" for k in range(count)),
            queue=np.array([one[2] for one in gangs], np.int64),
            tasks=tasks,
            min_available=tasks,
            cpu_cores=np.ones(count),
            memory_bytes=np.zeros(count),
            duration_s=np.array([one[1] for one in gangs], np.int64),
            submit_s=np.arange(count) + NOW_S - 100,
            priority=np.zeros(count, np.int64),
        ),
        queues=queues,
        used=QueueUse(used, np.zeros(len(queues.names))),
    )


def ahead(snapshot: Snapshot, *, known: bool = True) -> list[int]:
    """Seconds from now until each gang starts; NEVER stays."""
    outcome = plan(snapshot, now_s=NOW_S)
    queue = np.zeros(len(snapshot.running.node), np.int64) if known else None
    found = foreseen(snapshot, outcome, now_s=NOW_S, queue_of_running=queue)
    return [int(at) if at == NEVER else int(at) - NOW_S for at in found.start_s]


@pytest.mark.parametrize(
    ("gangs", "runs", "expected"),
    [
        pytest.param([(4, 60, 0)], [], [0], id="there is room now"),
        pytest.param([(8, 60, 0)], [(0, 4.0, NOW_S + 500)], [500], id="when the other ends"),
        pytest.param(
            [(8, 60, 0), (8, 90, 0)], [(0, 1.0, NOW_S + 500)], [500, 560], id="one after another"
        ),
        pytest.param([(9, 60, 0)], [(0, 4.0, NOW_S + 500)], [NEVER], id="larger than the cluster"),
        pytest.param(
            [(8, 60, 0)], [(0, 4.0, NOW_S - 9)], [HOUR_S], id="what overran counts one horizon more"
        ),
        pytest.param(
            [(8, 60, 0)], [(0, 4.0, NOW_S + 100), (1, 4.0, NOW_S + 105)], [105],
            id="ends close together are one",
        ),
        pytest.param([(8, 60, 0)], [], [0], id="nothing runs"),
    ],
)  # fmt: skip
def test_a_start_is_when_what_runs_has_made_way(
    gangs: list[tuple[int, int, int]], runs: list[tuple[int, float, int]], expected: list[int]
) -> None:
    assert ahead(cluster(gangs, runs)) == expected


def test_a_queue_comes_down_from_its_maximum_as_its_work_ends() -> None:
    snapshot = cluster([(3, 60, 0)], [(0, 2.0, NOW_S + 300)], queues=tree(4.0))
    assert ahead(snapshot) == [300]
    assert ahead(snapshot, known=False) == [NEVER]


def test_no_more_rounds_are_played_than_wanted() -> None:
    snapshot = cluster([(8, 60, 0)], [(0, 4.0, NOW_S + 500)])
    outcome = plan(snapshot, now_s=NOW_S)
    found = foreseen(snapshot, outcome, now_s=NOW_S, most_rounds=1)
    assert (found.start_s.tolist(), found.until_s) == ([NEVER], NOW_S + 500)
    whole = foreseen(snapshot, outcome, now_s=NOW_S)
    assert (whole.start_s.tolist(), whole.until_s) == ([NOW_S + 500], None)


@settings(max_examples=40, deadline=None)
@given(
    gangs=st.lists(
        st.tuples(st.integers(1, 10), st.integers(1, 4_000), st.just(0)), min_size=1, max_size=6
    ),
    runs=st.lists(
        st.tuples(st.integers(0, 1), st.just(1.0), st.integers(NOW_S + 1, NOW_S + 9_000)),
        max_size=4,
    ),
)
def test_whoever_fits_the_empty_cluster_starts_and_never_more_at_a_time_than_it_holds(
    gangs: list[tuple[int, int, int]], runs: list[tuple[int, float, int]]
) -> None:
    found = ahead(cluster(gangs, runs))
    for (tasks, _, _), at in zip(gangs, found, strict=True):
        assert (at != NEVER) == (tasks <= 8)
    for at in {at for at in found if at != NEVER}:
        held = sum(
            tasks
            for (tasks, last_s, _), begun in zip(gangs, found, strict=True)
            if begun != NEVER and begun <= at < begun + last_s
        )
        held += sum(1 for _, _, end_s in runs if NOW_S + at < end_s)
        assert held <= 8
