"""The usage history on disk, for one writer a cluster at a time and any number of readers.

    ROOT/store.json                      version, interval_s, shards
         cluster=NAME/day=N/shard=K/     see day_files
                      containers.parquet, nodes.parquet, collected.json

Appending is idempotent: a sample is named by (ts_s, pod, container), and writing it again replaces
it, so an import that died halfway is simply run again. An append adds a small part to each day and
shard that it touches and never rewrites a day. A file that cannot be read is said and left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from predictor.adapters.day_files import Day, Opened, Torn, coded, first_line
from predictor.adapters.inventory import Inventory
from predictor.adapters.saying import Say, say_on_stderr
from predictor.adapters.store_manifest import INTERVAL_S, SHARDS, Manifest, begin, read_manifest
from predictor.adapters.writer_lock import only_writer
from predictor.core.newest import CODED, NAMES, newest, one_dictionary, row_shards
from predictor.core.tables import KEY, SAMPLES
from slacktide.errors import BadInput

DAY_S: Final = 86_400
MOST_PARTS: Final = 64  # of a shard's day: beyond it they become one, so nothing grows for ever
MOST_DAYS: Final = 10**7  # from the origin, either way: nobody has samples of later years


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a reader wants."""

    from_s: int
    to_s: int
    columns: tuple[str, ...]
    pods: Collection[str] | None = None

    def with_keys(self) -> _Asked:
        """The same, with the columns that tell rows apart."""
        columns = (name for name in CODED.names if name in {*self.columns, *KEY})
        return replace(self, columns=tuple(columns))

    def holds(self, day: int) -> bool:
        """Whether a day lies in the window in full."""
        return self.from_s <= day * DAY_S and (day + 1) * DAY_S <= self.to_s

    def within(self, table: pa.Table) -> pa.Table:
        """The rows in the window."""
        ts_s = table["ts_s"]
        return table.filter(pc.and_(pc.greater_equal(ts_s, self.from_s), pc.less(ts_s, self.to_s)))


