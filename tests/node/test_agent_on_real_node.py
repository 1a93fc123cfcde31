"""The agent beside a real kubelet: real pods are classed, limited, let go and evicted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slacktide.contract import ANNOTATION_AGENT
from slacktide.testing.node import groups
from slacktide.testing.node.agent import Agent, agent
from slacktide.testing.node.node import RealNode
from slacktide.testing.node.pods import IDLE, SPIN, a_pod, batch, online, stray
from tests.node.watched import file_of, held, watched

LIGHTEST = "2"
GIB = 1 << 30


@pytest.fixture(scope="module")
def selling(node: RealNode) -> RealNode:
    node.sell(milli=2_000, memory_bytes=8 * GIB)
    return node


@pytest.fixture
def agent_(selling: RealNode, tmp_path: Path) -> Iterator[Agent]:
    with agent(selling, tmp_path / "run") as running:
        yield running


@pytest.fixture(autouse=True)
def no_pods(selling: RealNode) -> Iterator[None]:
    yield
    selling.annotate(agent=None)
    selling.forget_pods()


def uid_of(pod: dict[str, Any]) -> str:
    return str(pod["metadata"]["uid"])


def holds(file: Path, value: str) -> Callable[[], bool]:
    return lambda: file.read_text().strip() == value


@pytest.mark.usefixtures("agent_")
def test_a_new_batch_pod_is_limited_within_its_first_second(selling: RealNode) -> None:
    uid = uid_of(selling.post(batch("new", SPIN, milli=500, memory_bytes=GIB)))
    with watched(
        there=lambda: bool(groups.where(uid)),
        quota=lambda: file_of(uid, "cpu.cfs_quota_us").read_text() == "50000\n",
        memory=lambda: file_of(uid, "memory.limit_in_bytes").read_text() == f"{GIB}\n",
    ) as seen:
        seen.wait("there", "quota", "memory")
    assert max(seen.seen_s["quota"], seen.seen_s["memory"]) - seen.seen_s["there"] < 1.0


@pytest.mark.usefixtures("agent_")
def test_stray_batch_among_ordinary_pods_gets_the_lightest_weight(selling: RealNode) -> None:
    served = uid_of(selling.run(online("service", IDLE, slo="p99<50ms", latency_from="datagram")))
    uid = uid_of(selling.run(stray("stray", SPIN, cpu="800m")))
    with watched(light=holds(file_of(uid, "cpu.shares"), LIGHTEST)) as seen:
        seen.wait("light")
    assert file_of(served, "cpu.shares").read_text() == "1024\n"


@pytest.mark.usefixtures("agent_")
def test_a_restarted_kubelet_takes_nothing_back(selling: RealNode) -> None:
    uid = uid_of(selling.run(stray("stray", SPIN, cpu="800m")))
    light = holds(file_of(uid, "cpu.shares"), LIGHTEST)
    selling.wait(light, "the lightest weight")
    selling.restart_kubelet()
    selling.run(a_pod("after", IDLE))  # by then kubelet has looked at all pods
    selling.wait(light, "the lightest weight again", within_s=5)


@pytest.mark.usefixtures("agent_")
def test_an_owner_switches_the_agent_off_for_his_pod(selling: RealNode) -> None:
    uid = uid_of(selling.run(stray("stray", SPIN, cpu="800m")))
    shares = file_of(uid, "cpu.shares")
    selling.wait(holds(shares, LIGHTEST), "the lightest weight")
    selling.patch_pod("stray", {"metadata": {"annotations": {ANNOTATION_AGENT: "off"}}})
    selling.wait(holds(shares, "819"), "kubelet's weight", within_s=5)


@pytest.mark.usefixtures("agent_")
def test_the_nodes_owner_switches_it_off_and_on_again(selling: RealNode) -> None:
    uid = uid_of(selling.run(stray("stray", SPIN, cpu="800m")))
    shares = file_of(uid, "cpu.shares")
    selling.wait(holds(shares, LIGHTEST), "the lightest weight")
    selling.annotate(agent="off")
    selling.wait(holds(shares, "819"), "kubelet's weight", within_s=5)
    selling.annotate(agent=None)
    selling.wait(holds(shares, LIGHTEST), "the lightest weight again", within_s=5)


def test_told_to_end_it_puts_everything_back(selling: RealNode, tmp_path: Path) -> None:
    uids = [
        uid_of(selling.run(pod))
        for pod in (
            online("service", IDLE, slo="p99<50ms", latency_from="datagram"),
            batch("batch", SPIN, milli=500, memory_bytes=GIB),
            stray("stray", SPIN, cpu="800m"),
        )
    ]
    before = held()
    with agent(selling, tmp_path / "run") as running:
        selling.wait(holds(file_of(uids[2], "cpu.shares"), LIGHTEST), "the lightest weight")
        selling.wait(holds(file_of(uids[1], "cpu.cfs_quota_us"), "50000"), "its quota")
        assert held() != before
        running.stop()
    assert held() == before
