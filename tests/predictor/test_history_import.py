"""Importing: what a file says is stored, once; what it says wrongly is told with its row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.adapters.parquet_store import DAY_S, ParquetStore
from slacktide.trace import write_trace
from tests.predictor.storing import Key, as_dict
from tests.simulator import tiny
from tests.simulator.commanding import slacktide

HEADING = "ts_s,pod,container,cpu_cores,memory_bytes"
GOOD = "300,s/a,app,0.5,1e9"


def imported(tmp_path: Path, text: str, *more: str) -> ParquetStore:
    file = tmp_path / "usage.csv"
    file.write_text(text)
    made = slacktide("history", "import", file, "--into", tmp_path / "history", *more)
    assert made.code == 0, made.err
    return ParquetStore(tmp_path / "history")


def test_a_csv_is_stored_with_what_it_says_of_its_containers(tmp_path: Path) -> None:
    text = (
        "ts_s,pod,container,cpu_cores,namespace,workload,node,cpu_request_cores\n"
        "300,web-1,app,0.5,shop,web,n1,2\n"
        "600,web-1,app,,shop,,n1,\n"
        '300,"db-0",app,0.25,shop,,,\n'
    )
    store = imported(tmp_path, text, "--cluster", "east")
    assert store.clusters() == ("east",)
    assert as_dict(store.read("east", from_s=0, to_s=DAY_S)) == {
        (300, "shop/web-1", "app"): 0.5,
        (600, "shop/web-1", "app"): None,
        (300, "shop/db-0", "app"): 0.25,
    }
    db, web = store.inventory("east").containers().to_pylist()
    assert (web["workload"], web["node"], web["cpu_request_cores"]) == ("web", "n1", 2.0)
    assert (web["first_seen_s"], web["last_seen_s"], web["namespace"]) == (300, 600, "shop")
    assert (db["pod"], db["workload"], db["node"]) == ("shop/db-0", None, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{HEADING}\n{GOOD}\n300,s/b,app,much,\n", "cpu_cores, row 1 (from 0): 'much' is not a n"),
        (f"{HEADING}\n{GOOD}\n1.5,s/b,app,1,\n", "ts_s, row 1 (from 0): '1.5' is not a whole"),
        (f"{HEADING}\n{GOOD}\n301,s/b,app,1,\n", "row 1 (from 0): 301 is no multiple"),
        (f"{HEADING}\n{GOOD}\n300,s/b,app,-1,\n", "cpu_cores, row 1 (from 0): -1.0 is not at l"),
        (f"{HEADING}\n{GOOD}\n300,s/b,app,nan,\n", "cpu_cores, row 1 (from 0): NaN is not a nu"),
        (f"{HEADING}\n{GOOD}\n300,s/b,app,inf,\n", "cpu_cores, row 1 (from 0): inf is not at l"),
        (f"{HEADING}\n{GOOD}\n300,b,app,1,\n", "pod, row 1 (from 0): 'b' is no namespace/name"),
        (f"{HEADING}\n{GOOD}\n300,,app,1,\n", "pod, row 1 (from 0): is null"),
        (f"{HEADING}\n{GOOD}\n300,s/b,a\x00p,1,\n", "container, row 1 (from 0): holds a control"),
        (f"{HEADING}\n{GOOD}\n300,s/b,app\n", "Expected 5 columns, got 3"),
        (
            f'{HEADING},labels\n{GOOD},"{{}}"\n300,s/b,app,1,,"[1]"\n',
            "labels, row 1 (from 0): is no JSON object",
        ),
        (f"{HEADING}\n", "has no rows"),
        ("", "column ts_s is missing"),
        ("ts_s,pod\n", "column container is missing"),
        (f"{HEADING},cpu_core\n", "column 'cpu_core' is not known; give ts_s, pod"),
        (f"{HEADING},pod\n", "column pod is there more than once"),
    ],
)
def test_a_wrong_file_is_one_line_with_its_row(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "usage.csv"
    file.write_text(text)
    refusal = slacktide("history", "import", file, "--into", tmp_path / "history").refusal()
    assert said in refusal
    assert f"{file}" in refusal


def test_labels_are_spelt_with_sorted_keys(tmp_path: Path) -> None:
    text = f'{HEADING},labels\n{GOOD},"{{""b"": ""1"", ""a"": ""2""}}"\n300,s/b,app,1,,\n'
    containers = imported(tmp_path, text).inventory("default").containers()
    assert containers["labels"].to_pylist() == ['{"a": "2", "b": "1"}', None]


def test_a_parquet_file_that_is_none_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "usage.parquet"
    file.write_bytes(b"PAR1 and nothing more")
    assert "cannot be read" in slacktide("history", "import", file, "--into", tmp_path).refusal()
    pq.write_table(pa.table({"ts_s": ["soon"], "pod": ["s/a"], "container": ["app"]}), file)
    assert (
        "'soon' is not a whole"
        in slacktide("history", "import", file, "--into", tmp_path).refusal()
    )


def test_a_file_above_the_limit_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "usage.csv"
    file.write_text(f"{HEADING}\n{GOOD}\n")
    monkeypatch.setattr("predictor.adapters.sample_files.MAX_FILE_BYTES", 20)
    refusal = slacktide("history", "import", file, "--into", tmp_path / "h").refusal()
    assert "more than the limit of 20" in refusal


@settings(max_examples=10, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.integers(0, 600), st.sampled_from(["s/a", "s/b"]), st.sampled_from("xy")),
        st.floats(0, 100, width=32),
        min_size=1,
    ),
    st.booleans(),
)
def test_csv_and_parquet_say_the_same_and_twice_is_once(
    tmp_path_factory: pytest.TempPathFactory,
    values: dict[tuple[int, str, str], float],
    as_csv: bool,
) -> None:
    tmp_path = tmp_path_factory.mktemp("import")
    expected = {(300 * at, pod, container): cpu for (at, pod, container), cpu in values.items()}
    columns = zip(*expected, strict=True)
    names = ("ts_s", "pod", "container")
    table = pa.table(
        dict(zip(names, map(list, columns), strict=True)) | {"cpu_cores": list(values.values())}
    )
    file = tmp_path / ("usage.csv" if as_csv else "usage.parquet")
    if as_csv:
        pa_csv.write_csv(table, file)
    else:
        pq.write_table(table, file)
    sizes = []
    for _ in range(2):
        assert slacktide("history", "import", file, "--into", tmp_path / "history").code == 0
        sizes.append(sorted(f.name for f in tmp_path.rglob("shard=*/*")))
    store = ParquetStore(tmp_path / "history")
    read = store.read("default", from_s=0, to_s=10 * DAY_S)
    assert as_dict(read) == expected
    assert len(sizes[0]) == len(sizes[1])


def test_a_trace_comes_in_whole(tmp_path: Path) -> None:
    trace = tiny.trace(clusters=2, nodes=1).until(3 * DAY_S)
    write_trace(trace, tmp_path / "trace")
    made = slacktide(
        "history", "import", tmp_path / "trace", "--into", tmp_path / "h", "-o", "json"
    )
    known = np.isfinite(trace.usage.cpu_cores)
    assert sum(row["samples"] for row in made.rows()) == known.sum()
    store = ParquetStore(tmp_path / "h")
    assert store.clusters() == tuple(sorted(set(trace.nodes.cluster)))
    assert store.interval_s == trace.interval_s
    expected = {
        (
            int(column) * trace.interval_s,
            f"{trace.pods.namespace[pod]}/{trace.pods.pod[pod]}",
            trace.usage.container[row],
        ): float(trace.usage.cpu_cores[row, column])
        for row, column in np.argwhere(known).tolist()
        for pod in [trace.usage.pod[row]]
    }
    found: dict[Key, float] = {}
    for cluster in store.clusters():
        found |= as_dict(store.read(cluster, from_s=0, to_s=10**9))
        nodes = store.inventory(cluster).nodes().to_pylist()
        assert {node["node"] for node in nodes} == {
            node
            for node, where in zip(trace.nodes.node, trace.nodes.cluster, strict=True)
            if where == cluster
        }
    assert found == expected


def test_a_trace_of_another_interval_or_cluster_is_refused(tmp_path: Path) -> None:
    trace = tiny.trace(clusters=2, nodes=1).until(3 * DAY_S)
    write_trace(trace, tmp_path / "trace")
    args = ("history", "import", tmp_path / "trace", "--into", tmp_path / "h")
    assert "has no cluster nowhere" in slacktide(*args, "--cluster", "nowhere").refusal()
    assert "has samples every" in slacktide(*args, "--interval", "7m").refusal()
