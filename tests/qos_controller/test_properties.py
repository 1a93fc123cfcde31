"""What holds whatever a node tells: bounds, few evictions, none without news, a way back."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qos_controller.core.decide import decide
from qos_controller.core.decision import Decision, Evict, Freeze
from qos_controller.core.settings import Settings
from qos_controller.core.signals import OfflineTask, Signals
from qos_controller.core.state import CALM, EVICT, Ladder, NodeState, begin

LAW = Settings()
CORES = 32.0
GIB = 2**30

shares = st.floats(0.0, 1.0)
cores = st.floats(0.0, CORES)
steps_s = st.sampled_from([0.02, 0.025, 0.05, 0.1, 1.0, 30.0, 300.0])

tasks = st.lists(
    st.builds(
        OfflineTask,
        task=st.sampled_from(["a", "b", "c", "d", "e"]),
        cpu_cores=st.floats(0.1, 8.0),
        memory_bytes=st.floats(0.0, 8.0 * GIB),
        started_s=st.floats(-1e5, 0.0),
        checkpoint_s=st.none() | st.floats(-1e5, 0.0),
        gang=st.sampled_from(["", "g", "h"]),
        gang_slack=st.integers(0, 2),
        gang_members=st.integers(1, 64),
    ),
    max_size=3,
    unique_by=lambda task: task.task,
).map(tuple)


@st.composite
def samples(draw: st.DrawFn, *, quiet: bool = False) -> Signals:
    """A sample at time 0; the test puts the time in."""
    slow = draw(st.integers(0, 20)) if not quiet else 0
    return Signals(
        sampled_s=0.0,
        covered_s=draw(st.sampled_from([0.0, 0.05, 2.0])),
        capacity_cores=CORES,
        online_used_cores=draw(cores),
        offline_used_cores=draw(cores),
        system_used_cores=draw(st.floats(0.0, 2.0)),
        online_full_share=0.0 if quiet else draw(st.none() | shares),
        requests=draw(st.none() | st.integers(0, 100)),
        slow_requests=slow,
        memory_pressure_share=None if quiet else draw(st.none() | shares),
        io_pressure_share=None if quiet else draw(st.none() | shares),
        memory_used_bytes=draw(st.floats(0.0, 90.0 if quiet else 100.0)) * GIB,
        memory_capacity_bytes=100.0 * GIB,
        offline_held_cores=draw(st.floats(0.0, 3 * CORES)),
        offline_tasks=draw(tasks),
    )


histories = st.lists(st.tuples(steps_s, samples(), st.integers(1, 30)), max_size=6)


def at(signals: Signals, sampled_s: float) -> Signals:
    fields = {name: getattr(signals, name) for name in Signals.__slots__}
    return Signals(**{**fields, "sampled_s": sampled_s})


def replay(
    history: list[tuple[float, Signals, int]], law: Settings = LAW
) -> Iterator[tuple[float, Signals, NodeState, Decision]]:
    """Each sample is repeated, since a ladder is only climbed by pressure that lasts."""
    state, now_s = begin(capacity_cores=CORES, now_s=0.0, settings=law), 0.0
    for step_s, signals, times in history:
        for _ in range(times):
            now_s += step_s
            sample = at(signals, now_s)
            decision = decide(sample, state, now_s, law)
            yield now_s, sample, state, decision
            state = decision.state


def evictions(decision: Decision) -> list[Evict]:
    return [action for action in decision.actions if isinstance(action, Evict)]


@given(histories)
def test_the_quota_stays_between_the_minimum_and_what_online_leaves(
    history: list[tuple[float, Signals, int]],
) -> None:
    floor = LAW.min_quota_share * CORES
    for _, sample, _, decision in replay(history):
        left = CORES * (1 - LAW.reserve_share) - sample.online_used_cores
        assert floor <= decision.state.quota_cores <= max(floor, left) + 1e-9
        assert str(decision.reason)


@given(histories)
def test_one_at_a_time_goes_and_only_after_the_cooldown(
    history: list[tuple[float, Signals, int]],
) -> None:
    last_s = -math.inf
    for now_s, sample, _, decision in replay(history):
        gone = evictions(decision)
        assert len(gone) <= 1
        for eviction in gone:
            cooldown = LAW.memory_cooldown_s if eviction.cause == "memory" else LAW.cooldown_s
            assert now_s - last_s >= cooldown
            assert eviction.task in {task.task for task in sample.offline_tasks}
            assert not decision.state.open
            last_s = now_s


@given(histories)
def test_frozen_time_is_bounded_by_the_budget_and_its_refill(
    history: list[tuple[float, Signals, int]],
) -> None:
    frozen_s, now_s = 0.0, 0.0
    for now_s, _, before, decision in replay(history):
        for action in decision.actions:
            if isinstance(action, Freeze):
                assert action.until_s == pytest.approx(now_s + LAW.freeze_s)
                assert now_s >= before.ladder.frozen_until_s + LAW.thaw_s
                frozen_s += LAW.freeze_s
    assert frozen_s <= LAW.freeze_budget_s + LAW.freeze_refill_share * now_s + 1e-9


@given(histories)
def test_the_same_input_gives_the_same_decision(
    history: list[tuple[float, Signals, int]],
) -> None:
    assert list(replay(history)) == list(replay(history))


@given(histories)
def test_a_stage_is_climbed_one_step_a_sample(history: list[tuple[float, Signals, int]]) -> None:
    for _, _, before, decision in replay(history):
        assert decision.state.ladder.stage <= before.ladder.stage + 1


@given(histories, st.lists(st.floats(0.0, 600.0), min_size=1, max_size=20), samples())
def test_without_news_nobody_is_evicted_or_frozen_and_nothing_grows(
    history: list[tuple[float, Signals, int]], silence: list[float], old: Signals
) -> None:
    past = list(replay(history))
    now_s, state = (past[-1][0], past[-1][3].state) if past else (0.0, begin_calm())
    sample = at(old, state.sampled_s)
    for gap_s in silence:
        now_s += gap_s
        decision = decide(sample, state, now_s, LAW)
        kinds = {type(action).__name__ for action in decision.actions}
        assert kinds <= {"SetQuota", "SetOpen"}
        assert decision.state.quota_cores <= state.quota_cores
        assert decision.state.open <= state.open
        state = decision.state
    if now_s - state.heard_s >= LAW.stale_close_s:
        assert not state.open


@given(st.sampled_from([math.nan, math.inf, -1.0]), st.booleans())
def test_a_sample_that_cannot_be_true_is_no_news(lie: float, about_capacity: bool) -> None:
    sample = Signals(
        sampled_s=1.0,
        capacity_cores=lie if about_capacity else CORES,
        online_used_cores=4.0 if about_capacity else lie,
        offline_used_cores=0.0,
    )
    before = begin_calm()
    decision = decide(sample, before, 1.0, LAW)
    assert decision.state.heard_s == before.heard_s
    assert not decision.actions


def test_a_sample_from_the_future_does_not_block_those_that_follow() -> None:
    before = begin_calm()
    calm = Signals(
        sampled_s=1e6, capacity_cores=CORES, online_used_cores=4.0, offline_used_cores=4.0
    )
    fooled = decide(calm, before, 1.0, LAW).state
    assert decide(at(calm, 2.0), fooled, 2.0, LAW).state.heard_s == 2.0


@settings(max_examples=50)
@given(histories, samples(quiet=True), st.sampled_from([0.5, 1.0, 30.0]))
def test_without_pressure_the_quota_comes_back_to_the_feed_forward_in_bounded_time(
    history: list[tuple[float, Signals, int]], calm: Signals, step_s: float
) -> None:
    past = list(replay(history))
    now_s, state = (past[-1][0], past[-1][3].state) if past else (0.0, begin_calm())
    # The longest hold, the lock, the growth over the whole node, the estimate's tail.
    bound_s = LAW.hold_max_s + LAW.futile_lock_s + 1 / LAW.growth_share_per_s + 60.0
    end_s = now_s + bound_s + step_s
    while now_s < end_s:
        now_s += step_s
        state = decide(at(calm, now_s), state, now_s, LAW).state
    left = CORES * (1 - LAW.reserve_share) - calm.online_used_cores - calm.system_used_cores
    goal = max(LAW.min_quota_share * CORES, left)
    assert state.ladder.stage == CALM
    assert state.quota_cores == pytest.approx(goal, abs=1.01 * LAW.ignore_share * CORES)


@given(samples(quiet=True), st.integers(1, 200))
def test_without_pressure_nobody_goes_unless_suppressed_for_minutes(
    calm: Signals, times: int
) -> None:
    for now_s, _, _, decision in replay([(1.0, calm, times)]):
        assert now_s < LAW.starved_after_s
        assert not evictions(decision)
        assert decision.state.ladder.stage == CALM


def test_a_service_that_falls_silent_after_an_alarm_is_not_guilty_for_ever() -> None:
    bad = Signals(
        sampled_s=0.0,
        capacity_cores=CORES,
        online_used_cores=4.0,
        offline_used_cores=8.0,
        requests=20,
        slow_requests=2,
    )
    quiet = Signals(
        sampled_s=0.0, capacity_cores=CORES, online_used_cores=4.0, offline_used_cores=8.0
    )
    last = list(replay([(0.05, bad, 10), (1.0, quiet, 60)]))[-1][3]
    assert last.state.ladder.stage == CALM
    assert last.state.slow_sum < 0.01


def test_only_a_member_of_the_ladder_above_the_budget_evicts() -> None:
    """The counter-example that keeps the bounds above honest: they do evict, freeze and climb."""
    hurting = Signals(
        sampled_s=0.0,
        capacity_cores=CORES,
        online_used_cores=16.0,
        offline_used_cores=8.0,
        online_full_share=0.5,
        offline_tasks=(OfflineTask(task="a", cpu_cores=1.0, started_s=0.0),),
    )
    decisions = [decision for *_, decision in replay([(0.05, hurting, 400)])]
    assert max(decision.state.ladder.stage for decision in decisions) == EVICT
    assert [gone.task for decision in decisions for gone in evictions(decision)] == ["a"]


def begin_calm() -> NodeState:
    return NodeState(
        decided_s=0.0,
        heard_s=0.0,
        capacity_cores=CORES,
        quota_cores=CORES / 2,
        ladder=Ladder(hold_s=LAW.hold_s),
    )
