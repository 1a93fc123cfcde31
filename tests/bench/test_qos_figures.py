from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.qos.koordinator import (
    Use,
    memory_to_free_bytes,
    next_quota_us,
    suppressed_cores,
)
from bench.qos.measured import (
    harmed_s,
    median_interval,
    quantile_ms,
    ratio_interval,
    reacted_s,
    recovered_s,
    share_of_free,
    usual_window_ms,
    windows_ms,
)
from bench.qos.usage import FIELDS
from bench.qos.void import void_seconds

SECOND = np.arange(0.0, 3.0, 0.005)
"""200 requests a second for three seconds."""


def bad_between(begin_s: float, end_s: float) -> np.ndarray:
    return np.where((begin_s <= SECOND) & (end_s > SECOND), 90.0, 10.0)


def test_a_p99_pools_requests_and_not_episodes() -> None:
    quiet, loud = np.full(9_900, 1.0), np.full(101, 50.0)
    assert quantile_ms([quiet, loud]) == 50.0
    assert math.isnan(quantile_ms([]))


def test_a_ratio_lies_within_its_interval_and_the_same_seed_gives_the_same_one() -> None:
    random = np.random.default_rng(3)
    ours = [random.exponential(10.0, 500) for _ in range(12)]
    solo = [random.exponential(5.0, 500) for _ in range(12)]
    low, ratio, high = ratio_interval(ours, solo, seed=1)
    assert low <= ratio <= high
    assert (low, ratio, high) == ratio_interval(ours, solo, seed=1)
    assert 1.7 < ratio < 2.3


def test_windows_are_100_ms_long_and_begin_at_the_step() -> None:
    begins, p99 = windows_ms(SECOND, bad_between(1.0, 1.2), 3.0)
    assert begins[0] == 0.0
    assert p99[0] == 10.0
    assert p99[np.searchsorted(begins, 1.05)] == 90.0


def test_a_window_without_requests_is_not_a_good_one_by_number() -> None:
    _, p99 = windows_ms(np.array([0.05]), np.array([3.0]), 1.0)
    assert np.isnan(p99[-1])


def test_what_is_usual_for_a_window_is_above_what_is_usual_for_all_requests() -> None:
    random = np.random.default_rng(1)
    latency_ms = random.exponential(5.0, len(SECOND))
    assert usual_window_ms([(SECOND, latency_ms, 3.0)]) > quantile_ms([latency_ms])


@pytest.mark.parametrize(
    ("bad", "recovered"),
    [
        ((5.0, 6.0), 0.0),  # never harmed
        ((0.0, 0.4), 0.4),
        ((0.0, 9.0), 3.0),  # never well again
    ],
)
def test_an_episode_is_well_again_when_its_windows_stay_good(
    bad: tuple[float, float], recovered: float
) -> None:
    found = recovered_s(SECOND, bad_between(*bad), limit_ms=20.0, from_s=0.0, until_s=3.0)
    assert found == pytest.approx(recovered, abs=0.03)


def test_a_good_moment_between_two_bad_ones_is_no_recovery() -> None:
    latency_ms = np.maximum(bad_between(0.0, 0.3), bad_between(0.5, 0.8))
    found = recovered_s(SECOND, latency_ms, limit_ms=20.0, from_s=0.0, until_s=3.0)
    assert found == pytest.approx(0.8, abs=0.03)


def test_harm_begins_when_the_request_was_meant_to_go() -> None:
    assert harmed_s(SECOND, bad_between(1.0, 2.0), 20.0) == 1.0
    assert harmed_s(SECOND, bad_between(5.0, 6.0), 20.0) is None


@pytest.mark.parametrize(
    ("stages", "reacted"),
    [
        ([(-0.5, 1), (0.0, 0), (0.05, 0)], None),  # a stage before the step says nothing
        ([(0.025, 0), (0.05, 1)], 0.05),
        ([(0.025, 2)], 0.025),
    ],
)
def test_a_reaction_is_the_first_stage_after_the_step(
    stages: list[tuple[float, int]], reacted: float | None
) -> None:
    ticks = [(at_s, stage, 0, 0, 0) for at_s, stage in stages]
    assert reacted_s(ticks, 0.0, 0.0) == reacted


def test_acting_before_the_harm_is_a_reaction_of_no_time() -> None:
    assert reacted_s([(0.2, 0, 1, 0, 0)], 1.0, 0.0) == 0.0


def test_batch_that_takes_all_that_others_leave_has_a_share_of_one() -> None:
    assert share_of_free(batch_s=3.0, others_s=3.0, cores=2, seconds=3.0) == pytest.approx(1.0)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40))
def test_a_median_lies_within_its_interval(values: list[float]) -> None:
    low, median, high = median_interval(values, seed=1, draws=50)
    assert min(values) <= low <= high <= max(values)
    assert min(values) <= median <= max(values)


def row(t: float, *, busy: float = 0.0, ours: float = 0.0, steal: float = 0.0) -> list[float]:
    values = {"t": t, "busy": busy, "ours": ours, "steal": steal}
    return [values.get(name, 0.0) for name in FIELDS]


SENT = [(0.01 * n, 5.0, 0.1) for n in range(300)]


@pytest.mark.parametrize(
    ("usage", "void"),
    [
        ([row(0), row(1, busy=2, ours=2), row(2, busy=4, ours=4)], {}),
        ([row(0), row(1, steal=0.1), row(2, steal=0.1)], {0: "steal"}),
        ([row(0), row(1), row(2, busy=0.5, ours=0.1)], {1: "others"}),
        ([row(0), row(0.1, steal=0.1)], {}),  # too short to tell
    ],
)
def test_seconds_that_the_machine_took_are_void(
    usage: list[list[float]], void: dict[int, str]
) -> None:
    assert void_seconds(usage, SENT, cores=2) == void


def test_a_second_whose_requests_went_late_is_void_and_a_slow_one_is_not() -> None:
    late = [(at_s, ms, 5.0 if 1.0 <= at_s < 1.05 else 0.1) for at_s, ms, _ in SENT]
    slow = [(at_s, 900.0, 0.1) for at_s, _, _ in SENT]
    assert void_seconds([], late, cores=2) == {1: "client late"}
    assert void_seconds([], slow, cores=2) == {}


def test_a_request_never_sent_counts_as_late() -> None:
    assert void_seconds([], [(0.5, None, None)] * 10, cores=2) == {0: "client late"}


USE = Use(capacity_cores=2.0, online_cores=0.8, system_cores=0.1)


def test_the_one_second_controller_keeps_65_percent_less_what_others_use() -> None:
    assert suppressed_cores(USE) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("old_us", "use", "new_us"),
    [
        (-1, USE, 40_000),  # the first quota is taken whole
        (10_000, USE, 30_000),  # grows 10 % of the node, 20 ms, a second
        (90_000, USE, 40_000),  # shrinks at once
        (40_500, USE, 40_500),  # below 1 % of the node nothing is written
        (50_000, Use(capacity_cores=2.0, online_cores=1.9, system_cores=0.1), 2_000),
    ],
)
def test_the_one_second_controllers_quota(old_us: int, use: Use, new_us: int) -> None:
    assert next_quota_us(old_us, use) == new_us


@pytest.mark.parametrize(("used", "freed"), [(70.0, 0.0), (71.0, 3.0)])
def test_the_one_second_controller_frees_memory_down_to_68_percent(
    used: float, freed: float
) -> None:
    assert memory_to_free_bytes(used, 100.0) == pytest.approx(freed)
