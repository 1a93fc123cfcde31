"""The test cluster is a real one, and nothing of it outlives its test."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from slacktide.errors import BadInput
from slacktide.testing.cluster.control_plane import ControlPlane, control_plane
from slacktide.testing.cluster.fake_nodes import add, node
from slacktide.testing.cluster.processes import Process

HOLDS = {"cpu": "8", "memory": "16Gi", "pods": "110"}


def pod(name: str, *, cpu: str = "1") -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "containers": [
                {"name": "app", "image": "none", "resources": {"requests": {"cpu": cpu}}}
            ]
        },
    }


def bound_node(client: httpx.Client, name: str, *, within_s: float = 20) -> str:
    give_up = time.monotonic() + within_s
    while time.monotonic() < give_up:
        found = client.get(f"/api/v1/namespaces/default/pods/{name}").json()
        if "nodeName" in found.get("spec", {}):
            return str(found["spec"]["nodeName"])
        time.sleep(0.1)
    raise AssertionError(f"{name} was not bound in {within_s} s: {found.get('status')}")


def test_a_pod_is_bound_to_a_fake_node_by_the_real_scheduler(plane: ControlPlane) -> None:
    add(
        plane,
        "/api/v1/nodes",
        [node("small", holds=HOLDS | {"cpu": "1"}), node("big", holds=HOLDS)],
    )
    plane.scheduler({})
    with plane.client() as client:
        client.post("/api/v1/namespaces/default/pods", json=pod("wide", cpu="4")).raise_for_status()
        assert bound_node(client, "wide") == "big"


def test_an_api_server_that_was_killed_comes_back_with_its_objects(tmp_path: Path) -> None:
    with control_plane(tmp_path / "plane") as plane:
        add(plane, "/api/v1/nodes", [node("kept", holds=HOLDS)])
        plane.running["kube-apiserver"].kill()
        plane.api_server()
        with plane.client() as client:
            assert [
                one["metadata"]["name"] for one in client.get("/api/v1/nodes").json()["items"]
            ] == ["kept"]


def test_native_pod_groups_are_there_when_asked_for(tmp_path: Path) -> None:
    with control_plane(tmp_path / "plane", gangs=True) as plane, plane.client() as client:
        kinds = client.get("/apis/scheduling.k8s.io/v1alpha2").json()["resources"]
        assert "podgroups" in {kind["name"] for kind in kinds}


def test_a_killed_test_leaves_no_process_behind(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\n"
        "from slacktide.testing.cluster.processes import Process\n"
        f"child = Process('sleep', ['sleep', '600'], folder=pathlib.Path({str(tmp_path)!r}))\n"
        "print(child.pid, flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        _wait_for_program(child, "sleep")  # until then nobody told the kernel to kill it
        parent.send_signal(signal.SIGKILL)
    assert _gone(child)


def _wait_for_program(pid: int, name: str) -> None:
    for _ in range(400):
        if Path(f"/proc/{pid}/comm").read_text().strip() == name:
            return
        time.sleep(0.05)
    raise AssertionError(f"{pid} never became {name}")


def _gone(pid: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":  # dead, and only unread by whoever adopted it
            return True
        time.sleep(0.05)
    return False


def test_a_program_that_does_not_come_up_says_why(tmp_path: Path) -> None:
    failing = Process("failing", ["sh", "-c", "echo no such flag >&2; exit 3"], folder=tmp_path)
    with pytest.raises(BadInput, match="ended with 3: no such flag"):
        failing.wait_until(lambda: False, within_s=5)
