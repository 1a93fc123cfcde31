"""Writes traces and jobs so that a folder holds a whole trace or none.

Files are made in a temporary folder beside the target and moved in when complete. trace.json goes
last and is taken away first: a folder interrupted half way does not read as a trace.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from slacktide.errors import BadInput
from slacktide.trace.columns import NEVER, Jobs, Nodes, Pods, Trace, Usage

CELLS_AT_ONCE: Final = 2**20

USAGE_SCHEMA: Final = pa.schema(
    [
        ("ts_s", pa.int64()),
        ("pod", pa.string()),
        ("container", pa.string()),
        ("cpu_cores", pa.float32()),
        ("cpu_max_cores", pa.float32()),
        ("memory_bytes", pa.int64()),
    ]
)


def write_trace(trace: Trace, folder: Path | str) -> None:
    """Writes nodes, pods, usage and trace.json; other files in `folder` stay."""
    with _moved_in_when_done(Path(folder)) as draft:
        _write_nodes(trace.nodes, draft / "nodes.parquet")
        _write_pods(trace.pods, trace.nodes, draft / "pods.parquet")
        _write_usage(trace, draft / "usage.parquet")
        description = {
            "name": trace.name,
            "source": trace.source,
            "licence": trace.licence,
            "interval_s": trace.interval_s,
            "origin": "first sample",
        }
        (draft / "trace.json").write_text(json.dumps(description, indent=2) + "\n")


def write_jobs(jobs: Jobs, folder: Path | str) -> None:
    """Writes jobs.parquet; other files in `folder` stay."""
    with _moved_in_when_done(Path(folder)) as draft:
        columns = {
            "job": pa.array(jobs.job, pa.string()),
            "queue": pa.array(jobs.queue, pa.string()),
            "submit_s": jobs.submit_s,
            "tasks": jobs.tasks,
            "min_available": jobs.min_available,
            "cpu_cores": jobs.cpu_cores,
            "memory_bytes": _whole_or_null(jobs.memory_bytes),
            "gpu_milli": pa.nulls(len(jobs.job), pa.int64()),
            "gpu_memory_bytes": pa.nulls(len(jobs.job), pa.int64()),
            "duration_s": jobs.duration_s,
            "priority": jobs.priority,
        }
        pq.write_table(pa.table(columns), draft / "jobs.parquet", compression="zstd")


@contextmanager
def _moved_in_when_done(folder: Path) -> Iterator[Path]:
    """A temporary folder whose files move into `folder` if nothing was raised."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as draft:
            yield Path(draft)
            _move_in(Path(draft), folder)
    except OSError as error:
        raise BadInput(f"{folder}: cannot be written: {error}") from error


def _move_in(draft: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    made = sorted(draft.iterdir(), key=lambda file: file.name == "trace.json")
    if made[-1].name == "trace.json":
        (folder / "trace.json").unlink(missing_ok=True)
    for file in made:
        file.replace(folder / file.name)


def _write_nodes(nodes: Nodes, path: Path) -> None:
    columns = {
        "node": pa.array(nodes.node, pa.string()),
        "cluster": pa.array(nodes.cluster, pa.string()),
        "cpu_cores": nodes.cpu_cores,
        "memory_bytes": _whole_or_null(nodes.memory_bytes),
        "gpu_count": np.zeros(len(nodes.node), np.int64),
        "gpu_model": pa.nulls(len(nodes.node), pa.string()),
    }
    pq.write_table(pa.table(columns), path, compression="zstd")


def _write_pods(pods: Pods, nodes: Nodes, path: Path) -> None:
    columns = {
        "pod": pa.array(pods.pod, pa.string()),
        "node": pa.array([nodes.node[row] for row in pods.node], pa.string()),
        "cluster": pa.array([nodes.cluster[row] for row in pods.node], pa.string()),
        "namespace": pa.array(pods.namespace, pa.string()),
        "workload": pa.array(pods.workload, pa.string()),
        "kind": pa.array(pods.kind, pa.string()),
        "qos": pa.array(pods.qos, pa.string()),
        "cpu_request_cores": pa.array(pods.cpu_request_cores, from_pandas=True),
        "cpu_limit_cores": pa.array(pods.cpu_limit_cores, from_pandas=True),
        "memory_request_bytes": _whole_or_null(pods.memory_request_bytes),
        "memory_limit_bytes": _whole_or_null(pods.memory_limit_bytes),
        "start_s": pods.start_s,
        "end_s": pa.array(pods.end_s, mask=pods.end_s == NEVER),
    }
    pq.write_table(pa.table(columns), path, compression="zstd")


def _write_usage(trace: Trace, path: Path) -> None:
    """A row a sample, series by series, a few series at a time."""
    usage = trace.usage
    series, columns = usage.cpu_cores.shape
    names = pa.array([trace.pods.pod[row] for row in usage.pod], pa.string())
    containers = pa.array(usage.container, pa.string())
    at_once = max(1, CELLS_AT_ONCE // max(1, columns))
    with pq.ParquetWriter(path, USAGE_SCHEMA, compression="zstd") as writer:
        for first in range(0, series, at_once):
            rows, stamps, values = _samples(usage, slice(first, first + at_once))
            which = pa.array(rows + first)
            keys = [pa.array(stamps * trace.interval_s), names.take(which), containers.take(which)]
            writer.write_table(pa.Table.from_arrays([*keys, *values], schema=USAGE_SCHEMA))


def _samples(
    usage: Usage, some: slice
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[pa.Array]]:
    """Row, column and values of the cells of some series that hold anything."""
    cpu = usage.cpu_cores[some]
    empty = np.full_like(cpu, np.nan)
    peak = empty if usage.cpu_max_cores is None else usage.cpu_max_cores[some]
    memory = empty if usage.memory_bytes is None else usage.memory_bytes[some]
    rows, stamps = np.nonzero(~(np.isnan(cpu) & np.isnan(peak) & np.isnan(memory)))
    values = [
        pa.array(cpu[rows, stamps], from_pandas=True),
        pa.array(peak[rows, stamps], from_pandas=True),
        _whole_or_null(memory[rows, stamps].astype(np.float64)),
    ]
    return rows, stamps, values


def _whole_or_null(values: NDArray[np.float64]) -> pa.Array:
    """Bytes as whole numbers, NaN as null."""
    missing = np.isnan(values)
    return pa.array(np.where(missing, 0, np.rint(values)).astype(np.int64), mask=missing)
