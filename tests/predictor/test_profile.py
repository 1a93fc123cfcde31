"""Profiles: hours are what their samples were, seasons are found where they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.core.profile import profiles, season_strength

HOURS = np.arange(28 * 24)


def hourly(kind: str) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 0.05, len(HOURS))
    shapes = {
        "daily": np.sin(2 * np.pi * HOURS / 24) + noise,
        "weekly": (HOURS // 24 % 7 < 5) * 1.0 + noise,
        "noise": noise,
        "flat": np.full(len(HOURS), 3.0),
    }
    return shapes[kind][None, :]


@pytest.mark.parametrize(
    ("kind", "period", "least", "most"),
    [
        ("daily", 24, 0.95, 1.0),
        ("daily", 168, 0.95, 1.0),  # a daily cycle repeats every week too
        ("weekly", 24, 0.0, 0.1),
        ("weekly", 168, 0.95, 1.0),
        ("noise", 24, 0.0, 0.15),
        ("flat", 24, 0.0, 0.0),
    ],
)
def test_the_strength_of_a_season_is_the_share_it_explains(
    kind: str, period: int, least: float, most: float
) -> None:
    assert least <= season_strength(hourly(kind), period=period)[0] <= most


def test_one_period_shows_no_season() -> None:
    assert np.isnan(season_strength(hourly("daily")[:, :40], period=24)[0])


def test_a_mostly_missing_series_shows_no_season() -> None:
    shown = hourly("daily").copy()
    shown[:, 30:] = np.nan
    assert np.isnan(season_strength(shown, period=24)[0])


@given(st.integers(0, 1000), st.floats(0, 1))
@settings(deadline=None)
def test_hours_equal_a_loop_over_samples(seed: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.gamma(2.0, 1.0, (3, 50)).astype(np.float32)
    samples[rng.random(samples.shape) < missing] = np.nan
    made = profiles(samples, interval_s=300)
    assert made.hourly_max.shape == (3, 4)  # two started samples of a fifth hour are left out
    for row in range(3):
        for hour in range(4):
            known = samples[row, hour * 12 : hour * 12 + 12]
            known = np.sort(known[~np.isnan(known)])
            if not known.size:
                assert np.isnan(made.hourly_max[row, hour])
                continue
            assert made.hourly_max[row, hour] == known[-1]
            assert made.hourly_mean[row, hour] == pytest.approx(known.mean(), rel=1e-5)
            assert made.hourly_p95[row, hour] == known[int(np.ceil(0.95 * known.size)) - 1]
