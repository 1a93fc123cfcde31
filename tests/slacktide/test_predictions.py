"""The predictions file: its columns are fixed, since others score them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slacktide.errors import BadInput
from slacktide.messages import NodeForecasts
from slacktide.predictions import SCHEMA, Predictions

COLUMNS = {
    "ts_s": pa.int64(),
    "node": pa.string(),
    "horizon_s": pa.int64(),
    "policy": pa.string(),
    "peak_cpu_cores": pa.float64(),
    "reclaimable_cpu_cores": pa.float64(),
    "peak_memory_bytes": pa.float64(),
    "reclaimable_memory_bytes": pa.float64(),
    "risk": pa.float64(),
    "reason": pa.string(),
}
NAN = float("nan")


def made(at_s: int = 900, *, risk: float = 0.01) -> NodeForecasts:
    """Two nodes, of which the second has no known memory, over two horizons."""
    return NodeForecasts(
        at_s=at_s,
        nodes=("a", "b"),
        horizons_s=(3_600, 86_400),
        peak_cpu_cores=np.array([[1.0, 2.0], [3.0, 4.0]]),
        reclaimable_cpu_cores=np.array([[7.0, 6.0], [5.0, 4.0]]),
        peak_memory_bytes=np.array([[10.0, 20.0], [NAN, NAN]]),
        reclaimable_memory_bytes=np.array([[90.0, 80.0], [NAN, NAN]]),
        cpu_risk=risk,
        memory_risk=0.001,
        reasons=lambda node, horizon: f"node {node}, horizon {horizon}",
    )


def test_the_columns_are_the_documented_ones() -> None:
    assert dict(zip(SCHEMA.names, SCHEMA.types, strict=True)) == COLUMNS


def test_a_row_is_one_node_at_one_horizon() -> None:
    found = Predictions()
    found.add("ours", made(), 1)
    assert found.rows() == [
        {
            "ts_s": 900, "node": "a", "horizon_s": 86_400, "policy": "ours",
            "peak_cpu_cores": 2.0, "reclaimable_cpu_cores": 6.0,
            "peak_memory_bytes": 20.0, "reclaimable_memory_bytes": 80.0,
            "risk": 0.01, "reason": "node 0, horizon 1",
        },
        {
            "ts_s": 900, "node": "b", "horizon_s": 86_400, "policy": "ours",
            "peak_cpu_cores": 4.0, "reclaimable_cpu_cores": 4.0,
            "peak_memory_bytes": None, "reclaimable_memory_bytes": None,
            "risk": 0.01, "reason": "node 1, horizon 1",
        },
    ]  # fmt: skip


def test_the_file_holds_the_rows_in_the_order_they_were_made(tmp_path: Path) -> None:
    found = Predictions()
    found.add("ours", made(900), 0)
    found.add("theirs", made(1_800, risk=NAN), 1)
    found.write(tmp_path / "made.parquet")
    table = pq.read_table(tmp_path / "made.parquet")
    assert table.schema.equals(SCHEMA)
    assert table.to_pylist() == found.rows()
    assert table["ts_s"].to_pylist() == [900, 900, 1_800, 1_800]
    assert table["risk"].to_pylist() == [0.01, 0.01, None, None]


def test_nothing_predicted_is_an_empty_file_of_the_same_columns(tmp_path: Path) -> None:
    Predictions().write(tmp_path / "made.parquet")
    table = pq.read_table(tmp_path / "made.parquet")
    assert table.num_rows == 0
    assert table.schema.equals(SCHEMA)
    assert Predictions().rows() == []


def test_a_file_that_was_there_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "made.parquet"
    path.write_bytes(b"something older")
    found = Predictions()
    found.add("ours", made(), 0)
    found.write(path)
    assert pq.read_table(path).num_rows == 2
    assert [file.name for file in tmp_path.iterdir()] == ["made.parquet"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing/made.parquet", "No such file or directory"),
        ("file/made.parquet", "Not a directory"),
    ],
)
def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left(
    tmp_path: Path, name: str, why: str
) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(BadInput) as refusal:
        Predictions().write(tmp_path / name)
    assert str(refusal.value) == f"{tmp_path / name}: cannot be written: {why}"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_folder_in_the_files_place_is_left_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "made.parquet"
    target.mkdir()
    with pytest.raises(BadInput, match="cannot be written"):
        Predictions().write(target)
    assert [file.name for file in tmp_path.iterdir()] == ["made.parquet"]
    assert list(target.iterdir()) == []
