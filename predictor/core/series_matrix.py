"""Rows of samples become matrices of series by time, without looking at any row one by one.

The store keeps a row per sample, sorted by pod and container; whoever computes wants [S, T]. Rows
of one series lie together, so only the borders of such runs are sorted and named; the samples are
copied straight to their places. Rows in any other order give the same matrices, only slower.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from predictor.core.history import Samples
from slacktide.messages import IntArray


@dataclass(frozen=True, slots=True)
class SeriesMatrix:
    """S series, one per pod and container, by pod and then container; T columns of a grid."""

    pods: tuple[str, ...]  # [P] sorted
    pod: IntArray  # [S] row of `pods`, ascending
    container: tuple[str, ...]  # [S]
    values: dict[str, Samples]  # each [S, T], NaN where there is no sample


def series_matrix(
    samples: pa.Table,
    columns: Sequence[str],
    *,
    origin_s: int,
    interval_s: int,
    steps: int,
) -> SeriesMatrix:
    """The named value columns of `SAMPLES` rows on the grid `origin_s + k * interval_s`, k < steps.

    A stamp between two points of the grid counts at the later one, so nothing is known too early;
    rows outside are left out. Of rows with one place the last counts.
    """
    coded = samples.select(["pod", "container", "ts_s", *columns])
    coded, pods, pod_rank = _coded(coded, "pod")
    coded, containers, container_rank = _coded(coded, "container")
    batches = [batch for batch in coded.to_batches() if batch.num_rows]
    width = max(len(containers), 1)
    runs = [_runs(batch, pod_rank, container_rank, width) for batch in batches]
    named = [codes for _, codes in runs]
    series, row = np.unique(
        np.concatenate(named) if named else np.zeros(0, np.int64), return_inverse=True
    )
    values = {name: np.full((len(series), steps), np.nan, dtype=np.float32) for name in columns}
    rows = np.split(row, np.cumsum([len(codes) for codes in named])[:-1]) if named else []
    for batch, (lengths, _), at in zip(batches, runs, rows, strict=True):
        column = -((origin_s - _numbers(batch, "ts_s")) // interval_s)
        place = np.repeat(at * steps, lengths) + column
        outside = (column < 0) | (column >= steps)
        kept = np.flatnonzero(~outside) if outside.any() else slice(None)
        for name in columns:
            values[name].reshape(-1)[place[kept]] = _numbers(batch, name)[kept]
    pod, container = np.divmod(series, width)
    used, pod = np.unique(pod, return_inverse=True)
    return SeriesMatrix(
        pods=tuple(pods[rank] for rank in used.tolist()),
        pod=pod.astype(np.int64),
        container=tuple(containers[rank] for rank in container.tolist()),
        values=values,
    )


def _coded(samples: pa.Table, name: str) -> tuple[pa.Table, list[str], IntArray]:
    """The table with one dictionary for a column, its names sorted, and each code's rank."""
    column = samples[name]
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column)
    column = column.unify_dictionaries()
    names = column.chunk(0).dictionary if column.num_chunks else pa.array([], pa.string())
    distinct = pc.unique(names)
    ordered = distinct.take(pc.sort_indices(distinct))
    rank = np.asarray(pc.index_in(names, ordered), dtype=np.int64)
    coded = samples.set_column(samples.column_names.index(name), name, column)
    return coded, ordered.to_pylist(), rank


def _runs(
    batch: pa.RecordBatch, pod_rank: IntArray, container_rank: IntArray, width: int
) -> tuple[IntArray, IntArray]:
    """Lengths of the runs of one series, and pod rank * `width` + container rank of each."""
    pod = np.asarray(batch.column("pod").indices)
    container = np.asarray(batch.column("container").indices)
    border = (pod[1:] != pod[:-1]) | (container[1:] != container[:-1])
    starts = np.concatenate([[0], np.flatnonzero(border) + 1])
    codes = pod_rank[pod[starts]] * width + container_rank[container[starts]]
    return np.diff(starts, append=len(pod)), codes


def _numbers(batch: pa.RecordBatch, name: str) -> NDArray[Any]:
    """A column of numbers; a null is NaN."""
    return np.asarray(batch.column(name).to_numpy(zero_copy_only=False))
