"""The store: what was appended comes back once, and a torn file is one clear line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.adapters.parquet_store import DAY_S, ParquetStore
from predictor.core.tables import SAMPLES
from slacktide.errors import BadInput


def samples(times_s: list[int], *, pod: str = "shop-1", cores: float = 0.5) -> pa.Table:
    rows = len(times_s)
    return pa.table(
        {
            "ts_s": times_s,
            "pod": [pod] * rows,
            "container": ["app"] * rows,
            "cpu_cores": [cores] * rows,
            "memory_bytes": [1e9] * rows,
        },
    )


def test_what_was_appended_is_read_back_in_order(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path / "history")
    store.append("here", samples([DAY_S + 300, 300]))
    store.append("here", samples([600], pod="a-pod"))
    read = store.read("here", from_s=0, to_s=2 * DAY_S)
    assert read["ts_s"].to_pylist() == [300, 600, DAY_S + 300]
    assert read.schema == SAMPLES


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 3 * DAY_S), min_size=1, max_size=20), st.integers(1, 3))
def test_appending_again_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, times_s: list[int], again: int
) -> None:
    store = ParquetStore(tmp_path_factory.mktemp("store"))
    for _ in range(again):
        store.append("here", samples(times_s))
    read = store.read("here", from_s=0, to_s=4 * DAY_S)
    assert read["ts_s"].to_pylist() == sorted(set(times_s))


def test_a_sample_written_again_is_replaced(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    store.append("here", samples([300], cores=0.5))
    store.append("here", samples([300], cores=0.75))
    assert store.read("here", from_s=0, to_s=DAY_S)["cpu_cores"].to_pylist() == [0.75]


@pytest.mark.parametrize(
    ("from_s", "to_s", "expected"),
    [(0, 300, []), (300, 301, [300]), (0, DAY_S, [300]), (301, DAY_S + 1, [DAY_S]), (5, 5, [])],
)
def test_a_window_holds_its_start_and_not_its_end(
    tmp_path: Path, from_s: int, to_s: int, expected: list[int]
) -> None:
    store = ParquetStore(tmp_path)
    store.append("here", samples([300, DAY_S]))
    assert store.read("here", from_s=from_s, to_s=to_s)["ts_s"].to_pylist() == expected


def test_clusters_are_kept_apart_whatever_they_are_called(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    store.append("eu/west=1", samples([300]))
    store.append("../up", samples([DAY_S]))
    assert store.clusters() == ("../up", "eu/west=1")
    assert store.days("../up") == (1,)
    assert {file.parent.parent.parent for file in tmp_path.rglob("*.parquet")} == {tmp_path}


def test_an_unknown_cluster_is_empty(tmp_path: Path) -> None:
    assert len(ParquetStore(tmp_path).read("nowhere", from_s=0, to_s=DAY_S)) == 0


def test_a_torn_file_is_one_clear_line(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    store.append("here", samples([300]))
    file = tmp_path / "cluster=here" / "day=0" / "part.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(BadInput, match=r"day=0/part.parquet is torn .* import that day again"):
        store.read("here", from_s=0, to_s=DAY_S)
    torn = file.read_bytes()
    with pytest.raises(BadInput):
        store.append("here", samples([600]))
    assert file.read_bytes() == torn, "nothing is half-written over it"


def test_nothing_is_left_beside_the_files(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    store.append("here", samples([300, DAY_S]))
    assert {file.name for file in tmp_path.rglob("*") if file.is_file()} == {"part.parquet"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (samples([300]).drop_columns(["pod"]), "lack the column pod"),
        (samples([300]).set_column(3, "cpu_cores", pa.array(["much"])), "do not fit"),
        (samples([300]).set_column(1, "pod", pa.array([None], pa.string())), "nulls"),
    ],
)
def test_samples_that_do_not_fit_are_refused(tmp_path: Path, wrong: pa.Table, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        ParquetStore(tmp_path).append("here", wrong)
    assert not list(tmp_path.iterdir())


def test_missing_measurements_stay_missing(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    store.append("here", samples([300]))
    read = store.read("here", from_s=0, to_s=DAY_S)
    assert read["cpu_max_cores"].null_count == 1
    assert np.isfinite(np.asarray(read["cpu_cores"])).all()
