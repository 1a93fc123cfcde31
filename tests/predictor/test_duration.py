"""How long a gang will run, from the finished ones of its queue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.core.duration import ENOUGH, UNKNOWN_S, Durations

runs = st.lists(st.floats(1, 1e6), min_size=ENOUGH, max_size=60)


def learnt(*durations_s: float, queue: int = 0, percentile: float = 0.9) -> Durations:
    known = Durations(percentile=percentile)
    for duration_s in durations_s:
        known.learn(queue, duration_s)
    return known


@pytest.mark.parametrize("finished", [0, 1, ENOUGH - 1])
def test_too_few_finished_gangs_are_no_ground_for_a_prediction(finished: int) -> None:
    known = learnt(*[60.0] * finished)
    assert known.predict_s(0) == UNKNOWN_S
    assert known.reason(0) == (
        f"unknown: only {finished} gangs of its queue have finished, {ENOUGH} needed"
    )


def test_enough_of_them_predict_their_percentile() -> None:
    known = learnt(*range(100, 2_100, 100))  # twenty: the 18th is the 90th percentile
    assert known.predict_s(0) == 1_800
    assert known.reason(0) == "1800 s: 90% of the 20 finished gangs of its queue were shorter"


@given(durations_s=runs, percentile=st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_at_least_the_percentile_ran_no_longer_and_one_of_them_ran_so_long(
    durations_s: list[float], percentile: float
) -> None:
    known = learnt(*durations_s, percentile=percentile)
    predicted = known.predict_s(0)
    shorter = sum(duration_s <= predicted for duration_s in durations_s)
    assert shorter >= percentile * len(durations_s) - 1e-9
    assert any(predicted - 1 < duration_s <= predicted for duration_s in durations_s)


@given(durations_s=runs, data=st.data())
def test_the_order_of_learning_does_not_matter(
    durations_s: list[float], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(durations_s))
    assert learnt(*shuffled).predict_s(0) == learnt(*durations_s).predict_s(0)


@given(durations_s=runs)
def test_a_prediction_is_of_finished_gangs_of_that_queue_alone(durations_s: list[float]) -> None:
    known = learnt(*durations_s, queue=3)
    before = known.predict_s(3)
    for _ in range(ENOUGH):
        known.learn(4, 1e9)
    assert known.predict_s(3) == before
    assert known.predict_s(4) == 10**9
    assert known.predict_s(5) == UNKNOWN_S


def test_queues_of_one_predictor_are_not_those_of_another() -> None:
    learnt(*[60.0] * ENOUGH)
    assert Durations().predict_s(0) == UNKNOWN_S


def test_unknown_is_longer_than_anything_a_forecast_answers_for() -> None:
    assert UNKNOWN_S > 400 * 86_400
