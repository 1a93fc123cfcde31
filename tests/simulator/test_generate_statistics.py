"""The built-in sample held against the real trace that its parameters were measured on.

Each figure has its own tolerance, stated below: a ratio for what spans decades, a difference for
shares and correlations. The real trace is cut to the sample's 21 days, as drift grows with length.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from predictor.core.history import history_of
from simulator.core.backtest import oracle_peaks, prediction_times, predictions, score
from simulator.core.generate import DAY_S, SAMPLE_DAYS, builtin_sample
from simulator.core.generate_statistics import LEVELS, TraceStatistics, statistics
from simulator.core.policies.catalogue import make
from slacktide.trace import Trace, read_trace

REAL_TRACES = Path(__file__).parents[3] / "shared" / "traces"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sample() -> Trace:
    """The built-in sample, made once."""
    return builtin_sample()[0]


@pytest.fixture(scope="module")
def generated(sample: Trace) -> TraceStatistics:
    """What the built-in sample is like."""
    return statistics(sample)


def real_statistics(name: str, days: int) -> TraceStatistics:
    """What the first days of a real trace are like."""
    folder = REAL_TRACES / name
    if not folder.is_dir():
        pytest.skip(f"the real trace {name} is not beside the project")
    return statistics(read_trace(folder).until(days * DAY_S - 1))


@pytest.fixture(scope="module")
def bitbrains() -> TraceStatistics:
    """What the first 21 days of Bitbrains Rnd are like."""
    return real_statistics("bitbrains-rnd", SAMPLE_DAYS)


@pytest.mark.parametrize(
    ("figure", "within"),
    [
        ("requested_of_nodes", 0.12),
        ("used_of_nodes", 0.03),
        ("intermittent_share", 0.06),
        ("intermittent_of_use", 0.12),
        ("daily_share", 0.12),
        ("weekly_share", 0.12),
    ],
)
def test_a_share_is_near_the_real_one(
    figure: str, within: float, generated: TraceStatistics, bitbrains: TraceStatistics
) -> None:
    assert getattr(generated, figure) == pytest.approx(getattr(bitbrains, figure), abs=within)


@pytest.mark.parametrize(
    ("figure", "quantile", "factor"),
    [
        ("mean_of_request", 0.1, 4.0),
        ("mean_of_request", 0.25, 2.0),
        ("mean_of_request", 0.5, 1.5),
        ("mean_of_request", 0.75, 1.5),
        ("mean_of_request", 0.9, 1.5),
        ("p99_of_mean", 0.25, 1.25),
        ("p99_of_mean", 0.5, 1.25),
        ("p99_of_mean", 0.75, 1.4),
        ("p99_of_mean", 0.9, 1.4),
        ("peak_of_request", 0.25, 2.0),
        ("peak_of_request", 0.5, 2.0),
        ("peak_of_request", 0.75, 1.6),
        ("node_peak_of_mean", 0.1, 1.2),
        ("node_peak_of_mean", 0.5, 1.2),
        ("node_peak_of_mean", 0.75, 1.35),
        ("node_peak_of_mean", 0.9, 1.5),
        ("memory_mean_of_request", 0.25, 1.5),
        ("memory_mean_of_request", 0.5, 1.5),
        ("memory_mean_of_request", 0.9, 1.6),
        ("memory_variation", 0.5, 1.5),
        ("memory_variation", 0.9, 2.0),
    ],
)
def test_a_quantile_is_within_a_factor_of_the_real_one(
    *,
    figure: str,
    quantile: float,
    factor: float,
    generated: TraceStatistics,
    bitbrains: TraceStatistics,
) -> None:
    at = LEVELS.index(quantile)
    ratio = getattr(generated, figure)[at] / getattr(bitbrains, figure)[at]
    assert 1 / factor < ratio < factor


@pytest.mark.parametrize(
    ("figure", "within"),
    [
        ("correlation_5min", 0.2),
        ("correlation_1h", 0.25),
        ("correlation_24h", 0.15),
        ("intermittent_correlation_1h", 0.15),
        ("node_correlation_5min", 0.05),
        ("node_correlation_1h", 0.15),
        ("node_correlation_24h", 0.1),
        ("memory_correlation_1h", 0.15),
    ],
)
def test_the_median_of_a_correlation_is_near_the_real_one(
    figure: str, within: float, generated: TraceStatistics, bitbrains: TraceStatistics
) -> None:
    middle = LEVELS.index(0.5)
    real = getattr(bitbrains, figure)[middle]
    assert getattr(generated, figure)[middle] == pytest.approx(real, abs=within)


def test_peaks_within_the_interval_are_like_the_true_maxima(generated: TraceStatistics) -> None:
    real = real_statistics("azure-2017", 28).interval_peak_of_mean
    assert generated.interval_peak_of_mean == pytest.approx(real, rel=0.15)


@pytest.mark.parametrize(
    ("policy", "violation", "of_oracle"),
    [
        # On Bitbrains Rnd, whole: 0.051 and 0.880, 0.011 and 0.808, 0.339 and 0.899.
        ("max-of-week:1.1", (0.03, 0.11), (0.82, 0.92)),
        ("max-of-week:1.3", (0.004, 0.035), (0.72, 0.86)),
        ("n-sigma:5", (0.25, 0.45), (0.84, 0.94)),
    ],
)
def test_it_is_as_hard_to_forecast_as_the_real_one(
    sample: Trace,
    policy: str,
    violation: tuple[float, float],
    of_oracle: tuple[float, float],
) -> None:
    """A day ahead, node by node, every six hours from day 14."""
    history = history_of(sample)
    times_s = prediction_times(history, from_day=14, every_s=6 * 3_600, horizon_s=DAY_S)
    asked = make(policy, history, cpu_risk=0.01, memory_risk=0.001)
    made = predictions(asked, history, times_s)
    kept = np.stack([forecast.peak_cpu_cores[:, -1] for forecast in made], axis=1)
    came = oracle_peaks(history, times_s, horizon_s=DAY_S, memory=False)
    result = score(policy, kept, came, history.node_cpu_cores)
    assert violation[0] < result.violation < violation[1]
    assert of_oracle[0] < result.of_oracle < of_oracle[1]
