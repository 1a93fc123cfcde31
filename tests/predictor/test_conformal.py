"""Calibration on its own: a margin is the right score, and drift is paid back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.core.conformal import (
    DEBT_WEIGHT,
    MOST_DEBT,
    PromiseKeeper,
    margin,
    unseen_rows_of,
)
from slacktide.messages import FloatArray

DAY_S = 86_400.0


def as_scores(values: list[float]) -> FloatArray:
    return np.array(values, dtype=np.float64)


scores_of = st.lists(st.floats(-5, 5), min_size=1, max_size=60).map(as_scores)


@given(scores_of, st.floats(0.001, 0.5))
def test_at_most_the_promised_share_of_past_scores_exceeds_the_margin(
    scores: FloatArray, risk: float
) -> None:
    found = margin(scores, np.zeros(len(scores)), risk=risk, half_life_s=DAY_S)
    assert (scores > found).mean() <= risk


@given(scores_of, st.floats(0.01, 0.4), st.floats(0.01, 0.4))
def test_a_smaller_risk_never_has_a_smaller_margin(
    scores: FloatArray, one: float, other: float
) -> None:
    age_s = np.arange(len(scores), dtype=np.float64) * DAY_S
    low, high = sorted((one, other))
    careful = margin(scores, age_s, risk=low, half_life_s=DAY_S)
    assert careful >= margin(scores, age_s, risk=high, half_life_s=DAY_S)


@given(scores_of, st.floats(0.01, 0.4), st.floats(-3, 3))
def test_the_margin_moves_with_the_scores(scores: FloatArray, risk: float, by: float) -> None:
    age_s = np.arange(len(scores), dtype=np.float64) * DAY_S
    found = margin(scores, age_s, risk=risk, half_life_s=DAY_S)
    moved = margin(scores + by, age_s, risk=risk, half_life_s=DAY_S)
    assert moved == pytest.approx(found + by, abs=1e-9)


def test_few_scores_give_their_maximum() -> None:
    scores = np.array([0.3, -0.2, 0.9, 0.1])
    assert margin(scores, np.zeros(4), risk=0.01, half_life_s=DAY_S) == 0.9


def test_what_was_not_seen_yet_makes_the_margin_of_little_evidence_larger() -> None:
    scores = np.arange(300.0)

    def found(unseen: float, rows: int) -> float:
        return margin(
            scores[:rows], np.zeros(rows), risk=0.05, half_life_s=DAY_S, unseen_rows=unseen
        )

    assert [found(0.0, 300), found(6.0, 300), found(20.0, 300)] == [284.0, 290.0, 299.0]
    assert found(6.0, 100) == 99.0, "a third of the evidence: the largest of it"


@pytest.mark.parametrize(
    ("hours", "rows"),
    [
        pytest.param(1, 0.8 * 8, id="an hour: of the eight rows of a node's day"),
        pytest.param(12, 0.8 * 8, id="half a day: of the same day"),
        pytest.param(24, 0.25 * 8, id="a day sees a burst once"),
        pytest.param(48, 0.25 * 16, id="two days are one observation"),
    ],
)
def test_how_much_counts_as_unseen_follows_the_horizon(hours: int, rows: float) -> None:
    assert unseen_rows_of(hours * 3_600, every_s=3 * 3_600) == pytest.approx(rows)


def test_old_scores_fade() -> None:
    scores = np.concatenate((np.full(500, 2.0), np.full(500, 1.0)))
    age_s = np.concatenate((np.full(500, 30 * DAY_S), np.zeros(500)))
    assert margin(scores, age_s, risk=0.1, half_life_s=3 * DAY_S) == 1.0
    assert margin(scores, age_s, risk=0.1, half_life_s=300 * DAY_S) == 2.0


@given(st.lists(st.floats(0, 1), max_size=50), st.floats(0.001, 0.2))
def test_the_risk_in_use_stays_between_its_floor_and_the_promise(
    broken: list[float], risk: float
) -> None:
    keeper = PromiseKeeper(risk)
    for share in broken:
        keeper = keeper.after(share)
        assert 0.0 <= keeper.debt <= MOST_DEBT
        assert risk * np.exp(-DEBT_WEIGHT) * (1 - 1e-12) <= keeper.risk_in_use <= risk


def test_kept_promises_pay_the_debt_back() -> None:
    keeper = PromiseKeeper(0.01).after(0.5)
    assert keeper.risk_in_use < 0.01
    for _ in range(50):
        keeper = keeper.after(0.0)
    assert keeper.risk_in_use == 0.01


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 1000),
    st.sampled_from(["steady", "slow growth", "doubled spread", "heavy tail"]),
    st.sampled_from([0.01, 0.05]),
)
def test_coverage_holds_in_the_long_run_though_the_series_drifts(
    seed: int, drift: str, risk: float
) -> None:
    rng = np.random.default_rng(seed)
    days, nodes = 240, 30
    noise = (
        rng.standard_t(4, (days, nodes))
        if drift == "heavy tail"
        else rng.normal(size=(days, nodes))
    )
    scale = np.where(np.arange(days) > days // 2, 2.0, 1.0) if drift == "doubled spread" else 1.0
    trend = np.linspace(0, 1.0, days) if drift == "slow growth" else 0.0
    scores = (noise.T * scale + trend).T
    assert realised(scores, risk) <= 2 * risk + 0.005


def realised(scores: FloatArray, risk: float) -> float:
    """Share of (day, node) above the margin found from the days before, with a day's delay."""
    keeper, broken = PromiseKeeper(risk), []
    for day in range(21, len(scores)):
        past = scores[: day - 1]
        age_s = np.repeat(day - np.arange(len(past), dtype=np.float64), scores.shape[1]) * DAY_S
        found = margin(past.ravel(), age_s, risk=keeper.risk_in_use, half_life_s=30 * DAY_S)
        broken.append(float((scores[day] > found).mean()))
        if len(broken) > 1:
            keeper = keeper.after(broken[-2])
    return float(np.mean(broken))
