"""The files of one day: which of them count, in which order, and how each is written and read.

    day=N/through-00000024                     all that was written up to 24 lies in the wholes
          shard=K/00000024-whole.parquet       sorted, each key once
                  00000025-9f2c41d07e5a3b18.parquet   parts written later, in this order

The marker's name is the commit of a compaction: files are added before it and removed after it, so
a process that dies at any step leaves a day that means the same. What does not count (a whole that
is not the marker's, a part that is not later) is ignored by readers and swept by writers.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from predictor.adapters.whole_files import make_folder, write_whole
from predictor.core.newest import CODED, NAMES

ROW_GROUP: Final = 2**18  # rows: a few MB a column in memory, and narrow enough to skip by pod
RARE_VALUES: Final = ("ts_s", *NAMES, "oom_kills")  # few different ones: a dictionary is smallest
FLOATS: Final = [name for name in CODED.names if name not in RARE_VALUES]
WHOLE: Final = "-whole.parquet"
TORN: Final = ".torn"
TRIES: Final = 1_000  # each fails only when a compaction ended in that moment


@dataclass(frozen=True, slots=True)
class Torn:
    """A file that cannot be read, and why."""

    path: Path
    why: str

    @property
    def whole(self) -> bool:
        """Whether it is a compaction's."""
        return self.path.name.endswith(WHOLE)


@dataclass(frozen=True, slots=True)
class Day:
    """A day's folder, whether or not it is there."""

    folder: Path

    @property
    def number(self) -> int:
        """Days since the origin."""
        return int(self.folder.name.removeprefix("day="))

    def shards(self) -> list[int]:
        """Those with any file that counts, ascending."""
        found = (int(f.name.removeprefix("shard=")) for f in self.folder.glob("shard=*"))
        return sorted(shard for shard in found if self.names(shard))

    def through(self) -> int:
        """The newest commit; 0 where nothing was compacted."""
        return max((_number(name) for name in _list(self.folder, "through-")), default=0)

    def names(self, shard: int) -> list[str]:
        """The files that count, oldest writing first."""
        through = self.through()
        return sorted(
            name
            for name in _list(self.shard(shard), "")
            if name.endswith(".parquet") and _counts(name, through)
        )

    def parts(self) -> int:
        """How many files that count are no whole ones."""
        return sum(
            not name.endswith(WHOLE) for shard in self.shards() for name in self.names(shard)
        )

    def shard(self, shard: int) -> Path:
        """A shard's folder."""
        return self.folder / f"shard={shard}"

    def next_number(self) -> int:
        """Later than all that was ever written here."""
        files = (name for f in self.folder.glob("shard=*") for name in _list(f, ""))
        numbers = (_number(name) for name in files if name[0].isdigit())
        return 1 + max(self.through(), max(numbers, default=0))

    def add_part(self, shard: int, number: int, table: pa.Table) -> None:
        """Writes rows of `CODED`, sorted; a part of the same content becomes the newest instead."""
        content = _parquet(table)
        name = blake2b(content, digest_size=8).hexdigest() + ".parquet"
        made = self.shard(shard) / f"{number:08d}-{name}"
        for same in self.names(shard):
            if same.endswith(f"-{name}"):
                (made.parent / same).rename(made)
                return
        make_folder(made.parent)
        write_whole(made, content)

    def add_whole(self, shard: int, number: int, table: pa.Table) -> None:
        """Writes a shard's rows of `CODED`, sorted, to count once `commit(number)` is called."""
        make_folder(self.shard(shard))
        write_whole(self.shard(shard) / f"{number:08d}{WHOLE}", _parquet(table))

    def commit(self, number: int) -> None:
        """From now on the wholes of this number count, and nothing older."""
        for shard in self.folder.glob("shard=*"):
            _sync(shard)
        write_whole(self.folder / f"through-{number:08d}", b"")
        _sync(self.folder)

    def sweep(self) -> None:
        """Removes what does not count: replaced files and drafts of a writer that died."""
        through = self.through()
        for marker in _list(self.folder, "through-"):
            if _number(marker) < through:
                (self.folder / marker).unlink()
        for folder in [self.folder, *self.folder.glob("shard=*")]:
            for name in _list(folder, ""):
                stale = name.endswith(".parquet") and not _counts(name, through)
                if stale or (name.startswith(".") and name.endswith(".tmp")):
                    (folder / name).unlink()

    def opened(self, shard: int) -> list[Opened | Torn]:
        """The shard's files as they are at one moment, oldest writing first.

        Files that a compaction replaces meanwhile stay readable, since they are open.
        """
        for _ in range(TRIES):
            names = self.names(shard)
            files = [opened(self.shard(shard) / name) for name in names]
            if self.names(shard) == names:
                return files
        raise OSError(f"{self.folder}: changes too fast to be read")


