"""What is written on pods: the release patch, the binding, and the copy of a pod nobody owns."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from scheduler.adapters.copying import copy_of
from scheduler.adapters.pods import member_of
from scheduler.adapters.release import REQUIRED, binding, pinned, release
from scheduler.core.member import Decision, decision_of
from slacktide.contract import (
    ANNOTATION_DECISION,
    ANNOTATION_REPLACES,
    ANNOTATION_SUBMITTED,
    GATE_GANG,
)
from tests.scheduler.boards import batch_pod

DECISION = Decision(plan="3-f00d-7", node="n1", tasks=10, epoch=3, newest_s=5, at_s=9)
PIN = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
SSD = {"key": "disk", "operator": "In", "values": ["ssd"]}
HDD = {"key": "disk", "operator": "In", "values": ["hdd"]}


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


@pytest.mark.parametrize(
    ("affinity", "terms"),
    [
        (msgspec.Raw(), [{"matchFields": [PIN]}]),
        (raw({}), [{"matchFields": [PIN]}]),
        (raw({"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}}), [{"matchFields": [PIN]}]),
        (
            raw(
                {
                    "nodeAffinity": {
                        REQUIRED: {
                            "nodeSelectorTerms": [
                                {"matchExpressions": [SSD]},
                                {"matchExpressions": [HDD], "matchFields": [PIN]},
                            ]
                        }
                    }
                }
            ),
            [
                {"matchExpressions": [SSD], "matchFields": [PIN]},
                {"matchExpressions": [HDD], "matchFields": [PIN, PIN]},
            ],
        ),
    ],
)
def test_each_term_is_narrowed_and_none_is_added(
    affinity: msgspec.Raw, terms: list[dict[str, Any]]
) -> None:
    found = pinned(affinity, "n1")
    assert found["nodeAffinity"][REQUIRED]["nodeSelectorTerms"] == terms


def test_other_wishes_stay() -> None:
    wishes = {"podAffinity": {"x": 1}, "nodeAffinity": {"preferred": [1]}}
    found = pinned(raw(wishes), "n1")
    assert found["podAffinity"] == {"x": 1}
    assert found["nodeAffinity"]["preferred"] == [1]


def test_one_patch_tests_writes_and_lifts() -> None:
    pod = batch_pod("p", annotations={"a/b": "c"})
    operations = release(pod, member_of(pod), DECISION, pin=True)
    assert [(one["op"], one["path"]) for one in operations] == [
        ("test", "/metadata/uid"),
        ("test", "/spec/schedulingGates/0/name"),
        ("remove", "/spec/schedulingGates/0"),
        ("add", "/spec/affinity"),
        ("add", "/metadata/annotations/slacktide.io~1decision"),
    ]
    assert operations[1]["value"] == GATE_GANG
    assert decision_of(operations[-1]["value"]) == DECISION


def test_a_pod_without_gates_gets_the_decision_alone() -> None:
    pod = batch_pod("p", gates=())
    operations = release(pod, member_of(pod), DECISION, pin=True)
    assert [one["path"] for one in operations] == ["/metadata/uid", "/metadata/annotations"]


def test_a_binding_names_the_pod_by_its_uid_and_carries_the_decision() -> None:
    found = binding(member_of(batch_pod("p")), DECISION)
    assert found["metadata"]["uid"] == "uid-p"
    assert found["target"]["name"] == "n1"
    assert decision_of(found["metadata"]["annotations"][ANNOTATION_DECISION]) == DECISION


def manifest(name: str = "p", **spec: Any) -> dict[str, Any]:
    text = msgspec.json.encode(DECISION).decode()
    return {
        "metadata": {
            "name": name,
            "namespace": "team",
            "uid": "12345678-9",
            "resourceVersion": "7",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": "x"},
            "annotations": {ANNOTATION_DECISION: text, "own": "note"},
        },
        "spec": {"nodeName": "n1", "priority": 3, "containers": [{"name": "c"}], **spec},
        "status": {"phase": "Pending"},
    }


def test_a_copy_is_gated_free_and_for_the_one_it_replaces() -> None:
    first = {"nodeSelectorTerms": [{"matchExpressions": [SSD], "matchFields": [PIN]}]}
    found = copy_of(manifest(affinity={"nodeAffinity": {REQUIRED: first}}))
    assert found["metadata"] == {
        "name": "p-again-12345678",
        "namespace": "team",
        "labels": {"app": "x"},
        "annotations": {
            "own": "note",
            ANNOTATION_REPLACES: "12345678-9",
            ANNOTATION_SUBMITTED: "2026-01-01T00:00:00Z",
        },
    }
    assert found["spec"] == {
        "containers": [{"name": "c"}],
        "schedulingGates": [{"name": GATE_GANG}],
        "affinity": {
            "nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [SSD]}]}}
        },
    }


def test_a_copy_of_a_copy_keeps_the_age_of_the_first() -> None:
    body = manifest("p-again-0a0a0a0a")
    body["metadata"]["annotations"][ANNOTATION_SUBMITTED] = "2025-01-01T00:00:00Z"
    found = copy_of(body)["metadata"]["annotations"]
    assert found[ANNOTATION_SUBMITTED] == "2025-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("name", "copied"),
    [
        ("p-again-0a0a0a0a", "p-again-12345678"),
        ("x" * 63, "x" * 48 + "-again-12345678"),
    ],
)
def test_a_copys_name_does_not_grow(name: str, copied: str) -> None:
    assert copy_of(manifest(name))["metadata"]["name"] == copied


def test_an_affinity_that_was_only_the_pin_is_gone_with_it() -> None:
    only = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchFields": [PIN]}]}}}
    assert copy_of(manifest(affinity=only))["spec"]["affinity"] == {}
