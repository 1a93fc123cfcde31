"""Small tables for the store's tests, and a store that is a dict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa

from predictor.adapters.parquet_store import DAY_S, ParquetStore
from predictor.adapters.repair import Repair
from predictor.core.tables import CONTAINERS, KEY, SAMPLES

Key = tuple[int, str, str]
FOUR = 4  # shards, so that few pods lie in several


def rows(values: Mapping[Key, float] | Iterable[tuple[Key, float]]) -> pa.Table:
    """Samples with a CPU each, in the given order; a key may come twice."""
    pairs = list(values.items()) if isinstance(values, Mapping) else list(values)
    columns = {name: [key[k] for key, _ in pairs] for k, name in enumerate(KEY)}
    schema = pa.schema([SAMPLES.field(name) for name in (*KEY, "cpu_cores")])
    return pa.table({**columns, "cpu_cores": [cpu for _, cpu in pairs]}, schema=schema)


def as_dict(table: pa.Table) -> dict[Key, float]:
    """The CPU by key, each key once."""
    found = {tuple(row[name] for name in KEY): row["cpu_cores"] for row in table.to_pylist()}
    assert len(found) == len(table), "a key is there twice"
    return found


def on_nodes(nodes: Mapping[str, str], *, seen_s: int = 0) -> pa.Table:
    """Containers that say where each pod runs."""
    found = [
        {
            "pod": pod,
            "container": "app",
            "namespace": "shop",
            "node": node,
            "first_seen_s": seen_s,
            "last_seen_s": seen_s,
        }
        for pod, node in nodes.items()
    ]
    return pa.Table.from_pylist(found, schema=CONTAINERS)


def all_shards(store: ParquetStore, cluster: str, *, to_s: int = 100 * DAY_S) -> dict[Key, float]:
    """What the shards hold together, each key in one of them."""
    columns = (*KEY, "cpu_cores")
    tables = [store.read_shard(cluster, k, 0, to_s, columns) for k in range(store.shards())]
    return as_dict(pa.concat_tables(tables))


def compact_all(store: ParquetStore, cluster: str) -> None:
    """Every day that has parts."""
    repair = Repair(store, cluster)
    for day in repair.due():
        repair.compact(day)


def files(root: Path) -> list[str]:
    """Every file of a cluster's days, as paths below the cluster."""
    found = (path for path in root.glob("cluster=*/day=*/**/*") if path.is_file())
    return sorted("/".join(path.parts[-3:]) for path in found)
