"""The linear quantile: shares that find what made the peaks, and none that a horizon forbids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.core.linear_quantile import PARTS, allowed, fit_shares, parts
from predictor.core.outlook import FEATURES
from predictor.core.quantile_model import fit, independent_windows, predict
from slacktide.messages import FloatArray

HOUR_S, DAY_S = 3_600, 86_400
WEEK_PEAK = PARTS.index("peak_168h")


def seen(rows: int = 2_000, *, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    return np.concatenate((rng.random((rows, len(PARTS) + 1)), np.ones((rows, 1))), axis=1)


def test_parts_are_what_was_seen_as_shares_of_capacity() -> None:
    features = np.zeros((2, len(FEATURES)), dtype=np.float32)
    features[1, FEATURES.index("peak_168h")] = np.log(2.0)
    found = parts(features, np.array([4.0, 6.0]), np.array([8.0, 24.0]))
    assert found[0] == pytest.approx([0.5] * (len(PARTS) + 1) + [1.0])
    assert found[1, WEEK_PEAK] == pytest.approx(12.0 / 24.0)


@pytest.mark.parametrize(
    ("horizon_s", "forbidden"),
    [
        (HOUR_S, set()),
        (4 * HOUR_S, {"peak_1h"}),
        (12 * HOUR_S, {"peak_1h", "peak_4h", "mean_4h"}),
        (DAY_S, {"peak_1h", "peak_4h", "peak_12h", "mean_4h"}),
        (3 * DAY_S, {"peak_1h", "peak_4h", "peak_12h", "mean_4h"}),
    ],
)
def test_a_window_shorter_than_the_horizon_has_no_share(
    horizon_s: int, forbidden: set[str]
) -> None:
    free = set(allowed(horizon_s).tolist())
    assert {PARTS[at] for at in range(len(PARTS)) if at not in free} == forbidden
    assert {len(PARTS), len(PARTS) + 1} <= free  # the reference and the capacity always speak


def test_the_shares_that_made_the_peaks_are_found() -> None:
    summed = seen()
    peak = 0.6 * summed[:, WEEK_PEAK] + 0.1
    shares = fit_shares(summed, peak, quantile=0.97, horizon_s=DAY_S)
    assert shares[WEEK_PEAK] == pytest.approx(0.6, abs=0.05)
    assert np.abs(summed @ shares - peak).max() < 0.05


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 99), st.sampled_from([0.9, 0.97]))
def test_the_promised_share_of_peaks_stays_below_and_no_share_is_negative(
    seed: int, quantile: float
) -> None:
    summed, rng = seen(seed=seed), np.random.default_rng(seed)
    peak = 0.3 * summed[:, WEEK_PEAK] + rng.exponential(0.1, len(summed))
    shares = fit_shares(summed, peak, quantile=quantile, horizon_s=HOUR_S)
    assert (shares >= 0).all()
    assert (peak > summed @ shares).mean() == pytest.approx(1 - quantile, abs=0.015)


def test_larger_peaks_behind_never_mean_a_smaller_forecast() -> None:
    rng = np.random.default_rng(3)
    features = rng.normal(0, 0.3, (900, len(FEATURES))).astype(np.float32)
    reference, scale = rng.uniform(1, 5, 900), np.full(900, 16.0)
    peak = reference * np.exp(features[:, 6] + rng.normal(0, 0.1, 900))
    model = fit(features, reference, scale, peak, horizon_s=DAY_S, windows=900.0)
    more = features.copy()
    more[:, FEATURES.index("peak_168h")] += 0.5
    before = predict(model, features, reference, scale)
    assert (predict(model, more, reference, scale) >= before - 1e-9).all()
    again = fit(features, reference, scale, peak, horizon_s=DAY_S, windows=900.0)
    assert np.array_equal(predict(again, features, reference, scale), before)


def test_little_evidence_leaves_most_to_the_reference_and_nearly_nothing_to_the_trees() -> None:
    features = np.zeros((200, len(FEATURES)), dtype=np.float32)
    reference, scale = np.full(200, 2.0), np.full(200, 16.0)
    few = fit(features, reference, scale, 2 * reference, horizon_s=DAY_S, windows=10.0)
    many = fit(features, reference, scale, 2 * reference, horizon_s=DAY_S, windows=5_000.0)
    little, much = (predict(m, features[:1], reference[:1], scale[:1])[0] for m in (few, many))
    assert 2.0 < little < 2.3
    assert much == pytest.approx(4.0, abs=0.1)
    assert few.tree_weight < 0.01
    assert many.tree_weight > 0.5


def test_windows_that_overlap_are_not_independent() -> None:
    assert independent_windows(rows=80, horizon_s=DAY_S, every_s=3 * HOUR_S) == 10
    assert independent_windows(rows=80, horizon_s=HOUR_S, every_s=3 * HOUR_S) == 80
