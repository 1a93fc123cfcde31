"""What a snapshot refuses, and how forecasts become free amounts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from scheduler.core.snapshot import (
    RunningColumns,
    Snapshot,
    held_through,
    nodes_from_forecasts,
)
from slacktide.messages import NodeForecasts
from tests.scheduler.clusters import (
    GIB,
    HOUR_S,
    Bundle,
    Gang,
    Node,
    Queue,
    World,
    real,
    running_columns,
    whole,
)


def snapshot() -> Snapshot:
    queues = [Queue("top"), Queue("q", parent="top")]
    return World([Node("a", (4,)), Node("b", (4,))], queues, pending=[Gang("g")]).snapshot()


def gang(**changes: object) -> Callable[[], object]:
    arrays = {name: np.array([value]) for name, value in changes.items()}
    return lambda: replace(snapshot().gangs, **arrays)  # type: ignore[arg-type]  # names vary


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (gang(min_available=0), "gang g: it must need at least 1 task"),
        (gang(min_available=2), "gang g: it must need at least 1 task and at most all"),
        (gang(cpu_cores=-1.0), "gang g: a task must ask for an amount above 0"),
        (gang(memory_bytes=np.nan), "gang g: a task must ask for an amount above 0"),
        (gang(cpu_cores=0.0, memory_bytes=0.0), "gang g: a task must ask for an amount above 0"),
        (gang(duration_s=-1), "gang g: its duration is negative"),
        (
            lambda: replace(snapshot().gangs, priority=whole([1, 2])),
            "gangs: a column has shape",
        ),
        (
            lambda: replace(snapshot(), gangs=replace(snapshot().gangs, queue=whole([9]))),
            "gangs: queue must be between 0 and 1",
        ),
        (
            lambda: replace(snapshot(), gangs=replace(snapshot().gangs, queue=whole([0]))),
            "gang g: queue top has queues below it",
        ),
        (
            lambda: replace(snapshot(), running=running_columns([Bundle(Gang("r"), 2, 1, 1)])),
            "running: node must be between 0 and 1",
        ),
        (
            lambda: replace(snapshot().nodes, horizons_s=whole([])),
            "nodes: a column has shape",
        ),
        (
            lambda: replace(snapshot().nodes, free_cpu_cores=np.full((2, 1), np.nan)),
            "nodes: free amounts must be finite",
        ),
        (
            lambda: replace(
                snapshot().nodes,
                horizons_s=whole([60, 60]),
                free_cpu_cores=np.ones((2, 2)),
                free_memory_bytes=np.ones((2, 2)),
            ),
            "nodes: there must be horizons, and they must ascend",
        ),
    ],
)
def test_columns_that_cannot_be_are_refused_by_name(
    make: Callable[[], object], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()


def test_a_running_task_holds_its_node_through_the_horizon_in_which_it_ends() -> None:
    running = RunningColumns(
        node=whole([0, 0, 1]),
        cpu_cores=real([1, 2, 4]),
        memory_bytes=real([10, 20, 40]),
        end_s=whole([100 + 60, 100 + 61, 100 + 9999]),
    )
    cpu, memory = held_through(running, horizons_s=whole([60, 600, 3600]), nodes=2, now_s=100)
    assert cpu.tolist() == [[3, 2, 0], [4, 4, 4]]
    assert memory.tolist() == [[30, 20, 0], [40, 40, 40]]


def test_a_task_that_outlived_its_prediction_still_holds_the_shortest_horizon() -> None:
    running = RunningColumns(whole([0]), real([1]), real([1]), end_s=whole([50]))
    cpu, _ = held_through(running, horizons_s=whole([60, 600]), nodes=1, now_s=100)
    assert cpu.tolist() == [[1, 0]]


def forecasts() -> NodeForecasts:
    return NodeForecasts(
        at_s=0,
        nodes=("a", "b"),
        horizons_s=(HOUR_S, 24 * HOUR_S),
        peak_cpu_cores=np.array([[2.0, 6.0], [1.0, 1.0]]),
        reclaimable_cpu_cores=np.array([[6.0, 2.0], [3.0, 3.0]]),
        peak_memory_bytes=np.array([[1.0, 2.0], [np.nan, np.nan]]) * GIB,
        reclaimable_memory_bytes=np.array([[7.0, 6.0], [np.nan, np.nan]]) * GIB,
        cpu_risk=0.01,
        memory_risk=0.01,
        reasons=lambda _node, _horizon: "",
    )


def test_what_the_forecast_gives_less_what_batch_holds_is_free() -> None:
    running = RunningColumns(whole([0]), real([4]), real([GIB]), end_s=whole([2 * HOUR_S]))
    nodes = nodes_from_forecasts(forecasts(), running, now_s=0, is_open=np.array([True, False]))
    assert nodes.free_cpu_cores.tolist() == [[2, -2], [3, 3]]
    assert (nodes.free_memory_bytes[0] / GIB).tolist() == [6, 5]
    assert nodes.cpu_cores.tolist() == [8, 4]
    assert nodes.open.tolist() == [True, False]


def test_memory_that_is_not_known_is_sold_to_nobody() -> None:
    nodes = nodes_from_forecasts(
        forecasts(), RunningColumns.none(), now_s=0, is_open=np.array([True, True])
    )
    assert nodes.free_memory_bytes[1].tolist() == [0, 0]
    assert nodes.memory_bytes[1] == 0
