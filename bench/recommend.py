"""Right-sized requests against the week that came, beside KRR's and VPA's rules.

python -m bench.recommend [--trace DIR] [--quick]

Without a trace the built-in sample is used. Requests are made every seven days from day 14 on, each
from the past alone and from the answers given before; slack is cores or GiB above the mean use of
the next seven days, unmet the share of use above the request, oom_days the share of workload-days
with any sample above the memory request. Matched figures move our knob (percentile, budget) until
one axis equals the peer's. Changes are counted a workload-day, with daily recommendations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from bench.figures import say
from predictor.core.history import History, history_of
from predictor.core.recommend import SizingSettings, recommended, use_for
from predictor.core.steady import Standing, declared, standing, steady
from predictor.core.use import Containers, containers_of
from simulator.core.generate import builtin_sample
from simulator.core.right_sizing import DAY_S, Requests, Rule, Tally, held_against_week, krr, vpa
from slacktide.messages import FloatArray, Recommendation
from slacktide.trace import read_trace

GIB = 1 << 30
PERCENTILES = (0.75, 0.80, 0.85, 0.90, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)
BUDGETS = (-0.30, -0.20, -0.10, -0.05, 0.0, 0.05, 0.10, 0.14, 0.20, 0.30, 0.60)
PEAK_DAYS = (2, 7)
Key = tuple[str, str, str, str]


@click.command()
@click.option("--trace", type=click.Path(path_type=Path))
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--quick", is_flag=True, help="Fewer points of the curves, changes over a week.")
def main(trace: Path | None, seed: int, quick: bool) -> None:
    """Walk forward over a trace from day 14."""
    source = builtin_sample(seed)[0] if trace is None else read_trace(trace)
    history, containers = history_of(source), containers_of(source)
    days = history.cpu_cores.shape[1] * history.interval_s // DAY_S
    weekly = [day * DAY_S for day in range(14, days - 6, 7)]
    daily = [day * DAY_S for day in range(14, min(days, 22) if quick else days)]
    usual = SizingSettings()
    ours = _ours(history, containers, weekly, usual)
    curves = tuple(
        [
            _ours(history, containers, weekly, knobs)
            for knobs in _knobs(usual, peak_days, every=2 if quick else 1)
        ]
        for peak_days in PEAK_DAYS
    )
    _say("slacktide", ours, seed)
    for name, rule in (("krr", krr()), ("vpa", vpa())):
        peer = _peers(history, containers, weekly, rule)
        _say(name, peer, seed)
        _say_matched(name, peer, curves, has_memory=history.memory_bytes is not None)
    for name, changed in _changes(history, containers, daily, usual):
        say("recommend", f"changes_a_workload_day_{name}", [changed], "changes", goal="<=0.15")


def _knobs(usual: SizingSettings, peak_days: int, *, every: int) -> Iterator[SizingSettings]:
    """Percentile and budget move together: the two resources are judged apart."""
    for share, budget in list(zip(PERCENTILES, BUDGETS, strict=True))[::every]:
        yield replace(usual, cpu_percentile=share, memory_budget=budget, peak_days=peak_days)


def _walk(
    history: History, containers: Containers, times: Sequence[int], settings: SizingSettings
) -> Iterator[tuple[int, dict[Key, Recommendation], dict[Key, Recommendation]]]:
    """At each time: what the law says, and what stands after the answers given before."""
    stands: dict[Key, Standing] = {}
    for now_s in times:
        use = use_for(history, containers, now_s, settings)
        made = {_key(one): one for one in recommended(use, now_s, settings)}
        before = {key: stands.get(key) or declared(one) for key, one in made.items()}
        kept = {key: steady(one, before[key]) for key, one in made.items()}
        stands |= {key: standing(one, before[key]) for key, one in kept.items()}
        yield now_s, made, kept


def _ours(
    history: History, containers: Containers, times: Sequence[int], settings: SizingSettings
) -> Tally:
    tally = Tally()
    for now_s, _, kept in _walk(history, containers, times, settings):
        tally += held_against_week(history, now_s, _asked(history, containers, kept))
    return tally


def _asked(history: History, containers: Containers, kept: dict[Key, Recommendation]) -> Requests:
    """Each series' request; the declared one where there is no answer."""
    cores, sizes = history.cpu_request_cores.copy(), history.memory_request_bytes.copy()
    for row, key in enumerate(_keys(containers)):
        advice = kept.get(key)
        if advice is not None and advice.recommended_cpu_request_cores is not None:
            cores[row] = advice.recommended_cpu_request_cores
        if advice is not None and advice.recommended_memory_request_bytes is not None:
            sizes[row] = advice.recommended_memory_request_bytes
    return Requests(cores, sizes)


