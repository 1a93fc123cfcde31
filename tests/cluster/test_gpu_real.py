"""GPUs shared by gangs on a real API server, and by nobody twice when the planner is killed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from slacktide.contract import (
    ANNOTATION_GPU_DEVICES,
    ANNOTATION_GPUS,
    GATE_GANG,
    RESOURCE_BATCH_CPU,
    RESOURCE_GPU_MILLI,
    RESOURCE_TASK,
    SCHEDULER_OFFLINE,
)
from slacktide.testing.cluster.auditor import Auditor, audited
from slacktide.testing.cluster.batch_pods import answers, extended, gang, planner
from slacktide.testing.cluster.control_plane import ControlPlane, control_plane
from slacktide.testing.cluster.fake_nodes import add, node
from slacktide.testing.cluster.processes import Process, free_ports

PAGE = (Path(__file__).parents[2] / "docs/gpus.md").read_text(encoding="utf-8")
[SAID] = re.findall(r"kubectl annotate node gpu-1 slacktide.io/gpus='(.*)'", PAGE)
[MANIFEST] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
HOLDS = {"cpu": "8", "memory": "16Gi", "pods": "110", RESOURCE_BATCH_CPU: "64000"}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One node that sells GPUs as the page says, and one that sells none."""
    with control_plane(tmp_path_factory.mktemp("gpus")) as started:
        started.controllers()
        sells, plain = node("gpu-1", holds=HOLDS), node("plain", holds=HOLDS)
        sells["metadata"]["annotations"] = {ANNOTATION_GPUS: SAID}
        add(started, "/api/v1/nodes", [sells, plain])
        yield started


def begun(plane: ControlPlane, port: int, name: str) -> Process:
    process = planner(plane, port=port, name=name)
    process.wait_until(lambda: answers(port), within_s=60)
    return process


def sharing(name: str, size: int, milli: int) -> list[dict[str, Any]]:
    """A gang whose tasks ask for so much of GPUs."""
    pods = gang(name, size)
    for pod in pods:
        resources = pod["spec"]["containers"][0]["resources"]
        resources["requests"] = resources["limits"] = resources["requests"] | {
            RESOURCE_GPU_MILLI: str(milli)
        }
    return pods


def admitted(pod: dict[str, Any]) -> dict[str, Any]:
    """A user's pod as the webhook leaves it, as far as it matters here."""
    spec = pod["spec"] | {
        "schedulerName": SCHEDULER_OFFLINE,
        "schedulingGates": [{"name": GATE_GANG}],
        "terminationGracePeriodSeconds": 0,
    }
    for container in spec["containers"]:
        for amounts in (container["resources"]["requests"], container["resources"]["limits"]):
            amounts.pop("cpu", None)
            amounts.pop("memory", None)
            amounts |= {RESOURCE_BATCH_CPU: "2000", RESOURCE_TASK: "1"}
    return pod | {"metadata": pod["metadata"] | {"labels": {"gang": "infer"}}, "spec": spec}


def devices_of(plane: ControlPlane, path: str) -> dict[str, str]:
    """What stands on each pod that is bound."""
    with plane.client() as client:
        pods = client.get(path).raise_for_status().json()["items"]
    return {
        pod["metadata"]["name"]: pod["metadata"]["annotations"].get(ANNOTATION_GPU_DEVICES, "")
        for pod in pods
        if pod["spec"].get("nodeName") == "gpu-1"
    }


def submit(plane: ControlPlane, auditor: Auditor, pods: list[dict[str, Any]]) -> None:
    add(plane, auditor.path, pods)


def test_gangs_share_devices_and_a_killed_planner_gives_none_twice(plane: ControlPlane) -> None:
    [port] = free_ports(1)
    plane.scheduler(extended(port), name="offline-scheduler")
    first = begun(plane, port, "planner-1")
    with audited(plane, "shared") as auditor:
        submit(plane, auditor, [admitted(pod) for pod in yaml.safe_load_all(MANIFEST)])
        auditor.wait_whole("infer")
        told = devices_of(plane, auditor.path)
        assert sorted(map(len, told.values())) == [1, 3]  # a share of one, and two whole
        first.kill()
        again = begun(plane, port, "planner-2")
        submit(plane, auditor, sharing("late", 3, 500) + sharing("large", 2, 1_000))
        auditor.wait_whole("late")
        told = devices_of(plane, auditor.path)
        again.stop()
    milli = {"infer-0": 500, "infer-1": 1_000} | {f"late-{k}": 500 for k in range(3)}
    assert set(told) == set(milli)  # two whole ones are not left for the large gang
    given: Counter[str] = Counter()
    for name, devices in told.items():
        given.update(dict.fromkeys(devices.split(","), milli[name]))
    assert dict(given) == dict.fromkeys("0123", 1_000)
