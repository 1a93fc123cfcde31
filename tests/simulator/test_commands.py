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
SCORES = [
    "policy", "matched", "setting",
    "violation", "violation_low", "violation_high", "severity",
    "savings", "savings_low", "savings_high",
    "of_oracle", "of_oracle_low", "of_oracle_high",
    "ours_saves_more", "ours_saves_more_low", "ours_saves_more_high",
    "worst_node", "scored",
]  # fmt: skip


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
    assert all(list(row) == SCORES for row in printed)
    printed = [row for row in printed if row["matched"] is None]
    assert [row["policy"] for row in printed] == list(names)
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
        found = asdict(score(row["policy"], kept, came, capacity))
        assert {name: row[name] for name in found} == pytest.approx(found, abs=1e-12)


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
    assert row["matched"] is None  # it has no knob
    assert (row["violation"], row["severity"], row["worst_node"]) == (0, 0, 0)
    assert row["of_oracle"] == pytest.approx(1)


def test_a_lower_risk_keeps_more(folder: Path) -> None:
    def savings(risk: str) -> float:
        rows = slacktide(
            "backtest", folder, "--policy", "slacktide", "--risk", risk, "--horizon", "1h",
            "-o", "json",
        ).rows()  # fmt: skip
        assert rows[0]["setting"] == f"risk {risk}"
        return float(rows[0]["savings"])

    assert savings("0.3") > savings("0.001")


@pytest.mark.slow
def test_without_options_every_peer_is_put_beside_ours(folder: Path) -> None:
    answer = program("backtest", folder, "-o", "json")
    told = [row["policy"] for row in answer.rows() if row["matched"] is None]
    assert told[0] == "oracle"
    assert told[-1] == "slacktide"
    assert set(told) == set(NAMES)


def test_every_knob_is_compared_at_the_violations_asked_for_and_never_above_them(
    folder: Path,
) -> None:
    rows = slacktide(
        "backtest", folder, "--policy", "slacktide", "--policy", "max-of-week",
        "--policy", "borg-default:0.5", "--policy", "oracle",
        "--matched", "0.2", "--matched", "0.05", "-o", "json",
    ).rows()  # fmt: skip
    at = {(row["policy"], row["matched"]): row for row in rows if row["matched"] is not None}
    assert set(at) == {
        (name, share)
        for name in ("slacktide", "max-of-week", "borg-default")
        for share in (0.2, 0.05)
    }
    for (_, share), row in at.items():
        assert row["violation"] <= share
    for share in (0.2, 0.05):
        row, ours = at["max-of-week", share], at["slacktide", share]
        assert row["ours_saves_more"] == pytest.approx(ours["savings"] - row["savings"])
        again = slacktide(
            "backtest", folder, "--policy", f"max-of-week:{row['setting']}", "-o", "json"
        ).rows()[0]
        assert again["savings"] == pytest.approx(row["savings"])


@pytest.mark.parametrize("share", ["0", "1", "x"])
def test_a_violation_to_compare_at_is_a_share(folder: Path, share: str) -> None:
    answer = slacktide("backtest", folder, "--matched", share)
    assert answer.code == 2
    assert "--matched" in answer.err


def test_the_same_seed_gives_the_same_page_and_another_seed_other_intervals(
    folder: Path, tmp_path: Path
) -> None:
    def page(name: str, seed: str) -> str:
        answer = slacktide(
            "backtest", folder, "--policy", "slacktide", "--policy", "n-sigma", "--every", "12h",
            "--seed", seed, "--report", tmp_path / name,
        )  # fmt: skip
        assert answer.code == 0, answer.err
        return (tmp_path / name).read_text()

    one = page("one.html", "1")
    assert page("two.html", "1") == one
    assert "seed 1;" in one
    assert page("three.html", "2") != one


def test_a_page_that_cannot_be_written_is_told_in_one_line(folder: Path, tmp_path: Path) -> None:
    answer = slacktide(
        "backtest", folder, "--policy", "borg-default", "--report", tmp_path / "no" / "page.html"
    )
    assert "cannot be written" in answer.refusal()


@pytest.mark.parametrize("output", ["table", "yaml", "csv"])
def test_scores_are_printed_on_stdout_in_any_form(folder: Path, output: str) -> None:
    answer = slacktide("backtest", folder, "--policy", "borg-default", "-o", output)
    assert (answer.code, answer.err) == (0, "")
    assert "borg-default" in answer.out


@pytest.mark.parametrize("command", ["backtest", "whatif", "generate", "forecast", "up"])
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
