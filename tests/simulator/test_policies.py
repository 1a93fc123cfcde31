"""Each peer's formula against numbers worked out by hand, and what all of them have in common."""

from __future__ import annotations

import numpy as np
import pytest

from predictor.core.history import History
from simulator.core.policies.catalogue import NAMES, PEERS, make, parsed
from simulator.core.policies.of_pods import LEVELS
from simulator.core.policies.rules import Known
from slacktide.errors import BadInput
from slacktide.messages import FloatArray
from tests.simulator.fleets import DAY, DAY_S, STEP_S, fleet

HOUR_S = 3_600


def kept(name: str, history: History, now_s: int, horizon_s: int = DAY_S) -> float:
    """Cores kept of the first node."""
    policy = make(name, history, cpu_risk=0.01, memory_risk=0.001, horizons_s=(horizon_s,))
    return float(policy.forecast(history.until(now_s), now_s).peak_cpu_cores[0, 0])


def steady(value: float, days: int = 10) -> FloatArray:
    return np.full((1, days * DAY), value)


NOW_S = 10 * DAY_S - STEP_S  # the last sample of ten days


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("requests-only", 4.0),
        ("borg-default", 0.9 * 16),
        ("n-sigma", 2.0),
        ("n-sigma-samples", 2.0),
        ("hourly-sigma", 2.0),
        ("rc-like", 2.0),
        ("rc-like:1.5", 3.0),
        ("max-of-week", 1.3 * 2),
        ("persistence", 2.0),
        ("koordinator", 0.4 * 16 + 2),
        ("koordinator:0.5", 0.5 * 16 + 2),
        ("crane", 1.15 * 2),
    ],
)
def test_of_steady_use_every_formula_keeps_what_its_definition_says(
    name: str, expected: float
) -> None:
    assert kept(name, fleet(steady(2.0)), NOW_S) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "margin"), [("vpa-sum", 1.15), ("autopilot-like", 1.15), ("koordinator-peaks", 1.1)]
)
def test_histograms_keep_the_use_times_the_margin_and_at_most_a_bucket_more(
    name: str, margin: float
) -> None:
    found = kept(name, fleet(steady(2.0)), NOW_S)
    assert margin * 2.0 <= found <= margin * 2.0 * 1.06


def test_n_sigma_adds_the_deviation_of_the_last_ten_hours() -> None:
    use = steady(1.0)
    use[0, -120:] = np.tile([1.0, 3.0], 60)
    expected = 2.0 + 5 * np.std(use[0, -120:], ddof=1)
    assert kept("n-sigma", fleet(use), NOW_S) == pytest.approx(expected, rel=1e-5)


def test_after_a_gap_n_sigma_of_samples_looks_before_it_and_that_of_hours_sees_nothing() -> None:
    use = steady(2.0)
    use[0, -DAY:] = np.nan
    assert kept("n-sigma", fleet(use), NOW_S) == 0
    assert kept("n-sigma-samples", fleet(use), NOW_S) == pytest.approx(2.0)


def test_hourly_sigma_asks_only_the_hours_that_come() -> None:
    use = steady(1.0)
    use[0, [day * DAY + 12 for day in range(10)]] = 9.0  # stamped 01:00, so of the hour before it
    one_hour = (
        kept("hourly-sigma:1", fleet(use), at_s, HOUR_S) for at_s in (9 * DAY_S, 9 * DAY_S + HOUR_S)
    )
    with_burst, without = one_hour
    assert with_burst > 1.5
    assert without == pytest.approx(1.0)


def test_crane_keeps_the_peak_at_this_time_of_day_on_any_day_or_what_is_used_now() -> None:
    use = steady(1.0)
    use[0, 3 * DAY + 6] = 5.0  # half past midnight, days ago
    use[0, -1] = 2.5
    assert kept("crane:1", fleet(use), 9 * DAY_S, HOUR_S) == pytest.approx(5.0)
    assert kept("crane:1", fleet(use), 9 * DAY_S + HOUR_S, HOUR_S) == pytest.approx(1.0)
    assert kept("crane:1", fleet(use), NOW_S - 6 * HOUR_S, HOUR_S) == pytest.approx(1.0)
    assert kept("crane:1", fleet(use), NOW_S, HOUR_S) == pytest.approx(5.0)


def test_persistence_is_the_last_window_of_the_same_length() -> None:
    use = steady(1.0)
    use[0, -30] = 4.0  # two and a half hours ago
    assert kept("persistence", fleet(use), NOW_S, HOUR_S) == pytest.approx(1.0)
    assert kept("persistence", fleet(use), NOW_S, 4 * HOUR_S) == pytest.approx(4.0)


@pytest.mark.parametrize("level", [0.9, 0.99, 0.998])
def test_rc_like_is_the_sum_of_the_pods_own_percentiles(level: float) -> None:
    generator = np.random.default_rng(3)
    use = generator.gamma(2.0, 0.3, (3, 10 * DAY))
    assert level in LEVELS
    week = use[:, -7 * DAY :]
    expected = np.quantile(week, level, axis=1).sum()
    assert kept(f"rc-like:{level}", fleet(use), NOW_S) == pytest.approx(expected, rel=1e-5)


