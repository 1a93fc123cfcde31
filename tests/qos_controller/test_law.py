"""The law's single pieces, as tables: pressure, feed-forward, guard, cost of a tick."""

from __future__ import annotations

import time
from dataclasses import fields, replace
from pathlib import Path

import pytest

from qos_controller.core import settings as settings_module
from qos_controller.core.decide import decide
from qos_controller.core.decision import Decision, Evict
from qos_controller.core.feed_forward import kept_for_online, left_for_offline
from qos_controller.core.pressure import measure, slow_sum_after
from qos_controller.core.settings import Settings
from qos_controller.core.signals import OfflineTask, Signals
from qos_controller.core.state import EVICT, Ladder, begin

LAW = Settings()
CALM = Signals(
    sampled_s=0.0,
    capacity_cores=10.0,
    online_used_cores=2.0,
    offline_used_cores=3.0,
    memory_capacity_bytes=100.0,
)
TASK = OfflineTask(task="a", cpu_cores=1.0, started_s=0.0)


@pytest.mark.parametrize(
    ("changes", "slow_sum", "level", "cause"),
    [
        ({}, 0.0, 0.0, "cpu"),
        ({"online_full_share": 0.10}, 0.0, 2.0, "cpu"),
        ({"online_full_share": 0.01, "io_pressure_share": 0.2}, 0.0, 2.0, "io"),
        ({"memory_pressure_share": 0.3, "io_pressure_share": 0.2}, 0.0, 3.0, "memory"),
        ({"memory_used_bytes": 94.0}, 0.0, 0.0, "cpu"),
        ({"memory_used_bytes": 100.0}, 0.0, 100 / 95, "memory"),
        ({"memory_used_bytes": 100.0, "memory_capacity_bytes": None}, 0.0, 0.0, "cpu"),
        ({"online_full_share": 0.01}, 2.5, 1.0, "latency"),
    ],
)
def test_pressure_is_the_worst_signal_over_its_limit(
    changes: dict[str, float | None], slow_sum: float, level: float, cause: str
) -> None:
    pressure = measure(replace(CALM, **changes), slow_sum, LAW)  # type: ignore[arg-type]  # cells
    assert pressure.cause == cause
    assert pressure.level == pytest.approx(level)


@pytest.mark.parametrize(
    ("requests", "slow", "rings"),
    [(100, 3, False), (10, 3, True), (1000, 30, False), (100, 6, True), (0, 3, True)],
)
def test_the_cusum_rings_on_more_slow_requests_than_the_budget(
    requests: int, slow: int, rings: bool
) -> None:
    sample = replace(CALM, requests=requests, slow_requests=slow)
    assert (slow_sum_after(0.0, sample, dt_s=0.05, settings=LAW) > LAW.slow_alarm) is rings


def test_a_service_within_its_budget_never_rings() -> None:
    sample, height = replace(CALM, requests=100, slow_requests=3), 0.0
    for _ in range(1000):
        height = slow_sum_after(height, sample, dt_s=0.05, settings=LAW)
    assert height <= LAW.slow_alarm


def test_the_cusum_fades_while_nobody_asks() -> None:
    after_one_time_constant = slow_sum_after(2.0, CALM, dt_s=LAW.slow_forget_s, settings=LAW)
    assert after_one_time_constant == pytest.approx(2.0 * 0.36788, abs=1e-4)


@pytest.mark.parametrize(("offline_used_cores", "goes"), [(0.5, True), (0.1, False)])
def test_nobody_is_evicted_for_cpu_pressure_seen_while_offline_did_not_run(
    offline_used_cores: float, goes: bool
) -> None:
    ladder = Ladder(stage=EVICT, breaches=0b11, breached_s=99.9, hold_s=2.0)
    state = replace(begin(capacity_cores=10.0, now_s=99.9, settings=LAW), ladder=ladder)
    hurting = replace(
        CALM,
        sampled_s=100.0,
        offline_used_cores=offline_used_cores,
        online_full_share=0.5,
        offline_tasks=(TASK,),
    )
    assert evicts(decide(hurting, state, 100.0, LAW)) is goes


@pytest.mark.parametrize(("offline_used_cores", "goes"), [(0.5, True), (0.3, False)])
def test_offline_is_starved_only_while_it_uses_what_it_is_given(
    offline_used_cores: float, goes: bool
) -> None:
    """Online leaves half a core; ten are held."""
    parked = replace(
        CALM,
        online_used_cores=8.6,
        offline_used_cores=offline_used_cores,
        offline_held_cores=10.0,
        offline_tasks=(TASK,),
    )
    state, gone = begin(capacity_cores=10.0, now_s=0.0, settings=LAW), False
    for minute in range(1, 13):
        decision = decide(replace(parked, sampled_s=60.0 * minute), state, 60.0 * minute, LAW)
        state, gone = decision.state, gone or evicts(decision)
    assert gone is goes


def evicts(decision: Decision) -> bool:
    return any(isinstance(action, Evict) for action in decision.actions)


def test_online_is_believed_at_once_when_it_rises_and_slowly_when_it_falls() -> None:
    assert kept_for_online(2.0, 8.0, dt_s=0.05, slow_s=5.0) == 8.0
    assert kept_for_online(8.0, 2.0, dt_s=5.0, slow_s=5.0) == pytest.approx(
        2 + 6 * 0.36788, abs=1e-4
    )


def test_what_online_leaves_is_never_below_the_minimum() -> None:
    assert left_for_offline(CALM, 2.0, LAW) == pytest.approx(7.0)
    assert left_for_offline(CALM, 20.0, LAW) == pytest.approx(0.2)


def test_every_setting_says_its_unit_and_reason() -> None:
    text = Path(settings_module.__file__).read_text()
    for setting in fields(Settings):
        _, _, after = text.partition(f"    {setting.name}: {setting.type}")
        assert after.split("\n", 2)[1].startswith('    """'), setting.name


def test_a_calm_tick_costs_microseconds() -> None:
    """The simulator makes millions of them. The bound is loose, for a busy machine."""
    state = begin(capacity_cores=10.0, now_s=0.0, settings=LAW)
    samples = [replace(CALM, sampled_s=0.05 * tick) for tick in range(1, 2001)]
    best_s = float("inf")
    for _ in range(5):
        started = time.process_time()
        after = state
        for sample in samples:
            after = decide(sample, after, sample.sampled_s, LAW).state
        best_s = min(best_s, (time.process_time() - started) / len(samples))
    assert best_s < 60e-6
