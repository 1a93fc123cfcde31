"""The agent's real processes on the kernel's groups: killed, stopped, told to end, left alone."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from bench._agent_node import AGENT, SPIN, OwnNode, has_real_groups, wait_until
from bench._agent_worst_loop import FLAG
from qos_controller.adapters.ticks import TickReader

pytestmark = pytest.mark.skipif(
    not has_real_groups() and "CI" not in os.environ, reason="needs root and version 1 groups"
)
REHEARSING = ("-m", "bench._agent_worst")
SAFE_QUOTAS = ("-1", str(os.cpu_count() * 10_000))  # type: ignore[operator]  # it is known here


@pytest.fixture
def node(tmp_path: Path) -> Iterator[OwnNode]:
    """One online pod, two of batch, one of batch among ordinary pods, all with odd values."""
    own = OwnNode(f"slacktide-test-{os.getpid()}", tmp_path)
    try:
        own.add(0, batch=False)
        own.add(1, batch=True, command=SPIN)
        own.add(2, batch=True)
        for group in own.groups.values():
            group.write("cpu.shares", 717)
            (group / "container").write("cpu.cfs_quota_us", 150_000)
        own.tell()
        yield own
    finally:
        own.close()


def batch(node: OwnNode, file: str) -> str:
    return next(g for uid, g in node.groups.items() if node.pods[uid].batch).read(file).strip()


def ticks(node: OwnNode) -> int:
    try:
        diary = TickReader(node.run_dir / "ticks")
    except (OSError, ValueError):
        return 0
    count = diary.counts[0]
    diary.close()
    return count


def acts(node: OwnNode) -> None:
    """Waits for the standing values, which are written before all else."""
    try:
        wait_until(lambda: batch(node, "cpu.shares") == "2" and ticks(node) > 5, within_s=15)
    except TimeoutError as late:
        raise AssertionError(f"{batch(node, 'cpu.shares')} {ticks(node)}: {node.said()}") from late


def does_its_worst(node: OwnNode) -> None:
    acts(node)
    (node.run_dir / FLAG).touch()
    wait_until(node.frozen)


def is_safe(node: OwnNode) -> bool:
    quota = (node.top / "kubepods/besteffort").read("cpu.cfs_quota_us").strip()
    return not node.frozen() and quota in SAFE_QUOTAS


def restarted(node: OwnNode) -> None:
    """The loop is there again, and the diary is its own."""
    if "agent" not in node.pids():
        node.start(REHEARSING)
    wait_until(lambda: diarist(node) == node.pids().get("loop", -1), within_s=15)
    acts(node)


def diarist(node: OwnNode) -> int:
    diary = TickReader(node.run_dir / "ticks")
    pid = diary.pid
    diary.close()
    return pid


def test_told_to_end_it_puts_back_every_byte_within_a_second(node: OwnNode) -> None:
    before = node.snapshot()
    agent = node.start(REHEARSING)
    does_its_worst(node)
    assert node.snapshot() != before
    began_s = time.monotonic()
    agent.terminate()
    assert agent.wait(timeout=5) == 0
    assert time.monotonic() - began_s < 1.0
    assert node.snapshot() == before
    assert node.pids() == {}
    assert not (Path("/sys/fs/cgroup/cpu") / f"{node.settings.own_group}-loop").exists()


def test_the_start_after_a_crash_of_everything_puts_back_what_the_crash_left(
    node: OwnNode,
) -> None:
    before = node.snapshot()
    node.start(REHEARSING)
    does_its_worst(node)
    (node.run_dir / FLAG).unlink()
    pids = node.pids()
    for name in ("watchdog", "loop", "agent"):
        os.kill(pids[name], signal.SIGKILL)
    time.sleep(0.3)  # nobody is left who could thaw
    assert node.frozen()
    node.start(REHEARSING)
    assert wait_until(lambda: not node.frozen()) < 5.0
    restarted(node)
    assert node.agent is not None
    node.agent.terminate()
    node.agent.wait(timeout=20)
    assert node.snapshot() == before
    assert "files of a former agent put back" in node.said()


def test_told_to_end_while_the_loop_is_dead_it_puts_all_back_in_its_place(node: OwnNode) -> None:
    before = node.snapshot()
    agent = node.start(REHEARSING)
    does_its_worst(node)
    (node.run_dir / FLAG).unlink()
    os.kill(node.pids()["loop"], signal.SIGKILL)
    agent.terminate()
    assert agent.wait(timeout=20) == 0
    assert node.snapshot() == before


def test_killed_ten_times_at_random_moments_it_is_thawed_and_safe_within_three_seconds(
    node: OwnNode,
) -> None:
    chance = random.Random(6)  # noqa: S311  no secret
    before = node.snapshot()
    node.start(REHEARSING)
    for _ in range(10):
        does_its_worst(node)
        time.sleep(chance.uniform(0.0, 0.2))  # the moment is what is random
        victims = chance.choice([("loop",), ("agent",), ("loop", "agent"), ("watchdog", "loop")])
        (node.run_dir / FLAG).unlink()
        pids = node.pids()
        for name in victims:
            os.kill(pids[name], signal.SIGKILL)
        took_s = wait_until(lambda: is_safe(node))
        assert took_s <= 3.0, victims
        if "agent" in victims:
            assert node.agent is not None
            node.agent.wait()
        restarted(node)
    assert node.agent is not None
    node.agent.terminate()
    node.agent.wait(timeout=20)
    assert node.snapshot() == before


def test_a_loop_that_is_stopped_is_made_safe_by_the_watchdog_and_goes_on_later(
    node: OwnNode,
) -> None:
    node.start(REHEARSING)
    does_its_worst(node)
    loop = node.pids()["loop"]
    os.kill(loop, signal.SIGSTOP)
    (node.run_dir / FLAG).unlink()
    assert wait_until(lambda: is_safe(node)) <= 3.0
    said = json.loads((node.run_dir / "watchdog.json").read_text())
    assert "heart stood still" in said["why"]
    os.kill(loop, signal.SIGCONT)
    before = ticks(node)
    wait_until(lambda: ticks(node) > before + 5)
    assert node.pids()["loop"] == loop


def test_a_batch_pod_that_appears_is_light_before_its_first_second_is_over(
    node: OwnNode,
) -> None:
    node.start(AGENT)
    acts(node)
    pod = node.add(7, batch=True)
    node.tell()
    shares = node.groups[pod.uid]
    assert wait_until(lambda: shares.read("cpu.shares").strip() == "2") < 1.0


def test_pods_that_vanish_under_it_are_no_fault(node: OwnNode) -> None:
    node.start(AGENT)
    acts(node)
    for group in list(node.groups.values()):
        group.remove()
    node.groups.clear()
    before = ticks(node)
    wait_until(lambda: ticks(node) > before + 60)
    said = [line for line in node.said().splitlines() if "agent loop:" in line]
    assert [line for line in said if "oom_score_adj stays" not in line] == []


def test_observing_it_writes_nothing_to_the_node(node: OwnNode) -> None:
    before = node.snapshot()
    node.settings = msgspec.structs.replace(node.settings, observe=True)
    node.start(REHEARSING)
    wait_until(lambda: ticks(node) > 10, within_s=15)
    (node.run_dir / FLAG).touch()
    seen = ticks(node)
    wait_until(lambda: ticks(node) > seen + 20)
    assert node.snapshot() == before
    assert not (node.run_dir / "owned.json").exists()


def test_switched_off_it_puts_everything_back_and_only_watches(node: OwnNode) -> None:
    before = node.snapshot()
    node.start(REHEARSING)
    does_its_worst(node)
    node.tell(off=True)
    wait_until(lambda: node.snapshot() == before)
    seen = ticks(node)
    wait_until(lambda: ticks(node) > seen + 20)
    assert node.snapshot() == before


def test_a_pod_whose_owner_switched_it_off_is_put_back_and_left_alone(node: OwnNode) -> None:
    before = node.snapshot()
    node.start(AGENT)
    acts(node)
    uid = next(uid for uid, pod in node.pods.items() if pod.batch)
    node.pods[uid] = replace(node.pods[uid], managed=False)
    node.tell()
    own = [path for path in before if uid in path]
    wait_until(lambda: [node.snapshot()[path] for path in own] == [before[path] for path in own])
    others = [g for u, g in node.groups.items() if node.pods[u].batch and u != uid]
    assert [group.read("cpu.shares").strip() for group in others] == ["2"]


def test_a_node_without_pressure_counters_is_still_looked_at(node: OwnNode, tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    root.mkdir()
    for name in ("cpu", "cpuacct", "memory", "blkio", "freezer", "cpuset", "pids"):
        (root / name).symlink_to(f"/sys/fs/cgroup/{name}")
    node.settings = msgspec.structs.replace(node.settings, cgroup_root=str(root))
    node.start(REHEARSING)
    does_its_worst(node)
    (node.run_dir / FLAG).unlink()
    os.kill(node.pids()["loop"], signal.SIGKILL)
    assert wait_until(lambda: is_safe(node)) <= 3.0


def test_a_second_agent_in_the_same_folder_refuses_to_start(node: OwnNode) -> None:
    node.start(AGENT)
    acts(node)
    first = node.pids()
    second = subprocess.run(
        [sys.executable, *AGENT, msgspec.json.encode(node.settings).decode()],
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert second.returncode == 2
    assert b"another agent runs" in second.stderr
    assert node.pids() == first
