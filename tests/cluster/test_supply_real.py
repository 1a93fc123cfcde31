"""Nominated nodes and forecasts on a real control plane: planner, kube-scheduler and extender."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from slacktide.contract import (
    ANNOTATION_DECISION,
    ANNOTATION_DURATION,
    ANNOTATION_REASON,
    RESOURCE_BATCH_CPU,
)
from slacktide.testing.cluster.auditor import audited
from slacktide.testing.cluster.batch_pods import extended, gang, planner, task
from slacktide.testing.cluster.binaries import binary
from slacktide.testing.cluster.control_plane import ControlPlane, control_plane
from slacktide.testing.cluster.fake_nodes import add, node
from slacktide.testing.cluster.processes import free_ports
from slacktide.testing.cluster.supervised import Supervised
from tests.cluster.definitions import define

NODES = 4
HOLDS = {"cpu": "8", "memory": "16Gi", "pods": "110", RESOURCE_BATCH_CPU: "4000"}
CHARTS = Path(__file__).parents[2] / "charts"
FORECASTS = "/apis/slacktide.io/v1alpha1/nodeforecasts"
MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ControlPlane, int]]:
    """A control plane of its own: forecasts concern all nodes, the planner counts all pods."""
    with control_plane(tmp_path_factory.mktemp("supply")) as plane:
        plane.controllers()
        [port] = free_ports(1)
        add(plane, "/api/v1/nodes", [node(f"batch-{k}", holds=HOLDS) for k in range(NODES)])
        plane.scheduler(extended(port), name="offline-scheduler")
        yield plane, port


@contextmanager
def planning(plane: ControlPlane, port: int, mode: str) -> Iterator[None]:
    """While a planner runs."""
    kept = Supervised(lambda: planner(plane, port=port, mode=mode))
    try:
        yield
    finally:
        kept.stop()


def pods_of(plane: ControlPlane, path: str) -> dict[str, Any]:
    with plane.client() as client:
        return {one["metadata"]["name"]: one for one in client.get(path).json()["items"]}


def cordon(plane: ControlPlane, name: str, *, closed: bool = True) -> None:
    with plane.client() as client:
        body = {"spec": {"unschedulable": closed or None}}
        client.patch(f"/api/v1/nodes/{name}", json=body, headers=MERGE).raise_for_status()


def decided(pod: dict[str, Any]) -> str:
    """The node in its decision."""
    text = pod["metadata"]["annotations"][ANNOTATION_DECISION]
    return str(yaml.safe_load(text)["node"])


def test_a_gang_is_bound_whole_where_it_was_nominated(cluster: tuple[ControlPlane, int]) -> None:
    plane, port = cluster
    with planning(plane, port, "nominated"), audited(plane, "nominated") as auditor:
        add(plane, auditor.path, gang("ten", 10))
        auditor.wait_whole("ten")
        assert auditor.gangs["ten"].moved == []
        for pod in pods_of(plane, auditor.path).values():
            assert pod["spec"]["nodeName"] == decided(pod)
            assert "affinity" not in pod["spec"]


def test_a_gang_whose_node_closed_meanwhile_is_planned_anew_with_the_same_pods(
    cluster: tuple[ControlPlane, int],
) -> None:
    plane, port = cluster
    with planning(plane, port, "nominated"), audited(plane, "closing") as auditor:
        plane.stop("offline-scheduler")
        try:
            add(plane, auditor.path, gang("six", 6))
            auditor.wait(lambda seen: len(seen["six"].released) == 6, "all are let go")
            before = set(auditor.gangs["six"].there)
            waiting = pods_of(plane, auditor.path)
            closing = decided(waiting["six-0"])
            assert waiting["six-0"]["status"]["nominatedNodeName"] == closing
            cordon(plane, closing)
            plane.scheduler(extended(port), name="offline-scheduler")
            auditor.wait_whole("six")
        finally:
            cordon(plane, closing, closed=False)
        assert auditor.gangs["six"].there == before
        assert closing not in auditor.gangs["six"].nodes.values()
        assert auditor.gangs["six"].moved == []


def stored_on(plane: ControlPlane, namespace: str, name: str) -> dict[str, Any]:
    """A task whose volume can be reached from one node alone; its claim is bound."""
    size = {"storage": "1Gi"}
    term = {"key": "kubernetes.io/hostname", "operator": "In", "values": [name]}
    chosen = {"nodeSelectorTerms": [{"matchExpressions": [term]}]}
    common = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    volume = {"capacity": size, "local": {"path": "/"}, "nodeAffinity": {"required": chosen}}
    wanted = {"resources": {"requests": size}, "volumeName": "here"}
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    with plane.client() as client:
        for path, called, spec in (
            ("/api/v1/persistentvolumes", "here", volume),
            (claims, "data", wanted),
        ):
            body = {"metadata": {"name": called}, "spec": common | spec}
            client.post(path, json=body).raise_for_status()
        give_up = time.monotonic() + 60
        while client.get(f"{claims}/data").json()["status"]["phase"] != "Bound":
            assert time.monotonic() < give_up
            time.sleep(0.1)
    pod = task("stored")
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    return pod | {"spec": pod["spec"] | {"volumes": [claim]}}


def test_a_task_goes_where_its_bound_volume_can_be_reached(
    cluster: tuple[ControlPlane, int],
) -> None:
    plane, port = cluster
    with audited(plane, "stored") as auditor:
        pod = stored_on(plane, "stored", "batch-2")
        with planning(plane, port, "gated"):
            add(plane, auditor.path, [pod])
            auditor.wait_whole("stored")
        assert list(auditor.gangs["stored"].nodes.values()) == ["batch-2"]


def definition() -> dict[str, Any]:
    """The one in the chart."""
    [file] = CHARTS.rglob("nodeforecasts.yaml")
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


def forecast(*cores: str, age_s: float = 0.0, **more: Any) -> dict[str, Any]:
    """A status, over 1, 4 and 24 hours."""
    made = datetime.fromtimestamp(time.time() - age_s, UTC).isoformat()
    hours = (1, 4, 24)[: len(cores)]
    horizons = [
        {"seconds": 3_600 * hour, "reclaimable": {"cpu": each, "memory": "8Gi"}}
        for hour, each in zip(hours, cores, strict=True)
    ]
    return {"madeAt": made, "horizons": horizons} | more


def publish(client: httpx.Client, name: str, status: dict[str, Any]) -> httpx.Response:
    """As the supply does: the object once, its status each minute."""
    body = {"apiVersion": "slacktide.io/v1alpha1", "kind": "NodeForecast"}
    client.post(FORECASTS, json=body | {"metadata": {"name": name}})
    return client.patch(f"{FORECASTS}/{name}/status", json={"status": status}, headers=MERGE)


def lasting(name: str, duration: str, *, milli: int) -> dict[str, Any]:
    pod = task(name, milli=milli)
    pod["metadata"]["annotations"][ANNOTATION_DURATION] = duration
    return pod


def says(plane: ControlPlane, path: str, name: str, *wanted: str) -> None:
    """Returns when the pod says why it waits."""
    give_up = time.monotonic() + 60
    while True:
        notes = pods_of(plane, path)[name]["metadata"].get("annotations", {})
        if all(part in notes.get(ANNOTATION_REASON, "") for part in wanted):
            return
        assert time.monotonic() < give_up, notes
        time.sleep(0.1)


def test_forecasts_that_appear_while_it_runs_bound_what_nodes_sell(
    cluster: tuple[ControlPlane, int],
) -> None:
    plane, port = cluster
    with (
        planning(plane, port, "gated"),
        audited(plane, "forecast") as auditor,
        plane.client() as client,
    ):
        add(plane, auditor.path, [task("before")])
        auditor.wait_whole("before")
        define(client, definition())
        for k in range(NODES):
            publish(client, f"batch-{k}", forecast("4", "1", "0", age_s=7_200)).raise_for_status()
        publish(client, "nobody", forecast("1", "1", "1")).raise_for_status()
        taken = list(refused_or_bound(plane, auditor.path))
        assert "decaying" not in taken[-1]
        assert "4 closed (older than 60 min, or missing: nothing new)" in taken[-1]
        add(plane, auditor.path, [lasting("long", "3h", milli=2_000)])
        says(plane, auditor.path, "long", "nodes that are closed")
        for k in range(NODES):
            publish(client, f"batch-{k}", forecast("4", "1", "0")).raise_for_status()
        add(plane, auditor.path, [lasting("short", "30m", milli=2_000)])
        auditor.wait_whole("short")
        assert not auditor.gangs["long"].nodes
        publish(client, "batch-2", forecast("4", "2", "0")).raise_for_status()
        auditor.wait_whole("long")
        assert list(auditor.gangs["long"].nodes.values()) == ["batch-2"]


def refused_or_bound(plane: ControlPlane, path: str) -> Iterator[str]:
    """Single tasks, until the planner knows the forecasts and one is told to wait."""
    for k in range(100):
        add(plane, path, [lasting(f"probe-{k}", "30m", milli=1)])
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up:
            pod = pods_of(plane, path)[f"probe-{k}"]
            reason = pod["metadata"].get("annotations", {}).get(ANNOTATION_REASON, "")
            if reason:
                yield reason
                return
            if pod["spec"].get("nodeName"):
                break
            time.sleep(0.1)
        time.sleep(0.5)


@pytest.fixture(scope="module")
def defined(cluster: tuple[ControlPlane, int]) -> ControlPlane:
    """A server that knows forecasts."""
    plane, _ = cluster
    with plane.client() as client:
        if client.get(FORECASTS).status_code != httpx.codes.OK:
            define(client, definition())
    return plane


def horizon(seconds: Any, **amounts: Any) -> dict[str, Any]:
    return {"seconds": seconds, "reclaimable": amounts}


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"horizons": []}, "should have at least 1 items"),
        ({"horizons": [horizon(60), horizon(30)]}, "horizons must ascend"),
        ({"horizons": [horizon(60), horizon(60)]}, "Duplicate value"),
        ({"horizons": [horizon(0)]}, "should be greater than or equal to 1"),
        ({"horizons": [horizon(k + 1) for k in range(17)]}, "must have at most 16 items"),
        ({"horizons": [horizon(60, cpu="NaN")]}, "must be a quantity of cores"),
        ({"horizons": [horizon(60, cpu="-1")]}, "must be a quantity of cores"),
        ({"horizons": [horizon(60, memory="much")]}, "must be a quantity of bytes"),
        ({"madeAt": "yesterday"}, "must be of type date-time"),
        ({"risk": {"cpu": 2}}, "should be less than or equal to 1"),
    ],
)
def test_forecasts_that_make_no_sense_are_refused_in_words(
    defined: ControlPlane, broken: dict[str, Any], said: str
) -> None:
    with defined.client() as client:
        answer = publish(client, "bad", forecast("4", "2") | broken)
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["message"]


def test_kubectl_lists_forecasts_by_their_short_name(defined: ControlPlane) -> None:
    with defined.client() as client:
        risk = {"cpu": 0.01, "memory": 0.001}
        publish(client, "listed", forecast("4", "2500m", risk=risk)).raise_for_status()
    listed = subprocess.run(
        [binary("kubectl"), "--kubeconfig", defined.kubeconfig(), "get", "stf", "listed"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    header, row = listed.splitlines()
    columns = ["NAME", "HORIZON", "CPU", "MEMORY", "LONGEST", "LONGEST-CPU", "MADE"]
    assert header.split() == columns
    assert row.split()[:-1] == ["listed", "3600", "4", "8Gi", "14400", "2500m"]
