"""One real node that joins a control plane, and what a test does with it.

    with control_plane(folder / "plane") as plane, real_node(plane, folder / "node") as node:
        pod = node.run(a_pod("app", ["/bin/busybox", "sleep", "60"]))

Only one exists on a machine at a time; a second one waits for its turn.
"""

from __future__ import annotations

import calendar
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from slacktide.contract import RESOURCE_BATCH_CPU, RESOURCE_BATCH_MEMORY
from slacktide.errors import BadInput
from slacktide.testing.cluster.control_plane import ControlPlane
from slacktide.testing.cluster.processes import Process
from slacktide.testing.node import groups
from slacktide.testing.node.containerd import containerd, missing_programs
from slacktide.testing.node.kubelet import kubelet
from slacktide.testing.node.leftovers import PODS_GROUP, SYSTEM, claimed

NAME: Final = "real"
READY_S: Final = 120.0
RUNNING_S: Final = 90.0
PODS: Final = "/api/v1/namespaces/default/pods"
_LOOK_S: Final = 0.05

Object = dict[str, Any]


@dataclass(slots=True)
class RealNode:
    """It is up; `running` are its programs, whose logs lie in `folder`."""

    plane: ControlPlane
    folder: Path
    name: str = NAME
    config: Mapping[str, Any] = field(default_factory=dict)
    running: dict[str, Process] = field(default_factory=dict)

    def restart_kubelet(self) -> None:
        """As an upgrade does; pods run on."""
        self.running["kubelet"].stop()
        self.start_kubelet()

    def start_kubelet(self) -> None:
        """Returns when the API server takes the node to be ready."""
        process = kubelet(self.plane, self.name, self.folder, self.config)
        groups.join(SYSTEM, process.pid)
        self.running["kubelet"] = process
        began_s = int(time.time())  # the API tells whole seconds
        process.wait_until(lambda: _is_ready(self.status(), since_s=began_s), within_s=READY_S)

    def status(self) -> Object:
        """The Node object; empty before it has registered."""
        return self._get(f"/api/v1/nodes/{self.name}")

    def pod(self, name: str) -> Object:
        """A pod of the namespace `default`; empty when there is none."""
        return self._get(f"{PODS}/{name}")

    def post(self, pod: Mapping[str, Any]) -> Object:
        """Binds the pod to this node as it is created; it as the API server has it."""
        bound = {**pod, "spec": {**pod["spec"], "nodeName": self.name}}
        with self.plane.client() as client:
            answer: Object = client.post(PODS, json=bound).raise_for_status().json()
        return answer

    def run(self, pod: Mapping[str, Any]) -> Object:
        """Posts the pod and returns it once it is ready.

        Raises:
            BadInput: when it fails, or is not ready in time.
        """
        name = self.post(pod)["metadata"]["name"]
        self.wait(lambda: _pod_is_ready(self.pod(name)), f"{name} to run", within_s=RUNNING_S)
        return self.pod(name)

    def delete(self, name: str, *, grace_s: int = 0) -> None:
        """Returns when the pod's object and its groups are gone."""
        uid = self.pod(name)["metadata"]["uid"]
        with self.plane.client() as client:
            how = {"gracePeriodSeconds": str(grace_s)}
            client.delete(f"{PODS}/{name}", params=how).raise_for_status()
        self.wait(lambda: not self.pod(name) and not groups.where(uid), f"{name} to go")

    def forget(self) -> None:
        """Removes the Node object of a former run, with what was sold and noted on it."""
        with self.plane.client() as client:
            client.delete(f"/api/v1/nodes/{self.name}")

    def forget_pods(self) -> None:
        """Removes all pods' objects and returns when their groups have gone too."""
        with self.plane.client() as client:
            client.delete(PODS, params={"gracePeriodSeconds": "0"}).raise_for_status()
        self.wait(lambda: not groups.of_pods(), "the pods to go")

    def sell(self, *, milli: int, memory_bytes: int) -> None:
        """Publishes batch resources on the node, as the predictor does."""
        sold = {RESOURCE_BATCH_CPU: str(milli), RESOURCE_BATCH_MEMORY: str(memory_bytes)}
        self.patch_node({"status": {"capacity": sold, "allocatable": sold}}, "/status")

    def annotate(self, **notes: str | None) -> None:
        """Annotations of the node; None removes one. `slacktide.io/agent` is `agent`."""
        named = {f"slacktide.io/{name.replace('_', '-')}": note for name, note in notes.items()}
        self.patch_node({"metadata": {"annotations": named}})

    def patch_node(self, patch: Mapping[str, Any], subresource: str = "") -> None:
        """Merges into the Node object."""
        self._patch(f"/api/v1/nodes/{self.name}{subresource}", patch)

    def patch_pod(self, name: str, patch: Mapping[str, Any]) -> None:
        """Merges into a pod."""
        self._patch(f"{PODS}/{quote(name)}", patch)

    def wait(self, holds: Callable[[], bool], what: str, *, within_s: float = RUNNING_S) -> None:
        """Returns when it holds.

        Raises:
            BadInput: when it does not in time; with the end of kubelet's log.
        """
        give_up = time.monotonic() + within_s
        while not holds():
            if time.monotonic() > give_up:
                said = self.running["kubelet"].log.read_text(errors="replace")[-2_000:]
                raise BadInput(f"waited {within_s:g} s for {what}; kubelet says: {said}")
            time.sleep(_LOOK_S)

    def _get(self, path: str) -> Object:
        with self.plane.client() as client:
            answer = client.get(path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return {}
        found: Object = answer.raise_for_status().json()
        return found

    def _patch(self, path: str, patch: Mapping[str, Any]) -> None:
        kind = {"Content-Type": "application/merge-patch+json"}
        with self.plane.client() as client:
            client.patch(path, json=patch, headers=kind).raise_for_status()


@contextmanager
def real_node(
    plane: ControlPlane, folder: Path, *, config: Mapping[str, Any] | None = None
) -> Iterator[RealNode]:
    """A node with its files under `folder`; all that it started or changed is gone at the end.

    Args:
        plane: what it joins; its controllers should run.
        folder: made where it is missing; a short path, since sockets lie in it.
        config: overrides of its KubeletConfiguration, `cpuManagerPolicy` say.

    Raises:
        BadInput: when a program is missing or does not come up.
    """
    if missing := missing_programs():
        raise BadInput(f"a node needs {missing}: sh scripts/install_test_packages.sh")
    folder.mkdir(parents=True, exist_ok=True)
    node = RealNode(plane, folder, config=config or {})
    with claimed(folder):
        try:
            node.forget()
            node.running["containerd"] = containerd(folder)
            groups.join(SYSTEM, node.running["containerd"].pid)
            node.start_kubelet()
            yield node
        finally:
            # Kubelet first, or it starts again what is being ended; then pods; then containerd.
            if process := node.running.get("kubelet"):
                process.stop()
            groups.empty(PODS_GROUP)
            if process := node.running.get("containerd"):
                process.stop()


def _is_ready(node: Object, *, since_s: float) -> bool:
    for one in node.get("status", {}).get("conditions", ()):
        if one["type"] == "Ready":
            return bool(one["status"] == "True" and _unix_s(one["lastHeartbeatTime"]) >= since_s)
    return False


def _unix_s(stamp: str) -> float:
    return calendar.timegm(time.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ"))


def _pod_is_ready(pod: Object) -> bool:
    """Raises BadInput when it never will be."""
    status = pod.get("status", {})
    if status.get("phase") == "Failed":
        raise BadInput(f"{pod['metadata']['name']} failed: {status}")
    conditions = status.get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
