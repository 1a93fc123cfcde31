"""Objects that were put straight into etcd are as if they had been posted."""

from __future__ import annotations

import asyncio

from slacktide.kube.connection import connection
from slacktide.kube.objects import Pod
from slacktide.kube.reading import Resource, pages
from slacktide.testing.cluster.batch_pods import task
from slacktide.testing.cluster.control_plane import ControlPlane
from slacktide.testing.cluster.fake_nodes import node
from slacktide.testing.cluster.loading import load

PODS = "/api/v1/namespaces/loaded/pods"


async def listed(plane: ControlPlane) -> list[Pod]:
    async with connection(plane.kubeconfig()).client() as client:
        return [pod async for page in pages(client, Resource(PODS, Pod)) for pod in page.items]


def test_loaded_pods_are_listed_patched_and_bound_like_others(plane: ControlPlane) -> None:
    with plane.client() as client:
        body = {"metadata": {"name": "loaded"}}
        client.post("/api/v1/namespaces", json=body).raise_for_status()
    load(plane, "minions", [node("loaded-node", holds={"cpu": "8", "pods": "500"})])
    made = [task(f"loaded-{k}", gated=False, scheduler="nobody") for k in range(300)]
    load(
        plane,
        "pods",
        ({**one, "metadata": {**one["metadata"], "namespace": "loaded"}} for one in made),
    )
    found = asyncio.run(listed(plane))
    assert len({pod.metadata.uid for pod in found}) == 300
    with plane.client() as client:
        assert client.get("/api/v1/nodes/loaded-node").is_success
        target = {"target": {"apiVersion": "v1", "kind": "Node", "name": "loaded-node"}}
        bound = {"metadata": {"name": "loaded-7"}, **target}
        client.post(f"{PODS}/loaded-7/binding", json=bound).raise_for_status()
        pod = client.get(f"{PODS}/loaded-7").raise_for_status().json()
        assert pod["spec"]["nodeName"] == "loaded-node"
        assert pod["spec"]["restartPolicy"] == "Always", "defaults are filled in as it is read"
        client.delete(PODS, params={"gracePeriodSeconds": "0"}).raise_for_status()
