"""Every action on a real kernel with cgroup v2 alone: what it does to real processes, and back.

Run inside the machine that `python -m scripts.v2_machine` boots; a usual one has no such kernel.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qos_controller.adapters.cgroups.actuator import Actuator
from qos_controller.adapters.cgroups.files import KeptFiles
from qos_controller.adapters.cgroups.layout import find_layout
from qos_controller.adapters.cgroups.machine import find_machine
from qos_controller.adapters.cgroups.owned import Ledger, restore_from
from qos_controller.adapters.cgroups.pods_in_tree import PodsInTree
from qos_controller.core.decision import Action, Freeze, Reclaim, SetDisk, SetMemory, SetQuota
from qos_controller.core.pods import Pod
from qos_controller.core.standing import Standing
from slacktide.testing.node.groups import processes
from slacktide.testing.node.v2_pods import Pods, Qos, is_pure_v2

pytestmark = pytest.mark.skipif(
    not is_pure_v2(), reason="no pure cgroup v2 here: python -m scripts.v2_machine"
)

BATCH = "b0000000-0000-4000-8000-000000000002"
STRAY = "c0000000-0000-4000-8000-000000000003"
MIB = 1 << 20
SPIN = ("/bin/sh", "-c", "while :; do :; done")
DISK = Path("/mnt")


class Node:
    """An actuator over real groups."""

    def __init__(self, pods: Pods, run_dir: Path) -> None:
        self.pods, self.run_dir = pods, run_dir
        self.layout = find_layout()
        self.tree = PodsInTree(self.layout)
        self.book: list[Pod] = []
        self.files = KeptFiles(say=print)
        self.actuator = Actuator(
            self.layout,
            find_machine(self.layout),
            self.files,
            Ledger(str(run_dir)),
            safe_cores=0.2,
        )

    def run(self, uid: str, *command: str, qos: Qos = "besteffort") -> Path:
        """A batch pod that the actuator has seen."""
        group = self.pods.run(uid, qos, command)
        self.book.append(Pod(uid=uid, namespace="default", name=uid, batch=True))
        wait(lambda: bool(processes(next(group.glob("*/")))))
        self.tree.look(time.monotonic() + 100.0)
        self.actuator.see(self.book, self.tree.pods, time.monotonic())
        return group

    def does(self, action: Action) -> None:
        assert self.actuator.apply(action, time.monotonic()) == ""


@pytest.fixture(params=["cgroupfs", "systemd"])
def pods(request: pytest.FixtureRequest) -> Iterator[Pods]:
    made = Pods(request.param)
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture
def node(pods: Pods, tmp_path: Path) -> Iterator[Node]:
    made = Node(pods, tmp_path)
    try:
        yield made
    finally:
        made.actuator.restore()
        made.actuator.close()
        made.tree.close()


def wait(holds: Callable[[], bool], within_s: float = 20.0) -> None:
    give_up = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < give_up, "waited too long"
        time.sleep(0.01)


def used_s(group: Path) -> float:
    stat = dict(map(str.split, (group / "cpu.stat").read_text().splitlines()))
    return int(stat["usage_usec"]) * 1e-6


def cores(group: Path, over_s: float = 1.0) -> float:
    before, began_s = used_s(group), time.monotonic()
    time.sleep(over_s)
    return (used_s(group) - before) / (time.monotonic() - began_s)


def says(group: Path, name: str) -> str:
    return (group / name).read_text().strip()


def test_it_is_found_by_looking(node: Node) -> None:
    node.run(BATCH, *SPIN)
    assert node.layout.mode == "v2"
    assert node.layout.style == node.pods.style
    assert {"cpu", "io", "memory"} <= node.layout.v2_controllers
    assert set(node.tree.pods) == {BATCH}


def test_a_quota_holds_all_batch_and_goes_again(node: Node) -> None:
    node.run(BATCH, *SPIN)
    besteffort = node.run("other", *SPIN).parent
    node.does(SetQuota(0.2))
    assert says(besteffort, "cpu.max") == "20000 100000"
    assert cores(besteffort, 2.0) < 0.3
    node.does(SetQuota(math.inf))
    assert says(besteffort, "cpu.max") == "max 100000"
    assert cores(besteffort) > 0.5


def test_a_stray_is_held_by_its_own_group_and_its_class_is_not(node: Node) -> None:
    stray = node.run(STRAY, *SPIN, qos="burstable")
    node.does(SetQuota(0.2))
    assert says(stray.parent, "cpu.max") == "max 100000"
    assert cores(stray, 2.0) < 0.3


def test_the_lightest_weight_leaves_the_cpu_to_others(node: Node) -> None:
    heavy = node.run(BATCH, *SPIN, qos="burstable")
    light = node.run(STRAY, *SPIN, qos="burstable")
    for group in (heavy, light):
        (group / "cpuset.cpus").write_text("0")
    now_s = time.monotonic()
    assert node.actuator.apply_standing(STRAY, Standing(cpu_shares=2), now_s) == ""
    assert says(light, "cpu.weight") == "1"
    before = used_s(heavy), used_s(light)
    time.sleep(2.0)
    assert used_s(heavy) - before[0] > 10 * (used_s(light) - before[1])


def test_who_is_frozen_stands_still_until_its_time_is_over(node: Node) -> None:
    group = node.run(BATCH, *SPIN)
    node.does(Freeze(time.monotonic() + 1.5, BATCH))
    wait(lambda: "frozen 1" in says(group, "cgroup.events"))
    assert cores(group, 0.5) == 0.0
    wait(lambda: time.monotonic() > 0 and not _thawed_late(node, group))
    assert cores(group) > 0.3


def _thawed_late(node: Node, group: Path) -> bool:
    node.actuator.tick(time.monotonic())
    return "frozen 1" in says(group, "cgroup.events")


def test_a_disk_limit_holds_direct_writes_and_goes_again(node: Node) -> None:
    file = DISK / "written"
    command = f"while :; do dd if=/dev/zero of={file} bs=256k count=400 oflag=direct 2>&-; done"
    group = node.run(BATCH, "/bin/sh", "-c", command)
    try:
        wait(lambda: written(group) > 0)
        node.does(SetDisk(2.0 * MIB, 2.0 * MIB, BATCH))
        assert "wbps=2097152" in says(group, "io.max")
        time.sleep(0.5)  # what was under way
        before, began_s = written(group), time.monotonic()
        time.sleep(2.0)
        assert (written(group) - before) / (time.monotonic() - began_s) < 3.0 * MIB
        node.does(SetDisk(None, None, BATCH))
        assert says(group, "io.max") == ""
    finally:
        node.actuator.kill(BATCH)
        file.unlink(missing_ok=True)


def written(group: Path) -> int:
    words = (group / "io.stat").read_text().split()
    return sum(int(word.removeprefix("wbytes=")) for word in words if word.startswith("wbytes="))


def test_reclaim_pushes_cached_pages_out_of_one_pod(node: Node) -> None:
    file = DISK / "read"
    file.write_bytes(os.urandom(1 << 20) * 64)
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")  # else its pages are on our account
    group = node.run(BATCH, "/bin/sh", "-c", f"cat {file} >/dev/null; exec sleep 1000")
    try:
        wait(lambda: int(says(group, "memory.current")) > 60 * MIB)
        node.does(Reclaim(math.inf, BATCH))
        wait(lambda: int(says(group, "memory.current")) < 16 * MIB)
    finally:
        file.unlink()


def test_a_pod_may_not_grow_beyond_its_limit(node: Node) -> None:
    program = "import mmap,time\nh=[]\nwhile 1:\n h.append(bytearray(1<<20)); time.sleep(.02)"
    group = node.run(BATCH, sys.executable, "-I", "-S", "-c", program)
    node.does(SetMemory(24.0 * MIB, BATCH))
    wait(lambda: says(group, "memory.max") == str(24 * MIB))
    wait(lambda: not processes(next(group.glob("*/"))), within_s=60)  # it would not stop
    assert "oom_kill 0" not in says(group, "memory.events")


def test_a_killed_pod_has_no_process_left(node: Node) -> None:
    group = node.run(BATCH, "/bin/sh", "-c", "sleep 1000 & sleep 1000 & wait")
    assert node.actuator.kill(BATCH) == ""
    wait(lambda: not processes(next(group.glob("*/"))))


def test_what_a_killed_agent_left_is_put_back(node: Node) -> None:
    group = node.run(BATCH, *SPIN)
    before = held(group)
    node.actuator.apply_standing(BATCH, Standing(cpu_shares=2, quota_cores=0.5), time.monotonic())
    for action in (
        SetQuota(0.2),
        SetQuota(0.1, BATCH),
        SetDisk(1.0 * MIB, None, BATCH),
        Freeze(time.monotonic() + 60.0, BATCH),
    ):
        node.does(action)
    assert held(group) != before
    restored = restore_from(str(node.run_dir), KeptFiles(say=print))
    assert restored.refused == ()
    assert held(group) == before
    assert cores(group) > 0.3


def held(group: Path) -> dict[str, str]:
    names = ("cpu.weight", "cpu.max", "cgroup.freeze", "io.max", "memory.max", "cpuset.cpus")
    return {str(one / name): says(one, name) for one in (group, group.parent) for name in names}
