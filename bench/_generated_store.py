"""A usage history shaped like real use, of any size, written a shard at a time on all cores.

Each workload has a size (log-normal), a day and a week of its own phase, noise and rare bursts;
memory climbs, falls back and hardly moves within an hour. Every 20th workload has two replicas.
Columns that right-sizing and forecasts do not read are null. Same seed, same bytes.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from predictor.adapters.parquet_store import ParquetStore
from predictor.core.newest import CODED, shards_of
from predictor.core.tables import CONTAINERS, NODES

DAY_S, INTERVAL_S = 86_400, 300
STEPS = DAY_S // INTERVAL_S
FIRST_DAY = 19_705  # a midnight on which a week since 1970 begins
CLUSTER = "big"
NODE_CORES, NODE_BYTES = 32.0, float(128 << 30)
REPLICATED = 20  # each so many'th workload has a second replica
A_NODE_HOLDS = 25  # workloads


@dataclass(frozen=True, slots=True)
class Shape:
    """How much there is."""

    workloads: int
    days: int
    seed: int
    shards: int = 16

    @property
    def pods(self) -> int:
        """Containers with samples."""
        return self.workloads + self.workloads // REPLICATED

    @property
    def nodes(self) -> int:
        """Machines they run on."""
        return max(1, self.workloads // A_NODE_HOLDS)


def write_store(root: Path, shape: Shape) -> int:
    """Writes days 0..days-1, compacted; returns the number of rows."""
    store = ParquetStore(root, interval_s=INTERVAL_S, shards=shape.shards)
    store.append(CLUSTER, day_of_shard(shape, 0, 0).slice(0, 1))  # begins the store
    last_s = (FIRST_DAY + shape.days + 30) * DAY_S
    store.inventory(CLUSTER).add_nodes(_nodes(shape, last_s))
    store.inventory(CLUSTER).add_containers(_containers(shape, last_s))
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        rows = sum(pool.map(partial(_write_shard, root, shape), range(shape.shards)))
    for number in range(shape.days):
        day = store.day(CLUSTER, FIRST_DAY + number)
        day.commit(1_000)
        day.sweep()
    return rows


def _write_shard(root: Path, shape: Shape, shard: int) -> int:
    store, rows = ParquetStore(root), 0
    for number in range(shape.days):
        table = day_of_shard(shape, shard, number)
        if len(table):
            store.day(CLUSTER, FIRST_DAY + number).add_whole(shard, 1_000, table)
        rows += len(table)
    return rows


def day_of_shard(shape: Shape, shard: int, number: int) -> pa.Table:
    """A shard's day of `CODED` rows, sorted by pod, container and ts_s."""
    pods = _pods_of(shape, shard)
    rng = np.random.default_rng([shape.seed, shard])
    size = np.exp(rng.normal(-2.0, 1.2, (len(pods), 1))).astype(np.float32)
    phase, swing = rng.random((len(pods), 1)) * 0.3, rng.random((len(pods), 1)) * 0.8
    resident = np.exp(rng.normal(19.5, 1.0, (len(pods), 1))).astype(np.float32)
    rng = np.random.default_rng([shape.seed, shard, number])
    at = np.arange(STEPS) / STEPS
    week = 0.8 if number % 7 >= 5 else 1.0
    wave = (1 + swing * np.sin(2 * np.pi * (at + phase))).astype(np.float32) * np.float32(week)
    noise = rng.standard_normal(wave.shape, dtype=np.float32)
    cpu = size * wave * np.exp(np.float32(0.25) * noise)
    cpu[rng.random(wave.shape, dtype=np.float32) < 0.002] *= 4
    drift = np.cumsum(rng.standard_normal((len(pods), 24), dtype=np.float32), axis=1) * 0.01
    memory = resident * (1 + np.abs(np.repeat(drift, STEPS // 24, axis=1)))
    names = [name for name, _ in pods]
    return _table(names, number, np.round(cpu, 4), np.round(memory / 4096) * 4096)


def _table(
    names: list[str], number: int, cpu: NDArray[np.float32], memory: NDArray[np.float32]
) -> pa.Table:
    rows = cpu.size
    ts_s = (FIRST_DAY + number) * DAY_S + INTERVAL_S * np.arange(STEPS)
    code = np.repeat(np.arange(len(names), dtype=np.int32), STEPS)
    columns = {
        "ts_s": pa.array(np.tile(ts_s, len(names))),
        "pod": pa.DictionaryArray.from_arrays(code, pa.array(names, pa.string())),
        "container": pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array(["app"])),
        "cpu_cores": pa.array(cpu.reshape(-1)),
        "memory_bytes": pa.array(memory.reshape(-1)),
    }
    for field in CODED:
        columns.setdefault(field.name, pa.nulls(rows, field.type))
    return pa.table({name: columns[name] for name in CODED.names}, schema=CODED)


def _all_pods(shape: Shape) -> list[tuple[str, int]]:
    """Each pod and its node's number, by name."""
    pods = [(f"ns-{w % 200}/app-{w:06d}-a", w % shape.nodes) for w in range(shape.workloads)]
    more = range(0, shape.workloads - REPLICATED + 1, REPLICATED)
    pods += [(f"ns-{w % 200}/app-{w:06d}-b", (w * 7 + 3) % shape.nodes) for w in more]
    return sorted(pods)


def _pods_of(shape: Shape, shard: int) -> list[tuple[str, int]]:
    home = shards_of((_node(k) for k in range(shape.nodes)), {}, shape.shards)
    return [(pod, node) for pod, node in _all_pods(shape) if home[node] == shard]


def _node(number: int) -> str:
    return f"node-{number:05d}"


def _nodes(shape: Shape, last_s: int) -> pa.Table:
    return pa.table(
        {
            "node": [_node(number) for number in range(shape.nodes)],
            "cpu_cores": np.full(shape.nodes, NODE_CORES),
            "memory_bytes": np.full(shape.nodes, NODE_BYTES),
            "last_seen_s": np.full(shape.nodes, last_s),
        },
        schema=NODES,
    )


def _containers(shape: Shape, last_s: int) -> pa.Table:
    pods = _all_pods(shape)
    bare = [pod.partition("/") for pod, _ in pods]
    rows = len(pods)
    known: dict[str, object] = {
        "pod": [pod for pod, _ in pods],
        "container": ["app"] * rows,
        "namespace": [space for space, _, _ in bare],
        "workload": [name[:-2] for _, _, name in bare],
        "kind": ["Deployment"] * rows,
        "node": [_node(node) for _, node in pods],
        "cpu_request_cores": np.full(rows, 1.0),
        "memory_request_bytes": np.full(rows, float(1 << 30)),
        "first_seen_s": np.full(rows, FIRST_DAY * DAY_S),
        "last_seen_s": np.full(rows, last_s),
    }
    for field in CONTAINERS:
        known.setdefault(field.name, pa.nulls(rows, field.type))
    return pa.table({name: known[name] for name in CONTAINERS.names}, schema=CONTAINERS)
