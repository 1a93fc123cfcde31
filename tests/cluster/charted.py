"""The chart on a real API server, both of its programs running with its own account's rights."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from slacktide.contract import ANNOTATION_DECISION, RESOURCE_BATCH_CPU, RESOURCE_BATCH_MEMORY
from slacktide.testing.cluster.control_plane import control_plane
from slacktide.testing.cluster.fake_nodes import add, node
from slacktide.testing.cluster.installed import RELEASE, Installed, installed, kubectl
from tests.cluster.definitions import CHART, define, peers
from tests.scheduler.gang_pages import FOLDER, jobs_of, pods_of

NODES: Final = 12
HOLDS: Final = {
    "cpu": "8",
    "memory": "16Gi",
    "pods": "110",
    RESOURCE_BATCH_CPU: "16000",
    RESOURCE_BATCH_MEMORY: str(64 << 30),
}
QUEUES: Final = (FOLDER.parent / "gangs.md").read_text(encoding="utf-8")
QUICK: Final = {  # seconds, where the chart says 20, 10 and 30
    "planner__windowSeconds": 5,
    "planner__backoffSeconds": 1,
    "planner__evictions__afterSeconds": 0,
}


@contextmanager
def charted(folder: Path) -> Iterator[Installed]:
    """Installed in a namespace where pods may do nothing dangerous, and running."""
    with control_plane(folder, gangs=True, audited=True) as plane:
        plane.controllers()
        with plane.client() as client:
            for definition in peers():
                define(client, definition)
            labels = {"pod-security.kubernetes.io/enforce": "restricted"}
            space = {"metadata": {"name": RELEASE, "labels": labels}}
            client.post("/api/v1/namespaces", json=space).raise_for_status()
        add(plane, "/api/v1/nodes", [node(f"n{k}", holds=HOLDS) for k in range(NODES)])
        release = installed(plane, CHART, **QUICK)
        release.planner()
        release.kube_scheduler()
        kubectl(plane, "apply", "-f", "-", given=QUEUES.split("```yaml\n")[1].split("```")[0])
        yield release


def space_of(release: Installed, name: str) -> str:
    """A new namespace."""
    kubectl(release.plane, "create", "namespace", name)
    return name


def applied(release: Installed, space: str, manifest: str) -> None:
    """What a user would do."""
    kubectl(release.plane, "--namespace", space, "apply", "-f", "-", given=manifest)


def operate(release: Installed, space: str, one: Mapping[str, Any]) -> None:
    """What the operator of an object makes for it, where Kubernetes itself has none."""
    if one["kind"] == "JobSet":
        add(release.plane, f"/apis/batch/v1/namespaces/{space}/jobs", _jobs(one))
    elif one["kind"] not in ("Pod", "Job"):
        add(release.plane, f"/api/v1/namespaces/{space}/pods", pods_of(one))


def _jobs(one: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, spec, labels in jobs_of(one["metadata"]["name"], one["spec"]):
        template = dict(spec["template"])
        meta = template.get("metadata", {})
        template["metadata"] = meta | {"labels": meta.get("labels", {}) | labels}
        whole = {"metadata": {"name": name}, "spec": {**spec, "template": template}}
        yield {"apiVersion": "batch/v1", "kind": "Job", **whole}


def pods_there(release: Installed, space: str) -> list[dict[str, Any]]:
    """Of a namespace, as the API server has them."""
    with release.plane.client() as client:
        found = client.get(f"/api/v1/namespaces/{space}/pods").raise_for_status().json()
    items: list[dict[str, Any]] = found["items"]
    return items


def until_bound(release: Installed, space: str, count: int) -> list[dict[str, Any]]:
    """The pods of a namespace, once so many are there and every one is bound."""

    def all_bound() -> bool:
        found = pods_there(release, space)
        return len(found) == count and all(one["spec"].get("nodeName") for one in found)

    until(all_bound, lambda: f"{count} pods bound: {shown(release, space)}")
    return pods_there(release, space)


def shown(release: Installed, space: str) -> str:
    """What kubectl says of a namespace, for who has to find out why."""
    return kubectl(release.plane, "-n", space, "get", "pods,events", "-o", "wide")


def until(holds: Callable[[], bool], what: Callable[[], str], *, within_s: float = 60) -> None:
    """Returns when it holds; generous, since others use this machine too."""
    give_up = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > give_up:
            raise AssertionError(f"not seen in {within_s:g} s: {what()}")
        time.sleep(0.1)


def started_together(pods: Iterable[Mapping[str, Any]]) -> int:
    """The most pods that one plan let go."""
    notes = [one["metadata"]["annotations"][ANNOTATION_DECISION] for one in pods]
    return max(Counter(json.loads(note)["plan"] for note in notes).values())
