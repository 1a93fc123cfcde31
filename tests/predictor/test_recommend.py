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
from predictor.core.use import Containers, merged, percentile, repeated_peak, statistics
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


def test_cpu_covers_95_of_100_samples_and_memory_its_peak() -> None:
    columns = 48 * 4
    cpu = [0.2] * (columns - 20) + [1.0] * 20  # the last ten hours
    found = only(one_workload(cpu=cpu, memory=[512.0 * MIB] * columns), 4 * DAY_S - 1_800)
    assert found.recommended_cpu_request_cores == pytest.approx(1.0)
    assert found.recommended_memory_request_bytes == 584 * MIB  # 512 and 14 %
    assert found.cpu_request_cores == 4.0
    assert found.reason.startswith("CPU 1.000 cores: the larger of p95 over 14 days 1.000")


def two_workloads(*, peaks_mib: tuple[float, float], declared_mib: tuple[float, float]) -> History:
    columns = 48 * 4
    one = one_workload(cpu=[0.5] * columns, memory=[1.0] * columns)
    used = np.array([[peak * MIB] for peak in peaks_mib], dtype=np.float32)
    return replace(
        one,
        cpu_cores=np.full((2, columns), 0.5, dtype=np.float32),
        memory_bytes=used.repeat(columns, axis=1),
        node=np.zeros(2, dtype=np.int64),
        start_s=np.zeros(2, dtype=np.int64),
        end_s=np.full(2, NEVER_S),
        cpu_request_cores=np.full(2, 1.0),
        memory_request_bytes=np.array(declared_mib) * MIB,
    )


@pytest.mark.parametrize(
    ("declared_mib", "wanted_mib"),
    [
        ((8192, 8192), (4096 + 388, 100 + 200)),  # one step, but never three times a small peak
        ((8192, 160), (4096 + 528, 100 + 60)),  # up to what is declared, as far as that goes
        ((8192, 50), (4096 + 574, 100 + 14)),  # which was too little here: the fleet's share
        ((np.nan, np.nan), (4096 + 388, 100 + 200)),
    ],
)
def test_headroom_is_one_step_for_all_within_each_ones_room(
    declared_mib: tuple[float, float], wanted_mib: tuple[int, int]
) -> None:
    past = two_workloads(peaks_mib=(4096, 100), declared_mib=declared_mib)
    found = recommendations(past, names(2), 4 * DAY_S - 1_800)
    sizes = [one.recommended_memory_request_bytes for one in found]
    assert sizes == [wanted_mib[0] * MIB, wanted_mib[1] * MIB]


def test_the_reason_reproduces_the_size() -> None:
    past = two_workloads(peaks_mib=(4096, 100), declared_mib=(8192, 160))
    small = recommendations(past, names(2), 4 * DAY_S - 1_800)[1]
    assert (
        "memory 160 MiB: the highest peak 100 and the smaller of the fleet's step 527"
        " and its own room 60" in small.reason
    )


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
    assert given_bytes <= 1.14 * peak_bytes + MIB * len(sized)


@pytest.mark.parametrize(
    ("high_days", "now_day", "peak_mib"),
    [
        ((13,), 14, 1000),  # yesterday: it may be a new level
        ((11,), 14, 100),  # once, three days ago
        ((4, 11), 14, 1000),  # every week
        ((4, 11), 19, 100),  # a week ago it did not come back
        ((2,), 6, 1000),  # not yet a week and a day: whether it comes weekly is not known
    ],
)
def test_a_peak_counts_that_was_seen_twice_or_lately(
    high_days: tuple[int, ...], now_day: int, peak_mib: int
) -> None:
    days = np.full((1, now_day, 48), 100.0, dtype=np.float32)
    for day in high_days:
        days[0, day, 20] = 1000.0
    assert repeated_peak(days[:, -14:], peak_days=2) == peak_mib


def test_a_passing_peak_leaves_the_request_but_not_the_budget() -> None:
    columns = 48 * 20
    memory = [100.0 * MIB] * columns
    memory[48 * 3] = 1000.0 * MIB
    past = one_workload(cpu=[0.5] * columns, memory=memory)
    assert only(past, 4 * DAY_S).recommended_memory_request_bytes == 1140 * MIB
    assert only(past, 16 * DAY_S).recommended_memory_request_bytes == 300 * MIB
    assert "of the last two (the highest was 1000), 100" in only(past, 16 * DAY_S).reason
    assert only(past, 18 * DAY_S).recommended_memory_request_bytes == 114 * MIB


@pytest.mark.parametrize(("hours", "cores"), [(2, 0.25), (3, 1.0)])
def test_growth_counts_once_it_filled_a_tenth_of_a_day(hours: int, cores: float) -> None:
    columns = 48 * 14
    cpu = [0.25] * (columns - 2 * hours) + [1.0] * 2 * hours
    found = only(one_workload(cpu=cpu, memory=[1e9] * columns), 14 * DAY_S - 1_800)
    assert found.recommended_cpu_request_cores == pytest.approx(cores)


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
        return statistics(
            part,
            named,
            now_s,
            window_s=14 * DAY_S,
            cpu_percentile=0.95,
            last_day_percentile=0.9,
            peak_days=2,
        )

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
