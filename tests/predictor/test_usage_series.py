"""Use over time: sums first, then steps; nothing is no zero."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.core.usage_series import USAGE, Steps, sums_of, usage_by_step

HOUR = Steps(0, 7_200, 3_600, 300)
CELLS = st.lists(
    st.tuples(st.integers(0, 23), st.none() | st.integers(0, 50), st.none() | st.integers(0, 50)),
    max_size=60,
)


def table(cells: Sequence[tuple[int, int | None, int | None]]) -> pa.Table:
    return pa.table(
        {
            "ts_s": pa.array([300 * at for at, _, _ in cells], pa.int64()),
            "cpu_cores": pa.array([cpu for _, cpu, _ in cells], pa.float32()),
            "memory_bytes": pa.array([memory for _, _, memory in cells], pa.float32()),
        }
    )


@given(CELLS, st.integers(0, 60))
def test_it_is_what_python_s_own_arithmetic_says(
    cells: list[tuple[int, int | None, int | None]], cut: int
) -> None:
    sums = sums_of(table(cells[:cut]), HOUR) + sums_of(table(cells[cut:]), HOUR)
    found = usage_by_step(sums, HOUR)
    assert found.schema == USAGE
    for step, row in enumerate(found.to_pylist()):
        for place, unit, name in ((1, "cores", "cpu"), (2, "bytes", "memory")):
            by_stamp: dict[int, int] = {}
            for cell in cells:
                value = cell[place]
                if cell[0] // 12 == step and value is not None:
                    by_stamp[cell[0]] = by_stamp.get(cell[0], 0) + value
            ordered = sorted(by_stamp.values())
            expected: tuple[float | None, ...] = (None, None, None)
            if ordered:
                p95 = ordered[math.ceil(0.95 * len(ordered)) - 1]
                expected = (sum(ordered) / len(ordered), ordered[-1], p95)
            got = tuple(row[f"{name}_{how}_{unit}"] for how in ("mean", "max", "p95"))
            assert got == pytest.approx(expected)


def test_the_p95_is_of_the_sum_and_not_the_sum_of_p95s() -> None:
    one, other = np.zeros(24), np.zeros(24)
    one[3], other[7] = 4, 4
    cells = [(at, int(cpu), None) for pod in (one, other) for at, cpu in enumerate(pod)]
    first = usage_by_step(sums_of(table(cells), HOUR), HOUR).to_pylist()[0]
    assert (first["cpu_max_cores"], first["cpu_p95_cores"], first["containers"]) == (4, 4, 2)
    assert first["memory_mean_bytes"] is None


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ((0, 7_200, 400, 300), "no multiple"),
        ((0, 7_200, 0, 300), "no multiple"),
        ((0, 7_000, 3_600, 300), "no whole number"),
        ((300, 300, 300, 300), "no whole number"),
    ],
)
def test_a_window_is_whole_steps(window: tuple[int, int, int, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Steps(*window)
