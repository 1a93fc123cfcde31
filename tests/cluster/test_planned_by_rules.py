"""What the planner decides by labels, taints, neighbours and ports, a real kube-scheduler binds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from scheduler.core.compiling import compile_constraints
from scheduler.core.constraints import Rules, rules_of
from scheduler.core.node_table import NodeTable
from scheduler.core.plan import Plan, plan
from scheduler.core.queues import TOP, QueueTree, QueueUse
from scheduler.core.snapshot import GangColumns, NodeColumns, RunningColumns, Snapshot
from slacktide.kube.objects import Node, Pod
from slacktide.testing.cluster.control_plane import ControlPlane
from slacktide.testing.cluster.fake_nodes import add, node

SCHEDULER = "by-rules"
PODS = "/api/v1/namespaces/default/pods"
HOLDS = {"cpu": "8", "memory": "16Gi", "pods": "110"}
POOL = {"pool": "by-rules"}
GIB = 2.0**30


def own(name: str) -> dict[str, Any]:
    return {"labelSelector": {"matchLabels": {"gang": name}}}


def affinity(side: str, key: str, name: str) -> dict[str, Any]:
    term = {"topologyKey": key, **own(name)}
    return {"affinity": {side: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def spread(name: str, key: str) -> dict[str, Any]:
    constraint = {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "DoNotSchedule",
        **own(name),
    }
    return {"topologySpreadConstraints": [constraint]}


GANGS: dict[str, tuple[int, dict[str, Any]]] = {
    "plain": (5, {}),
    "special": (3, {"tolerations": [{"key": "special", "operator": "Exists"}]}),
    "apart": (6, affinity("podAntiAffinity", "kubernetes.io/hostname", "apart")),
    "one-a-zone": (3, affinity("podAntiAffinity", "zone", "one-a-zone")),
    "together": (4, affinity("podAffinity", "zone", "together")),
    "near-together": (2, affinity("podAffinity", "zone", "together")),
    "away-from-plain": (2, affinity("podAntiAffinity", "kubernetes.io/hostname", "plain")),
    "even": (7, spread("even", "zone")),
    "even-hosts": (5, spread("even-hosts", "kubernetes.io/hostname")),
    "even-apart": (
        4,
        spread("even-apart", "zone")
        | affinity("podAntiAffinity", "kubernetes.io/hostname", "even-apart"),
    ),
    "port": (2, {}),
    "same-port": (2, {}),
}


def pod(gang: str, index: int) -> dict[str, Any]:
    asked: dict[str, Any] = {"name": "task", "image": "none"}
    asked["resources"] = {"requests": {"cpu": "1", "memory": "1Gi"}}
    if "port" in gang:
        asked["ports"] = [{"containerPort": 8080, "hostPort": 8080}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{gang}-{index}", "labels": {"gang": gang}},
        "spec": {
            "schedulerName": SCHEDULER,
            "schedulingGates": [{"name": "slacktide.io/gang"}],
            "nodeSelector": POOL,
            "containers": [asked],
            **GANGS[gang][1],
        },
    }


@pytest.fixture(scope="module")
def cluster(plane: ControlPlane) -> Iterator[httpx.Client]:
    """Nine nodes in three zones, one of them tainted, and a kube-scheduler of their own."""
    nodes = [
        node(f"rules-{k}", holds=HOLDS, labels={"zone": "abc"[k % 3], **POOL}) for k in range(9)
    ]
    nodes[0]["spec"] = {"taints": [{"key": "special", "value": "yes", "effect": "NoSchedule"}]}
    add(plane, "/api/v1/nodes", nodes)
    plane.scheduler({"profiles": [{"schedulerName": SCHEDULER}]}, name=SCHEDULER)
    with plane.client() as client:
        yield client
    plane.stop(SCHEDULER)


def seen(client: httpx.Client, path: str, kind: type[Any]) -> list[Any]:
    items = client.get(path).raise_for_status().json()["items"]
    return [msgspec.json.decode(msgspec.json.encode(item), type=kind) for item in items]


def planned(client: httpx.Client) -> Plan:
    """A plan of all gangs, from what the API server says about nodes and pods."""
    nodes: list[Node] = seen(client, "/api/v1/nodes?labelSelector=pool=by-rules", Node)
    pods: list[Pod] = seen(client, f"{PODS}?labelSelector=gang", Pod)
    first = {pod.metadata.labels["gang"]: pod for pod in pods if pod.metadata.labels}
    rules: list[Rules] = [rules_of(first[gang]) for gang in GANGS]
    table = NodeTable(
        tuple(one.metadata.name for one in nodes),
        tuple(one.metadata.labels or {} for one in nodes),
        tuple(one.spec.taints for one in nodes),
    )
    constraints, kind = compile_constraints(table, rules)
    sizes, many = np.array([size for size, _ in GANGS.values()]), len(GANGS)
    free = np.full((len(nodes), 1), 8.0)
    return plan(
        Snapshot(
            nodes=NodeColumns(
                names=table.names,
                horizons_s=np.array([3600]),
                free_cpu_cores=free,
                free_memory_bytes=2 * free * GIB,
                cpu_cores=free[:, 0],
                memory_bytes=2 * free[:, 0] * GIB,
                open=np.ones(len(nodes), np.bool_),
                constraints=constraints,
            ),
            running=RunningColumns.none(),
            gangs=GangColumns(
                ids=tuple(GANGS),
                queue=np.zeros(many, np.int64),
                tasks=sizes,
                min_available=sizes,
                cpu_cores=np.ones(many),
                memory_bytes=np.full(many, GIB),
                duration_s=np.full(many, 3600),
                submit_s=np.arange(many),
                priority=np.zeros(many, np.int64),
                kind=kind,
            ),
            queues=QueueTree(("q",), np.array([TOP]), np.zeros(1), np.full(1, np.inf), np.ones(1)),
            used=QueueUse.none(1),
        ),
        now_s=100,
    )


def release(client: httpx.Client, name: str, there: str) -> None:
    """Pin a gated pod to its node and lift the gate."""
    patch = [
        {"op": "add", "path": "/spec/nodeSelector/kubernetes.io~1hostname", "value": there},
        {"op": "remove", "path": "/spec/schedulingGates"},
    ]
    headers = {"Content-Type": "application/json-patch+json"}
    client.patch(f"{PODS}/{name}", json=patch, headers=headers).raise_for_status()


def test_every_gang_is_bound_where_it_was_planned(cluster: httpx.Client) -> None:
    for gang, (size, _) in GANGS.items():
        for index in range(size):
            cluster.post(PODS, json=pod(gang, index)).raise_for_status()
    outcome = planned(cluster)
    waiting = {list(GANGS)[gang]: outcome.reason(gang) for gang in outcome.pending.tolist()}
    assert not waiting, waiting
    names = outcome.aftermath.snapshot.nodes.names
    for placement in outcome.placements:
        gang = list(GANGS)[placement.gang]
        nodes = np.repeat(placement.nodes, placement.count).tolist()
        wanted = {f"{gang}-{index}": names[there] for index, there in enumerate(nodes)}
        for name, there in wanted.items():
            release(cluster, name, there)
        assert bound(cluster, wanted) == wanted


def bound(client: httpx.Client, wanted: dict[str, str]) -> dict[str, str]:
    give_up = time.monotonic() + 30
    while True:
        found = {name: client.get(f"{PODS}/{name}").json() for name in wanted}
        there = {name: one["spec"].get("nodeName", "") for name, one in found.items()}
        if all(there.values()):
            return there
        said = {name: one["status"].get("conditions") for name, one in found.items()}
        assert time.monotonic() < give_up, f"not bound: {said}"
        time.sleep(0.1)
