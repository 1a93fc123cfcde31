"""Keeps a history in order around every command that writes: mended before, compacted after."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from predictor.adapters.compaction import Compacted
from predictor.adapters.parquet_store import ParquetStore
from predictor.adapters.repair import Repair
from slacktide.errors import BadInput
from slacktide.progress import progress_over


def existing(root: Path) -> ParquetStore:
    """The history in a folder. Raises `BadInput` where there is none."""
    store = ParquetStore(root)
    if not store.clusters():
        raise BadInput(f"{root}: no history; fill it with slacktide collect or history import")
    return store


def mend(store: ParquetStore) -> None:
    """Sets aside files that were cut short and sweeps what dead writers left."""
    for cluster in store.clusters():
        repair = Repair(store, cluster)
        repair.sweep()
        for _ in repair.set_aside_torn():
            pass


def compact(
    store: ParquetStore,
    clusters: Collection[str] | None = None,
    *,
    before_s: int | None = None,
    every_day: bool = False,
) -> Iterator[tuple[str, int, Compacted]]:
    """Compacts days with parts, with progress; `before_s`: those over by then; `every_day`: all."""
    todo = [
        (cluster, day)
        for cluster in (store.clusters() if clusters is None else clusters)
        for day in (store.days(cluster) if every_day else Repair(store, cluster).due(before_s))
    ]
    for cluster, day in progress_over(todo, total=len(todo), what="compacting"):
        yield cluster, day, Repair(store, cluster).compact(day)
