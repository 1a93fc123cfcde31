"""Pods that wait are bound: by kube-scheduler alone, by it with the extender, by us directly.

Always the same nodes and the same pods, which were created before anybody looks at them. A watch
that is shown bound pods alone says when each was bound, so it costs the server as much in every
way; the clock runs from the first binding to the last.

Always holds: all pods of a run are gone before the next begins.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from slacktide.clock import SteadyClock
from slacktide.contract import (
    RESOURCE_BATCH_CPU,
    RESOURCE_TASK,
    SCHEDULER_OFFLINE,
)
from slacktide.kube.cache import Cache, Change
from slacktide.kube.connection import connection
from slacktide.kube.objects import Pod
from slacktide.kube.reading import Resource
from slacktide.kube.reflector import Reflector
from slacktide.testing.cluster.batch_pods import answers, extended, gang, planner
from slacktide.testing.cluster.control_plane import ControlPlane, control_plane
from slacktide.testing.cluster.fake_nodes import add, node
from slacktide.testing.cluster.loading import load
from slacktide.testing.cluster.processes import Process, free_ports

HOLDS: Final = {"cpu": "32", "memory": "64Gi", "pods": "110", RESOURCE_BATCH_CPU: "16000"}
PODS: Final = "/api/v1/namespaces/{}/pods"
WITHIN_S: Final = 300.0
GANG: Final = 10
PROBE: Final = "probe"  # its binding tells that kube-scheduler is there
PLAIN: Final = "alone"  # the modes
WITH: Final = "extender"
DIRECT: Final = "direct"


@dataclass(slots=True)
class Seen:
    """What a watch says of a run's pods, and when it did."""

    bound: set[str] = field(default_factory=set)  # UIDs
    first_s: float | None = None  # binding
    last_s: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict)  # program -> what it took meanwhile

    def take(self, pods: Iterable[Pod], now_s: float) -> None:
        """Bound pods, some of them new."""
        uids = {pod.metadata.uid for pod in pods} - self.bound
        if uids:
            self.bound |= uids
            self.first_s, self.last_s = self.first_s or now_s, now_s

    def pods_per_s(self) -> float:
        """From the first binding to the last."""
        return len(self.bound) / (self.last_s - self.first_s) if self.first_s else 0.0


@contextlib.contextmanager
def cluster(nodes: int, folder: Path) -> Iterator[ControlPlane]:
    """A control plane with that many fake nodes and no scheduler."""
    with control_plane(folder) as plane:
        load(plane, "minions", (node(f"n{k}", holds=HOLDS) for k in range(nodes)))
        yield plane


def one_run(plane: ControlPlane, mode: str, *, pods: int, namespace: str) -> Seen:
    """Creates the pods, lets those who bind them loose, and returns when all are bound."""
    path = PODS.format(namespace)
    with plane.client() as client:
        client.post("/api/v1/namespaces", json={"metadata": {"name": namespace}}).raise_for_status()
        made = [pod for k in range(pods // GANG) for pod in gang(f"g{k}", GANG, gated=mode == WITH)]
        add(plane, path, made)
        seen = asyncio.run(_raced(plane, mode, path, len(made)))
        client.delete(path, params={"gracePeriodSeconds": "0"}, timeout=WITHIN_S).raise_for_status()
    return seen


async def _raced(plane: ControlPlane, mode: str, path: str, pods: int) -> Seen:
    watching = asyncio.create_task(_watched(plane, path, pods))
    with contextlib.ExitStack() as running:
        await asyncio.to_thread(_let_loose, plane, mode, running)
        async with asyncio.timeout(WITHIN_S):
            return await watching


def _let_loose(plane: ControlPlane, mode: str, running: contextlib.ExitStack) -> None:
    [port] = free_ports(1)
    if mode != DIRECT:
        plane.scheduler(extended(port) if mode == WITH else alone())
        running.callback(plane.stop, "kube-scheduler")
    if mode == WITH:
        _wait_probe(plane)
    if mode != PLAIN:
        way = "gated" if mode == WITH else "direct"
        usual = {"lease-s": "15", "window-s": "60", "round-ms": "100"}
        process = planner(plane, port=port, mode=way, **usual)
        plane.running["slacktide"] = process
        running.callback(plane.stop, "slacktide")
        process.wait_until(lambda: answers(port), within_s=60)


def _cpu_s(running: Mapping[str, Process]) -> dict[str, float]:
    """What each took of a core since it began, from /proc (its pages count in ticks)."""
    found = {}
    for name, process in running.items():
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        found[name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def alone() -> dict[str, Any]:
    """The same kube-scheduler without the extender; it ignores the same resource."""
    fit = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "NodeResourcesFitArgs",
        "ignoredResources": [RESOURCE_TASK],
    }
    profile = {
        "schedulerName": SCHEDULER_OFFLINE,
        "pluginConfig": [{"name": "NodeResourcesFit", "args": fit}],
    }
    return {"profiles": [profile], "podInitialBackoffSeconds": 1, "podMaxBackoffSeconds": 2}


def _wait_probe(plane: ControlPlane) -> None:
    """A pod that wants nothing of ours, bound."""
    path = PODS.format("default")
    container = {"name": "main", "image": "none"}
    spec = {
        "schedulerName": SCHEDULER_OFFLINE,
        "containers": [container],
        "terminationGracePeriodSeconds": 0,
    }
    with plane.client() as client:
        pod = {"metadata": {"name": PROBE}, "spec": spec}
        client.post(path, json=pod).raise_for_status()
        give_up_s = time.monotonic() + 60
        while not client.get(f"{path}/{PROBE}").json()["spec"].get("nodeName"):
            if time.monotonic() > give_up_s:
                raise TimeoutError("kube-scheduler binds nothing")
            time.sleep(0.05)
        client.delete(f"{path}/{PROBE}").raise_for_status()


async def _watched(plane: ControlPlane, path: str, pods: int) -> Seen:
    seen, done, before = Seen(), asyncio.Event(), dict[str, float]()

    def take(changes: Sequence[Change[Pod]]) -> None:
        seen.take([one.after for one in changes if one.after], time.monotonic())
        if seen.first_s and not before:
            before.update(_cpu_s(plane.running))
        if len(seen.bound) >= pods and not done.is_set():
            now = _cpu_s(plane.running)
            seen.cpu_s = {name: now[name] - before.get(name, 0.0) for name in now}
            done.set()

    bound = Resource(path, Pod, {"fieldSelector": "spec.nodeName!="})
    async with connection(plane.kubeconfig()).client() as client:
        mirror = Reflector(client, bound, Cache[Pod](), clock=SteadyClock(), deliver=take)
        watching = asyncio.create_task(mirror.run())
        async with asyncio.timeout(WITHIN_S):
            await done.wait()
        watching.cancel()
    return seen
