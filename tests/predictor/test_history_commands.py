"""`recommend` and `forecast` on a stored history, as a user types them."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from predictor.adapters.parquet_store import ParquetStore
from slacktide.predictions import SCHEMA
from tests.predictor.stored_fleet import CLUSTER, DAY_S, stored_fleet
from tests.simulator.commanding import program, slacktide


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("store")
    stored_fleet(root)
    return str(root)


@pytest.fixture(scope="module")
def now_s(history: str) -> int:
    days = ParquetStore(Path(history)).days(CLUSTER)
    return (days[-1] + 1) * DAY_S - 300


def test_recommend_sizes_what_collect_stored(history: str, now_s: int) -> None:
    rows = slacktide("recommend", "--history", history, "-o", "json").rows()
    assert len(rows) == 9
    by_name = {(row["workload"], row["kind"]): row for row in rows}
    web = by_name["web-4", "Deployment"]
    assert web["at_s"] == now_s
    assert web["replicas"] == 2
    assert web["cpu_request_cores"] == 2.0
    assert web["memory_limit_bytes"] == 6 * 2**30
    assert 0.5 < web["recommended_cpu_request_cores"] < 2.0
    assert by_name["web-17", "Pod"]["memory_limit_bytes"] is None  # nobody knows it


def test_an_earlier_time_is_the_same_as_a_store_that_ends_there(history: str, now_s: int) -> None:
    at_s = str(now_s - DAY_S)
    rows = slacktide("recommend", "--history", history, "--at", at_s, "-o", "json").rows()
    assert {row["at_s"] for row in rows} == {int(at_s)}


def test_filters_work_as_on_a_trace(history: str) -> None:
    rows = slacktide("recommend", "--history", history, "-r", "pod", "-o", "json").rows()
    assert [row["kind"] for row in rows] == ["Pod", "Pod"]
    refusal = slacktide("recommend", "--history", history, "-n", "none").refusal()
    assert "namespaces there: shop; kinds: Deployment, Pod" in refusal


def test_forecast_says_what_each_node_has_to_spare(
    history: str, now_s: int, tmp_path: Path
) -> None:
    rows = slacktide("forecast", "--history", history, "--horizon", "1h", "-o", "json").rows()
    assert [row["node"] for row in rows] == [f"node-{k}" for k in range(6)]
    assert {row["ts_s"] for row in rows} == {now_s}
    assert rows[0]["reason"].startswith("keeps ")
    out = tmp_path / "forecast.parquet"
    said = slacktide("forecast", "--history", history, "--horizon", "1h", "--out", str(out))
    assert said.code == 0
    assert said.err.endswith(f"{out}: 6 nodes\n")
    assert pq.read_schema(out).equals(SCHEMA)
    assert pq.read_table(out).to_pylist() == rows


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("recommend",), "give one of --trace (a trace folder) and --history"),
        (("forecast",), "give one of TRACE (a trace folder) and --history"),
        (("recommend", "--history", "H", "--trace", "t"), "give one of --trace"),
        (("recommend", "--history", "H", "--engine", "yarn"), "--engine yarn: give local"),
        (("recommend", "--history", "H", "--cluster", "west"), "no cluster west; there are here &"),
        (("forecast", "--history", "H", "--at", "99999999999"), "the history of here & there ends"),
        (
            ("forecast", "--history", "H", "--state", "s", "--engine", "local[1]"),
            "--state goes with --engine local",
        ),
        (("recommend", "--history", "empty"), "empty: no history; slacktide collect URL --into"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_one_line(
    history: str,
    arguments: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in slacktide(*(history if a == "H" else a for a in arguments)).refusal()


def test_several_clusters_want_to_be_told_apart(tmp_path: Path) -> None:
    stored_fleet(tmp_path, days=1)
    store = ParquetStore(tmp_path)
    store.append("east", store.read(CLUSTER, from_s=0, to_s=2**40).slice(0, 10))
    refusal = slacktide("forecast", "--history", str(tmp_path)).refusal()
    assert "several clusters; give --cluster, one of east, here & there" in refusal


def test_progress_stays_off_stdout(history: str) -> None:
    answer = program("recommend", "--history", history, "-o", "csv")
    assert answer.code == 0
    assert answer.out.startswith("workload,namespace,kind,container,")
    assert len(answer.out.splitlines()) == 10
