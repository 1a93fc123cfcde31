"""Reads usage.parquet, the one large file of a trace, into matrices.

The file is read twice: first its keys, which say where each row belongs, then one quantity after
the other straight into place. So memory holds the matrices and some thirty bytes a row, and time
goes into decompression: no Python loop sees a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from slacktide.errors import BadInput
from slacktide.trace.columns import Pods, Usage
from slacktide.trace.door import (
    Bounds,
    Place,
    checked_names,
    checked_numbers,
    checked_whole,
    open_parquet,
    readable,
)

# Limits: above anything a fleet holds, below what would exhaust this process.
MAX_ROWS: Final = 2**29
MAX_COLUMNS: Final = 10**6  # stamps: 9.5 years of 5 min, 11 days of 1 s
MAX_CELLS: Final = 2**29  # series x stamps: 2 GiB a quantity
ROWS_AT_ONCE: Final = 2**20

USED_CORES: Final = Bounds(0, 1_000_000)
USED_BYTES: Final = Bounds(0, 2**50)  # 1 PiB
STAMPS_S: Final = Bounds(0, 10**15)  # the number of columns is the real limit


@dataclass(frozen=True, slots=True)
class _Keys:
    """The R rows' keys: which container of which pod, which stamp."""

    containers: tuple[str, ...]  # [C] every container name there is
    code: NDArray[np.int64]  # [R] pod row * C + container
    column: NDArray[np.int32]  # [R] ts_s // interval_s


@dataclass(frozen=True, slots=True)
class _Cells:
    """Where each row belongs in the matrices [S, T]."""

    series_of_row: NDArray[np.int32]  # [R]
    column_of_row: NDArray[np.int32]  # [R]
    series: int  # S
    columns: int  # T


def read_usage(path: Path, pods: Pods, interval_s: int) -> Usage:
    """The samples of `pods`; series come in the order they first appear in the file."""
    required = ("ts_s", "pod", "container", "cpu_cores")
    names = ("pod", "container")
    file = open_parquet(path, max_rows=MAX_ROWS, required=required, as_dictionary=names)
    keys = _read_keys(path, file, pods, interval_s)
    cells, codes = _cells(path, keys)
    containers = len(keys.containers)
    cpu_cores = _matrix(path, file, cells, "cpu_cores", USED_CORES)
    if cpu_cores is None:
        raise Place(path, "cpu_cores").refuse("holds no sample, only nulls")
    return Usage(
        pod=codes // containers,
        container=tuple(keys.containers[code] for code in codes % containers),
        cpu_cores=cpu_cores,
        cpu_max_cores=_matrix(path, file, cells, "cpu_max_cores", USED_CORES),
        memory_bytes=_matrix(path, file, cells, "memory_bytes", USED_BYTES),
    )


def _read_keys(path: Path, file: pq.ParquetFile, pods: Pods, interval_s: int) -> _Keys:
    """First pass: pod, container and stamp of each row."""
    rows = file.metadata.num_rows
    pod_row, container = np.empty(rows, np.int64), np.empty(rows, np.int64)
    column = np.empty(rows, np.int32)
    pod_of = {name: row for row, name in enumerate(pods.pod)}
    container_of: dict[str, int] = {}
    for first, batch in _batches(path, file, ("ts_s", "pod", "container")):
        here = slice(first, first + len(batch))
        column[here] = _stamps(Place(path, "ts_s", first), batch.column("ts_s"), interval_s)
        pod_row[here] = _pod_rows(Place(path, "pod", first), batch.column("pod"), pod_of)
        place = Place(path, "container", first)
        container[here] = _container_ids(place, batch.column("container"), container_of)
    code = pod_row * len(container_of) + container
    return _Keys(tuple(container_of), code, column)


def _stamps(place: Place, array: pa.Array, interval_s: int) -> NDArray[np.int32]:
    """The column each stamp belongs to."""
    stamps = checked_whole(place, array, STAMPS_S, nullable=False)
    column = stamps // interval_s
    if (column >= MAX_COLUMNS).any():
        row = int(np.argmax(column >= MAX_COLUMNS))
        why = f"{stamps[row]:,.0f} s lies more than {MAX_COLUMNS:,} intervals of {interval_s} s"
        raise place.refuse(f"{why} after the origin; ts_s counts from the trace's origin", row)
    if (stamps != column * interval_s).any():
        row = int(np.argmax(stamps != column * interval_s))
        raise place.refuse(f"{stamps[row]:.0f} is no multiple of interval_s {interval_s}", row)
    return column.astype(np.int32)


