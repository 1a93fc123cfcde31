"""What users submit, read back from a real API server: whichever way, the same gang."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from scheduler.core.members import Gang, gangs_of
from scheduler.core.ways_in.shape import Groups, Named
from slacktide.contract import GATE_GANG, SCHEDULER_OFFLINE
from slacktide.kube.connection import connection
from slacktide.kube.groups import CoschedulingPodGroup, Job, NativePodGroup, VolcanoPodGroup
from slacktide.kube.objects import Pod
from slacktide.kube.reading import Resource
from slacktide.kube.reading import pages as listed
from slacktide.testing.cluster.binaries import binary
from slacktide.testing.cluster.control_plane import ControlPlane, control_plane
from tests.cluster.definitions import COSCHEDULING, VOLCANO, define, pod_groups
from tests.scheduler.gang_pages import Page, pages

SPACE = "gangs"
PODS = f"/api/v1/namespaces/{SPACE}/pods"


@pytest.fixture(scope="module")
def with_groups(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane that knows pod groups of every kind, and the controllers."""
    with control_plane(tmp_path_factory.mktemp("gangs"), gangs=True) as plane:
        plane.controllers()
        with plane.client() as client:
            for kind in (COSCHEDULING, VOLCANO):
                define(client, pod_groups(kind))
            space = {"metadata": {"name": SPACE}}
            client.post("/api/v1/namespaces", json=space).raise_for_status()
        yield plane


async def _all(plane: ControlPlane, path: str, kind: type[Any]) -> dict[Named, Any]:
    async with connection(plane.kubeconfig()).client() as client:
        found = [one async for page in listed(client, Resource(path, kind)) for one in page.items]
    return {(one.metadata.namespace, one.metadata.name): one for one in found}


def seen(plane: ControlPlane, space: str = SPACE) -> dict[str, Gang]:
    """The gangs of a namespace that the model makes of what the server has, by name."""

    async def read() -> tuple[dict[Named, Pod], Groups]:
        groups = Groups(
            native=await _all(plane, "/apis/scheduling.k8s.io/v1alpha2/podgroups", NativePodGroup),
            coscheduling=await _all(
                plane, "/apis/scheduling.x-k8s.io/v1alpha1/podgroups", CoschedulingPodGroup
            ),
            volcano=await _all(
                plane, "/apis/scheduling.volcano.sh/v1beta1/podgroups", VolcanoPodGroup
            ),
            jobs=await _all(plane, "/apis/batch/v1/jobs", Job),
        )
        return await _all(plane, "/api/v1/pods", Pod), groups

    found, groups = asyncio.run(read())
    gangs = gangs_of(found.values(), groups, now_s=time.time())
    return {gang.key.name: gang for gang in gangs if gang.key.namespace == space}


