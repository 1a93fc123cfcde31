"""Whose a container is, and what else is known of it and of nodes."""

from __future__ import annotations

import json

import pytest

from predictor.core.collect_answers import Answer, together
from predictor.core.collect_facts import Facts, facts
from predictor.core.collect_owners import Owner
from predictor.core.collect_queries import Ask
from predictor.core.collect_settings import CollectSettings
from tests.predictor.answering import line

SETTINGS = CollectSettings()
POD = {"namespace": "shop", "pod": "p"}
APP = POD | {"container": "app"}
NAME = ("shop", "p", "app")


def known(settings: CollectSettings = SETTINGS, **answers: list[Answer]) -> Facts:
    return facts({Ask[name]: together(told) for name, told in answers.items()}, settings)


def fact(value: float = 1.0, /, **labels: str) -> Answer:
    return line((0, value), **labels)


def owned(kind: str, name: str) -> Answer:
    return fact(**POD, owner_kind=kind, owner_name=name)


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("ReplicaSet", "web-5d", Owner("Deployment", "web")),
        ("ReplicaSet", "alone", Owner("ReplicaSet", "alone")),
        ("ReplicaSet", "unheard-of", Owner("ReplicaSet", "unheard-of")),
        ("Job", "nightly-28", Owner("CronJob", "nightly")),
        ("StatefulSet", "web-5d", Owner("StatefulSet", "web-5d")),
        ("<none>", "<none>", Owner("Pod", "p")),
        ("", "", Owner("Pod", "p")),
    ],
)
def test_an_owner_is_followed_to_the_top(kind: str, name: str, expected: Owner) -> None:
    deployment = {"owner_kind": "Deployment", "owner_name": "web", "namespace": "shop"}
    none = {"owner_kind": "<none>", "owner_name": "<none>", "namespace": "shop"}
    nightly = {"owner_kind": "CronJob", "owner_name": "nightly", "namespace": "shop"}
    sets = [fact(replicaset="web-5d", **deployment), fact(replicaset="alone", **none)]
    jobs = [fact(job_name="nightly-28", **nightly)]
    got = known(POD_OWNER=[owned(kind, name)], REPLICASET_OWNER=sets, JOB_OWNER=jobs)
    assert got.owner == {("shop", "p"): expected}


def test_of_two_owners_one_is_chosen_whatever_their_order() -> None:
    both = [owned("<none>", "<none>"), owned("DaemonSet", "a"), owned("Job", "b")]
    for answer in (both, both[::-1]):
        assert known(POD_OWNER=answer).owner == {("shop", "p"): Owner("Job", "b")}


def test_names_of_the_scrape_itself_do_not_pass_for_the_pods() -> None:
    exported = CollectSettings(
        owner_namespace_label="exported_namespace",
        owner_pod_label="exported_pod",
        owner_container_label="exported_container",
    )
    scraped = {"namespace": "monitoring", "pod": "ksm-0", "container": "ksm"}
    real = {"exported_namespace": "shop", "exported_pod": "p", "exported_container": "app"}
    got = known(exported, REQUESTS=[fact(0.5, resource="cpu", **scraped, **real)])
    assert got.container(NAME)["cpu_request_cores"] == 0.5
    assert got.container(NAME)["cpu_limit_cores"] is None
    assert got.container(("monitoring", "ksm-0", "ksm"))["cpu_request_cores"] is None


def test_nothing_asked_is_nothing_known() -> None:
    assert set(Facts().container(NAME).values()) == {None}
    assert facts({}, SETTINGS) == Facts()


