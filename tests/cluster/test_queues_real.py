"""The Queue definition of the chart, held against a real API server."""

from __future__ import annotations

import asyncio
import subprocess
from typing import Any

import pytest

from scheduler.core.queue_objects import planted
from slacktide.kube.connection import connection
from slacktide.kube.queues import Queue
from slacktide.kube.reading import Resource, pages
from slacktide.testing.cluster.binaries import binary
from slacktide.testing.cluster.control_plane import ControlPlane
from tests.cluster.definitions import define, queues

QUEUES = "/apis/slacktide.io/v1alpha1/queues"


@pytest.fixture(scope="module")
def defined(plane: ControlPlane) -> ControlPlane:
    """The shared control plane, which knows queues now."""
    with plane.client() as client:
        define(client, queues())
    return plane


def queue(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "slacktide.io/v1alpha1",
        "kind": "Queue",
        "metadata": {"name": name},
        "spec": spec,
    }


def test_good_queues_are_taken_and_become_a_tree(defined: ControlPlane) -> None:
    with defined.client() as client:
        for body in (
            queue("all", max={"cpu": 100}),
            queue("web", parent="all", guaranteed={"cpu": "2500m"}, max={"cpu": "8"}, weight=3),
            queue("ads", parent="all", lendablePercent=0),
        ):
            client.post(QUEUES, json=body).raise_for_status()

    async def read() -> list[Queue]:
        async with connection(defined.kubeconfig()).client() as client:
            resource = Resource(QUEUES, Queue)
            return [one async for page in pages(client, resource) for one in page.items]

    made = planted(asyncio.run(read()))
    assert made.tree.names == ("ads", "all", "default", "web")
    assert made.tree.guaranteed_cpu_cores.tolist() == [0, 2.5, 0, 2.5]
    assert made.tree.max_cpu_cores.tolist()[3] == 8
    assert made.lendable_share.tolist() == [0, 1, 1, 1]
    assert made.problems == {}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"guaranteed": {"cpu": "9"}, "max": {"cpu": 8}}, "must not be above max.cpu"),
        ({"parent": "bad"}, "a queue cannot be its own parent"),
        ({"guaranteed": {"cpu": "much"}}, "must be a quantity of cores, 0 or more"),
        ({"max": {"cpu": "-1"}}, "must be a quantity of cores, 0 or more"),
        ({"max": {"cpu": "1" * 40}}, "Too long"),
        ({"max": {"cpu": [1]}}, "must be of type"),
        ({"weight": 0}, "should be greater than or equal to 1"),
        ({"lendablePercent": 101}, "should be less than or equal to 100"),
        ({"parent": ""}, "should be at least 1 chars long"),
    ],
)
def test_bad_queues_are_refused_in_words(
    defined: ControlPlane, spec: dict[str, Any], said: str
) -> None:
    with defined.client() as client:
        answer = client.post(QUEUES, json=queue("bad", **spec))
    assert answer.status_code == 422
    assert said in answer.json()["message"]


def test_kubectl_lists_queues_by_their_short_name(defined: ControlPlane) -> None:
    with defined.client() as client:
        body = queue("listed", parent="all", max={"cpu": "7"})
        client.post(QUEUES, json=body).raise_for_status()
        status = {"used": {"cpu": "3"}, "pendingGangs": 4}
        client.patch(
            f"{QUEUES}/listed/status",
            json={"status": status},
            headers={"Content-Type": "application/merge-patch+json"},
        ).raise_for_status()
    listed = subprocess.run(
        [binary("kubectl"), "--kubeconfig", defined.kubeconfig(), "get", "stq", "listed"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    header, row = listed.splitlines()
    columns = ["NAME", "PARENT", "GUARANTEED", "MAX", "WEIGHT", "USED", "PENDING", "SOUND", "AGE"]
    assert header.split() == columns
    assert row.split()[:-1] == ["listed", "all", "7", "1", "3", "4"]
