"""The door to a trace's Parquet files: a column comes in checked, or not at all.

Files come from anyone's exporter, so each column is held against its type, its range and the
limits below before it becomes an array. Every refusal is one line that names the file, the column
and the row, counted from 0 as pyarrow, pandas and polars count.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from slacktide.errors import BadInput

MAX_FILE_BYTES: Final = 16 * 2**30  # as stored
MAX_UNPACKED_BYTES: Final = 64 * 2**30  # as its footer declares: a small file may unpack to a lot
MAX_NAME_CHARACTERS: Final = 512  # Kubernetes allows 253


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value came from, to say so when it is refused."""

    path: Path
    column: str
    first_row: int = 0  # of the piece at hand, where a file is read in pieces

    def refuse(self, why: str, row: int | None = None) -> BadInput:
        """The error to raise; `row` counts from the piece's first."""
        at = "" if row is None else f", row {self.first_row + row} (from 0)"
        return BadInput(f"{self.path}: column {self.column}{at}: {why}")


@dataclass(frozen=True, slots=True)
class Bounds:
    """The values a column may hold, ends included."""

    low: float
    high: float
    above_zero: bool = False  # 0 itself is refused too

    def broken(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """True where a value lies outside; NaN lies inside."""
        outside: NDArray[np.bool_] = (values < self.low) | (values > self.high)
        return outside | (values == 0) if self.above_zero else outside

    def __str__(self) -> str:
        low = "more than 0" if self.above_zero else f"at least {self.low:,.0f}"
        return f"{low} and at most {self.high:,.0f}"


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns what reading `path` may raise into one line."""
    try:
        yield
    except FileNotFoundError as error:
        raise BadInput(f"{path}: there is no such file") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        first_line = str(error).strip().partition("\n")[0]
        raise BadInput(f"{path}: cannot be read: {first_line}") from error


def open_parquet(
    path: Path, *, max_rows: int, required: tuple[str, ...], as_dictionary: tuple[str, ...] = ()
) -> pq.ParquetFile:
    """The opened file: neither empty nor beyond the limits, with the required columns."""
    with readable(path):
        _limit(path, "bytes", path.stat().st_size, MAX_FILE_BYTES)
        file = pq.ParquetFile(path)
        footer, columns = file.metadata, file.schema_arrow.names
        groups = (footer.row_group(i) for i in range(footer.num_row_groups))
        unpacked = sum(group.total_byte_size for group in groups)
    _limit(path, "bytes unpacked", unpacked, MAX_UNPACKED_BYTES)
    _limit(path, "rows", footer.num_rows, max_rows)
    _require_columns(path, columns, required)
    if footer.num_rows <= 0:
        raise BadInput(f"{path}: has no rows")
    if not as_dictionary:
        return file
    with readable(path):
        return pq.ParquetFile(path, read_dictionary=list(as_dictionary))


def _require_columns(path: Path, present: list[str], required: tuple[str, ...]) -> None:
    for column in required:
        if column not in present:
            has = ", ".join(present[:20])
            raise BadInput(f"{path}: column {column} is missing; the file has {has}")
    for column in present:
        if present.count(column) > 1:
            raise BadInput(f"{path}: column {column} is there more than once")


class Table:
    """One small file (nodes, pods, jobs) whose columns are taken one by one, each checked."""

    def __init__(self, path: Path, *, max_rows: int, required: tuple[str, ...]) -> None:
        """Reads the file whole; `required` columns must be there."""
        with readable(path):
            table = open_parquet(path, max_rows=max_rows, required=required).read()
            table.validate(full=True)
        self._path = path
        self._table = table
        self.rows: int = table.num_rows

    def place(self, column: str) -> Place:
        """Where `column` is, for checks of the caller's own."""
        return Place(self._path, column)

    def has(self, column: str) -> bool:
        """Whether an optional column is there."""
        return column in self._table.column_names

    def names(self, column: str, *, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Strings; a null takes its row's default, or is refused where there is none."""
        place = self.place(column)
        array = checked_names(place, self._array(column), nullable=default is not None)
        values = array.to_pylist()
        if default is not None:
            values = [d if v is None else v for v, d in zip(values, default, strict=True)]
        return tuple(values)

    def unique_names(self, column: str) -> tuple[str, ...]:
        """Strings, each once."""
        values = self.names(column)
        first: dict[str, int] = {}
        for row, value in enumerate(values):
            if first.setdefault(value, row) != row:
                why = f"{value} is there twice, first in row {first[value]}"
                raise self.place(column).refuse(why, row)
        return values

    def numbers(self, column: str, bounds: Bounds, *, nullable: bool) -> NDArray[np.float64]:
        """Numbers as float64, null as NaN."""
        values = checked_numbers(self.place(column), self._array(column), bounds, nullable=nullable)
        return values.astype(np.float64)

    def whole(
        self, column: str, bounds: Bounds, *, null: NDArray[np.int64] | int | None = None
    ) -> NDArray[np.int64]:
        """Whole numbers; nulls become `null`, or are refused where that is None."""
        array = self._array(column)
        values = checked_whole(self.place(column), array, bounds, nullable=null is not None)
        missing = array.is_null().to_numpy(zero_copy_only=False)
        filled = np.where(missing, 0, values).astype(np.int64)
        return filled if null is None else np.where(missing, null, filled)

    def _array(self, column: str) -> pa.Array:
        array = self._table.column(column).combine_chunks()
        return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def checked_names(place: Place, array: pa.Array, *, nullable: bool = False) -> pa.Array:
    """The array as `string`: no control characters, nothing empty or endless."""
    if pa.types.is_null(array.type) and nullable:
        return array.cast(pa.string())
    if not _is_text(array.type):
        raise place.refuse(f"holds {array.type} where names are wanted")
    with readable(place.path):
        array = array.cast(pa.string())
        array.validate(full=True)
        length = pc.utf8_length(array)
        hidden = pc.match_substring_regex(array, r"\pC")
    if not nullable:
        _refuse_first(place, array.is_null(), "is null")
    _refuse_first(place, pc.equal(length, 0), "is empty")
    too_long = pc.greater(length, MAX_NAME_CHARACTERS)
    _refuse_first(place, too_long, f"is longer than {MAX_NAME_CHARACTERS} characters")
    _refuse_first(place, hidden, "holds a control character")
    return array


def checked_numbers(
    place: Place, array: pa.Array, bounds: Bounds, *, nullable: bool
) -> NDArray[Any]:
    """Any width of integer or float, within bounds; null as NaN, NaN itself and Inf refused."""
    kind = array.type
    if pa.types.is_null(kind) and nullable:
        return np.full(len(array), np.nan)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise place.refuse(f"holds {kind} where numbers are wanted")
    if not nullable and array.null_count:
        _refuse_first(place, array.is_null(), "is null")
    values: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    _refuse_unfit(place, array, values, bounds)
    return values


def checked_whole(place: Place, array: pa.Array, bounds: Bounds, *, nullable: bool) -> NDArray[Any]:
    """Like `checked_numbers`, and without a fraction; null is still NaN."""
    values = checked_numbers(place, array, bounds, nullable=nullable)
    if values.dtype.kind == "f":
        broken = np.flatnonzero(values != np.floor(values))
        broken = broken[~np.isnan(values[broken])]
        if broken.size:
            raise place.refuse(f"{values[broken[0]]} is not a whole number", int(broken[0]))
    return values


def _refuse_unfit(place: Place, array: pa.Array, values: NDArray[Any], bounds: Bounds) -> None:
    """Refuses the first NaN that is no null, and the first value out of bounds."""
    is_nan = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
    if np.count_nonzero(is_nan) != array.null_count:
        missing = array.is_null().to_numpy(zero_copy_only=False)
        row = int(np.flatnonzero(is_nan & ~missing)[0])
        raise place.refuse("NaN is not a number; leave what is missing null", row)
    broken = bounds.broken(values)
    if broken.any():
        row = int(np.argmax(broken))
        raise place.refuse(f"{array[row].as_py()} is not {bounds}", row)


def _refuse_first(place: Place, broken: pa.Array, why: str) -> None:
    """Refuses the first row where the Arrow mask is true."""
    row = pc.index(broken.cast(pa.bool_()), True).as_py()
    if row >= 0:
        raise place.refuse(why, row)


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _limit(path: Path, what: str, found: int, limit: int) -> None:
    if found > limit:
        raise BadInput(f"{path}: has {found:,} {what}, more than the limit of {limit:,}")