def test_images_nodes_and_labels_are_as_the_server_says() -> None:
    labels = fact(**POD, label_tier="b", label_app='a"b', job="ksm")
    got = known(
        IMAGE=[fact(**APP, image="reg/app:2"), fact(**APP, image="reg/app:1"), fact(**APP)],
        LABELS=[labels, fact(namespace="shop", pod="bare", job="ksm")],
        POD_INFO=[fact(**POD, node="n1"), fact(**POD)],
    )
    told = got.container(NAME)
    assert (told["image"], told["node"]) == ("reg/app:2", "n1")
    assert told["labels"] == json.dumps({"app": 'a"b', "tier": "b"})
    assert got.container(("shop", "bare", "app"))["labels"] is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_a_size_that_is_none_is_unknown_and_of_two_the_larger_counts(value: float) -> None:
    sizes = [fact(size, **APP, resource="cpu") for size in (0.5, value, 0.25)]
    assert known(LIMITS=sizes).container(NAME)["cpu_limit_cores"] == 0.5
    assert known(LIMITS=sizes[1:2]).container(NAME)["cpu_limit_cores"] is None


HPA = {"namespace": "shop", "horizontalpodautoscaler": "web"}
SCALES = fact(**HPA, scaletargetref_kind="Deployment", scaletargetref_name="web")
REPLICASET = fact(namespace="shop", replicaset="web-5d", owner_kind="Deployment", owner_name="web")


@pytest.mark.parametrize(
    ("value", "of", "kind", "cpu", "memory"),
    [
        (80, "cpu", "utilization", 0.8, None),
        (70, "memory", "utilization", None, 0.7),
        (1.5, "cpu", "average", 0.75, None),  # of the two cores that the pod's containers request
        (1.5, "memory", "average", None, None),  # of nothing requested
        (100, "requests_per_second", "average", None, None),
        (3, "cpu", "value", None, None),
    ],
)
def test_an_autoscalers_target_is_a_share_of_the_request(
    value: float, of: str, kind: str, cpu: float | None, memory: float | None
) -> None:
    target = fact(value, **HPA, metric_name=of, metric_target_type=kind)
    requests = [
        fact(size, **POD, container=name, resource="cpu")
        for name, size in (("app", 1.5), ("sidecar", 0.5))
    ]
    got = known(
        HPA_TARGET=[target],
        HPA_INFO=[SCALES],
        POD_OWNER=[owned("ReplicaSet", "web-5d")],
        REPLICASET_OWNER=[REPLICASET],
        REQUESTS=requests,
    ).container(NAME)
    assert (got["hpa_cpu_target_share"], got["hpa_memory_target_share"]) == (cpu, memory)


def test_an_autoscaler_of_another_workload_or_of_none_is_left_alone() -> None:
    target = fact(80, **HPA, metric_name="cpu", metric_target_type="utilization")
    for infos, owner in (([], "web"), ([SCALES], "other")):
        pods = [owned("Deployment", owner)]
        got = known(HPA_TARGET=[target], HPA_INFO=infos, POD_OWNER=pods).container(NAME)
        assert got["hpa_cpu_target_share"] is None


@pytest.mark.parametrize(
    ("pools", "heap"),
    [
        ({"G1 Eden Space": -1, "G1 Survivor Space": -1, "G1 Old Gen": 4e9}, 4e9),
        ({"PS Eden Space": 1e9, "PS Survivor Space": 0.5e9, "PS Old Gen": 2e9}, 3.5e9),
        ({"": 2e9}, 2e9),
        ({"G1 Eden Space": -1}, None),
    ],
)
def test_a_heap_is_the_sum_of_its_bounded_pools(pools: dict[str, float], heap: float) -> None:
    lines = [fact(size, **APP, id=pool) for pool, size in pools.items()]
    assert known(JVM_HEAP=lines).container(NAME)["jvm_heap_bytes"] == heap
    assert known(JVM_OLD_HEAP=lines).container(NAME)["jvm_heap_bytes"] == heap
    both = known(JVM_HEAP=[fact(1e9, **APP, id="heap")], JVM_OLD_HEAP=lines)
    assert both.container(NAME)["jvm_heap_bytes"] == 1e9


def test_what_pods_may_use_of_a_node_goes_before_what_it_has() -> None:
    got = known(
        ALLOCATABLE=[fact(15, node="n1", resource="cpu")],
        CAPACITY=[fact(16, node="n1", resource="cpu"), fact(8, node="n2", resource="cpu")],
    )
    assert got.nodes == {("n1", "cpu"): 15, ("n2", "cpu"): 8}
