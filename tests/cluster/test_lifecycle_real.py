"""Lives, evictions and checks on a real control plane: what happens to pods, as their users see it.

Nodes are objects alone, so nobody runs pods: where a test needs running ones it says so to the
server in kubelet's place.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from slacktide.contract import (
    ANNOTATION_GANG_MIN,
    ANNOTATION_LIFE,
    ANNOTATION_REASON,
    ANNOTATION_SUBMITTED,
    ANNOTATION_TIME_LIMIT,
    KUEUE_CHECK,
    LABEL_QUEUE,
    RESOURCE_BATCH_CPU,
)
from slacktide.testing.cluster.auditor import Auditor, audited
from slacktide.testing.cluster.batch_pods import answers, extended, gang, planner, task
from slacktide.testing.cluster.control_plane import ControlPlane, control_plane
from slacktide.testing.cluster.fake_nodes import add, node
from slacktide.testing.cluster.processes import Process, free_ports
from tests.cluster.definitions import define, kueue, queues

NODES, CORES = 4, 4
HOLDS = {"cpu": "8", "memory": "16Gi", "pods": "110", RESOURCE_BATCH_CPU: f"{CORES}000"}
QUEUES = "/apis/slacktide.io/v1alpha1/queues"
KUEUE = "/apis/kueue.x-k8s.io/v1beta1"
MERGE = {"Content-Type": "application/merge-patch+json"}
FLAGS = {"evict-after-s": "0", "backoff-s": "2", "evictions-per-minute": "10000"}

Objects = dict[str, dict[str, Any]]


@dataclass
class Cluster:
    """A control plane with queues, Kueue's kinds, and planners that come and go."""

    plane: ControlPlane
    client: httpx.Client
    port: int
    planners: list[Process] = field(default_factory=list)
    _names: Iterator[int] = field(default_factory=itertools.count)

    def start(self, **flags: str) -> Process:
        """A planner that answers."""
        name = f"planner-{next(self._names)}"
        process = planner(self.plane, port=self.port, name=name, **(FLAGS | flags))
        self.planners.append(process)
        process.wait_until(lambda: answers(self.port), within_s=60)
        return process

    def stop_planners(self) -> None:
        for one in self.planners:
            one.stop()
        self.planners.clear()

    def metric(self, name: str) -> float:
        page = httpx.get(f"http://127.0.0.1:{self.port}/metrics", trust_env=False).text
        name = f"slacktide_scheduler_{name} "
        return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(name))

    def pods(self, auditor: Auditor) -> Objects:
        """By name."""
        items = self.client.get(auditor.path).raise_for_status().json()["items"]
        return {one["metadata"]["name"]: one for one in items}

    def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (
            self.client.patch(path, json=body, headers=MERGE).raise_for_status().json()
        )
        return found

    def submit(self, auditor: Auditor, pods: list[dict[str, Any]], queue: str = "") -> None:
        for pod in pods:
            pod["metadata"]["labels"] |= {LABEL_QUEUE: queue} if queue else {}
        add(self.plane, auditor.path, pods)

    def wait(self, holds: Callable[[], object], what: str, *, within_s: float = 60.0) -> None:
        give_up = time.monotonic() + within_s
        while not holds():
            if time.monotonic() > give_up:
                raise AssertionError(f"not in {within_s:g} s: {what}")
            time.sleep(0.1)

    def run(self, auditor: Auditor, name: str) -> None:
        """What kubelet would say of the bound pods of a gang."""
        for pod in self.pods(auditor).values():
            if pod["metadata"]["labels"]["gang"] == name and pod["spec"].get("nodeName"):
                self.phase(auditor, pod["metadata"]["name"], "Running")

    def phase(self, auditor: Auditor, pod: str, phase: str) -> None:
        ready = {"type": "Ready", "status": "True" if phase == "Running" else "False"}
        self.patch(
            f"{auditor.path}/{pod}/status", {"status": {"phase": phase, "conditions": [ready]}}
        )


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A control plane of its own, since the planner counts every pod of a cluster."""
    with control_plane(tmp_path_factory.mktemp("lives")) as plane, plane.client() as client:
        plane.controllers()
        for definition in (queues(), *kueue()):
            define(client, definition)
        guaranteed = {"sure": {"guaranteed": {"cpu": "8"}}, "rest": {}}
        for name, spec in guaranteed.items():
            body = {"apiVersion": "slacktide.io/v1alpha1", "kind": "Queue", "spec": spec}
            client.post(QUEUES, json=body | {"metadata": {"name": name}}).raise_for_status()
        add(plane, "/api/v1/nodes", [node(f"n{k}", holds=HOLDS) for k in range(NODES)])
        [port] = free_ports(1)
        plane.scheduler(extended(port), name="offline-scheduler")
        yield Cluster(plane, client, port)


@pytest.fixture
def cluster(started: Cluster) -> Iterator[Cluster]:
    """Whatever planners a test starts end with it."""
    yield started
    started.stop_planners()


def notes(pod: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = pod["metadata"].get("annotations", {})
    return found


def life(pods: Objects, gang: str) -> dict[str, Any]:
    """What is written of a gang's life on any of its pods."""
    for pod in pods.values():
        if pod["metadata"]["labels"]["gang"] == gang and ANNOTATION_LIFE in notes(pod):
            found: dict[str, Any] = json.loads(notes(pod)[ANNOTATION_LIFE])
            return found
    return {}


