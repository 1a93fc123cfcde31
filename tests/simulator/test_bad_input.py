"""Broken traces through every command that reads one: one line that says where, and nothing else.

What each file may hold is tested where it is read; here it is that no command lets anything past.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.simulator.commanding import Answer, program, slacktide
from tests.simulator.tiny import written

Change = Callable[[Path], None]


def with_cell(column: str, row: int, value: Any) -> Change:
    """One value is another."""

    def change(path: Path) -> None:
        table = pq.read_table(path)
        values = table[column].to_pylist()
        values[row] = value
        at = table.column_names.index(column)
        pq.write_table(table.set_column(at, column, pa.array(values)), path)

    return change


def without_column(column: str) -> Change:
    return lambda path: pq.write_table(pq.read_table(path).drop_columns([column]), path)


def as_text(column: str) -> Change:
    """Numbers become words."""

    def change(path: Path) -> None:
        table = pq.read_table(path)
        words = pa.array([str(value) for value in table[column].to_pylist()])
        pq.write_table(table.set_column(table.column_names.index(column), column, words), path)

    return change


def without_rows(path: Path) -> None:
    pq.write_table(pq.read_table(path).slice(0, 0), path)


def cut_to(share: float) -> Change:
    """Only the first part of the file arrived."""

    def change(path: Path) -> None:
        whole = path.read_bytes()
        path.write_bytes(whole[: int(share * len(whole))])

    return change


BROKEN = [
    pytest.param("usage.parquet", without_column("cpu_cores"), "column cpu_cores", id="missing"),
    pytest.param("pods.parquet", without_column("node"), "column node", id="missing node"),
    pytest.param("nodes.parquet", as_text("cpu_cores"), "column cpu_cores", id="wrong type"),
    pytest.param(
        "usage.parquet", with_cell("cpu_cores", 9, -1.0), "column cpu_cores, row 9", id="negative"
    ),
    pytest.param(
        "usage.parquet", with_cell("cpu_cores", 3, 1e9), "column cpu_cores, row 3", id="absurd"
    ),
    pytest.param(
        "nodes.parquet", with_cell("cpu_cores", 1, 0.0), "column cpu_cores, row 1", id="no cores"
    ),
    pytest.param("usage.parquet", with_cell("ts_s", 7, 0), "column ts_s, row 7", id="backwards"),
    pytest.param("pods.parquet", with_cell("node", 2, "moon"), "column node, row 2", id="nowhere"),
    pytest.param("usage.parquet", with_cell("pod", 4, "ghost"), "column pod, row 4", id="no pod"),
    pytest.param("pods.parquet", without_rows, "has no rows", id="no rows"),
    pytest.param("usage.parquet", cut_to(0), "cannot be read", id="empty"),
    pytest.param("usage.parquet", cut_to(0.6), "cannot be read", id="truncated"),
    pytest.param("nodes.parquet", Path.unlink, "no such file", id="no nodes"),
    pytest.param("trace.json", Path.unlink, "no such file", id="no description"),
    pytest.param("trace.json", cut_to(0.5), "is not JSON", id="half a description"),
]
BROKEN_JOBS = [
    pytest.param(without_column("tasks"), "column tasks", id="missing"),
    pytest.param(with_cell("min_available", 3, 10_000), "min_available, row 3", id="too many"),
    pytest.param(with_cell("cpu_cores", 2, -1.0), "column cpu_cores, row 2", id="negative"),
    pytest.param(cut_to(0.6), "cannot be read", id="truncated"),
    pytest.param(Path.unlink, "no such file", id="no file"),
]
COMMANDS = ["backtest", "forecast", "up"]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("traces") / "sound")


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A sound trace of one's own, to be broken."""
    return Path(shutil.copytree(sound, tmp_path / "trace"))


def words(command: str, folder: Path) -> list[str | Path]:
    """The command over the folder, writing whatever it can write."""
    out = folder.parent / "out.parquet"
    if command == "backtest":
        return [command, folder, "--policy", "borg-default", "--predictions", out]
    if command == "forecast":
        return [command, folder, "--out", out]
    return [command, "--once", "--trace", folder, "--jobs", folder]


def holds(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.rglob("*")}


