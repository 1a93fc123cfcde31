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
from slacktide.messages import BoolArray, FloatArray
from slacktide.trace import Trace

DAY_HOURS = 24
ROWS_AT_ONCE = 256  # series whose samples fit a core's cache
NAMES: Final = ("namespace", "workload", "kind", "container", "cluster")
Key = tuple[str, str, str, str, str]  # the values of NAMES
WEEK_AND_A_DAY = 8  # days known, before a weekly peak can have been seen twice
DECLARED: Final = ("cpu_request_cores", "memory_request_bytes")
STATISTICS: Final = (
    "typical",  # the percentile
    "last_day",  # a lower percentile of the last 24 h
    "median",
    "highest",
    "repeated_peak",  # the highest that some days reached, or the last two days did
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
    last_day_percentile: float,
    peak_days: int,
    counted: BoolArray | None = None,
) -> pa.Table:
    """`USE` of the containers of each workload that ran within the window, by name.

    Reads nothing later than `now_s`, and no more than `window_s` seconds of it. A pod that has
    ended is no replica and declares nothing, but what it used is its workload's history: new
    replicas after a rollout are not strangers. `counted` [S] is False for series that are no
    replica here, because another part of the fleet counts them.
    """
    known = history.until(now_s)
    ended = (known.node >= 0) & (known.end_s <= now_s) & (known.end_s > now_s - window_s)
    rows = np.flatnonzero(known.resident(now_s) | ended)
    if not rows.size:
        return USE.empty_table()
    columns: dict[str, object] = {
        name: pa.array(getattr(containers, name)).take(pa.array(rows)) for name in NAMES
    }
    runs = ~ended[rows]
    columns["replicas"] = (runs if counted is None else runs & counted[rows]).astype(np.int64)
    for name in DECLARED:
        columns[name] = _nullable(np.where(runs, getattr(known, name)[rows], np.nan))
    for resource, samples in (("cpu", known.cpu_cores), ("memory", known.memory_bytes)):
        if samples is None:
            found = dict.fromkeys(STATISTICS, np.full(len(rows), np.nan))
        else:
            found = _use(
                samples[rows],
                known,
                window_s=window_s,
                share=cpu_percentile,
                last_day_share=last_day_percentile,
                peak_days=peak_days,
            )
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
    samples: Samples,
    history: History,
    *,
    window_s: int,
    share: float,
    last_day_share: float,
    peak_days: int,
) -> dict[str, FloatArray]:
    """`STATISTICS` [S] of one resource over the window; NaN where nothing was seen."""
    day = DAY_HOURS * history.per_hour
    columns = window_s // history.interval_s
    window = samples[:, max(samples.shape[1] - columns, 0) :]
    if window.shape[1] % day:
        lacking = day - window.shape[1] % day
        window = np.pad(window, ((0, 0), (lacking, 0)), constant_values=np.nan)
    hours = window.reshape(len(window), -1, history.per_hour)
    typical, median, highest = percentiles(window, (share, 0.5, 1.0))
    return {
        "typical": typical,
        "last_day": percentile(window[:, -day:], last_day_share),
        "median": median,
        "highest": highest,
        "repeated_peak": repeated_peak(window.reshape(len(window), -1, day), peak_days=peak_days),
        "hours": (~np.isnan(hours)).any(axis=2).sum(axis=1).astype(np.float64),
    }


def repeated_peak(days: Samples, *, peak_days: int) -> FloatArray:
    """[S] what `peak_days` days reached or the last two did, of samples [S, D, samples of a day].

    A peak of one day alone, three days ago or more, may never come back; what comes every week is
    seen twice in two weeks. Where too few days are known to see that, it is the highest peak.
    """
    if not days.shape[1]:
        return np.full(len(days), np.nan)
    peaks = np.where(np.isnan(days), -np.inf, days).max(axis=2).astype(np.float64)
    days_known = np.isfinite(peaks).sum(axis=1)
    ranked = np.sort(peaks, axis=1)
    reached = ranked[:, -min(peak_days, ranked.shape[1])]
    lasting = np.maximum(reached, peaks[:, -2:].max(axis=1))
    found = np.where(days_known < WEEK_AND_A_DAY, ranked[:, -1], lasting)
    return np.where(days_known > 0, found, np.nan)


def percentile(samples: Samples, share: float) -> FloatArray:
    """[S] smallest sample that at least `share` of the known ones do not exceed; NaN if none."""
    (found,) = percentiles(samples, (share,))
    return found


def percentiles(samples: Samples, shares: Sequence[float]) -> list[FloatArray]:
    """[S] of each share, as `percentile`; the samples are sorted once, a few rows at a time."""
    most = samples.shape[1] - 1
    if most < 0:
        return [np.full(len(samples), np.nan) for _ in shares]
    found = np.empty((len(shares), len(samples)))
    for first in range(0, len(samples), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        ranked = np.sort(samples[rows], axis=1)  # NaN last
        known = ranked.shape[1] - np.isnan(ranked).sum(axis=1)
        for at, share in enumerate(shares):
            rank = np.clip(np.ceil(share * known).astype(np.int64) - 1, 0, most)
            found[at, rows] = np.take_along_axis(ranked, rank[:, None], axis=1)[:, 0]
    return list(found)
