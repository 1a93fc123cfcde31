"""Which row of a sample counts, and where it lies: the two rules every part of the store follows.

A sample is named by (ts_s, pod, container); written twice, the later writing counts. Its shard is
that of its pod's node, so that a node's pods lie together, and of the pod itself while its node is
unknown. Both are pure, so a store in any state of repair has one meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from predictor.core.tables import SAMPLES

NAME: Final = pa.dictionary(pa.int32(), pa.string())
NAMES: Final = ("pod", "container")

# SAMPLES with its names as codes into a dictionary: a fifth of the memory, and sorted as numbers.
CODED: Final = pa.schema(
    [field.with_type(NAME) if field.name in NAMES else field for field in SAMPLES]
)


class Homes(dict[str, int]):
    """The shard of each pod, worked out when first asked for; nobody writes to it."""

    def __init__(self, node_of: Mapping[str, str], shards: int) -> None:
        super().__init__()
        self._node_of, self.shards = node_of, shards

    def __missing__(self, pod: str) -> int:
        shard = crc32(self._node_of.get(pod, pod).encode()) % self.shards
        self[pod] = shard
        return shard


def newest(tables: Sequence[pa.Table]) -> pa.Table:
    """The last row of each key, sorted by pod, container and ts_s; one chunk a column.

    `tables` have columns of `CODED`, the key's among them, all within one day; later tables, and
    later rows of a table, count as written later. The dictionaries hold the names that occur,
    sorted, so codes are in the order of names.
    """
    table = one_dictionary(pa.concat_tables(tables)).combine_chunks()
    if not len(table):
        return table
    for name in NAMES:
        place = table.column_names.index(name)
        table = table.set_column(place, CODED.field(name), _sorted(table[name]))
    ts_s = np.asarray(table["ts_s"])
    first_s, last_s = int(ts_s.min()), int(ts_s.max())
    pods, containers = (_codes(table[name]).astype(np.int64) for name in NAMES)
    series = pods * (int(containers.max()) + 1) + containers
    key = series * (last_s - first_s + 1) + (ts_s - first_s)
    if (np.diff(key) > 0).all():
        return table
    order = np.argsort(key, kind="stable")
    key = key[order]
    counts = np.append(key[1:] != key[:-1], True)
    return table.take(pa.array(order[counts]))


def one_dictionary(table: pa.Table) -> pa.Table:
    """The table with one dictionary for all chunks of a column, so that codes mean the same."""
    return table.unify_dictionaries()


def shards_of(names: Iterable[str], node_of: Mapping[str, str], shards: int) -> NDArray[np.int64]:
    """The shard of each pod; nodes are asked for with an empty `node_of`."""
    homes = Homes(node_of, shards)
    return np.fromiter((homes[name] for name in names), np.int64)


def row_shards(table: pa.Table, homes: Homes) -> NDArray[np.int64]:
    """The shard of each row of a table whose pods are in one dictionary."""
    if not len(table):
        return np.empty(0, np.int64)
    names = table["pod"].chunk(0).dictionary.to_pylist()
    shards = np.fromiter(map(homes.__getitem__, names), np.int64, len(names))
    return shards[_codes(table["pod"])]


def _codes(column: pa.ChunkedArray) -> NDArray[np.int32]:
    """For each row the place of its name in the one dictionary."""
    codes: NDArray[np.int32] = np.concatenate([chunk.indices.to_numpy() for chunk in column.chunks])
    return codes


def _sorted(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """The same names with a sorted dictionary of those that occur."""
    names, codes = column.chunk(0).dictionary, _codes(column)
    occurs = np.zeros(len(names), bool)
    occurs[codes] = True
    order = pc.sort_indices(names).to_numpy()
    order = order[occurs[order]]
    place = np.empty(len(names), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(place[codes]), names.take(pa.array(order)))
