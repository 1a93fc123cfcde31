"""Gangs on a real control plane: ours gated and direct beside Kubernetes' own, and killed planners.

The same pods are posted by the same client for each; time runs from the first post to the last
bind, spans from a gang's first bind to its last, both as an outside watch sees them. All arms have
a control plane of their own with the same nodes and the same feature gates.

`--faults` kills the planner with SIGKILL at random moments while gangs bind, and watches from
outside: no gang is bound in part for longer than its window, no task is lost or counted twice.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from slacktide.contract import RESOURCE_BATCH_CPU, SCHEDULER_OFFLINE
from slacktide.testing.cluster.auditor import Auditor, audited
from slacktide.testing.cluster.batch_pods import (
    NATIVE_VERSION,
    answers,
    extended,
    gang,
    native_gang,
    planner,
    pod_group,
)
from slacktide.testing.cluster.control_plane import ControlPlane, control_plane
from slacktide.testing.cluster.fake_nodes import add, node
from slacktide.testing.cluster.processes import free_ports

HOLDS = {"cpu": "32", "memory": "64Gi", "pods": "110", RESOURCE_BATCH_CPU: "16000"}
NODES = 500
KILLS = 50
WITHIN_S = 600.0
NATIVE = f"kube-scheduler's own gangs (PodGroup {NATIVE_VERSION}), client limits raised"
OURS = ("gated", "direct")
ARMS = ("native", *OURS)


@dataclass(frozen=True, slots=True)
class Load:
    """What is submitted at one go."""

    gangs: int
    size: int

    @property
    def name(self) -> str:
        return f"{self.gangs}x{self.size}"

    @property
    def groups(self) -> list[str]:
        return [f"g{k}" for k in range(self.gangs)]


@dataclass(frozen=True, slots=True)
class Run:
    """What came of it."""

    total_s: float  # first post to last bind
    spans_s: tuple[float, ...]  # of each gang, sorted
    partial: int  # gangs that are not whole

    @property
    def p99_s(self) -> float:
        """The nearest rank, so of few gangs the longest."""
        return self.spans_s[math.ceil(0.99 * len(self.spans_s)) - 1]


@contextmanager
def cluster(nodes: int, *, gangs: bool = False) -> Iterator[ControlPlane]:
    """A control plane with fake nodes."""
    with tempfile.TemporaryDirectory() as folder, control_plane(Path(folder), gangs=gangs) as plane:
        add(plane, "/api/v1/nodes", (node(f"n{k}", holds=HOLDS) for k in range(nodes)))
        yield plane


def measured(arm: str, load: Load) -> Run:
    """Submits the load to one arm on a control plane of its own."""
    with cluster(NODES, gangs=True) as plane, audited(plane, "gangs") as auditor:
        if arm == "native":
            plane.scheduler({"profiles": [{"schedulerName": SCHEDULER_OFFLINE}]})
            groups = f"/apis/scheduling.k8s.io/{NATIVE_VERSION}/namespaces/gangs/podgroups"
            add(plane, groups, [pod_group(name, load.size) for name in load.groups])
            made = native_gang
        else:
            [port] = free_ports(1)
            process = planner(plane, port=port, mode=arm, **{"lease-s": "15", "window-s": "60"})
            process.wait_until(lambda: answers(port), within_s=60)
            plane.running["planner"] = process
            if arm == "gated":
                plane.scheduler(extended(port), name="offline-scheduler")
            made = partial(gang, gated=arm == "gated")
        pods = [pod for name in load.groups for pod in made(name, load.size)]
        return _submitted(plane, auditor, load, pods)


def _submitted(
    plane: ControlPlane, auditor: Auditor, load: Load, pods: list[dict[str, Any]]
) -> Run:
    add(plane, auditor.path, pods)
    auditor.wait_whole(*load.groups, within_s=WITHIN_S)
    seen = auditor.gangs.values()
    begun_s = min(one.seen_s for one in seen)
    return Run(
        total_s=max(one.first_s + one.span_s for one in seen) - begun_s,
        spans_s=tuple(sorted(one.span_s for one in seen)),
        partial=sum(not one.whole for one in seen),
    )


def compare(load: Load, runs: int) -> dict[str, list[Run]]:
    """The arms in turn, as often as asked."""
    found: dict[str, list[Run]] = {arm: [] for arm in ARMS}
    for _ in range(runs):
        for arm in ARMS:
            found[arm].append(measured(arm, load))
    return found
