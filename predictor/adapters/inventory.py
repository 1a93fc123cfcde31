"""Whose each container is and how big the nodes are: containers.parquet and nodes.parquet.

Both lie beside a cluster's samples and are replaced whole. The newest known fact stays, and no row
goes but by retention, so deleted pods keep their owners.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from predictor.adapters.day_files import TORN, first_line
from predictor.adapters.saying import Say, say_on_stderr
from predictor.adapters.whole_files import make_folder, write_whole
from predictor.adapters.writer_lock import only_writer
from predictor.core.newest import Homes
from predictor.core.tables import CONTAINERS, NODES
from slacktide.errors import BadInput

CONTAINER_KEY: Final = ("pod", "container")
NODE_KEY: Final = ("node",)
SPAN: Final = {"first_seen_s": "min", "last_seen_s": "max"}


class Inventory:
    """One cluster's containers and nodes, in its folder of the store."""

    def __init__(self, folder: Path, say: Say = say_on_stderr) -> None:
        self._folder, self._say = folder, say
        self._containers, self._nodes = folder / "containers.parquet", folder / "nodes.parquet"

    def containers(self) -> pa.Table:
        """Rows of `CONTAINERS`, those of deleted pods too; none, and said, where it is torn."""
        return self._read(self._containers, CONTAINERS)

    def nodes(self) -> pa.Table:
        """Rows of `NODES`; none, and said, where it is torn."""
        return self._read(self._nodes, NODES)

    def add_containers(self, seen: pa.Table) -> None:
        """Adds rows of `CONTAINERS`. Raises `BadInput` where they do not fit."""
        self._add(self._containers, seen, CONTAINERS, CONTAINER_KEY)

    def add_nodes(self, seen: pa.Table) -> None:
        """Adds rows of `NODES`. Raises `BadInput` where they do not fit."""
        self._add(self._nodes, seen, NODES, NODE_KEY)

    def homes(self, shards: int) -> Homes:
        """The shard of each pod by its newest known node."""
        try:
            about = self._containers.stat()
        except FileNotFoundError:
            return Homes({}, shards)
        return _homes(shards, self._containers, about.st_mtime_ns, about.st_ino, about.st_size)

    def forget_before(self, cut_s: int) -> int:
        """Drops containers and nodes not seen since; returns how many containers."""
        dropped = 0
        with only_writer(self._folder):
            for file, schema in ((self._nodes, NODES), (self._containers, CONTAINERS)):
                table = self._read(file, schema)
                kept = table.filter(pc.greater_equal(table["last_seen_s"], cut_s))
                dropped = len(table) - len(kept)
                if dropped:
                    write_whole(file, _parquet(kept))
        return dropped

    def torn(self) -> list[Path]:
        """The files of the two that cannot be read."""
        pairs = ((self._containers, CONTAINERS), (self._nodes, NODES))
        return [file for file, schema in pairs if isinstance(_table(file, schema), str)]

    def _add(self, file: Path, seen: pa.Table, schema: pa.Schema, key: tuple[str, ...]) -> None:
        try:
            table = seen.cast(schema)
        except (pa.ArrowException, ValueError) as why:
            raise BadInput(f"rows for {file.name} do not fit: {first_line(why)}") from why
        make_folder(file.parent)
        with only_writer(self._folder):
            merged = _newest_facts(pa.concat_tables([self._read(file, schema), table]), key)
            write_whole(file, _parquet(merged))

    def _read(self, file: Path, schema: pa.Schema) -> pa.Table:
        found = _table(file, schema)
        if isinstance(found, str):
            self._say(
                f"{file} is torn ({found}): what it says is missing until the next collect or"
                f" `slacktide history compact` sets it aside as {TORN} and it is collected again"
            )
            return schema.empty_table()
        return found


def _table(file: Path, schema: pa.Schema) -> pa.Table | str:
    """The table, or why it cannot be read; empty where there is no file."""
    if not file.is_file():
        return schema.empty_table()
    try:
        table = pq.ParquetFile(file).read()
        for field in schema:
            if field.name not in table.column_names:
                table = table.append_column(field, pa.nulls(len(table), field.type))
        return table.select(schema.names).cast(schema)
    except (pa.ArrowException, OSError, ValueError) as why:
        return first_line(why)


def _newest_facts(table: pa.Table, key: tuple[str, ...]) -> pa.Table:
    """A row a key: the newest fact that is not null, and the whole span of time, sorted by key."""
    schema = table.schema
    facts = [(name, SPAN.get(name, "last")) for name in schema.names if name not in key]
    table = table.sort_by([("last_seen_s", "ascending")])
    grouped = table.group_by(list(key), use_threads=False).aggregate(facts)
    names = [name if name in key else f"{name}_{dict(facts)[name]}" for name in schema.names]
    merged = grouped.select(names).rename_columns(schema.names).cast(schema)
    return merged.sort_by([(name, "ascending") for name in key])


@lru_cache(maxsize=8)
def _homes(shards: int, file: Path, *_: int) -> Homes:
    """Of one state of the file, told by its times and size."""
    try:
        table = pq.ParquetFile(file).read(columns=["pod", "node", "last_seen_s"])
    except (pa.ArrowException, OSError):
        return Homes({}, shards)
    table = table.filter(pc.is_valid(table["node"])).sort_by([("last_seen_s", "ascending")])
    node_of = dict(zip(table["pod"].to_pylist(), table["node"].to_pylist(), strict=True))
    return Homes(node_of, shards)


def _parquet(table: pa.Table) -> memoryview:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return memoryview(sink.getvalue())
