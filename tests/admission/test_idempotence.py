"""Any pod, also a hostile one: a review never fails, its patch applies, and a second is empty."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from admission.core.patch import Operation, difference
from admission.core.policy import Policy
from admission.core.review import Review, review
from slacktide import contract
from slacktide.messages import Recommendation

Applier = Callable[[Any, Sequence[Operation]], Any]

quantities = st.one_of(
    st.sampled_from(["0", "1", "100m", "0.0001", "1.5", "2k", "1Gi", "1500Mi", "1e3", ".5"]),
    st.integers(0, 100),
    st.floats(0.001, 10.0),
)
resource_names = st.sampled_from(
    ["cpu", "memory", "example.com/gpu", "kubernetes.io/batch-cpu", "kubernetes.io/batch-memory"]
)
resource_lists = st.none() | st.dictionaries(resource_names, quantities, max_size=4)
levels = st.sampled_from(["LSE", "LSR", "LS", "BE", "LC", "HLS", "reclaimed_cores", "what", ""])
keys = st.sampled_from(
    [
        contract.LABEL_QOS_CLASS,
        contract.LABEL_QOS_KATALYST,
        contract.LABEL_QOS_VOLCANO,
        contract.ANNOTATION_GANG_NAME,
        contract.ANNOTATION_DECISION,
        contract.ANNOTATION_RIGHTSIZE,
        contract.ANNOTATION_ORIGINAL_REQUESTS,
        "a~b/c",
    ]
)
texts = st.none() | st.dictionaries(keys, levels, max_size=3)


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


containers = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["main", "mesh", "init"])},
        optional={
            "resources": st.none() | optional(requests=resource_lists, limits=resource_lists),
            "restartPolicy": st.sampled_from(["Always"]),
        },
    ),
    max_size=3,
)
pods = optional(
    metadata=st.none() | optional(labels=texts, annotations=texts),
    spec=optional(
        containers=containers,
        initContainers=st.none() | containers,
        priority=st.none() | st.sampled_from([0, 100, 3500, 5000, 7500, 9500, 2_000_000_000]),
        priorityClassName=st.sampled_from(["", "slacktide-batch", "mine"]),
        schedulerName=st.sampled_from(["", "default-scheduler", "volcano"]),
        nodeName=st.none() | st.just("n1"),
        schedulingGates=st.none() | st.just([]) | st.just([{"name": "quota"}]),
    ),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "metadata",
                    "spec",
                    "labels",
                    "annotations",
                    "containers",
                    "resources",
                    "requests",
                    "limits",
                    "cpu",
                    "name",
                    "priority",
                    "schedulingGates",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)
namespaces = st.sampled_from(
    [{}, {contract.LABEL_QOS_CLASS: "BE"}, {contract.LABEL_QOS_CLASS: "x"}]
)
recommendations = st.lists(
    st.builds(
        Recommendation,
        workload=st.just("shop"),
        namespace=st.just("default"),
        kind=st.just("Deployment"),
        container=st.sampled_from(["main", "mesh"]),
        at_s=st.just(0),
        replicas=st.just(1),
        cpu_request_cores=st.none(),
        recommended_cpu_request_cores=st.none() | st.floats(0.0, 100.0) | st.just(float("nan")),
        cpu_lower_cores=st.none(),
        cpu_upper_cores=st.none(),
        memory_request_bytes=st.none(),
        recommended_memory_request_bytes=st.none() | st.integers(0, 2**42),
        memory_lower_bytes=st.none(),
        memory_upper_bytes=st.none(),
        confidence=st.sampled_from([0.0, 1.0]),
        reason=st.just("because"),
    ),
    max_size=2,
)
scaled = st.sampled_from([frozenset[str](), frozenset({"cpu"}), frozenset({"memory"})])


def reviewed(
    pod: Any, namespace: dict[str, str], advice: list[Recommendation], scaled_on: frozenset[str]
) -> Review:
    return review(
        pod,
        policy=Policy(),
        namespace_labels=namespace,
        recommendations=advice,
        scaled_on=scaled_on,
    )


@given(pods, namespaces, recommendations, scaled)
def test_reviewing_the_patched_pod_changes_nothing_more(
    apply_patch: Applier,
    pod: dict[str, Any],
    namespace: dict[str, str],
    advice: list[Recommendation],
    scaled_on: frozenset[str],
) -> None:
    before = copy.deepcopy(pod)
    first = reviewed(pod, namespace, advice, scaled_on)
    assert pod == before
    after = apply_patch(pod, first.patch)
    second = reviewed(after, namespace, advice, scaled_on)
    assert second.patch == ()
    assert second.pod_class == first.pod_class


@given(pods, namespaces)
def test_an_offline_pod_keeps_no_native_cpu_or_memory(
    apply_patch: Applier, pod: dict[str, Any], namespace: dict[str, str]
) -> None:
    answer = reviewed(pod, namespace, [], frozenset())
    after = apply_patch(pod, answer.patch)
    spec = after.get("spec", {})
    for container in (spec.get("containers") or []) + (spec.get("initContainers") or []):
        resources = container.get("resources") or {}
        for side in ("requests", "limits"):
            left = {"cpu", "memory"} & set(resources.get(side) or {})
            assert answer.pod_class != "BE" or not left


@given(pods, recommendations)
def test_a_request_is_never_put_above_its_limit(
    apply_patch: Applier, pod: dict[str, Any], advice: list[Recommendation]
) -> None:
    from slacktide.quantity import parse

    after = apply_patch(pod, reviewed(pod, {}, advice, frozenset()).patch)
    changed = pod.get("spec", {}).get("containers") or []
    for old, new in zip(changed, after.get("spec", {}).get("containers") or [], strict=True):
        before = (old.get("resources") or {}).get("requests") or {}
        resources = new.get("resources") or {}
        for name, value in (resources.get("requests") or {}).items():
            limit = (resources.get("limits") or {}).get(name)
            if before.get(name) != value and name in {"cpu", "memory"} and limit is not None:
                assert parse(value) <= parse(limit)


@given(anything, namespaces)
@example({"metadata": {"annotations": None}, "spec": None}, {contract.LABEL_QOS_CLASS: "BE"})
def test_no_json_value_makes_a_review_fail(
    apply_patch: Applier, pod: Any, namespace: dict[str, str]
) -> None:
    answer = reviewed(pod, namespace, [], frozenset())
    assert answer.allowed
    apply_patch(pod, answer.patch)
    assert answer.reason


def test_a_hostile_note_of_the_original_requests_is_replaced(apply_patch: Applier) -> None:
    nested = "[" * 100_000
    advice = Recommendation(
        "w", "n", "k", "main", 0, 1, None, 0.5, None, None, None, None, None, None, 1.0, "because"
    )
    for note in (nested, "null", "[1]", '{"main": 3}', "{"):
        pod = {
            "metadata": {"annotations": {contract.ANNOTATION_ORIGINAL_REQUESTS: note}},
            "spec": {"containers": [{"name": "main"}]},
        }
        after = apply_patch(pod, reviewed(pod, {}, [advice], frozenset()).patch)
        notes = after["metadata"]["annotations"]
        assert notes[contract.ANNOTATION_ORIGINAL_REQUESTS] == '{"main": {"cpu": null}}'


@given(anything, anything)
def test_a_difference_turns_one_document_into_the_other(
    apply_patch: Applier, before: Any, after: Any
) -> None:
    """Under a key, since a patch cannot replace the root."""
    patch = difference({"x": before}, {"x": after})
    assert repr(apply_patch({"x": before}, patch)) == repr({"x": after})
