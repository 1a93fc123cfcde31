"""A namespace as a cluster has it, in the history's own tables: each workload with one trouble."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from predictor.core.tables import CONTAINERS, NODES, SAMPLES

DAY_S = 86_400
STEP_S = 300
GIB = float(1 << 30)
MIB = float(1 << 20)
MONDAY_S = 4 * DAY_S + 2_900 * 7 * DAY_S  # a Monday's midnight
NOW_S = MONDAY_S + 14 * DAY_S


@dataclass(frozen=True, slots=True)
class Seen:
    """One container of one pod; steady unless `samples` says otherwise, a column a name."""

    workload: str
    cores: float = 0.2
    held: float = 300 * MIB
    pod: str = ""
    container: str = "app"
    kind: str = "Deployment"
    from_s: int = MONDAY_S
    to_s: int = NOW_S
    labels: dict[str, str] | None = None
    facts: dict[str, Any] = field(default_factory=dict)  # of CONTAINERS
    samples: dict[str, dict[int, float]] = field(default_factory=dict)  # column: {row: value}


def tables(seen: list[Seen]) -> tuple[pa.Table, pa.Table, pa.Table]:
    """SAMPLES, CONTAINERS and NODES of them."""
    samples = [_samples(one) for one in seen]
    containers = pa.Table.from_pylist([_row(one) for one in seen], schema=CONTAINERS)
    node = {"node": "n-1", "cpu_cores": 16.0, "memory_bytes": 64 * GIB, "last_seen_s": NOW_S}
    return pa.concat_tables(samples), containers, pa.Table.from_pylist([node], schema=NODES)


def _pod(one: Seen) -> str:
    return f"shop/{one.pod or one.workload + '-0'}"


def _samples(one: Seen) -> pa.Table:
    ts_s = np.arange(one.from_s + STEP_S, one.to_s + 1, STEP_S)
    columns: dict[str, Any] = {
        "ts_s": ts_s,
        "pod": [_pod(one)] * len(ts_s),
        "container": [one.container] * len(ts_s),
        "cpu_cores": np.full(len(ts_s), one.cores),
        "memory_bytes": np.full(len(ts_s), one.held),
    }
    for name, values in one.samples.items():
        column = np.array(columns.get(name, np.zeros(len(ts_s))), dtype=np.float64)
        for row, value in values.items():
            column[row] = value
        columns[name] = column
    made = [
        pa.array(columns[f.name]).cast(f.type) if f.name in columns else pa.nulls(len(ts_s), f.type)
        for f in SAMPLES
    ]
    return pa.table(made, SAMPLES)


def _row(one: Seen) -> dict[str, Any]:
    return {
        "pod": _pod(one),
        "container": one.container,
        "namespace": "shop",
        "workload": one.workload,
        "kind": one.kind,
        "node": "n-1",
        "labels": None if one.labels is None else json.dumps(one.labels, sort_keys=True),
        "cpu_request_cores": 1.0,
        "memory_request_bytes": 2 * GIB,
        "memory_limit_bytes": 2 * GIB,
        "first_seen_s": one.from_s,
        "last_seen_s": one.to_s,
    } | one.facts
