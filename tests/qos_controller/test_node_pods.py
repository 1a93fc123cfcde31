"""Pods as an API server tells them, and what becomes of them in the book."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos_controller.adapters.book_file import decoded
from qos_controller.adapters.node_pods import NodePod, book_pod, book_pods, classed, grace_s
from qos_controller.core.pods import Book, Feed, Pod, Slo
from slacktide import contract

NOW_S = 2_000_000_000.0
MIB = float(2**20)
UID = "0e984725-c51c-4bf4-9960-e1c80e27aba0"


def no_promise(
    _uid: str, _notes: Mapping[str, str], _ips: tuple[str, ...]
) -> tuple[Slo | None, Feed | None]:
    return None, None


def pod(*, notes: dict[str, str] | None = None, **more: Any) -> NodePod:
    """One of these labels, annotations, and fields of its spec and status."""
    asked = more.pop("asked", [{}])
    spec = {"containers": [{"name": "c", "resources": one} for one in asked]}
    spec |= {key: more.pop(key) for key in list(more) if key not in {"labels", "status"}}
    text = {
        "metadata": {
            "name": "web",
            "namespace": more.get("namespace", "shop"),
            "uid": UID,
            "labels": more.pop("labels", {}),
            "annotations": notes or {},
            "creationTimestamp": "2033-05-18T03:00:00Z",
        },
        "spec": spec,
        "status": more.pop("status", {}),
    }
    return msgspec.convert(text, NodePod)


def booked(one: NodePod) -> Pod:
    return book_pod(one, promise=no_promise, now_s=NOW_S)


BATCH = {"requests": {contract.RESOURCE_BATCH_CPU: "500", contract.RESOURCE_BATCH_MEMORY: "1Gi"}}
PLAIN = {"requests": {"cpu": "500m", "memory": "64Mi"}}
BEST_EFFORT = {"qosClass": "BestEffort"}


@pytest.mark.parametrize(
    ("one", "name"),
    [
        (pod(labels={contract.LABEL_QOS_CLASS: "BE"}, asked=[PLAIN]), "BE"),
        (pod(labels={contract.LABEL_QOS_CLASS: "LSE"}), "LSE"),
        (pod(labels={contract.LABEL_QOS_CLASS: "LS"}, asked=[BATCH], status=BEST_EFFORT), "LS"),
        (pod(labels={contract.LABEL_QOS_CLASS: "gold"}, status=BEST_EFFORT), "LS"),
        (pod(notes={contract.LABEL_QOS_KATALYST: "reclaimed_cores"}), "BE"),
        (pod(notes={contract.LABEL_QOS_VOLCANO: "HLS"}), "LSR"),
        (
            pod(labels={contract.LABEL_QOS_CLASS: "BE"}, notes={contract.LABEL_QOS_VOLCANO: "LS"}),
            "LS",
        ),
        (pod(asked=[BATCH], status=BEST_EFFORT), "BE"),
        (pod(asked=[{"limits": BATCH["requests"]}]), "BE"),
        (pod(status=BEST_EFFORT), "BE"),
        (pod(status=BEST_EFFORT, priority=2_000_001_000), "LS"),
        (pod(status=BEST_EFFORT, priority=9_500), "LS"),
        (pod(asked=[PLAIN], priority=5_500), "BE"),
        (pod(asked=[PLAIN], priority=7_500), "LS"),
        (pod(asked=[PLAIN], priorityClassName=contract.PRIORITY_CLASS_BATCH), "BE"),
        (pod(asked=[PLAIN], status={"qosClass": "Burstable"}), "LS"),
        (pod(), "LS"),
        (pod(notes={contract.ANNOTATION_MIRROR_POD: "x"}, status=BEST_EFFORT), "LS"),
    ],
)
def test_the_class_of_a_pod(one: NodePod, name: str) -> None:
    assert classed(one).name == name
    assert booked(one).batch is (name == "BE")


def test_kube_proxy_asks_for_nothing_and_is_no_batch_pod() -> None:
    one = pod(status=BEST_EFFORT)
    system = msgspec.structs.replace(
        one, metadata=msgspec.structs.replace(one.metadata, namespace="kube-system")
    )
    assert (classed(one).name, classed(system).name) == ("BE", "LS")


def test_amounts_are_those_that_the_scheduler_counts() -> None:
    one = booked(
        pod(
            asked=[
                {"requests": {"cpu": "250m", "memory": "1Mi"}, "limits": {"cpu": "1"}},
                {"limits": {"cpu": "500m", "memory": "2Mi"}},
            ],
            initContainers=[
                {"name": "i", "resources": {"requests": {"memory": "8Mi"}}},
                {"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "1"}}},
            ],
            overhead={"cpu": "100m"},
        )
    )
    assert one.cpu_request_cores == pytest.approx(0.25 + 0.5 + 1 + 0.1)
    assert one.memory_request_bytes == 8 * MIB
    assert (one.cpu_limit_cores, one.memory_limit_bytes) == (1.5, None)
    assert (one.batch_cpu_cores, one.batch_memory_bytes) == (None, None)


def test_what_a_pod_as_a_whole_asks_for_stands_for_its_containers() -> None:
    whole = {"requests": {"cpu": "2"}, "limits": {"cpu": "3"}}
    one = booked(pod(asked=[PLAIN, {}], resources=whole))
    assert (one.cpu_request_cores, one.cpu_limit_cores) == (2.0, 3.0)
    assert one.memory_request_bytes == 64 * MIB


def test_batch_amounts_are_milli_cores_and_bytes() -> None:
    one = booked(pod(asked=[BATCH, BATCH]))
    assert (one.batch_cpu_cores, one.batch_memory_bytes) == (1.0, 2_048 * MIB)


def test_a_static_pod_is_known_by_the_name_of_its_cgroup() -> None:
    notes = {contract.ANNOTATION_MIRROR_POD: "h", "kubernetes.io/config.hash": "a" * 32}
    assert booked(pod(notes=notes)).uid == "a" * 32
    assert booked(pod(notes={"kubernetes.io/config.hash": "a" * 32})).uid == UID
    assert booked(pod(notes=notes | {"kubernetes.io/config.hash": "../.."})).uid == UID


def test_of_two_that_say_they_are_the_same_the_online_one_counts() -> None:
    notes = {contract.ANNOTATION_MIRROR_POD: "h", "kubernetes.io/config.hash": "a" * 32}
    forged = pod(notes=notes, labels={contract.LABEL_QOS_CLASS: "BE"})
    for order in ([pod(notes=notes), forged], [forged, pod(notes=notes)]):
        [one] = book_pods(order, promise=no_promise, now_s=NOW_S)
        assert not one.batch


def test_what_has_ended_is_not_in_the_book() -> None:
    ended = pod(status={"phase": "Succeeded"})
    assert book_pods([ended], promise=no_promise, now_s=NOW_S) == ()


@pytest.mark.parametrize(
    ("notes", "gang"),
    [
        ({}, ("", 0, 1)),
        (
            {
                contract.ANNOTATION_GANG_NAME: "g",
                contract.ANNOTATION_GANG_MIN: "3",
                contract.ANNOTATION_GANG_TOTAL: "5",
            },
            ("shop/g", 2, 5),
        ),
        (
            {contract.ANNOTATION_GANG_NAME: "g", contract.ANNOTATION_GANG_TOTAL: "5"},
            ("shop/g", 0, 5),
        ),
        ({contract.KOORDINATOR_GANG: "k", contract.KOORDINATOR_MIN: "4"}, ("shop/k", 0, 4)),
        (
            {contract.ANNOTATION_GANG_NAME: "g", contract.ANNOTATION_GANG_MIN: "-1e9"},
            ("shop/g", 0, 1),
        ),
    ],
)
def test_the_gang_of_a_pod(notes: dict[str, str], gang: tuple[str, int, int]) -> None:
    one = booked(pod(notes=notes))
    assert (one.gang, one.gang_slack, one.gang_members) == gang


@pytest.mark.parametrize(
    ("said", "saved_s"),
    [
        ("2033-05-18T03:00:00Z", 1_999_998_000.0),
        ("2033-05-18T05:00:00+02:00", 1_999_998_000.0),
        ("2099-01-01T00:00:00Z", None),
        ("2033-05-18T03:00:00", None),
        ("yesterday", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("", None),
    ],
)
def test_a_checkpoint_is_a_time_that_was(said: str, saved_s: float | None) -> None:
    assert booked(pod(notes={contract.ANNOTATION_CHECKPOINT: said})).checkpoint_s == saved_s


@pytest.mark.parametrize(
    ("said", "own_s", "most_s", "given_s"),
    [
        ("5m", 30, 3_600, 300),
        ("5m", 30, 20, 20),
        ("", 30, 3_600, None),
        ("", 30, 20, 20),
        ("soon", 30, 3_600, None),
        ("9" * 1_000_000, 30, 3_600, None),
        ("400d", 30, 3_600, 3_600),
    ],
)
def test_the_grace_of_an_eviction(said: str, own_s: int, most_s: float, given_s: int) -> None:
    one = pod(
        notes={contract.ANNOTATION_GRACE: said} if said else {},
        terminationGracePeriodSeconds=own_s,
    )
    assert grace_s(one, most_s=most_s) == given_s


def test_a_pod_on_the_nodes_network_has_no_addresses_of_its_own() -> None:
    told = {"podIPs": [{"ip": "10.0.0.7"}, {"ip": "nonsense"}, {"ip": "fd00::7"}]}
    assert booked(pod(status=told)).ips == ("10.0.0.7", "fd00::7")
    assert booked(pod(status=told, hostNetwork=True)).ips == ()


@given(
    st.dictionaries(
        st.sampled_from(
            [value for name, value in vars(contract).items() if name.startswith("ANNOTATION_")]
            + ["kubernetes.io/config.hash", contract.KOORDINATOR_GANG, contract.KOORDINATOR_MIN]
        ),
        st.text(max_size=50) | st.integers().map(str),
    )
)
def test_whatever_an_annotation_says_the_book_can_be_read(notes: dict[str, str]) -> None:
    book = Book(
        node="n",
        written_s=NOW_S,
        pods=book_pods([pod(notes=notes)], promise=no_promise, now_s=NOW_S),
    )
    assert decoded(msgspec.json.encode(book)) == book
