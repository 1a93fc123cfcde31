"""`slacktide up` as a user starts it, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from simulator.core.report import SHOWN
from tests.simulator.commanding import PROGRAM, program, slacktide
from tests.simulator.tiny import CLUSTERS, written

LEAVES_WITHIN_S = 15.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("traces") / "small", clusters=3)


def over(folder: Path, *more: str) -> list[str]:
    return ["up", "--trace", str(folder), "--jobs", str(folder), "--days", "1", *more]


@pytest.mark.slow
def test_once_prints_our_row_before_the_baselines_and_the_same_each_time(folder: Path) -> None:
    asked = over(folder, "--once", "-o", "json", "--policy", "requests-only")
    first = program(*asked)
    rows = first.rows()
    assert [row["policy"] for row in rows] == ["slacktide", "requests-only"]
    assert rows[0]["utilisation"] > rows[1]["utilisation"] >= rows[0]["utilisation_without"]
    assert all(row["partial_gangs"] == 0 for row in rows)
    assert re.fullmatch(
        r"sample: 6 nodes in 3 clusters, 14 days to learn from, 1 to replay, "
        r"\d+ gangs(, each submitted \d+ times)?\n",
        first.err,
    )
    assert slacktide(*asked).out == first.out


@pytest.mark.slow
def test_the_table_has_the_headings_and_a_cluster_may_be_cut_off(folder: Path) -> None:
    outage = f"{CLUSTERS[0]}@14d+2h"
    answer = slacktide(
        *over(folder, "--once", "--repeat-jobs", "2", "--outage", outage),
        "--policy", "requests-only",
    )  # fmt: skip
    assert answer.code == 0
    assert all(heading in answer.out for heading in SHOWN.values())
    assert "CPU used by online alone:" in answer.out
    assert "each submitted 2 times" in answer.err


@pytest.mark.parametrize("given", ["--trace", "--jobs"])
def test_one_of_trace_and_jobs_is_not_enough(folder: Path, given: str) -> None:
    line = slacktide("up", "--once", given, folder).refusal()
    assert "give both --trace and --jobs, or neither" in line


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (["--policy", "nobody"], "no policy is called 'nobody'; there are: slacktide, "),
        (["--policy", "oracle", "--policy", "n-sigma:0"], "'0' is no positive number"),
        (["--outage", "mars@15d+1h"], "no cluster is called 'mars'; there are: east, north, west"),
        (["--train-days", "15.5"], "less than a day to replay; lower --train-days"),
        (["--train-days", "90"], "is 16.0 days long: 90 days to train on"),
    ],
)
def test_what_cannot_be_replayed_is_refused_before_anything_runs(
    folder: Path, wrong: list[str], why: str
) -> None:
    line = slacktide(*over(folder, "--once", *wrong)).refusal()
    assert why in line


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (["--outage", "east"], "'east' is not CLUSTER@START+LENGTH, as eu-west@15d+2h"),
        (["--outage", "east@15d"], "'east@15d' is not CLUSTER@START+LENGTH"),
        (["--outage", "east@noon+2h"], "'noon' is no duration"),
        (["--outage", "east@15d+0h"], "'0h' is not between 1s and 400d"),
        (["--days", "0.5"], "--days"),
        (["--train-days", "0"], "--train-days"),
        (["--repeat-jobs", "0"], "--repeat-jobs"),
        (["--speed", "0"], "--speed"),
        (["--port", "70000"], "--port"),
        (["--risk", "1.5"], "--risk"),
    ],
)
def test_a_wrong_option_is_named(folder: Path, wrong: list[str], why: str) -> None:
    answer = slacktide(*over(folder, "--once", *wrong))
    assert (answer.code, answer.out) == (2, "")
    assert why in answer.err


def test_a_port_that_is_taken_is_named_with_the_way_out(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = slacktide(*over(folder, "--port", str(port)))
    assert (answer.code, answer.out) == (2, "")
    last = answer.err.splitlines()[-1]
    assert last.startswith(f"slacktide: cannot listen on 127.0.0.1:{port}: ")
    assert last.endswith("choose another with --port")


@contextmanager
def running(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A slow `up` in a session of its own, and its address; whoever is left of it is killed."""
    asked = over(folder, "--port", "0", "--speed", "300", "--policy", "oracle")
    with subprocess.Popen(
        [*PROGRAM, *asked],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process, _address(process)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.fullmatch(r"dashboard on (http://\S+)\n", line):
            return found[1]
    raise AssertionError("it ended without a dashboard")


def _wait_until_it_replays(url: str) -> None:
    with httpx.stream("GET", f"{url}/api/v1/events", trust_env=False, timeout=60) as answer:
        for line in answer.iter_lines():
            if '"replaying"' in line:
                return
    raise AssertionError("the events ended before the replay began")


def _check_it_left_cleanly(process: subprocess.Popen[str]) -> None:
    """It ends in time, and so does everything it started: all of them hold its stderr open."""
    out, err = process.communicate(timeout=LEAVES_WITHIN_S)
    assert (process.returncode, out, err) == (0, "", "stopped\n")


@pytest.mark.slow
@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_end_in_the_middle_of_a_replay_it_leaves_nothing_behind(
    folder: Path, asked: signal.Signals
) -> None:
    with running(folder) as (process, url):
        _wait_until_it_replays(url)
        process.send_signal(asked)
        _check_it_left_cleanly(process)


@pytest.mark.slow
def test_ctrl_c_reaches_every_process_of_a_terminal_and_none_of_them_complains(
    folder: Path,
) -> None:
    with running(folder) as (process, url):
        _wait_until_it_replays(url)
        os.killpg(process.pid, signal.SIGINT)
        _check_it_left_cleanly(process)


@pytest.mark.slow
def test_ctrl_c_at_once_is_as_clean(folder: Path) -> None:
    with running(folder) as (process, _):
        os.killpg(process.pid, signal.SIGINT)
        _check_it_left_cleanly(process)


@pytest.mark.slow
def test_killed_it_takes_its_processes_along(folder: Path) -> None:
    with running(folder) as (process, url):
        _wait_until_it_replays(url)
        process.kill()
        # Every process it started holds its stderr open: this times out where one lives on.
        process.communicate(timeout=LEAVES_WITHIN_S)
        assert process.returncode == -signal.SIGKILL
