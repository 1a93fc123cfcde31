"""With nothing but the chart: what each page of docs/gangs shows is bound whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml

from slacktide.contract import ANNOTATION_GANG_MIN, ANNOTATION_GANG_NAME, ANNOTATION_REASON
from slacktide.testing.cluster.fake_nodes import add
from slacktide.testing.cluster.installed import RELEASE, Installed
from slacktide.testing.cluster.processes import free_ports
from tests.cluster.charted import (
    applied,
    charted,
    operate,
    pods_there,
    shown,
    space_of,
    started_together,
    until,
    until_bound,
)
from tests.scheduler.gang_pages import Page, executors_of, pages, pods_of

PAGES = {page.name: page for page in pages()}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    with charted(tmp_path_factory.mktemp("chart")) as made:
        yield made


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_what_a_page_shows_is_bound_whole(release: Installed, page: Page) -> None:
    space = space_of(release, f"page-{page.name}")
    applied(release, space, page.manifest)
    for one in page.objects:
        operate(release, space, one)
    count = sum(1 for one in page.objects for _ in pods_of(one))
    assert started_together(until_bound(release, space, count)) >= page.least


def test_spark_executors_join_their_driver(release: Installed) -> None:
    space = space_of(release, "spark-executors")
    applied(release, space, PAGES["spark"].manifest)
    [one] = PAGES["spark"].objects
    operate(release, space, one)
    until_bound(release, space, 1)
    executors = list(executors_of(one["metadata"]["name"], one["spec"]))
    add(release.plane, f"/api/v1/namespaces/{space}/pods", executors)
    until_bound(release, space, 1 + len(executors))


def test_a_launcher_that_comes_last_joins_its_workers(release: Installed) -> None:
    space = space_of(release, "mpi-launcher-last")
    applied(release, space, PAGES["mpi"].manifest)
    launcher, *workers = pods_of(PAGES["mpi"].objects[0])
    add(release.plane, f"/api/v1/namespaces/{space}/pods", workers)
    assert started_together(until_bound(release, space, len(workers))) == len(workers)
    add(release.plane, f"/api/v1/namespaces/{space}/pods", [launcher])
    until_bound(release, space, len(workers) + 1)


def test_a_driver_and_its_workers_by_annotation_start_together(release: Installed) -> None:
    space = space_of(release, "driver-workers")
    [one] = PAGES["spark"].objects
    pods = [*pods_of(one), *executors_of(one["metadata"]["name"], one["spec"])]
    notes = {ANNOTATION_GANG_NAME: "etl", ANNOTATION_GANG_MIN: str(len(pods))}
    for pod in pods:
        pod["metadata"]["annotations"] = notes
    applied(release, space, yaml.safe_dump_all(pods[:-1]))
    until_said(release, space, "not all that it needs is there yet")
    assert not any(pod["spec"].get("nodeName") for pod in pods_there(release, space))
    applied(release, space, yaml.safe_dump_all(pods[-1:]))
    assert started_together(until_bound(release, space, len(pods))) == len(pods)


def test_pods_that_come_before_their_group_say_which_is_missing(release: Installed) -> None:
    space = space_of(release, "before-group")
    group, *pods = PAGES["kubernetes"].objects
    applied(release, space, yaml.safe_dump_all(pods))
    missing = f"there is no PodGroup (scheduling.k8s.io) {space}/train-7"
    until(lambda: missing in reasons(release, space), lambda: str(reasons(release, space)))
    applied(release, space, yaml.safe_dump(group))
    assert started_together(until_bound(release, space, len(pods))) == len(pods)


def reasons(release: Installed, space: str) -> list[str]:
    return [
        pod["metadata"].get("annotations", {}).get(ANNOTATION_REASON, "")
        for pod in pods_there(release, space)
    ]


def test_a_group_behind_kueues_gate_starts_when_kueue_lets_it_go(release: Installed) -> None:
    space = space_of(release, "kueue-gate")
    pods: list[dict[str, Any]] = PAGES["kueue"].objects
    for pod in pods:  # as Kueue's webhook does
        pod["spec"]["schedulingGates"] = [{"name": "kueue.x-k8s.io/admission"}]
    applied(release, space, yaml.safe_dump_all(pods))
    until_said(release, space, "not all that it needs is there yet")
    assert not any(pod["spec"].get("nodeName") for pod in pods_there(release, space))
    with release.plane.client() as client:
        for pod in pods_there(release, space):
            ours = [one for one in pod["spec"]["schedulingGates"] if "kueue" not in one["name"]]
            client.patch(
                f"/api/v1/namespaces/{space}/pods/{pod['metadata']['name']}",
                json={"spec": {"schedulingGates": ours}},
                headers={"Content-Type": "application/merge-patch+json"},
            ).raise_for_status()
    assert started_together(until_bound(release, space, len(pods))) == len(pods)


def until_said(release: Installed, space: str, message: str) -> None:
    """Returns when an Event of that namespace has the message."""

    def is_said() -> bool:
        with release.plane.client() as client:
            found = client.get(f"/api/v1/namespaces/{space}/events").raise_for_status().json()
        return message in {one["message"] for one in found["items"]}

    until(is_said, lambda: shown(release, space))


def test_a_pod_that_nobody_called_offline_is_left_alone(release: Installed) -> None:
    space = space_of(release, "online")
    container = {"name": "app", "image": "none", "resources": {"requests": {"cpu": "100m"}}}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app"}}
    applied(release, space, yaml.safe_dump({**body, "spec": {"containers": [container]}}))
    [pod] = pods_there(release, space)
    assert pod["spec"]["schedulerName"] == "default-scheduler"
    assert pod["spec"]["containers"][0]["resources"] == container["resources"]
    assert "schedulingGates" not in pod["spec"]


def test_a_kube_scheduler_may_ask_a_planner_that_does_not_lead(release: Installed) -> None:
    extender_port, health_port = free_ports(2)
    other = replace(release, extender_port=extender_port, health_port=health_port)
    other.planner(name="follower")
    release.plane.stop("offline-scheduler")
    other.kube_scheduler()
    space = space_of(release, "follower")
    applied(release, space, PAGES["volcano"].manifest)
    assert started_together(until_bound(release, space, 3)) == 3


def test_the_pods_of_the_chart_itself_are_let_in_where_only_harmless_ones_are(
    release: Installed,
) -> None:
    until(lambda: len(pods_there(release, RELEASE)) == 2, lambda: shown(release, RELEASE))
