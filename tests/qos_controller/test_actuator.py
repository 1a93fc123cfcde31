"""Every action of the law, on every kind of node, and back again."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from qos_controller.adapters.cgroups.actuator import BATCH, ELSEWHERE, UNKNOWN
from qos_controller.core.decision import (
    Action,
    Evict,
    Freeze,
    SetCpus,
    SetDirty,
    SetDisk,
    SetEgress,
    SetOpen,
    SetQueue,
    SetQuota,
)
from qos_controller.core.standing import Standing
from slacktide.testing.cgroup_tree import DEVICE, Mode, Style
from tests.qos_controller.acting_node import ActingNode, a_pod


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ActingNode]:
    node = ActingNode(tmp_path)
    yield node
    node.close()


def test_one_write_to_besteffort_reaches_all_batch_pods(node: ActingNode) -> None:
    pod = node.lives("a", "besteffort", "main")
    assert node.actuator.apply(SetQuota(0.5), node.now_s) == ""
    assert node.says("cpu", "kubepods/besteffort", "cpu.cfs_quota_us") == "50000"
    assert node.says("cpu", pod, "cpu.cfs_quota_us") == "-1"


@pytest.mark.parametrize(
    "guest", [a_pod("guest", batch=False), a_pod("guest", managed=False)], ids=["online", "off"]
)
def test_a_guest_in_besteffort_is_never_touched_and_batch_is_held_one_by_one(
    node: ActingNode, guest: object
) -> None:
    pods = [node.lives(uid, "besteffort", "main") for uid in ("a", "b")]
    visited = node.lives("guest", "besteffort", "main", pod=guest)  # type: ignore[arg-type]  # a Pod
    before = {path: text for path, text in node.everything().items() if visited in path}
    for action in (SetQuota(0.5), Freeze(99.0), SetDisk(1e6, 1e6), SetCpus((1,))):
        assert node.actuator.apply(action, node.now_s) == ""
    assert node.says("cpu", "kubepods/besteffort", "cpu.cfs_quota_us") == "-1"
    assert [node.says("cpu", pod, "cpu.cfs_quota_us") for pod in pods] == ["25000", "25000"]
    assert node.says("unified", "kubepods/besteffort", "cgroup.freeze") == "0"
    assert {path: text for path, text in node.everything().items() if visited in path} == before


def test_a_pod_unknown_to_the_book_is_online_once_the_book_had_time(node: ActingNode) -> None:
    node.lives("a", "besteffort")
    node.actuator.apply(SetQuota(0.5), node.now_s)
    node.tree.make_pod("stranger", "besteffort")
    node.looks()
    assert node.says("cpu", "kubepods/besteffort", "cpu.cfs_quota_us") == "50000"
    node.ticks(3.0)
    assert node.says("cpu", "kubepods/besteffort", "cpu.cfs_quota_us") == "-1"
    assert node.says("cpu", node.tree.of_pod("a", "besteffort"), "cpu.cfs_quota_us") == "50000"


def test_strays_share_the_total_by_what_they_use(node: ActingNode) -> None:
    node.lives("a", "besteffort", "main")
    stray = node.lives("s", "burstable", "main")
    node.actuator.used_cores = {"a": 0.3, "s": 0.9}
    node.actuator.apply(SetQuota(1.0), node.now_s)
    parts = [
        int(node.says("cpu", group, "cpu.cfs_quota_us")) for group in ("kubepods/besteffort", stray)
    ]
    assert sum(parts) == pytest.approx(100_000, abs=2)
    assert parts[1] / parts[0] == pytest.approx(0.96 / 0.36, rel=0.01)
    assert node.says("cpu", "kubepods/burstable", "cpu.cfs_quota_us") == "-1"


def test_a_stray_with_limited_containers_is_held_by_these_so_that_they_can_restart(
    node: ActingNode,
) -> None:
    stray = node.tree.make_pod("s", "burstable", "main", "pause")
    for group in (stray, f"{stray}/main"):
        node.tree.file("cpu", group, "cpu.cfs_quota_us").write_text("150000\n")
    node.knows(a_pod("s"))
    assert node.actuator.apply(SetQuota(0.2), node.now_s) == ""
    assert node.says("cpu", stray, "cpu.cfs_quota_us") == "150000"
    assert node.says("cpu", f"{stray}/main", "cpu.cfs_quota_us") == "20000"
    assert node.actuator.apply(SetQuota(math.inf), node.now_s) == ""
    assert node.says("cpu", f"{stray}/main", "cpu.cfs_quota_us") == "150000"


def test_a_childs_own_ceiling_follows_the_total_down_and_up(node: ActingNode) -> None:
    pod = node.lives("a", "besteffort", "main")
    node.actuator.apply_standing("a", Standing(quota_cores=1.0), node.now_s)
    seen = []
    for cores in (1.5, 0.4, 0.04, 0.8, math.inf):
        assert node.actuator.apply(SetQuota(cores), node.now_s) == ""
        seen.append(node.says("cpu", pod, "cpu.cfs_quota_us"))
    assert seen == ["100000", "40000", "4000", "80000", "100000"]
    assert node.said == []


def test_the_blamed_pod_is_held_in_short_slices(node: ActingNode) -> None:
    pod = node.lives("a", "besteffort")
    for cores, period, quota in ((0.3, "10000", "3000"), (0.05, "20000", "1000")):
        assert node.actuator.apply(SetQuota(cores, "a", period_s=0.01), node.now_s) == ""
        assert node.says("cpu", pod, "cpu.cfs_period_us") == period
        assert node.says("cpu", pod, "cpu.cfs_quota_us") == quota
    assert node.says("cpu", "kubepods/besteffort", "cpu.cfs_quota_us") == "-1"


@pytest.mark.parametrize("mode", ["v2", "hybrid", "v1"])
def test_a_freeze_ends_by_itself(mode: Mode, tmp_path: Path) -> None:
    node = ActingNode(tmp_path, mode)
    pod = node.lives("a", "besteffort", "main")
    if mode == "hybrid":
        node.tree.file("", pod, "cgroup.events").write_text("populated 1\nfrozen 0\n")
    name, stopped, running = ("freezer", "FROZEN", "THAWED") if mode == "v1" else ("", "1", "0")
    file = "freezer.state" if mode == "v1" else "cgroup.freeze"
    assert node.actuator.apply(Freeze(node.now_s + 0.2, "a"), node.now_s) == ""
    assert node.says(name, pod, file) == stopped
    assert node.actuator.frozen == (pod,)
    node.ticks(0.1)
    assert node.says(name, pod, file) == stopped
    node.ticks(0.15)
    assert node.says(name, pod, file) == running
    assert not node.actuator.frozen
    node.close()


def test_a_runtime_that_knows_version_1_alone_is_frozen_by_version_1(node: ActingNode) -> None:
    pod = node.lives("a", "besteffort")
    node.actuator.apply(Freeze(99.0, "a"), node.now_s)
    assert node.says("freezer", pod, "freezer.state") == "FROZEN"
    node.actuator.apply(Freeze(0.0, "a"), node.now_s)
    assert node.says("freezer", pod, "freezer.state") == "THAWED"


def test_version_1_throttles_each_container_by_what_it_moves(node: ActingNode) -> None:
    pod = node.lives("a", "besteffort", "main", "pause")
    node.tree.file("blkio", f"{pod}/main", "blkio.throttle.io_service_bytes").write_text(
        "254:0 Read 0\nTotal 90000000\n"
    )
    assert node.actuator.apply(SetDisk(None, 10e6), node.now_s) == ""
    parts = []
    for name in ("main", "pause"):
        said = node.says("blkio", f"{pod}/{name}", "blkio.throttle.write_bps_device")
        parts.append(int(said.removeprefix(f"{DEVICE} ")))
        assert not node.says("blkio", f"{pod}/{name}", "blkio.throttle.read_bps_device")
    assert sum(parts) == pytest.approx(10e6, abs=2)
    assert parts[0] > 9 * parts[1]
    node.actuator.apply(SetDisk(None, None), node.now_s)
    assert not node.says("blkio", f"{pod}/main", "blkio.throttle.write_bps_device")


def test_version_2_throttles_besteffort_as_a_whole(tmp_path: Path) -> None:
    node = ActingNode(tmp_path, "v2")
    node.lives("a", "besteffort", "main")
    assert node.actuator.apply(SetDisk(2e6, None), node.now_s) == ""
    assert node.says("", "kubepods/besteffort", "io.max") == (
        f"{DEVICE} rbps=2000000 wbps=max riops=max wiops=max"
    )
    assert node.ticks(1.5) == []
    node.close()


def test_a_newcomer_follows_the_orders_in_force(node: ActingNode) -> None:
    node.lives("a", "besteffort", "main")
    node.actuator.apply(SetDisk(None, 10e6), node.now_s)
    late = node.lives("b", "besteffort", "main")
    assert node.says("blkio", f"{late}/main", "blkio.throttle.write_bps_device") == (
        f"{DEVICE} 5000000"
    )


def test_cpus_shrink_from_the_leaves_and_grow_from_the_top(node: ActingNode) -> None:
    pod = node.lives("a", "besteffort", "main")
    groups = ("kubepods/besteffort", pod, f"{pod}/main")
    for cpus, says in (((1,), "1"), ((0,), "0"), ((), "0-1")):
        assert node.actuator.apply(SetCpus(cpus), node.now_s) == ""
        assert {node.says("cpuset", group, "cpuset.cpus") for group in groups} == {says}
    assert node.said == []


@pytest.mark.parametrize(
    ("shared", "outcome", "says"), [("0-1", "", "1"), ("0", "ERANGE", "0-1"), ("1", "", "1")]
)
def test_kubelets_static_policy_is_respected(
    node: ActingNode, shared: str, outcome: str, says: str
) -> None:
    state = {"policyName": "static", "defaultCpuSet": shared, "entries": {}}
    (node.root / "cpu_manager_state").write_text(json.dumps(state))
    pod = node.lives("a", "besteffort", "main")
    assert node.actuator.apply(SetCpus((1,)), node.now_s) == outcome
    assert node.says("cpuset", f"{pod}/main", "cpuset.cpus") == says
    assert node.says("cpuset", pod, "cpuset.cpus") == "0-1"


def test_dirty_pages_and_queues_go_back_by_the_face_that_was_in_force(node: ActingNode) -> None:
    # The kernel makes the ratio 0 while the bytes are set; the tree on disk need not.
    before = node.everything(but=["dirty_bytes", "dirty_background_bytes"])
    assert node.actuator.apply(SetDirty(16 * 2**20), node.now_s) == ""
    assert node.actuator.apply(SetQueue(small=True), node.now_s) == ""
    assert node.node_says("proc/sys/vm/dirty_bytes") == str(16 * 2**20)
    assert node.node_says("proc/sys/vm/dirty_background_bytes") == str(8 * 2**20)
    assert node.node_says(f"sys/dev/block/{DEVICE}/queue/max_sectors_kb") == "64"
    for ratio in ("dirty_ratio", "dirty_background_ratio"):
        (node.root / f"proc/sys/vm/{ratio}").write_text("0\n")
    assert node.actuator.apply(SetDirty(None), node.now_s) == ""
    assert node.actuator.apply(SetQueue(small=False), node.now_s) == ""
    assert node.everything(but=["dirty_bytes", "dirty_background_bytes"]) == before


@pytest.mark.parametrize("mode", ["v1", "v2", "hybrid"])
@pytest.mark.parametrize("style", ["cgroupfs", "systemd"])
def test_all_goes_back_to_what_it_was(mode: Mode, style: Style, tmp_path: Path) -> None:
    node = ActingNode(tmp_path, mode, style)
    for uid, qos in (("a", "besteffort"), ("s", "burstable")):
        node.lives(uid, qos, "main", "pause")  # type: ignore[arg-type]  # a literal each
    before = node.everything()
    batch = Standing(cpu_shares=2, idle=True, quota_cores=1.5, disk_weight=10, cpus=(0,))
    for uid in ("a", "s"):
        node.actuator.apply_standing(uid, batch, node.now_s)
    node.actuator.apply_standing(BATCH, Standing(idle=True), node.now_s)
    for action in (
        SetQuota(0.3),
        SetQuota(0.1, "a"),
        SetDisk(1e6, 1e6),
        SetCpus((1,)),
        Freeze(99.0),
    ):
        node.actuator.apply(action, node.now_s)
    assert node.everything() != before
    assert node.actuator.restore().refused == ()
    assert node.everything() == before
    node.close()


def test_a_standing_that_asks_for_less_gives_back_the_rest(node: ActingNode) -> None:
    pod = node.lives("a", "besteffort")
    node.tree.file("cpu", pod, "cpu.shares").write_text("7\n")
    node.actuator.apply_standing("a", Standing(cpu_shares=2, disk_weight=10), node.now_s)
    assert node.says("cpu", pod, "cpu.shares") == "2"
    node.actuator.apply_standing("a", Standing(disk_weight=10), node.now_s)
    assert node.says("cpu", pod, "cpu.shares") == "7"
    assert node.says("blkio", pod, "blkio.bfq.weight") == "10"


def test_a_burst_is_given_where_there_is_a_quota_and_never_above_it(node: ActingNode) -> None:
    pod = node.tree.make_pod("web", "burstable", "main", "sidecar")
    for group, quota in ((pod, "200000"), (f"{pod}/main", "100000")):
        node.tree.file("cpu", group, "cpu.cfs_quota_us").write_text(f"{quota}\n")
    node.knows(a_pod("web", batch=False))
    assert node.actuator.apply_standing("web", Standing(burst_cores=1.5), node.now_s) == ""
    bursts = [
        node.says("cpu", g, "cpu.cfs_burst_us") for g in (pod, f"{pod}/main", f"{pod}/sidecar")
    ]
    assert bursts == ["150000", "100000", "0"]


def test_groups_that_kubelet_makes_one_by_one_are_tried_again(node: ActingNode) -> None:
    pod = node.tree.of_pod("a", "besteffort")
    (node.tree.root / "cpu" / pod).mkdir()
    node.knows(a_pod("a"))
    assert node.actuator.apply_standing("a", Standing(cpu_shares=2), node.now_s) == "ENOENT"
    node.tree.make(pod)
    node.ticks(0.2)
    assert node.says("cpu", pod, "cpu.shares") == "2"


def test_a_pod_whose_owner_switches_the_agent_off_gets_everything_back(node: ActingNode) -> None:
    pod = node.lives("a", "besteffort", "main")
    before = {path: text for path, text in node.everything().items() if pod in path}
    node.actuator.apply_standing("a", Standing(cpu_shares=2, quota_cores=1.0), node.now_s)
    node.actuator.apply(Freeze(99.0, "a"), node.now_s)
    node.knows(a_pod("a", managed=False))
    assert {path: text for path, text in node.everything().items() if pod in path} == before
    assert node.actuator.apply(Freeze(99.0, "a"), node.now_s) == UNKNOWN


@pytest.mark.parametrize(
    "action",
    [SetEgress(1e6), SetOpen(open=False), Evict("a", "cpu", 1.0, 0.0, 0.0, breaks_gang=False)],
)
def test_what_is_not_about_groups_is_done_elsewhere(node: ActingNode, action: Action) -> None:
    assert node.actuator.apply(action, node.now_s) == ELSEWHERE


@pytest.mark.parametrize(
    "action", [SetQuota(1.0, "web"), Freeze(9.0, "web"), SetDisk(1.0, 1.0, "web")]
)
def test_no_action_is_done_to_an_online_pod(node: ActingNode, action: Action) -> None:
    node.lives("web", "burstable", pod=a_pod("web", batch=False))
    before = node.everything()
    assert node.actuator.apply(action, node.now_s) == UNKNOWN
    assert node.everything() == before


def test_pods_that_come_and_go_leave_nothing_behind(node: ActingNode) -> None:
    node.lives("stays", "besteffort", "main")
    node.actuator.apply_standing("stays", Standing(cpu_shares=2), node.now_s)
    node.actuator.apply(SetDisk(1e6, 1e6), node.now_s)
    node.ticks(1.2)
    sizes = []
    for n in range(4):
        uid = f"p{n}"
        pod = node.lives(uid, "besteffort", "main")
        node.actuator.apply_standing(uid, Standing(cpu_shares=2, quota_cores=1.0), node.now_s)
        node.actuator.apply(SetQuota(0.5), node.now_s)
        node.actuator.apply(Freeze(node.now_s + 0.1, uid), node.now_s)
        node.ticks(1.2)
        node.tree.remove(pod)
        del node.book[uid]
        node.looks()
        sizes.append((len(node.actuator.hand.ledger), len(node.actuator.hand.stands)))
    assert len(set(sizes)) == 1
    assert node.actuator.restore().refused == ()
