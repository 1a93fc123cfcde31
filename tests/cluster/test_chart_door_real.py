"""The chart's door in the API server rewrites a pod as the admission room would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from decimal import Decimal
from typing import Any

import httpx
import pytest

from admission.core.policy import Policy
from admission.core.review import review
from slacktide.contract import (
    ANNOTATION_DURATION,
    GATE_GANG,
    LABEL_QOS_CLASS,
    LABEL_QOS_KATALYST,
    LABEL_QOS_VOLCANO,
    PLANNERS_OWN,
    PRIORITY_CLASS_BATCH,
    QOS_BE,
    RESOURCE_TASK,
    SCHEDULER_OFFLINE,
)
from slacktide.quantity import parse
from slacktide.testing.cluster.control_plane import control_plane
from slacktide.testing.cluster.installed import Installed, installed
from tests.cluster.charted import until
from tests.cluster.definitions import CHART

OFFLINE_SPACE, ORDINARY_SPACE = "all-offline", "ordinary"
BE = {LABEL_QOS_CLASS: "BE"}
ONLINE_CLASS, MID_CLASS = "online", "mid"
PRIORITIES = {ONLINE_CLASS: 9500, MID_CLASS: 7500}
DRY = {"dryRun": "All"}
SAID = dict.fromkeys(PLANNERS_OWN, "x")
MINE = {ANNOTATION_DURATION: "2h"}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    with control_plane(tmp_path_factory.mktemp("door")) as plane:
        made = installed(plane, CHART)
        with plane.client() as client:
            for name, labels in ((OFFLINE_SPACE, BE), (ORDINARY_SPACE, {})):
                space = {"metadata": {"name": name, "labels": labels}}
                client.post("/api/v1/namespaces", json=space).raise_for_status()
            for name, value in PRIORITIES.items():
                body = {"metadata": {"name": name}, "value": value}
                path = "/apis/scheduling.k8s.io/v1/priorityclasses"
                client.post(path, json=body).raise_for_status()
            until(
                lambda: is_passed(admitted(client, ORDINARY_SPACE, pod(labels=BE, notes=SAID))),
                lambda: "the API server knows its new policies",
            )
        yield made


def pod(
    *, labels: dict[str, str] | None = None, notes: dict[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    requests = {"cpu": "1500m", "memory": "2Gi"}
    container = {"name": "task", "image": "none", "resources": {"requests": requests}}
    meta = {"name": "one", "labels": labels or {}, "annotations": notes or {}}
    body = {"containers": [container], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": body}


def asking(requests: dict[str, str], limits: dict[str, str] | None = None) -> dict[str, Any]:
    sized = {"requests": requests, "limits": limits or {}}
    return {"name": "task", "image": "none", "resources": sized}


def admitted(client: httpx.Client, space: str, body: dict[str, Any]) -> dict[str, Any]:
    """The pod as the API server would store it."""
    path = f"/api/v1/namespaces/{space}/pods"
    answer = client.post(path, json=body, params=DRY)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def is_passed(found: dict[str, Any]) -> bool:
    """Whether both policies have seen it."""
    return bool(found["spec"]["schedulerName"] == SCHEDULER_OFFLINE and not owned(found))


def amounts(found: dict[str, Any]) -> list[dict[str, dict[str, Decimal]]]:
    """What each container asks for, by number; without what marks an offline pod."""
    spec = found["spec"]
    return [
        {
            side: {
                name: parse(value)
                for name, value in one.get("resources", {}).get(side, {}).items()
                if name != RESOURCE_TASK
            }
            for side in ("requests", "limits")
        }
        for one in (*spec["containers"], *spec.get("initContainers", ()))
    ]


def by_room(client: httpx.Client, space: str, body: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The pod after the admission room's patch, and the class that the room takes it for."""
    labels = client.get(f"/api/v1/namespaces/{space}").json()["metadata"]["labels"]
    patched = deepcopy(body)
    if body["spec"].get("priorityClassName") in PRIORITIES:  # the API server's plugin was there
        patched["spec"]["priority"] = PRIORITIES[body["spec"]["priorityClassName"]]
    told = review(patched, policy=Policy(gate_gangs=False), namespace_labels=labels)
    for operation in told.patch:
        _apply(patched, operation.op, operation.path, operation.value)
    return patched, told.pod_class


