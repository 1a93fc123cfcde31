"""The usage history on disk: `cluster=NAME/day=NUMBER/part.parquet`, zstd, one file a day.

Appending is idempotent: a sample is named by (ts_s, pod, container), and writing it again replaces
it, so an import that died halfway is simply run again. A file is written beside its place and
renamed into it, so a reader sees the old day or the new one, never half of either. One writer per
cluster; any number of readers.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from predictor.core.tables import KEY, SAMPLES
from slacktide.errors import BadInput

DAY_S: Final = 86_400


class ParquetStore:
    """Usage samples of many clusters under one folder, which is made when first written."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def append(self, cluster: str, samples: pa.Table) -> int:
        """Stores samples (columns of `SAMPLES`); returns how many the touched days hold now.

        Raises:
            BadInput: on a missing column, a wrong type, a null key, or a torn file in the way.
        """
        samples = _conformed(samples)
        if not len(samples):
            return 0
        day = np.asarray(samples["ts_s"]) // DAY_S
        return sum(
            self._merge(self._file(cluster, int(number)), samples.filter(pa.array(day == number)))
            for number in np.unique(day)
        )

    def read(self, cluster: str, *, from_s: int, to_s: int) -> pa.Table:
        """Samples with `from_s <= ts_s < to_s`, by time, pod and container; empty where none are.

        Raises:
            BadInput: when a file of that window is torn.
        """
        days = [day for day in self.days(cluster) if from_s // DAY_S <= day <= (to_s - 1) // DAY_S]
        if not days or to_s <= from_s:
            return SAMPLES.empty_table()
        table = pa.concat_tables([_read(self._file(cluster, day)) for day in days])
        ts = table["ts_s"]
        return table.filter(pc.and_(pc.greater_equal(ts, from_s), pc.less(ts, to_s)))

    def clusters(self) -> tuple[str, ...]:
        """Clusters with any samples, by name."""
        folders = self._root.glob("cluster=*")
        return tuple(sorted(unquote(folder.name.removeprefix("cluster=")) for folder in folders))

    def days(self, cluster: str) -> tuple[int, ...]:
        """Days since the origin that hold samples, ascending."""
        files = self._folder(cluster).glob("day=*/part.parquet")
        return tuple(sorted(int(file.parent.name.removeprefix("day=")) for file in files))

    def _folder(self, cluster: str) -> Path:
        return self._root / f"cluster={quote(cluster, safe='')}"

    def _file(self, cluster: str, day: int) -> Path:
        return self._folder(cluster) / f"day={day}" / "part.parquet"

    def _merge(self, file: Path, new: pa.Table) -> int:
        merged = _deduplicated(pa.concat_tables([_read(file), new]) if file.exists() else new)
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_suffix(f".{os.getpid()}.tmp")
        try:
            pq.write_table(merged, beside, compression="zstd")
            beside.replace(file)
        finally:
            beside.unlink(missing_ok=True)
        return len(merged)


def _conformed(samples: pa.Table) -> pa.Table:
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
        return samples.select(SAMPLES.names).cast(SAMPLES)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as why:
        raise BadInput(f"usage samples do not fit {SAMPLES.names}: {_line(why)}") from why


def _deduplicated(table: pa.Table) -> pa.Table:
    """The last of each key, sorted by it."""
    numbered = table.append_column("row", pa.array(np.arange(len(table))))
    last = numbered.group_by(list(KEY)).aggregate([("row", "max")])["row_max"]
    return table.take(last).sort_by([(name, "ascending") for name in KEY])


def _read(file: Path) -> pa.Table:
    try:
        return _conformed(pq.ParquetFile(file).read())
    except (pa.ArrowException, OSError) as why:
        raise BadInput(
            f"{file} is torn or no Parquet file ({_line(why)}); delete it and import that day again"
        ) from why


def _line(why: Exception) -> str:
    return str(why).splitlines()[0] if str(why) else type(why).__name__
