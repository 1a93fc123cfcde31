"""What is known of a container beyond its use: autoscalers, heaps, throttling, kills, starts, days.

`circumstances_of` turns the history's tables into one row for each container of each pod, and
`merged` puts the replicas together by maximum, so rows may be made shard by shard, anywhere, in any
order. Departed pods count: a kill is remembered though its pod is gone. Whatever a source does not
tell is null, and what is null changes no number (`predictor.core.mindful`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from predictor.core.job_groups import KINDS, job_groups
from predictor.core.series import Series, series_of
from predictor.core.use import NAMES, Key
from slacktide.messages import FloatArray, IntArray

DAY_S: Final = 86_400
HOUR_S: Final = 3_600
EPOCH_WEEKDAY: Final = 3  # 1970-01-01 was a Thursday; Monday is 0
WEEKDAY_HOURS: Final = tuple(f"weekday_{n}_hours" for n in range(7))

NEWEST: Final = (  # of the newest pod, since a rollout or a deleted autoscaler replaces the older
    "labels",
    "image",
    "cpu_request_cores",
    "memory_request_bytes",
    "cpu_limit_cores",
    "memory_limit_bytes",
    "hpa_cpu_target_share",
    "hpa_memory_target_share",
)
MOST: Final = (  # the largest over the replicas
    "jvm_heap_bytes",
    "cpu_throttled_share",
    "cpu_demand_cores",
    "cpu_typical_cores",
    "cpu_highest_cores",
    "cpu_start_cores",
    "cpu_settled_cores",
    "memory_highest_bytes",
    "memory_start_bytes",
    "memory_settled_bytes",
    "oom_last_s",
    "oom_bytes",
    "coverage_share",
    "last_sample_s",
    "node_cpu_cores",
    "node_memory_bytes",
    *WEEKDAY_HOURS,
)
CIRCUMSTANCES: Final = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in ("pod", *NAMES)),
        pa.field("last_seen_s", pa.int64(), nullable=False),
        *(pa.field(name, pa.string()) for name in NEWEST[:2]),
        *(pa.field(name, pa.float64()) for name in (*NEWEST[2:], *MOST)),
        pa.field("oom_kills", pa.float64()),
        pa.field("only_at_start", pa.bool_(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class SeenSettings:
    """How circumstances are read from samples."""

    percentile: float = 0.95
    """Of samples: throttling and the demand behind it, and a run's typical use."""
    start_up_s: int = 600
    """After a pod's first sample: caches fill, code is compiled, connections are made."""
    least_throttled_share: float = 0.05
    """Of the scheduler periods: below it, throttling is noise of the quota's 100 ms slices."""
    most_unmet: float = 2.0
    """Bound of demand over use: throttled periods tell that use is hidden, less how much."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """One container of one workload, all its replicas together; None where it is not known."""

    cluster: str | None = None
    labels: str | None = None  # a JSON object
    image: str | None = None
    cpu_request_cores: float | None = None
    memory_request_bytes: float | None = None
    cpu_limit_cores: float | None = None
    memory_limit_bytes: float | None = None
    hpa_cpu_target_share: float | None = None
    hpa_memory_target_share: float | None = None
    jvm_heap_bytes: float | None = None
    cpu_throttled_share: float | None = None  # 95th percentile of the samples
    cpu_demand_cores: float | None = None  # 95th percentile, had nothing been throttled
    cpu_typical_cores: float | None = None  # 95th percentile of a run; Jobs alone
    cpu_highest_cores: float | None = None
    cpu_start_cores: float | None = None  # highest in the first minutes, of pods seen starting
    cpu_settled_cores: float | None = None  # highest after them
    memory_highest_bytes: float | None = None
    memory_start_bytes: float | None = None
    memory_settled_bytes: float | None = None
    oom_kills: float | None = None
    oom_last_s: float | None = None
    oom_bytes: float | None = None  # the limit at the kill, else the most that was held
    coverage_share: float | None = None  # hours with samples, of those between first and last
    last_sample_s: float | None = None
    node_cpu_cores: float | None = None  # of the cluster's largest node
    node_memory_bytes: float | None = None
    weekday_hours: tuple[float, ...] | None = None  # seen on Monday, Tuesday, ...; 7 values
    runs: int | None = None  # pods seen, departed ones too
    only_at_start: bool = False  # ended with the pod's first minutes, as init containers do

    @property
    def label_pairs(self) -> Mapping[str, str] | None:
        """The pod's labels; None where they are not known."""
        if self.labels is None:
            return None
        return {str(key): str(value) for key, value in json.loads(self.labels).items()}


