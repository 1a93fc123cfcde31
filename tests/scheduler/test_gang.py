"""How many tasks go where, given what fits and what it costs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.gang import nodes_for_gang
from tests.scheduler.clusters import real, whole


@pytest.mark.parametrize(
    ("fitting", "tasks", "least", "expected"),
    [
        ([2, 0, 3], 4, 4, {2: 3, 0: 1}),  # the cheaper one first
        ([2, 0, 3], 6, 6, {}),  # one task too many: none at all
        ([2, 0, 3], 9, 5, {2: 3, 0: 2}),  # elastic: as many as fit
        ([2, 0, 3], 9, 6, {}),
        ([9, 9, 9], 1, 1, {1: 1}),
        ([0, 0, 0], 1, 1, {}),
    ],
)
def test_a_gang_takes_the_cheapest_nodes_or_none(
    fitting: list[int], tasks: int, least: int, expected: dict[int, int]
) -> None:
    cost = real([0.9, 0.1, 0.5])
    nodes, count = nodes_for_gang(
        whole(fitting), lambda able: cost[able], tasks=tasks, min_available=least
    )
    assert dict(zip(nodes.tolist(), count.tolist(), strict=True)) == expected


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=1, max_size=30),
    st.integers(1, 12),
)
def test_no_node_left_out_is_cheaper_than_one_that_is_used(
    nodes: list[tuple[int, int]], tasks: int
) -> None:
    fitting, cost = whole([f for f, _ in nodes]), real([float(c) for _, c in nodes])
    used, count = nodes_for_gang(fitting, lambda able: cost[able], tasks=tasks, min_available=1)
    assert count.sum() == min(tasks, fitting.sum())
    assert (count <= fitting[used]).all()
    left_out = np.setdiff1d(np.flatnonzero(fitting), used)
    if len(used) and len(left_out):
        assert cost[used].max() <= cost[left_out].min()
