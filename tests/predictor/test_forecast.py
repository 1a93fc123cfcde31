"""Forecasts: blind to the future, deterministic, careful in gaps, explained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from predictor.core.forecast import (
    ForecastSettings,
    advance,
    coverage,
    walk,
    warmed_up,
)
from predictor.core.history import NEVER_S, History
from predictor.core.learning import GAP_STEPS, gap_factor
from slacktide.messages import NodeForecasts

DAY_S = 86_400
QUICK = ForecastSettings(horizons_s=(3_600, 4 * 3_600), learn_every_s=6 * 3_600)
Fleet = Callable[..., History]


def same(one: NodeForecasts, other: NodeForecasts) -> bool:
    columns = ("peak_cpu_cores", "reclaimable_cpu_cores", "peak_memory_bytes")
    equal = [np.array_equal(getattr(one, c), getattr(other, c), equal_nan=True) for c in columns]
    return all(equal) and one.reasons(0, 1) == other.reasons(0, 1)


def forgotten_after(past: History, now_s: int) -> History:
    """The history as it was recorded at a time: later samples, pods and ends were never there."""
    known = past.start_s <= now_s
    until = now_s // past.interval_s + 1
    memory = past.memory_bytes
    return replace(
        past,
        cpu_cores=past.cpu_cores[known, :until].copy(),
        memory_bytes=None if memory is None else memory[known, :until].copy(),
        node=past.node[known],
        start_s=past.start_s[known],
        end_s=np.where(past.end_s[known] > now_s, NEVER_S, past.end_s[known]),
        cpu_request_cores=past.cpu_request_cores[known],
        memory_request_bytes=past.memory_request_bytes[known],
    )


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10_000), days=st.integers(2, 6), hour=st.integers(0, 23))
def test_deleting_the_future_changes_no_forecast(
    fleet: Fleet, seed: int, days: int, hour: int
) -> None:
    whole = fleet(days=8, seed=seed)
    now_s = days * DAY_S + hour * 3_600
    [seeing] = walk(whole, [now_s], QUICK)
    [blind] = walk(forgotten_after(whole, now_s), [now_s], QUICK)
    assert same(seeing, blind)


def test_a_changed_future_changes_no_forecast(fleet: Fleet) -> None:
    whole, now_s = fleet(days=14, pods=30, nodes=10, seed=3), 9 * DAY_S
    loud = whole.cpu_cores.copy()
    loud[:, now_s // whole.interval_s + 1 :] *= 50
    [quiet_one] = walk(whole, [now_s])
    [loud_one] = walk(replace(whole, cpu_cores=loud), [now_s])
    assert same(quiet_one, loud_one)


def test_the_same_input_gives_the_same_output(fleet: Fleet) -> None:
    whole, now_s = fleet(days=8), 6 * DAY_S
    state = warmed_up(whole, now_s, QUICK)
    _, one = advance(state, whole, now_s, QUICK)
    _, other = advance(state, whole, now_s, QUICK)
    assert same(one, other)


def test_time_does_not_run_backwards(fleet: Fleet) -> None:
    state, _ = advance(None, fleet(days=4), 2 * DAY_S, QUICK)
    with pytest.raises(ValueError, match="lies before the last step"):
        advance(state, fleet(days=4), DAY_S, QUICK)


def test_another_fleet_starts_from_nothing(fleet: Fleet) -> None:
    state = warmed_up(fleet(days=5), 4 * DAY_S, QUICK)
    _, taught = advance(state, fleet(days=5, nodes=2), 4 * DAY_S, QUICK)
    _, fresh = advance(None, fleet(days=5, nodes=2), 4 * DAY_S, QUICK)
    assert same(taught, fresh)


@pytest.mark.parametrize("now_s", [0, 1_800, DAY_S, 5 * DAY_S + 1_800, 30 * DAY_S])
def test_what_is_kept_and_what_is_reclaimable_make_the_capacity(fleet: Fleet, now_s: int) -> None:
    past = fleet(days=8)
    _, made = advance(None, past, now_s, QUICK)
    assert (made.peak_cpu_cores >= 0).all()
    assert (made.reclaimable_cpu_cores >= 0).all()
    assert np.allclose(made.peak_cpu_cores + made.reclaimable_cpu_cores, 16.0)
    together = made.peak_memory_bytes + made.reclaimable_memory_bytes
    assert np.allclose(together, past.node_memory_bytes[:, None])


def test_unknown_memory_is_not_forecast(fleet: Fleet) -> None:
    _, made = advance(None, fleet(days=4, memory=False), 3 * DAY_S, QUICK)
    assert np.isnan(made.peak_memory_bytes).all()
    assert np.isfinite(made.peak_cpu_cores).all()


def test_cold_pods_count_at_their_request(fleet: Fleet) -> None:
    past = fleet(days=4)
    _, made = advance(None, past, 6 * 3_600, QUICK)  # nobody has shown a day yet
    resident = past.resident(6 * 3_600)
    requested = np.bincount(past.node[resident], past.cpu_request_cores[resident], minlength=3)
    assert np.allclose(made.peak_cpu_cores, requested[:, None])
    assert "cold pods (seen for less than a day) at their request" in made.reasons(0, 0)


def test_a_cold_pod_without_a_request_counts_as_the_largest_warm_one(fleet: Fleet) -> None:
    past, now_s = fleet(days=6, pods=3, nodes=3), 4 * DAY_S
    start_s = np.array([0, 0, now_s - 3_600])
    cpu = past.cpu_cores.copy()
    cpu[2, : start_s[2] // past.interval_s] = np.nan
    request = np.array([2.0, 2.0, np.nan])
    past = replace(
        past, cpu_cores=cpu, start_s=start_s, cpu_request_cores=request, end_s=np.full(3, NEVER_S)
    )
    _, made = advance(None, past, now_s, QUICK)
    until = now_s // past.interval_s + 1
    assert made.peak_cpu_cores[2, 0] == pytest.approx(np.nanmax(cpu[:2, :until]))


def test_a_departed_pod_is_dropped_at_once(fleet: Fleet) -> None:
    past, now_s = fleet(days=6, pods=6, nodes=3), 5 * DAY_S
    start_s = np.zeros(6, dtype=np.int64)
    stays = replace(past, start_s=start_s, end_s=np.full(6, NEVER_S))
    leaves = replace(stays, end_s=np.where(np.arange(6) % 3 == 0, now_s, NEVER_S))
    _, before = advance(None, stays, now_s, QUICK)
    _, after = advance(None, leaves, now_s, QUICK)
    assert after.peak_cpu_cores[0].max() == pytest.approx(0.0, abs=1e-6)
    assert np.array_equal(before.peak_cpu_cores[1:], after.peak_cpu_cores[1:])


def test_the_end_of_a_pod_is_not_known_before_it_happens(fleet: Fleet) -> None:
    past, now_s = fleet(days=6), 4 * DAY_S
    ends_soon = replace(past, end_s=np.where(past.end_s > now_s, now_s + 3_600, past.end_s))
    _, one = advance(None, past, now_s, QUICK)
    _, other = advance(None, ends_soon, now_s, QUICK)
    assert same(one, other)


def test_in_a_gap_the_forecast_grows_step_by_step_and_says_so(fleet: Fleet) -> None:
    past, gap_s = fleet(days=10, pods=6, seed=4), 5 * DAY_S
    silent = past.cpu_cores.copy()
    silent[:, gap_s // past.interval_s + 1 :] = np.nan
    past = replace(
        past,
        cpu_cores=silent,
        start_s=np.zeros(6, dtype=np.int64),
        end_s=np.full(6, NEVER_S),
    )
    hours = (0, 1, 4, 12, 24, 72)
    kept = [advance(None, past, gap_s + h * 3_600, QUICK)[1] for h in hours]
    peaks = np.array([made.peak_cpu_cores for made in kept])
    assert (np.diff(peaks, axis=0) >= -1e-9).all()
    assert "silent" not in kept[0].reasons(0, 0)
    assert "x 1.07 because the node has been silent for 24 h" in kept[4].reasons(0, 0)


@given(st.lists(st.integers(0, 400), min_size=2, max_size=20).map(sorted))
def test_longer_silence_never_makes_a_forecast_more_generous(hours: list[int]) -> None:
    factors = gap_factor(np.array(hours))
    assert (factors >= 1).all()
    assert (np.diff(factors) >= 0).all()
    assert gap_factor(np.array([GAP_STEPS[-1][0]]))[0] == GAP_STEPS[-1][1]


def test_nothing_is_learned_from_a_window_that_went_missing(fleet: Fleet) -> None:
    past = fleet(days=8, pods=6)
    silent = past.cpu_cores.copy()
    silent[:, 3 * 48 : 4 * 48] = np.nan
    state = warmed_up(replace(past, cpu_cores=silent), 6 * DAY_S, QUICK)
    assert state is not None
    for moment in state.cpu.ledger:
        if 3 * DAY_S <= moment.at_s < 4 * DAY_S - 4 * 3_600:
            assert not moment.trusted.any()


def test_coverage_counts_what_was_promised_and_broken(fleet: Fleet) -> None:
    past = fleet(days=10, pods=12, nodes=4)
    state = warmed_up(past, 9 * DAY_S, QUICK)
    assert state is not None
    kept = coverage(state, QUICK)
    matured = [m for m in state.cpu.ledger if np.isfinite(m.peak[:, 0]).all()]
    assert kept.windows[0] == sum(int(m.trusted[:, 0].sum()) for m in matured)
    broken = sum(int((m.kept[:, 0] < m.peak[:, 0] * (1 - 1e-6)).sum()) for m in matured)
    assert kept.broken_share[0] == pytest.approx(broken / kept.windows[0])
    assert kept.worst_node_share[0] >= kept.broken_share[0]


def test_coverage_of_nothing_is_unknown(fleet: Fleet) -> None:
    state, _ = advance(None, fleet(days=3), DAY_S, QUICK)
    assert np.isnan(coverage(state, QUICK).broken_share).all()


def test_the_promise_is_roughly_kept_on_a_fleet_never_seen(fleet: Fleet) -> None:
    careful = replace(QUICK, cpu_risk=0.05)
    past = fleet(days=30, pods=40, nodes=10, seed=11, memory=False)
    state = warmed_up(past, 30 * DAY_S, careful)
    assert state is not None
    broken = coverage(state, careful, since_s=10 * DAY_S).broken_share
    assert (broken <= 0.08).all()
    assert broken.max() > 0.0, "a promise never broken is not the one that was made"


def test_the_sentence_names_its_numbers(fleet: Fleet) -> None:
    [made] = walk(fleet(days=10, pods=30, nodes=10), [8 * DAY_S], QUICK)
    said = made.reasons(0, 1)
    assert said.startswith(f"keeps {made.peak_cpu_cores[0, 1]:.1f} of 16 cores for 4 h: model says")
    assert "same window last week" in said
    assert "calibrated so that 1 % of windows exceed it (realised so far" in said


@pytest.mark.parametrize(
    "wrong",
    [
        {"horizons_s": ()},
        {"horizons_s": (7_200, 3_600)},
        {"horizons_s": (1_800,)},
        {"cpu_risk": 0.0},
        {"memory_risk": 1.0},
    ],
)
def test_promises_that_cannot_be_kept_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give"):
        replace(QUICK, **wrong)


def test_a_pod_that_is_off_for_days_does_not_hold_its_request(fleet: Fleet) -> None:
    past, now_s = fleet(days=6, pods=6, nodes=3), 5 * DAY_S
    cpu = past.cpu_cores.copy()
    cpu[0] = np.nan  # runs from the start, reported nothing ever
    past = replace(
        past, cpu_cores=cpu, start_s=np.zeros(6, dtype=np.int64), end_s=np.full(6, NEVER_S)
    )
    _, off = advance(None, past, now_s, QUICK)
    cpu = cpu.copy()
    cpu[0, now_s // past.interval_s - 2 :] = 0.1  # it was switched on just now
    _, on = advance(None, replace(past, cpu_cores=cpu), now_s, QUICK)
    assert "cold" not in off.reasons(0, 0)
    assert on.peak_cpu_cores[0, 0] == pytest.approx(off.peak_cpu_cores[0, 0] + 2.0)