class ParquetStore:
    """Usage samples of many clusters under one folder, which is made when first written."""

    def __init__(
        self,
        root: Path,
        *,
        interval_s: int | None = None,
        shards: int = SHARDS,
        say: Say = say_on_stderr,
    ) -> None:
        """`interval_s` None takes what is there; `shards` is for a new store only.

        Raises:
            BadInput: the store there is torn, of another version, or of another interval.
        """
        self.root, self._say = root, say
        found = read_manifest(root)
        if found and interval_s is not None and found.interval_s != interval_s:
            raise BadInput(
                f"{root}: holds samples every {found.interval_s} s, not {interval_s};"
                " give the same interval or another folder"
            )
        self._manifest = found or Manifest(interval_s=interval_s or INTERVAL_S, shards=shards)

    @property
    def interval_s(self) -> int:
        """Seconds between samples."""
        return self._manifest.interval_s

    def shards(self) -> int:
        """How many shards a cluster's samples lie in: 0..shards()-1."""
        return self._manifest.shards

    def append(self, cluster: str, samples: pa.Table) -> int:
        """Stores samples (columns of `SAMPLES`); returns how many different ones it was given.

        Raises:
            BadInput: on a missing column, a wrong type, a null key, or a disk that is full.
        """
        table = conformed(samples)
        if not len(table):
            return 0
        days = np.asarray(table["ts_s"]) // DAY_S
        if int(days.min()) < -MOST_DAYS or int(days.max()) > MOST_DAYS:
            raise BadInput("usage samples: ts_s is no time in seconds")
        self._manifest = begin(self.root, self._manifest)
        shard = row_shards(table, self.inventory(cluster).homes(self.shards()))
        with only_writer(self.folder(cluster)):
            return sum(
                self._add(self.day(cluster, int(day)), table, np.where(days == day, shard, -1))
                for day in np.unique(days)
            )

    def read(self, cluster: str, *, from_s: int, to_s: int) -> pa.Table:
        """Samples with `from_s <= ts_s < to_s`, by time, pod and container; empty where none are.

        Of `SAMPLES`, names as strings: for tests and small windows. A file that cannot be read is
        said and left out.
        """
        asked = _Asked(from_s, to_s, tuple(CODED.names))
        days = [SAMPLES.empty_table()]
        for day in self._days(cluster, asked):
            files = [file for shard in day.shards() for file in day.opened(shard)]
            files.sort(key=lambda file: file.path.name)
            if tables := self.readable(files, asked.columns):
                days.append(asked.within(newest(tables)).cast(SAMPLES))
        return pa.concat_tables(days).sort_by([(name, "ascending") for name in KEY])

    def read_shard(
        self,
        cluster: str,
        shard: int,
        from_s: int,
        to_s: int,
        columns: Sequence[str],
        *,
        pods: Collection[str] | None = None,
    ) -> pa.Table:
        """One shard's samples with `from_s <= ts_s < to_s`, each key once; empty where none are.

        Day after day, and within a day by pod, container and ts_s. Names are
        `dictionary<int32, string>` with one dictionary for all chunks, so equal codes are equal
        names; everything else is as in `SAMPLES`. With `pods`, only theirs. A compacted day is
        read as it lies; only a day with newer parts is merged. A file that cannot be read is said
        and left out.

        A pod that changes its node (a StatefulSet's) has its new samples in its new node's shard.
        """
        asked = _Asked(from_s, to_s, tuple(columns), pods)
        found = [self._of_day(day, shard, asked) for day in self._days(cluster, asked)]
        return one_dictionary(pa.concat_tables([coded(columns).empty_table(), *found]))

    def clusters(self) -> tuple[str, ...]:
        """Clusters with any samples, by name."""
        folders = self.root.glob("cluster=*")
        return tuple(sorted(unquote(folder.name.removeprefix("cluster=")) for folder in folders))

    def days(self, cluster: str) -> tuple[int, ...]:
        """Days since the origin that hold samples, ascending."""
        return tuple(day.number for day in self._all_days(cluster) if day.shards())

    def newest_s(self, cluster: str) -> int | None:
        """The stamp of the newest sample, as footers say; None where none can be read."""
        for day in reversed(self._all_days(cluster)):
            files = [file for shard in day.shards() for file in day.opened(shard)]
            stamps = [file.newest_s for file in files if not isinstance(file, Torn) and file.rows]
            if stamps:
                return max(stamps)
        return None

    def day(self, cluster: str, number: int) -> Day:
        """A day's files, for what mends or counts them."""
        return Day(self.folder(cluster) / f"day={number}")

    def folder(self, cluster: str) -> Path:
        """Where a cluster's files lie."""
        return self.root / f"cluster={quote(cluster, safe='')}"

    def inventory(self, cluster: str) -> Inventory:
        """A cluster's containers and nodes."""
        return Inventory(self.folder(cluster), self._say)

    def readable(
        self,
        files: Sequence[Opened | Torn],
        columns: Sequence[str],
        pods: Collection[str] | None = None,
    ) -> list[pa.Table]:
        """The tables of all files that can be read; the others are said."""
        found = []
        for file in files:
            table = file if isinstance(file, Torn) else file.read(columns, pods)
            if isinstance(table, Torn):
                self._say(
                    f"{table.path} is torn ({table.why}): its samples are missing until"
                    " `slacktide history compact` sets it aside and they are collected again"
                )
            else:
                found.append(table)
        return found

    def _all_days(self, cluster: str) -> list[Day]:
        days = [Day(folder) for folder in self.folder(cluster).glob("day=*")]
        return sorted(days, key=lambda day: day.number)

    def _days(self, cluster: str, asked: _Asked) -> Iterator[Day]:
        """Days of the window, ascending."""
        if asked.from_s < asked.to_s:
            for day in self._all_days(cluster):
                if asked.from_s // DAY_S <= day.number <= (asked.to_s - 1) // DAY_S:
                    yield day

    def _of_day(self, day: Day, shard: int, asked: _Asked) -> pa.Table:
        """What was asked for, of one day's shard."""
        files = day.opened(shard)
        as_it_lies = len(files) <= 1 and asked.holds(day.number) and asked.pods is None
        needed = asked if as_it_lies else asked.with_keys()
        tables = self.readable(files, needed.columns, asked.pods)
        if not tables:
            return coded(asked.columns).empty_table()
        if as_it_lies:
            return tables[0]
        table = tables[0] if len(files) == 1 else newest(tables)
        table = table if asked.holds(day.number) else asked.within(table)
        return table.select(asked.columns)

    def _add(self, day: Day, table: pa.Table, shard: NDArray[np.int64]) -> int:
        """Adds one day's rows, each to its shard (-1: to none)."""
        number, added = day.next_number(), 0
        for k in np.unique(shard[shard >= 0]).tolist():
            part = newest([table.filter(pa.array(shard == k))])
            day.add_part(k, number, part)
            added += len(part)
            if len(day.names(k)) > MOST_PARTS:
                self._merge_parts(day, k, number + 1)
        return added

    def _merge_parts(self, day: Day, shard: int, number: int) -> None:
        """Makes one part of many; the old ones say nothing else, so they may linger."""
        parts = [file for file in day.opened(shard) if not file.whole]
        if not any(isinstance(file, Torn) for file in parts):
            tables = self.readable(parts, CODED.names)
            day.add_part(shard, number, newest(tables))
            for file in parts:
                file.path.unlink(missing_ok=True)  # the newest may say it all, and be renamed


def conformed(samples: pa.Table) -> pa.Table:
    """The samples as `CODED`, names in one dictionary. Raises `BadInput` where they do not fit."""
    missing = [name for name in KEY if name not in samples.column_names]
    if missing:
        raise BadInput(f"usage samples lack the column {missing[0]}; give {', '.join(KEY)}")
    for field in SAMPLES:
        if field.name not in samples.column_names:
            samples = samples.append_column(field, pa.nulls(len(samples), field.type))
    for name in KEY:
        if samples[name].null_count:
            raise BadInput(f"usage samples: column {name} has {samples[name].null_count} nulls")
    try:
        return one_dictionary(_coded(samples.select(SAMPLES.names)))
    except (pa.ArrowException, ValueError) as why:
        raise BadInput(f"usage samples do not fit {SAMPLES.names}: {first_line(why)}") from why


def _coded(samples: pa.Table) -> pa.Table:
    for place, name in enumerate(samples.column_names):
        column = samples[name]
        if name in NAMES and not pa.types.is_dictionary(column.type):
            column = column.cast(pa.string()).dictionary_encode()
            samples = samples.set_column(place, name, column)
    return samples.cast(CODED)
