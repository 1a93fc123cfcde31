"""Gangs as users submit them, the second kube-scheduler's configuration, and a planner process."""

from __future__ import annotations

import sys
from typing import Any, Final

import httpx

from slacktide.contract import (
    ANNOTATION_GANG_MIN,
    ANNOTATION_GANG_NAME,
    ANNOTATION_GANG_TOTAL,
    GATE_GANG,
    IGNORED_BY_KUBE_SCHEDULER,
    RESOURCE_BATCH_CPU,
    RESOURCE_TASK,
    SCHEDULER_OFFLINE,
)
from slacktide.testing.cluster.control_plane import ControlPlane
from slacktide.testing.cluster.processes import Process

NATIVE_VERSION: Final = "v1alpha2"
PROGRAM: Final = "from scheduler.app.serve_command import scheduler; scheduler()"


def planner(
    plane: ControlPlane, *, port: int, name: str = "planner", mode: str = "gated", **flags: str
) -> Process:
    """`slacktide serve scheduler` with a short lease and window; it may be killed."""
    given = {"lease-s": "3", "window-s": "10", "round-ms": "20", "backoff-s": "1"} | flags
    command = [sys.executable, "-c", PROGRAM, "--kubeconfig", plane.kubeconfig()]
    command += ["--mode", mode, "--extender-port", str(port)]
    for flag, value in given.items():
        command += [f"--{flag}", value] if value else [f"--{flag}"]
    return Process(name, [str(part) for part in command], folder=plane.folder)


def extended(port: int) -> dict[str, Any]:
    """The second kube-scheduler's configuration, with the extender on that port."""
    return {
        "profiles": [{"schedulerName": SCHEDULER_OFFLINE}],
        "podInitialBackoffSeconds": 1,
        "podMaxBackoffSeconds": 2,
        "extenders": [
            {
                "urlPrefix": f"http://127.0.0.1:{port}",
                "filterVerb": "filter",
                "nodeCacheCapable": True,
                "managedResources": [
                    {"name": name, "ignoredByScheduler": True} for name in IGNORED_BY_KUBE_SCHEDULER
                ],
            }
        ],
    }


def task(
    name: str,
    gang: str = "",
    *,
    least: int = 1,
    milli: int = 1_000,
    gated: bool = True,
    scheduler: str = SCHEDULER_OFFLINE,
) -> dict[str, Any]:
    """A batch pod as the admission webhook leaves it."""
    wants = {RESOURCE_BATCH_CPU: str(milli), RESOURCE_TASK: "1"}
    notes = {ANNOTATION_GANG_NAME: gang, ANNOTATION_GANG_MIN: str(least)} if gang else {}
    if gang:
        notes[ANNOTATION_GANG_TOTAL] = str(least)
    spec: dict[str, Any] = {
        "schedulerName": scheduler,
        "terminationGracePeriodSeconds": 0,  # there is no kubelet to wait for
        "containers": [
            {
                "name": "task",
                "image": "none",
                "resources": {"requests": wants, "limits": wants},
            }
        ],
    }
    if gated:
        spec["schedulingGates"] = [{"name": GATE_GANG}]
    meta = {"name": name, "annotations": notes, "labels": {"gang": gang or name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def gang(name: str, size: int, *, milli: int = 1_000, gated: bool = True) -> list[dict[str, Any]]:
    """Its pods."""
    return [task(f"{name}-{k}", name, least=size, milli=milli, gated=gated) for k in range(size)]


def pod_group(name: str, size: int) -> dict[str, Any]:
    """Kubernetes' own PodGroup: as many pods of it start together."""
    policy = {"gang": {"minCount": size}}
    return {
        "apiVersion": f"scheduling.k8s.io/{NATIVE_VERSION}",
        "kind": "PodGroup",
        "metadata": {"name": name},
        "spec": {"schedulingPolicy": policy},
    }


def native_gang(name: str, size: int, *, milli: int = 1_000) -> list[dict[str, Any]]:
    """The same pods for kube-scheduler alone, as members of its PodGroup."""
    pods = gang(name, size, milli=milli, gated=False)
    for pod in pods:
        amounts = pod["spec"]["containers"][0]["resources"]
        for kind in ("requests", "limits"):
            amounts[kind] = {RESOURCE_BATCH_CPU: amounts[kind][RESOURCE_BATCH_CPU]}
        pod["spec"]["schedulingGroup"] = {"podGroupName": name}
    return pods


def answers(port: int, path: str = "/readyz") -> bool:
    """Whether the planner's door is open."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False
