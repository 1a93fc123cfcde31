"""Files a stranger's exporter may hand in: each is refused in one line that says where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slacktide.errors import BadInput
from slacktide.trace import NEVER, read_jobs, read_trace

Columns = dict[str, Any]

NODES: Columns = {
    "node": ["node-1", "node-2"],
    "cluster": ["east", "east"],
    "cpu_cores": [16.0, 32.0],
    "memory_bytes": pa.array([2**36, None], pa.int64()),
}
PODS: Columns = {
    "pod": ["pod-a", "pod-b", "pod-c"],
    "node": ["node-1", "node-1", "node-2"],
    "cluster": ["east", "east", "east"],
    "namespace": ["shop", "shop", "pay"],
    "workload": ["cart", "cart", None],
    "kind": ["Deployment", "Deployment", None],
    "qos": ["LS", "LS", None],
    "cpu_request_cores": pa.array([1.0, 2.0, None]),
    "cpu_limit_cores": pa.array([2.0, 4.0, None]),
    "memory_request_bytes": pa.array([2**30, 2**30, None]),
    "memory_limit_bytes": pa.array([None, None, None], pa.int64()),
    "start_s": pa.array([0, 300, None], pa.int64()),
    "end_s": pa.array([900, None, None], pa.int64()),
}
USAGE: Columns = {
    "ts_s": [0, 0, 300, 600, 600],
    "pod": ["pod-a", "pod-b", "pod-a", "pod-a", "pod-b"],
    "container": ["web"] * 5,
    "cpu_cores": pa.array([0.1, 0.2, 0.3, None, 0.5], pa.float32()),
    "memory_bytes": pa.array([10, 20, 30, 40, None], pa.int64()),
}
JOBS: Columns = {
    "job": ["train", "sort"],
    "queue": ["red", "blue"],
    "submit_s": [0, 60],
    "tasks": [8, 2],
    "min_available": pa.array([4, None], pa.int64()),
    "cpu_cores": [2.0, 0.5],
    "memory_bytes": pa.array([2**30, None], pa.int64()),
    "duration_s": [600, 60],
    "priority": pa.array([5, None], pa.int64()),
}
DESCRIPTION = {"name": "mine", "source": "export", "licence": "none", "interval_s": 300}
TABLES = {"nodes": NODES, "pods": PODS, "usage": USAGE, "jobs": JOBS}


def lay(folder: Path, **changed: Columns) -> Path:
    """A sound folder but for the changed columns; a column changed to None is left out."""
    for name, columns in TABLES.items():
        kept = {k: v for k, v in (columns | changed.get(name, {})).items() if v is not None}
        pq.write_table(pa.table(kept), folder / f"{name}.parquet")
    (folder / "trace.json").write_text(json.dumps(DESCRIPTION))
    return folder


def with_value(columns: Columns, column: str, row: int, value: object) -> Columns:
    """One value of one column changed, the type left to Arrow."""
    values = columns[column]
    values = values.to_pylist() if isinstance(values, pa.Array) else list(values)
    values[row] = value
    return {column: pa.array(values, from_pandas=False)}


BAD_VALUES = [
    ("nodes", "node", 1, "node-1", "node-1 is there twice, first in row 0"),
    ("nodes", "node", 1, "", "is empty"),
    ("nodes", "node", 1, None, "is null"),
    ("nodes", "node", 1, "node\x1b[2J", "holds a control character"),
    ("nodes", "node", 1, "n" * 513, "is longer than 512 characters"),
    ("nodes", "cpu_cores", 0, 0.0, "0.0 is not more than 0 and at most 100,000"),
    ("nodes", "cpu_cores", 1, 100_001.0, "100001.0 is not more than 0 and at most 100,000"),
    ("nodes", "cpu_cores", 1, None, "is null"),
    ("nodes", "memory_bytes", 0, 2**50 + 1, "1125899906842625 is not more than 0 and at most"),
    ("nodes", "memory_bytes", 0, 0, "0 is not more than 0"),
    ("pods", "pod", 2, "pod-a", "pod-a is there twice, first in row 0"),
    ("pods", "node", 2, "node-9", "node-9 is not in nodes.parquet"),
    ("pods", "node", 1, None, "is null"),
    ("pods", "cluster", 1, "west", "west, but nodes.parquet has node-1 in east"),
    ("pods", "namespace", 1, None, "is null"),
    ("pods", "qos", 0, "gold", "gold is none of LSE, LSR, LS, BE"),
    ("pods", "cpu_request_cores", 1, -1.0, "-1.0 is not at least 0"),
    ("pods", "cpu_request_cores", 1, float("nan"), "NaN is not a number"),
    ("pods", "cpu_limit_cores", 1, float("inf"), "inf is not at least 0"),
    ("pods", "memory_request_bytes", 0, -1, "-1 is not at least 0"),
    ("pods", "start_s", 1, 10**11, "100000000000 is not at least -10,000,000,000"),
    ("pods", "start_s", 1, 0.5, "0.5 is not a whole number"),
    ("pods", "end_s", 0, -300, "-300 is before start_s 0"),
    ("usage", "ts_s", 3, -300, "-300 is not at least 0"),
    ("usage", "ts_s", 3, 601, "601 is no multiple of interval_s 300"),
    ("usage", "ts_s", 3, 600.5, "600.5 is not a whole number"),
    ("usage", "ts_s", 3, None, "is null"),
    ("usage", "ts_s", 3, 10**15, "1,000,000,000,000,000 s lies more than 1,000,000 intervals"),
    ("usage", "ts_s", 3, 0, "goes back in time"),
    ("usage", "ts_s", 3, 300, "its container has a sample of this time already"),
    ("usage", "pod", 3, "pod-z", "pod-z is not in pods.parquet"),
    ("usage", "pod", 3, None, "is null"),
    ("usage", "pod", 3, "", "is empty"),
    ("usage", "container", 3, None, "is null"),
    ("usage", "container", 3, "we\nb", "holds a control character"),
    ("usage", "cpu_cores", 3, -0.5, "-0.5 is not at least 0"),
    ("usage", "cpu_cores", 3, 1e7, "10000000.0 is not at least 0 and at most 1,000,000"),
    ("usage", "cpu_cores", 3, float("nan"), "NaN is not a number; leave what is missing null"),
    ("usage", "cpu_cores", 3, float("inf"), "inf is not at least 0"),
    ("usage", "memory_bytes", 3, -1, "-1 is not at least 0"),
    (
        "usage",
        "memory_bytes",
        3,
        2**51,
        "2251799813685248 is not at least 0 and at most 1,125,899,906,842,624",
    ),
    ("jobs", "job", 1, "train", "train is there twice, first in row 0"),
    ("jobs", "queue", 1, None, "is null"),
    ("jobs", "submit_s", 1, -1, "-1 is not at least 0"),
    ("jobs", "tasks", 1, 0, "0 is not at least 1"),
    ("jobs", "tasks", 1, 10**7, "10000000 is not at least 1 and at most 1,000,000"),
    ("jobs", "tasks", 1, None, "is null"),
    ("jobs", "min_available", 0, 9, "9 is more than the job's 8 tasks"),
    ("jobs", "min_available", 0, 0, "0 is not at least 1"),
    ("jobs", "cpu_cores", 1, 0.0, "0.0 is not more than 0"),
    ("jobs", "cpu_cores", 1, None, "is null"),
    ("jobs", "memory_bytes", 0, -1, "-1 is not at least 0"),
    ("jobs", "duration_s", 1, 0, "0 is not more than 0"),
    ("jobs", "priority", 0, 2**40, "1099511627776 is not at least -2,147,483,648"),
]


@pytest.mark.parametrize(("file", "column", "row", "value", "why"), BAD_VALUES)
def test_a_bad_value_is_refused_with_its_file_column_and_row(
    tmp_path: Path, *, file: str, column: str, row: int, value: object, why: str
) -> None:
    lay(tmp_path, **{file: with_value(TABLES[file], column, row, value)})
    line = refusal(tmp_path, file)
    assert line.startswith(f"{tmp_path}/{file}.parquet: column {column}, row {row} (from 0): {why}")


BAD_TYPES = [
    ("nodes", "node", pa.array([1, 2]), "holds int64 where names are wanted"),
    ("nodes", "cpu_cores", pa.array(["16", "32"]), "holds string where numbers are wanted"),
    ("pods", "start_s", pa.array([True, False, True]), "holds bool where numbers are wanted"),
    ("pods", "pod", pa.array([b"a", b"b", b"c"]), "holds binary where names are wanted"),
    ("usage", "ts_s", pa.array([0] * 5, pa.timestamp("s")), "holds timestamp[ms] where numbers"),
    ("usage", "pod", pa.array([0] * 5), "holds int64 where names are wanted"),
    ("usage", "cpu_cores", pa.array(["1"] * 5), "holds string where numbers are wanted"),
    ("usage", "cpu_cores", pa.nulls(5), "holds no sample, only nulls"),
    ("jobs", "tasks", pa.array([[1], [2]]), "holds list<element: int64> where numbers are wanted"),
]


@pytest.mark.parametrize(("file", "column", "values", "why"), BAD_TYPES)
def test_a_column_of_the_wrong_type_is_refused_with_its_file_and_column(
    tmp_path: Path, file: str, column: str, values: pa.Array, why: str
) -> None:
    lay(tmp_path, **{file: {column: values}})
    assert refusal(tmp_path, file).startswith(f"{tmp_path}/{file}.parquet: column {column}: {why}")


@pytest.mark.parametrize(
    ("file", "column"),
    [("nodes", "memory_bytes"), ("pods", "end_s"), ("usage", "container"), ("jobs", "queue")],
)
def test_a_missing_column_is_refused(tmp_path: Path, file: str, column: str) -> None:
    lay(tmp_path, **{file: {column: None}})
    line = refusal(tmp_path, file)
    assert line.startswith(f"{tmp_path}/{file}.parquet: column {column} is missing; the file has ")


@pytest.mark.parametrize("file", ["nodes", "pods", "usage", "jobs"])
class TestAnyFile:
    def test_a_missing_file_is_refused(self, tmp_path: Path, file: str) -> None:
        (lay(tmp_path) / f"{file}.parquet").unlink()
        assert refusal(tmp_path, file) == f"{tmp_path}/{file}.parquet: there is no such file"

    def test_a_file_without_rows_is_refused(self, tmp_path: Path, file: str) -> None:
        path = lay(tmp_path) / f"{file}.parquet"
        pq.write_table(pq.read_table(path).slice(0, 0), path)
        assert refusal(tmp_path, file) == f"{path}: has no rows"

    @pytest.mark.parametrize("keep", [0, 3, 100, -100])
    def test_a_truncated_file_is_refused(self, tmp_path: Path, file: str, keep: int) -> None:
        path = lay(tmp_path) / f"{file}.parquet"
        path.write_bytes(path.read_bytes()[:keep])
        assert refusal(tmp_path, file).startswith(f"{path}: cannot be read: ")

    def test_bytes_changed_on_the_way_never_pass_as_an_uncaught_error(
        self, tmp_path: Path, file: str
    ) -> None:
        path = lay(tmp_path) / f"{file}.parquet"
        sound = path.read_bytes()
        generator = np.random.default_rng(1)
        for _ in range(60):
            spoilt = bytearray(sound)
            for at in generator.integers(0, len(sound), 3):
                spoilt[at] = generator.integers(0, 256)
            path.write_bytes(bytes(spoilt))
            try:
                read(tmp_path, file)
            except BadInput as error:
                assert str(error).startswith(str(tmp_path)), error  # noqa: PT017 - either outcome will do

    def test_a_folder_in_a_file_s_place_is_refused(self, tmp_path: Path, file: str) -> None:
        path = lay(tmp_path) / f"{file}.parquet"
        path.unlink()
        path.mkdir()
        assert refusal(tmp_path, file).startswith(f"{path}: cannot be read: ")

    def test_a_column_given_twice_is_refused(self, tmp_path: Path, file: str) -> None:
        path = lay(tmp_path) / f"{file}.parquet"
        table = pq.read_table(path)
        first = table.column_names[0]
        pq.write_table(table.append_column(first, table[first]), path)
        assert refusal(tmp_path, file) == f"{path}: column {first} is there more than once"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "is not JSON: Expecting value"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[1]", "wants an object with name, source, licence and interval_s"),
        (b"{}", "interval_s is None, not a whole number at least 1 and at most 86,400"),
        (b'{"interval_s": "300"}', "interval_s is '300', not a whole number"),
        (b'{"interval_s": 0}', "interval_s is 0, not a whole number"),
        (b'{"interval_s": -300}', "interval_s is -300, not a whole number"),
        (b'{"interval_s": 1e300}', "interval_s is 1e+300, not a whole number"),
        (b'{"interval_s": true}', "interval_s is True, not a whole number"),
        (b'{"interval_s": NaN}', "interval_s is nan, not a whole number"),
        (b'{"interval_s": 100000}', "interval_s is 100000, not a whole number"),
        (b'{"interval_s": 300, "name": ["mine"]}', "name is not one line of text"),
        (b'{"interval_s": 300, "licence": "a\\nb"}', "licence is not one line of text"),
        (b" " * (2**20 + 1), "is larger than 1,048,576 bytes"),
    ],
)
def test_a_broken_description_is_refused(tmp_path: Path, text: bytes, why: str) -> None:
    path = lay(tmp_path) / "trace.json"
    path.write_bytes(text)
    line = refusal(tmp_path, "usage")
    assert line.startswith(f"{path}: {why}")
    assert "\n" not in line


def test_a_missing_description_is_refused(tmp_path: Path) -> None:
    (lay(tmp_path) / "trace.json").unlink()
    assert refusal(tmp_path, "usage") == f"{tmp_path}/trace.json: there is no such file"


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no", "usage") == f"{tmp_path}/no: there is no such folder"


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    text = pa.array([b"node-1", b"node-\xff\xfe"]).view(pa.string())
    lay(tmp_path, nodes={"node": text})
    assert refusal(tmp_path, "nodes").startswith(f"{tmp_path}/nodes.parquet: cannot be read: ")


@pytest.mark.parametrize(
    ("limit", "value", "why"),
    [
        ("slacktide.trace.door.MAX_FILE_BYTES", 100, "bytes, more than the limit of 100"),
        ("slacktide.trace.door.MAX_UNPACKED_BYTES", 100, "bytes unpacked, more than the limit"),
        ("slacktide.trace.read_usage.MAX_ROWS", 4, "has 5 rows, more than the limit of 4"),
        ("slacktide.trace.read_usage.MAX_CELLS", 5, "2 containers x 3 stamps are more than 5"),
    ],
)
def test_more_than_a_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, why: str
) -> None:
    lay(tmp_path)
    monkeypatch.setattr(limit, value)
    assert why in refusal(tmp_path, "usage")


def test_rows_far_apart_do_not_allocate_the_space_between(tmp_path: Path) -> None:
    """Two thousand rows, a few kilobytes, that would ask for matrices of 8 GB each."""
    pods = [f"pod-{i}" for i in range(2000)]
    usage = {"ts_s": [299_999_700] * 2000, "pod": pods, "container": ["web"] * 2000}
    usage |= {"cpu_cores": [0.5] * 2000, "memory_bytes": [1] * 2000}
    rows = {c: pa.chunked_array([PODS[c]]).combine_chunks() for c in PODS}
    columns = {c: pa.array([v[0].as_py()] * 2000, v.type) for c, v in rows.items()} | {"pod": pods}
    lay(tmp_path, pods=columns, usage=usage)
    assert refusal(tmp_path, "usage") == (
        f"{tmp_path}/usage.parquet: column ts_s: "
        "2,000 containers x 1,000,000 stamps are more than 536,870,912 samples"
    )


@pytest.mark.parametrize(
    ("file", "column", "kind"),
    [
        ("nodes", "cpu_cores", pa.int8()),
        ("nodes", "memory_bytes", pa.float64()),
        ("nodes", "node", pa.large_string()),
        ("nodes", "node", pa.dictionary(pa.int8(), pa.string())),
        ("pods", "start_s", pa.float64()),
        ("usage", "ts_s", pa.uint16()),
        ("usage", "ts_s", pa.float64()),
        ("usage", "pod", pa.large_string()),
        ("usage", "pod", pa.dictionary(pa.int32(), pa.large_string())),
        ("usage", "container", pa.string_view()),
        ("usage", "cpu_cores", pa.float64()),
        ("usage", "memory_bytes", pa.float32()),
    ],
)
def test_any_width_of_number_and_any_form_of_string_will_do(
    tmp_path: Path, file: str, column: str, kind: pa.DataType
) -> None:
    lay(tmp_path)
    expected = read_trace(tmp_path)
    path = tmp_path / f"{file}.parquet"
    table = pq.read_table(path)
    changed = table[column].cast(kind)
    pq.write_table(table.set_column(table.column_names.index(column), column, changed), path)
    assert repr(read_trace(tmp_path)) == repr(expected)


def test_nulls_take_their_documented_meaning(tmp_path: Path) -> None:
    trace = read_trace(lay(tmp_path, usage={"cpu_max_cores": pa.nulls(5)}))
    assert trace.pods.workload == ("cart", "cart", "pod-c")
    assert trace.pods.kind[2] == "Pod"
    assert trace.pods.qos[2] == "LS"
    assert trace.pods.start_s.tolist() == [0, 300, 0]
    assert trace.pods.end_s.tolist() == [900, NEVER, NEVER]
    assert np.isnan(trace.pods.cpu_request_cores[2])
    assert np.isnan(trace.nodes.memory_bytes[1])
    assert trace.usage.cpu_max_cores is None
    cpu = trace.usage.cpu_cores
    assert np.isnan(cpu).tolist() == [[False, False, True], [False, True, False]]
    jobs = read_jobs(tmp_path)
    assert jobs.min_available.tolist() == [4, 2]
    assert jobs.priority.tolist() == [5, 0]
    assert jobs.memory_bytes.tolist() == [2**30, 0]


@pytest.mark.parametrize("order", ["by series", "by time"])
def test_rows_may_come_by_series_or_by_time(tmp_path: Path, order: str) -> None:
    by = ["pod", "ts_s"] if order == "by series" else ["ts_s", "pod"]
    path = lay(tmp_path) / "usage.parquet"
    table = pq.read_table(path).sort_by([(name, "ascending") for name in by])
    pq.write_table(table, path, row_group_size=2)
    trace = read_trace(tmp_path)
    assert trace.usage.pod.tolist() == [0, 1]
    assert trace.usage.cpu_cores[0, :2].tolist() == pytest.approx([0.1, 0.3])


def test_two_containers_of_a_pod_are_two_series(tmp_path: Path) -> None:
    usage = {"ts_s": [0, 0, 300, 300, 0], "pod": ["pod-a"] * 4 + ["pod-b"]}
    usage |= {"container": ["web", "proxy", "web", "proxy", "web"]}
    trace = read_trace(lay(tmp_path, usage=usage))
    assert trace.usage.pod.tolist() == [0, 0, 1]
    assert trace.usage.container == ("web", "proxy", "web")


def read(folder: Path, file: str) -> object:
    """Reads the file through the function that owns it."""
    return read_jobs(folder) if file == "jobs" else read_trace(folder)


def refusal(folder: Path, file: str) -> str:
    """The line that refuses the folder."""
    with pytest.raises(BadInput) as caught:
        read(folder, file)
    assert "\n" not in str(caught.value)
    return str(caught.value)
