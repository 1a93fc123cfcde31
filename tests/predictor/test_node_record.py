"""A node's promises: which were kept, what was kept when, and what binds."""

from __future__ import annotations

import numpy as np
import pytest

from predictor.core.forecast import ForecastSettings, advance, coverage, warmed_up
from predictor.core.history import history_of
from predictor.core.node_record import Record, binding, coverage_sentences, kept_by_column, record
from slacktide.messages import NodeForecasts
from tests.simulator.tiny import trace

HOUR_S = 3_600
NAN = float("nan")


def of(at_s: list[int], kept: list[float]) -> Record:
    columns = np.array(kept)[:, None]
    return Record(np.array(at_s, np.int64), columns, np.array([0]), np.array([0]))


@pytest.mark.parametrize(
    ("at_s", "kept", "line"),
    [
        ([], [], [NAN] * 4),
        ([8 * HOUR_S], [3.0], [NAN, NAN, NAN, 3.0]),
        ([1, HOUR_S, 5 * HOUR_S], [3.0, 5.0, 4.0], [NAN, NAN, 5.0, 4.0]),
        ([-7 * HOUR_S, 1], [9.0, 2.0], [9.0, 9.0, 2.0, 2.0]),
        ([-20 * HOUR_S, 8 * HOUR_S], [9.0, 1.0], [NAN, NAN, NAN, 1.0]),
    ],
)
def test_a_column_shows_the_most_that_was_kept_in_it_and_holds_until_the_next(
    at_s: list[int], kept: list[float], line: list[float]
) -> None:
    found = kept_by_column(of(at_s, kept), 0, end_s=8 * HOUR_S, column_s=4 * HOUR_S, columns=4)
    np.testing.assert_array_equal(found, line)


def test_over_all_nodes_the_records_are_the_fleets_coverage() -> None:
    history, settings = history_of(trace(1, 2)), ForecastSettings()
    now_s = 10 * 86_400
    state, _ = advance(warmed_up(history, now_s, settings), history, now_s, settings)
    records = [record(state.cpu.ledger, node, horizons=4) for node in range(2)]
    whole = coverage(state, settings)
    windows = sum(found.windows for found in records)
    np.testing.assert_array_equal(windows, whole.windows)
    broken = sum(found.broken for found in records)
    np.testing.assert_allclose(broken / windows, whole.broken_share)


def test_coverage_is_told_for_each_horizon() -> None:
    found = Record(np.array([0]), np.zeros((1, 2)), np.array([200, 0]), np.array([3, 0]))
    assert list(coverage_sentences(found, (HOUR_S, 24 * HOUR_S), risk=0.01)) == [
        "1 h: 3 of 200 windows exceeded what was kept, 1.5 %; promised over the fleet: 1 %",
        "24 h: no window is over yet",
    ]


@pytest.mark.parametrize(
    ("cores", "size", "capacity", "told"),
    [
        (8.0, 3.0, (16.0, 10.0), "memory binds: 50 % of the CPU, 30 % of the memory can be"),
        (0.1, 3.0, (16.0, 10.0), "CPU binds: next to nothing of it is to spare"),
        (8.0, NAN, (16.0, NAN), "CPU binds: 50 % of the CPU can be reclaimed, and the other"),
    ],
)
def test_what_leaves_less_of_the_node_binds(
    cores: float, size: float, capacity: tuple[float, float], told: str
) -> None:
    cell = np.array([[1.0]])
    made = NodeForecasts(
        0, ("a",), (HOUR_S,), cell, cell * cores, cell, cell * size, 0.01, 0.001, lambda *_: ""
    )
    assert binding(made, 0, 0, capacity=capacity).startswith(told)
