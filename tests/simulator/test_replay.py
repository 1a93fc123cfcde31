"""A tiny trace played back whole: the ring turns, the books balance, nothing sees the future."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.core.history import History
from simulator.core.fleet import WAITING
from simulator.core.frames import Frame
from simulator.core.policies.interface import kept_forecast
from simulator.core.replay import (
    DAY_S,
    FILLED_SHARE,
    Outage,
    Replay,
    Scenario,
    copies_that_fill,
)
from slacktide.messages import NodeForecasts
from slacktide.trace import Jobs
from tests.simulator.tiny import TRAIN_DAYS, jobs, replay, scenario, trace

NOBODY_KNOWS = "submitted after the last round"


@dataclass(slots=True)
class Keeps:
    """Keeps a share of every node, and notes what it was asked with."""

    share: float
    name: str = "keeps"
    every_s: int = 3_600
    promised_risk: float = 0.5
    asked_s: list[int] = field(default_factory=list)
    known_until_s: list[int] = field(default_factory=list)

    def forecast(self, history: History, now_s: int) -> NodeForecasts:
        self.asked_s.append(now_s)
        self.known_until_s.append((history.cpu_cores.shape[1] - 1) * history.interval_s)
        return kept_forecast(
            history,
            now_s,
            cpu_cores=self.share * history.node_cpu_cores,
            memory_bytes=self.share * history.node_memory_bytes,
            reason=lambda _node, _horizon: "as told",
        )


@pytest.fixture(scope="module")
def staged() -> Scenario:
    return scenario()


@dataclass(frozen=True, slots=True)
class Played:
    """A replay that is over."""

    replay: Replay
    frames: list[Frame]


@pytest.fixture(scope="module")
def ours(staged: Scenario) -> Played:
    run = replay(staged, "slacktide")
    return Played(run, list(run.steps()))


def assert_same(one: Frame, other: Frame) -> None:
    for column in fields(Frame):
        np.testing.assert_array_equal(getattr(one, column.name), getattr(other, column.name))


def test_a_second_run_gives_the_same_frames(ours: Played) -> None:
    again = replay(scenario(), "slacktide")
    for one, other in zip(ours.frames, again.steps(), strict=True):
        assert_same(one, other)
    assert repr(ours.replay.report()) == repr(again.report())


def test_utilisation_rises_and_no_gang_is_ever_partly_placed(ours: Played) -> None:
    row = ours.replay.report()
    assert row.utilisation > row.utilisation_without > 0
    assert row.jobs_done > 0
    assert row.partial_gangs == 0
    assert row.online_lost_share < 0.001


def test_the_report_is_the_sum_of_the_frames(ours: Played) -> None:
    row, step_s = ours.replay.report(), ours.replay.scenario.history.interval_s
    hours = step_s / 3_600

    def total(column: str) -> float:
        return float(sum(getattr(frame, column).sum(dtype=np.float64) for frame in ours.frames))

    capacity = ours.replay.scenario.history.node_cpu_cores.sum() * len(ours.frames)
    assert row.sold_core_hours == pytest.approx(total("sold_cores") * hours, rel=1e-5)
    assert row.used_core_hours == pytest.approx(total("offline_cores") * hours, rel=1e-5)
    used = total("online_cores") + total("offline_cores")
    assert row.utilisation == pytest.approx(used / capacity, rel=1e-5)
    lost = total("lost_core_s")
    demanded = total("online_cores") * step_s + lost
    assert row.online_lost_share == pytest.approx(lost / demanded, rel=1e-4)
    assert row.utilisation_without == pytest.approx(demanded / step_s / capacity, rel=1e-5)
    assert row.evicted_tasks == sum(frame.evicted_tasks for frame in ours.frames)
    assert row.jobs_pending == ours.frames[-1].pending_gangs


def test_every_interval_keeps_to_what_there_is(ours: Played) -> None:
    cores = ours.replay.scenario.history.node_cpu_cores
    for frame in ours.frames:
        assert (frame.offline_cores <= frame.sold_cores + 1e-3).all()
        assert (frame.online_cores + frame.offline_cores <= cores + 1e-3).all()
        assert (frame.online_cores >= -1e-6).all()
        assert (frame.kept_cores <= cores + 1e-3).all()


def test_every_gang_that_waits_is_told_why(ours: Played) -> None:
    fleet = ours.replay.fleet
    for gang in fleet.waiting().tolist():
        reason = ours.replay.hub.pending_reason(gang)
        assert len(reason) > 20
        # One evicted in the very last interval has not been looked at again.
        assert reason != NOBODY_KNOWS or not np.isnan(fleet.first_start_s[gang])


def test_the_training_is_only_learnt_from(staged: Scenario) -> None:
    policy = Keeps(0.5)
    run = Replay(staged, policy)
    frames = list(run.steps())
    begin_s, step_s = TRAIN_DAYS * DAY_S, staged.history.interval_s
    assert frames[0].at_s == begin_s + step_s
    assert [frame.at_s for frame in frames] == list(
        range(begin_s + step_s, begin_s + DAY_S + 1, step_s)
    )
    assert policy.asked_s == list(range(begin_s, begin_s + DAY_S, policy.every_s))
    assert staged.jobs.submit_s[0] == begin_s
    assert np.nanmin(run.fleet.first_start_s) >= begin_s


def test_a_policy_is_given_nothing_later_than_its_time(staged: Scenario) -> None:
    policy = Keeps(0.5)
    list(Replay(staged, policy).steps())
    assert policy.known_until_s == policy.asked_s


@pytest.mark.parametrize(("share", "exceeded"), [(0.0, True), (1.0, False)])
def test_a_forecast_that_was_exceeded_is_counted(
    staged: Scenario, share: float, exceeded: bool
) -> None:
    run = Replay(staged, Keeps(share))
    list(run.steps())
    came = staged.came_cores
    assert came.shape == (len(staged.history.nodes), 1)
    assert (came > 0).any()
    row = run.report()
    assert row.violation == ((came > 0).mean() if exceeded else 0)
    assert row.promised_risk == 0.5


def test_who_keeps_everything_sells_nothing(staged: Scenario) -> None:
    run = Replay(staged, Keeps(1.0))
    for frame in run.steps():
        assert not frame.sold_cores.any()
        assert frame.running_gangs == 0
    row = run.report()
    assert row.utilisation == row.utilisation_without
    assert (row.jobs_done, row.sold_core_hours) == (0, 0)
    assert np.isnan(row.wait_p50_s)
    assert row.jobs_pending == len(staged.jobs.job)


def test_requests_only_sells_what_nobody_requested(staged: Scenario) -> None:
    history = staged.history
    requested = np.bincount(history.node, history.cpu_request_cores, len(history.nodes))
    run = replay(staged, "requests-only")
    sold = np.stack([frame.sold_cores for frame in run.steps()])
    assert sold.any()
    assert (sold <= history.node_cpu_cores - requested + 1e-3).all()


def test_a_gang_never_spans_clusters(staged: Scenario) -> None:
    run = replay(staged, "borg-default")
    fleet = run.fleet
    for _ in run.steps():
        clusters = staged.node_cluster[fleet.row_node]
        assert (clusters == fleet.cluster[fleet.row_gang]).all()
        running = fleet.placed > 0
        assert (fleet.placed[running] >= staged.jobs.min_available[running]).all()


def test_a_cluster_cut_off_runs_on_and_takes_work_again(staged: Scenario) -> None:
    start_s = staged.start_s
    end_s = start_s + 6 * 3_600
    outages = (Outage(staged.clusters[1], start_s, end_s),)
    run = Replay(replace(staged, outages=outages), Keeps(0.4))
    mine = staged.node_cluster == 1
    for frame in run.steps():
        if frame.at_s <= end_s:
            assert not frame.sold_cores[mine].any()
    assert frame.sold_cores[mine].any()
    assert run.report().partial_gangs == 0


def test_a_cluster_cut_off_in_the_middle_keeps_what_it_runs(staged: Scenario) -> None:
    """Gangs run on in a cluster that nobody hears; without one they never end early."""
    outage = Outage(staged.clusters[0], staged.start_s + 3_600, staged.end_s)
    run = Replay(replace(staged, outages=(outage,)), Keeps(0.4))
    started: set[int] = set()
    for frame in run.steps():
        there = set(np.flatnonzero(run.fleet.cluster == 0).tolist())
        if frame.at_s > outage.start_s + 900 + staged.history.interval_s:
            assert there <= started
        started |= there
    assert started
    assert run.report().evicted_tasks == 0


@pytest.mark.parametrize("days", [14, 14.5, 15 - 1 / 288])
def test_the_replay_begins_when_the_training_ends(days: float) -> None:
    staged = scenario(1, 1, train_days=days)
    assert staged.start_s == round(days * DAY_S)
    assert staged.end_s == min(staged.start_s + DAY_S, 16 * DAY_S - 300)
    assert all(staged.start_s <= at_s <= staged.end_s - DAY_S for at_s in staged.judged_s)


def test_copies_are_jobs_of_their_own_submitted_together() -> None:
    once, thrice = scenario().jobs, scenario(copies=3).jobs
    assert len(thrice.job) == 3 * len(once.job)
    assert len(set(thrice.job)) == len(thrice.job)
    assert thrice.job[:3] == (once.job[0], f"{once.job[0]}#2", f"{once.job[0]}#3")
    for column in ("submit_s", "tasks", "min_available", "duration_s", "cpu_cores"):
        assert getattr(thrice, column).tolist() == np.repeat(getattr(once, column), 3).tolist()


def test_jobs_after_the_end_are_left_out() -> None:
    staged = scenario()
    assert 0 < len(staged.jobs.job) < len(jobs().job)
    assert staged.jobs.submit_s.max() < staged.end_s


def offer(tasks: list[int], duration_s: int, submit_s: list[int]) -> Jobs:
    count = len(tasks)
    return Jobs(
        job=tuple(f"job-{row}" for row in range(count)),
        queue=("q",) * count,
        submit_s=np.array(submit_s),
        tasks=np.array(tasks),
        min_available=np.array(tasks),
        duration_s=np.full(count, duration_s),
        priority=np.zeros(count, np.int64),
        cpu_cores=np.ones(count),
        memory_bytes=np.zeros(count),
    )


@given(
    tasks=st.lists(st.integers(1, 50), min_size=1, max_size=5),
    duration_s=st.integers(1, 2 * DAY_S),
    cores=st.floats(2, 1_000),  # less and no task of one core fits
)
def test_so_many_copies_fill_the_nodes_and_not_one_more(
    tasks: list[int], duration_s: int, cores: float
) -> None:
    made = copies_that_fill(
        offer(tasks, duration_s, [0] * len(tasks)),
        node_cpu_cores=np.array([cores]),
        length_s=DAY_S,
    )
    offered, wanted = sum(tasks) * min(duration_s, DAY_S), FILLED_SHARE * cores * DAY_S
    assert 1 <= made <= 1_000
    assert made == 1_000 or made * offered >= wanted * (1 - 1e-9)
    assert made == 1 or (made - 1) * offered < wanted


def test_jobs_that_come_too_late_offer_nothing() -> None:
    """The first counts from its own time: a job trace that begins late is laid on the start."""
    late = offer([1, 99], DAY_S, [5 * DAY_S, 6 * DAY_S])
    assert copies_that_fill(late, node_cpu_cores=np.array([4.0]), length_s=DAY_S) == 3


def test_tasks_that_no_node_has_room_for_offer_nothing() -> None:
    jobs_of_one_core = offer([1, 1], DAY_S, [0, 0])
    large = replace(jobs_of_one_core, cpu_cores=np.array([1.0, 4.0]))
    assert copies_that_fill(large, node_cpu_cores=np.array([4.0, 4.0]), length_s=DAY_S) == 6


def test_work_that_cannot_be_done_before_the_end_does_not_count() -> None:
    halfway = offer([1, 1], DAY_S, [0, DAY_S // 2])
    assert copies_that_fill(halfway, node_cpu_cores=np.array([6.0]), length_s=DAY_S) == 3


def test_the_trace_is_not_changed_by_a_replay() -> None:
    before = trace(1, 1).usage.cpu_cores.copy()
    list(replay(scenario(1, 1), "slacktide").steps())
    np.testing.assert_array_equal(trace(1, 1).usage.cpu_cores, before)


def test_nothing_starts_before_it_was_submitted(ours: Played) -> None:
    fleet = ours.replay.fleet
    started = ~np.isnan(fleet.first_start_s)
    assert (fleet.first_start_s >= fleet.jobs.submit_s)[started].all()
    assert (fleet.state[~fleet.known] == WAITING).all()
