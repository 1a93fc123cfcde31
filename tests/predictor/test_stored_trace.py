"""The bridge: rows of a store become a trace whose every sample lies where and when it was."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.core.series_matrix import series_matrix
from predictor.core.stored_trace import QUIET_S, WEEK_S, StoredTrace, origin_of, stored_trace
from predictor.core.tables import CONTAINERS, NODES
from slacktide.trace import NEVER

WEEK = 2_800 * WEEK_S
INTERVAL_S = 300
Row = tuple[int, str, str, float | None]

rows = st.lists(
    st.tuples(
        st.integers(-3, 12).map(lambda k: k * INTERVAL_S),
        st.sampled_from(["a/x", "a/y", "b/x"]),
        st.sampled_from(["app", "mesh"]),
        st.one_of(st.none(), st.floats(0, 64, width=32)),
    ),
    max_size=40,
)


def table(found: list[Row], *, codes: bool = False, chunks: int = 1) -> pa.Table:
    ts_s, pods, containers, values = zip(*found, strict=True) if found else ((), (), (), ())
    name = pa.dictionary(pa.int32(), pa.string()) if codes else pa.string()
    whole = pa.table(
        {
            "ts_s": pa.array(ts_s, pa.int64()),
            "pod": pa.array(pods, pa.string()).cast(name),
            "container": pa.array(containers, pa.string()).cast(name),
            "cpu_cores": pa.array(values, pa.float32()),
        }
    )
    size = -(-max(len(whole), 1) // chunks)
    return pa.concat_tables([whole.slice(k, size) for k in range(0, max(len(whole), 1), size)])


@given(rows, st.booleans(), st.integers(1, 4))
def test_matrices_equal_placing_each_row_by_hand(
    found: list[Row], codes: bool, chunks: int
) -> None:
    made = series_matrix(
        table(found, codes=codes, chunks=chunks),
        ["cpu_cores"],
        origin_s=0,
        interval_s=INTERVAL_S,
        steps=10,
    )
    series = sorted({(pod, container) for _, pod, container, _ in found})
    by_hand = np.full((len(series), 10), np.nan, dtype=np.float32)
    for ts_s, pod, container, value in found:
        if 0 <= ts_s // INTERVAL_S < 10:
            place = series.index((pod, container)), ts_s // INTERVAL_S
            by_hand[place] = np.nan if value is None else value
    names = [(made.pods[p], c) for p, c in zip(made.pod, made.container, strict=True)]
    assert names == series
    assert made.pods == tuple(sorted({pod for _, pod, _, _ in found}))
    np.testing.assert_array_equal(made.values["cpu_cores"], by_hand)


def test_a_stamp_off_the_grid_is_known_at_the_next_point_and_not_before() -> None:
    made = series_matrix(
        table([(301, "a/x", "app", 1.0)]), ["cpu_cores"], origin_s=0, interval_s=300, steps=4
    )
    assert np.flatnonzero(np.isfinite(made.values["cpu_cores"][0])).tolist() == [2]


def facts(pod: str, **known: object) -> dict[str, object]:
    return {
        "pod": pod,
        "container": "app",
        "namespace": "shop",
        "first_seen_s": WEEK,
        "last_seen_s": WEEK + 7_200,
    } | known


def bridged(
    found: list[Row], containers: list[dict[str, object]], *, until_s: int = WEEK + 7_200
) -> StoredTrace:
    nodes = [
        {"node": "n1", "cpu_cores": 8.0, "memory_bytes": None, "last_seen_s": until_s},
        {"node": "n0", "cpu_cores": None, "memory_bytes": 2.0**34, "last_seen_s": until_s},
    ]
    return stored_trace(
        table(found),
        pa.Table.from_pylist(containers, schema=CONTAINERS),
        pa.Table.from_pylist(nodes, schema=NODES),
        cluster="here",
        from_s=WEEK,
        until_s=until_s,
        interval_s=INTERVAL_S,
    )


def test_hours_and_weekdays_of_the_trace_are_those_of_the_store() -> None:
    for from_s in (WEEK, WEEK + 86_400, WEEK + WEEK_S - 1):
        assert origin_of(from_s) == WEEK
    made = bridged([(WEEK + 3_600, "shop/a", "app", 1.5)], [facts("shop/a")])
    assert made.origin_s == WEEK
    cpu = made.trace.usage.cpu_cores
    assert cpu.shape == (1, 7_200 // INTERVAL_S + 1)
    assert cpu[0, 3_600 // INTERVAL_S] == 1.5
    assert np.isfinite(cpu).sum() == 1


def test_nothing_outside_the_stretch_is_read() -> None:
    made = bridged(
        [(WEEK - 300, "shop/a", "app", 9.0), (WEEK + 7_500, "shop/b", "app", 9.0)],
        [facts("shop/a"), facts("shop/b")],
    )
    assert made.trace.usage.container == ()


def test_a_pod_ends_when_it_was_last_seen_but_not_for_the_last_hour_of_silence() -> None:
    found: list[Row] = [(WEEK + 300, pod, "app", 1.0) for pod in ("shop/a", "shop/b", "shop/c")]
    until_s = WEEK + 86_400
    made = bridged(
        found,
        [facts("shop/a", last_seen_s=until_s - QUIET_S), facts("shop/b", last_seen_s=WEEK + 900)],
        until_s=until_s,
    )
    pods = made.trace.pods
    assert pods.end_s.tolist() == [NEVER, 901, 301]  # nobody knows c: its last sample speaks
    assert made.history.resident(600).tolist() == [False, False, False]  # on no known node


def test_a_workload_of_null_is_the_pod_itself() -> None:
    found: list[Row] = [(WEEK + 300, pod, "app", 1.0) for pod in ("shop/a", "shop/b", "shop/c")]
    made = bridged(
        found, [facts("shop/a", workload="web", kind="Deployment"), facts("shop/b", node="n1")]
    )
    assert made.containers.workload == ("web", "b", "c")
    assert made.containers.kind == ("Deployment", "Pod", "Pod")
    assert made.containers.namespace == ("shop", "shop", "shop")
    assert made.known_node == (None, "n1", None)


def test_nodes_of_unknown_size_and_pods_of_unknown_node_are_there() -> None:
    made = bridged(
        [(WEEK + 300, "shop/a", "app", 1.0), (WEEK + 300, "shop/b", "app", 1.0)],
        [facts("shop/a", node="n0"), facts("shop/b", node="elsewhere")],
    )
    assert made.trace.nodes.node == ("n0", "n1")
    np.testing.assert_array_equal(made.trace.nodes.cpu_cores, [np.nan, 8.0])
    np.testing.assert_array_equal(made.trace.nodes.memory_bytes, [2.0**34, np.nan])
    assert made.trace.pods.node.tolist() == [0, -1]


def test_each_container_keeps_its_own_request_though_a_trace_knows_only_the_pods() -> None:
    found: list[Row] = [(WEEK + 300, "shop/a", name, 1.0) for name in ("app", "mesh")]
    made = bridged(
        found,
        [
            facts("shop/a", cpu_request_cores=2.0, memory_limit_bytes=3e9, image="web:1"),
            facts("shop/a", container="mesh", cpu_request_cores=0.5, memory_limit_bytes=None),
        ],
    )
    assert made.history.cpu_request_cores.tolist() == [2.0, 0.5]
    assert made.trace.pods.cpu_request_cores.tolist() == [2.5]
    assert np.isnan(made.trace.pods.memory_limit_bytes).all()  # one declares none
    assert made.image.tolist() == [0, -1]


def test_an_empty_stretch_is_an_empty_trace() -> None:
    made = bridged([], [facts("shop/a")])
    assert made.trace.usage.cpu_cores.shape == (0, 25)
    assert made.history.nodes == ("n0", "n1")


@pytest.mark.parametrize("codes", [False, True])
def test_rows_in_any_order_give_the_same_trace(codes: bool) -> None:
    rng = np.random.default_rng(3)
    found: list[Row] = [
        (WEEK + 300 * k, f"shop/{pod}", "app", float(rng.random())) for pod in "abc" for k in (1, 2)
    ]
    shuffled = [found[k] for k in rng.permutation(len(found))]
    one, other = (
        series_matrix(
            table(some, codes=codes), ["cpu_cores"], origin_s=WEEK, interval_s=300, steps=5
        )
        for some in (found, shuffled)
    )
    assert one.pods == other.pods
    np.testing.assert_array_equal(one.values["cpu_cores"], other.values["cpu_cores"])