def _peers(history: History, containers: Containers, times: Sequence[int], rule: Rule) -> Tally:
    """The same for a peer's rule; a series of which nothing is known asks what is declared."""
    number: dict[Key, int] = {}
    group = np.array([number.setdefault(key, len(number)) for key in _keys(containers)])
    tally = Tally()
    for now_s in times:
        asked = rule(_running(history, now_s), group)
        cores = np.where(np.isnan(asked.cpu_cores), history.cpu_request_cores, asked.cpu_cores)
        tally += held_against_week(history, now_s, Requests(cores, asked.memory_bytes))
    return tally


def _running(history: History, now_s: int) -> History:
    """What is known before a time, of the pods that run then: the others are nobody's replicas."""
    known = history.until(now_s - history.interval_s)
    gone = ~history.resident(now_s)[:, None]
    memory = known.memory_bytes
    return replace(
        known,
        cpu_cores=np.where(gone, np.float32(np.nan), known.cpu_cores),
        memory_bytes=None if memory is None else np.where(gone, np.float32(np.nan), memory),
    )


def _say(name: str, tally: Tally, seed: int) -> None:
    say("recommend", f"cpu_slack:{name}", [tally.cpu_slack_cores], "cores", seed=seed)
    say("recommend", f"cpu_unmet:{name}", [tally.unmet_share], "share", seed=seed)
    if tally.days:
        say("recommend", f"memory_slack:{name}", [tally.memory_slack_bytes / GIB], "GiB", seed=seed)
        say("recommend", f"oom_days:{name}", [tally.oom_share], "share", seed=seed)


def _say_matched(
    name: str, peer: Tally, curves: Sequence[Sequence[Tally]], *, has_memory: bool
) -> None:
    """Our best slack at the peer's risk, and our least risk at its slack; silent off the curves."""
    at = _point(peer)
    of = [np.array([_point(one) for one in curve]) for curve in curves]
    matched = [
        ("cpu_slack_at_unmet_of", 1, 0, "cores", "ratio<=0.85"),
        ("unmet_at_cpu_slack_of", 0, 1, "share", "ratio<=0.5"),
        ("memory_slack_at_oom_days_of", 3, 2, "GiB", "ratio<=0.8"),
        ("oom_days_at_memory_slack_of", 2, 3, "share", "<=0.005"),
    ]
    for figure, along, what, unit, goal in matched if has_memory else matched[:2]:
        found = [_at(at[along], curve[:, along], curve[:, what]) for curve in of]
        best = min((one for one in found if np.isfinite(one)), default=None)
        if best is not None:
            said = f"{figure}:{name}"
            say(
                "recommend",
                said,
                [best],
                unit,
                goal=goal,
                baseline=name,
                baseline_values=[at[what]],
            )


def _point(tally: Tally) -> tuple[float, float, float, float]:
    """CPU slack and unmet, memory slack and OOM days."""
    memory = tally.memory_slack_bytes / GIB
    return tally.cpu_slack_cores, tally.unmet_share, memory, tally.oom_share


def _at(wanted: float, along: FloatArray, values: FloatArray) -> float:
    """Between the curve's points; its last one where all of it lies lower, NaN where none does."""
    order = np.argsort(along)
    return float(np.interp(wanted, along[order], values[order], left=np.nan))


def _changes(
    history: History, containers: Containers, times: Sequence[int], settings: SizingSettings
) -> Iterator[tuple[str, float]]:
    """Share of workload-days whose number differs from the day before's, by resource."""
    law: dict[Key, Recommendation] = {}
    stood: dict[Key, Recommendation] = {}
    pairs: list[tuple[bool, bool, bool, bool]] = []
    for _, made, kept in _walk(history, containers, times, settings):
        pairs += [
            (*_differ(law[key], made[key]), *_differ(stood[key], kept[key]))
            for key in made
            if key in law
        ]
        law, stood = made, kept
    shares = np.array(pairs, dtype=np.float64).reshape(-1, 4).mean(axis=0)
    names = ("cpu_without_standing", "memory_without_standing", "cpu", "memory")
    yield from zip(names, shares.tolist(), strict=True)


def _differ(one: Recommendation, other: Recommendation) -> tuple[bool, bool]:
    return (
        one.recommended_cpu_request_cores != other.recommended_cpu_request_cores,
        one.recommended_memory_request_bytes != other.recommended_memory_request_bytes,
    )


def _keys(containers: Containers) -> Iterator[Key]:
    names = (containers.namespace, containers.workload, containers.kind, containers.container)
    return zip(*names, strict=True)


def _key(advice: Recommendation) -> Key:
    return (advice.namespace, advice.workload, advice.kind, advice.container)


if __name__ == "__main__":
    main()
