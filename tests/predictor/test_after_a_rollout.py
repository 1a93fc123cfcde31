"""After a rollout every replica is new and the workload is not: its history goes on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from predictor.core.cold import NAMESPACE_SERIES
from predictor.core.history import History
from predictor.core.recommend import recommendations
from predictor.core.use import Containers
from tests.predictor.conftest import DAY_S, small_fleet

NOW_S = 10 * DAY_S - 1_800
ROLLOUT_S = NOW_S - 3 * 3_600


def rolled_out() -> tuple[History, Containers]:
    """Four replicas until the rollout, then four new ones, each in its place."""
    past = small_fleet(days=10, pods=8)
    new = np.arange(8) >= 4
    cpu, memory = past.cpu_cores.copy(), np.array(past.memory_bytes)
    first = ROLLOUT_S // past.interval_s
    for samples in (cpu, memory):
        samples[new, :first] = np.nan
        samples[~new, first:] = np.nan
    past = replace(
        past,
        cpu_cores=cpu,
        memory_bytes=memory,
        start_s=np.where(new, ROLLOUT_S, 0),
        end_s=np.where(new, past.end_s.max(), ROLLOUT_S),
        cpu_request_cores=np.where(new, 3.0, 2.0),
    )
    one = ("web",) * 8
    return past, Containers(workload=one, namespace=one, kind=one, container=one, cluster=one)


def test_new_replicas_are_sized_from_the_old_ones() -> None:
    past, containers = rolled_out()
    [found] = recommendations(past, containers, NOW_S)
    [before] = recommendations(past, containers, ROLLOUT_S - 1_800)
    assert (found.replicas, found.cpu_request_cores) == (4, 3.0), "the old are no replicas"
    assert found.recommended_cpu_request_cores is not None
    assert found.recommended_cpu_request_cores >= 0.9 * (before.recommended_cpu_request_cores or 9)
    assert found.recommended_memory_request_bytes is not None
    assert found.confidence == pytest.approx(before.confidence, rel=0.1)


def test_a_workload_all_of_whose_pods_have_ended_is_not_sized() -> None:
    past, containers = rolled_out()
    gone = replace(past, end_s=np.full(8, ROLLOUT_S))
    assert recommendations(gone, containers, NOW_S) == ()


def test_what_ended_before_the_window_teaches_nothing() -> None:
    past, containers = rolled_out()
    long_ago = replace(past, end_s=np.where(np.arange(8) < 4, NOW_S - 15 * DAY_S, past.end_s))
    [found] = recommendations(long_ago, containers, NOW_S)
    assert found.recommended_cpu_request_cores is None
    assert found.reason.startswith("not enough data: seen in 4 of the 24 hours needed")


@pytest.mark.parametrize("sized", [NAMESPACE_SERIES, NAMESPACE_SERIES - 1])
def test_a_young_workload_is_told_what_its_namespace_would_suggest(sized: int) -> None:
    past = small_fleet(days=10, pods=sized + 1)
    young = np.arange(sized + 1) == sized
    cpu = np.full_like(past.cpu_cores, 0.5)
    cpu[young, : ROLLOUT_S // past.interval_s] = np.nan
    past = replace(
        past,
        cpu_cores=cpu,
        start_s=np.where(young, ROLLOUT_S, 0),
        end_s=np.full(sized + 1, past.end_s.max()),
    )
    names = tuple(f"w{row:02d}" for row in range(sized + 1))
    one = ("web",) * (sized + 1)
    found = recommendations(past, Containers(names, one, one, one, one), NOW_S)[-1]
    assert found.recommended_cpu_request_cores is None, "hearsay is no recommendation"
    hint = "until then 0." in found.reason and f"as {sized} in its namespace" in found.reason
    assert hint == (sized == NAMESPACE_SERIES)
