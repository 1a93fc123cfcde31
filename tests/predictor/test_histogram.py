"""Histograms against brute force over the samples they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from predictor.core.histogram import (
    CPU_BUCKETS,
    MEMORY_BUCKETS,
    Buckets,
    Histograms,
    empty_histograms,
)

samples_of = arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(1, 40)),
    elements=st.one_of(st.floats(0, 500), st.just(float("nan"))),
)


def brute_percentile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    reached = int(np.argmax(below >= share * below[-1] * (1 - 1e-12)))
    return float(values[order][reached])


@given(samples_of, st.floats(0.05, 1.0), st.sampled_from([3_600.0, 86_400.0]))
@settings(deadline=None)
def test_a_percentile_is_at_most_one_bucket_above_brute_force(
    values: np.ndarray, share: float, half_life_s: float
) -> None:
    filled = empty_histograms(len(values), CPU_BUCKETS, half_life_s=half_life_s).with_samples(
        values, first_s=0, interval_s=300
    )
    age_s = (values.shape[1] - 1 - np.arange(values.shape[1])) * 300
    for row, found in zip(values, filled.percentile(share), strict=True):
        known = ~np.isnan(row)
        if not known.any():
            assert np.isnan(found)
            continue
        exact = brute_percentile(row[known], np.exp2(-age_s[known] / half_life_s), share)
        assert exact * (1 - 1e-9) <= found <= exact * 1.05 + CPU_BUCKETS.first * (1 + 1e-9)


@given(samples_of, st.integers(0, 40))
@settings(deadline=None)
def test_merging_two_halves_equals_one_whole(values: np.ndarray, cut: int) -> None:
    cut = min(cut, values.shape[1])
    nothing = empty_histograms(len(values), CPU_BUCKETS)
    whole = nothing.with_samples(values, first_s=0, interval_s=300)
    left = nothing.with_samples(values[:, :cut], first_s=0, interval_s=300)
    right = nothing.with_samples(values[:, cut:], first_s=cut * 300, interval_s=300)
    merged = left.merged_with(right)
    assert np.allclose(merged.weight, whole.decayed_to(merged.at_s).weight, rtol=1e-9)


def test_weight_halves_in_a_half_life() -> None:
    filled = empty_histograms(1, CPU_BUCKETS, half_life_s=100.0).with_samples(
        np.array([[1.0]]), first_s=0, interval_s=1
    )
    assert filled.decayed_to(100).weight.sum() == pytest.approx(0.5)


def test_a_recent_burst_outweighs_a_calm_past() -> None:
    values = np.array([[1.0] * 24 + [4.0] * 6])
    filled = empty_histograms(1, CPU_BUCKETS, half_life_s=3 * 3600).with_samples(
        values, first_s=0, interval_s=3600
    )
    slow = empty_histograms(1, CPU_BUCKETS, half_life_s=1e9).with_samples(
        values, first_s=0, interval_s=3600
    )
    assert filled.percentile(0.5)[0] > 3.9
    assert slow.percentile(0.5)[0] < 1.1


@pytest.mark.parametrize(
    ("buckets", "value"),
    [(CPU_BUCKETS, 0.0), (CPU_BUCKETS, 0.01), (CPU_BUCKETS, 5e4), (MEMORY_BUCKETS, 1e9)],
)
def test_each_value_falls_in_the_bucket_that_ends_above_it(buckets: Buckets, value: float) -> None:
    at = int(buckets.of(np.array([value]))[0])
    assert at == buckets.count - 1 or buckets.ends[at] >= value * (1 - 1e-9)
    assert at == 0 or buckets.ends[at - 1] <= value * (1 + 1e-9)


def test_the_buckets_are_the_vertical_pod_autoscalers() -> None:
    assert CPU_BUCKETS.ends[0] == pytest.approx(0.01)
    assert CPU_BUCKETS.ends[-1] > 1_000
    assert MEMORY_BUCKETS.ends[-1] > 1e12


def test_nothing_added_changes_nothing() -> None:
    filled: Histograms = empty_histograms(2, CPU_BUCKETS)
    assert filled.with_samples(np.empty((2, 0)), first_s=0, interval_s=300) is filled
