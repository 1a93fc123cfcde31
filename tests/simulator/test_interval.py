"""One interval on every node: the vector step, the contention model, memory, who is sent away."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qos_controller.core.settings import Settings
from qos_controller.core.signals import OfflineTask
from simulator.core.control import KoordinatorSuppress, RealCore
from simulator.core.interval import Machines, Online, Result
from slacktide.messages import FloatArray

CORES, GIB = 64.0, 2.0**30
LENGTH_S = 300.0
TasksOf = Callable[[int], tuple[OfflineTask, ...]]


def machines(nodes: int = 1, *, memory_bytes: float = 256 * GIB, peer: bool = False) -> Machines:
    return Machines(
        cpu_cores=np.full(nodes, CORES),
        memory_bytes=np.full(nodes, memory_bytes),
        controls=[
            KoordinatorSuppress(quota_cores=float("inf"))
            if peer
            else RealCore.of(CORES, 0.0, Settings())
            for _ in range(nodes)
        ],
        burst_s=10.0,
    )


def online(
    mean: list[float],
    *,
    before: list[float] | None = None,
    peak: list[float] | None = None,
    gib: list[float] | None = None,
) -> Online:
    return Online(
        before_cores=np.array(before or mean),
        mean_cores=np.array(mean),
        peak_cores=np.array(peak or mean),
        memory_bytes=np.array(gib or [0.0] * len(mean)) * GIB,
    )


def nobody(node: int) -> tuple[OfflineTask, ...]:
    raise AssertionError(f"nothing must happen on node {node}")


def passed(
    fleet: Machines,
    came: Online,
    held: list[float],
    *,
    held_gib: list[float] | None = None,
    tasks_of: TasksOf = nobody,
    now_s: float = 3_000.0,
) -> Result:
    size: FloatArray = np.array(held_gib or [0.0] * len(held)) * GIB
    return fleet.pass_interval(came, np.array(held), size, tasks_of, now_s=now_s, length_s=LENGTH_S)


def of(node: int) -> tuple[OfflineTask, ...]:
    """Two gangs on each node, the younger one with less to lose."""
    return tuple(
        OfflineTask(
            task=f"{gang}@{node}",
            cpu_cores=8.0,
            memory_bytes=32 * GIB,
            started_s=started_s,
            gang=str(gang),
        )
        for gang, started_s in ((7, 0.0), (9, 2_700.0))
    )


@settings(max_examples=40, deadline=None)
@given(
    mean=st.floats(0, 40),
    before=st.floats(0, 40),
    above=st.floats(0, 8),
    held=st.floats(0.1, 64),
    peer=st.booleans(),
)
def test_where_nothing_can_happen_the_vector_step_equals_the_contention_model(
    *, mean: float, before: float, above: float, held: float, peer: bool
) -> None:
    quick, slow = machines(peer=peer), machines(peer=peer)
    calm = float(quick.calm_cores[0])
    came = online([mean], before=[before], peak=[mean + above])
    held = min(held, calm - max(mean + above, before))
    assume(held > 0)
    slow.calm_cores[:] = -1.0  # so that the node goes through the model all the same
    vector = passed(quick, came, [held])
    model = passed(slow, came, [held], tasks_of=lambda _node: ())
    assert vector.offline_cores.tolist() == [held]
    assert model.offline_cores == pytest.approx(vector.offline_cores)
    assert model.speed == pytest.approx(vector.speed)
    assert model.lost_core_s.tolist() == vector.lost_core_s.tolist() == [0]
    assert model.evicted == vector.evicted == ()


def test_only_the_node_with_contention_loses() -> None:
    fleet = machines(3)
    came = online([10.0, 50.0, 50.0], before=[10.0, 10.0, 50.0])
    found = passed(fleet, came, [20.0, 40.0, 0.0], tasks_of=of)
    assert found.offline_cores[0] == 20
    assert found.lost_core_s[0] == 0
    assert 0 < found.lost_core_s[1] < 26 * 10
    assert found.speed[1] < 0.5
    assert found.speed[[0, 2]].tolist() == [1, 1]
    assert found.lost_core_s[2] == 0


def test_a_peak_within_the_interval_stirs_a_node_whose_mean_would_fit() -> None:
    calm = passed(machines(), online([20.0]), [30.0])
    burst = passed(machines(), online([20.0], peak=[60.0]), [30.0], tasks_of=of)
    assert calm.lost_core_s[0] == 0
    assert 0 < burst.lost_core_s[0] <= 26 * 10
    assert burst.offline_cores[0] < calm.offline_cores[0]


def test_a_node_without_offline_work_is_left_alone_however_full_it_is() -> None:
    found = passed(machines(), online([100.0], gib=[300.0]), [0.0])
    assert (found.lost_core_s[0], found.offline_cores[0], found.speed[0]) == (0, 0, 1)


def test_what_the_loop_has_set_stays_in_force_in_the_next_interval() -> None:
    fleet = machines()
    passed(fleet, online([50.0], before=[10.0]), [40.0], tasks_of=of)
    assert fleet.quota_cores[0] <= CORES - 50
    again = passed(fleet, online([50.0]), [40.0], tasks_of=of, now_s=3_300.0)
    assert again.lost_core_s[0] == pytest.approx(0, abs=1e-6)


def test_full_memory_sends_a_task_away_by_its_name() -> None:
    found = passed(machines(), online([5.0], gib=[190.0]), [16.0], held_gib=[64.0], tasks_of=of)
    assert set(found.evicted) <= {"7@0", "9@0"}
    assert found.evicted[:1] == ("9@0",)  # the younger one has less work to lose
    assert found.lost_core_s[0] == 0


def test_each_node_is_asked_for_its_own_tasks_once() -> None:
    asked: list[int] = []

    def tasks_of(node: int) -> tuple[OfflineTask, ...]:
        asked.append(node)
        return of(node)

    found = passed(
        machines(3),
        online([5.0] * 3, gib=[190.0, 10.0, 190.0]),
        [16.0] * 3,
        held_gib=[64.0] * 3,
        tasks_of=tasks_of,
    )
    assert asked == [0, 2]
    assert found.evicted[0] == "9@0"
    assert "9@2" in found.evicted
    assert not any(task.endswith("@1") for task in found.evicted)


def test_enough_memory_stirs_nobody() -> None:
    found = passed(machines(), online([5.0], gib=[100.0]), [16.0], held_gib=[64.0])
    assert found.evicted == ()


def test_unknown_memory_never_fills() -> None:
    fleet = machines(memory_bytes=float("nan"))
    found = passed(fleet, online([50.0], gib=[1e6]), [40.0], held_gib=[1e6], tasks_of=of)
    assert found.evicted == ()


@settings(max_examples=30, deadline=None)
@given(
    mean=st.lists(st.floats(0, 80), min_size=3, max_size=3),
    before=st.lists(st.floats(0, 80), min_size=3, max_size=3),
    above=st.lists(st.floats(0, 40), min_size=3, max_size=3),
    held=st.lists(st.floats(0, 64), min_size=3, max_size=3),
    gib=st.lists(st.floats(0, 300), min_size=3, max_size=3),
    peer=st.booleans(),
)
def test_nobody_gets_more_than_there_is(
    *,
    mean: list[float],
    before: list[float],
    above: list[float],
    held: list[float],
    gib: list[float],
    peer: bool,
) -> None:
    fleet = machines(3, peer=peer)
    peak = [low + more for low, more in zip(mean, above, strict=True)]
    came = online(mean, before=before, peak=peak, gib=gib)
    found = passed(fleet, came, held, held_gib=[64.0] * 3, tasks_of=of)
    assert (found.offline_cores >= 0).all()
    assert (found.offline_cores <= np.array(held) + 1e-9).all()
    assert ((found.speed >= 0) & (found.speed <= 1)).all()
    assert (found.lost_core_s >= 0).all()
    demand_core_s = np.maximum(mean, np.array(peak) * 10 / LENGTH_S) * LENGTH_S
    assert (found.lost_core_s <= demand_core_s + 1e-6).all()
    assert len(set(found.evicted)) == len(found.evicted)