def _apply(document: Any, op: str, path: str, value: object) -> None:
    *parents, last = [
        part.replace("~1", "/").replace("~0", "~") for part in path.removeprefix("/").split("/")
    ]
    for part in parents:
        document = document[int(part) if isinstance(document, list) else part]
    if op == "remove":
        document.pop(last, None)
    else:
        document[last] = value


PODS: dict[str, dict[str, Any]] = {
    "by label": pod(labels=BE),
    "nobody says": pod(),
    "online by label": pod(labels={LABEL_QOS_CLASS: "LS"}),
    "a word nobody knows": pod(labels={LABEL_QOS_CLASS: "best"}),
    "katalyst's label": pod(labels={LABEL_QOS_KATALYST: "reclaimed_cores"}),
    "katalyst's annotation": pod(notes={LABEL_QOS_KATALYST: "reclaimed_cores"}),
    "katalyst's online": pod(labels={LABEL_QOS_KATALYST: "dedicated_cores"}),
    "volcano's annotation": pod(notes={LABEL_QOS_VOLCANO: "BE"}),
    "they disagree": pod(labels=BE | {LABEL_QOS_VOLCANO: "LS"}),
    "our class": pod(priorityClassName=PRIORITY_CLASS_BATCH),
    "our class, online label": pod(
        labels={LABEL_QOS_CLASS: "LS"}, priorityClassName=PRIORITY_CLASS_BATCH
    ),
    "online by priority": pod(labels=BE, priorityClassName=ONLINE_CLASS),
    "mid by priority": pod(priorityClassName=MID_CLASS),
    "mid, offline by label": pod(labels=BE, priorityClassName=MID_CLASS),
    "another scheduler": pod(labels=BE, schedulerName="volcano"),
    "with what the planner alone may say": pod(labels=BE, notes=SAID),
    "asks for nothing": pod(labels=BE, containers=[{"name": "task", "image": "none"}]),
    "asks by limits": pod(labels=BE, containers=[asking({}, {"cpu": "2", "memory": "1G"})]),
    "asks and is limited": pod(
        labels=BE, containers=[asking({"cpu": "0.1"}, {"cpu": "2", "memory": "1Gi"})]
    ),
    "finer than milli": pod(labels=BE, containers=[asking({"cpu": "1500500u"})]),
    **{
        f"{cpu} and {memory}": pod(labels=BE, containers=[asking({"cpu": cpu, "memory": memory})])
        for cpu, memory in (("0.069", "0.5Gi"), ("4.35", "1e9"), ("128", "1500M"), ("1m", "999k"))
    },
    "asks as batch already": pod(
        labels=BE, containers=[asking({"kubernetes.io/batch-cpu": "500", "cpu": "1"})]
    ),
    "asks for a GPU too": pod(
        labels=BE,
        containers=[asking({"cpu": "1", "example.com/gpu": "1"}, {"example.com/gpu": "1"})],
    ),
    "several containers": pod(
        labels=BE,
        containers=[asking({"cpu": "1"}), asking({"memory": "1Gi"}) | {"name": "side"}],
        initContainers=[asking({"cpu": "3", "memory": "1Mi"}) | {"name": "first"}],
    ),
}


@pytest.mark.parametrize("space", [ORDINARY_SPACE, OFFLINE_SPACE])
@pytest.mark.parametrize("body", PODS.values(), ids=PODS)
def test_the_door_and_the_room_agree(release: Installed, space: str, body: dict[str, Any]) -> None:
    with release.plane.client() as client:
        found = admitted(client, space, body)
        wanted, pod_class = by_room(client, space, body)
    assert marked(found) == gates(found) == (pod_class == QOS_BE)
    assert amounts(found) == amounts(wanted)
    assert owned(found) == owned(wanted) == {}
    for name in ("schedulerName", "priorityClassName"):
        assert found["spec"].get(name) == wanted["spec"].get(name, DEFAULTS.get(name))
    if pod_class == QOS_BE:
        assert found["metadata"]["labels"] == wanted["metadata"]["labels"]
        assert 3000 <= found["spec"]["priority"] <= 7999
    else:
        assert found["metadata"].get("labels", {}) == body["metadata"]["labels"]


def owned(found: dict[str, Any]) -> dict[str, str]:
    """What the pod has of the planner's annotations."""
    notes = found["metadata"].get("annotations") or {}
    return {name: value for name, value in notes.items() if name in PLANNERS_OWN}


DEFAULTS = {"schedulerName": "default-scheduler"}


