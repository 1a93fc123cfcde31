"""Requests held against what came: the sums by hand, and the peers' rules on easy series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from predictor.core.history import NEVER_S, History, Samples
from predictor.core.use import percentile
from simulator.core.right_sizing import (
    DAY_S,
    MIB,
    Requests,
    Tally,
    decayed_percentile,
    held_against_week,
    judged,
    krr,
    vpa,
)

HOURS = 24
NOW_S = 14 * DAY_S
ALONE = np.array([0])


def hourly(cpu: Samples, memory_mib: Samples | None = None) -> History:
    series = len(cpu)
    return History(
        interval_s=3_600,
        cpu_cores=cpu.astype(np.float32),
        memory_bytes=None if memory_mib is None else (memory_mib * MIB).astype(np.float32),
        node=np.zeros(series, dtype=np.int64),
        start_s=np.zeros(series, dtype=np.int64),
        end_s=np.full(series, NEVER_S),
        cpu_request_cores=np.ones(series),
        memory_request_bytes=np.full(series, 1e9),
        nodes=("node-0",),
        clusters=("here",),
        node_cpu_cores=np.array([16.0]),
        node_memory_bytes=np.array([1e12]),
    )


def steady_series(cores: float, *, days: int = 21) -> Samples:
    return np.full((1, days * HOURS), cores, dtype=np.float32)


def test_slack_and_unmet_are_what_a_hand_would_count() -> None:
    cpu = steady_series(1.0)
    cpu[0, 14 * HOURS : 15 * HOURS] = 8.0  # one of the seven days
    found = held_against_week(hourly(cpu), NOW_S, Requests(np.array([2.0]), np.array([np.nan])))
    assert found.cpu_slack_cores == pytest.approx(2.0 - 2.0)
    assert found.unmet_share == pytest.approx(6 * HOURS / (14 * HOURS))
    assert (found.days, found.oom_share) == (0, 0.0)


def test_a_day_with_one_sample_above_the_request_is_an_oom_day() -> None:
    memory = steady_series(100.0)
    memory[0, 15 * HOURS] = 300.0
    memory[0, 15 * HOURS + 5] = 300.0  # the same day
    memory[0, 18 * HOURS : 19 * HOURS] = np.nan  # a day nobody saw
    asked = Requests(np.array([1.0]), np.array([200.0 * MIB]))
    found = held_against_week(hourly(steady_series(1.0), memory), NOW_S, asked)
    assert (found.oom_days, found.days) == (1, 6)
    assert found.memory_slack_bytes / MIB == pytest.approx(200 - (100 * 142 + 600) / 144)


def test_tallies_of_weeks_add_up() -> None:
    past = hourly(steady_series(1.0, days=28), steady_series(50.0, days=28))
    asked = Requests(np.array([3.0]), np.array([40.0 * MIB]))
    first, second = (held_against_week(past, day * DAY_S, asked) for day in (14, 21))
    assert (first + second).cpu_slack_cores == pytest.approx(4.0)
    assert (first + second + Tally()).oom_share == 1.0


@pytest.mark.parametrize(
    ("known_before", "known_after", "counts"),
    [(7, 7, True), (5, 1, True), (4, 7, False), (7, 0, False)],
)
def test_only_series_known_before_and_after_are_judged(
    known_before: int, known_after: int, counts: bool
) -> None:
    cpu = steady_series(1.0)
    cpu[0, : (14 - known_before) * HOURS] = np.nan
    cpu[0, (14 + known_after) * HOURS :] = np.nan
    assert judged(hourly(cpu), NOW_S).tolist() == [counts]


def test_krr_takes_two_weeks_and_vpa_mostly_the_last_days() -> None:
    cpu, memory = steady_series(4.0, days=14), steady_series(400.0, days=14)
    cpu[0, 11 * HOURS :], memory[0, 11 * HOURS :] = 1.0, 200.0
    past = hourly(cpu, memory)
    by_krr, by_vpa = krr()(past, ALONE), vpa()(past, ALONE)
    assert by_krr.cpu_cores == pytest.approx([4.0])
    assert by_krr.memory_bytes / MIB == pytest.approx([460.0])
    assert by_vpa.cpu_cores == pytest.approx([4.6])  # an eighth of the weight is older than 3 days
    assert vpa(share=0.8)(past, ALONE).cpu_cores == pytest.approx([1.15])
    assert vpa(share=0.8)(past, ALONE).memory_bytes / MIB == pytest.approx([230.0])


def test_floors_of_the_peers_hold_and_no_memory_is_no_answer() -> None:
    idle = hourly(steady_series(0.0, days=14))
    assert krr()(idle, ALONE).cpu_cores == pytest.approx([0.01])
    assert vpa()(idle, ALONE).cpu_cores == pytest.approx([0.025])
    assert np.isnan(krr()(idle, ALONE).memory_bytes).all()
    assert np.isnan(vpa()(idle, ALONE).memory_bytes).all()
    small = replace(idle, memory_bytes=np.full((1, 14 * HOURS), 1.0, dtype=np.float32))
    assert krr()(small, ALONE).memory_bytes == pytest.approx([100 * MIB])


def test_over_replicas_krr_takes_the_hungriest_and_vpa_pools() -> None:
    used = np.concatenate([steady_series(cores, days=14) for cores in (1.0, 1.0, 4.0, 8.0)])
    used[3] = np.nan  # of nobody known
    past, group = hourly(used, 100 * used), np.array([0, 0, 0, 1])
    by_krr, by_vpa = krr()(past, group), vpa(share=0.6)(past, group)
    assert by_krr.cpu_cores[:3] == pytest.approx([4.0, 4.0, 4.0])
    assert by_vpa.cpu_cores[:3] == pytest.approx([1.15, 1.15, 1.15])
    assert by_vpa.memory_bytes[:3] / MIB == pytest.approx([115.0, 115.0, 115.0])
    assert np.isnan([by_krr.cpu_cores[3], by_vpa.cpu_cores[3]]).all()


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(1, 20)),
        elements=st.one_of(st.floats(0, 100, width=32), st.just(float("nan"))),
    ),
    st.sampled_from([0.5, 0.75, 1.0]),
)
def test_with_equal_weights_a_decayed_percentile_is_a_percentile(
    samples: Samples, share: float
) -> None:
    found = decayed_percentile(samples, np.ones(samples.shape[1]), share)
    np.testing.assert_array_equal(found, percentile(samples, share))
