"""A small fleet in a store of three shards, with all that makes a history less than tidy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from predictor.adapters.parquet_store import ParquetStore
from predictor.core.fit import Question
from predictor.core.forecast import ForecastSettings
from predictor.core.recommend import SizingSettings
from predictor.core.tables import CONTAINERS, NODES

DAY_S, HOUR_S, INTERVAL_S = 86_400, 3_600, 300
FIRST_S = 19_704 * DAY_S  # a midnight, a day before a week since 1970 begins
GIB = float(1 << 30)
CLUSTER = "here & there"
NODES_NAMED = tuple(f"node-{k}" for k in range(6))


def stored_fleet(root: Path, *, days: int = 4, pods: int = 18, seed: int = 0) -> Question:
    """Writes the store; returns the question of everything at its newest sample."""
    store = ParquetStore(root, interval_s=INTERVAL_S, shards=3)
    names = [f"shop/web-{k}" for k in range(pods)]
    samples = _samples(names, days=days, seed=seed)
    about, last_s = store.inventory(CLUSTER), FIRST_S + days * DAY_S - INTERVAL_S
    about.add_nodes(pa.Table.from_pylist(_nodes(last_s), schema=NODES))
    about.add_containers(pa.Table.from_pylist(_containers(names, last_s), schema=CONTAINERS))
    store.append(CLUSTER, samples)
    store.append(CLUSTER, _corrected(samples))
    about.add_containers(pa.Table.from_pylist([_moved(names[3], last_s)], schema=CONTAINERS))
    return Question(
        cluster=CLUSTER,
        now_s=last_s,
        interval_s=INTERVAL_S,
        shards=3,
        sizing=SizingSettings(),
        forecast=ForecastSettings(horizons_s=(HOUR_S, 4 * HOUR_S)),
    )


def _samples(names: list[str], *, days: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    columns = days * DAY_S // INTERVAL_S
    wave = 1.0 + 0.5 * np.sin(2 * np.pi * np.arange(columns) / (DAY_S // INTERVAL_S))
    cpu = (rng.gamma(4.0, 0.1, (len(names), columns)) * wave).astype(np.float32)
    memory = ((0.5 + 0.1 * rng.random(cpu.shape)) * GIB).astype(np.float32)
    cpu[rng.random(cpu.shape) < 0.02] = np.nan
    table = pa.table(
        {
            "ts_s": np.tile(FIRST_S + INTERVAL_S * np.arange(columns), len(names)),
            "pod": pa.array(names).take(pa.array(np.repeat(np.arange(len(names)), columns))),
            "container": pa.array(["app"] * cpu.size),
            "cpu_cores": pa.array(cpu.reshape(-1), from_pandas=True),
            "memory_bytes": pa.array(memory.reshape(-1), from_pandas=True),
        }
    )
    return table.filter(pa.array(rng.random(cpu.size) > 0.03))  # some never came


def _corrected(samples: pa.Table) -> pa.Table:
    """An hour of the last day a second time, with other values."""
    late = samples.slice(len(samples) // 2, 12)
    return late.set_column(3, "cpu_cores", pa.array([2.5] * len(late), pa.float32()))


def _nodes(last_s: int) -> list[dict[str, object]]:
    return [
        {
            "node": node,
            "cpu_cores": None if node == NODES_NAMED[5] else 8.0,
            "memory_bytes": None if node == NODES_NAMED[4] else 16 * GIB,
            "last_seen_s": last_s - (2 * DAY_S if node == "node-gone" else 0),
        }
        for node in (*NODES_NAMED, "node-gone")
    ]


def _containers(names: list[str], last_s: int) -> list[dict[str, object]]:
    """Replicas on several nodes; one pod of no workload, one on no node, one that has ended.

    The last is not known at all.
    """
    return [
        {
            "pod": name,
            "container": "app",
            "namespace": "shop",
            "workload": None if k == 0 else f"web-{k % 7}",
            "kind": None if k == 0 else "Deployment",
            "node": None if k == 1 else NODES_NAMED[k % 6],
            "cpu_request_cores": 2.0 if k % 2 else None,
            "memory_request_bytes": 4 * GIB,
            "memory_limit_bytes": 6 * GIB,
            "first_seen_s": FIRST_S + (DAY_S if k == 5 else 0),
            "last_seen_s": last_s - (DAY_S if k == 2 else 0),
        }
        for k, name in enumerate(names[:-1])
    ]


def _moved(name: str, last_s: int) -> dict[str, object]:
    """A StatefulSet's pod comes back on another node."""
    known = _containers(["shop/a", "shop/b", "shop/c", name, "shop/d"], last_s)[3]
    return known | {"node": NODES_NAMED[4]}
