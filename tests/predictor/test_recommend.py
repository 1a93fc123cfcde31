"""Right-sizing: what is asked for follows what was used, and too little says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from predictor.core.history import NEVER_S, History
from predictor.core.recommend import SizingSettings, equal_step, recommendations
from predictor.core.use import Containers, merged, percentile, statistics
from slacktide.messages import Recommendation

DAY_S = 86_400
MIB = 1 << 20
Fleet = Callable[..., History]


def one_workload(*, cpu: list[float], memory: list[float], interval_s: int = 1_800) -> History:
    samples = np.array([cpu], dtype=np.float32)
    return History(
        interval_s=interval_s,
        cpu_cores=samples,
        memory_bytes=np.array([memory], dtype=np.float32),
        node=np.zeros(1, dtype=np.int64),
        start_s=np.zeros(1, dtype=np.int64),
        end_s=np.full(1, NEVER_S),
        cpu_request_cores=np.array([4.0]),
        memory_request_bytes=np.array([8.0 * 1024 * MIB]),
        nodes=("node-0",),
        clusters=("here",),
        node_cpu_cores=np.array([16.0]),
        node_memory_bytes=np.array([64.0 * 1024 * MIB]),
    )


def names(series: int, *, workloads: int = 100) -> Containers:
    return Containers(
        workload=tuple(f"shop-{s % workloads}" for s in range(series)),
        namespace=("web",) * series,
        kind=("Deployment",) * series,
        container=("app",) * series,
        cluster=("here",) * series,
    )


def only(past: History, now_s: int) -> Recommendation:
    [found] = recommendations(past, names(1), now_s)
    return found


def test_cpu_covers_95_of_100_samples_and_memory_every_one() -> None:
    columns = 48 * 4
    cpu = [0.2] * (columns - 20) + [1.0] * 20  # the last ten hours
    found = only(one_workload(cpu=cpu, memory=[512.0 * MIB] * columns), 4 * DAY_S - 1_800)
    assert found.recommended_cpu_request_cores == pytest.approx(1.0)
    assert found.recommended_memory_request_bytes == 589 * MIB  # 512 and 15 %
    assert found.cpu_request_cores == 4.0
    assert found.reason.startswith("CPU 1.000 cores: the larger of p95 over 14 days 1.000")


def test_headroom_is_one_step_for_all_and_never_more_than_the_peak_itself() -> None:
    columns = 48 * 4
    large = one_workload(cpu=[0.5] * columns, memory=[4096.0 * MIB] * columns)
    both = replace(
        large,
        cpu_cores=np.full((2, columns), 0.5, dtype=np.float32),
        memory_bytes=np.array([[4096.0 * MIB], [100.0 * MIB]], dtype=np.float32).repeat(columns, 1),
        node=np.zeros(2, dtype=np.int64),
        start_s=np.zeros(2, dtype=np.int64),
        end_s=np.full(2, NEVER_S),
        cpu_request_cores=np.full(2, 1.0),
        memory_request_bytes=np.full(2, 1e9),
    )
    found = recommendations(both, names(2), 4 * DAY_S - 1_800)
    step = 0.13 * 4196 - 100  # the small one is filled up, the rest is for the large one
    assert [one.recommended_memory_request_bytes for one in found] == [
        int(np.ceil(4096 * 1.02 + step)) * MIB,
        202 * MIB,
    ]
    assert "and at most 445 MiB above it" in found[1].reason


@given(
    st.lists(st.tuples(st.floats(1, 1e12), st.integers(1, 50)), min_size=1, max_size=12),
    st.floats(0, 1),
)
def test_the_step_spends_the_budget_and_no_more(
    groups: list[tuple[float, int]], share: float
) -> None:
    peaks, replicas = (np.array(column, dtype=np.float64) for column in zip(*groups, strict=True))
    budget = share * float((peaks * replicas).sum())
    step = equal_step(peaks, replicas, budget)
    assert step >= 0
    assert float((np.minimum(step, peaks) * replicas).sum()) == pytest.approx(budget)


def test_no_fleet_pays_more_for_headroom_than_the_same_share_on_each_peak(fleet: Fleet) -> None:
    past, now_s = fleet(days=16, pods=40), 15 * DAY_S
    assert past.memory_bytes is not None
    found = {one.workload: one for one in recommendations(past, names(40), now_s)}
    peaks = np.nanmax(past.until(now_s).memory_bytes[:, -48 * 14 :], axis=1)  # type: ignore[index]  # has memory
    sized = [
        (one.recommended_memory_request_bytes, float(peaks[int(name.removeprefix("shop-"))]))
        for name, one in found.items()
        if one.recommended_memory_request_bytes is not None
    ]
    assert len(sized) > 20
    given_bytes, peak_bytes = map(sum, zip(*sized, strict=True))
    assert given_bytes <= 1.15 * peak_bytes + MIB * len(sized)


def test_one_high_day_is_remembered_for_two_weeks() -> None:
    columns = 48 * 20
    memory = [100.0 * MIB] * columns
    memory[48 * 3] = 1000.0 * MIB
    past = one_workload(cpu=[0.5] * columns, memory=memory)
    assert only(past, 16 * DAY_S).recommended_memory_request_bytes == 1150 * MIB
    assert only(past, 18 * DAY_S).recommended_memory_request_bytes == 115 * MIB


def test_floors_hold_for_the_idle() -> None:
    columns = 48 * 2
    found = only(one_workload(cpu=[0.0] * columns, memory=[1.0] * columns), 2 * DAY_S - 1_800)
    assert found.recommended_cpu_request_cores == 0.01
    assert found.recommended_memory_request_bytes == 32 * MIB


def test_too_little_history_is_said_and_the_declared_request_stands() -> None:
    found = only(one_workload(cpu=[0.5] * 20, memory=[1e9] * 20), 10 * 3_600 - 1_800)
    assert found.recommended_cpu_request_cores is None
    assert found.recommended_memory_request_bytes is None
    assert found.reason == (
        "not enough data: seen in 10 of the 24 hours needed; the declared request stands"
    )


def test_no_memory_samples_leave_memory_unanswered() -> None:
    past = one_workload(cpu=[0.5] * 96, memory=[np.nan] * 96)
    for shape in (past, replace(past, memory_bytes=None)):
        found = only(shape, 2 * DAY_S - 1_800)
        assert found.recommended_cpu_request_cores == 0.5
        assert found.recommended_memory_request_bytes is None
        assert "memory: not enough data" in found.reason


def test_the_hungriest_replica_decides(fleet: Fleet) -> None:
    past = fleet(days=6, pods=4, nodes=2)
    cpu = past.cpu_cores.copy()
    cpu[1] *= 3
    past = replace(
        past, cpu_cores=cpu, start_s=np.zeros(4, dtype=np.int64), end_s=np.full(4, NEVER_S)
    )
    [together] = recommendations(past, names(4, workloads=1), 5 * DAY_S)
    apart = recommendations(past, names(4), 5 * DAY_S)
    wanted = [found.recommended_cpu_request_cores or 0.0 for found in apart]
    assert together.replicas == 4
    assert together.recommended_cpu_request_cores == max(wanted)


def test_tables_of_the_parts_of_a_fleet_merge_into_the_table_of_the_whole(fleet: Fleet) -> None:
    past, now_s = fleet(days=6, pods=9, nodes=3), 5 * DAY_S

    def use(member: np.ndarray) -> pa.Table:
        rows = np.flatnonzero(member)
        part = replace(
            past,
            cpu_cores=past.cpu_cores[rows],
            memory_bytes=None if past.memory_bytes is None else past.memory_bytes[rows],
            node=past.node[rows],
            start_s=past.start_s[rows],
            end_s=past.end_s[rows],
            cpu_request_cores=past.cpu_request_cores[rows],
            memory_request_bytes=past.memory_request_bytes[rows],
        )
        named = Containers(
            *(tuple(column[row] for row in rows) for column in astuple(names(9, workloads=2)))
        )
        return statistics(part, named, now_s, window_s=14 * DAY_S, cpu_percentile=0.95)

    whole = use(np.ones(9, dtype=np.bool_))
    parts = [use(past.node == node) for node in (2, 0, 1)]
    assert merged(parts).equals(whole)
    assert len(whole) == 2


def test_nothing_later_than_now_is_read(fleet: Fleet) -> None:
    past, now_s = fleet(days=8), 5 * DAY_S
    loud = past.cpu_cores.copy()
    loud[:, now_s // past.interval_s + 1 :] *= 9
    assert recommendations(past, names(9), now_s) == recommendations(
        replace(past, cpu_cores=loud), names(9), now_s
    )


def test_bounds_enclose_the_request_and_confidence_grows(fleet: Fleet) -> None:
    past = fleet(days=16)
    early, late = (
        recommendations(past, names(9), 2 * DAY_S),
        recommendations(past, names(9), 15 * DAY_S),
    )
    for found in late:
        if found.recommended_cpu_request_cores is None:
            continue
        lower, upper = found.cpu_lower_cores, found.cpu_upper_cores
        assert lower is not None
        assert upper is not None
        assert lower <= found.recommended_cpu_request_cores <= upper
    assert early[0].confidence < late[0].confidence <= 1.0


def test_only_what_runs_is_sized(fleet: Fleet) -> None:
    past = replace(fleet(days=6), end_s=np.full(9, 2 * DAY_S))
    assert recommendations(past, names(9), 3 * DAY_S) == ()


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(1, 30)),
        elements=st.one_of(st.floats(0, 100, width=32), st.just(float("nan"))),
    ),
    st.sampled_from([0.5, 0.9, 0.95, 1.0]),
)
def test_percentiles_equal_sorting_by_hand(samples: np.ndarray, share: float) -> None:
    for row, found in zip(samples, percentile(samples, share), strict=True):
        known = np.sort(row[~np.isnan(row)])
        if not known.size:
            assert np.isnan(found)
        else:
            assert found == known[max(int(np.ceil(share * known.size)) - 1, 0)]


def test_settings_can_ask_for_more() -> None:
    columns = 48 * 3
    cpu = [float(k) / columns for k in range(columns)]
    past = one_workload(cpu=cpu, memory=[1e9] * columns)
    half = recommendations(past, names(1), 3 * DAY_S, SizingSettings(cpu_percentile=0.5))
    most = recommendations(past, names(1), 3 * DAY_S, SizingSettings(cpu_percentile=0.99))
    assert (half[0].recommended_cpu_request_cores or 9) < (
        most[0].recommended_cpu_request_cores or 0
    )
