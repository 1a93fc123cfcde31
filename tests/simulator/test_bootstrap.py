"""Intervals over node-days: seeded, around the score, wider where days go together."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.core.bootstrap import sureness
from tests.simulator.fleets import DAY_S, held

HOUR_S = 3_600
TIMES = tuple(range(0, 30 * DAY_S, 3 * HOUR_S))  # 8 a day
CAPACITY = np.full(5, 10.0)


@pytest.fixture(scope="module")
def came() -> np.ndarray:
    return np.random.default_rng(1).gamma(2.0, 1.0, (5, len(TIMES)))


def test_an_interval_holds_the_score_it_is_about(came: np.ndarray) -> None:
    trial = held(came, CAPACITY, TIMES)
    kept = np.full(came.shape, 4.0)
    (found,) = sureness([kept], trial, ours=[None])
    score = trial.score("p", kept)
    assert found.violation.low < score.violation < found.violation.high
    assert found.savings.low <= score.savings <= found.savings.high
    assert found.of_oracle.low < score.of_oracle < found.of_oracle.high
    assert found.ours_more is None


def test_the_same_seed_gives_the_same_and_another_seed_another(came: np.ndarray) -> None:
    trial, kept = held(came, CAPACITY, TIMES), [np.full(came.shape, 4.0)]
    one, two, other = (sureness(kept, trial, ours=[None], seed=seed) for seed in (1, 1, 2))
    assert one == two
    assert one != other


def test_independent_windows_are_as_sure_as_the_normal_law_says() -> None:
    generator = np.random.default_rng(4)
    broken = generator.random((40, len(TIMES))) < 0.1
    trial = held(np.where(broken, 5.0, 1.0), np.full(40, 10.0), TIMES)
    (found,) = sureness([np.full(broken.shape, 2.0)], trial, ours=[None])
    wide = 2 * 1.96 * np.sqrt(0.1 * 0.9 / broken.size)
    assert found.violation.high - found.violation.low == pytest.approx(wide, rel=0.15)


def test_windows_that_break_by_whole_days_are_less_sure() -> None:
    generator = np.random.default_rng(4)
    bad_days = np.repeat(generator.random((40, 30)) < 0.1, 8, axis=1)
    trial = held(np.where(bad_days, 5.0, 1.0), np.full(40, 10.0), TIMES)
    (found,) = sureness([np.full(bad_days.shape, 2.0)], trial, ours=[None])
    independent = 2 * 1.96 * np.sqrt(0.1 * 0.9 / bad_days.size)
    assert found.violation.high - found.violation.low > 2 * independent


def test_a_difference_is_surer_than_the_scores_it_is_between(came: np.ndarray) -> None:
    trial = held(came, CAPACITY, TIMES)
    ours, theirs = came + 0.5, came + 1.0  # always exactly 0.5 cores of 10 apart, but for the cap
    of_ours, of_theirs = sureness([ours, theirs], trial, ours=[0, 0])
    assert of_theirs.ours_more is not None
    assert of_ours.ours_more is not None
    assert (of_ours.ours_more.low, of_ours.ours_more.high) == (0, 0)
    assert 0.04 < of_theirs.ours_more.low <= of_theirs.ours_more.high <= 0.05 + 1e-9
    width = of_theirs.savings.high - of_theirs.savings.low
    assert of_theirs.ours_more.high - of_theirs.ours_more.low < width / 4


def test_no_answer_is_neither_exceeded_nor_saved() -> None:
    trial = held(np.full((2, 16), 3.0), np.array([10.0, 10.0]), tuple(range(0, 2 * DAY_S, 10_800)))
    kept = np.full((2, 16), np.nan)
    kept[0] = 1.0
    (found,) = sureness([kept], trial, ours=[None], resamples=200)
    assert found.violation.high == 1
    assert found.savings.high <= 0.9
