"""The ledger: what came is measured against the pods a forecast was made for, once, when over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from predictor.core.history import History
from predictor.core.ledger import MOST_ROWS, Moment, evenly, evidence, evidence_features, settle

DAY_S = 86_400
HORIZONS_S = (3_600, 6 * 3_600, DAY_S)
Fleet = Callable[..., History]


def moment_of(past: History, at_s: int, *, kept: float = 1.0) -> Moment:
    nodes, horizons = len(past.nodes), len(HORIZONS_S)
    unknown = np.full((nodes, horizons), np.nan)
    return Moment(
        at_s=at_s,
        resident=past.resident(at_s),
        warm=past.resident(at_s) & (np.arange(len(past.node)) != 0),
        features=np.full((nodes, horizons, 2), at_s, dtype=np.float32),
        reference=np.ones(nodes),
        scale=past.node_cpu_cores,
        base=np.ones((nodes, horizons)),
        kept=np.full((nodes, horizons), kept),
        warm_peak=unknown,
        peak=unknown,
        seen=unknown,
    )


def brute_peak(past: History, member: np.ndarray, node: int, at_s: int, horizon_s: int) -> float:
    """The oracle: the highest sum over the horizon of the pods that were resident at its start."""
    first, last = at_s // past.interval_s + 1, (at_s + horizon_s) // past.interval_s + 1
    rows = member & (past.node == node)
    return float(np.nansum(past.cpu_cores[rows, first:last].astype(np.float64), axis=0).max())


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 1000), hour=st.integers(0, 100))
def test_what_came_equals_the_oracle(fleet: Fleet, seed: int, hour: int) -> None:
    past, at_s = fleet(days=6, seed=seed), hour * 3_600
    made = moment_of(past, at_s)
    [over], _ = settle(
        (made,), past.cpu_cores, past, horizons_s=HORIZONS_S, now_s=at_s + HORIZONS_S[-1]
    )
    for index, horizon_s in enumerate(HORIZONS_S):
        for node in range(len(past.nodes)):
            expected = brute_peak(past, made.resident, node, at_s, horizon_s)
            warm = brute_peak(past, made.warm, node, at_s, horizon_s)
            assert np.isclose(over.peak[node, index], expected, rtol=1e-6)
            assert np.isclose(over.warm_peak[node, index], warm, rtol=1e-6)


def test_each_horizon_is_settled_once_and_only_when_over(fleet: Fleet) -> None:
    past = fleet(days=6)
    ledger: tuple[Moment, ...] = (moment_of(past, DAY_S),)
    seen: list[tuple[int, list[int]]] = []
    for hour in (0, 1, 2, 5, 6, 23, 24, 30):
        ledger, settled = settle(
            ledger,
            past.cpu_cores,
            past,
            horizons_s=HORIZONS_S,
            now_s=DAY_S + hour * 3_600,
        )
        seen.append((hour, [index for _, index in settled]))
    assert [entry for entry in seen if entry[1]] == [(1, [0]), (6, [1]), (24, [2])]


def test_a_window_still_open_is_no_evidence(fleet: Fleet) -> None:
    past = fleet(days=6)
    ledger, _ = settle(
        (moment_of(past, DAY_S),),
        past.cpu_cores,
        past,
        horizons_s=HORIZONS_S,
        now_s=DAY_S + 3_600,
    )
    assert evidence(ledger, 0) is not None
    assert evidence(ledger, 1) is None


def test_evidence_and_its_features_are_the_same_rows(fleet: Fleet) -> None:
    past = fleet(days=6)
    silent = past.cpu_cores.copy()
    silent[:, 2 * 48 : 3 * 48] = np.nan
    past = replace(past, cpu_cores=silent)
    made = tuple(moment_of(past, hour * 3_600) for hour in range(24, 80, 6))
    ledger, _ = settle(made, past.cpu_cores, past, horizons_s=HORIZONS_S, now_s=6 * DAY_S)
    rows = evidence(ledger, 0)
    assert rows is not None
    assert np.array_equal(evidence_features(ledger, 0)[:, 0], rows.at_s.astype(np.float32))
    assert not ((rows.at_s >= 2 * DAY_S) & (rows.at_s < 3 * DAY_S - 1_800)).any()


def test_settled_windows_come_in_the_order_they_were_made(fleet: Fleet) -> None:
    past = fleet(days=6)
    made = tuple(moment_of(past, hour * 3_600) for hour in (24, 30, 36))
    _, settled = settle(made, past.cpu_cores, past, horizons_s=HORIZONS_S, now_s=5 * DAY_S)
    first = [moment.at_s for moment, index in settled if index == 0]
    assert first == sorted(first)


def test_a_node_without_warm_pods_teaches_nothing(fleet: Fleet) -> None:
    past = fleet(days=6)
    made = replace(moment_of(past, DAY_S), reference=np.array([1e-9, 1.0, 1.0]))
    ledger, _ = settle(
        (made,), past.cpu_cores, past, horizons_s=HORIZONS_S, now_s=DAY_S + HORIZONS_S[-1]
    )
    rows = evidence(ledger, 0)
    assert rows is not None
    assert rows.reference.tolist() == [1.0, 1.0]
    assert rows.windows == 2


@pytest.mark.parametrize("rows", [0, 1, 1_000, MOST_ROWS, MOST_ROWS + 1, 10 * MOST_ROWS])
def test_of_very_many_windows_an_even_part_is_learned_from(rows: int) -> None:
    kept = evenly(rows)
    assert kept.sum() == pytest.approx(min(rows, MOST_ROWS), rel=0.001, abs=1)
    if rows > 2 * MOST_ROWS:
        for node in range(16):  # of a fleet whose size divides the number of rows
            assert kept[node::16].mean() == pytest.approx(MOST_ROWS / rows, rel=0.02)
