"""What may be sold of what a forecast keeps free: memory only up to the watermark."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from predictor.core.supply import SupplySettings, offered
from slacktide.messages import FloatArray, NodeForecasts

GIB = 2.0**30
CAPACITY = np.array([100.0, 200.0, 50.0]) * GIB


def forecasts(kept_share: Any, capacity: FloatArray = CAPACITY) -> NodeForecasts:
    """Keeps a share [3, 2] of the memory of each node, and half of its 32 cores."""
    peak = np.asarray(kept_share, np.float64) * capacity[:, None]
    half = np.full(peak.shape, 16.0)
    return NodeForecasts(
        at_s=0,
        nodes=("a", "b", "c"),
        horizons_s=(3_600, 7_200),
        peak_cpu_cores=half,
        reclaimable_cpu_cores=half,
        peak_memory_bytes=peak,
        reclaimable_memory_bytes=capacity[:, None] - peak,
        cpu_risk=0.01,
        memory_risk=0.001,
        reasons=lambda _node, _horizon: "",
    )


@given(
    kept=arrays(np.float64, (3, 2), elements=st.floats(0, 1)),
    watermark=st.floats(0, 1),
)
def test_no_more_than_the_watermark_is_ever_promised_away(
    kept: FloatArray, watermark: float
) -> None:
    made = forecasts(kept)
    sold = offered(made, CAPACITY, SupplySettings(memory_watermark_share=watermark))
    new, old = sold.reclaimable_memory_bytes, made.reclaimable_memory_bytes
    assert (new >= 0).all()
    assert (new <= old).all()
    over = new + made.peak_memory_bytes > watermark * CAPACITY[:, None] * (1 + 1e-9)
    assert (new[over] == 0).all()
    # Nothing is held back that lies below both.
    at_one = np.isclose(new, old) | np.isclose(
        new, np.maximum(watermark * CAPACITY[:, None] - made.peak_memory_bytes, 0), atol=1.0
    )
    assert at_one.all()


def test_a_node_kept_above_the_watermark_offers_no_memory() -> None:
    sold = offered(forecasts([[0.0, 0.5], [0.96, 1.0], [0.2, 0.99]]), CAPACITY)
    nothing = sold.reclaimable_memory_bytes == 0
    assert nothing.tolist() == [[False, False], [True, True], [False, True]]


def test_the_default_leaves_a_reserve_below_where_a_node_kills() -> None:
    share = SupplySettings().memory_watermark_share
    assert 0.8 <= share < 0.95
    sold = offered(forecasts(np.zeros((3, 2))), CAPACITY)
    assert sold.reclaimable_memory_bytes[:, 0] == pytest.approx(share * CAPACITY)


def test_cores_and_what_is_kept_stay_as_they_were() -> None:
    made = forecasts(np.full((3, 2), 0.5))
    sold = offered(made, CAPACITY)
    assert sold.reclaimable_cpu_cores is made.reclaimable_cpu_cores
    assert sold.peak_memory_bytes is made.peak_memory_bytes
    assert (sold.nodes, sold.horizons_s, sold.at_s) == (made.nodes, made.horizons_s, made.at_s)


def test_a_node_of_unknown_memory_stays_unknown() -> None:
    capacity = np.array([np.nan, 200 * GIB, 50 * GIB])
    sold = offered(forecasts(np.zeros((3, 2)), capacity), capacity)
    assert np.isnan(sold.reclaimable_memory_bytes[0]).all()
    assert not np.isnan(sold.reclaimable_memory_bytes[1:]).any()
