"""The recommendations file: right-sized requests at one or several times, in columns others score.

Where there is no answer the value is null: the declared request stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from predictor.core.ranking import Finding

SCHEMA: Final = pa.schema(
    [
        ("ts_s", pa.int64()),
        ("workload", pa.string()),
        ("container", pa.string()),
        ("cpu_request_cores", pa.float64()),
        ("cpu_limit_cores", pa.float64()),
        ("memory_request_bytes", pa.int64()),
        ("memory_limit_bytes", pa.int64()),
        ("confidence", pa.float64()),
        ("reason", pa.string()),
    ]
)


def parquet_bytes(findings: Sequence[Finding]) -> bytes:
    """The whole file, zstd."""
    rows = [
        {
            "ts_s": found.advice.at_s,
            "workload": found.advice.workload,
            "container": found.advice.container,
            "cpu_request_cores": found.cpu_request.recommended,
            "cpu_limit_cores": found.cpu_limit.recommended,
            "memory_request_bytes": found.memory_request.recommended,
            "memory_limit_bytes": found.memory_limit.recommended,
            "confidence": found.advice.confidence,
            "reason": found.advice.reason,
        }
        for found in findings
    ]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())
