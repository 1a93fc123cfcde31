"""What the replay plays back is what the trace holds, summed by node."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from simulator.core import demand
from simulator.core.demand import demand_of
from slacktide.trace import NEVER, Nodes, Pods, Trace, Usage

NAN = float("nan")
Rows = list[list[float]]


def fleet(
    node: list[int], cpu: Rows, *, peak: Rows | None = None, memory: Rows | None = None
) -> Trace:
    """One pod a row of samples, on two nodes."""
    pods = len(node)
    names, nothing = tuple(f"pod-{row}" for row in range(pods)), np.full(pods, NAN)

    def samples(rows: Rows | None) -> np.ndarray | None:
        return None if rows is None else np.array(rows, np.float32).reshape(pods, -1)

    used = samples(cpu)
    assert used is not None
    return Trace(
        name="by hand",
        source="",
        licence="",
        interval_s=300,
        nodes=Nodes(("one", "two"), ("here", "here"), np.full(2, 16.0), np.full(2, 2.0**36)),
        pods=Pods(
            pod=names,
            namespace=names,
            workload=names,
            kind=names,
            qos=("LS",) * pods,
            node=np.array(node, np.int64),
            cpu_request_cores=nothing,
            cpu_limit_cores=nothing,
            memory_request_bytes=nothing,
            memory_limit_bytes=nothing,
            start_s=np.zeros(pods, np.int64),
            end_s=np.full(pods, NEVER),
        ),
        usage=Usage(
            pod=np.arange(pods),
            container=("main",) * pods,
            cpu_cores=used,
            cpu_max_cores=samples(peak),
            memory_bytes=samples(memory),
        ),
    )


def test_demand_is_the_sum_of_the_pods_on_each_node() -> None:
    found = demand_of(fleet([0, 1, 0], [[1, 2], [4, 8], [0.5, 0.25]]))
    assert found.mean_cores.tolist() == [[1.5, 2.25], [4, 8]]


def test_a_missing_sample_is_no_demand() -> None:
    found = demand_of(fleet([0, 0, 1], [[1, NAN], [NAN, NAN], [NAN, 3]], memory=[[5, NAN]] * 3))
    assert found.mean_cores.tolist() == [[1, 0], [0, 3]]
    assert found.memory_bytes.tolist() == [[10, 0], [5, 0]]


def test_deviations_of_pods_add_as_squares() -> None:
    found = demand_of(fleet([0, 0, 1], [[1], [2], [7]], peak=[[4], [6], [7]]))
    assert found.peak_cores[:, 0] == pytest.approx([3 + 5, 7])


def test_where_no_maximum_is_known_the_peak_is_the_mean() -> None:
    found = demand_of(fleet([0, 1], [[1, 2], [3, 4]], peak=[[3, NAN], [NAN, NAN]]))
    assert found.peak_cores.tolist() == [[3, 2], [3, 4]]
    flat = demand_of(fleet([0, 1], [[1, 2], [3, 4]]))
    assert flat.peak_cores.tolist() == flat.mean_cores.tolist()


def test_a_maximum_below_its_mean_counts_as_the_mean() -> None:
    found = demand_of(fleet([0], [[3.0]], peak=[[2.0]]))
    assert found.peak_cores[0, 0] == 3


def test_without_memory_samples_none_is_in_use() -> None:
    assert demand_of(fleet([0], [[1, 2]])).memory_bytes.tolist() == [[0, 0], [0, 0]]


def test_a_node_without_pods_and_a_trace_without_samples_are_idle() -> None:
    assert demand_of(fleet([0], [[1]])).mean_cores.tolist() == [[1], [0]]
    assert demand_of(fleet([0], [[]])).mean_cores.shape == (2, 0)


@given(
    cpu=arrays(np.float32, (5, 7), elements=st.floats(0, 8, width=32)),
    above=arrays(np.float32, (5, 7), elements=st.floats(0, 8, width=32)),
    node=st.lists(st.integers(0, 1), min_size=5, max_size=5),
)
def test_a_peak_lies_between_the_mean_and_all_maxima_at_once(
    cpu: np.ndarray, above: np.ndarray, node: list[int]
) -> None:
    maxima = (cpu + above).tolist()
    found = demand_of(fleet(node, cpu.tolist(), peak=maxima))
    at_once = demand_of(fleet(node, maxima)).mean_cores
    assert (found.peak_cores >= found.mean_cores).all()
    assert (found.peak_cores <= at_once + 1e-4).all()


def test_summing_in_pieces_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    trace = fleet([0, 1, 0], rng.random((3, 11)).tolist(), memory=rng.random((3, 11)).tolist())
    trace = replace(trace, usage=replace(trace.usage, cpu_max_cores=trace.usage.cpu_cores * 2))
    whole = demand_of(trace)
    monkeypatch.setattr(demand, "CHUNK", 4)
    pieces = demand_of(trace)
    assert np.array_equal(whole.mean_cores, pieces.mean_cores)
    assert np.array_equal(whole.peak_cores, pieces.peak_cores)
    assert np.array_equal(whole.memory_bytes, pieces.memory_bytes)
