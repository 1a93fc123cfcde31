"""The picture of a node: a diary, a book and a cgroup tree on disk, and what a person sees."""

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from qos_controller.adapters.core_map import cpus_in
from qos_controller.app.top_node_command import top_node
from qos_controller.core.node_picture import stage_name, worst_of
from slacktide.errors import BadInput
from tests.qos_controller.diaries import BATCH, FLOATING, ONLINE, write_run_dir


def group(path: Path, cpus: str) -> None:
    path.mkdir(parents=True)
    (path / "cpuset.cpus").write_text(cpus + "\n")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A v1 tree in which web-0's container is bound to CPU 0 and batch may use CPU 1."""
    pods = tmp_path / "cgroup/cpuset/kubepods"
    group(pods, "0-1")
    group(pods / "burstable", "0-1")
    group(pods / "besteffort", "0-1")
    group(pods / f"pod{ONLINE.uid}", "0-1")
    group(pods / f"pod{ONLINE.uid}/c1", "0")
    group(pods / f"burstable/pod{FLOATING.uid}", "0-1")
    group(pods / f"besteffort/pod{BATCH.uid}", "1")
    return tmp_path / "cgroup"


def shown(tree: Path, run_dir: Path, *more: str) -> Result:
    asked = ["--once", "--run-dir", str(run_dir), "--cgroup-root", str(tree), *more]
    return CliRunner().invoke(top_node, asked, catch_exceptions=False)


def test_a_calm_node_after_a_storm(tree: Path, tmp_path: Path) -> None:
    write_run_dir(tmp_path / "run", now_s=time.monotonic() + 60)
    said = shown(tree, tmp_path / "run").output
    assert "node-7:" in said
    assert "alive" in said
    assert "200 us a tick" in said
    assert "A = shop/web-0 (CPUs 0); ~ 1 online pods float; b 1 batch pods" in said
    assert "quota   1.5 cores for all batch together" in said
    assert "cpu calm" in said
    assert "shop/web-0: p99 within 30 ms" in said
    assert "12 ms worst now; 300 requests/s" in said
    assert "to 90 ms" in said
    assert "evicted   1" in said
    lines = said.splitlines()
    assert lines[-3].endswith("team/train-0 goes: least work lost, 12 core-s per core freed")
    assert lines[-1].endswith("began with 3 pods")


def test_the_cores_are_drawn_with_their_owners(tree: Path, tmp_path: Path) -> None:
    write_run_dir(tmp_path / "run", now_s=time.monotonic())
    cells = {
        line[:8].strip(): line[8:].split()
        for line in shown(tree, tmp_path / "run").output.splitlines()
    }
    cpus = cells["CPU"]
    assert cells["online"][: len(cpus)] == ["A", *["~"] * (len(cpus) - 1)]
    assert cells["batch"][: len(cpus)] == [".", "b", *["."] * (len(cpus) - 2)]


def test_an_agent_that_is_silent_is_said_to_be(tree: Path, tmp_path: Path) -> None:
    write_run_dir(tmp_path / "run", now_s=time.monotonic() - 60)
    assert "NO AGENT AT WORK, its last sign of life was 60" in shown(tree, tmp_path / "run").output


def test_json_has_the_same_and_no_number_that_json_lacks(tree: Path, tmp_path: Path) -> None:
    write_run_dir(tmp_path / "run", now_s=time.monotonic())
    told = json.loads(shown(tree, tmp_path / "run", "-o", "json").output)
    assert told["stages"] == dict.fromkeys(("cpu", "disk", "memory", "network"), "calm")
    assert told["now"]["disk_write_limit_bytes_per_s"] is None
    assert told["owners"] == [{"letter": "A", "pod": "shop/web-0", "cpus": [0]}]
    assert told["batch_cpus"] == [1]
    assert max(told["latencies_s"]) == pytest.approx(0.09)


def test_before_the_first_tick_there_is_a_picture_too(tree: Path, tmp_path: Path) -> None:
    write_run_dir(tmp_path / "run", now_s=time.monotonic(), count=0)
    assert "has not finished a tick yet" in shown(tree, tmp_path / "run").output


def test_without_a_book_everybody_is_unknown(tree: Path, tmp_path: Path) -> None:
    write_run_dir(tmp_path / "run", now_s=time.monotonic())
    (tmp_path / "run/pods.json").unlink()
    assert "no batch pods" in shown(tree, tmp_path / "run").output


@pytest.mark.parametrize("content", [None, b"", b"x" * 100])
def test_without_a_diary_it_says_how_to_have_one(
    tree: Path, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "ticks").write_bytes(content)
    with pytest.raises(BadInput, match="start one with `slacktide serve agent`"):
        shown(tree, tmp_path)


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("0-2,7\n", (0, 1, 2, 7)), ("", ()), ("3", (3,)), ("x-2,-", ()), ("1-,4", (1, 4))],
)
def test_a_list_of_cpus_is_read_and_nonsense_is_none(text: str, cpus: tuple[int, ...]) -> None:
    assert cpus_in(text) == cpus


def test_a_stage_of_a_newer_agent_is_shown_by_its_number() -> None:
    assert stage_name("network", 7) == "stage 7"


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=300), st.integers(1, 80))
def test_the_worst_of_stretches_loses_no_peak(values: list[float], parts: int) -> None:
    worst = worst_of(values, parts=parts)
    finite = [one for one in values if one - one == 0]
    assert len(worst) <= parts
    assert set(worst) <= {0.0, *finite}
    assert not finite or max(worst) >= max(finite)