UNKNOWN: Final = Circumstances()


def circumstances_of(
    containers: pa.Table,
    samples: pa.Table,
    nodes: pa.Table | None = None,
    *,
    cluster: str,
    now_s: int,
    settings: SeenSettings = SeenSettings(),
) -> pa.Table:
    """One row of `CIRCUMSTANCES` for each container of each pod first seen by `now_s`.

    Args:
        containers: columns of `tables.CONTAINERS`; one cluster's, or a part of it by whole pods.
        samples: columns of `tables.SAMPLES` of the same pods, over the window that is judged;
            quickest when sorted by pod, container and time. Nothing later than `now_s` is read.
        nodes: columns of `tables.NODES`; the largest one bounds what can be requested.
        cluster: the name that the rows get.
        now_s: seconds since the epoch.
        settings: how they are read.
    """
    known = job_groups(containers.filter(pa.array(_ints(containers, "first_seen_s") <= now_s)))
    seen = series_of(known, samples, now_s)
    columns: dict[str, Any] = {name: known[name] for name in ("pod", *NAMES[:4], *NEWEST)}
    columns |= {"cluster": [cluster] * len(known)}
    columns |= {"last_seen_s": np.minimum(_ints(known, "last_seen_s"), now_s)}
    columns |= {"jvm_heap_bytes": known["jvm_heap_bytes"]}
    columns |= _use(seen, known) | _starts(seen, known, settings) | _throttled(seen, settings)
    columns |= _kills(seen, known) | _days(seen) | _largest_node(nodes, len(known))
    columns |= {"only_at_start": _only_at_start(known, settings)}
    return pa.table([_column(columns[field.name], field) for field in CIRCUMSTANCES], CIRCUMSTANCES)


def merged(rows: pa.Table) -> Mapping[Key, Circumstances]:
    """The replicas of each container together, from any number of `circumstances_of` tables.

    `runs` counts pods. Only what every pod of a container says, `only_at_start` says.
    """
    ordered = rows.sort_by([("last_seen_s", "ascending"), ("pod", "ascending")])
    newest = [
        (name, "last", pa.compute.ScalarAggregateOptions(skip_nulls=False)) for name in NEWEST
    ]
    most = [(name, "max") for name in MOST]
    rest = [("oom_kills", "sum"), ("pod", "count_distinct"), ("only_at_start", "all")]
    made = pa.TableGroupBy(ordered, list(NAMES), use_threads=False).aggregate(newest + most + rest)
    return {
        (row["namespace"], row["workload"], row["kind"], row["container"], row["cluster"]): _one(
            row
        )
        for row in made.to_pylist()
    }


def _one(row: Mapping[str, Any]) -> Circumstances:
    hours = tuple(row[f"{name}_max"] for name in WEEKDAY_HOURS)
    most = {name: row[f"{name}_max"] for name in MOST if name not in WEEKDAY_HOURS}
    return Circumstances(
        cluster=row["cluster"],
        weekday_hours=None if None in hours else hours,
        oom_kills=row["oom_kills_sum"],
        runs=row["pod_count_distinct"],
        only_at_start=row["only_at_start_all"],
        **{name: row[f"{name}_last"] for name in NEWEST},
        **most,
    )


def _use(seen: Series, known: pa.Table) -> dict[str, FloatArray]:
    """The highest of each series, and what a Job's run typically uses."""
    jobs = np.isin(np.asarray(known["kind"].to_pylist(), dtype=object), KINDS)
    cpu = seen.column("cpu_cores")
    return {
        "cpu_highest_cores": seen.highest(cpu),
        "cpu_typical_cores": seen.percentile(np.where(jobs[seen.row], cpu, np.nan), 0.95),
        "memory_highest_bytes": seen.highest(seen.column("memory_bytes")),
        "last_sample_s": seen.highest(seen.ts_s.astype(np.float64)),
    }


def _starts(seen: Series, known: pa.Table, settings: SeenSettings) -> dict[str, FloatArray]:
    """The first minutes apart, of pods that were seen starting: later than the first sample of all.

    Where no start was seen, all four are null: there is nothing to tell apart.
    """
    oldest_s = int(seen.ts_s.min()) if len(seen.ts_s) else 0
    started = _ints(known, "first_seen_s") > oldest_s
    since_s = seen.ts_s - seen.lowest(seen.ts_s.astype(np.float64))[seen.row]
    early = started[seen.row] & (since_s <= settings.start_up_s)
    found: dict[str, FloatArray] = {}
    for what, name in (("cpu", "cpu_cores"), ("memory", "memory_bytes")):
        values, unit = seen.column(name), name.rpartition("_")[2]
        found[f"{what}_start_{unit}"] = seen.highest(np.where(early, values, np.nan))
        found[f"{what}_settled_{unit}"] = seen.highest(np.where(early, np.nan, values))
    return found


