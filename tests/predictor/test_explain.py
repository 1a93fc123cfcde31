"""The sentence about memory, and the margin before there is anything to calibrate with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from predictor.core.forecast import ForecastSettings, advance
from predictor.core.history import History

DAY_S = 86_400
QUICK = ForecastSettings(horizons_s=(3_600,))
Fleet = Callable[..., History]


def test_memory_is_explained_where_it_is_known(fleet: Fleet) -> None:
    past = fleet(days=4)
    _, made = advance(None, past, 3 * DAY_S, QUICK)
    kept = made.peak_memory_bytes[1, 0] / (1 << 30)
    assert f"memory: keeps {kept:.1f} of 64 GiB" in made.reasons(1, 0)
    assert "0.1 % of windows may exceed" in made.reasons(1, 0)


def test_one_node_of_unknown_memory_promises_nothing(fleet: Fleet) -> None:
    past = fleet(days=4)
    memory = past.node_memory_bytes.copy()
    memory[1] = np.nan
    _, made = advance(None, replace(past, node_memory_bytes=memory), 3 * DAY_S, QUICK)
    assert np.isnan(made.peak_memory_bytes[1, 0])
    assert np.isfinite(made.peak_memory_bytes[0, 0])
    assert made.reasons(1, 0).endswith(
        "memory: the node's capacity is unknown, so nothing is promised"
    )


def test_before_calibration_the_margin_says_so(fleet: Fleet) -> None:
    _, made = advance(None, fleet(days=4), 3 * DAY_S, QUICK)
    assert "because too few windows are over to calibrate with" in made.reasons(0, 0)


def test_a_full_node_says_that_nothing_is_reclaimable(fleet: Fleet) -> None:
    past = replace(fleet(days=4), node_cpu_cores=np.full(3, 0.5))
    _, made = advance(None, past, 3 * DAY_S, QUICK)
    assert made.reclaimable_cpu_cores[0, 0] == 0.0
    assert "capped at the node's capacity, so nothing is reclaimable" in made.reasons(0, 0)
