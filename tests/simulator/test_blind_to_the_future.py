"""Whatever answers at a time knows nothing later: every model and policy, every way to tell it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from typing import Any, Final

import numpy as np
import pytest

from predictor.core.forecast import ForecastSettings, walk, warmed_up
from predictor.core.histogram import CPU_BUCKETS, empty_histograms
from predictor.core.history import NEVER_S, History, history_of
from predictor.core.oom import counting_oom_kills
from predictor.core.profile import profiles
from predictor.core.recommend import recommendations
from predictor.core.supply import offered
from predictor.core.use import Containers, containers_of
from simulator.core.backtest import predictions
from simulator.core.generate import generate_trace
from simulator.core.generate_shape import OnlineShape
from simulator.core.policies.catalogue import NAMES, make
from simulator.core.replay import DAY_S, Scenario
from slacktide.messages import NodeForecasts
from tests.simulator.tiny import replay, scenario

NOW_S: Final = 8 * DAY_S + 5 * 3_600
SETTINGS = ForecastSettings(learn_every_s=6 * 3_600)
World = tuple[History, Containers]


@cache
def world() -> World:
    """Ten days in which pods come, go and are killed, with most of what is to come told too."""
    shape = OnlineShape(deploys_per_day=0.3, late_or_early_share=0.4)
    trace = generate_trace(shape, seed=4, clusters=("east",), nodes_per_cluster=3, days=10)
    history = history_of(trace)
    kills = (np.random.default_rng(0).random(history.cpu_cores.shape) < 0.001).astype(np.float32)
    limit = 2 * np.nan_to_num(history.memory_request_bytes, nan=1e9)
    return replace(history, oom_kills=kills, memory_limit_bytes=limit), containers_of(trace)


def later_samples(whole: History, change: Callable[[Any], Any]) -> History:
    """The history with every sample after now changed."""

    def changed(samples: Any) -> Any:
        known = whole.column(NOW_S) + 1
        return np.concatenate([samples[:, :known], change(samples[:, known:])], axis=1)

    return replace(
        whole,
        cpu_cores=changed(whole.cpu_cores),
        memory_bytes=changed(whole.memory_bytes),
        oom_kills=changed(whole.oom_kills),
    )


def deleted(given: World) -> World:
    """As it was recorded now: no later sample, pod or end was ever there."""
    whole, containers = given
    rows = np.flatnonzero(whole.start_s <= NOW_S).tolist()
    past = whole.taken(rows).until(NOW_S)
    names = [field.name for field in fields(Containers)]
    return past, Containers(**{c: tuple(getattr(containers, c)[r] for r in rows) for c in names})


def other_pods(given: World) -> World:
    """Pods to come are giants, and those there end at once."""
    whole, containers = given
    to_come, giant = whole.start_s > NOW_S, 1e9
    return replace(
        whole,
        cpu_request_cores=np.where(to_come, giant, whole.cpu_request_cores),
        memory_request_bytes=np.where(to_come, giant, whole.memory_request_bytes),
        node=np.where(to_come, 0, whole.node),
        start_s=np.where(to_come, NOW_S + 1, whole.start_s),
        end_s=np.where(whole.end_s > NOW_S, NOW_S + 1, whole.end_s),
    ), containers


SAMPLES: Final[dict[str, Callable[[World], World]]] = {
    "deleted": deleted,
    "fifty times as much": lambda w: (later_samples(w[0], lambda s: s * 50 + 50), w[1]),
    "silence": lambda w: (later_samples(w[0], lambda s: s * np.nan), w[1]),
}
FUTURES: Final = SAMPLES | {"other pods": other_pods}


def told(made: NodeForecasts) -> list[Any]:
    """Everything a forecast says."""
    peaks = (made.peak_cpu_cores, made.peak_memory_bytes, made.reclaimable_memory_bytes)
    nodes, horizons = range(len(made.nodes)), range(len(made.horizons_s))
    return [[p.tobytes() for p in peaks], [made.reasons(n, h) for n in nodes for h in horizons]]


def forecast(given: World) -> Any:
    [made] = walk(given[0], [NOW_S], SETTINGS)
    assert len(made.horizons_s) == 4
    return told(made)


def forecast_of_needed_memory(given: World) -> Any:
    [made] = walk(counting_oom_kills(given[0]), [NOW_S], replace(SETTINGS, horizons_s=(DAY_S,)))
    return told(offered(made, given[0].node_memory_bytes))


def right_sizing(given: World) -> Any:
    return recommendations(*given, NOW_S)


def rows_then(given: World) -> Any:
    """CPU samples of the series there now, as of now."""
    return given[0].until(NOW_S).cpu_cores[given[0].start_s <= NOW_S]


def histogram(given: World) -> Any:
    samples = rows_then(given)
    none = empty_histograms(len(samples), CPU_BUCKETS)
    return none.with_samples(samples, first_s=0, interval_s=300).percentile(0.9).tobytes()


def profile(given: World) -> Any:
    of = profiles(rows_then(given), interval_s=300)
    return [of.hourly_p95.tobytes(), of.day_strength.tobytes(), of.seen_hours.tobytes()]


def policy(name: str, given: World) -> Any:
    asked = make(name, given[0], cpu_risk=0.01, memory_risk=0.001, horizons_s=(DAY_S,))
    return [told(made) for made in predictions(asked, given[0], [NOW_S - DAY_S, NOW_S])]


def of_policy(name: str) -> Callable[[World], Any]:
    return lambda given: policy(name, given)


MODELS: Final[dict[str, Callable[[World], Any]]] = {
    "forecast": forecast,
    "forecast of needed memory": forecast_of_needed_memory,
    "right-sizing": right_sizing,
    "histogram": histogram,
    "profile": profile,
    **{f"policy {name}": of_policy(name) for name in NAMES if name != "oracle"},
}


@cache
def seeing(model: str) -> Any:
    """What a model says of the world as it went on."""
    return MODELS[model](world())


@pytest.mark.parametrize("future", FUTURES)
@pytest.mark.parametrize("model", MODELS)
def test_another_future_changes_no_answer(model: str, future: str) -> None:
    assert MODELS[model](FUTURES[future](world())) == seeing(model)


@pytest.mark.parametrize("future", SAMPLES)
def test_who_does_peek_is_found_out(future: str) -> None:
    assert policy("oracle", SAMPLES[future](world())) != policy("oracle", world())


def test_the_world_has_what_could_leak() -> None:
    whole, _ = world()
    assert (whole.start_s > NOW_S).any(), "pods to come"
    ends = (whole.end_s > NOW_S) & (whole.end_s < NEVER_S)
    assert (ends & (whole.start_s <= NOW_S)).any(), "ends to come"
    known = whole.column(NOW_S) + 1
    assert whole.oom_kills is not None
    assert whole.oom_kills[:, known:].any(), "kills to come"
    state = warmed_up(whole, NOW_S, SETTINGS)
    assert state is not None
    assert state.cpu.models[0] is not None, "a model that learned"
    assert "cold pods" in " ".join(forecast(world())[1]), "pods of which little is known"


def durations_after(staged: Scenario, steps: int) -> Any:
    """What is predicted for every gang, and which gangs are done, after some intervals."""
    run = replay(staged, "borg-default")
    for _, _ in zip(range(steps), run.steps(), strict=False):
        pass
    waiting = run.fleet.waiting()
    return run.durations.finished_s, run._predicted_s[waiting].tolist(), run.fleet.done_s >= 0


def test_how_long_gangs_will_still_run_changes_no_predicted_duration() -> None:
    staged, steps = scenario(clusters=1), 100
    finished, predicted, done = durations_after(staged, steps)
    assert sum(map(len, finished.values())) > 0
    assert predicted
    longer = np.where(done, staged.jobs.duration_s, 50 * staged.jobs.duration_s)
    other = replace(staged, jobs=replace(staged.jobs, duration_s=longer))
    assert durations_after(other, steps)[:2] == (finished, predicted)