def _pod_rows(place: Place, array: pa.Array, pod_of: dict[str, int]) -> NDArray[np.int64]:
    """Rows of Pods, for names in dictionary form."""
    names, index = _names_and_index(place, array)
    rows = np.array([pod_of.get(name, -1) for name in names], np.int64)[index]
    if (rows < 0).any():
        row = int(np.argmax(rows < 0))
        raise place.refuse(f"{names[index[row]]} is not in pods.parquet", row)
    return rows


def _container_ids(
    place: Place, array: pa.Array, container_of: dict[str, int]
) -> NDArray[np.int64]:
    """Numbers for container names in dictionary form; `container_of` gains the new ones."""
    names, index = _names_and_index(place, array)
    ids = [container_of.setdefault(name, len(container_of)) for name in names]
    return np.array(ids, np.int64)[index]


def _names_and_index(place: Place, array: pa.Array) -> tuple[list[str], NDArray[np.int64]]:
    """The distinct names that occur in an array, and for each row which of them it is."""
    if not pa.types.is_dictionary(array.type) or array.null_count:
        array = checked_names(place, _decoded(array)).dictionary_encode()
    index = array.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    occurs = np.zeros(len(array.dictionary), bool)
    occurs[index] = True
    try:
        names = checked_names(place, array.dictionary.filter(pa.array(occurs)))
    except BadInput:
        checked_names(place, _decoded(array))  # the same refusal, with the row
        raise
    return names.to_pylist(), (np.cumsum(occurs) - 1)[index]


def _decoded(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _cells(path: Path, keys: _Keys) -> tuple[_Cells, NDArray[np.int64]]:
    """Numbers the series; also returns each one's code [S]."""
    encoded = pa.array(keys.code).dictionary_encode()
    series_of_row = encoded.indices.to_numpy()
    codes = encoded.dictionary.to_numpy()
    columns = int(keys.column.max()) + 1
    if len(codes) * columns > MAX_CELLS:
        why = f"{len(codes):,} containers x {columns:,} stamps are more than {MAX_CELLS:,} samples"
        raise Place(path, "ts_s").refuse(why)
    cells = _Cells(series_of_row, keys.column, len(codes), columns)
    _refuse_disorder(Place(path, "ts_s"), cells)
    return cells, codes


def _refuse_disorder(place: Place, cells: _Cells) -> None:
    """Within a series, each stamp must be later than the one before."""
    order = _series_by_series(cells)
    series, column = cells.series_of_row[order], cells.column_of_row[order]
    broken = (np.diff(column) <= 0) & (np.diff(series) == 0)
    if broken.any():
        later = int(np.argmax(broken)) + 1
        twice = column[later] == column[later - 1]
        why = "its container has a sample of this time already" if twice else "goes back in time"
        raise place.refuse(why, int(np.arange(len(broken) + 1)[order][later]))


def _series_by_series(cells: _Cells) -> NDArray[np.int64] | slice:
    """The order of rows that brings each series together and keeps the file's order in it."""
    if np.count_nonzero(np.diff(cells.series_of_row)) == cells.series - 1:
        return slice(None)
    # numpy sorts 16-bit keys by radix, several times faster than wider ones
    narrow = np.uint16 if cells.series <= 2**16 else np.int32
    return np.argsort(cells.series_of_row.astype(narrow), kind="stable")


def _matrix(
    path: Path, file: pq.ParquetFile, cells: _Cells, column: str, bounds: Bounds
) -> NDArray[np.float32] | None:
    """Second pass: one quantity [S, T], NaN where there is no sample; None if there is none."""
    if column not in file.schema_arrow.names:
        return None
    matrix = np.full((cells.series, cells.columns), np.nan, np.float32)
    for first, batch in _batches(path, file, (column,)):
        here = slice(first, first + len(batch))
        place, array = Place(path, column, first), batch.column(column)
        values = checked_numbers(place, _decoded(array), bounds, nullable=True)
        matrix[cells.series_of_row[here], cells.column_of_row[here]] = values
    return None if np.isnan(matrix).all() else matrix


def _batches(
    path: Path, file: pq.ParquetFile, columns: tuple[str, ...]
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Pieces of the file, each with the number of its first row."""
    first, rows = 0, file.metadata.num_rows
    batches = file.iter_batches(batch_size=ROWS_AT_ONCE, columns=list(columns))
    while first < rows:
        with readable(path):
            batch = next(batches, None)
        if batch is None or first + len(batch) > rows:
            raise BadInput(f"{path}: does not hold the {rows:,} rows its footer declares")
        yield first, batch
        first += len(batch)
