"""The predictions file: every node forecast that was made, in columns that others can score."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from slacktide.errors import BadInput
from slacktide.messages import NodeForecasts

SCHEMA: Final = pa.schema(
    [
        ("ts_s", pa.int64()),
        ("node", pa.string()),
        ("horizon_s", pa.int64()),
        ("policy", pa.string()),
        ("peak_cpu_cores", pa.float64()),
        ("reclaimable_cpu_cores", pa.float64()),
        ("peak_memory_bytes", pa.float64()),
        ("reclaimable_memory_bytes", pa.float64()),
        ("risk", pa.float64()),
        ("reason", pa.string()),
    ]
)


class Predictions:
    """Forecasts collected as columns; a NaN becomes null."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._columns: dict[str, list[Any]] = defaultdict(list)

    def add(self, policy: str, made: NodeForecasts, horizon: int) -> None:
        """One forecast of every node at one of its horizons, named by its index."""
        nodes, columns = len(made.nodes), self._columns
        columns["ts_s"] += [made.at_s] * nodes
        columns["node"] += made.nodes
        columns["horizon_s"] += [made.horizons_s[horizon]] * nodes
        columns["policy"] += [policy] * nodes
        for name, values in (
            ("peak_cpu_cores", made.peak_cpu_cores),
            ("reclaimable_cpu_cores", made.reclaimable_cpu_cores),
            ("peak_memory_bytes", made.peak_memory_bytes),
            ("reclaimable_memory_bytes", made.reclaimable_memory_bytes),
        ):
            at = values[:, horizon].tolist()
            columns[name] += [None if math.isnan(value) else value for value in at]
        columns["risk"] += [None if math.isnan(made.cpu_risk) else made.cpu_risk] * nodes
        columns["reason"] += [made.reasons(node, horizon) for node in range(nodes)]

    def table(self) -> pa.Table:
        """As the file's table."""
        return pa.table({name: self._columns[name] for name in SCHEMA.names}, schema=SCHEMA)

    def rows(self) -> list[dict[str, Any]]:
        """As rows, in the order they were made."""
        names = SCHEMA.names
        return [
            dict(zip(names, row, strict=True))
            for row in zip(*(self._columns[name] for name in names), strict=True)
        ]

    def write(self, path: Path) -> None:
        """All of it, or nothing: written beside, then moved into place."""
        write_predictions(self.table(), path)


def write_predictions(table: pa.Table, path: Path) -> None:
    """Rows of `SCHEMA`, all of them or nothing: written beside, then moved into place."""
    draft = path.with_name(f".{path.name}.tmp")
    try:
        pq.write_table(table, draft, compression="zstd")
        draft.replace(path)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise BadInput(f"{path}: cannot be written: {why}") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