@dataclass(frozen=True, slots=True)
class Opened:
    """A file whose footer was read."""

    path: Path
    file: pq.ParquetFile

    def read(self, columns: Sequence[str], pods: Collection[str] | None = None) -> pa.Table | Torn:
        """Columns of `CODED`; with `pods`, their rows alone, skipping row groups without any."""
        try:
            return self._read(columns, pods)
        except (pa.ArrowException, OSError, ValueError) as why:
            return Torn(self.path, first_line(why))

    @property
    def whole(self) -> bool:
        """Whether it is a compaction's."""
        return self.path.name.endswith(WHOLE)

    @property
    def rows(self) -> int:
        """As the footer says."""
        return int(self.file.metadata.num_rows)

    @property
    def newest_s(self) -> int:
        """The newest stamp, as the footer says. There are rows."""
        footer, column = self.file.metadata, self.file.schema_arrow.names.index("ts_s")
        groups = (footer.row_group(number) for number in range(footer.num_row_groups))
        return max(int(group.column(column).statistics.max) for group in groups)

    def _read(self, columns: Sequence[str], pods: Collection[str] | None) -> pa.Table:
        have = [name for name in columns if name in self.file.schema_arrow.names]
        if pods is None:
            table = self.file.read(columns=have)
        else:
            table = self.file.read_row_groups(self._groups_with(pods), columns=have)
        for name in columns:
            if name not in have:
                table = table.append_column(name, pa.nulls(len(table), CODED.field(name).type))
        table = table.select(columns).cast(coded(columns))
        if pods is None:
            return table
        return table.filter(pc.is_in(table["pod"].cast(pa.string()), pa.array(pods, pa.string())))

    def _groups_with(self, pods: Collection[str]) -> list[int]:
        """Row groups whose least and greatest pod leave room for one of `pods`."""
        footer, column = self.file.metadata, self.file.schema_arrow.names.index("pod")
        groups = (footer.row_group(number) for number in range(footer.num_row_groups))
        spans = [group.column(column).statistics for group in groups]
        return [
            group
            for group, span in enumerate(spans)
            if span is None or not span.has_min_max or any(span.min <= p <= span.max for p in pods)
        ]


def opened(path: Path) -> Opened | Torn:
    """The file, or why it cannot be read; names come as codes, pages are held to checksums."""
    try:
        file = pq.ParquetFile(path, read_dictionary=list(NAMES), page_checksum_verification=True)
        return Opened(path, file)
    except (pa.ArrowException, OSError) as why:
        return Torn(path, first_line(why))


def first_line(why: Exception) -> str:
    """What an error says, in a line."""
    return str(why).strip().partition("\n")[0] or type(why).__name__


def coded(columns: Sequence[str]) -> pa.Schema:
    """Some fields of `CODED`."""
    return pa.schema([CODED.field(name) for name in columns])


def _parquet(table: pa.Table) -> memoryview:
    """What `newest` returned as a file's bytes, always the same for the same rows."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        CODED,
        compression="zstd",
        use_dictionary=list(RARE_VALUES),
        column_encoding=dict.fromkeys(FLOATS, "BYTE_STREAM_SPLIT"),
        write_page_checksum=True,
    ) as writer:
        for first in range(0, len(table), ROW_GROUP):
            writer.write_table(_own_pods(table.slice(first, ROW_GROUP)), row_group_size=ROW_GROUP)
    return memoryview(sink.getvalue())


def _own_pods(table: pa.Table) -> pa.Table:
    """A sorted table with a dictionary of its own pods alone: what is given is what is written."""
    pods = table["pod"].combine_chunks()
    codes = pods.indices
    first, last = codes[0].as_py(), codes[-1].as_py()
    own = pa.DictionaryArray.from_arrays(
        pc.subtract(codes, pa.scalar(first, codes.type)),
        pods.dictionary.slice(first, last - first + 1),
    )
    return table.set_column(table.column_names.index("pod"), CODED.field("pod"), own)


def _counts(name: str, through: int) -> bool:
    if name.endswith(WHOLE):
        return _number(name) == through
    return name[0].isdigit() and _number(name) > through


def _number(name: str) -> int:
    digits = name.removeprefix("through-")[:8]
    return int(digits) if digits.isdigit() else 0


def _list(folder: Path, prefix: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.startswith(prefix)]  # noqa: PTH208  one call sees one moment
    except FileNotFoundError:
        return []


def _sync(folder: Path) -> None:
    """What was renamed into the folder is there after a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
