"""A batch pod that takes all memory goes through the API before online is hurt."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slacktide.testing.cluster.control_plane import ControlPlane
from slacktide.testing.node.agent import agent
from slacktide.testing.node.node import RealNode, real_node
from slacktide.testing.node.pods import batch, hosted, online

MIB = 1 << 20
FOR_PODS = 1_536 * MIB
GROWS = """
import mmap, time
held = []
while True:
    held.append(mmap.mmap(-1, 16 << 20))
    held[-1][:] = bytes(16 << 20)
    time.sleep(0.05)
"""
HOLDS = """
import mmap, time
held = mmap.mmap(-1, 128 << 20)
while True:
    held[:] = bytes(128 << 20)
    time.sleep(0.1)
"""


@pytest.fixture
def small(plane: ControlPlane, short_folder: Path) -> Iterator[RealNode]:
    """A node whose pods have 1.5 GiB together."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    config = {"systemReserved": {"memory": str(whole - FOR_PODS)}}
    with real_node(plane, short_folder / "node", config=config) as node:
        node.sell(milli=2_000, memory_bytes=FOR_PODS)
        yield node
        node.forget_pods()


def test_batch_that_takes_all_memory_is_evicted_and_online_lives(
    small: RealNode, tmp_path: Path
) -> None:
    def python(program: str) -> dict[str, Any]:
        return hosted(sys.executable, "-I", "-S", "-c", program)

    with agent(small, tmp_path / "run"):
        said = {"slo": "p99<50ms", "latency_from": "datagram", "memory": "200Mi"}
        before = small.run(online("service", **said, **python(HOLDS)))
        small.run(batch("grows", memory_bytes=FOR_PODS, **python(GROWS)))
        small.wait(lambda: has_left(small.pod("grows")), "it to leave", within_s=60)
    after = small.pod("service")
    assert restarts(after) == 0
    assert after["status"]["containerStatuses"][0]["state"] == running(before)
    assert evictions(small.plane.audit_log) == {"grows"}


def running(pod: dict[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = pod["status"]["containerStatuses"][0]["state"]
    return state


def restarts(pod: dict[str, Any]) -> int:
    return int(pod["status"]["containerStatuses"][0]["restartCount"])


def has_left(pod: dict[str, Any]) -> bool:
    return not pod or "deletionTimestamp" in pod["metadata"]


def evictions(audit_log: Path) -> set[str]:
    """Names of pods that the API server was asked to evict, and did."""
    asked = [json.loads(line) for line in audit_log.read_text().splitlines()]
    return {
        one["objectRef"]["name"]
        for one in asked
        if one.get("objectRef", {}).get("subresource") == "eviction"
        and one.get("responseStatus", {}).get("code", 0) < 300
    }
