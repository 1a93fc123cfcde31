"""What each container of each workload used: the few numbers that its right size is made from.

A table of one row per container of a workload, over any part of a fleet. What always holds: the
statistic of several replicas is that of the hungriest one, so tables of the parts of a fleet merge
into the table of the whole, in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from predictor.core.history import History, Samples
from slacktide.messages import FloatArray
from slacktide.trace import Trace

DAY_HOURS = 24
NAMES: Final = ("namespace", "workload", "kind", "container", "cluster")
Key = tuple[str, str, str, str, str]  # the values of NAMES
DECLARED: Final = ("cpu_request_cores", "memory_request_bytes")
STATISTICS: Final = (
    "typical",  # the percentile
    "last_day",  # the percentile of the last 24 h
    "median",
    "highest",
    "usual_peak",  # median of the daily peaks
    "hours",  # with any sample
)
LARGEST: Final = (
    *DECLARED,
    *(f"{resource}_{name}" for resource in ("cpu", "memory") for name in STATISTICS),
)

USE: Final = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in NAMES),
        pa.field("replicas", pa.int64(), nullable=False),
        *(pa.field(name, pa.float64()) for name in LARGEST),  # cores or bytes, null = not known
    ]
)


@dataclass(frozen=True, slots=True)
class Containers:
    """Whose series each row of a `History` is. S series."""

    workload: tuple[str, ...]
    namespace: tuple[str, ...]
    kind: tuple[str, ...]
    container: tuple[str, ...]
    cluster: tuple[str, ...]


def containers_of(trace: Trace) -> Containers:
    """Names of a trace's series, in the order of `history_of(trace)`."""
    pods, rows = trace.pods, trace.usage.pod.tolist()
    clusters = trace.nodes.cluster
    nowhere = clusters[0] if len(set(clusters)) == 1 else ""  # of a pod without a known node
    node = pods.node.tolist()
    return Containers(
        workload=tuple(pods.workload[row] for row in rows),
        namespace=tuple(pods.namespace[row] for row in rows),
        kind=tuple(pods.kind[row] for row in rows),
        container=trace.usage.container,
        cluster=tuple(clusters[node[row]] if node[row] >= 0 else nowhere for row in rows),
    )


def statistics(
    history: History,
    containers: Containers,
    now_s: int,
    *,
    window_s: int,
    cpu_percentile: float,
) -> pa.Table:
    """`USE` of the containers of each workload that runs at `now_s`, by name.

    Reads nothing later than `now_s`, and no more than `window_s` seconds of it.
    """
    known = history.until(now_s)
    rows = np.flatnonzero(known.resident(now_s))
    if not rows.size:
        return USE.empty_table()
    columns: dict[str, object] = {
        name: pa.array(getattr(containers, name)).take(pa.array(rows)) for name in NAMES
    }
    columns["replicas"] = np.ones(len(rows), dtype=np.int64)
    for name in DECLARED:
        columns[name] = _nullable(getattr(known, name)[rows])
    for resource, samples in (("cpu", known.cpu_cores), ("memory", known.memory_bytes)):
        if samples is None:
            found = dict.fromkeys(STATISTICS, np.full(len(rows), np.nan))
        else:
            found = _use(samples[rows], known, window_s=window_s, share=cpu_percentile)
        columns |= {f"{resource}_{name}": _nullable(found[name]) for name in STATISTICS}
    return merged([pa.table(columns, schema=USE)])


def merged(parts: Sequence[pa.Table]) -> pa.Table:
    """One `USE` of all parts, by name; a workload that lies in several is one row."""
    whole = pa.concat_tables(parts)
    grouped = whole.group_by(list(NAMES), use_threads=False).aggregate(
        [("replicas", "sum"), *((name, "max") for name in LARGEST)]
    )
    named = grouped.rename_columns([*NAMES, "replicas", *LARGEST])
    return named.sort_by([(name, "ascending") for name in NAMES]).cast(USE)


def _nullable(values: FloatArray) -> pa.Array:
    return pa.array(values, from_pandas=True)  # NaN becomes null, which no maximum takes


def _use(
    samples: Samples, history: History, *, window_s: int, share: float
) -> dict[str, FloatArray]:
    """`STATISTICS` [S] of one resource over the window; NaN where nothing was seen."""
    day = DAY_HOURS * history.per_hour
    columns = window_s // history.interval_s
    window = samples[:, max(samples.shape[1] - columns, 0) :]
    if window.shape[1] % day:
        lacking = day - window.shape[1] % day
        window = np.pad(window, ((0, 0), (lacking, 0)), constant_values=np.nan)
    hours = window.reshape(len(window), -1, history.per_hour)
    days = window.reshape(len(window), -1, day)
    daily = np.where(np.isnan(days), -np.inf, days).max(axis=2).astype(np.float64)
    daily = np.where(np.isinf(daily), np.nan, daily)
    return {
        "typical": percentile(window, share),
        "last_day": percentile(window[:, -day:], share),
        "median": percentile(window, 0.5),
        "highest": percentile(window, 1.0),
        "usual_peak": percentile(daily.astype(np.float32), 0.5),
        "hours": (~np.isnan(hours)).any(axis=2).sum(axis=1).astype(np.float64),
    }


def percentile(samples: Samples, share: float) -> FloatArray:
    """[S] smallest sample that at least `share` of the known ones do not exceed; NaN if none."""
    known = (~np.isnan(samples)).sum(axis=1)
    ranked = np.sort(samples, axis=1)  # NaN last
    if not ranked.shape[1]:
        return np.full(len(samples), np.nan)
    rank = np.clip(np.ceil(share * known).astype(np.int64) - 1, 0, ranked.shape[1] - 1)
    return np.take_along_axis(ranked, rank[:, None], axis=1)[:, 0].astype(np.float64)
