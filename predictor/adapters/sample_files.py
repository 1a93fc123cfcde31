"""Samples from anyone's CSV or Parquet file: a column comes in checked, or not at all.

Columns are those of `SAMPLES`, with any of `CONTAINERS` beside them; a name that is neither is
refused, since a misspelt measure would be lost in silence. Rows are counted from 0 without the
heading, as pyarrow and pandas count.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from predictor.core.tables import CONTAINERS, KEY, SAMPLES
from slacktide.errors import BadInput
from slacktide.trace.door import (
    MAX_FILE_BYTES,
    Bounds,
    Place,
    checked_names,
    checked_numbers,
    checked_whole,
    open_parquet,
    readable,
)

MAX_ROWS: Final = 2**31
ROWS_AT_ONCE: Final = 2**22
CSV_BLOCK_BYTES: Final = 2**24
MAX_LABELS_CHARACTERS: Final = 2**18  # what Kubernetes lets a pod's metadata hold

TIMES_S: Final = Bounds(-(10**10), 10**10)
CORES: Final = Bounds(0, 1_000_000)
BYTES: Final = Bounds(0, 2**50)  # 1 PiB
SHARES: Final = Bounds(0, 1_000)  # an autoscaler's target may be above 1
COUNTS: Final = Bounds(0, 10**6)

# What a file may say of a container; its times are those of its samples.
FACTS: Final = tuple(
    name for name in CONTAINERS.names if name not in {*KEY, "first_seen_s", "last_seen_s"}
)
KNOWN: Final = (*SAMPLES.names, *FACTS)


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows: samples as `SAMPLES`, and their containers as `CONTAINERS`."""

    samples: pa.Table
    containers: pa.Table
    done_share: float  # of the file


def sample_batches(path: Path, *, interval_s: int) -> Iterator[Batch]:
    """The file's rows, a few million at a time.

    Raises:
        BadInput: naming the column and the row that cannot be used.
    """
    with readable(path):
        size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise BadInput(f"{path}: has {size:,} bytes, more than the limit of {MAX_FILE_BYTES:,}")
    pieces = _parquet_pieces(path) if path.suffix == ".parquet" else _csv_pieces(path, size)
    first_row = 0
    for table, done_share in pieces:
        if len(table):
            yield _checked(_Rows(path, table, first_row), interval_s, done_share)
        first_row += len(table)
    if not first_row:
        raise BadInput(f"{path}: has no rows")


def _parquet_pieces(path: Path) -> Iterator[tuple[pa.Table, float]]:
    file = open_parquet(path, max_rows=MAX_ROWS, required=KEY)
    _refuse_unknown(path, file.schema_arrow.names)
    rows, done = file.metadata.num_rows, 0
    batches = file.iter_batches(batch_size=ROWS_AT_ONCE)
    while True:
        with readable(path):
            batch = next(batches, None)
        if batch is None:
            return
        done += len(batch)
        yield pa.Table.from_batches([batch]), done / rows


def _csv_pieces(path: Path, size: int) -> Iterator[tuple[pa.Table, float]]:
    """Everything as text, so that a wrong number can be told with its row."""
    with readable(path), path.open("rb") as file:
        heading = file.readline(2**16).decode("utf-8-sig").strip()
    names = [name.strip().strip('"') for name in heading.split(",")]
    for name in KEY:
        if name not in names:
            raise BadInput(f"{path}: column {name} is missing; the file has {heading[:200]}")
    _refuse_unknown(path, names)
    with readable(path):
        reader = pa_csv.open_csv(
            path,
            read_options=pa_csv.ReadOptions(
                column_names=names, skip_rows=1, block_size=CSV_BLOCK_BYTES
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                null_values=[""],
            ),
        )
    done = 0
    while True:
        with readable(path):
            batch = next(reader, None)
        if batch is None:
            return
        done += CSV_BLOCK_BYTES
        yield pa.Table.from_batches([batch]), min(done / max(size, 1), 1.0)


def _refuse_unknown(path: Path, names: list[str]) -> None:
    for name in names:
        if name not in KNOWN:
            raise BadInput(f"{path}: column {name!r:.40} is not known; give {', '.join(KNOWN)}")
        if names.count(name) > 1:
            raise BadInput(f"{path}: column {name} is there more than once")


