"""Sizes for the young: which rung answers, within which bounds, with how much confidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.core.borrowed import CONFIDENCE, borrowed
from predictor.core.cold import GROUP_SERIES, NAMESPACE_SERIES

NOBODY: dict[str, Any] = {"declared": 2.0, "used": 0.1}


def asked(**more: Any) -> Any:
    evidence = {"replicas": [], "group": [], "shares": []} | {
        name: more.pop(name) for name in ("replicas", "group", "shares") if name in more
    }
    arrays: Any = {name: np.array(values, dtype=np.float64) for name, values in evidence.items()}
    return borrowed(**{**NOBODY, **more}, **arrays)


@pytest.mark.parametrize(
    ("evidence", "size", "rung", "why"),
    [
        ({"replicas": [0.5, 0.7]}, 0.7, "replicas", "the largest of 2 earlier replicas"),
        (
            {"group": [0.4, 0.6, 0.5]},
            0.6,
            "group",
            "the largest of 3 with its image or labels",
        ),
        (
            {"shares": [0.25] * NAMESPACE_SERIES},
            0.5,
            "namespace",
            f"0.25 of what it declares, as {NAMESPACE_SERIES} in its namespace",
        ),
        (
            {"replicas": [0.5], "group": [9.0] * 5, "shares": [1.0] * 99},
            0.5,
            "replicas",
            "the largest of 1 earlier replicas",
        ),
        (
            {"replicas": [5.0]},
            2.0,
            "replicas",
            "what it declares, below the largest of 1 earlier replicas",
        ),
        (
            {"replicas": [0.5], "used": 0.9},
            0.9,
            "replicas",
            "what it used already, above the largest of 1 earlier replicas",
        ),
        (
            {"replicas": [0.5], "used": 3.0},
            3.0,
            "replicas",
            "what it used already, above the largest of 1 earlier replicas",
        ),
        ({"replicas": [5.0], "declared": None}, 5.0, "replicas", "the largest of 1 earlier"),
    ],
)
def test_the_first_rung_with_enough_evidence_answers_and_says_so(
    evidence: dict[str, Any], size: float, rung: str, why: str
) -> None:
    found = asked(**evidence)
    assert found.size == pytest.approx(size)
    assert found.confidence == CONFIDENCE[rung]
    assert found.reason.startswith(why)
    assert found.reason.endswith(f"(confidence {CONFIDENCE[rung]:g})")


@pytest.mark.parametrize(
    "evidence",
    [
        {},
        {"group": [1.0] * (GROUP_SERIES - 1)},
        {"shares": [0.5] * (NAMESPACE_SERIES - 1)},
        {"shares": [0.5] * NAMESPACE_SERIES, "declared": None},
    ],
)
def test_too_little_evidence_is_no_answer(evidence: dict[str, Any]) -> None:
    assert asked(**evidence) is None


def test_each_step_further_away_is_believed_less() -> None:
    assert 0.5 >= CONFIDENCE["replicas"] > CONFIDENCE["group"] > CONFIDENCE["namespace"] > 0


SIZES = st.lists(st.floats(0.001, 100), max_size=40)


@given(
    declared=st.one_of(st.none(), st.floats(0.001, 100)),
    used=st.floats(0, 100),
    replicas=SIZES,
    group=SIZES,
    shares=SIZES,
)
def test_at_least_what_was_used_and_at_most_that_or_what_is_declared(
    declared: float | None, used: float, **evidence: list[float]
) -> None:
    found = asked(declared=declared, used=used, **evidence)
    if found is not None:
        assert found.size >= used
        assert declared is None or found.size <= max(used, declared)