def check_refused(answer: Answer, folder: Path, file: str, why: str) -> None:
    line = answer.refusal()
    assert line.startswith(f"slacktide: {folder / file}: ")
    assert why in line


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("file", "change", "why"), BROKEN)
def test_a_broken_trace_is_refused_in_one_line_and_nothing_is_written(
    folder: Path, file: str, change: Change, *, why: str, command: str
) -> None:
    change(folder / file)
    before = holds(folder.parent)
    check_refused(slacktide(*words(command, folder)), folder, file, why)
    assert holds(folder.parent) == before


@pytest.mark.parametrize(("change", "why"), BROKEN_JOBS)
def test_broken_jobs_are_refused_in_one_line(folder: Path, change: Change, why: str) -> None:
    change(folder / "jobs.parquet")
    check_refused(slacktide(*words("up", folder)), folder, "jobs.parquet", why)


@pytest.mark.parametrize("command", ["backtest", "forecast"])
def test_the_unbroken_trace_is_taken(folder: Path, command: str) -> None:
    assert slacktide(*words(command, folder)).code == 0
    assert (folder.parent / "out.parquet").stat().st_size > 0


def test_the_real_program_refuses_in_the_same_line(folder: Path) -> None:
    with_cell("cpu_cores", 9, -1.0)(folder / "usage.parquet")
    check_refused(program("backtest", folder), folder, "usage.parquet", "column cpu_cores, row 9")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_that_is_not_there_is_named(tmp_path: Path, command: str) -> None:
    line = slacktide(*words(command, tmp_path / "nowhere")).refusal()
    assert "nowhere: there is no such folder" in line


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (["backtest", "--policy", "nobody"], "no policy is called 'nobody'; there are: slacktide"),
        (["backtest", "--policy", "n-sigma:x"], "policy 'n-sigma:x': 'x' is no positive number"),
        (
            ["backtest", "--policy", "borg-default", "--policy", "oracle:2"],
            "no policy is called 'oracle:2'",
        ),
        (["backtest", "--from-day", "15.5"], "choose an earlier --from-day or a shorter --horizon"),
        (["backtest", "--from-day", "-1"], "--from-day"),
        (["backtest", "--horizon", "90m"], "'90m' is no multiple of 1h up to 7d"),
        (["backtest", "--horizon", "8d"], "'8d' is no multiple of 1h up to 7d"),
        (["backtest", "--every", "0s"], "'0s' is not between 1s and 400d"),
        (["backtest", "--every", "soon"], "'soon' is no duration"),
        (["backtest", "--risk", "1"], "--risk"),
        (["backtest", "--what", "disk"], "--what"),
        (["backtest", "-o", "xml"], "xml"),
        (["forecast", "--at", "1382101"], "--at 1382101: the trace ends at 1382100"),
        (["forecast", "--at", "-1"], "--at"),
        (["forecast", "--at", "noon"], "noon"),
        (["forecast", "--horizon", "1s"], "'1s' is no multiple of 1h up to 7d"),
        (["forecast", "--risk", "0"], "--risk"),
        (["forecast", "--out", "no/such/folder.parquet"], "cannot be written"),
    ],
)
def test_a_wrong_option_is_refused_with_what_to_do(sound: Path, wrong: list[str], why: str) -> None:
    command, *options = wrong
    answer = slacktide(command, sound, *options)
    assert (answer.code, answer.out) == (2, "")
    assert why in answer.err
    assert "Traceback" not in answer.err


def test_memory_that_nobody_measured_is_not_scored(folder: Path) -> None:
    without_column("memory_bytes")(folder / "usage.parquet")
    line = slacktide("backtest", folder, "--what", "memory").refusal()
    assert "usage.parquet: holds no memory_bytes" in line


def test_predictions_that_cannot_be_written_leave_nothing(folder: Path) -> None:
    target = folder.parent / "taken"
    target.mkdir()
    answer = slacktide(
        "backtest", folder, "--policy", "borg-default", "--predictions", target / "x" / "y.parquet"
    )
    assert "cannot be written" in answer.refusal()
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("where", ["trace/usage.parquet", "trace/usage.parquet/below"])
def test_a_sample_is_not_generated_over_a_file(folder: Path, where: str) -> None:
    before = holds(folder.parent)
    answer = slacktide("generate", folder.parent / where)
    assert (answer.code, answer.out) == (2, "")
    assert holds(folder.parent) == before
