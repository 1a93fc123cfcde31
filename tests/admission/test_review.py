"""Reviews of whole pods: what becomes of each, as tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from admission.core.patch import Operation
from admission.core.policy import Policy
from admission.core.review import Review, review
from slacktide import contract
from slacktide.messages import Recommendation

Applier = Callable[[Any, Sequence[Operation]], Any]
POLICY = Policy()
BE = {contract.LABEL_QOS_CLASS: "BE"}


def pod(
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    requests: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    resources = {
        side: dict(values)
        for side, values in (("requests", requests), ("limits", limits))
        if values is not None
    }
    container = {"name": "main", "image": "app:1", "resources": resources}
    metadata = {"name": "p", "labels": labels, "annotations": annotations}
    return {"metadata": metadata, "spec": {"containers": [container], **spec}}


def advice(
    *, cpu: float | None = None, memory: int | None = None, confidence: float = 1.0
) -> Recommendation:
    return Recommendation(
        workload="shop",
        namespace="default",
        kind="Deployment",
        container="main",
        at_s=0,
        replicas=2,
        cpu_request_cores=None,
        recommended_cpu_request_cores=cpu,
        cpu_lower_cores=None,
        cpu_upper_cores=None,
        memory_request_bytes=None,
        recommended_memory_request_bytes=memory,
        memory_lower_bytes=None,
        memory_upper_bytes=None,
        confidence=confidence,
        reason="p98 of 7 days",
    )


def reviewed(document: Any, policy: Policy = POLICY, **more: Any) -> Review:
    return review(document, policy=policy, **{"namespace_labels": {}, **more})


def patched(document: Any, apply_patch: Applier, **more: Any) -> dict[str, Any]:
    result: dict[str, Any] = apply_patch(document, reviewed(document, **more).patch)
    return result


def resources(document: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["spec"]["containers"][0]["resources"]
    return found


def test_a_pod_that_nobody_calls_offline_is_not_touched() -> None:
    answer = reviewed(pod(requests={"cpu": "1"}))
    assert answer == Review(True, "LS", (), (), "LS, as nobody says otherwise")


@pytest.mark.parametrize("labels", [{}, BE])
def test_nobody_but_the_planner_speaks_in_the_planners_name(
    labels: dict[str, str], apply_patch: Applier
) -> None:
    mine = {contract.ANNOTATION_DURATION: "2h"}
    forged = pod(labels=labels, annotations=dict.fromkeys(contract.PLANNERS_OWN, "x") | mine)
    expected = patched(pod(labels=labels, annotations=mine), apply_patch)
    assert patched(forged, apply_patch) == expected
    copied = patched(forged, apply_patch, by_planner=True)
    assert set(contract.PLANNERS_OWN) < set(copied["metadata"]["annotations"])


def test_an_offline_pod_asks_for_oversold_resources_below_everybody(apply_patch: Applier) -> None:
    offline = pod(
        labels=BE,
        requests={"cpu": "1.5", "memory": "1Gi", "example.com/gpu": 1},
        limits={"cpu": 2, "memory": "2G"},
        priority=0,
        preemptionPolicy="PreemptLowerPriority",
    )
    after = patched(offline, apply_patch)
    assert resources(after) == {
        "requests": {
            "kubernetes.io/batch-cpu": "1500",
            "kubernetes.io/batch-memory": "1073741824",
            "example.com/gpu": 1,
        },
        "limits": {
            "kubernetes.io/batch-cpu": "2000",
            "kubernetes.io/batch-memory": "2000000000",
        },
    }
    spec = after["spec"]
    assert spec["schedulerName"] == "slacktide-scheduler"
    assert spec["priorityClassName"] == "slacktide-batch"
    assert "priority" not in spec
    assert "preemptionPolicy" not in spec
    said = after["metadata"]["annotations"][contract.ANNOTATION_REASON]
    assert said == "BE by label koordinator.sh/qosClass='BE'"


@pytest.mark.parametrize(
    ("requests", "limits", "batch"),
    [
        ({"cpu": "0.0001"}, {}, {"kubernetes.io/batch-cpu": "1"}),
        ({"memory": "100m"}, {}, {"kubernetes.io/batch-memory": "1"}),
        ({}, {"cpu": "500m"}, {"kubernetes.io/batch-cpu": "500"}),
        (
            {"cpu": "1", "kubernetes.io/batch-cpu": "250"},
            {},
            {"kubernetes.io/batch-cpu": "250"},
        ),
        ({"cpu": 0.1}, None, {"kubernetes.io/batch-cpu": "100"}),
    ],
)
def test_batch_requests_round_up_default_to_limits_and_respect_what_is_there(
    requests: Mapping[str, Any],
    limits: Mapping[str, Any] | None,
    batch: Mapping[str, str],
    apply_patch: Applier,
) -> None:
    after = patched(pod(labels=BE, requests=requests, limits=limits), apply_patch)
    assert resources(after)["requests"] == batch


def test_init_containers_and_sidecars_are_rewritten_too(apply_patch: Applier) -> None:
    extra = {"name": "x", "resources": {"requests": {"cpu": "1"}}}
    both = [extra, {**extra, "name": "mesh", "restartPolicy": "Always"}]
    after = patched(pod(labels=BE, requests={"cpu": "1"}, initContainers=both), apply_patch)
    for container in after["spec"]["initContainers"]:
        assert container["resources"]["requests"] == {"kubernetes.io/batch-cpu": "1000"}


def test_an_offline_pod_without_requests_is_warned_about() -> None:
    warnings = reviewed(pod(labels=BE)).warnings
    assert warnings == (
        "container 'main' asks for no cpu: it is placed as if it used none",
        "container 'main' asks for no memory: it is placed as if it used none",
    )


@pytest.mark.parametrize(
    ("spec", "scheduler", "priority_class"),
    [
        ({"schedulerName": "volcano"}, "volcano", "slacktide-batch"),
        ({"schedulerName": "default-scheduler"}, "slacktide-scheduler", "slacktide-batch"),
        ({"priority": 5500, "priorityClassName": "mine"}, "slacktide-scheduler", "mine"),
        ({"priority": 7500, "priorityClassName": "mid"}, "slacktide-scheduler", "mid"),
        ({"priority": 100, "priorityClassName": "x"}, "slacktide-scheduler", "slacktide-batch"),
    ],
)
def test_what_the_owner_chose_for_an_offline_pod_stays(
    spec: Mapping[str, Any], scheduler: str, priority_class: str, apply_patch: Applier
) -> None:
    after = patched(pod(labels=BE, **spec), apply_patch)["spec"]
    assert (after["schedulerName"], after["priorityClassName"]) == (scheduler, priority_class)


GANG = {contract.ANNOTATION_GANG_NAME: "train"}


@pytest.mark.parametrize(
    ("annotations", "spec", "gates"),
    [
        (GANG, {}, [contract.GATE_GANG]),
        (GANG, {"schedulingGates": [{"name": "quota"}]}, ["quota", contract.GATE_GANG]),
        (GANG, {"schedulingGates": [{"name": contract.GATE_GANG}]}, [contract.GATE_GANG]),
        (GANG, {"nodeName": "n1"}, []),
        (None, {}, []),
    ],
)
def test_a_member_of_a_gang_waits_at_the_gate(
    annotations: Mapping[str, str] | None,
    spec: Mapping[str, Any],
    gates: list[str],
    apply_patch: Applier,
) -> None:
    after = patched(pod(labels=BE, annotations=annotations, **spec), apply_patch)
    assert [gate["name"] for gate in after["spec"].get("schedulingGates", [])] == gates


def test_an_online_gang_member_is_not_gated() -> None:
    assert not reviewed(pod(annotations=GANG)).patch


def test_a_pod_whose_labels_disagree_runs_with_care_and_a_warning() -> None:
    torn = pod(labels={**BE, contract.LABEL_QOS_VOLCANO: "LS"}, requests={"cpu": "1"})
    answer = reviewed(torn)
    assert answer.allowed
    assert answer.pod_class == "LS"
    assert answer.warnings == (answer.reason,)
    assert "disagree" in answer.reason
    assert {step.path for step in answer.patch} == {
        "/metadata/labels/koordinator.sh~1qosClass",
        "/metadata/annotations",
    }


def test_a_pod_whose_labels_disagree_is_refused_where_the_policy_says_so() -> None:
    torn = pod(labels={**BE, contract.LABEL_QOS_VOLCANO: "LS"})
    answer = reviewed(torn, Policy(reject_conflicts=True))
    assert not answer.allowed
    assert answer.reason.startswith("refused: label koordinator.sh/qosClass='BE' and label")
    assert not answer.patch


def test_a_static_pod_is_the_kubelets_own() -> None:
    shadow = pod(labels=BE, annotations={contract.ANNOTATION_MIRROR_POD: "abc"})
    assert not reviewed(shadow).patch


def test_a_recommendation_changes_the_request_and_keeps_the_original(apply_patch: Applier) -> None:
    online = pod(requests={"cpu": "2", "memory": "4Gi"}, limits={"memory": "8Gi"})
    after = patched(online, apply_patch, recommendations=[advice(cpu=0.3, memory=10**9)])
    assert resources(after)["requests"] == {"cpu": "300m", "memory": "954Mi"}
    assert resources(after)["limits"] == {"memory": "8Gi"}
    notes = after["metadata"]["annotations"]
    kept = json.loads(notes[contract.ANNOTATION_ORIGINAL_REQUESTS])
    assert kept == {"main": {"cpu": "2", "memory": "4Gi"}}
    assert "main cpu 2 -> 300m: p98 of 7 days" in notes[contract.ANNOTATION_REASON]


@pytest.mark.parametrize(
    ("document", "more", "cpu"),
    [
        pytest.param(pod(requests={"cpu": "1"}), {}, "300m", id="applied"),
        pytest.param(pod(requests={"cpu": "290m"}), {}, "290m", id="change-too-small"),
        pytest.param(pod(), {}, "300m", id="no-request"),
        pytest.param(pod(limits={"cpu": "200m"}), {}, None, id="the-limit-was-the-request"),
        pytest.param(
            pod(requests={"cpu": "100m"}, limits={"cpu": "200m"}), {}, "200m", id="capped-by-limit"
        ),
        pytest.param(
            pod(requests={"cpu": "1"}, annotations={contract.ANNOTATION_RIGHTSIZE: "off"}),
            {},
            "1",
            id="owner-said-off",
        ),
        pytest.param(
            pod(requests={"cpu": "1"}), {"scaled_on": frozenset({"cpu"})}, "1", id="autoscaled"
        ),
        pytest.param(
            pod(requests={"cpu": "1"}),
            {"scaled_on": frozenset({"memory"})},
            "300m",
            id="autoscaled-on-the-other",
        ),
        pytest.param(
            pod(requests={"cpu": "1"}), {"policy": Policy(right_size=False)}, "1", id="policy-off"
        ),
        pytest.param(
            pod(requests={"cpu": "1"}), {"policy": Policy(min_cpu_cores=0.5)}, "500m", id="floor"
        ),
        pytest.param(
            pod(requests={"cpu": "1"}), {"policy": Policy(max_cpu_cores=0.2)}, "200m", id="cap"
        ),
        pytest.param(
            pod(requests={"cpu": "1"}), {"policy": Policy(min_confidence=1.1)}, "1", id="young"
        ),
        pytest.param(
            pod(requests={"cpu": "1", "memory": "1Gi"}, limits={"cpu": "1", "memory": "1Gi"}),
            {},
            "1",
            id="guaranteed",
        ),
        pytest.param(
            pod(requests={"cpu": "1"}, labels={contract.LABEL_QOS_CLASS: "LSR"}),
            {},
            "1",
            id="reserved-cores",
        ),
    ],
)
def test_a_recommendation_is_applied_only_where_that_is_safe(
    document: dict[str, Any], more: dict[str, Any], cpu: str | None, apply_patch: Applier
) -> None:
    after = patched(document, apply_patch, recommendations=[advice(cpu=0.3)], **more)
    assert resources(after).get("requests", {}).get("cpu") == cpu


def test_the_first_original_is_kept_when_a_copied_pod_is_sized_again(apply_patch: Applier) -> None:
    once = patched(pod(requests={"cpu": "2"}), apply_patch, recommendations=[advice(cpu=0.3)])
    twice = patched(once, apply_patch, recommendations=[advice(cpu=0.6)])
    kept = json.loads(twice["metadata"]["annotations"][contract.ANNOTATION_ORIGINAL_REQUESTS])
    assert kept == {"main": {"cpu": "2"}}
    assert resources(twice)["requests"] == {"cpu": "600m"}


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        ("a pod", "the pod is no object"),
        ({"metadata": []}, "metadata is no object"),
        ({"metadata": {"labels": {"a": 1}}}, "metadata.labels.a is no text"),
        ({"spec": {"containers": {}}}, "spec.containers is no list of objects"),
        ({"spec": {"containers": [None]}}, "spec.containers is no list of objects"),
        ({"spec": {"priority": True}}, "spec.priority is no 32-bit integer"),
        ({"spec": {"priority": 2**40}}, "spec.priority is no 32-bit integer"),
        (pod(requests={"cpu": "lots"}), "spec.containers[0].resources.requests.cpu: not a qu"),
        (pod(requests={"cpu": "-1"}), "spec.containers[0].resources.requests.cpu: a resource"),
        (pod(requests={"cpu": True}), "spec.containers[0].resources.requests.cpu is no quantity"),
        (pod(limits={"memory": "9E999"}), "spec.containers[0].resources.limits.memory: not a"),
        (pod(limits={"memory": "9e30"}), "resources.limits.memory is more than any machine has"),
        (pod(limits={"x": 10**400}), "resources.limits.x is more than any machine has"),
    ],
)
def test_a_malformed_pod_is_left_untouched_with_a_warning(broken: Any, place: str) -> None:
    answer = reviewed(broken, namespace_labels=BE)
    assert (answer.allowed, answer.patch, answer.pod_class) == (True, (), "")
    assert len(answer.warnings) == 1
    assert place in answer.warnings[0]
    assert len(answer.warnings[0]) <= 256
