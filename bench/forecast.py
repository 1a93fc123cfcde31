"""Node forecasts against what came: violation and savings beside the oracle and the peers.

python -m bench.forecast [--trace DIR] [--horizon 24h] [--quick]

Without a trace the built-in sample is used. Figures are shares; the baseline of ours is the best
constant factor on the week's peak, tuned in hindsight to violate as rarely as we did. Coverage by
hour of day, node age and node size follows: no stratum should be 3 points worse than the promise.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from bench.figures import say
from predictor.core.history import history_of
from predictor.core.strata import coverage_by_stratum, first_seen_s
from simulator.core.backtest import Score, oracle_peaks, prediction_times, predictions, score
from simulator.core.generate import builtin_sample
from simulator.core.policies.catalogue import make
from slacktide.durations import DURATION
from slacktide.messages import FloatArray
from slacktide.trace import read_trace

PEERS = ("borg-default", "n-sigma", "n-sigma:10", "koordinator-formula", "max-of-week", "rc-like")
DAY_S = 86_400


@click.command()
@click.option("--trace", type=click.Path(path_type=Path))
@click.option("--horizon", type=DURATION, default="24h", show_default=True)
@click.option("--what", type=click.Choice(["cpu", "memory"]), default="cpu", show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--quick", is_flag=True, help="Every 12 h instead of every 3 h.")
def main(trace: Path | None, horizon: int, what: str, seed: int, quick: bool) -> None:
    """Walk forward over a trace from day 14."""
    history = history_of(builtin_sample(seed)[0] if trace is None else read_trace(trace))
    every_s = 12 * 3_600 if quick else 3 * 3_600
    times = prediction_times(history, from_day=14, every_s=every_s, horizon_s=horizon)
    memory = what == "memory"
    capacity = history.node_memory_bytes if memory else history.node_cpu_cores
    came = oracle_peaks(history, times, horizon_s=horizon, memory=memory)

    def kept_by(name: str) -> FloatArray:
        policy = make(name, history, cpu_risk=0.01, memory_risk=0.001, horizons_s=(horizon,))
        columns = []
        for made in predictions(policy, history, times):
            peak = made.peak_memory_bytes if memory else made.peak_cpu_cores
            columns.append(peak[:, made.horizon_index(horizon)])
        return np.stack(columns, axis=1)

    hours = f"{horizon // 3600}h"
    kept = kept_by("slacktide")
    ours = score("slacktide", kept, came, capacity)
    best = in_hindsight(kept_by("max-of-week:1"), came, capacity, ours.violation)
    of = f"{what}_{hours}"
    risk, promise = ("<=0.002", 0.001) if memory else ("0.005-0.012", 0.01)
    say("forecast", f"violation_{of}", [ours.violation], "share", goal=risk, seed=seed)
    say("forecast", f"worst_node_{of}", [ours.worst_node], "share", goal="<=0.05", seed=seed)
    say(
        "forecast",
        f"of_oracle_{of}",
        [ours.of_oracle],
        "share",
        goal="" if memory else ">=0.84",
        baseline=f"{best.policy}, at violation {best.violation:.4f}",
        baseline_values=[best.of_oracle],
        seed=seed,
    )
    strata = coverage_by_stratum(
        np.minimum(kept, capacity[:, None]) < came * (1 - 1e-6),
        np.isfinite(kept),
        times_s=np.array(times),
        first_seen_s=first_seen_s(history),
        capacity=capacity,
    )
    for one in strata:
        figure = f"violation_{of}:{one.kind} {one.name} of {one.windows}"
        say(
            "forecast", figure, [one.broken_share], "share", goal=f"<={promise + 0.03:g}", seed=seed
        )
    for name in PEERS:
        found = score(name, kept_by(name), came, capacity)
        say("forecast", f"violation_{of}:{name}", [found.violation], "share", seed=seed)
        say("forecast", f"of_oracle_{of}:{name}", [found.of_oracle], "share", seed=seed)


def in_hindsight(
    week: FloatArray, came: FloatArray, capacity: FloatArray, violation: float
) -> Score:
    """The smallest factor on the week's peak that, known only afterwards, violates no more."""
    scores = (
        score(f"max-of-week:{factor:.2f}", week * factor, came, capacity)
        for factor in np.arange(0.8, 4.0, 0.01)
    )
    return next((found for found in scores if found.violation <= violation), next(scores))


if __name__ == "__main__":
    main()
