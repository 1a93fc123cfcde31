"""A history written as a trace is the trace that it was imported from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from slacktide.trace import read_trace, write_trace
from tests.predictor.sized import Pod, trace_of
from tests.simulator.commanding import slacktide

PODS = (Pod("cart", 0.5), Pod("web", 1.25, namespace="front"))


@pytest.fixture
def history(tmp_path: Path) -> Path:
    write_trace(trace_of(PODS), tmp_path / "before")
    made = slacktide("history", "import", tmp_path / "before", "--into", tmp_path / "history")
    assert made.code == 0, made.err
    return tmp_path / "history"


def test_what_was_imported_comes_out_again(history: Path, tmp_path: Path) -> None:
    made = slacktide("history", "export", history, "--out", tmp_path / "after")
    assert made.err.endswith("after: 1 nodes, 2 pods, 720 samples each\n")
    before, after = read_trace(tmp_path / "before"), read_trace(tmp_path / "after")
    order = [after.pods.workload.index(name) for name in before.pods.workload]
    np.testing.assert_array_equal(after.usage.cpu_cores[order], before.usage.cpu_cores)
    np.testing.assert_array_equal(after.pods.cpu_request_cores[order], [2.0, 2.0])
    assert after.nodes.cpu_cores.tolist() == before.nodes.cpu_cores.tolist()


def test_only_the_newest_days_are_written(history: Path, tmp_path: Path) -> None:
    slacktide("history", "export", history, "--since", "2d", "--out", tmp_path / "after")
    usage = read_trace(tmp_path / "after").usage.cpu_cores
    assert np.isfinite(usage).sum(axis=1).tolist() == [97, 97], "two days and the sample before"


def test_what_replays_traces_replays_it(history: Path, tmp_path: Path) -> None:
    slacktide("history", "export", history, "--out", tmp_path / "after")
    made = slacktide("forecast", tmp_path / "after", "-o", "json")
    assert [row["node"] for row in made.rows()] == ["node-0"]


def test_an_unknown_cluster_is_told_with_those_there_are(history: Path, tmp_path: Path) -> None:
    out = tmp_path / "after"
    made = slacktide("history", "export", history, "--cluster", "moon", "--out", out)
    assert made.code == 2
    assert "nothing of moon to read; clusters there: here" in made.err
    assert not out.exists()


def test_a_workload_is_explained_from_the_history_as_from_the_trace(
    history: Path, tmp_path: Path
) -> None:
    told = slacktide("explain", "workload", "cart", "--history", history).out
    same = slacktide("explain", "workload", "cart", "--trace", tmp_path / "before").out
    assert "CPU 0.500 cores" in told
    assert told.count("#") == same.count("#") > 100, "the two weeks are drawn"


def test_the_page_of_a_history_draws_its_workloads(history: Path, tmp_path: Path) -> None:
    page = tmp_path / "sizes.html"
    slacktide("recommend", "--history", history, "-o", "html", "--fileoutput", page)
    assert page.read_text().count("<svg") == 2 * len(PODS)
