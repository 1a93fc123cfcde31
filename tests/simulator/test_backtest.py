from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.core.history import History, history_of
from simulator.core.backtest import oracle_peaks, prediction_times, predictions, score
from simulator.core.generate import generate_trace
from simulator.core.generate_shape import OnlineShape
from simulator.core.policies.catalogue import NAMES, make
from slacktide.errors import BadInput
from slacktide.trace import Trace, read_trace

REAL = Path(__file__).parents[3] / "shared" / "traces" / "bitbrains-rnd"
DAY_S = 86_400

# Published for this trace beside it: violation and share of the oracle's savings, 24 h ahead.
PUBLISHED = {
    "borg-default": (0.0, 0.127),
    "n-sigma": (0.339, 0.899),
    "n-sigma:10": (0.217, 0.701),
    "koordinator-formula": (0.016, 0.637),
    "max-of-week:1.1": (0.051, 0.880),
    "max-of-week:1.3": (0.011, 0.808),
    "rc-like": (0.055, 0.881),
}


@pytest.fixture(scope="module")
def small() -> Trace:
    return generate_trace(OnlineShape(), seed=5, nodes_per_cluster=3, days=16)


@pytest.fixture(scope="module")
def real() -> History:
    if not REAL.is_dir():
        pytest.skip("the real traces are not beside the project")
    return history_of(read_trace(REAL))


def make_policy(name: str, history: History) -> object:
    return make(name, history, cpu_risk=0.01, memory_risk=0.001)


def test_a_perfect_forecast_violates_nothing_and_saves_all_there_is() -> None:
    came = np.array([[2.0, 3.0], [1.0, 0.5]])
    perfect = score("perfect", came, came, np.array([4.0, 4.0]))
    assert (perfect.violation, perfect.severity, perfect.of_oracle) == (0, 0, 1)
    assert perfect.savings == pytest.approx(1 - 6.5 / 16)


def test_a_short_forecast_is_counted_by_node_and_by_how_much_it_was_short() -> None:
    came, kept = np.array([[2.0, 4.0], [1.0, 1.0]]), np.array([[2.0, 3.0], [2.0, 2.0]])
    found = score("short", kept, came, np.array([4.0, 4.0]))
    assert found.violation == 0.25
    assert found.worst_node == 0.5
    assert found.severity == pytest.approx(0.25 / 4)


def test_no_answer_saves_nothing_and_is_not_scored() -> None:
    came = np.array([[2.0, 2.0]])
    found = score("silent", np.array([[np.nan, 2.0]]), came, np.array([4.0]))
    assert found.scored == 1
    assert found.savings == pytest.approx(0.25)


@given(st.data())
def test_keeping_more_never_violates_more_and_never_saves_more(data: st.DataObject) -> None:
    numbers = st.lists(st.floats(0, 10), min_size=6, max_size=6)
    came = np.array(data.draw(numbers)).reshape(2, 3)
    kept = np.array(data.draw(numbers)).reshape(2, 3)
    capacity = np.array([10.0, 10.0])
    less, more = (score("p", k, came, capacity) for k in (kept, kept + 0.5))
    assert more.violation <= less.violation
    assert more.savings <= less.savings


def test_times_have_their_whole_horizon_inside_the_trace(small: Trace) -> None:
    history = history_of(small)
    times = prediction_times(history, from_day=14, every_s=3 * 3600, horizon_s=DAY_S)
    last_s = (history.cpu_cores.shape[1] - 1) * history.interval_s
    assert times[0] == 14 * DAY_S
    assert set(np.diff(times)) == {3 * 3600}
    assert last_s - times[-1] > DAY_S


@pytest.mark.parametrize("name", [name for name in NAMES if name != "oracle"])
def test_every_policy_is_blind_to_the_future(name: str, small: Trace) -> None:
    whole = history_of(small)
    times = [14 * DAY_S, 14 * DAY_S + 3 * 3600, 15 * DAY_S]
    seen = list(predictions(make_policy(name, whole), whole, times))  # type: ignore[arg-type]
    past = history_of(small.until(times[-1]))
    blind = list(predictions(make_policy(name, past), past, times))  # type: ignore[arg-type]
    for one, other in zip(seen, blind, strict=True):
        np.testing.assert_array_equal(one.peak_cpu_cores, other.peak_cpu_cores)
        np.testing.assert_array_equal(one.peak_memory_bytes, other.peak_memory_bytes)
        assert one.reasons(0, 0) == other.reasons(0, 0)


def test_the_oracle_sees_what_comes_to_those_that_are_there(small: Trace) -> None:
    history = history_of(small)
    now_s = 14 * DAY_S
    column = now_s // history.interval_s
    ahead = np.nan_to_num(history.cpu_cores[:, column + 1 : column + 13])
    there = history.resident(now_s)
    by_hand = [
        ahead[there & (history.node == node)].sum(axis=0).max()
        for node in range(len(history.nodes))
    ]
    found = oracle_peaks(history, [now_s], horizon_s=3600, memory=False)[:, 0]
    np.testing.assert_allclose(found, by_hand, rtol=1e-6)


@pytest.mark.parametrize("name", ["n-sigma:x", "n-sigma:-1", "nobody", "oracle:2", "slacktide:3"])
def test_a_policy_that_does_not_exist_is_refused_by_name(name: str, small: Trace) -> None:
    with pytest.raises(BadInput, match="policy"):
        make_policy(name, history_of(small))


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_peers_score_as_published_on_a_real_trace(name: str, real: History) -> None:
    times = prediction_times(real, from_day=14, every_s=3 * 3600, horizon_s=DAY_S)
    came = oracle_peaks(real, times, horizon_s=DAY_S, memory=False)
    policy = make(name, real, cpu_risk=0.01, memory_risk=0.001)
    made = predictions(policy, real, times)
    kept = np.stack([forecast.peak_cpu_cores[:, -1] for forecast in made], axis=1)
    found = score(name, kept, came, real.node_cpu_cores)
    violation, of_oracle = PUBLISHED[name]
    assert found.violation == pytest.approx(violation, abs=0.01)
    assert found.of_oracle == pytest.approx(of_oracle, abs=0.01)
