"""The node agent's Kubernetes half as a process on a test cluster, and what tests ask of it."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec

from qos_controller.adapters.book_file import read_book
from qos_controller.core.pods import Book, Pod
from slacktide import contract
from slacktide.errors import BadInput
from slacktide.testing.cluster.batch_pods import answers
from slacktide.testing.cluster.control_plane import ControlPlane
from slacktide.testing.cluster.processes import Process, free_ports

PROGRAM = """
import asyncio, sys, msgspec
from qos_controller.app.neighbour.run import run
from qos_controller.app.neighbour.settings import NeighbourSettings
from slacktide.errors import BadInput
try:
    told = msgspec.json.decode(sys.argv[1])
    told = msgspec.convert(told, NeighbourSettings, dec_hook=lambda kind, text: kind(text))
    asyncio.run(run(told))
except BadInput as why:
    print(why, file=sys.stderr)
    sys.exit(2)
"""
PODS = "/api/v1/namespaces/default/pods"
PATIENCE_S = 60.0  # as long as a machine that others use may stand still
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"


@dataclass(slots=True)
class Agent:
    """The neighbour of one node, as a process."""

    plane: ControlPlane
    node: str
    run_dir: Path
    port: int
    client: httpx.Client
    process: Process

    def book(self) -> Book:
        return read_book(self.run_dir / "pods.json")

    def pod(self, name: str) -> Pod | None:
        try:
            return next((one for one in self.book().pods if one.name == name), None)
        except BadInput:
            return None

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=5, trust_env=False)

    def metric(self, name: str) -> float:
        lines = self.get("/metrics").text.splitlines()
        found = [
            one.rpartition(" ")[2] for one in lines if one.startswith(f"slacktide_agent_{name} ")
        ]
        return float(found[0]) if found else 0.0

    def wish(self, pod: str, **more: object) -> None:
        uid = self.client.get(f"{PODS}/{pod}").json()["metadata"]["uid"]
        wish = {"wish": "evict", "pod": uid, "cause": "cpu", "reason": "p99 is hurt", **more}
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(msgspec.json.encode(wish), str(self.run_dir / "wishes.sock"))

    def report(self) -> dict[str, Any]:
        notes = self.client.get(f"/api/v1/nodes/{self.node}").json()["metadata"]["annotations"]
        found: dict[str, Any] = json.loads(notes.get(contract.ANNOTATION_QOS_REPORT, "{}"))
        return found

    def events(self, reason: str) -> list[dict[str, Any]]:
        asked = {"fieldSelector": f"reason={reason}"}
        found: list[dict[str, Any]] = self.client.get("/api/v1/events", params=asked).json()[
            "items"
        ]
        return [one for one in found if one["source"].get("host") == self.node]


def until(what: Callable[[], object], *, within_s: float = PATIENCE_S) -> float:
    """Seconds until it is so; fails where it never is."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < within_s, "it never came"
        time.sleep(0.002)
    return time.monotonic() - began


def started(plane: ControlPlane, run_dir: Path, name: str, **more: object) -> tuple[Process, int]:
    [port] = free_ports(1)
    settings = {"node_name": name, "run_dir": str(run_dir), "port": port}
    settings |= {"kubeconfig": str(plane.kubeconfig()), **more}
    command = [sys.executable, "-c", PROGRAM, json.dumps(settings)]
    return Process(f"agent-{name}-{port}", command, folder=plane.folder), port


def ready(agent: Agent) -> bool:
    """It listed its pods, and listens."""
    return answers(agent.port, "/metrics") and agent.metric("books_total") >= 1


def make(agent: Agent, name: str, *, qos: str = "BE", cpu: str = "0", **notes: str) -> None:
    """A running pod on the agent's node."""
    meta = {"name": name, "labels": {contract.LABEL_QOS_CLASS: qos, "app": name}}
    meta |= {"annotations": notes}
    asked = {"requests": {"cpu": cpu}}
    container = {"name": "c", "image": "none", "resources": asked}
    spec = {"nodeName": agent.node, "containers": [container]}
    agent.client.post(PODS, json={"metadata": meta, "spec": spec}).raise_for_status()
    ready = {"type": "Ready", "status": "True"}
    status = {"phase": "Running", "conditions": [ready], "podIPs": [{"ip": "10.1.2.3"}]}
    patch = {"status": status | {"podIP": "10.1.2.3"}}
    headers = {"content-type": "application/merge-patch+json"}
    answer = agent.client.patch(f"{PODS}/{name}/status", json=patch, headers=headers)
    answer.raise_for_status()


def note(agent: Agent, path: str, **notes: str | None) -> None:
    body = {"metadata": {"annotations": notes}}
    headers = {"content-type": "application/merge-patch+json"}
    agent.client.patch(path, json=body, headers=headers).raise_for_status()