def _throttled(seen: Series, settings: SeenSettings) -> dict[str, FloatArray]:
    """How often series wait for their quota, and what they would have used instead."""
    share, cpu = np.clip(seen.column("cpu_throttled_share"), 0.0, 1.0), seen.column("cpu_cores")
    ever = np.nan_to_num(seen.highest(share)) >= settings.least_throttled_share
    asked = np.where(ever[seen.row], share, np.nan)
    unmet = 1.0 / np.maximum(1.0 - np.nan_to_num(asked), 1.0 / settings.most_unmet)
    demand = np.where(ever[seen.row], cpu * unmet, np.nan)
    return {
        "cpu_throttled_share": seen.percentile(asked, settings.percentile),
        "cpu_demand_cores": seen.percentile(demand, settings.percentile),
    }


def _kills(seen: Series, known: pa.Table) -> dict[str, FloatArray]:
    """Kills, when the last was, and the limit that pod had, else the most that it held."""
    kills, ts_s = seen.column("oom_kills"), seen.ts_s.astype(np.float64)
    last_s = seen.highest(np.where(np.nan_to_num(kills) > 0, ts_s, np.nan))
    limit = _floats(known, "memory_limit_bytes")
    held = np.where(np.isnan(limit), seen.highest(seen.column("memory_bytes")), limit)
    return {
        "oom_kills": seen.total(kills),
        "oom_last_s": last_s,
        "oom_bytes": np.where(np.isnan(last_s), np.nan, held),
    }


def _days(seen: Series) -> dict[str, FloatArray]:
    """Hours with samples on each weekday, and of all those that lie between first and last."""
    hour = (seen.ts_s - 1) // HOUR_S  # a sample speaks of the time up to its stamp
    new = np.ones(len(hour), dtype=bool)
    new[1:] = (np.diff(hour) != 0) | (np.diff(seen.row) != 0)
    weekday = (hour * HOUR_S // DAY_S + EPOCH_WEEKDAY) % 7
    cell = seen.row * 7 + weekday
    hours = np.bincount(cell, weights=new, minlength=7 * seen.rows).reshape(-1, 7)
    seen_hours, as_float = hours.sum(axis=1), hour.astype(np.float64)
    between = seen.highest(as_float) - seen.lowest(as_float) + 1
    there = seen_hours > 0
    found = {name: np.where(there, hours[:, n], np.nan) for n, name in enumerate(WEEKDAY_HOURS)}
    return found | {"coverage_share": np.where(there, seen_hours / between, np.nan)}


def _largest_node(nodes: pa.Table | None, rows: int) -> dict[str, FloatArray]:
    found = {}
    for name, column in (("node_cpu_cores", "cpu_cores"), ("node_memory_bytes", "memory_bytes")):
        sizes = np.empty(0) if nodes is None else _floats(nodes, column)
        sizes = sizes[np.isfinite(sizes)]
        found[name] = np.full(rows, sizes.max() if sizes.size else np.nan)
    return found


def _only_at_start(known: pa.Table, settings: SeenSettings) -> Any:  # noqa: ANN401  NumPy's bools
    """Which containers ended within their pod's first minutes while the pod went on for an hour."""
    first, last = _ints(known, "first_seen_s"), _ints(known, "last_seen_s")
    pods = known["pod"].combine_chunks().dictionary_encode()
    pod, count = pods.indices.to_numpy().astype(np.int64), len(pods.dictionary)
    pod_first, pod_last = np.full(count, np.iinfo(np.int64).max), np.zeros(count, np.int64)
    np.minimum.at(pod_first, pod, first)
    np.maximum.at(pod_last, pod, last)
    return (last - pod_first[pod] <= settings.start_up_s) & (pod_last[pod] - last >= HOUR_S)


def _column(values: Any, field: pa.Field) -> pa.Array:  # noqa: ANN401  Arrow's, NumPy's or a list
    """As the schema wants it; NaN is null."""
    if isinstance(values, np.ndarray):
        return pa.array(values, from_pandas=True).cast(field.type)
    return values.cast(field.type) if isinstance(values, pa.ChunkedArray) else pa.array(values)


def _ints(table: pa.Table, name: str) -> IntArray:
    return np.asarray(table[name].to_numpy(), dtype=np.int64)


def _floats(table: pa.Table, name: str) -> FloatArray:
    return np.asarray(table[name].to_numpy(), dtype=np.float64)
