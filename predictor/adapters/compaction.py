"""One day, compacted: many small parts become one sorted file a shard, each row in its home.

A pod's rows lie in the shard of its node. What was written before the node was known, or before
the pod moved, goes to where its newest known node is. All new files are there before the day's
marker names them, so whoever dies on the way leaves the day as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from predictor.adapters.day_files import Day, Torn, opened
from predictor.core.newest import CODED, Homes, newest, one_dictionary, row_shards


class TornFile(Exception):  # noqa: N818  the caller sets the file aside and tries again
    """A file of the day cannot be read; nothing was changed."""

    def __init__(self, torn: Torn) -> None:
        super().__init__(torn.why)
        self.torn = torn


@dataclass(frozen=True, slots=True)
class Compacted:
    """What became of a day; `rows_moved` went to the shard of a node that became known."""

    files_before: int
    files: int
    rows_before: int
    rows: int
    rows_moved: int


@dataclass(frozen=True, slots=True)
class _Source:
    """A file of the day, and how many of its rows belong in each shard."""

    path: Path
    shard: int
    rows: Mapping[int, int]


def compacted(day: Day, homes: Homes) -> Compacted:
    """Compacts a day whose folder is locked. Memory is that of one shard.

    Raises:
        TornFile: a file cannot be read.
        BadInput: the disk is full.
    """
    sources = [
        _source(day.shard(shard) / name, shard, homes)
        for shard in day.shards()
        for name in day.names(shard)
    ]
    sources.sort(key=lambda source: source.path.name)
    number, made = day.next_number(), []
    for shard in range(homes.shards):
        tables = [_rows(source, shard, homes) for source in sources if shard in source.rows]
        if tables:
            table = newest(tables)
            day.add_whole(shard, number, table)
            made.append(len(table))
    day.commit(number)
    day.sweep()
    return Compacted(
        files_before=len(sources),
        files=len(made),
        rows_before=sum(sum(source.rows.values()) for source in sources),
        rows=sum(made),
        rows_moved=sum(
            rows
            for source in sources
            for shard, rows in source.rows.items()
            if shard != source.shard
        ),
    )


def _source(path: Path, shard: int, homes: Homes) -> _Source:
    pods = one_dictionary(_read(path, ("pod",)))
    rows = np.bincount(row_shards(pods, homes)).tolist()
    return _Source(path, shard, {home: count for home, count in enumerate(rows) if count})


def _rows(source: _Source, shard: int, homes: Homes) -> pa.Table:
    """The rows of a file that belong in a shard."""
    table = _read(source.path, CODED.names)
    if len(source.rows) == 1:
        return table
    table = one_dictionary(table)
    return table.filter(pa.array(row_shards(table, homes) == shard))


def _read(path: Path, columns: tuple[str, ...] | list[str]) -> pa.Table:
    file = opened(path)
    table = file if isinstance(file, Torn) else file.read(columns)
    if isinstance(table, Torn):
        raise TornFile(table)
    return table