def marked(found: dict[str, Any]) -> bool:
    asked = found["spec"]["containers"][0]["resources"]
    return all(asked.get(side, {}).get(RESOURCE_TASK) == "1" for side in ("requests", "limits"))


def gates(found: dict[str, Any]) -> bool:
    return bool(found["spec"].get("schedulingGates", []) == [{"name": GATE_GANG}])


@pytest.mark.parametrize("body", PODS.values(), ids=PODS)
def test_what_went_through_the_door_goes_through_unchanged(
    release: Installed, body: dict[str, Any]
) -> None:
    with release.plane.client() as client:
        once = admitted(client, ORDINARY_SPACE, body)
        meta = {name: once["metadata"].get(name, {}) for name in ("name", "labels", "annotations")}
        twice = admitted(client, ORDINARY_SPACE, {"metadata": meta, "spec": once["spec"]})
    assert twice["spec"] == once["spec"]
    assert twice["metadata"].get("labels") == once["metadata"].get("labels")


def test_a_gate_of_somebody_else_stays_and_a_pod_that_has_its_node_gets_none(
    release: Installed,
) -> None:
    theirs = {"name": "kueue.x-k8s.io/admission"}
    with release.plane.client() as client:
        held = admitted(client, ORDINARY_SPACE, pod(labels=BE, schedulingGates=[theirs]))
        there = admitted(client, ORDINARY_SPACE, pod(labels=BE, nodeName="n0"))
    assert held["spec"]["schedulingGates"] == [theirs, {"name": GATE_GANG}]
    assert "schedulingGates" not in there["spec"]


def test_the_extender_mode_gates_nothing(release: Installed) -> None:
    release.set(mode="extender")
    with release.plane.client() as client:
        until(
            lambda: not gates(admitted(client, ORDINARY_SPACE, pod(labels=BE))),
            lambda: "the API server knows its new policy",
        )
        assert marked(admitted(client, ORDINARY_SPACE, pod(labels=BE)))


@contextmanager
def as_planner(release: Installed) -> Iterator[httpx.Client]:
    """As the chart's account."""
    with release.plane.client() as client:
        client.headers["Impersonate-User"] = release.account
        yield client


@pytest.mark.parametrize("space", [ORDINARY_SPACE, "kube-system"])
@pytest.mark.parametrize(
    "spec", [{}, {"nodeName": "n0"}, {"priorityClassName": PRIORITY_CLASS_BATCH}], ids=str
)
def test_a_new_pod_keeps_of_the_planners_annotations_only_what_the_planner_wrote(
    release: Installed, space: str, spec: dict[str, Any]
) -> None:
    body = pod(notes=SAID | MINE, **spec)
    with release.plane.client() as client, as_planner(release) as planner:
        assert admitted(client, space, body)["metadata"]["annotations"] == MINE
        assert admitted(planner, space, body)["metadata"]["annotations"] == SAID | MINE


@pytest.mark.parametrize(
    ("forged", "left"),
    [
        ({ANNOTATION_DURATION: "3h"}, {ANNOTATION_DURATION: "3h"}),
        (dict.fromkeys(PLANNERS_OWN, "forged"), MINE),
        (dict.fromkeys(PLANNERS_OWN), MINE),
        (None, {}),
    ],
    ids=["another's", "changed", "removed", "all removed"],
)
def test_who_changes_a_pod_changes_nothing_that_the_planner_said(
    release: Installed, forged: dict[str, str | None] | None, left: dict[str, str]
) -> None:
    def patched(client: httpx.Client, notes: Mapping[str, str | None] | None) -> dict[str, str]:
        kind = {"Content-Type": "application/merge-patch+json"}
        given = {"metadata": {"annotations": notes}}
        answer = client.patch(path, json=given, headers=kind).raise_for_status().json()
        found: dict[str, str] = answer["metadata"].get("annotations", {})
        return found

    path = f"/api/v1/namespaces/{ORDINARY_SPACE}/pods/one"
    with release.plane.client() as client, as_planner(release) as planner:
        spaced = path.rpartition("/")[0]
        client.post(spaced, json=pod(labels=BE, notes=MINE)).raise_for_status()
        try:
            assert patched(planner, SAID) == SAID | MINE
            assert patched(client, forged) == SAID | left
            assert patched(planner, dict.fromkeys(PLANNERS_OWN)) == left
        finally:
            client.delete(path, params={"gracePeriodSeconds": 0}).raise_for_status()
