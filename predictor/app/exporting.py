"""A stretch of one cluster's history as a trace folder, for everything that replays traces.

The whole stretch is held in memory, so it is bounded by its rows, and a larger one is refused with
what to ask for instead.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow as pa

from predictor.adapters.day_files import Torn
from predictor.adapters.parquet_store import DAY_S, ParquetStore
from predictor.core.stored_trace import USED, stored_trace
from slacktide.errors import BadInput
from slacktide.trace import Trace, write_trace

MOST_ROWS: Final = 60_000_000  # two weeks of 15,000 containers: some 4 GB while it is written
COLUMNS: Final = ("ts_s", "pod", "container", *USED)


def exported(store: ParquetStore, cluster: str, *, since_s: int, out: Path) -> Trace:
    """Writes the last `since_s` seconds up to the cluster's newest sample.

    Raises:
        BadInput: nothing is stored of it, it is more than fits, or the folder cannot be written.
    """
    until_s = store.newest_s(cluster)
    if until_s is None:
        there = ", ".join(store.clusters()) or "none"
        raise BadInput(f"{store.root}: nothing of {cluster} to read; clusters there: {there}")
    from_s = until_s - since_s
    days = [day for day in store.days(cluster) if (day + 1) * DAY_S > from_s]
    rows = sum(_rows(store, cluster, day) for day in days)
    if rows > MOST_ROWS:
        raise BadInput(f"{rows:,} samples are more than {MOST_ROWS:,}; give a shorter --since")
    parts = [
        store.read_shard(cluster, shard, from_s, until_s + 1, list(COLUMNS))
        for shard in range(store.shards())
    ]
    about = store.inventory(cluster)
    found = stored_trace(
        pa.concat_tables(parts).unify_dictionaries(),
        about.containers(),
        about.nodes(),
        cluster=cluster,
        from_s=from_s,
        until_s=until_s,
        interval_s=store.interval_s,
    )
    write_trace(found.trace, out)
    return found.trace


def _rows(store: ParquetStore, cluster: str, number: int) -> int:
    day = store.day(cluster, number)
    files = [file for shard in day.shards() for file in day.opened(shard)]
    return sum(file.rows for file in files if not isinstance(file, Torn))
