"""What a server says, made into columns, and whose a container is."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.core.collect_answers import (
    Malformed,
    Series,
    parsed,
    parsed_names,
    samples,
    series_of_namespaces,
)
from predictor.core.collect_owners import Owner, facts
from predictor.core.collect_queries import FACTS, MEASURES, Ask, hour
from predictor.core.collect_settings import CollectSettings

SETTINGS = CollectSettings()
WINDOW = hour("east", "shop", 3_600)

plain = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5)
words = st.sampled_from(["status", "success", "data", "result", "resultType", "matrix", "metric"])
anything = st.recursive(
    plain | words, lambda inner: st.lists(inner) | st.dictionaries(words, inner), max_leaves=8
)
lines = st.lists(st.dictionaries(st.sampled_from(["metric", "values", "value"]), anything))


def body(result: Any, kind: str = "matrix", **more: Any) -> bytes:
    data = {"resultType": kind, "result": result}
    return json.dumps({"status": "success", "data": data, **more}).encode()


def line(*points: tuple[float, float], **labels: str) -> Series:
    ts = np.array([ts for ts, _ in points], np.int64)
    return Series(labels, ts, np.array([value for _, value in points], np.float64))


def of_pods(**answers: list[Series]) -> dict[Ask, list[Series]]:
    return {ask: answers.get(ask.name, []) for ask in (*FACTS, *MEASURES)}


@given(st.binary(max_size=50) | anything.map(lambda x: json.dumps(x).encode()) | lines.map(body))
def test_whatever_arrives_is_an_answer_or_malformed(said: bytes) -> None:
    for parse in (parsed, parsed_names):
        with suppress(Malformed):
            assert isinstance(parse(said), list)


@pytest.mark.parametrize(
    "point", [[10**400, "1"], [float("nan"), "1"], [1e300, "1"], [0, "much"], [0], 7, None]
)
def test_a_point_that_is_none_is_malformed(point: Any) -> None:
    with pytest.raises(Malformed):
        parsed(body([{"metric": {}, "values": [point]}]))


def test_values_come_as_text_with_their_labels() -> None:
    said = [{"metric": {"pod": "web"}, "values": [[3600, "0.5"], [3900.4, "NaN"], [4200, "+Inf"]]}]
    (series,) = parsed(body(said))
    assert series.labels == {"pod": "web"}
    assert series.ts_s.tolist() == [3600, 3900, 4200]
    assert series.values[0] == 0.5
    assert np.isnan(series.values[1])
    assert np.isinf(series.values[2])


def test_measures_of_a_container_stand_side_by_side() -> None:
    web = {"pod": "web", "container": "app"}
    found = samples(
        of_pods(
            CPU=[line((3_600, 0.5), (3_900, 0.6), **web)],
            CPU_MAX=[line((3_900, 0.9), **web)],
            MEMORY=[line((4_200, 1e9), **web)],
        ),
        WINDOW,
        SETTINGS,
    )
    assert found.ts_s.tolist() == [3_600, 3_900, 4_200]
    assert found.pod == ("shop/web",) * 3
    rows = {ask: found.measures[ask].tolist() for ask in MEASURES}
    assert rows[Ask.CPU] == pytest.approx([0.5, 0.6, float("nan")], nan_ok=True)
    assert rows[Ask.CPU_MAX] == pytest.approx([float("nan"), 0.9, float("nan")], nan_ok=True)
    assert rows[Ask.MEMORY] == pytest.approx([float("nan"), float("nan"), 1e9], nan_ok=True)


@pytest.mark.parametrize("ts_s", [3_599, 3_300, 3_601, 7_200, 2**52, -300])
def test_a_stamp_that_was_not_asked_for_is_dropped(ts_s: int) -> None:
    found = samples(of_pods(CPU=[line((ts_s, 0.5), pod="web")]), WINDOW, SETTINGS)
    assert (len(found.pod), found.dropped) == (0, 1)


def test_namespaces_are_counted_at_their_most() -> None:
    answer = [
        line((3_600, 3), (3_900, 7), namespace="shop"),
        line((3_600, 5), namespace="shop"),
        line((3_600, 2), namespace="a"),
        line((3_600, 9), namespace=""),
        line((3_600, float("nan")), namespace="odd"),
    ]
    assert series_of_namespaces(answer, SETTINGS) == {"a": 2, "shop": 7}


def owned(pod: str, kind: str, name: str, **labels: str) -> Series:
    return line((0, 1), pod=pod, owner_kind=kind, owner_name=name, **{"namespace": "shop"} | labels)


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
    sets = [line((0, 1), replicaset="web-5d", **deployment)]
    sets.append(line((0, 1), replicaset="alone", **none))
    jobs = [line((0, 1), job_name="nightly-28", **nightly)]
    pods = [owned("p", kind, name)]
    known = facts(of_pods(POD_OWNER=pods, REPLICASET_OWNER=sets, JOB_OWNER=jobs), SETTINGS)
    assert known.owner == {("shop", "p"): expected}


def test_of_two_owners_one_is_chosen_whatever_their_order() -> None:
    both = [owned("p", "<none>", "<none>"), owned("p", "DaemonSet", "a"), owned("p", "Job", "b")]
    for answer in (both, both[::-1]):
        found = facts(of_pods(POD_OWNER=answer), SETTINGS).owner
        assert found == {("shop", "p"): Owner("Job", "b")}


def test_names_of_the_scrape_itself_do_not_pass_for_the_pods() -> None:
    exported = CollectSettings(
        owner_namespace_label="exported_namespace",
        owner_pod_label="exported_pod",
        owner_container_label="exported_container",
    )
    scraped = {"namespace": "monitoring", "pod": "kube-state-metrics-0", "container": "ksm"}
    real = {"exported_namespace": "shop", "exported_pod": "p", "exported_container": "app"}
    request = line((0, 0.5), resource="cpu", **scraped, **real)
    known = facts(of_pods(REQUESTS=[request]), exported)
    assert known.size(("shop", "p"), "app", "cpu", Ask.REQUESTS) == 0.5
    assert np.isnan(known.size(("shop", "p"), "app", "cpu", Ask.LIMITS))
    assert np.isnan(known.size(("monitoring", "kube-state-metrics-0"), "ksm", "cpu", Ask.REQUESTS))