def test_vpa_forgets_by_half_lives_and_sizes_a_pod_never_seen_by_its_request() -> None:
    use = np.concatenate([np.full((1, 5 * DAY), 8.0), np.full((1, 5 * DAY), 1.0)], axis=1)
    assert kept("vpa-sum:1", fleet(use), NOW_S) == pytest.approx(1.0, rel=0.06)
    never = np.full((1, 10 * DAY), np.nan)
    assert kept("vpa-sum:1", fleet(never, request=4.0), NOW_S) == pytest.approx(4.0)


def test_vpa_counts_one_peak_of_memory_a_day() -> None:
    use = np.full((1, 10 * DAY), 1e9)
    use[0, ::DAY] = 8e9  # one sample a day: a p90 of samples would not see it
    history = fleet(np.ones((1, 10 * DAY)), memory=use)
    policy = make("vpa-sum:1", history, cpu_risk=0.01, memory_risk=0.001, horizons_s=(DAY_S,))
    found = float(policy.forecast(history, NOW_S).peak_memory_bytes[0, 0])
    assert found == pytest.approx(8e9, rel=0.06)


def test_koordinators_predictor_keeps_the_whole_request_of_a_pod_younger_than_a_day() -> None:
    use = np.full((1, 10 * DAY), np.nan)
    use[0, -DAY // 2 :] = 1.0
    young = fleet(use, request=4.0, start_s=NOW_S - DAY_S // 2)
    assert kept("koordinator-peaks", young, NOW_S) == pytest.approx(4.0)


def test_koordinator_offers_nothing_of_a_node_unheard_of_for_a_quarter_of_an_hour() -> None:
    use = steady(2.0)
    use[0, -4:] = np.nan
    assert kept("koordinator", fleet(use), NOW_S) == 16
    assert kept("koordinator-formula", fleet(use), NOW_S) == pytest.approx(0.4 * 16)


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("memory", [False, True])
def test_a_larger_knob_never_keeps_less(name: str, memory: bool) -> None:
    generator = np.random.default_rng(1)
    use = generator.gamma(1.5, 0.4, (4, 3 * DAY))
    use[1, 200:500] = np.nan
    history = fleet(use, [0, 0, 1, 1], memory=use * 1e9)
    peer, now_s = PEERS[name], 3 * DAY_S - STEP_S
    rule = peer.rule(memory)
    looked = rule.look(Known.of(history, now_s, (HOUR_S, DAY_S), memory=memory))
    knobs = np.linspace(0.0, min(peer.most, 20.0), 60)
    answers = [np.broadcast_to(rule.keep(looked, float(knob)), (2, 2)) for knob in knobs]
    assert np.diff(np.stack(answers), axis=0).min() >= -1e-9


@pytest.mark.parametrize("name", PEERS)
def test_asking_step_by_step_and_asking_once_give_the_same(name: str) -> None:
    generator = np.random.default_rng(2)
    history = fleet(generator.gamma(1.5, 0.4, (3, 4 * DAY)), [0, 0, 1])
    rule, now_s = PEERS[name].rule(False), 3 * DAY_S + 7 * HOUR_S

    def ask(at_s: int) -> FloatArray:
        known = Known.of(history.until(at_s), at_s, (DAY_S,), memory=False)
        return rule.keep(rule.look(known), PEERS[name].knob)

    for earlier_s in (DAY_S, DAY_S + 5 * HOUR_S, 2 * DAY_S, 3 * DAY_S):
        ask(earlier_s)
    after_steps = ask(now_s)
    rule = PEERS[name].rule(False)
    np.testing.assert_allclose(after_steps, ask(now_s), rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_before_the_first_sample_every_policy_answers_within_the_node(name: str) -> None:
    history = fleet(np.full((2, 2 * DAY), np.nan), [0, 1])
    policy = make(name, history, cpu_risk=0.01, memory_risk=0.001)
    for now_s in (0, STEP_S, DAY_S):
        found = policy.forecast(history.until(now_s), now_s).peak_cpu_cores
        assert ((found >= 0) & (found <= 16)).all()


@pytest.mark.parametrize(
    ("name", "base", "knob"), [("crane", "crane", None), ("slacktide:0.05", "slacktide", 0.05)]
)
def test_a_name_is_a_policy_and_perhaps_its_knob(name: str, base: str, knob: float | None) -> None:
    assert parsed(name) == (base, knob)


@pytest.mark.parametrize("name", ["slacktide:1", "slacktide:1.5", "oracle:1", "crane:", "crane:0"])
def test_a_knob_that_cannot_be_is_refused_by_name(name: str) -> None:
    with pytest.raises(BadInput, match=name.partition(":")[0]):
        parsed(name)
