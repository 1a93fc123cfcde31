"""Federation and planning over random small fleets, with clusters that fall silent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.core.supply import SupplySettings
from simulator.core.fleet import WAITING, Fleet
from simulator.core.hub import Start
from simulator.core.policies.interface import HORIZONS_S
from slacktide.messages import FloatArray, NodeForecasts
from tests.simulator.hubs import (
    CORES,
    MEMORY_BYTES,
    STEP_S,
    Federation,
    Silence,
    forecast,
    gangs,
    steady,
)

STEPS = 24
LEASE_S = 900
CLOSE = 1e-5


@dataclass(frozen=True, slots=True)
class World:
    """What a random run is made from; the rest comes from the seed."""

    nodes_in: tuple[int, ...]
    silences: tuple[Silence, ...]
    seed: int


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """One to three clusters of one to three nodes, with up to three silences."""
    nodes_in = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    silence = st.builds(
        lambda cluster, start, length: Silence(cluster, start * STEP_S, (start + length) * STEP_S),
        st.integers(0, len(nodes_in) - 1),
        st.integers(0, STEPS // 2),
        st.integers(1, STEPS),
    )
    silences = draw(st.lists(silence, max_size=3))
    return World(tuple(nodes_in), tuple(silences), draw(st.integers(0, 2**32)))


def federation_of(world: World) -> Federation:
    rng = np.random.default_rng(world.seed)
    count = int(rng.integers(1, 60))
    tasks = rng.integers(1, 9, count)
    jobs = gangs(
        submit_s=np.sort(rng.integers(0, STEPS * STEP_S, count)),
        tasks=tasks,
        min_available=rng.integers(1, tasks + 1),
        duration_s=rng.integers(60, 30_000, count),
        cpu_cores=rng.choice([0.5, 1.0, 2.5, 8.0], count),
        gib=rng.choice([0.0, 1.0, 12.0], count),
    )
    made = Federation(world.nodes_in, jobs, world.silences)
    # Predictions are wrong both ways, and some are unknown.
    made.predicted_s = np.where(
        rng.random(count) < 0.3, 2**40, jobs.duration_s * rng.integers(1, 4, count) // 2
    )
    return made


def forecasts_of(world: World) -> list[NodeForecasts]:
    """A new one every fourth step; less is free over a longer horizon."""
    rng = np.random.default_rng(world.seed + 1)
    shape = (sum(world.nodes_in), len(HORIZONS_S))
    free = [np.sort(rng.random(shape), axis=1)[:, ::-1] for _ in range(STEPS // 4)]
    return [forecast(free[step // 4], step * STEP_S) for step in range(STEPS)]


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_whatever_happens_gangs_are_whole_nodes_unharmed_and_grants_covered(world: World) -> None:
    made = federation_of(world)
    for step, forecasts in enumerate(forecasts_of(world)):
        now_s = step * STEP_S
        waiting = set(made.fleet.waiting().tolist())
        words = _words_of_the_silent(made, now_s)
        starts = made.round(forecasts, now_s)
        assert _words_of_the_silent(made, now_s) == words
        waiting |= set(np.flatnonzero(made.fleet.first_start_s == now_s).tolist())
        _every_gang_is_whole_in_one_cluster(made, starts)
        assert {start.gang for start in starts} <= waiting
        _no_node_is_sold_beyond_its_forecast(made, starts, forecasts, now_s)
        _grants_in_force_fit_what_was_reported(made, now_s)
        _who_is_cut_off_starts_nothing_without_a_grant(made, starts, now_s)
        _everyone_who_waits_is_told_why(made)
        made.pass_time(now_s)


def _every_gang_is_whole_in_one_cluster(made: Federation, starts: list[Start]) -> None:
    jobs = made.jobs
    assert len({start.gang for start in starts}) == len(starts)
    for start in starts:
        assert (start.counts >= 1).all()
        assert jobs.min_available[start.gang] <= start.counts.sum() <= jobs.tasks[start.gang]
        assert set(start.nodes.tolist()) <= set(made.hub.members[start.cluster].nodes.tolist())
        assert len(set(start.nodes.tolist())) == len(start.nodes)


def _no_node_is_sold_beyond_its_forecast(
    made: Federation, starts: list[Start], forecasts: NodeForecasts, now_s: int
) -> None:
    """Where a gang was just placed: for each horizon, all that is predicted to run so long."""
    if not starts:
        return
    chosen = np.unique(np.concatenate([start.nodes for start in starts]))
    below_bytes = SupplySettings().memory_watermark_share * MEMORY_BYTES
    room = np.maximum(below_bytes - forecasts.peak_memory_bytes, 0)
    new = np.isin(made.fleet.row_gang, [start.gang for start in starts])
    for horizon, begin_s in enumerate((0, *HORIZONS_S[:-1])):
        there = _runs_beyond(made, begin_s, now_s)
        cores, size = _held(made.fleet, there)
        placed = np.isin(chosen, made.fleet.row_node[new & there])
        at = chosen[placed]
        assert (cores[at] <= forecasts.reclaimable_cpu_cores[at, horizon] + CLOSE).all()
        assert (size[at] <= room[at, horizon] + 10).all()


def _runs_beyond(made: Federation, begin_s: int, now_s: int) -> np.ndarray:
    """[R] rows whose gang is predicted to run on for longer than `begin_s`."""
    gang = made.fleet.row_gang
    still_s = made.fleet.started_s[gang] + made.predicted_s[gang] - now_s
    still_s = np.where(still_s <= 0, HORIZONS_S[0], still_s)  # outlived: an hour more
    return np.asarray(still_s > begin_s)


def _held(fleet: Fleet, rows: np.ndarray) -> tuple[FloatArray, FloatArray]:
    gang, count = fleet.row_gang[rows], fleet.row_count[rows]
    cores, size = np.zeros(fleet.node_count), np.zeros(fleet.node_count)
    np.add.at(cores, fleet.row_node[rows], fleet.jobs.cpu_cores[gang] * count)
    np.add.at(size, fleet.row_node[rows], fleet.jobs.memory_bytes[gang] * count)
    return cores, size


def _grants_in_force_fit_what_was_reported(made: Federation, now_s: int) -> None:
    for member in made.hub.members:
        if now_s < member.granted_until_s:
            assert member.report is not None
            assert member.granted_cores.sum() <= member.report.supply_cpu_cores.max() + CLOSE


def _words_of_the_silent(made: Federation, now_s: int) -> list[tuple[object, ...]]:
    """What was last heard of and by each cluster that is cut off: it neither reports nor hears."""
    return [
        (
            member.epoch,
            member.granted_until_s,
            member.granted_cores.tolist(),
            None if member.report is None else member.report.at_s,
        )
        for cluster, member in enumerate(made.hub.members)
        if made.is_silent(cluster, now_s)
    ]


def _who_is_cut_off_starts_nothing_without_a_grant(
    made: Federation, starts: list[Start], now_s: int
) -> None:
    used = {start.cluster for start in starts}
    for cluster, member in enumerate(made.hub.members):
        if made.is_silent(cluster, now_s) and now_s >= member.granted_until_s:
            assert cluster not in used


def _everyone_who_waits_is_told_why(made: Federation) -> None:
    for gang in made.fleet.waiting().tolist():
        assert made.hub.pending_reason(gang) != "submitted after the last round"


@pytest.mark.parametrize(("clusters", "cut_off"), [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)])
@pytest.mark.parametrize("start", [0, 4])
def test_work_ends_flowing_to_a_cluster_that_is_cut_off_and_flows_again(
    clusters: int, cut_off: int, start: int
) -> None:
    silence = Silence(cut_off, start * STEP_S, (start + 16) * STEP_S)
    made = Federation((2,) * clusters, steady(12, 30), (silence,))
    began: dict[int, set[int]] = {
        now_s: {start.cluster for start in starts} for now_s, starts in made.play(30)
    }
    expired_s = silence.start_s + LEASE_S if start else 0
    for now_s, used in began.items():
        if expired_s <= now_s < silence.end_s:
            assert cut_off not in used
    after = [now_s for now_s, used in began.items() if cut_off in used and now_s >= silence.end_s]
    assert after
    assert after[0] <= silence.end_s + 2 * STEP_S


@pytest.mark.parametrize("cut_off", [0, 1, 2])
def test_a_cluster_that_was_never_heard_holds_up_no_other(cut_off: int) -> None:
    made = Federation((1, 1, 1), steady(3, 1), (Silence(cut_off, 0, 10**6),))
    (_, starts), *_ = made.play(1)
    assert {start.gang for start in starts} == {0, 1, 2}
    assert cut_off not in {start.cluster for start in starts}


def test_while_every_cluster_is_silent_gangs_wait_and_are_told_so() -> None:
    made = Federation((1, 1), steady(2, 1), (Silence(0, 0, 10**6), Silence(1, 0, 10**6)))
    for _, starts in made.play(3):
        assert starts == []
    assert "no cluster is in sight" in made.hub.pending_reason(0)


def test_a_gang_goes_to_the_only_cluster_that_can_take_it_whole() -> None:
    tall = gangs(
        submit_s=np.zeros(1, np.int64),
        tasks=np.array([6]),
        min_available=np.array([6]),
        duration_s=np.array([600]),
        cpu_cores=np.array([8.0]),
    )
    made = Federation((1, 3, 1), tall)
    (_, starts), *_ = made.play(1)
    assert [(start.gang, start.cluster) for start in starts] == [(0, 1)]


def test_a_gang_too_big_for_any_cluster_waits_though_all_together_could_take_it() -> None:
    tasks = np.array([8])
    wide = gangs(
        submit_s=np.zeros(1, np.int64),
        tasks=tasks,
        min_available=tasks,
        duration_s=np.array([600]),
        cpu_cores=np.array([CORES / 4]),
    )
    made = Federation((2, 2, 2), wide)
    for _, starts in made.play(3):
        assert starts == []
    assert made.fleet.state[0] == WAITING
    assert "it needs 8 tasks of 8 cores" in made.hub.pending_reason(0)


def test_a_gang_that_nobody_has_looked_at_yet_says_so() -> None:
    made = Federation((1,), steady(1, 1))
    assert made.hub.pending_reason(0) == "submitted after the last round"


def test_a_second_run_makes_the_same_choices() -> None:
    world = World((2, 1, 3), (Silence(1, 600, 3_000),), 11)

    def choices() -> list[tuple[int, int, list[int], list[int]]]:
        made, told = federation_of(world), []
        for step, forecasts in enumerate(forecasts_of(world)):
            told += [
                (start.gang, start.cluster, start.nodes.tolist(), start.counts.tolist())
                for start in made.round(forecasts, step * STEP_S)
            ]
            made.pass_time(step * STEP_S)
        return told

    first = choices()
    assert first
    assert first == choices()
