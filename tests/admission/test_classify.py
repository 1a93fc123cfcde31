"""Who says what a pod is, as a table."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from admission.core.classify import Classified, classify
from admission.core.pod import read_pod
from slacktide import contract

K = contract.LABEL_QOS_CLASS
T = contract.LABEL_QOS_KATALYST
V = contract.LABEL_QOS_VOLCANO


def classified(
    labels: Mapping[str, str],
    *,
    priority: int | None = None,
    priority_class: str = "",
    annotations: Mapping[str, str] | None = None,
    namespace: Mapping[str, str] | None = None,
) -> Classified:
    spec = {"priority": priority, "priorityClassName": priority_class}
    metadata = {"labels": dict(labels), "annotations": annotations}
    return classify(
        read_pod({"metadata": metadata, "spec": spec}),
        namespace_labels=namespace or {},
        batch_priority_class="slacktide-batch",
    )


@pytest.mark.parametrize("name", contract.QOS_CLASSES)
def test_the_label_names_the_class(name: str) -> None:
    assert classified({K: name}).pod_class == name


@pytest.mark.parametrize(
    ("key", "value", "pod_class"),
    [
        (T, "dedicated_cores", "LSE"),
        (T, "shared_cores", "LS"),
        (T, "reclaimed_cores", "BE"),
        (T, "system_cores", "LS"),
        (V, "LC", "LSE"),
        (V, "HLS", "LSR"),
        (V, "LS", "LS"),
        (V, "BE", "BE"),
    ],
)
def test_the_peers_spellings_count_as_label_and_as_annotation(
    key: str, value: str, pod_class: str
) -> None:
    assert classified({key: value}).pod_class == pod_class
    assert classified({}, annotations={key: value}).pod_class == pod_class


@pytest.mark.parametrize(
    ("priority", "pod_class", "is_said"),
    [
        (2_000_001_000, "LS", True),
        (9000, "LS", True),
        (8500, "LS", False),
        (7000, "LS", True),
        (5999, "BE", True),
        (3000, "BE", True),
        (2999, "LS", False),
        (0, "LS", False),
        (-10, "LS", False),
        (None, "LS", False),
    ],
)
def test_the_priority_band_says_it_where_no_label_does(
    priority: int | None, pod_class: str, is_said: bool
) -> None:
    found = classified({}, priority=priority)
    assert (found.pod_class, found.is_said) == (pod_class, is_said)


@pytest.mark.parametrize(
    ("labels", "priority", "pod_class", "is_torn"),
    [
        ({K: "BE", T: "reclaimed_cores", V: "BE"}, 5000, "BE", False),
        ({K: "LSR"}, 9500, "LSR", False),
        ({K: "BE"}, 7500, "BE", False),
        ({K: "BE"}, 9500, "LS", True),
        ({K: "LS"}, 5000, "LS", True),
        ({K: "LSE"}, 7500, "LSE", True),
        ({K: "BE", T: "shared_cores"}, None, "LS", True),
        ({K: "LS", V: "LC"}, None, "LSE", True),
    ],
)
def test_where_votes_cannot_all_be_true_the_most_careful_wins(
    labels: Mapping[str, str], priority: int | None, pod_class: str, is_torn: bool
) -> None:
    found = classified(labels, priority=priority)
    assert (found.pod_class, bool(found.conflict)) == (pod_class, is_torn)
    assert bool(found.warnings) is is_torn


def test_our_own_priority_class_says_offline_before_its_number_is_known() -> None:
    assert classified({}, priority_class="slacktide-batch").pod_class == "BE"


def test_the_namespace_counts_only_where_the_pod_is_silent() -> None:
    assert classified({}, namespace={K: "BE"}).pod_class == "BE"
    assert classified({K: "LS"}, namespace={K: "BE"}).pod_class == "LS"
    assert not classified({K: "LS"}, namespace={K: "BE"}).conflict


def test_a_word_nobody_knows_counts_as_online_and_is_reported() -> None:
    found = classified({K: "BEE"}, namespace={K: "BE"})
    assert found.pod_class == "LS"
    assert found.warnings == (f"label {K}='BEE' is not known and counts as LS",)


def test_a_namespace_with_an_unknown_default_has_none_and_says_so() -> None:
    found = classified({}, namespace={K: "batch"})
    assert (found.pod_class, found.is_said) == ("LS", False)
    assert found.warnings == (f"the namespace's {K}='batch' is not known",)