@dataclass(frozen=True, slots=True)
class _Rows:
    """A piece of a file, whose columns are taken one by one, each checked."""

    path: Path
    table: pa.Table
    first_row: int

    def has(self, name: str) -> bool:
        return name in self.table.column_names

    def names(self, name: str, *, nullable: bool = False) -> pa.Array:
        """Text without control characters; nothing where the column is not there."""
        return checked_names(self._place(name), self._array(name), nullable=nullable)

    def labels(self) -> pa.Array:
        """JSON objects, spelt with sorted keys; null where there are none."""
        texts = self._array("labels").cast(pa.string()).dictionary_encode()
        spelt = []
        for text in texts.dictionary.to_pylist():
            found = _labels(text)
            if found is None:
                row = pc.index(texts.dictionary_decode(), text).as_py()
                raise self._place("labels").refuse("is no JSON object of names and texts", row)
            spelt.append(found)
        return pa.DictionaryArray.from_arrays(texts.indices, pa.array(spelt, pa.string())).cast(
            pa.string()
        )

    def numbers(self, name: str) -> pa.Array:
        """Float64, null where the file has none."""
        array = self._number(name, pa.float64())
        values = checked_numbers(self._place(name), array, _bounds(name), nullable=True)
        return pa.array(values.astype(np.float64), from_pandas=True)

    def stamps(self, interval_s: int) -> pa.Array:
        """Whole seconds, each a multiple of the interval."""
        place, array = self._place("ts_s"), self._number("ts_s", pa.int64())
        stamps = checked_whole(place, array, TIMES_S, nullable=False).astype(np.int64)
        odd = stamps % interval_s != 0
        if odd.any():
            row = int(np.argmax(odd))
            why = f"{stamps[row]} is no multiple of the history's interval of {interval_s} s"
            raise place.refuse(f"{why}; resample it, or import into another folder", row)
        return pa.array(stamps)

    def _place(self, name: str) -> Place:
        return Place(self.path, name, self.first_row)

    def _array(self, name: str) -> pa.Array:
        if not self.has(name):
            return pa.nulls(len(self.table), pa.string())
        array = self.table[name].combine_chunks()
        return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array

    def _number(self, name: str, kind: pa.DataType) -> pa.Array:
        """Text becomes numbers; the first that is none is refused with its row."""
        array = self._array(name)
        if not pa.types.is_string(array.type):
            return array
        try:
            return pc.utf8_trim_whitespace(array).cast(kind)
        except pa.ArrowInvalid:
            row = next(row for row, text in enumerate(array.to_pylist()) if not _fits(text, kind))
            wanted = "a whole number" if pa.types.is_integer(kind) else "a number"
            raise self._place(name).refuse(
                f"{array[row].as_py()!r:.40} is not {wanted}", row
            ) from None


def _labels(text: str) -> str | None:
    """The labels with sorted keys; None where they are none."""
    try:
        found = json.loads(text) if len(text) <= MAX_LABELS_CHARACTERS else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or any(not isinstance(v, str) for v in found.values()):
        return None
    return json.dumps(found, sort_keys=True)


def _fits(text: str | None, kind: pa.DataType) -> bool:
    try:
        pa.scalar(text and text.strip(), pa.string()).cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _bounds(name: str) -> Bounds:
    if name.endswith("_bytes"):
        return BYTES
    if name.endswith("_cores"):
        return CORES
    return SHARES if name.endswith("_share") else COUNTS


def _checked(rows: _Rows, interval_s: int, done_share: float) -> Batch:
    pod, namespace = _pods(rows)
    columns = {"ts_s": rows.stamps(interval_s), "pod": pod, "container": rows.names("container")}
    measures = [name for name in SAMPLES.names if name not in KEY]
    values = {name: rows.numbers(name).cast(pa.float32()) for name in measures}
    samples = pa.table({**columns, **values}).cast(SAMPLES)
    return Batch(samples, _containers(rows, samples, namespace), done_share)


def _pods(rows: _Rows) -> tuple[pa.Array, pa.Array]:
    """Pods as `namespace/name`, and their namespaces."""
    pod = rows.names("pod")
    spelt = pc.match_substring(pod, "/")
    if rows.has("namespace"):
        namespace = rows.names("namespace")
        named = pc.binary_join_element_wise(namespace, pod, "/")
        pod = pc.if_else(spelt, pod, named)
    elif not pc.all(spelt).as_py():
        row = pc.index(spelt, value=False).as_py()
        why = (
            f"{pod[row].as_py()!r:.80} is no namespace/name; spell it so or add a column namespace"
        )
        raise Place(rows.path, "pod", rows.first_row).refuse(why, row)
    return pod, pc.list_element(pc.split_pattern(pod, "/", max_splits=1), 0)


def _containers(rows: _Rows, samples: pa.Table, namespace: pa.Array) -> pa.Table:
    """A row a container: the newest facts that are there, and when it was seen."""
    facts = {name: _fact(rows, name) for name in FACTS if name != "namespace" and rows.has(name)}
    columns = {name: samples[name] for name in KEY} | {"namespace": namespace} | facts
    table = pa.table(columns)
    if facts:
        table = table.sort_by([("ts_s", "ascending")])
    wanted = [(name, "last") for name in ("namespace", *facts)] + [("ts_s", "min"), ("ts_s", "max")]
    grouped = table.group_by(["pod", "container"], use_threads=False).aggregate(wanted)
    names = ["pod", "container", *(f"{name}_{how}" for name, how in wanted)]
    spelt = ["pod", "container", "namespace", *facts, "first_seen_s", "last_seen_s"]
    found = grouped.select(names).rename_columns(spelt)
    for field in CONTAINERS:
        if field.name not in spelt:
            found = found.append_column(field, pa.nulls(len(found), field.type))
    return found.select(CONTAINERS.names).cast(CONTAINERS)


def _fact(rows: _Rows, name: str) -> pa.Array:
    if name == "labels":
        return rows.labels()
    if CONTAINERS.field(name).type == pa.string():
        return rows.names(name, nullable=True)
    return rows.numbers(name)
