"""Whole gangs on a real control plane: planner, second kube-scheduler and extender together."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from slacktide.contract import (
    ANNOTATION_GANG_MIN,
    ANNOTATION_REASON,
    RESOURCE_BATCH_CPU,
    SCHEDULER_OFFLINE,
)
from slacktide.testing.cluster.auditor import Auditor, audited, held_milli
from slacktide.testing.cluster.batch_pods import answers, extended, gang, planner, task
from slacktide.testing.cluster.control_plane import ControlPlane, control_plane
from slacktide.testing.cluster.fake_nodes import add, node
from slacktide.testing.cluster.faults import remove, survive_kills
from slacktide.testing.cluster.processes import Process, free_ports
from slacktide.testing.cluster.supervised import Supervised

NODES = 10
CORES = 4
HOLDS = {"cpu": "8", "memory": "16Gi", "pods": "110", RESOURCE_BATCH_CPU: f"{CORES}000"}
WINDOW_S = 30.0


@dataclass
class Running:
    """A control plane with the extended kube-scheduler, and planners that come and go."""

    plane: ControlPlane
    port: int
    planners: list[Process | Supervised] = field(default_factory=list)
    _names: Iterator[int] = field(default_factory=itertools.count)

    def keep(self, *, mode: str = "gated", **flags: str) -> Supervised:
        """A planner that is started again when it ends: on a busy machine it may lose its lease."""
        kept = Supervised(lambda: self._start(self.port, mode, **flags))
        self.planners.append(kept)
        return kept

    def started(self, port: int) -> Process:
        """A planner that answers, and stays ended when it ends."""
        process = self._start(port, "gated", **{"lease-s": "5"})
        self.planners.append(process)
        process.wait_until(lambda: answers(port), within_s=60)
        return process

    def _start(self, port: int, mode: str, **flags: str) -> Process:
        name = f"planner-{next(self._names)}"
        return planner(self.plane, port=port, name=name, mode=mode, **flags)

    def submit(self, auditor: Auditor, *gangs: list[dict[str, Any]]) -> None:
        add(self.plane, auditor.path, [pod for pods in gangs for pod in pods])

    def stop_planners(self) -> None:
        for one in self.planners:
            one.stop()
        self.planners.clear()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A control plane of its own, since the planner counts every pod of a cluster."""
    with control_plane(tmp_path_factory.mktemp("planned")) as plane:
        plane.controllers()
        [port] = free_ports(1)
        add(plane, "/api/v1/nodes", [node(f"batch-{k}", holds=HOLDS) for k in range(NODES)])
        plane.scheduler(extended(port), name="offline-scheduler")
        yield Running(plane, port)


@pytest.fixture
def running(cluster: Running) -> Iterator[Running]:
    """Whatever planners a test starts end with it."""
    yield cluster
    cluster.stop_planners()


