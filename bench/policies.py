"""Every policy over its knob: savings at the same violation, ours beside each peer.

python -m bench.policies [--trace DIR] [--horizon 24h] [--what cpu|memory] [--quick]

Without a trace the built-in sample is used. `savings_..._vs_NAME_at_1pct` is what ours saves
where both are tuned in hindsight to violate at most 1 % (or 0.1 %). A peer that no knob makes so
careful has the value null.
"""

from __future__ import annotations

import time
from pathlib import Path

import click

from bench.figures import say
from predictor.core.history import history_of
from simulator.core.backtest import Trial, prediction_times, trial_of
from simulator.core.bootstrap import SEED
from simulator.core.families import Family, family_of_formula, family_of_kept, kept_of
from simulator.core.generate import builtin_sample
from simulator.core.policies.catalogue import OURS, PEERS, make
from simulator.core.results import Asked, Result, results
from slacktide.durations import DURATION
from slacktide.trace import read_trace

TARGETS = {0.01: "1pct", 0.001: "0.1pct"}
GOALS = {"n-sigma": "ratio >=1.3", "n-sigma-samples": "ratio >=1.3"}


@click.command()
@click.option("--trace", type=click.Path(path_type=Path))
@click.option("--horizon", type=DURATION, default="24h", show_default=True)
@click.option("--what", type=click.Choice(["cpu", "memory"]), default="cpu", show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the built-in sample.")
@click.option("--quick", is_flag=True, help="Every 12 h instead of every 3 h.")
def main(trace: Path | None, horizon: int, what: str, seed: int, quick: bool) -> None:
    """Walk forward over a trace from day 14."""
    begun = time.process_time()
    history = history_of(builtin_sample(seed)[0] if trace is None else read_trace(trace))
    every_s = 12 * 3_600 if quick else 3 * 3_600
    times = prediction_times(history, from_day=14, every_s=every_s, horizon_s=horizon)
    trial = trial_of(history, times, horizon_s=horizon, memory=what == "memory")
    of = f"{what}_{horizon // 3600}h"
    found = compared(trial)
    by_name = {(result.policy, result.matched): result for result in found}
    _say_promised(by_name[OURS, None], of, what, seed)
    for name in PEERS:
        for target, words in TARGETS.items():
            ours, peer = by_name[OURS, target], by_name[name, target]
            _say_beside(ours, peer, f"{of}_vs_{name}_at_{words}", name, seed)
    say("policies", f"cpu_seconds_{of}", [time.process_time() - begun], "s", goal="<=180")


def compared(trial: Trial) -> list[Result]:
    """Ours as promised, then every policy at each violation."""
    risks = {"cpu_risk": 0.01, "memory_risk": 0.001, "horizons_s": (trial.horizon_s,)}
    policy = make(OURS, trial.history, **risks)  # type: ignore[arg-type]  # one dict of two kinds
    kept = kept_of(policy, trial, iter, lambda _: None)
    families: list[Family] = [family_of_formula(name, trial, iter) for name in PEERS]
    families.append(family_of_kept(OURS, kept, trial))
    return results([Asked(OURS, "", kept)], families, trial, targets=tuple(TARGETS), seed=SEED)


def _say_promised(ours: Result, of: str, what: str, seed: int) -> None:
    if ours.score is None or ours.sure is None:
        return
    goal = "0.005-0.012" if what == "cpu" else "<=0.002"
    for name, value, interval, wanted in (
        ("violation", ours.score.violation, ours.sure.violation, goal),
        ("of_oracle", ours.score.of_oracle, ours.sure.of_oracle, ""),
    ):
        say("policies", f"{name}_{of}", [value], "share", goal=wanted, seed=seed)
        for end, bound in (("low", interval.low), ("high", interval.high)):
            say("policies", f"{name}_{of}_{end}_95", [bound], "share", seed=SEED)


def _say_beside(ours: Result, peer: Result, figure: str, name: str, seed: int) -> None:
    if ours.score is None:
        return
    say(
        "policies",
        f"savings_{figure}",
        [ours.score.savings],
        "share",
        goal=GOALS.get(name, "ratio >=1"),
        baseline=f"{name}:{peer.setting}",
        baseline_values=[] if peer.score is None else [peer.score.savings],
        seed=seed,
    )


if __name__ == "__main__":
    main()
