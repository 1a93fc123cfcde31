"""The test node is a real one: kubelet's pods in kubelet's groups, in every hierarchy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from slacktide.errors import BadInput
from slacktide.testing.node import groups
from slacktide.testing.node.node import RealNode
from slacktide.testing.node.pods import IDLE, a_pod, batch, hosted

HALF = {"cpu": "500m"}


@pytest.mark.parametrize(
    ("name", "requests", "place"),
    [("besteffort", {}, "kubepods/besteffort"), ("burstable", HALF, "kubepods/burstable")],
)
def test_a_pod_lies_in_its_class_group_in_every_hierarchy(
    node: RealNode, name: str, requests: dict[str, str], place: str
) -> None:
    pod = node.run(a_pod(name, IDLE, requests=requests))
    found = groups.where(pod["metadata"]["uid"])
    assert {group.parent for group in found} == {top / place for top in groups.hierarchies()}
    assert len(_commands(found[0])) == 2  # the pod's own program, and its sandbox's


def test_what_the_scheduler_binds_runs(node: RealNode) -> None:
    with node.plane.client() as client:
        pod = a_pod("scheduled", IDLE, requests=HALF)
        client.post("/api/v1/namespaces/default/pods", json=pod).raise_for_status()
    node.wait(lambda: node.pod("scheduled")["status"].get("phase") == "Running", "it to run")
    assert node.pod("scheduled")["spec"]["nodeName"] == node.name


def test_a_batch_pod_runs_where_batch_is_sold_and_nowhere_else(node: RealNode) -> None:
    with pytest.raises(BadInput, match=r"OutOf.*batch-"):
        node.run(batch("unsold", IDLE))
    node.sell(milli=2_000, memory_bytes=4 << 30)
    pod = node.run(batch("sold", IDLE))
    assert pod["status"]["qosClass"] == "BestEffort"


def test_a_program_of_this_machine_serves_from_a_pod(node: RealNode) -> None:
    command = hosted("/usr/bin/env", "python3", "-m", "http.server", "8000")
    pod = node.run(a_pod("server", **command))
    url = f"http://{pod['status']['podIP']}:8000/"
    node.wait(lambda: _answers(url), "it to answer")


def test_pods_outlive_a_restart_of_kubelet(node: RealNode) -> None:
    pod = node.run(a_pod("steady", IDLE))
    before = _pids(pod)
    node.restart_kubelet()
    node.run(a_pod("after", IDLE))  # by then the new kubelet has seen what runs
    assert _pids(pod) == before


def test_a_deleted_pod_takes_its_groups_along(node: RealNode) -> None:
    pod = node.run(a_pod("leaving", IDLE))
    node.delete("leaving")
    assert groups.where(pod["metadata"]["uid"]) == []


def _pids(pod: dict[str, dict[str, str]]) -> set[int]:
    found = groups.where(pod["metadata"]["uid"])
    return {pid for group in _below(found[0]) for pid in groups.processes(group)}


def _commands(group: Path) -> list[str]:
    pids = [pid for one in _below(group) for pid in groups.processes(one)]
    return [Path(f"/proc/{pid}/cmdline").read_text() for pid in pids]


def _below(group: Path) -> Iterator[Path]:
    return (path for path in group.rglob("*") if path.is_dir())


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False
