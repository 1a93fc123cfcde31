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
from slacktide.testing.cluster.faults import remove
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

    def remove_jobs(self) -> None:
        """Returns when nothing is left of them: what they make anew would take the next's room."""
        path = "/apis/batch/v1"
        for one in self.client.get(f"{path}/jobs").json()["items"]:
            meta = one["metadata"]
            where = f"{path}/namespaces/{meta['namespace']}/jobs/{meta['name']}"
            self.client.delete(where, params={"propagationPolicy": "Background"})
        self.wait(lambda: not self.client.get("/api/v1/pods").json()["items"], "all pods are gone")

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
    """Whatever planners and Jobs a test starts end with it."""
    yield started
    started.stop_planners()
    started.remove_jobs()


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


def of(cluster: Cluster, auditor: Auditor, gang: str) -> list[dict[str, Any]]:
    """Its pods."""
    found = cluster.pods(auditor).values()
    return [pod for pod in found if pod["metadata"]["labels"]["gang"] == gang]


def of_status(cluster: Cluster, path: str) -> dict[str, Any]:
    """What its controller says."""
    found: dict[str, Any] = cluster.client.get(path).json().get("status", {})
    return found


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
        auditor.wait(
            lambda seen: sorted(len(seen[f"low-{k}"].nodes) for k in range(4)) == [0, 0, 4, 4],
            "two gangs of four make room for six",
        )
        low = [there(auditor, f"low-{k}") for k in range(4)]
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


def test_a_budget_for_disruptions_is_respected(cluster: Cluster) -> None:
    cluster.start()
    with audited(cluster.plane, "budget") as auditor:
        budget = {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "guarded"},
            "spec": {"minAvailable": "100%", "selector": {"matchLabels": {"gang": "guarded"}}},
        }
        path = "/apis/policy/v1/namespaces/budget/poddisruptionbudgets"
        cluster.client.post(path, json=budget).raise_for_status()
        cluster.submit(auditor, gang("older", 8), "rest")
        auditor.wait_whole("older")
        cluster.submit(auditor, gang("guarded", 8), "rest")
        auditor.wait_whole("guarded")
        for name in ("older", "guarded"):
            cluster.run(auditor, name)
        cluster.wait(
            lambda: (
                cluster.client.get(f"{path}/guarded").json()["status"].get("currentHealthy") == 8
            ),
            "the budget is counted",
        )
        cluster.submit(auditor, gang("high", 4), "sure")
        auditor.wait_whole("high")
        assert there(auditor, "guarded") == 8, "the younger one would have lost less work"
        cluster.wait(lambda: there(auditor, "older") == 0, "the older one goes whole")


def test_nobody_is_evicted_for_a_gang_without_a_claim_or_where_it_is_turned_off(
    cluster: Cluster,
) -> None:
    cluster.start(**{"no-evict": ""})
    with audited(cluster.plane, "off") as auditor:
        cluster.submit(auditor, gang("all", 16), "rest")
        auditor.wait_whole("all")
        cluster.submit(auditor, gang("high", 4), "sure")
        cluster.wait(
            lambda: notes(cluster.pods(auditor)["high-0"]).get(ANNOTATION_REASON), "it waits"
        )
        cluster.stop_planners()
        cluster.start()
        cluster.submit(auditor, gang("peer", 4), "rest")
        auditor.wait_whole("high")
        cluster.wait(lambda: there(auditor, "all") == 0, "a gang goes whole or not at all")
        assert cluster.metric("tasks_evicted") == 16


def test_a_suspended_job_gives_its_place_back_and_keeps_its_age(cluster: Cluster) -> None:
    cluster.start()
    with audited(cluster.plane, "suspend") as auditor:
        path = "/apis/batch/v1/namespaces/suspend/jobs"
        add(cluster.plane, path, [job("first", 12)])
        auditor.wait_whole("first")
        created = cluster.client.get(f"{path}/first").json()
        cluster.submit(auditor, gang("second", 8), "rest")
        cluster.wait(
            lambda: notes(cluster.pods(auditor)["second-0"]).get(ANNOTATION_REASON), "it waits"
        )
        cluster.patch(f"{path}/first", {"spec": {"suspend": True}})
        auditor.wait_whole("second")
        auditor.wait(lambda seen: not seen["first"].there, "its pods are gone")
        cluster.patch(f"{path}/first", {"spec": {"suspend": False}})
        auditor.wait(lambda seen: len(seen["first"].there) == 12, "its pods are there again")
        cluster.wait(
            lambda: any(ANNOTATION_REASON in notes(p) for p in of(cluster, auditor, "first")),
            "it waits for room",
        )
        assert there(auditor, "first") == 0
        remove(cluster.plane, auditor, ["second"])
        auditor.wait(lambda seen: len(seen["first"].nodes) == 12, "it runs again")
        cluster.wait(
            lambda: life(cluster.pods(auditor), "first").get("phase") == "resumed",
            "its life says so",
        )
        told = life(cluster.pods(auditor), "first")
        assert told["submitted"] == created["metadata"]["creationTimestamp"]
        assert told["runs"] == 2


