"""The hour cache is only a cache: extending it and building it give the same bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.core.history import HOUR_S, NEVER_S, History, node_sums
from predictor.core.hours import KEPT_HOURS, NodeHours, SeriesHours, node_hours, series_hours


def history(*, series: int, hours: int, seed: int, nodes: int = 2) -> History:
    rng = np.random.default_rng(seed)
    samples = rng.gamma(2.0, 0.5, (series, hours * 4)).astype(np.float32)
    samples[rng.random(samples.shape) < 0.2] = np.nan
    return History(
        interval_s=900,
        cpu_cores=samples,
        memory_bytes=None,
        node=rng.integers(0, nodes, series),
        start_s=np.zeros(series, dtype=np.int64),
        end_s=np.full(series, NEVER_S),
        cpu_request_cores=np.ones(series),
        memory_request_bytes=np.full(series, np.nan),
        nodes=tuple(f"node-{n}" for n in range(nodes)),
        clusters=("here",) * nodes,
        node_cpu_cores=np.full(nodes, 16.0),
        node_memory_bytes=np.full(nodes, np.nan),
    )


def hours_at(past: History, now_s: int, cached: SeriesHours | None = None) -> SeriesHours:
    return series_hours(
        past.cpu_cores, column=past.column(now_s), now_s=now_s, per_hour=4, cached=cached
    )


def sums_at(
    past: History, member: np.ndarray, now_s: int, fresh: int, cached: NodeHours | None = None
) -> NodeHours:
    return node_hours(
        past.cpu_cores,
        member,
        past.node,
        nodes=len(past.nodes),
        column=past.column(now_s),
        per_hour=past.per_hour,
        fresh=fresh,
        cached=cached,
    )


@given(st.integers(0, 50), st.integers(1, 30), st.integers(0, 12))
@settings(max_examples=25, deadline=None)
def test_extending_the_cache_equals_building_it(seed: int, first: int, later: int) -> None:
    past = history(series=5, hours=48, seed=seed)
    cached = hours_at(past, first * HOUR_S)
    now_s = (first + later) * HOUR_S
    extended, built = hours_at(past, now_s, cached), hours_at(past, now_s)
    for column in ("peak", "mean", "seen"):
        assert np.array_equal(getattr(extended, column), getattr(built, column))


@given(st.integers(0, 50), st.integers(0, 6), st.lists(st.booleans(), min_size=10, max_size=10))
@settings(max_examples=25, deadline=None)
def test_node_sums_follow_who_is_resident_now(seed: int, fresh: int, coins: list[bool]) -> None:
    past = history(series=5, hours=48, seed=seed)
    before, after = np.array(coins[:5]), np.array(coins[5:])
    now_s = 30 * HOUR_S
    cached = sums_at(past, before, now_s - fresh * HOUR_S, KEPT_HOURS)
    extended = sums_at(past, after, now_s, fresh, cached)
    built = sums_at(past, after, now_s, KEPT_HOURS)
    assert np.array_equal(extended.peak, built.peak)
    assert np.array_equal(extended.mean, built.mean)


def test_another_phase_is_built_anew() -> None:
    past = history(series=3, hours=24, seed=1)
    cached = hours_at(past, 10 * HOUR_S)
    moved = hours_at(past, 11 * HOUR_S + 900, cached)
    assert np.array_equal(moved.peak, hours_at(past, 11 * HOUR_S + 900).peak)


def test_an_hour_ends_with_the_sample_stamped_now() -> None:
    past = history(series=1, hours=4, seed=0)
    samples = np.zeros((1, 16), dtype=np.float32)
    samples[0, 8], samples[0, 9] = 5.0, 9.0  # stamped at 2 h, and a quarter past
    past = replace(past, cpu_cores=samples)
    assert hours_at(past, 2 * HOUR_S).peak[0, -1] == 5.0


def test_hours_after_the_last_sample_are_unseen() -> None:
    past = history(series=2, hours=4, seed=0)
    assert hours_at(past, 10 * HOUR_S).seen[:, -6:].max() == 0.0


@pytest.mark.parametrize("missing", [0, 1, 4])
def test_what_was_seen_is_the_share_of_samples(missing: int) -> None:
    past = history(series=1, hours=4, seed=0)
    samples = np.ones((1, 16), dtype=np.float32)
    samples[0, 9 : 9 + missing] = np.nan
    seen = hours_at(replace(past, cpu_cores=samples), 3 * HOUR_S).seen[0, -1]
    assert seen == pytest.approx(1 - missing / 4)


@given(st.integers(0, 100), st.integers(1, 8), st.integers(1, 5))
def test_node_sums_equal_a_loop_over_pods(seed: int, series: int, nodes: int) -> None:
    past = history(series=series, hours=2, seed=seed, nodes=nodes)
    member = np.random.default_rng(seed).random(series) < 0.7
    expected = np.zeros((nodes, past.cpu_cores.shape[1]))
    for row in np.flatnonzero(member):
        expected[past.node[row]] += np.nan_to_num(past.cpu_cores[row])
    assert np.array_equal(node_sums(past.cpu_cores, member, past.node, nodes=nodes), expected)
