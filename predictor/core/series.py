"""Samples in rows, as the store keeps them, read series by series without a table for each.

Rows are sorted by series and time once, if they are not already; every statistic is then one pass
over neighbours. A series without samples has NaN everywhere, never 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from slacktide.messages import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Series:
    """M samples of S series, ordered by series and then by time."""

    rows: int  # S
    row: IntArray  # [M] which series, ascending
    ts_s: IntArray  # [M]
    table: pa.Table  # [M] of `tables.SAMPLES`
    first: IntArray  # [P] where each series that has samples begins
    present: IntArray  # [P] which series that is

    def column(self, name: str) -> FloatArray:
        """[M] values; NaN where they are unknown."""
        return np.asarray(self.table[name].to_numpy(), dtype=np.float64)

    def highest(self, values: FloatArray) -> FloatArray:
        """[S] the largest known value of [M]; NaN where none is."""
        return self._spread(np.fmax.reduceat(values, self.first) if len(self.first) else values)

    def lowest(self, values: FloatArray) -> FloatArray:
        """[S] the smallest known value of [M]; NaN where none is."""
        return self._spread(np.fmin.reduceat(values, self.first) if len(self.first) else values)

    def total(self, values: FloatArray) -> FloatArray:
        """[S] the sum of what is known of [M]; NaN where nothing is."""
        known = ~np.isnan(values)
        sums = np.bincount(self.row, np.where(known, values, 0.0), minlength=self.rows)
        counts = np.bincount(self.row, known, minlength=self.rows)
        return np.where(counts > 0, sums, np.nan)

    def percentile(self, values: FloatArray, share: float) -> FloatArray:
        """[S] the smallest value that at least `share` of the known [M] do not exceed; else NaN."""
        known = np.flatnonzero(~np.isnan(values))
        order = known[np.lexsort((values[known], self.row[known]))]
        counts = np.bincount(self.row[order], minlength=self.rows)
        begin = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
        found = np.full(self.rows, np.nan)
        some = np.flatnonzero(counts)
        rank = np.maximum(np.ceil(share * counts[some] - 1e-9).astype(np.int64) - 1, 0)
        found[some] = values[order[begin[some] + rank]]
        return found

    def _spread(self, values: FloatArray) -> FloatArray:
        found = np.full(self.rows, np.nan)
        found[self.present] = values
        return found


def by_pods(samples: pa.Table, *, rows: int) -> Iterator[pa.Table]:
    """The samples in parts of about so many rows, each with all rows of its pods, in their order.

    Where rows lie by pod within each chunk, as the store has them, nothing is copied.
    """
    if not pa.types.is_dictionary(samples["pod"].type):
        place = samples.column_names.index("pod")
        samples = samples.set_column(place, "pod", samples["pod"].dictionary_encode())
    batches = samples.unify_dictionaries().to_batches()
    codes = [np.asarray(batch["pod"].indices) for batch in batches]
    pods = max((int(code.max()) + 1 for code in codes if len(code)), default=0)
    parts = -(-len(samples) // rows)
    for part in range(parts):
        first, last = pods * part // parts, pods * (part + 1) // parts
        theirs = [
            _rows(batch, np.flatnonzero((code >= first) & (code < last)))
            for batch, code in zip(batches, codes, strict=True)
        ]
        yield pa.Table.from_batches(theirs, batches[0].schema)


def _rows(batch: pa.RecordBatch, rows: IntArray) -> pa.RecordBatch:
    """Those rows; a view where they lie together."""
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return batch.slice(int(rows[0]), len(rows))
    return batch.take(pa.array(rows))


def series_of(containers: pa.Table, samples: pa.Table, now_s: int) -> Series:
    """The samples until `now_s` of the containers [S], whose rows are the series.

    Samples of containers that are not listed are left out.
    """
    samples = samples.filter(pa.compute.less_equal(samples["ts_s"], now_s))
    row = _rows_of(containers, samples)
    ts_s = samples["ts_s"].to_numpy().astype(np.int64)
    kept = np.flatnonzero(row >= 0)
    step, later = np.diff(row[kept]), np.diff(ts_s[kept])
    if len(kept) < len(row) or ((step < 0) | ((step == 0) & (later < 0))).any():
        order = kept[np.argsort(row[kept], kind="stable")]  # quick: days one after the other
        same = np.diff(row[order]) == 0
        if (np.diff(ts_s[order])[same] < 0).any():
            order = kept[np.lexsort((ts_s[kept], row[kept]))]
        samples, row, ts_s = samples.take(pa.array(order)), row[order], ts_s[order]
    begins = np.flatnonzero(np.concatenate([[True], np.diff(row) != 0])) if len(row) else kept
    return Series(len(containers), row, ts_s, samples, begins, row[begins])


def _rows_of(containers: pa.Table, samples: pa.Table) -> IntArray:
    """[M] the row in `containers` of each sample; -1 where it is not listed."""
    pods, pod = _encoded(samples["pod"])
    names, name = _encoded(samples["container"])
    pair = pod * max(len(names), 1) + name
    listed = zip(containers["pod"].to_pylist(), containers["container"].to_pylist(), strict=True)
    rows = {key: number for number, key in enumerate(listed)}
    distinct, which = np.unique(pair, return_inverse=True)
    found = [
        rows.get((pods[number // len(names)], names[number % len(names)]), -1)
        for number in distinct.tolist()
    ]
    return np.array(found, dtype=np.int64)[which] if found else np.empty(0, np.int64)


def _encoded(column: pa.ChunkedArray) -> tuple[list[str], IntArray]:
    """The distinct texts, and which of them each row has."""
    whole = column.combine_chunks()
    coded = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy().astype(np.int64)
