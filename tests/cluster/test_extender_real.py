"""kube-scheduler with our extender: planned pods land where planned, online pods never ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from scheduler.app.extender_server import Extender
from scheduler.core.extender import Binding, Places
from slacktide.contract import RESOURCE_BATCH_CPU, RESOURCE_TASK, SCHEDULER_OFFLINE
from slacktide.testing.cluster.control_plane import ControlPlane
from slacktide.testing.cluster.fake_nodes import add, node
from slacktide.testing.cluster.processes import free_ports

PODS = "/api/v1/namespaces/default/pods"
HOLDS = {"cpu": "8", "memory": "16Gi", "pods": "110", RESOURCE_BATCH_CPU: "6000"}
GATE = {"name": "slacktide.io/gang"}


class Counted:
    """The extender, and which calls it had."""

    def __init__(self, inside: Extender) -> None:
        self.inside, self.paths = inside, list[str]()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.paths.append(scope["path"])
        await self.inside(scope, receive, send)


async def nobody(_binding: Binding) -> str:
    return "not asked to"


@contextmanager
def serving(app: Counted) -> Iterator[str]:
    [port] = free_ports(1)
    config = uvicorn.Config(app, port=port, lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def batch_pod(name: str, milli: int) -> dict[str, Any]:
    wants = {RESOURCE_BATCH_CPU: str(milli), RESOURCE_TASK: "1"}
    sized = {"requests": wants, "limits": wants}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "schedulerName": SCHEDULER_OFFLINE,
            "schedulingGates": [GATE],
            "containers": [{"name": "task", "image": "none", "resources": sized}],
        },
    }


def online_pod(name: str) -> dict[str, Any]:
    container = {"name": "app", "image": "none", "resources": {"requests": {"cpu": "100m"}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"schedulerName": SCHEDULER_OFFLINE, "containers": [container]},
    }


def configured(url: str) -> Mapping[str, Any]:
    return {
        "profiles": [{"schedulerName": SCHEDULER_OFFLINE}],
        "extenders": [
            {
                "urlPrefix": url,
                "filterVerb": "filter",
                "prioritizeVerb": "prioritize",
                "weight": 1,
                "nodeCacheCapable": True,
                "managedResources": [{"name": RESOURCE_TASK, "ignoredByScheduler": True}],
            }
        ],
    }


def nodes_of(client: httpx.Client, names: list[str], *, within_s: float = 30) -> dict[str, str]:
    give_up = time.monotonic() + within_s
    while True:
        pods = {one["metadata"]["name"]: one for one in client.get(PODS).json()["items"]}
        found = {name: pods[name]["spec"].get("nodeName", "") for name in names}
        if all(found.values()):
            return found
        assert time.monotonic() < give_up, f"not bound: {found}"
        time.sleep(0.1)


def ungate(client: httpx.Client, name: str) -> None:
    patch = [{"op": "remove", "path": "/spec/schedulingGates"}]
    headers = {"Content-Type": "application/json-patch+json"}
    client.patch(f"{PODS}/{name}", json=patch, headers=headers).raise_for_status()


@pytest.fixture(scope="module")
def extended(plane: ControlPlane) -> Iterator[tuple[ControlPlane, Places, Counted]]:
    """A second kube-scheduler with the extender, over a few nodes that hold batch resources."""
    add(plane, "/api/v1/nodes", [node(f"batch-{k}", holds=HOLDS) for k in range(5)])
    places = Places()
    app = Counted(Extender(places, nobody))
    with serving(app) as url:
        plane.scheduler(configured(url), name="offline-scheduler")
        yield plane, places, app
        plane.stop("offline-scheduler")


def test_a_planned_gang_lands_where_it_was_planned(
    extended: tuple[ControlPlane, Places, Counted],
) -> None:
    plane, places, _ = extended
    planned = {"spread-0": "batch-3", "spread-1": "batch-1", "spread-2": "batch-3"}
    with plane.client() as client:
        for name, there in planned.items():
            made = client.post(PODS, json=batch_pod(name, 1_000)).raise_for_status().json()
            places.node_of[made["metadata"]["uid"]] = there
        for name in planned:
            ungate(client, name)
        assert nodes_of(client, list(planned)) == planned


def test_an_unplanned_pod_waits_until_it_is_planned(
    extended: tuple[ControlPlane, Places, Counted],
) -> None:
    plane, places, app = extended
    with plane.client() as client:
        uid = (
            client.post(PODS, json=batch_pod("early", 500))
            .raise_for_status()
            .json()["metadata"]["uid"]
        )
        places.waiting.add(uid)
        asked = len(app.paths)
        ungate(client, "early")
        give_up = time.monotonic() + 20
        while len(app.paths) == asked and time.monotonic() < give_up:
            time.sleep(0.05)
        assert not client.get(f"{PODS}/early").json()["spec"].get("nodeName")
        places.waiting.discard(uid)
        places.node_of[uid] = "batch-0"
        label = {"metadata": {"labels": {"planned": "yes"}}}  # any change of the pod wakes it up
        headers = {"Content-Type": "application/merge-patch+json"}
        client.patch(f"{PODS}/early", json=label, headers=headers).raise_for_status()
        assert nodes_of(client, ["early"]) == {"early": "batch-0"}


def test_an_online_pod_costs_no_call(extended: tuple[ControlPlane, Places, Counted]) -> None:
    plane, _, app = extended
    with plane.client() as client:
        before = len(app.paths)
        client.post(PODS, json=online_pod("online")).raise_for_status()
        nodes_of(client, ["online"])
    assert len(app.paths) == before
