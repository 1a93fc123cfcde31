"""A stretch of the stored history as a trace, and as what a fit reads.

A trace counts its seconds from an origin; here that is the midnight of a whole week (counted from
1970) before the first sample, so that hours and weekdays of every stretch mean the same and what
was learned on one is true on the next. `origin_s + t` is the store's own time of a trace's second
t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from predictor.core.history import HOUR_S, History, Samples, history_of, numbered
from predictor.core.series_matrix import SeriesMatrix, series_matrix
from predictor.core.use import Containers, containers_of
from slacktide.messages import FloatArray, IntArray
from slacktide.trace import NEVER, Nodes, Pods, Trace, Usage

WEEK_S = 7 * 24 * HOUR_S
QUIET_S = HOUR_S  # a container last seen longer than this before the end has ended
USED = ("cpu_cores", "cpu_max_cores", "memory_bytes", "oom_kills")  # of `SAMPLES`
LONE_KIND = "Pod"  # of a pod that belongs to no workload we know of

_PER_CONTAINER = (
    "cpu_request_cores",
    "cpu_limit_cores",
    "memory_request_bytes",
    "memory_limit_bytes",
)


@dataclass(frozen=True, slots=True)
class StoredTrace:
    """A trace whose second 0 is `origin_s` of the store, and facts of its containers [S]."""

    trace: Trace
    origin_s: int
    known_node: tuple[str | None, ...]  # where its pod runs, also on a node that is not here
    cpu_request_cores: FloatArray
    cpu_limit_cores: FloatArray
    memory_request_bytes: FloatArray
    memory_limit_bytes: FloatArray
    image: IntArray  # the same number, the same image; -1 unknown
    oom_kills: Samples | None  # [S, T]

    @property
    def history(self) -> History:
        """With the requests of the containers themselves: a trace knows only those of pods."""
        return replace(
            history_of(self.trace),
            cpu_request_cores=self.cpu_request_cores,
            memory_request_bytes=self.memory_request_bytes,
            memory_limit_bytes=self.memory_limit_bytes,
            image=self.image,
            oom_kills=self.oom_kills,
        )

    @property
    def containers(self) -> Containers:
        """Names of the series of `history`."""
        return containers_of(self.trace)


def origin_of(from_s: int) -> int:
    """The start of the week that holds a time of the store."""
    return from_s // WEEK_S * WEEK_S


def stored_trace(
    samples: pa.Table,
    containers: pa.Table,
    nodes: pa.Table,
    *,
    cluster: str,
    from_s: int,
    until_s: int,
    interval_s: int,
) -> StoredTrace:
    """`SAMPLES` with `from_s <= ts_s <= until_s`, their `CONTAINERS` and the `NODES` as a trace.

    A pod whose containers were last seen clearly before `until_s` has ended; one that nobody knows
    is a workload of its own and runs on no known node; a workload of null is the pod itself.
    """
    ts_s = samples["ts_s"]
    if len(ts_s) and (pc.min(ts_s).as_py() < from_s or pc.max(ts_s).as_py() > until_s):
        samples = samples.filter((pc.field("ts_s") >= from_s) & (pc.field("ts_s") <= until_s))
    columns = [name for name in USED if _known(samples, name)]
    first_s = pc.min(samples["ts_s"]).as_py()
    origin_s = origin_of(from_s if first_s is None else max(first_s, from_s))
    found = series_matrix(
        samples,
        columns,
        origin_s=origin_s,
        interval_s=interval_s,
        steps=(until_s - origin_s) // interval_s + 1,
    )
    facts = _facts(found, containers)
    machines = _nodes(nodes, cluster)
    declared = {name: _floats(facts[name]) for name in _PER_CONTAINER}
    trace = Trace(
        name=cluster,
        source="usage history",
        licence="",
        interval_s=interval_s,
        nodes=machines,
        pods=_pods(
            found,
            facts,
            declared,
            machines,
            origin_s=origin_s,
            until_s=until_s,
            interval_s=interval_s,
        ),
        usage=Usage(
            pod=found.pod,
            container=found.container,
            cpu_cores=found.values["cpu_cores"],
            cpu_max_cores=found.values.get("cpu_max_cores"),
            memory_bytes=found.values.get("memory_bytes"),
        ),
    )
    return StoredTrace(
        trace=trace,
        origin_s=origin_s,
        known_node=tuple(facts["node"].to_pylist()),
        image=numbered(facts["image"].to_pylist()),
        oom_kills=found.values.get("oom_kills"),
        **declared,
    )


def _known(samples: pa.Table, name: str) -> bool:
    """Whether a column says anything; of CPU there is always a matrix."""
    there = name in samples.column_names and samples[name].null_count < len(samples)
    return name == "cpu_cores" or there


def _facts(found: SeriesMatrix, containers: pa.Table) -> pa.Table:
    """The row of `CONTAINERS` of each series [S]; nulls where there is none."""
    pods = pa.array(found.pods, pa.string()).take(pa.array(found.pod))
    wanted = _joined(pods, pa.array(found.container, pa.string()))
    there = _joined(containers["pod"], containers["container"])
    return containers.take(pc.index_in(wanted, there))


def _joined(pods: pa.Array, containers: pa.Array) -> pa.Array:
    joined = pc.binary_join_element_wise(pods, containers, "\n")  # which no name holds
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def _nodes(nodes: pa.Table, cluster: str) -> Nodes:
    ordered = nodes.sort_by("node")
    return Nodes(
        node=tuple(ordered["node"].to_pylist()),
        cluster=(cluster,) * len(ordered),
        cpu_cores=_floats(ordered["cpu_cores"]),
        memory_bytes=_floats(ordered["memory_bytes"]),
    )


def _pods(
    found: SeriesMatrix,
    facts: pa.Table,
    declared: dict[str, FloatArray],
    machines: Nodes,
    *,
    origin_s: int,
    until_s: int,
    interval_s: int,
) -> Pods:
    first = np.searchsorted(found.pod, np.arange(len(found.pods)))  # series of a pod lie together
    one = facts.take(pa.array(first))  # the first container speaks for its pod
    bare = [name.partition("/") for name in found.pods]
    start_s = _first_seen_s(facts, first, origin_s)
    last_s = _last_seen_s(found, facts, first, origin_s, interval_s)
    node = pc.fill_null(pc.index_in(one["node"], pa.array(machines.node, pa.string())), -1)
    unknown = node if not isinstance(node, pa.ChunkedArray) else node.combine_chunks()
    totals = {name: _sum(values, found.pod, len(bare)) for name, values in declared.items()}
    return Pods(
        pod=found.pods,
        namespace=_or(one["namespace"], [space for space, _, _ in bare]),
        workload=_or(one["workload"], [name or space for space, _, name in bare]),
        kind=_or(one["kind"], [LONE_KIND] * len(bare)),
        qos=("LS",) * len(bare),
        node=np.asarray(unknown, dtype=np.int64),
        start_s=start_s,
        end_s=np.where(last_s < until_s - origin_s - QUIET_S, last_s + 1, NEVER),
        **totals,
    )


def _first_seen_s(facts: pa.Table, first: IntArray, origin_s: int) -> IntArray:
    """[P] of the trace; what `CONTAINERS` does not know was there from the start."""
    start = np.asarray(pc.fill_null(facts["first_seen_s"], origin_s), dtype=np.int64)
    return (np.minimum.reduceat(start, first) if first.size else start) - origin_s


def _last_seen_s(
    found: SeriesMatrix, facts: pa.Table, first: IntArray, origin_s: int, interval_s: int
) -> IntArray:
    """[P] of the trace; by its last sample where `CONTAINERS` does not know a pod."""
    last = np.asarray(pc.fill_null(facts["last_seen_s"], -1), dtype=np.int64) - origin_s
    unknown = np.flatnonzero(np.asarray(pc.is_null(facts["last_seen_s"])))
    sampled = np.isfinite(found.values["cpu_cores"][unknown])
    last[unknown] = (sampled.shape[1] - 1 - sampled[:, ::-1].argmax(axis=1)) * interval_s
    return np.maximum.reduceat(last, first) if first.size else last


def _sum(values: FloatArray, pod: IntArray, pods: int) -> FloatArray:
    """[P] what the containers of a pod declare together; NaN where one of them declares nothing."""
    total: FloatArray = np.bincount(pod, values, minlength=pods).astype(np.float64)
    return total


def _or(known: pa.ChunkedArray, instead: Sequence[str]) -> tuple[str, ...]:
    return tuple(pc.coalesce(known, pa.array(instead, pa.string())).to_pylist())


def _floats(column: pa.ChunkedArray) -> FloatArray:
    return np.asarray(pc.fill_null(column, float("nan")), dtype=np.float64)
