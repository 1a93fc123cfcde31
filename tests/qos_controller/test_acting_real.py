"""Actions on the real kernel's groups, whichever version it has: what is told is also so."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qos_controller.adapters.cgroups import processes
from qos_controller.adapters.cgroups.actuator import BATCH
from qos_controller.adapters.cgroups.files import KeptFiles
from qos_controller.adapters.cgroups.owned import restore_from
from qos_controller.core.decision import (
    Freeze,
    Reclaim,
    SetCpus,
    SetDisk,
    SetMemory,
    SetQuota,
)
from qos_controller.core.standing import Standing
from tests.qos_controller.real_groups import ROOT, RealGroups, eventually, needs_real_groups
from tests.qos_controller.real_groups import real_groups as made

pytestmark = needs_real_groups
MIB = 2**20


@pytest.fixture
def real() -> Iterator[RealGroups]:
    with made() as groups:
        yield groups


def test_a_new_pod_is_known_before_its_first_process(real: RealGroups) -> None:
    real.pods.look(0.0)
    began_s = time.perf_counter()
    real.make(f"{real.name}/kubepods/besteffort/podnew")
    ready, _, _ = select.select([real.pods.fd], [], [], 2.0)
    assert ready
    assert real.pods.look(1.0)
    assert "new" in real.pods.pods
    assert time.perf_counter() - began_s < 0.5


def test_a_frozen_pod_stands_still_and_runs_again_by_itself(real: RealGroups) -> None:
    container = real.pod("a")
    process = real.run(container, "sh -c 'while :; do :; done'")

    def used_ticks() -> int:
        return int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11])

    assert eventually(lambda: used_ticks() > 0)
    assert real.actuator.apply(Freeze(real.now_s + 1.0), real.now_s) == ""
    events = f"{real.name}/kubepods/besteffort"
    assert eventually(lambda: "frozen 1" in real.says("", events, "cgroup.events"))
    stopped = used_ticks()
    time.sleep(0.1)
    assert used_ticks() == stopped
    real.actuator.tick(real.now_s + 1.1)
    assert eventually(lambda: used_ticks() > stopped)


def test_quotas_are_taken_in_every_order(real: RealGroups) -> None:
    real.pod("a")
    real.actuator.apply_standing("a", Standing(quota_cores=0.5), real.now_s)
    for action in (
        SetQuota(0.2),
        SetQuota(0.1, "a", period_s=0.01),
        SetQuota(0.9),
        SetQuota(0.02),
        SetQuota(0.05, "a", period_s=0.01),
        SetQuota(float("inf"), "a"),
        SetQuota(1.5),
    ):
        assert real.actuator.apply(action, real.now_s) == "", action
    name, says = ("cpu.max", "150000 100000") if real.is_v2 else ("cpu.cfs_quota_us", "150000")
    assert real.says("cpu", f"{real.name}/kubepods/besteffort", name) == says


def test_processes_get_their_priorities_and_lose_them_again(real: RealGroups) -> None:
    container = real.pod("a")
    process = real.run(container, "sh -c 'sleep 60 & wait'")
    before = processes.oom_score_adj(process.pid), processes.get_ioprio(process.pid)
    batch = Standing(oom_score_adj=900, io_class="idle")
    assert real.actuator.apply_standing("a", batch, real.now_s) == ""
    real.actuator.tick(real.now_s)
    pids = processes.listed(f"{real.layout.pods_mount}/{container}/cgroup.procs", KeptFiles())
    assert process.pid in pids
    idle = processes.IO_PRIORITIES["idle"]
    assert {processes.oom_score_adj(pid) for pid in pids} == {900}
    assert {processes.get_ioprio(pid) for pid in pids} == {idle}
    assert real.actuator.restore().refused == ()
    assert (processes.oom_score_adj(process.pid), processes.get_ioprio(process.pid)) == before


def test_a_pods_memory_is_pushed_out_and_fenced_in(real: RealGroups, tmp_path: Path) -> None:
    container = real.pod("a")
    file = tmp_path / "cached"
    file.write_bytes(os.urandom(MIB) * 24)
    with file.open("rb") as cached:
        os.fsync(cached.fileno())
        os.posix_fadvise(cached.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    real.run(container, f"sh -c 'cat {file}; sleep 60'")
    pod = container.rpartition("/")[0]
    use = "memory.current" if real.is_v2 else "memory.usage_in_bytes"
    limit = "memory.max" if real.is_v2 else "memory.limit_in_bytes"

    def used() -> int:
        return int(real.says("memory", pod, use))

    assert eventually(lambda: used() >= 24 * MIB)
    before = real.says("memory", pod, limit)
    real.actuator.apply(Reclaim(10 * MIB, "a"), real.now_s)
    assert eventually(lambda: used() < 16 * MIB)
    assert eventually(lambda: real.says("memory", pod, limit) == before)
    real.actuator.apply(SetMemory(8 * MIB, "a"), real.now_s)
    assert eventually(lambda: real.says("memory", pod, limit) == str(8 * MIB))
    assert used() <= 8 * MIB
    real.actuator.apply(SetMemory(None, "a"), real.now_s)
    assert real.says("memory", pod, limit) == before


def test_a_writers_limit_is_written_where_it_binds(real: RealGroups) -> None:
    container = real.pod("a")
    if not real.actuator.devices:
        pytest.skip("no disk of its own")
    assert real.actuator.apply(SetDisk(None, 20e6), real.now_s) == ""
    file, controller = (
        ("io.max", "io")
        if real.is_v2
        else (
            "blkio.throttle.write_bps_device",
            "blkio",
        )
    )
    group = f"{real.name}/kubepods/besteffort" if real.is_v2 else container
    assert "20000000" in real.says(controller, group, file)
    assert real.actuator.apply(SetDisk(None, None), real.now_s) == ""
    assert not real.says(controller, group, file)


def test_cpus_of_all_levels_follow(real: RealGroups) -> None:
    container = real.pod("a")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one CPU")
    levels = [container, container.rpartition("/")[0], f"{real.name}/kubepods/besteffort"]
    before = real.everything()
    for cpus in ((1,), (0,), (0, 1)):
        assert real.actuator.apply(SetCpus(cpus), real.now_s) == ""
        says = ",".join(str(cpu) for cpu in cpus).replace("0,1", "0-1")
        seen = "cpuset.cpus.effective" if real.is_v2 else "cpuset.cpus"
        assert {real.says("cpuset", level, seen) for level in levels} == {says}
    assert real.actuator.apply(SetCpus(()), real.now_s) == ""
    assert real.everything() == before


def test_killed_means_gone(real: RealGroups) -> None:
    container = real.pod("a")
    process = real.run(container, "sleep 60")
    assert real.actuator.kill("a") == ""
    assert process.wait(10) == -signal.SIGKILL


@pytest.mark.parametrize("delay_s", [0.0, 0.003, 0.02, 0.1])
def test_an_agent_killed_at_any_moment_leaves_a_ledger_that_puts_all_back(
    real: RealGroups, delay_s: float
) -> None:
    real.pod("a")
    real.pod("s", "burstable")
    before = real.everything()
    agent = subprocess.Popen(
        [sys.executable, __file__, real.name, real.run_dir],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
    )
    assert agent.stdout is not None
    agent.stdout.readline()
    time.sleep(delay_s)
    agent.kill()
    agent.communicate()
    restored = restore_from(real.run_dir, KeptFiles())
    assert restored.refused == ()
    assert real.everything() == before


def _act_until_killed(name: str, run_dir: str) -> None:
    """What the killed agent does: everything, again and again."""
    groups = RealGroups.__new__(RealGroups)
    groups.name, groups.run_dir, groups.now_s = name, run_dir, 0.0
    groups.attach()
    acting = groups.actuator
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    batch = Standing(cpu_shares=2, quota_cores=0.5, disk_weight=10)
    for turn in range(1_000_000):
        for uid in ("a", "s"):
            acting.apply_standing(uid, batch if turn % 2 else Standing(), float(turn))
        acting.apply_standing(BATCH, Standing(idle=bool(turn % 2)), float(turn))
        for action in (
            SetQuota(0.1 + turn % 7 / 10),
            SetQuota(0.05 + turn % 3 / 10, "a", period_s=0.01),
            Freeze(turn + 0.5),
            SetDisk(1e6 * (1 + turn % 5), None),
            SetCpus((turn % 2,)),
        ):
            acting.apply(action, float(turn))
        acting.tick(turn + 0.6)


if __name__ == "__main__":
    assert ROOT.is_dir()
    _act_until_killed(sys.argv[1], sys.argv[2])