def test_a_gang_whose_pod_failed_backs_off_and_says_so(cluster: Cluster) -> None:
    cluster.start(**{"backoff-s": "8"})
    with audited(cluster.plane, "fails") as auditor:
        path = "/apis/batch/v1/namespaces/fails/jobs"
        add(cluster.plane, path, [job("fragile", 2)])
        auditor.wait_whole("fragile")
        cluster.run(auditor, "fragile")
        cluster.wait(lambda: life(cluster.pods(auditor), "fragile"), "it is seen to run")
        first = next(iter(cluster.pods(auditor)))
        failed_s = time.time()
        cluster.phase(auditor, first, "Failed")
        cluster.wait(lambda: life(cluster.pods(auditor), "fragile").get("setbacks"), "it is told")
        told = life(cluster.pods(auditor), "fragile")
        assert told["phase"] == "queued"
        assert told["reason"] == "1 of its pods failed: tried again in 8 s"
        cluster.stop_planners()
        cluster.start(**{"backoff-s": "8"})
        auditor.wait(lambda seen: len(seen["fragile"].nodes) == 3, "the third pod is bound")
        assert time.time() - failed_s >= 7.5, "also the next planner waits"


def test_a_gang_whose_time_is_up_is_ended_with_a_reason(cluster: Cluster) -> None:
    cluster.start()
    with audited(cluster.plane, "limit") as auditor:
        path = "/apis/batch/v1/namespaces/limit/jobs"
        limited = job("short", 2)
        limited["metadata"]["annotations"] = {ANNOTATION_TIME_LIMIT: "2s"}
        add(cluster.plane, path, [limited])
        bare = gang("bare", 2)
        for pod in bare:
            notes(pod)[ANNOTATION_TIME_LIMIT] = "2s"
        cluster.submit(auditor, bare)
        auditor.wait_whole("short", "bare")
        cluster.wait(
            lambda: (
                [
                    one["reason"]
                    for one in cluster.client.get(f"{path}/short")
                    .json()["status"]
                    .get("conditions", ())
                    if one["type"] == "Failed"
                ]
                == ["DeadlineExceeded"]
            ),
            "the Job is ended by its controller",
        )
        ended = cluster.client.get(f"{path}/short").json()
        assert notes(ended)[ANNOTATION_REASON] == "ran for 2 s, which is its time limit"
        cluster.wait(
            lambda: all(
                pod["spec"].get("activeDeadlineSeconds") == 1
                for name, pod in cluster.pods(auditor).items()
                if name.startswith("bare")
            ),
            "kubelet would end the pods",
        )
        cluster.wait(lambda: life(cluster.pods(auditor), "bare").get("phase") == "failed", "told")


def workload(name: str, tasks: int, milli: int = 1_000) -> dict[str, Any]:
    spec = task("any", milli=milli)["spec"]
    pods = {"name": "main", "count": tasks, "template": {"spec": spec}}
    return {
        "apiVersion": "kueue.x-k8s.io/v1beta1",
        "kind": "Workload",
        "metadata": {"name": name},
        "spec": {"queueName": "q", "active": True, "podSets": [pods]},
    }


