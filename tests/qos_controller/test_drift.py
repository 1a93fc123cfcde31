"""Who else writes our files is seen within a second, told, and not fought."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from qos_controller.adapters.cgroups.actuator import BATCH
from qos_controller.adapters.cgroups.drift import says
from qos_controller.core.decision import Freeze, SetQuota
from qos_controller.core.standing import Standing
from tests.qos_controller.acting_node import ActingNode, a_pod


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ActingNode]:
    node = ActingNode(tmp_path)
    yield node
    node.close()


def test_what_somebody_else_wrote_is_told_and_written_anew_within_a_second(
    node: ActingNode,
) -> None:
    pod = node.lives("a", "besteffort")
    node.actuator.apply_standing("a", Standing(cpu_shares=2), node.now_s)
    assert node.ticks(2.0) == []
    node.tree.file("cpu", pod, "cpu.shares").write_text("500\n")
    assert node.ticks(2.0) == ["cpu.shares 500"]
    assert node.says("cpu", pod, "cpu.shares") == "2"
    assert node.actuator.drifted == {"cpu.shares": 1}


def test_another_agent_that_insists_is_told_about_and_not_fought(node: ActingNode) -> None:
    pod = node.lives("a", "besteffort")
    node.actuator.apply_standing("a", Standing(cpu_shares=2), node.now_s)
    node.ticks(1.5)
    kept = 0
    for _ in range(20):
        node.tree.file("cpu", pod, "cpu.shares").write_text("500\n")
        assert set(node.ticks(1.5)) == {"cpu.shares 500"}
        kept += node.says("cpu", pod, "cpu.shares") == "2"
    assert kept == 3
    # A minute later it is tried again.
    node.ticks(45.0)
    assert node.says("cpu", pod, "cpu.shares") == "2"


def test_what_its_owner_wrote_later_is_what_it_goes_back_to(node: ActingNode) -> None:
    pod = node.lives("a", "besteffort")
    node.actuator.apply_standing("a", Standing(cpu_shares=2), node.now_s)
    node.tree.file("cpu", pod, "cpu.shares").write_text("500\n")
    node.ticks(2.0)
    assert node.actuator.restore().refused == ()
    assert node.says("cpu", pod, "cpu.shares") == "500"


@pytest.mark.parametrize(("kubelets", "stays"), [("2", True), ("50", False)])
def test_kubelets_weight_of_besteffort_stays_where_it_is_no_heavier_than_ours(
    node: ActingNode, kubelets: str, *, stays: bool
) -> None:
    node.lives("a", "besteffort")
    node.actuator.apply_standing(BATCH, Standing(cpu_shares=10), node.now_s)
    for _ in range(5):
        node.tree.file("cpu", "kubepods/besteffort", "cpu.shares").write_text(f"{kubelets}\n")
        node.ticks(2.0)
    assert (node.actuator.drifted["cpu.shares"] == 1) is stays


@pytest.mark.parametrize(
    ("resized", "now", "later"), [("30000", "30000", "30000"), ("180000", "50000", "180000")]
)
def test_a_pod_that_is_resized_while_it_is_held_keeps_the_new_size(
    node: ActingNode, resized: str, now: str, later: str
) -> None:
    pod = node.tree.make_pod("s", "burstable")
    node.tree.file("cpu", pod, "cpu.cfs_quota_us").write_text("100000\n")
    node.knows(a_pod("s"))
    node.actuator.apply(SetQuota(0.5), node.now_s)
    assert node.says("cpu", pod, "cpu.cfs_quota_us") == "50000"
    node.tree.file("cpu", pod, "cpu.cfs_quota_us").write_text(f"{resized}\n")
    node.ticks(2.5)
    assert node.says("cpu", pod, "cpu.cfs_quota_us") == now
    node.actuator.apply(SetQuota(float("inf")), node.now_s)
    assert node.says("cpu", pod, "cpu.cfs_quota_us") == later
    node.actuator.restore()
    assert node.says("cpu", pod, "cpu.cfs_quota_us") == later


def test_what_was_thawed_must_run(node: ActingNode) -> None:
    pod = node.lives("a", "besteffort")
    node.actuator.apply(Freeze(node.now_s + 0.1, "a"), node.now_s)
    node.ticks(0.3)
    node.tree.file("freezer", pod, "freezer.state").write_text("FROZEN\n")
    assert node.ticks(2.0) == ["freezer.state FROZEN"]
    assert node.says("freezer", pod, "freezer.state") == "THAWED"


@pytest.mark.parametrize(
    ("content", "value", "same"),
    [
        (b"2\n", "2", True),
        (b"20\n", "2", False),
        (b"50000 100000\n", "50000 100000", True),
        (b"8:0 rbps=max wbps=5 riops=max wiops=max\n", "8:0 rbps=max wbps=5", True),
        (b"254:0 7\n8:0 5\n", "8:0 5", True),
        (b"254:0 5\n8:0 7\n", "8:0 5", False),
        (b"\n", "", True),
        (b"", "2", False),
    ],
)
def test_a_file_says_a_value_in_any_of_its_lines(content: bytes, value: str, *, same: bool) -> None:
    assert says(content, value) is same
