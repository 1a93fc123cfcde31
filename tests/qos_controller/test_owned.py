"""Whatever was written is put back, after any death, by anyone who can read JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qos_controller.adapters.cgroups.driver import Write
from qos_controller.adapters.cgroups.files import KeptFiles
from qos_controller.adapters.cgroups.hand import Hand, was
from qos_controller.adapters.cgroups.owned import Ledger, Owned, read_owned, restore_from
from slacktide.testing.cgroup_tree import DEVICE, CgroupTree


class Node:
    """A tree, its files and a hand."""

    def __init__(self, root: Path) -> None:
        self.tree = CgroupTree(root / "cgroup")
        self.run_dir = str(root)
        self.said: list[str] = []
        self.hand = self.new_hand()

    def new_hand(self) -> Hand:
        files = KeptFiles(self.tree, say=self.said.append)
        return Hand(files, Ledger(self.run_dir))

    def path(self, controller: str, group: str, name: str) -> str:
        return str(self.tree.file(controller, group, name))

    def says(self, controller: str, group: str, name: str) -> str:
        return Path(self.path(controller, group, name)).read_text().strip()


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_a_file_is_in_the_ledger_before_it_is_written(node: Node) -> None:
    pod = node.tree.make_pod("a", "besteffort")
    path = node.path("cpu", pod, "cpu.shares")
    node.hand.ledger.path = "/nonexistent/owned.json"
    assert node.hand.do([Write(path, "2", "weight")]) == "ENOENT"
    assert node.says("cpu", pod, "cpu.shares") == "1024"


def test_what_was_there_comes_back_after_any_number_of_writes(node: Node) -> None:
    pod = node.tree.make_pod("a", "besteffort")
    path = node.path("cpu", pod, "cpu.shares")
    for shares in ("2", "3", "4"):
        assert node.hand.do([Write(path, shares, "weight")]) == ""
    assert node.hand.restore().put_back == 1
    assert node.says("cpu", pod, "cpu.shares") == "1024"
    assert len(node.hand.ledger) == 0


def test_a_value_that_stands_is_not_written_again(node: Node) -> None:
    pod = node.tree.make_pod("a", "besteffort")
    write = Write(node.path("cpu", pod, "cpu.shares"), "2", "weight")
    node.hand.do([write])
    before = node.hand.files.writes
    assert node.hand.do([write]) == ""
    assert node.hand.files.writes == before


def test_a_dead_agents_ledger_is_enough(node: Node) -> None:
    pod = node.tree.make_pod("a", "besteffort")
    node.hand.do(
        [
            Write(node.path("cpu", pod, "cpu.cfs_quota_us"), "5000", "quota", safe="50000"),
            Write(node.path("unified", pod, "cgroup.freeze"), "1", "freeze", safe="0"),
        ]
    )
    restored = restore_from(node.run_dir, node.new_hand().files)
    assert (restored.put_back, restored.refused) == (2, ())
    assert node.says("unified", pod, "cgroup.freeze") == "0"
    assert node.says("cpu", pod, "cpu.cfs_quota_us") == "-1"
    assert not Path(node.run_dir, "owned.json").exists()


def test_a_group_that_went_is_no_error(node: Node) -> None:
    pods = [node.tree.make_pod(uid, "besteffort") for uid in ("a", "b")]
    node.hand.do([Write(node.path("cpu", pod, "cpu.shares"), "2", "weight") for pod in pods])
    node.tree.remove(pods[0])
    restored = restore_from(node.run_dir, node.new_hand().files)
    assert (restored.put_back, restored.gone, restored.refused) == (1, 1, ())
    assert node.said == []


def test_frozen_comes_first_in_the_file_and_children_before_their_parents(node: Node) -> None:
    root = node.tree.of_class("besteffort")
    pod = node.tree.make_pod("a", "besteffort")
    node.hand.do(
        [
            Write(node.path("cpu", pod, "cpu.shares"), "2", "weight"),
            Write(node.path("cpu", pod, "cpu.cfs_quota_us"), "5000", "quota", safe="-1"),
            Write(node.path("cpu", root, "cpu.cfs_quota_us"), "5000", "quota", safe="60000"),
            Write(node.path("unified", root, "cgroup.freeze"), "1", "freeze", safe="0"),
        ]
    )
    told = json.loads(Path(node.run_dir, "owned.json").read_bytes())
    assert told["version"] == 1
    assert [file["kind"] for file in told["files"]] == ["freeze", "quota", "quota", "weight"]
    # All that the watchdog does:
    files = node.new_hand().files
    outcomes = [files.write(f["path"], f["safe"]) for f in told["files"] if f["safe"]]
    assert outcomes == ["", "", ""]
    assert node.says("unified", root, "cgroup.freeze") == "0"
    assert node.says("cpu", root, "cpu.cfs_quota_us") == "60000"
    assert node.says("cpu", pod, "cpu.shares") == "2"


def test_quotas_go_back_in_whatever_order_the_kernel_asks_for(node: Node) -> None:
    root = node.tree.of_class("besteffort")
    pod = node.tree.make_pod("a", "besteffort")
    node.tree.file("cpu", root, "cpu.cfs_quota_us").write_text("80000\n")
    node.tree.file("cpu", pod, "cpu.cfs_quota_us").write_text("70000\n")
    writes = [
        Write(node.path("cpu", pod, "cpu.cfs_quota_us"), "5000", "quota"),
        Write(node.path("cpu", root, "cpu.cfs_quota_us"), "5000", "quota"),
    ]
    assert node.hand.do(writes) == ""
    # Somebody raised both meanwhile: now the parent may fall only after its child.
    for group, quota in ((root, "200000"), (pod, "200000")):
        node.hand.files.write(node.path("cpu", group, "cpu.cfs_quota_us"), quota)
    assert node.hand.restore().refused == ()
    assert node.says("cpu", root, "cpu.cfs_quota_us") == "80000"
    assert node.says("cpu", pod, "cpu.cfs_quota_us") == "70000"


def test_idleness_goes_before_the_weight_that_it_resets(node: Node) -> None:
    root = node.tree.of_class("besteffort")
    node.tree.file("cpu", root, "cpu.shares").write_text("2\n")
    node.hand.do(
        [
            Write(node.path("cpu", root, "cpu.shares"), "2", "weight", checked=False),
            Write(node.path("cpu", root, "cpu.idle"), "1", "idle"),
        ]
    )
    assert node.says("cpu", root, "cpu.shares") == "3"
    assert node.hand.restore().refused == ()
    assert node.says("cpu", root, "cpu.idle") == "0"
    assert node.says("cpu", root, "cpu.shares") == "2"


@pytest.mark.parametrize(
    ("before", "after"), [("", ""), (f"{DEVICE} 7000000", f"{DEVICE} 7000000")]
)
def test_a_devices_line_goes_back_to_what_it_was(node: Node, before: str, after: str) -> None:
    pod = node.tree.make_pod("a", "besteffort")
    name = "blkio.throttle.write_bps_device"
    node.tree.file("blkio", pod, name).write_text(before)
    path = node.path("blkio", pod, name)
    write = Write(path, f"{DEVICE} 5000000", "disk", device=DEVICE, lifted=f"{DEVICE} 0")
    node.hand.do([write])
    assert node.says("blkio", pod, name) == f"{DEVICE} 5000000"
    node.hand.restore()
    assert node.says("blkio", pod, name) == after


def test_what_the_kernel_refuses_stays_in_the_ledger_and_is_named(node: Node) -> None:
    pod = node.tree.make_pod("a", "besteffort")
    path = node.path("cpu", pod, "cpu.shares")
    node.hand.ledger.own([Owned(path, "weight", ["nonsense"])])
    restored = restore_from(node.run_dir, node.new_hand().files)
    assert restored.refused == (f"{path}: EINVAL",)
    assert [owned.path for owned in read_owned(node.run_dir)] == [path]


@pytest.mark.parametrize("torn", ["", "{", '{"files": [{"path": 3}]}', "[]", "null"])
def test_a_torn_ledger_restores_nothing_and_harms_nothing(node: Node, torn: str) -> None:
    Path(node.run_dir, "owned.json").write_text(torn)
    assert restore_from(node.run_dir, node.hand.files).put_back == 0


@pytest.mark.parametrize(
    ("content", "lines"), [(b"2\n", ["2"]), (b"", [""]), (b"max 100000\n", ["max 100000"])]
)
def test_what_was_read_is_what_is_written_back(content: bytes, lines: list[str]) -> None:
    assert was(Write("/f", "1", "weight"), content) == lines


def test_an_error_is_counted_always_and_told_once(node: Node) -> None:
    pod = node.tree.make_pod("a", "besteffort")
    path = node.path("cpu", pod, "cpu.cfs_quota_us")
    outcomes = {node.hand.do([Write(path, quota, "quota")]) for quota in ("1", "2", "3")}
    assert outcomes == {"EINVAL"}
    assert node.hand.files.errors["cpu.cfs_quota_us", "EINVAL"] == 3
    assert len(node.said) == 1
    assert "EINVAL" in node.said[0]


def test_a_group_made_anew_under_its_old_name_is_written_again(node: Node) -> None:
    pod = node.tree.make_pod("a", "besteffort")
    path = node.path("cpu", pod, "cpu.shares")
    node.hand.do([Write(path, "2", "weight")])
    node.tree.remove(pod)
    assert node.hand.files.read(path) is None
    node.hand.forget_below(path.rpartition("/")[0])
    node.tree.make_pod("a", "besteffort")
    assert node.hand.do([Write(path, "2", "weight")]) == ""
    assert node.says("cpu", pod, "cpu.shares") == "2"