def online(name: str) -> dict[str, Any]:
    container = {"name": "app", "image": "none", "resources": {"requests": {"cpu": "100m"}}}
    spec = {"schedulerName": SCHEDULER_OFFLINE, "containers": [container]}
    meta = {"name": name, "labels": {"gang": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def test_a_gang_is_bound_whole(running: Running) -> None:
    running.keep()
    with audited(running.plane, "whole") as auditor:
        running.submit(auditor, gang("ten", 10))
        auditor.wait_whole("ten")
        assert auditor.gangs["ten"].moved == []
        assert max(held_milli(auditor, {"ten": 1_000}).values()) <= CORES * 1_000


def test_what_does_not_fit_waits_whole_while_small_ones_run(running: Running) -> None:
    running.keep()
    with audited(running.plane, "waits") as auditor:
        running.submit(auditor, gang("first", 35))
        auditor.wait_whole("first")
        running.submit(auditor, gang("second", 10), [task(f"small-{k}") for k in range(3)])
        auditor.wait_whole("small-0", "small-1", "small-2")
        assert not auditor.gangs["second"].released
        with running.plane.client() as client:
            told(client, auditor.path, "second-0")
        remove(running.plane, auditor, ["first"])
        auditor.wait_whole("second")
        assert auditor.longest_partly_s() < WINDOW_S


def told(client: httpx.Client, path: str, name: str) -> None:
    """Returns when the pod says why its gang waits, and an Event says it too."""
    events, why = path.replace("/pods", "/events"), "other batch tasks hold the room"
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        notes = client.get(f"{path}/{name}").json()["metadata"].get("annotations", {})
        said = {(one["reason"], one["message"]) for one in client.get(events).json()["items"]}
        if why in notes.get(ANNOTATION_REASON, "") and ("GangWaits", why) in said:
            return
        time.sleep(0.1)
    raise AssertionError(f"nobody said why: {notes}, {said}")


def test_of_two_planners_one_writes_and_the_other_takes_over(running: Running) -> None:
    first = running.started(running.port)
    [other] = free_ports(1)
    second = running.started(other)
    with audited(running.plane, "two") as auditor:
        running.submit(auditor, gang("before", 10), gang("beside", 10))
        auditor.wait_whole("before", "beside")
        wait_written(running.port, 20)
        assert writes(other) == 0
        os.kill(first.pid, signal.SIGSTOP)  # it believes that it holds the lease when it wakes up
        running.submit(auditor, gang("after", 10))
        auditor.wait(lambda seen: len(seen["after"].released) == 10, "the second one took over")
        os.kill(first.pid, signal.SIGCONT)
        first.wait_ended(within_s=30)
        assert "decides no more" in first.log.read_text()
        second.stop()
        running.keep()
        auditor.wait_whole("after")


def wait_written(port: int, patches: int) -> None:
    """Returns when the planner's page, which is as new as its last round, tells of so many."""
    give_up = time.monotonic() + 20
    while writes(port) < patches:
        assert time.monotonic() < give_up, f"only {writes(port)} patches"
        time.sleep(0.05)


def writes(port: int) -> float:
    """How many patches a planner sent."""
    page = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    name = 'slacktide_scheduler_writes{kind="patch"}'
    return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(name))


def test_a_planner_killed_at_random_moments_leaves_no_gang_in_part(running: Running) -> None:
    with audited(running.plane, "killed") as auditor:
        found = survive_kills(running.plane, auditor, running.keep(), kills=10, seed=5)
        assert found.longest_partly_s < WINDOW_S
        assert found.in_the_middle >= 3, "the kills met gangs that were let go in part"
        assert not any(seen.moved for seen in auditor.gangs.values())


def test_an_api_server_that_was_away_changes_nothing(running: Running) -> None:
    running.keep()
    with audited(running.plane, "away") as auditor:
        running.submit(auditor, *(gang(f"g{k}", 10) for k in range(3)))
        auditor.wait(lambda seen: any(one.released for one in seen.values()), "it began")
        running.plane.running["kube-apiserver"].kill()
        running.plane.api_server()
        auditor.wait_whole("g0", "g1", "g2")
        assert auditor.longest_partly_s() < WINDOW_S


def test_a_node_that_goes_while_a_gang_binds_leaves_no_gang_in_part(running: Running) -> None:
    running.keep()
    with audited(running.plane, "node") as auditor, running.plane.client() as client:
        running.submit(auditor, *(gang(f"g{k}", 10) for k in range(3)))
        auditor.wait(lambda seen: any(one.released for one in seen.values()), "it began")
        client.delete("/api/v1/nodes/batch-3").raise_for_status()
        try:
            settled = ("g0", "g1", "g2")
            auditor.wait_whole(*settled)
            assert auditor.longest_partly_s() < WINDOW_S
        finally:
            add(running.plane, "/api/v1/nodes", [node("batch-3", holds=HOLDS)])


def test_a_gang_that_stays_in_part_is_taken_back_and_starts_whole(running: Running) -> None:
    running.plane.stop("offline-scheduler")
    try:
        running.keep(**{"window-s": "5"})
        with audited(running.plane, "part") as auditor:
            running.submit(auditor, gang("part", 10))
            auditor.wait(lambda seen: len(seen["part"].released) == 10, "all are let go")
            before = set(auditor.gangs["part"].there)
            with running.plane.client() as client:
                bind_by_hand(client, auditor.path, ["part-0", "part-1", "part-2"])
            auditor.wait(lambda seen: len(seen["part"].there - before) == 10, "all are copied")
            auditor.wait(lambda seen: not seen["part"].there & before, "the first are gone")
            assert auditor.longest_partly_s() < WINDOW_S
            running.plane.scheduler(extended(running.port), name="offline-scheduler")
            auditor.wait_whole("part")
    finally:
        if "offline-scheduler" not in running.plane.running:
            running.plane.scheduler(extended(running.port), name="offline-scheduler")


def bind_by_hand(client: httpx.Client, path: str, names: list[str]) -> None:
    """As a kube-scheduler that dies in the middle of a gang."""
    for name in names:
        found = client.get(f"{path}/{name}").raise_for_status().json()
        [term] = found["spec"]["affinity"]["nodeAffinity"][
            "requiredDuringSchedulingIgnoredDuringExecution"
        ]["nodeSelectorTerms"]
        target = {"apiVersion": "v1", "kind": "Node", "name": term["matchFields"][0]["values"][0]}
        body = {"metadata": {"name": name}, "target": target}
        client.post(f"{path}/{name}/binding", json=body).raise_for_status()


def test_the_pods_of_a_job_start_together(running: Running) -> None:
    running.keep()
    template = task("any")
    template["spec"]["restartPolicy"] = "Never"
    template["metadata"] = {
        "labels": {"gang": "job"},
        "annotations": {ANNOTATION_GANG_MIN: "5"},  # for the auditor: the Job itself says it to us
    }
    spec = {"completions": 5, "parallelism": 5, "completionMode": "Indexed", "template": template}
    body = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "indexed"},
        "spec": spec,
    }
    with audited(running.plane, "jobs") as auditor:
        add(running.plane, "/apis/batch/v1/namespaces/jobs/jobs", [body])
        auditor.wait_whole("job")
        with running.plane.client() as client:
            now = {"propagationPolicy": "Background"}
            where = "/apis/batch/v1/namespaces/jobs/jobs/indexed"
            client.delete(where, params=now).raise_for_status()
        auditor.wait(lambda seen: not seen["job"].there, "they are gone")


