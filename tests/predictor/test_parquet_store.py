"""The store: what was appended comes back once, and a torn file is one clear line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.adapters.parquet_store import DAY_S, MOST_PARTS, ParquetStore
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
    assert {file.parents[3] for file in tmp_path.rglob("*.parquet")} == {tmp_path}


def test_an_unknown_cluster_is_empty(tmp_path: Path) -> None:
    assert len(ParquetStore(tmp_path).read("nowhere", from_s=0, to_s=DAY_S)) == 0


def test_a_torn_file_is_said_and_the_rest_is_read(tmp_path: Path) -> None:
    said: list[str] = []
    store = ParquetStore(tmp_path, say=said.append)
    store.append("here", samples([300]))
    store.append("here", samples([600]))
    (file, _) = sorted(tmp_path.rglob("day=0/shard=*/*.parquet"))
    file.write_bytes(file.read_bytes()[:-20])
    assert store.read("here", from_s=0, to_s=DAY_S)["ts_s"].to_pylist() == [600]
    (line,) = said
    assert f"{file} is torn" in line
    assert "slacktide history compact" in line


def test_an_append_writes_small_parts_and_touches_no_other_file(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    store.append("here", samples([300, DAY_S]))
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.parquet")}
    store.append("here", samples([600]))
    after = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.parquet")}
    assert len(after) == len(before) + 1 == 3
    assert before.items() <= after.items()


def test_the_same_hour_again_is_no_new_file(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    for cores in (0.5, 0.75, 0.5):
        store.append("here", samples([300], cores=cores))
    assert len(list(tmp_path.rglob("*.parquet"))) == 2
    assert store.read("here", from_s=0, to_s=DAY_S)["cpu_cores"].to_pylist() == [0.5]


def test_other_values_again_and_again_do_not_pile_up(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    for turn in range(2 * MOST_PARTS):
        store.append("here", samples([300 * (turn % 3)], cores=turn))
    assert len(list(tmp_path.rglob("*.parquet"))) <= MOST_PARTS
    read = store.read("here", from_s=0, to_s=DAY_S)
    last = 2 * MOST_PARTS - 1
    newest = {turn % 3: float(turn) for turn in range(last - 2, last + 1)}
    assert read["cpu_cores"].to_pylist() == [newest[k] for k in range(3)]


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


def test_parts_that_the_newest_says_all_of_become_it(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    for turn in range(MOST_PARTS):
        store.append("here", samples([300 * turn]))
    store.append("here", samples([300 * turn for turn in range(MOST_PARTS)]))
    assert len(list(tmp_path.rglob("*.parquet"))) == 1
    assert len(store.read("here", from_s=0, to_s=DAY_S)) == MOST_PARTS


def test_missing_measurements_stay_missing(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    store.append("here", samples([300]))
    read = store.read("here", from_s=0, to_s=DAY_S)
    assert read["cpu_max_cores"].null_count == 1
    assert np.isfinite(np.asarray(read["cpu_cores"])).all()
