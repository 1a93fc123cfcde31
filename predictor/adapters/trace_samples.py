"""A trace folder as the history's three tables, cluster by cluster and day by day.

Times count from the trace's origin, as they do in the trace. A pod's request is shared evenly by
its containers, since a trace states it for the pod.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from predictor.core.tables import CONTAINERS, KEY, NODES, SAMPLES
from slacktide.trace import Trace

DAY_S = 86_400
CELLS_AT_ONCE = 2**22
DECLARED = (
    *("cpu_request_cores", "cpu_limit_cores"),
    *("memory_request_bytes", "memory_limit_bytes"),
)


def trace_nodes(trace: Trace, cluster: str) -> pa.Table:
    """A cluster's nodes as `NODES`, seen until the trace's end."""
    nodes = trace.nodes
    rows = [row for row, name in enumerate(nodes.cluster) if name == cluster]
    last_s = (trace.usage.cpu_cores.shape[1] - 1) * trace.interval_s
    columns = [
        pa.array([nodes.node[row] for row in rows], pa.string()),
        pa.array(nodes.cpu_cores[rows], pa.float64()),
        pa.array(nodes.memory_bytes[rows], pa.float64(), from_pandas=True),
        pa.array(np.full(len(rows), last_s)),
    ]
    return pa.Table.from_arrays(columns, schema=NODES)


def trace_containers(trace: Trace, cluster: str) -> pa.Table:
    """A cluster's sampled containers as `CONTAINERS`."""
    series, (first, last) = _series(trace, cluster), _spans(trace)
    pods, pod = trace.pods, trace.usage.pod[series]
    share = np.bincount(trace.usage.pod, minlength=len(pods.pod))[pod]
    columns: dict[str, object] = {
        "pod": pa.array(_pod_names(trace, series), pa.string()),
        "container": pa.array([trace.usage.container[row] for row in series], pa.string()),
        "namespace": pa.array([pods.namespace[row] for row in pod], pa.string()),
        "workload": pa.array([pods.workload[row] for row in pod], pa.string()),
        "kind": pa.array([pods.kind[row] for row in pod], pa.string()),
        "node": pa.array([trace.nodes.node[pods.node[row]] for row in pod], pa.string()),
        "first_seen_s": first[series] * trace.interval_s,
        "last_seen_s": last[series] * trace.interval_s,
    }
    for name in (
        "cpu_request_cores",
        "cpu_limit_cores",
        "memory_request_bytes",
        "memory_limit_bytes",
    ):
        columns[name] = pa.array(getattr(pods, name)[pod] / share, from_pandas=True)
    for field in CONTAINERS:
        columns.setdefault(field.name, pa.nulls(len(series), field.type))
    seen = pa.array(last[series] >= 0)
    return pa.table(columns).select(CONTAINERS.names).filter(seen).cast(CONTAINERS)


def trace_samples(trace: Trace, cluster: str) -> Iterator[tuple[pa.Table, float]]:
    """A cluster's samples as `SAMPLES` with the share done, a day or a part of one at a time."""
    series = _series(trace, cluster)
    per_day = max(1, DAY_S // trace.interval_s)
    columns = trace.usage.cpu_cores.shape[1]
    at_once = max(1, CELLS_AT_ONCE // per_day)
    for first in range(0, columns, per_day):
        for some in range(0, len(series), at_once):
            table = _samples(trace, series[some : some + at_once], slice(first, first + per_day))
            if len(table):
                yield table, min(1.0, (first + per_day) / columns)


def _samples(trace: Trace, series: NDArray[np.int64], stamps: slice) -> pa.Table:
    usage = trace.usage
    values = {
        "cpu_cores": usage.cpu_cores,
        "cpu_max_cores": usage.cpu_max_cores,
        "memory_bytes": usage.memory_bytes,
    }
    known = {name: matrix[series, stamps] for name, matrix in values.items() if matrix is not None}
    rows, at = np.nonzero(np.logical_or.reduce([~np.isnan(cells) for cells in known.values()]))
    which = pa.array(rows.astype(np.int32))
    names = (_pod_names(trace, series), [usage.container[row] for row in series])
    found: dict[str, object] = {"ts_s": pa.array((at + stamps.start) * trace.interval_s)}
    for name, spelt in zip(KEY[1:], names, strict=True):
        found[name] = pa.DictionaryArray.from_arrays(which, pa.array(spelt, pa.string()))
    for field in SAMPLES:
        if field.name in known:
            cells = known[field.name][rows, at]
            found[field.name] = pa.array(cells, pa.float32(), from_pandas=True)
    return pa.table(found)


def _series(trace: Trace, cluster: str) -> NDArray[np.int64]:
    """The rows of usage whose pod's node is in the cluster."""
    here = np.array([name == cluster for name in trace.nodes.cluster], bool)
    return np.flatnonzero(here[trace.pods.node[trace.usage.pod]])


def _spans(trace: Trace) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each series' first and last column with a sample; the last is -1 where there is none."""
    usage = trace.usage
    there = ~np.isnan(usage.cpu_cores)
    for matrix in (usage.cpu_max_cores, usage.memory_bytes):
        if matrix is not None:
            there |= ~np.isnan(matrix)
    last = there.shape[1] - 1 - np.argmax(there[:, ::-1], axis=1)
    return np.argmax(there, axis=1), np.where(there.any(axis=1), last, -1)


def _pod_names(trace: Trace, series: NDArray[np.int64]) -> list[str]:
    """`namespace/name`: names alone repeat between namespaces."""
    pods = trace.pods
    return [f"{pods.namespace[row]}/{pods.pod[row]}" for row in trace.usage.pod[series]]