def test_without_the_extender_online_pods_run_and_offline_pods_wait(running: Running) -> None:
    with audited(running.plane, "down") as auditor:
        running.submit(auditor, [task("offline", gated=False)], [online("online")])
        auditor.wait_whole("online")
        assert not auditor.gangs["offline"].nodes
        running.keep()
        auditor.wait_whole("offline")


def test_pods_without_gates_wait_for_their_whole_gang(running: Running) -> None:
    running.keep(mode="extender")
    with audited(running.plane, "ungated") as auditor:
        pods = gang("late", 10, gated=False)
        running.submit(auditor, pods[:9], [online("meanwhile")])
        auditor.wait_whole("meanwhile")
        assert not auditor.gangs["late"].nodes
        running.submit(auditor, pods[9:])
        auditor.wait_whole("late")


def test_plain_batch_pods_are_bound_without_kube_scheduler(running: Running) -> None:
    running.keep(mode="direct")
    with audited(running.plane, "direct") as auditor:
        nobodys = [
            {**pod, "spec": {**pod["spec"], "schedulerName": "none"}}
            for pod in gang("bare", 10, gated=False) + gang("gated", 10)
        ]
        running.submit(auditor, nobodys)
        auditor.wait_whole("bare", "gated")
        assert max(held_milli(auditor, {"bare": 1_000, "gated": 1_000}).values()) <= CORES * 1_000
