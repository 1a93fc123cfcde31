"""`slacktide backtest` and `slacktide generate`, as a user types them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from predictor.core.history import history_of
from simulator.core.backtest import oracle_peaks, score
from simulator.core.policies.catalogue import NAMES
from simulator.core.replay import DAY_S
from slacktide.trace import read_jobs, read_trace
from tests.simulator.commanding import program, slacktide
from tests.simulator.tiny import written

COLUMNS = [
    "ts_s", "node", "horizon_s", "policy", "peak_cpu_cores", "reclaimable_cpu_cores",
    "peak_memory_bytes", "reclaimable_memory_bytes", "risk", "reason",
]  # fmt: skip
SCORES = ["policy", "violation", "severity", "savings", "of_oracle", "worst_node", "scored"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("traces") / "small")


@pytest.mark.parametrize("what", ["cpu", "memory"])
def test_the_predictions_file_has_the_documented_columns_and_gives_the_printed_scores(
    folder: Path, tmp_path: Path, what: str
) -> None:
    out = tmp_path / "made.parquet"
    names = ("slacktide", "borg-default:0.3", "n-sigma:10")
    asked = [word for name in names for word in ("--policy", name)]
    printed = slacktide(
        "backtest", folder, *asked, "--what", what, "--horizon", "2h", "--every", "6h",
        "--predictions", out, "-o", "json",
    ).rows()  # fmt: skip
    assert [row["policy"] for row in printed] == list(names)
    assert [list(row) for row in printed] == [SCORES] * len(names)
    table = pq.read_table(out)
    assert table.column_names == COLUMNS
    history = history_of(read_trace(folder))
    memory = what == "memory"
    capacity = history.node_memory_bytes if memory else history.node_cpu_cores
    column = "peak_memory_bytes" if memory else "peak_cpu_cores"
    times = list(range(14 * DAY_S, 16 * DAY_S - 7_200 - 300, 6 * 3_600))
    for row in printed:
        made = table.filter(pc.field("policy") == row["policy"]).to_pydict()
        assert sorted(set(made["ts_s"])) == times
        assert set(made["horizon_s"]) == {7_200}
        assert made["node"] == list(history.nodes) * len(times)
        assert all(made["reason"])
        kept = np.array(made[column]).reshape(len(times), -1).T
        came = oracle_peaks(history, times, horizon_s=7_200, memory=memory)
        found = score(row["policy"], kept, came, capacity)
        assert row == pytest.approx(asdict(found), abs=1e-12)


def test_memory_and_cores_kept_and_reclaimable_make_up_the_node(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "made.parquet"
    answer = slacktide("backtest", folder, "--policy", "rc-like", "--predictions", out)
    assert answer.code == 0
    made, nodes = pq.read_table(out).to_pydict(), read_trace(folder).nodes
    row_of = {name: row for row, name in enumerate(nodes.node)}
    rows = [row_of[name] for name in made["node"]]
    for resource, capacity in (
        ("cpu_cores", nodes.cpu_cores),
        ("memory_bytes", nodes.memory_bytes),
    ):
        both = np.add(made[f"peak_{resource}"], made[f"reclaimable_{resource}"])
        assert both == pytest.approx(capacity[rows])
    assert set(made["risk"]) == {None}  # it promises nothing


def test_the_oracle_is_never_exceeded_and_is_all_of_itself(folder: Path) -> None:
    (row,) = slacktide("backtest", folder, "--policy", "oracle", "-o", "json").rows()
    assert (row["violation"], row["severity"], row["worst_node"]) == (0, 0, 0)
    assert row["of_oracle"] == pytest.approx(1)


def test_a_lower_risk_keeps_more(folder: Path) -> None:
    def savings(risk: str) -> float:
        (row,) = slacktide(
            "backtest", folder, "--policy", "slacktide", "--risk", risk, "--horizon", "1h",
            "-o", "json",
        ).rows()  # fmt: skip
        return float(row["savings"])

    assert savings("0.3") > savings("0.001")


@pytest.mark.slow
def test_without_options_every_peer_is_put_beside_ours(folder: Path) -> None:
    answer = program("backtest", folder, "-o", "json")
    told = [row["policy"] for row in answer.rows()]
    assert told[0] == "oracle"
    assert told[-1] == "slacktide"
    assert {name.partition(":")[0] for name in told} >= set(NAMES) - {
        "requests-only",
        "koordinator",
    }


@pytest.mark.parametrize("output", ["table", "yaml", "csv"])
def test_scores_are_printed_on_stdout_in_any_form(folder: Path, output: str) -> None:
    answer = slacktide("backtest", folder, "--policy", "borg-default", "-o", output)
    assert (answer.code, answer.err) == (0, "")
    assert "borg-default" in answer.out


@pytest.mark.parametrize("command", ["backtest", "generate", "forecast", "up"])
def test_help_ends_with_examples_that_name_the_command(command: str) -> None:
    answer = slacktide(command, "--help")
    assert answer.code == 0
    _, _, examples = answer.out.partition("Examples:\n")
    lines = [line.strip() for line in examples.partition("\n\n")[0].splitlines()]
    assert lines[0].startswith(f"slacktide {command}")
    assert len(lines) >= 2


@pytest.mark.slow
def test_a_generated_sample_is_a_trace_that_up_replays(tmp_path: Path) -> None:
    folder = tmp_path / "sample"
    made = program("generate", folder, "--seed", "7")
    assert (made.code, made.out) == (0, "")
    assert "60 nodes" in made.err
    assert len(set(read_trace(folder).nodes.cluster)) == 3
    assert len(read_jobs(folder).job) > 100
    rows = program(
        "up", "--trace", folder, "--jobs", folder, "--once", "-o", "json",
        "--days", "1", "--policy", "requests-only",
    ).rows()  # fmt: skip
    ours, without = rows
    assert (ours["policy"], without["policy"]) == ("slacktide", "requests-only")
    assert ours["utilisation"] > without["utilisation"] > ours["utilisation_without"]
    assert ours["utilisation_without"] == without["utilisation_without"]
    assert ours["partial_gangs"] == without["partial_gangs"] == 0
    assert ours["online_lost_share"] < 0.001
