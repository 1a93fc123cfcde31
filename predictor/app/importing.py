"""From a trace folder, a CSV or a Parquet file into the history; doing it again changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from predictor.adapters.parquet_store import ParquetStore
from predictor.adapters.sample_files import sample_batches
from predictor.adapters.store_manifest import INTERVAL_S
from predictor.adapters.trace_samples import trace_containers, trace_nodes, trace_samples
from slacktide.errors import BadInput
from slacktide.trace import read_trace


@dataclass(frozen=True, slots=True)
class Step:
    """What was stored: samples of a cluster, and the share of the source that is done."""

    cluster: str
    samples: int
    done_share: float


def imported(
    source: Path, into: Path, *, cluster: str | None, interval_s: int | None
) -> Iterator[Step]:
    """Stores a source piece by piece.

    Raises:
        BadInput: the source cannot be used, or does not fit the history that is there.
    """
    if source.is_dir():
        return _trace(source, into, cluster, interval_s)
    return _file(source, into, cluster or "default", interval_s)


def _trace(folder: Path, into: Path, cluster: str | None, interval_s: int | None) -> Iterator[Step]:
    """A trace says itself which clusters it has; `cluster` chooses one of them."""
    trace = read_trace(folder)
    if interval_s not in (None, trace.interval_s):
        raise BadInput(f"{folder}: has samples every {trace.interval_s} s, not {interval_s}")
    there = tuple(dict.fromkeys(trace.nodes.cluster))
    if cluster is not None and cluster not in there:
        raise BadInput(f"{folder}: has no cluster {cluster}, only {', '.join(there[:8])}")
    store = ParquetStore(into, interval_s=trace.interval_s)
    chosen = there if cluster is None else (cluster,)
    for place, name in enumerate(chosen):
        inventory = store.inventory(name)
        inventory.add_nodes(trace_nodes(trace, name))
        inventory.add_containers(trace_containers(trace, name))
        for samples, done_share in trace_samples(trace, name):
            yield Step(name, store.append(name, samples), (place + done_share) / len(chosen))


def _file(path: Path, into: Path, cluster: str, interval_s: int | None) -> Iterator[Step]:
    store = ParquetStore(into, interval_s=interval_s)
    for batch in sample_batches(path, interval_s=store.interval_s or INTERVAL_S):
        containers: pa.Table = batch.containers
        store.inventory(cluster).add_containers(containers)
        yield Step(cluster, store.append(cluster, batch.samples), batch.done_share)