def there(auditor: Auditor, name: str) -> int:
    """Bound pods of a gang."""
    return len(auditor.gangs[name].nodes) if name in auditor.gangs else 0


def events(cluster: Cluster, auditor: Auditor) -> set[str]:
    path = auditor.path.replace("/pods", "/events")
    return {one["reason"] for one in cluster.client.get(path).json()["items"]}


def job(name: str, tasks: int, **spec: Any) -> dict[str, Any]:
    template = task("any")
    template["spec"]["restartPolicy"] = "Never"
    template["metadata"] = {"labels": {"gang": name}, "annotations": {}}
    template["metadata"]["annotations"][ANNOTATION_GANG_MIN] = str(tasks)  # for the auditor
    counts = {"parallelism": tasks, "completions": tasks, "completionMode": "Indexed"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {**counts, "template": template, **spec},
    }


def test_a_guarantee_is_taken_with_the_fewest_tasks_and_kept_from_third_gangs(
    cluster: Cluster,
) -> None:
    cluster.start()
    with audited(cluster.plane, "guarantee") as auditor:
        for k in range(4):
            cluster.submit(auditor, gang(f"low-{k}", 4), "rest")
            auditor.wait_whole(f"low-{k}")
        cluster.submit(auditor, gang("third", 2), "rest")
        before = cluster.pods(auditor)
        cluster.submit(auditor, gang("high", 6), "sure")
        auditor.wait_whole("high")
        low = [there(auditor, f"low-{k}") for k in range(4)]
        assert sorted(low) == [0, 0, 4, 4], "two gangs of four make room for six"
        assert not auditor.gangs["third"].nodes
        cluster.wait(lambda: there(auditor, "third") == 2, "what is left over is taken")
        assert cluster.metric("tasks_evicted") == 8
        after = cluster.pods(auditor)
        copies = [pod for name, pod in after.items() if "-again-" in name]
        assert len(copies) == 8
        assert all(pod["spec"].get("schedulingGates") for pod in copies)
        first = min(pod["metadata"]["creationTimestamp"] for pod in before.values())
        assert all(notes(pod)[ANNOTATION_SUBMITTED] >= first for pod in copies)
        out = [f"low-{k}" for k in range(4) if low[k] == 0]
        cluster.wait(lambda: life(cluster.pods(auditor), out[0]).get("phase"), "its life is told")
        told = life(cluster.pods(auditor), out[0])
        assert told["preemptions"] == 1
        assert {"GangEvicted", "GangMakesClaim"} <= events(cluster, auditor)
