"""`slacktide forecast`, as a user types it, and that it cannot see the future."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from simulator.core.replay import DAY_S
from slacktide.trace import read_trace, write_trace
from tests.simulator.commanding import program, slacktide
from tests.simulator.tiny import written

LAST_S = 16 * DAY_S - 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("traces") / "small", clusters=2)


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace in which pods come and go."""
    from simulator.core.generate import generate_trace
    from simulator.core.generate_shape import OnlineShape

    folder = tmp_path_factory.mktemp("traces") / "changing"
    shape = OnlineShape(deploys_per_day=0.5, late_or_early_share=0.4)
    write_trace(generate_trace(shape, seed=4, nodes_per_cluster=3, days=16), folder)
    return folder


def without_the_future(folder: Path, target: Path, at_s: int) -> Path:
    """A copy in whose files stands no sample, pod or end later than a time."""
    shutil.copytree(folder, target)
    usage = pq.read_table(target / "usage.parquet")
    pq.write_table(usage.filter(pc.field("ts_s") <= at_s), target / "usage.parquet")
    pods = pq.read_table(target / "pods.parquet").filter(pc.field("start_s") <= at_s)
    ends = pa.array(
        [None if end is None or end > at_s else end for end in pods["end_s"].to_pylist()],
        pa.int64(),
    )
    pods = pods.set_column(pods.column_names.index("end_s"), "end_s", ends)
    gone = set(usage.filter(pc.field("ts_s") <= at_s)["pod"].to_pylist()) - set(
        pods["pod"].to_pylist()
    )
    assert not gone
    pq.write_table(pods, target / "pods.parquet")
    return target


@pytest.mark.parametrize("at_s", [3 * DAY_S, 12 * DAY_S + 4_500, 15 * DAY_S])
@pytest.mark.parametrize("horizon", ["1h", "24h"])
def test_deleting_the_future_changes_nothing(
    changing: Path, tmp_path: Path, at_s: int, horizon: str
) -> None:
    past = without_the_future(changing, tmp_path / "past", at_s)
    assert len(read_trace(past).pods.pod) < len(read_trace(changing).pods.pod)
    for trace, out in ((changing, "whole.parquet"), (past, "blind.parquet")):
        made = slacktide(
            "forecast", trace, "--at", str(at_s), "--horizon", horizon, "--out", tmp_path / out
        )
        assert made.code == 0, made.err
    whole, blind = ((tmp_path / name).read_bytes() for name in ("whole.parquet", "blind.parquet"))
    assert whole == blind


def test_the_present_is_the_end_of_the_trace(folder: Path) -> None:
    now = slacktide("forecast", folder, "-o", "json")
    then = slacktide("forecast", folder, "--at", str(LAST_S), "-o", "json")
    assert now.rows() == then.rows()
    assert {row["ts_s"] for row in now.rows()} == {LAST_S}


def test_every_node_is_answered_for_with_a_sentence(folder: Path) -> None:
    rows = slacktide("forecast", folder, "--at", str(15 * DAY_S), "--horizon", "4h", "-o", "json")
    nodes = read_trace(folder).nodes
    found = rows.rows()
    assert [row["node"] for row in found] == list(nodes.node)
    for row, cores, size in zip(found, nodes.cpu_cores, nodes.memory_bytes, strict=True):
        assert (row["ts_s"], row["horizon_s"], row["policy"]) == (15 * DAY_S, 14_400, "slacktide")
        assert row["peak_cpu_cores"] + row["reclaimable_cpu_cores"] == pytest.approx(cores)
        assert row["peak_memory_bytes"] + row["reclaimable_memory_bytes"] == pytest.approx(size)
        assert 0 < row["peak_cpu_cores"] <= cores
        assert row["risk"] == 0.01
        assert row["reason"].startswith(f"keeps {row['peak_cpu_cores']:.1f} of {cores:g} cores")


def test_the_file_holds_what_is_printed(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "made.parquet"
    told = slacktide("forecast", folder, "--at", str(15 * DAY_S), "--out", out)
    assert (told.code, told.out, told.err) == (0, "", f"{out}: 4 nodes\n")
    printed = slacktide("forecast", folder, "--at", str(15 * DAY_S), "-o", "json").rows()
    assert pq.read_table(out).to_pylist() == printed


def test_a_lower_risk_keeps_more_and_is_told(folder: Path) -> None:
    def kept(risk: str) -> float:
        rows = slacktide("forecast", folder, "--horizon", "1h", "--risk", risk, "-o", "json").rows()
        assert {row["risk"] for row in rows} == {float(risk)}
        return float(sum(row["peak_cpu_cores"] for row in rows))

    assert kept("0.001") > kept("0.3")


def test_a_longer_horizon_never_keeps_less_over_the_fleet(folder: Path) -> None:
    def kept(horizon: str) -> float:
        rows = slacktide("forecast", folder, "--horizon", horizon, "-o", "json").rows()
        return float(sum(row["peak_cpu_cores"] for row in rows))

    assert kept("1h") < kept("24h")


def test_before_anything_is_known_pods_count_at_their_request(folder: Path) -> None:
    trace = read_trace(folder)
    requested = np.bincount(trace.pods.node, trace.pods.cpu_request_cores, len(trace.nodes.node))
    rows = slacktide("forecast", folder, "--at", "0", "-o", "json").rows()
    assert [row["peak_cpu_cores"] for row in rows] == pytest.approx(requested)
    assert all("cold pods" in row["reason"] for row in rows)


def test_the_real_program_prints_a_table(folder: Path) -> None:
    answer = program("forecast", folder, "--horizon", "4h")
    assert (answer.code, answer.err) == (0, "")
    assert "reclaimable for 4 h" in answer.out
    assert "east-m00" in answer.out


def test_a_run_that_goes_on_says_what_one_from_the_start_says(folder: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.npz"
    for day in (9, 10, 12):
        asked = ("forecast", folder, "--at", str(day * DAY_S), "-o", "json")
        again = slacktide(*asked, "--state", state)
        assert again.code == 0, again.err
        assert again.rows() == slacktide(*asked).rows()
        assert again.err == (
            f"{state} is not there yet: learning from the history\n" if day == 9 else ""
        )


def test_a_state_of_another_promise_is_replaced_and_it_is_said(
    folder: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state.npz"
    first = ("forecast", folder, "--at", str(4 * DAY_S), "--state", state)
    assert slacktide(*first).code == 0
    other = slacktide(*first, "--risk", "0.05")
    why = "was made with other settings (horizon, risk or pace): learning from the history"
    assert (other.code, other.err) == (0, f"{state} {why}\n")
    assert slacktide(*first, "--risk", "0.05").err == ""


def test_a_state_from_later_is_kept_and_refused(folder: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.npz"
    assert slacktide("forecast", folder, "--at", str(4 * DAY_S), "--state", state).code == 0
    later = state.read_bytes()
    refused = slacktide("forecast", folder, "--at", str(3 * DAY_S), "--state", state)
    assert refused.code == 2
    assert f"{state} was learned until {4 * DAY_S}: give a later --at, or delete it" in refused.err
    assert state.read_bytes() == later