def pod(name: str, meta: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A gated offline pod with things in it that pods in real clusters have."""
    requests = {"cpu": "100m", "memory": "64Mi"}
    container = {"name": "task", "image": "none", "resources": {"requests": requests}}
    return {
        "metadata": {"name": name, **meta},
        "spec": {
            "schedulerName": SCHEDULER_OFFLINE,
            "schedulingGates": [{"name": GATE_GANG}],
            "tolerations": [{"key": "batch", "operator": "Exists"}],
            "containers": [container],
            **spec,
        },
    }


PAGES = [page for page in pages() if page.source not in {"jobset", "ray", "spark", "training"}]


def applied(plane: ControlPlane, objects: list[dict[str, Any]], space: str) -> None:
    """What a user would do with these objects."""
    where = ["--kubeconfig", str(plane.kubeconfig()), "--namespace", space]
    command = [str(binary("kubectl")), *where, "apply", "-f", "-"]
    text = yaml.safe_dump_all(objects)
    subprocess.run(command, input=text, text=True, capture_output=True, check=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_tells_to_apply_is_its_gang(with_groups: ControlPlane, page: Page) -> None:
    space = f"page-{page.name}"
    there = [one for one in page.objects if one["kind"] != "Pod"]
    members = [one for one in page.objects if one["kind"] == "Pod"]
    applied(
        with_groups, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}], ""
    )
    applied(with_groups, there + members[: page.least - 1], space)
    if members:
        (early,) = seen(with_groups, space).values()
        assert not early.ready
        assert early.reason.startswith("has ")
        applied(with_groups, members[page.least - 1 :], space)
    gang = until_ready(with_groups, "train-7", space)
    assert (gang.key.source, gang.key.namespace) == (page.source, space)
    assert (gang.least, gang.queue, gang.notes) == (page.least, page.queue, ())
    assert gang.have == max(len(members), page.least)
    assert abs(gang.submit_s - time.time()) < 300


def job(name: str, meta: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    template = pod("", {})
    template["spec"]["restartPolicy"] = "Never"
    return {
        "metadata": {"name": name, **(meta or {})},
        "spec": {"template": {"spec": template["spec"]}, **spec},
    }


def until_ready(
    plane: ControlPlane, name: str, space: str = SPACE, *, within_s: float = 20
) -> Gang:
    give_up = time.monotonic() + within_s
    while time.monotonic() < give_up:
        gang = seen(plane, space).get(name)
        if gang is not None and gang.ready:
            return gang
        time.sleep(0.2)
    raise AssertionError(f"{name} is not ready after {within_s} s: {seen(plane, space).get(name)}")


@pytest.mark.parametrize(
    "mode", [{}, {"completions": 3, "completionMode": "Indexed"}], ids=["queue", "indexed"]
)
def test_a_job_is_a_gang_of_the_pods_that_its_controller_makes(
    with_groups: ControlPlane, mode: dict[str, Any]
) -> None:
    name = f"job-{len(mode)}"
    meta = {"labels": {"kueue.x-k8s.io/queue-name": "research"}}
    with with_groups.client() as client:
        post_job(client, job(name, meta, parallelism=3, **mode))
    gang = until_ready(with_groups, name)
    assert (gang.key.source, gang.least, gang.have, gang.queue) == ("job", 3, 3, "research")
    assert gang.owned
    assert len(gang.roles) == 1


def post_job(client: httpx.Client, body: dict[str, Any]) -> None:
    client.post(f"/apis/batch/v1/namespaces/{SPACE}/jobs", json=body).raise_for_status()


def test_a_suspended_job_waits_without_pods_and_is_ready_once_resumed(
    with_groups: ControlPlane,
) -> None:
    with with_groups.client() as client:
        post_job(client, job("held", parallelism=2, suspend=True))
        held = seen(with_groups)["held"]
        assert (held.suspended, held.reason) == (True, f"Job {SPACE}/held is suspended")
        client.patch(
            f"/apis/batch/v1/namespaces/{SPACE}/jobs/held",
            json={"spec": {"suspend": False}},
            headers={"Content-Type": "application/merge-patch+json"},
        ).raise_for_status()
    resumed = until_ready(with_groups, "held")
    assert (resumed.have, resumed.submit_s) == (2, held.submit_s)


def test_pods_that_kueue_holds_back_are_not_ours_until_it_lets_them_go(
    with_groups: ControlPlane,
) -> None:
    gates = [{"name": "kueue.x-k8s.io/admission"}, {"name": GATE_GANG}]
    with with_groups.client() as client:
        client.post(PODS, json=pod("kueued", {}, schedulingGates=gates)).raise_for_status()
        held = seen(with_groups)["kueued"]
        assert held.reason == "waits for Kueue to let 1 of its pods go"
        client.patch(
            f"{PODS}/kueued",
            json={"spec": {"schedulingGates": [{"name": GATE_GANG}]}},
            headers={"Content-Type": "application/merge-patch+json"},
        ).raise_for_status()
    assert seen(with_groups)["kueued"].ready
