"""A policy over its knob: the smallest that violates no more, and its curve."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.core.history import History
from simulator.core.backtest import prediction_times, trial_of
from simulator.core.families import (
    Family,
    family_of_formula,
    family_of_kept,
    kept_of,
    matched,
    violation,
)
from simulator.core.policies.catalogue import PEERS, make
from simulator.core.results import curve
from tests.simulator.fleets import DAY, DAY_S, fleet, held

shares = st.floats(0.01, 1.0)
targets = st.sampled_from([0.5, 0.25, 0.1, 0.04])


def factor(kept: np.ndarray, most: float = 20.0) -> Family:
    return Family("factor", 0.0, most, 1.0, lambda knob: knob * kept)


@given(
    st.lists(shares, min_size=12, max_size=12), st.lists(shares, min_size=12, max_size=12), targets
)
def test_the_matched_knob_is_the_smallest_of_four_digits(
    came: list[float], kept: list[float], target: float
) -> None:
    trial = held(np.array(came).reshape(2, 6), np.array([10.0, 10.0]))
    family = factor(np.array(kept).reshape(2, 6), most=200.0)
    knob = matched(family, trial, target)
    assert knob is not None
    assert violation(family.keep(knob), trial) <= target
    assert float(f"{knob:.4g}") == knob
    assert violation(family.keep(knob * 0.9985), trial) > target


def test_where_no_knob_violates_so_rarely_there_is_none() -> None:
    trial = held(np.ones((1, 4)), np.array([10.0]))
    nothing = factor(np.array([[0.0, 1.0, 1.0, 1.0]]))
    assert matched(nothing, trial, 0.1) is None
    assert matched(nothing, trial, 0.25) == 1


def test_ours_is_moved_by_a_share_of_each_node() -> None:
    trial = held(np.array([[2.0, 3.0], [1.0, 1.0]]), np.array([10.0, 5.0]))
    family = family_of_kept("slacktide", np.array([[1.5, 2.0], [1.0, 1.0]]), trial)
    knob = matched(family, trial, 0.0)
    assert knob == pytest.approx(0.1, rel=1e-3)
    np.testing.assert_allclose(family.keep(0.2)[:, 0], [3.5, 2.0])


def test_a_curve_never_saves_more_where_it_violates_less() -> None:
    generator = np.random.default_rng(5)
    trial = held(generator.gamma(2, 1, (3, 40)), np.full(3, 20.0))
    points = curve(factor(generator.gamma(2, 1, (3, 40))), trial)
    found = sorted((point.violation, point.savings) for point in points)
    assert len(found) > 3
    assert all(a[1] <= b[1] + 1e-12 for a, b in pairwise(found))


@pytest.fixture(scope="module")
def bursts() -> History:
    generator = np.random.default_rng(7)
    use = generator.gamma(1.2, 0.5, (4, 6 * DAY))
    return fleet(use, [0, 0, 1, 1], memory=use * 1e9)


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("memory", [False, True])
def test_a_formula_measured_once_keeps_what_the_policy_keeps_step_by_step(
    name: str, memory: bool, bursts: History
) -> None:
    times = prediction_times(bursts, from_day=3, every_s=6 * 3_600, horizon_s=DAY_S)
    trial = trial_of(bursts, times, horizon_s=DAY_S, memory=memory)
    family = family_of_formula(name, trial, iter)
    policy = make(name, bursts, cpu_risk=0.01, memory_risk=0.001, horizons_s=(DAY_S,))
    stepwise = kept_of(policy, trial, iter, lambda _: None)
    bounded = np.clip(family.keep(family.default), 0.0, trial.capacity[:, None])
    np.testing.assert_allclose(bounded, stepwise, rtol=1e-9)
