"""The sentence about memory, and the margin before there is anything to calibrate with."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from predictor.core.forecast import ForecastSettings, advance, walk
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


def kept_and_its_parts(said: str) -> tuple[float, float]:
    """What is kept, and what the printed numbers come to."""
    kept = re.search(r"keeps ([\d.]+) of", said)
    base = re.search(r"model says ([\d.]+)", said)
    margin = re.search(r"(plus|less) ([\d.]+)", said)
    factor = re.search(r"x ([\d.]+) because", said)
    cold = re.search(r"at (?:its|their) request, ([\d.]+)", said)
    assert kept
    assert base
    assert margin
    signed = float(margin[2]) * (1 if margin[1] == "plus" else -1)
    warm = (float(base[1]) + signed) * (float(factor[1]) if factor else 1.0)
    return float(kept[1]), warm + (float(cold[1]) if cold else 0.0)


@pytest.mark.parametrize("silent_hours", [0, 2, 6])
def test_the_sentence_adds_up_for_each_horizon_also_in_a_gap(
    fleet: Fleet, silent_hours: int
) -> None:
    many = ForecastSettings(horizons_s=(3_600, 4 * 3_600, 12 * 3_600), learn_every_s=6 * 3_600)
    past, now_s = fleet(days=8, pods=3, memory=False), 7 * DAY_S
    silent = past.cpu_cores.copy()
    silent[:, now_s // past.interval_s + 1 - silent_hours * past.per_hour :] = np.nan
    past = replace(past, cpu_cores=silent)
    [made] = walk(past, [now_s], many)
    for node in range(3):
        for horizon in range(3):
            kept, parts = kept_and_its_parts(made.reasons(node, horizon))
            assert kept == pytest.approx(parts, abs=0.21)  # each is printed to a tenth
    assert ("as for 12 h" in made.reasons(0, 0)) == (silent_hours == 6)
