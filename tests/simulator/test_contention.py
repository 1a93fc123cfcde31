from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos_controller.core.settings import Settings
from qos_controller.core.signals import OfflineTask
from simulator.core.contention import NodeLoad, Outcome, Phase, contend, phases
from simulator.core.control import Control, KoordinatorSuppress, RealCore

CORES = 64.0
INTERVAL_S = 300.0


def no_tasks() -> tuple[OfflineTask, ...]:
    return ()


def load(held_cores: float, *, quota_cores: float = CORES, tasks: object = no_tasks) -> NodeLoad:
    return NodeLoad(
        capacity_cores=CORES,
        held_cores=held_cores,
        quota_cores=quota_cores,
        memory_used_bytes=0.0,
        memory_capacity_bytes=1e12,
        tasks=tasks,  # type: ignore[arg-type]  # a callable without arguments
    )


def real_core(tick_s: float = 0.05) -> RealCore:
    return RealCore.of(CORES, 0.0, Settings(tick_s=tick_s))


def controls() -> list[Control]:
    return [real_core(), KoordinatorSuppress(quota_cores=CORES)]


@given(
    mean=st.floats(0, 64),
    above=st.floats(0, 64),
    burst_s=st.floats(1, 60),
    length=st.floats(120, 900),
)
def test_a_burst_keeps_the_intervals_mean_where_it_can(
    mean: float, above: float, burst_s: float, length: float
) -> None:
    made = phases(mean, mean + above, interval_s=length, burst_s=burst_s)
    assert sum(phase.length_s for phase in made) == pytest.approx(length)
    used = sum(phase.demand_cores * phase.length_s for phase in made)
    at_least = (mean + above) * burst_s if above else 0.0
    assert used == pytest.approx(max(mean * length, at_least), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("control", controls())
def test_without_contention_offline_gets_all_and_online_loses_nothing(control: Control) -> None:
    outcome = contend(control, load(20.0), (Phase(10.0, INTERVAL_S),), now_s=100.0)
    assert outcome.online_lost_core_s == 0.0
    assert outcome.offline_core_s == pytest.approx(20.0 * INTERVAL_S, rel=0.02)
    assert outcome.contended_s == 0.0


@pytest.mark.parametrize("control", controls())
def test_a_sudden_rise_costs_online_its_excess_only_until_the_loop_has_reacted(
    control: Control,
) -> None:
    outcome = contend(control, load(40.0), (Phase(50.0, INTERVAL_S),), now_s=100.0)
    excess = 50.0 + 40.0 - CORES
    assert outcome.contended_s <= 3 * control.tick_s
    assert 0 < outcome.online_lost_core_s <= excess * 3 * control.tick_s
    assert outcome.quota_cores <= CORES - 50.0


def test_a_faster_loop_loses_less() -> None:
    lost = [
        contend(real_core(tick_s), load(40.0), (Phase(50.0, INTERVAL_S),), now_s=100.0)
        for tick_s in (0.05, 0.2, 1.0)
    ]
    assert [outcome.online_lost_core_s for outcome in lost] == sorted(
        outcome.online_lost_core_s for outcome in lost
    )


@given(
    demands=st.lists(st.floats(0, 100), min_size=1, max_size=4),
    held=st.floats(0, 64),
    quota=st.floats(0, 64),
    peer=st.booleans(),
)
def test_nobody_gets_more_than_there_is_or_loses_more_than_was_asked(
    demands: list[float], held: float, quota: float, peer: bool
) -> None:
    control: Control = KoordinatorSuppress(quota_cores=quota) if peer else real_core()
    stretch = tuple(Phase(demand, 30.0) for demand in demands)
    outcome = contend(control, load(held, quota_cores=quota), stretch, now_s=1_000.0)
    length_s = 30.0 * len(demands)
    asked = sum(min(demand, CORES) for demand in demands) * 30.0
    assert 0 <= outcome.online_lost_core_s <= asked + 1e-6
    assert 0 <= outcome.offline_core_s <= held * length_s + 1e-6
    served = asked - outcome.online_lost_core_s + outcome.offline_core_s
    assert served <= CORES * length_s + 1e-6


def test_offline_that_stays_parked_loses_one_task_and_the_rest_is_told() -> None:
    gone = OfflineTask(task="7@0", cpu_cores=30.0, started_s=0.0, gang="7")
    control = real_core()
    node = load(40.0, tasks=lambda: (gone,))
    evicted: list[Outcome] = []
    for interval in range(6):
        begin_s = 1_000.0 + interval * INTERVAL_S
        outcome = contend(control, node, (Phase(63.0, INTERVAL_S),), now_s=begin_s)
        if outcome.evicted:
            evicted.append(outcome)
            break
        node.quota_cores = outcome.quota_cores
    assert [outcome.evicted for outcome in evicted] == [("7@0",)]
    assert node.held_cores == pytest.approx(10.0)