def test_kueues_check_says_whether_forecast_capacity_is_there(cluster: Cluster) -> None:
    check = {
        "apiVersion": "kueue.x-k8s.io/v1beta1",
        "kind": "AdmissionCheck",
        "metadata": {"name": "room"},
        "spec": {"controllerName": KUEUE_CHECK},
    }
    cluster.client.post(f"{KUEUE}/admissionchecks", json=check).raise_for_status()
    other = check | {"metadata": {"name": "other"}, "spec": {"controllerName": "someone/else"}}
    cluster.client.post(f"{KUEUE}/admissionchecks", json=other).raise_for_status()
    cluster.start()

    def active(name: str) -> list[str]:
        found = cluster.client.get(f"{KUEUE}/admissionchecks/{name}").json()
        return [one["status"] for one in found.get("status", {}).get("conditions", ())]

    cluster.wait(lambda: active("room") == ["True"], "our check is active")
    assert active("other") == []
    path = f"{KUEUE}/namespaces/default/workloads"
    pending = {"state": "Pending", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    wants = {"fits": 12, "too-much": 12, "never": 17}
    for name, tasks in wants.items():
        cluster.client.post(path, json=workload(name, tasks)).raise_for_status()
        status: dict[str, Any] = {
            "admissionChecks": [pending | {"name": "other"}, pending | {"name": "room"}]
        }
        cluster.patch(f"{path}/{name}/status", {"status": status})
    time.sleep(1.5)

    def states(name: str) -> dict[str, str]:
        found = cluster.client.get(f"{path}/{name}").json()["status"]["admissionChecks"]
        return {one["name"]: one["state"] for one in found}

    assert states("fits") == {"other": "Pending", "room": "Pending"}, "no quota is reserved yet"
    for name in wants:
        given = {"clusterQueue": "q", "podSetAssignments": [{"name": "main"}]}
        cluster.patch(f"{path}/{name}/status", {"status": {"admission": given}})
        expected = {"other": "Pending", "room": "Ready" if name == "fits" else "Retry"}
        cluster.wait(lambda n=name, e=expected: states(n) == e, f"{name} is answered")  # type: ignore[misc]  # bound at once
    found = cluster.client.get(f"{path}/never").json()["status"]["admissionChecks"]
    assert "larger than the nodes hold" in found[1]["message"]


def test_a_queues_status_says_what_it_uses_and_what_is_odd(cluster: Cluster) -> None:
    cluster.start()
    lost = {"parent": "nowhere"}
    body = {"apiVersion": "slacktide.io/v1alpha1", "kind": "Queue", "spec": lost}
    cluster.client.post(QUEUES, json=body | {"metadata": {"name": "lost"}}).raise_for_status()
    with audited(cluster.plane, "told") as auditor:
        cluster.submit(auditor, gang("runs", 3, milli=500), "sure")
        cluster.submit(auditor, gang("waits", 40), "rest")

        def status(name: str) -> dict[str, Any]:
            found: dict[str, Any] = cluster.client.get(f"{QUEUES}/{name}").json().get("status", {})
            return found

        cluster.wait(lambda: status("sure").get("used") == {"cpu": "1500m"}, "its use is told")
        assert status("sure")["runningGangs"] == 1
        assert status("rest")["pendingGangs"] == 1
        [condition] = status("lost")["conditions"]
        assert (condition["type"], condition["status"]) == ("Sound", "False")
        assert "nowhere is not there" in condition["message"]
        version = cluster.client.get(f"{QUEUES}/rest").json()["metadata"]["resourceVersion"]
        time.sleep(6.0)
        again = cluster.client.get(f"{QUEUES}/rest").json()["metadata"]["resourceVersion"]
        assert again == version, "nothing is written where nothing changed"
    cluster.client.delete(f"{QUEUES}/lost")


def test_a_planner_killed_while_it_evicts_evicts_nobody_twice(cluster: Cluster) -> None:
    first = cluster.start()
    with audited(cluster.plane, "killed") as auditor:
        for k in range(2):
            cluster.submit(auditor, gang(f"low-{k}", 8), "rest")
            auditor.wait_whole(f"low-{k}")
        cluster.submit(auditor, gang("high", 8), "sure")
        auditor.wait(
            lambda seen: sum(len(seen[f"low-{k}"].nodes) for k in range(2)) < 16, "it began"
        )
        first.kill()
        cluster.start()
        auditor.wait_whole("high")
        assert sorted(there(auditor, f"low-{k}") for k in range(2)) == [0, 8]
        pods = cluster.pods(auditor)
        low = [name for name in pods if name.startswith("low-")]
        assert len(low) == 16, "nobody is lost, and nobody is there twice"
