"""What a server says, made into columns."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.core.collect_answers import (
    Malformed,
    parsed,
    parsed_names,
    series_of_namespaces,
    together,
)
from predictor.core.collect_settings import CollectSettings
from tests.predictor.answering import line

plain = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5)
words = st.sampled_from(["status", "success", "data", "result", "resultType", "matrix", "metric"])
anything = st.recursive(
    plain | words, lambda inner: st.lists(inner) | st.dictionaries(words, inner), max_leaves=8
)
lines = st.lists(st.dictionaries(st.sampled_from(["metric", "values", "value"]), anything))


def body(result: Any, kind: str = "matrix", **more: Any) -> bytes:
    data = {"resultType": kind, "result": result}
    return json.dumps({"status": "success", "data": data, **more}).encode()


@settings(deadline=None)  # a busy machine is no failure
@given(st.binary(max_size=50) | anything.map(lambda x: json.dumps(x).encode()) | lines.map(body))
def test_whatever_arrives_is_an_answer_or_malformed(said: bytes) -> None:
    with suppress(Malformed):
        parsed(said)
    with suppress(Malformed):
        assert isinstance(parsed_names(said), list)


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(0, 60), st.binary(min_size=1, max_size=3))
def test_a_changed_byte_never_ends_the_run(at: int, other: bytes) -> None:
    said = body([{"metric": {"pod": "web"}, "values": [[3600, "0.5"], [3900, "1"]]}])
    with suppress(Malformed):
        parsed(said[: at + 60] + other + said[at + 61 :])


@pytest.mark.parametrize(
    "point", [[10**400, "1"], [float("nan"), "1"], [1e300, "1"], [0, "much"], [0], 7, None]
)
@pytest.mark.parametrize("compact", [True, False])
def test_a_point_that_is_none_is_malformed(point: Any, compact: bool) -> None:
    said = body([{"metric": {}, "values": [point]}])
    with pytest.raises(Malformed):
        parsed(said.replace(b" ", b"") if compact else said)


@pytest.mark.parametrize("compact", [True, False])
def test_values_come_as_text_with_their_labels(compact: bool) -> None:
    points = [[3600, "0.5"], [3900.4, "NaN"], [4200, "+Inf"], [4500, "-1e-05"], [4800, "2e+09"]]
    labels = {"pod": "web", "odd": '"values":[[1,"2"]] {}'}
    said = body([{"metric": labels, "values": points}, {"metric": {}, "values": points[:1]}])
    found = parsed(said.replace(b", ", b",").replace(b": ", b":") if compact else said)
    assert found.labels == (labels, {})
    assert found.series.tolist() == [0] * 5 + [1]
    assert found.ts_s.tolist() == [3600, 3900, 4200, 4500, 4800, 3600]
    assert found.values.tolist() == pytest.approx(
        [0.5, float("nan"), float("inf"), -1e-05, 2e9, 0.5], nan_ok=True
    )


def test_instant_values_and_series_without_points_are_answers_too() -> None:
    vector = [{"metric": {"pod": "a"}, "value": [7, "3"]}]
    found = parsed(body([*vector, {"metric": {"pod": "b"}, "values": []}], "vector"))
    assert [(labels["pod"], value) for labels, value in found.last()] == [("a", 3.0)]
    assert len(parsed(body([])).values) == 0


def test_parts_of_an_answer_become_one() -> None:
    one = line((3_600, 1), (3_900, 2), pod="a")
    both = together([one, line(pod="b"), line((3_600, 5), pod="c")])
    assert list(both.last()) == [({"pod": "a"}, 2.0), ({"pod": "c"}, 5.0)]
    assert len(together([]).labels) == 0


def test_series_of_a_namespace_are_counted_by_the_hour() -> None:
    answer = together(
        [
            line((6_900, 3), (10_500, 7), namespace="shop"),
            line((6_900, 5), namespace="shop"),
            line((6_900, 2), namespace="a"),
            line((6_900, 9), namespace=""),
            line((6_900, float("nan")), namespace="odd"),
        ]
    )
    assert series_of_namespaces(answer, CollectSettings()) == {
        3_600: {"a": 2, "shop": 5},
        7_200: {"shop": 7},
    }
