"""The older a forecast, the less its node sells; and nothing is ever taken from who runs there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.snapshot import NodeColumns, RunningColumns
from scheduler.core.supply_age import (
    AgeSettings,
    Rung,
    Supply,
    aged,
    believed_share,
    note,
    rungs,
    sold_amounts,
)
from slacktide.messages import FloatArray
from tests.scheduler.clusters import GIB, HOUR_S, real, whole

NOW_S = 1_000_000.0


def nodes(*cores: float) -> NodeColumns:
    """What they sell by allocatable alone, nothing of it held."""
    each = real(cores)
    return NodeColumns(
        names=tuple(f"n{k}" for k in range(len(cores))),
        horizons_s=whole([HOUR_S]),
        free_cpu_cores=each[:, None],
        free_memory_bytes=4 * GIB * each[:, None],
        cpu_cores=each,
        memory_bytes=4 * GIB * each,
        open=np.ones(len(cores), np.bool_),
    )


def without(plain: NodeColumns, running: RunningColumns) -> NodeColumns:
    """Less what runs on the first."""
    free_cpu, free_memory = plain.free_cpu_cores.copy(), plain.free_memory_bytes.copy()
    free_cpu[0] -= running.cpu_cores.sum()
    free_memory[0] -= running.memory_bytes.sum()
    return replace(plain, free_cpu_cores=free_cpu, free_memory_bytes=free_memory)


def supply(*cores: tuple[float, ...], age_s: float | list[float] = 0.0) -> Supply:
    each = np.array(cores, np.float64)
    horizons_s = whole([HOUR_S, 4 * HOUR_S, 24 * HOUR_S][: each.shape[1]])
    unknown = np.full(len(cores), np.inf)
    made_s = NOW_S - np.broadcast_to(np.asarray(age_s), len(cores))
    return Supply(horizons_s, each, 4 * GIB * each, made_s, unknown, unknown)


def cores_sold(by: Supply, *, of: NodeColumns, now_s: float = NOW_S) -> FloatArray:
    return sold_amounts(of, by, now_s=now_s)[0]


@pytest.mark.parametrize(
    ("age_s", "rung", "share"),
    [
        (-3_000.0, Rung.CLOSED, 0.0),  # a clock that jumped: of no known time
        (-30.0, Rung.FRESH, 1.0),
        (0.0, Rung.FRESH, 1.0),
        (180.0, Rung.FRESH, 1.0),
        (181.0, Rung.STALE, 1.0),
        (600.0, Rung.STALE, 1.0),
        (2_100.0, Rung.DECAYING, 0.75),
        (3_600.0, Rung.DECAYING, 0.5),
        (3_601.0, Rung.CLOSED, 0.0),
        (float("inf"), Rung.CLOSED, 0.0),
        (float("nan"), Rung.CLOSED, 0.0),
    ],
)
def test_a_forecast_climbs_down_the_ladder(age_s: float, rung: Rung, share: float) -> None:
    made_s = real([NOW_S - age_s])
    assert rungs(made_s, now_s=NOW_S).tolist() == [rung]
    assert believed_share(made_s, now_s=NOW_S).tolist() == [share]


def test_a_fresh_node_sells_each_horizon_and_never_above_its_allocatable() -> None:
    sold = cores_sold(supply((9.0, 5.0, 2.0), (3.0, 4.0, 1.0)), of=nodes(6, 6))
    assert sold.tolist() == [[6, 5, 2], [3, 3, 1]]


def test_a_stale_node_sells_for_each_horizon_what_still_reaches_as_far() -> None:
    sold = cores_sold(supply((6.0, 5.0, 2.0), age_s=300.0), of=nodes(9))
    assert sold.tolist() == [[5, 2, 2]]


def test_a_stale_node_does_not_grow_with_its_allocatable() -> None:
    before = replace(supply((6.0, 6.0, 6.0), age_s=300.0), calm_cpu_cores=real([2.0]))
    assert cores_sold(before, of=nodes(4)).tolist() == [[2, 2, 2]]
    renewed = replace(before, made_s=real([NOW_S]))
    assert cores_sold(renewed, of=nodes(4)).tolist() == [[4, 4, 4]]


def test_a_closed_node_takes_nothing_and_keeps_what_runs() -> None:
    running = RunningColumns(whole([0]), real([3.0]), real([0.0]), whole([int(NOW_S) + 60]))
    found = aged(nodes(4, 4), supply((4.0,), (4.0,), age_s=[7_200.0, 0.0]), running, now_s=NOW_S)
    assert found.open.tolist() == [False, True]
    assert found.free_cpu_cores[1].tolist() == [4.0]
    assert "1 closed (older than 60 min, or missing: nothing new)" in found.supply_note


def test_what_runs_is_held_through_the_horizons_until_it_ends() -> None:
    ends = [int(NOW_S) + 600, int(NOW_S) + 5 * HOUR_S]
    running = RunningColumns(whole([0, 0]), real([1.0, 2.0]), real([GIB, 0.0]), whole(ends))
    found = aged(without(nodes(9), running), supply((9.0, 6.0, 2.0)), running, now_s=NOW_S)
    assert found.free_cpu_cores.tolist() == [[6.0, 4.0, 0.0]]
    assert found.free_memory_bytes[0, 0] == 35 * GIB
    assert found.supply_note == ""


def test_what_is_set_aside_beside_tasks_is_held_through_every_horizon() -> None:
    running = RunningColumns(whole([0]), real([2.0]), real([GIB]), whole([int(NOW_S) + 600]))
    plain = nodes(9)
    plain = replace(plain, free_cpu_cores=plain.free_cpu_cores - 2.0 - 1.5)
    found = aged(plain, supply((9.0, 6.0, 2.0)), running, now_s=NOW_S)
    assert found.free_cpu_cores.tolist() == [[5.5, 4.5, 0.5]]


def test_a_cordoned_node_stays_closed_however_fresh_its_forecast() -> None:
    cordoned = replace(nodes(4), open=np.zeros(1, np.bool_))
    assert not aged(cordoned, supply((4.0,)), RunningColumns.none(), now_s=NOW_S).open.any()


def test_the_note_counts_the_rungs() -> None:
    assert note(whole([Rung.FRESH] * 3)) == ""
    assert note(whole([Rung.FRESH, Rung.STALE, Rung.DECAYING, Rung.STALE, Rung.CLOSED])) == (
        "of 5 nodes' forecasts: 2 stale (older than 3 min: nothing grows), "
        "1 decaying (older than 10 min: less is sold by and by), "
        "1 closed (older than 60 min, or missing: nothing new)"
    )


amounts = st.floats(0, 1e6)
forecasts = st.lists(amounts, min_size=3, max_size=3).map(tuple)


@given(forecasts, amounts, amounts, st.floats(0, 8_000), st.floats(0, 8_000))
def test_older_never_sells_more(
    cores: tuple[float, ...], allocatable: float, calm: float, one_s: float, other_s: float
) -> None:
    younger_s, older_s = sorted((one_s, other_s))
    # While it is fresh `calm` is its allocatable, whatever that becomes afterwards.
    of = nodes(max(allocatable, calm))
    by = replace(supply(cores), calm_cpu_cores=real([calm]), made_s=real([NOW_S]))
    younger = cores_sold(by, of=of, now_s=NOW_S + younger_s)
    older = cores_sold(by, of=of, now_s=NOW_S + older_s)
    assert (older <= younger).all()
    assert (younger <= of.cpu_cores[:, None]).all()
    assert (np.diff(younger, axis=1) <= 0).all()


@given(forecasts, st.floats(-100, 8_000))
def test_no_age_sells_more_than_was_forecast(cores: tuple[float, ...], age_s: float) -> None:
    sold = cores_sold(supply(cores, age_s=age_s), of=nodes(1e9))
    assert (sold <= real(cores)).all()
    assert (sold >= 0).all()


@pytest.mark.parametrize(
    "broken",
    [
        {"stale_after_s": 0.0},
        {"stale_after_s": 700.0},
        {"closed_after_s": 600.0},
        {"floor_share": 1.5},
        {"floor_share": float("nan")},
    ],
)
def test_rungs_that_do_not_ascend_are_refused(broken: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"ascend|share"):
        AgeSettings(**broken)
